"""What is said of the images that were explained is made from this."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bias_toolkit.explain.explanation import Explanation
from bias_toolkit.explain.summary import Summary, summarise
from bias_toolkit.report.page.publish import PAGE
from bias_toolkit.report.source import Source, per_image
from bias_toolkit.report.stability import ordered_by_stability


@dataclass(frozen=True)
class ExplainedImage:
    """One of the images that were explained.

    `class_name`: as it is shown; empty for none. `p_top1_change`, `low`, `high`: over one-pixel steps in all
    directions, with its 95% interval; None where there is none. `first_cause`: in words; None where no cause was found,
    or none was looked for. `link`: address of its page, relative to the report. `is_stable`: whether it is too stable
    for a cause to be looked for.
    """

    image_id: str
    class_name: str
    p_top1_change: float
    low: float | None
    high: float | None
    first_cause: str | None
    link: str
    is_stable: bool = False


@dataclass(frozen=True)
class Explained:
    """What the explanations say together, and the images that were explained.

    `summary`: of the least stable images, as far down as each has been explained. `images`: the least stable first.
    """

    summary: Summary | None = None
    images: Sequence[ExplainedImage] = ()


def explanation_links(source: Source) -> dict[str, str]:
    """image_id to the address of its explanation's page, relative to the report."""
    return {
        image_id: f"../{explanation.folder.relative_to(source.folder).as_posix()}/{PAGE}"
        for image_id, explanation in source.explanations.items()
    }


def gather(source: Source) -> Explained:
    """The explanations of a study."""
    explanations: Mapping[str, Explanation] = source.explanations
    if not explanations:
        return Explained()
    links = explanation_links(source)
    ordered = ordered_by_stability(per_image(source))["image_id"]
    worst = list(itertools.takewhile(explanations.__contains__, ordered))
    shown = sorted(explanations.values(), key=lambda each: -each.before.p_top1_change.value)
    return Explained(
        summarise([explanations[image_id] for image_id in worst]) if worst else None,
        [_explained_image(each, links[each.image_id]) for each in shown],
    )


def _explained_image(explanation: Explanation, link: str) -> ExplainedImage:
    changes = explanation.before.p_top1_change
    return ExplainedImage(
        image_id=explanation.image_id,
        class_name=explanation.label_name,
        p_top1_change=changes.value,
        low=changes.low,
        high=changes.high,
        first_cause=explanation.causes[0].name if explanation.causes else None,
        link=link,
        is_stable=explanation.is_stable,
    )
