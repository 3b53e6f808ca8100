"""An explanation as a notebook shows it: the answer, the view, and the table of candidate causes."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path

from bias_toolkit.explain.record import Estimate, ExplanationRecord
from bias_toolkit.explain.sentences import answer
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.untrusted import inside, read_regular
from bias_toolkit.foundation.words import interval, percent, significant, visible

LARGEST_PICTURE = 16 * 2**20


def notebook_html(explanation: ExplanationRecord, folder: Path | None = None, page: Path | None = None) -> str:
    """HTML that needs no other file: it contains the pictures that the explanation's folder has.

    Parameters
    ----------
    explanation : ExplanationRecord
    folder : Path, optional
        The explanation's folder. Without it, no picture is shown.
    page : Path, optional
        The path of the explanation's page, which is shown as text.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bias_toolkit.explain"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if isinstance(value, str) else value,
        trim_blocks=True,
    )
    lines = [
        (
            line,
            *(("", "") if line.after is None else _measured(line.after.p_top1_change, line.after.mac)),
            _data_address(folder, line.picture),
        )
        for line in explanation.lines
    ]
    return environment.get_template("notebook.html").render(
        explanation=explanation,
        answer=answer(explanation),
        page=page,
        picture=_data_address(folder, explanation.picture),
        before=_measured(explanation.before.p_top1_change, explanation.before.mac),
        lines=lines,
    )


def _measured(changes: Estimate, mac: Estimate) -> tuple[str, str]:
    return (
        f"{percent(changes.value)} ({interval(changes.low, changes.high, percent)})",
        f"{significant(mac.value, 2)} ({interval(mac.low, mac.high, lambda value: significant(value, 2))})",
    )


def _data_address(folder: Path | None, picture: str | None) -> str | None:
    """The picture as an address that contains it; None if the folder has no such picture."""
    if folder is None or picture is None:
        return None
    with suppress(InputError):
        content = read_regular(inside(folder, picture), LARGEST_PICTURE)
        return f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return None
