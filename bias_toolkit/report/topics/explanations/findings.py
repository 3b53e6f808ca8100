"""The images of a study that were explained, and a finding on what the unstable ones owe it to."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from bias_toolkit.explain.summary import CauseShare, Summary, summarise
from bias_toolkit.foundation.words import count, known, percent
from bias_toolkit.report.page.publish import PAGE
from bias_toolkit.report.source import Source, per_image
from bias_toolkit.report.stability import ordered_by_stability
from bias_toolkit.report.words.finding import Finding, Heading, Kind, estimate_over
from bias_toolkit.report.words.sentences import was

COIN_TOSS = "coin_toss"
"""The one cause that nothing removes: it is compared with images of the same margin instead."""

SELECTION = "The images were picked, not sampled: the counts are of these images, and of no others."


@dataclass(frozen=True)
class ExplainedImage:
    """One of the images that were explained."""

    image_id: str
    class_name: str  # as it is shown; empty for none
    p_top1_change: float  # over one-pixel steps in all directions
    low: float | None  # its 95% interval; None where there is none
    high: float | None
    first_cause: str | None  # in words; None where no cause was found, or none was looked for
    link: str  # address of its page, relative to the report
    is_stable: bool = False  # whether it is too stable for a cause to be looked for


@dataclass(frozen=True)
class Explained:
    """What the explanations say together, and the images that were explained."""

    summary: Summary | None = None  # of the least stable images, as far down as each has been explained
    images: Sequence[ExplainedImage] = ()  # the least stable first


def explanation_links(source: Source) -> dict[str, str]:
    """image_id to the address of its explanation's page, relative to the report."""
    return {
        image_id: f"../{explanation.folder.relative_to(source.folder).as_posix()}/{PAGE}"
        for image_id, explanation in source.explanations.items()
    }


def gather(source: Source) -> Explained:
    """The explanations of a study."""
    explanations = source.explanations
    if not explanations:
        return Explained()
    links = explanation_links(source)
    ordered = ordered_by_stability(per_image(source))["image_id"]
    worst = [explanations[image_id] for image_id in itertools.takewhile(explanations.__contains__, ordered)]
    images = []
    for each in sorted(explanations.values(), key=lambda each: -each.before.p_top1_change.value):
        cause = each.causes[0].name if each.causes else None
        shown = each.image_id, each.label_name, *_ends(each.before.p_top1_change), cause, links[each.image_id]
        images.append(ExplainedImage(*shown, each.is_stable))
    return Explained(summarise(worst) if worst else None, images)


def explanation_findings(contents: Explained) -> list[Finding]:
    """The most frequent first cause of the explained images that are unstable; nothing where none was explained."""
    summary = contents.summary
    if summary is None or not summary.n_images:
        return []
    if not summary.n_unstable:
        claim = f"{explained_and_unstable(summary)}."
        return [Finding(Heading.EXPLANATIONS, Kind.FACT, claim, SELECTION)]
    most = max(share.n_first for share in summary.shares)
    if not most:
        claim = f"No cause was found for {_all(summary.n_unstable)} explained."
        evidence = f"Nothing that was tried was shown to be one. {SELECTION}"
        return [Finding(Heading.EXPLANATIONS, Kind.FACT, claim, evidence)]
    leading = [share for share in summary.shares if share.n_first == most]
    names = " and ".join(f"“{share.name}”" for share in leading)
    verb = "is" if len(leading) == 1 else "are each"
    among = "" if most == summary.n_unstable else f"{count(most)} of "
    claim = f"{names} {verb} the first cause of {among}{_all(summary.n_unstable)} explained."
    evidence = [_removal(share, summary) for share in leading if known(share.after.value)]
    if summary.n_unexplained:
        evidence.append(f"For {count(summary.n_unexplained)} no cause was found.")
    return [Finding(Heading.EXPLANATIONS, Kind.FACT, claim, " ".join([*evidence, SELECTION]))]


def explained_and_unstable(summary: Summary) -> str:
    """`20 images were explained, of which 18 are unstable`."""
    n = summary.n_unstable
    told = {0: "none is", 1: "1 is", summary.n_images: "all are"}.get(n, f"{count(n)} are")
    return f"{count(summary.n_images, 'image')} {was(summary.n_images)} explained, of which {told} unstable"


def _removal(share: CauseShare, summary: Summary) -> str:
    after = estimate_over(share.n_tried, *_ends(share.after), percent)
    if share.cause == COIN_TOSS:
        return (
            f"Test images of the same margin have a mean P(top-1 change) of {after} on the study’s sweep "
            f"({count(share.n_tried, 'image')} compared)."
        )
    before = estimate_over(summary.n_unstable, *_ends(summary.before), percent)
    controls = ""
    if known(summary.controls.value):
        controls = f", and {percent(summary.controls.value)} after changes that take no cause away"
    wrong = f"; on {count(share.n_wrong)} of them only by a wrong or unrelated answer" if share.n_wrong else ""
    return (
        f"With “{share.name}” taken away ({count(share.n_tried, 'image')} tried), mean P(top-1 change) is "
        f"{after}{wrong}; as they are, it is {before} over all the unstable ones{controls}."
    )


def _all(n: int) -> str:
    return "the one unstable image that was" if n == 1 else f"the {count(n)} unstable images that were"


def _ends(estimate) -> tuple[float | None, float | None, float | None]:
    return estimate.value, estimate.low, estimate.high
