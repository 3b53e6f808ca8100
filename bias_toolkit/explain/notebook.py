"""An explanation as a notebook shows it: the answer, the view, and the table of candidate causes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from bias_toolkit.foundation.words import interval, percent, significant, visible

if TYPE_CHECKING:
    from bias_toolkit.explain.explanation import Estimate, Explanation


def notebook_html(explanation: Explanation) -> str:
    """HTML that needs no other file: pictures are in it, where the explanation's folder still has them."""
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
            _data_address(explanation, line.picture),
        )
        for line in explanation.lines
    ]
    return environment.get_template("notebook.html").render(
        explanation=explanation,
        picture=_data_address(explanation, explanation.picture),
        before=_measured(explanation.before.p_top1_change, explanation.before.mac),
        lines=lines,
    )


def _measured(changes: Estimate, mac: Estimate) -> tuple[str, str]:
    return (
        f"{percent(changes.value)} ({interval(changes.low, changes.high, percent)})",
        f"{significant(mac.value, 2)} ({interval(mac.low, mac.high, lambda value: significant(value, 2))})",
    )


def _data_address(explanation: Explanation, picture: str | None) -> str | None:
    if picture is None or explanation.folder is None or not (explanation.folder / picture).exists():
        return None
    content = base64.b64encode((explanation.folder / picture).read_bytes()).decode()
    return f"data:image/png;base64,{content}"
