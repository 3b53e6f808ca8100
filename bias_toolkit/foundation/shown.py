"""How the objects of the public interface show themselves in an interpreter and in a notebook."""

from collections.abc import Mapping
from html import escape

from bias_toolkit.foundation.words import visible


def public_names(shown: object) -> list[str]:
    """The names that tab completion offers for an object: those without a leading underscore."""
    return sorted(name for name in object.__dir__(shown) if not name.startswith("_"))


def html_table(title: str, rows: Mapping[str, str]) -> str:
    """A title and a table of names and values, as HTML; names and values are escaped."""
    left = "style='text-align: left'"
    cells = "".join(
        f"<tr><th {left}>{escape(visible(name))}</th><td {left}>{escape(visible(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<b>{escape(title)}</b><table>{cells}</table>"
