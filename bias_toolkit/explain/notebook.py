"""An explanation as a notebook shows it: the answer, the view, and the table of candidate causes."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path

from bias_toolkit.explain.record import ExplanationRecord, Stability
from bias_toolkit.explain.sentences import answer, two_digits
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.untrusted import inside, read_regular
from bias_toolkit.foundation.words import interval, percent, visible

LARGEST_PICTURE = 16 * 2**20


def notebook_html(explanation: ExplanationRecord, folder: Path | None = None, page: Path | None = None) -> str:
    """HTML that needs no other file: it contains the pictures that `folder` has, and `page`, a path, as text."""
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
            *(("", "") if line.after is None else _measured(line.after)),
            _data_address(folder, line.picture),
        )
        for line in explanation.lines
    ]
    return environment.get_template("notebook.html").render(
        explanation=explanation,
        answer=answer(explanation),
        page=page,
        picture=_data_address(folder, explanation.picture),
        before=_measured(explanation.before),
        lines=lines,
    )


def _measured(stability: Stability) -> tuple[str, ...]:
    measures = (stability.p_top1_change, percent), (stability.mac, two_digits)
    return tuple(f"{form(each.value)} ({interval(each.low, each.high, form)})" for each, form in measures)


def _data_address(folder: Path | None, picture: str | None) -> str | None:
    """The picture as an address that contains it; None if the folder has no such picture."""
    if folder is None or picture is None:
        return None
    with suppress(InputError):
        content = read_regular(inside(folder, picture), LARGEST_PICTURE)
        return f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return None
