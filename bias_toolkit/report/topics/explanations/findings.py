"""A finding on what the unstable images that were explained owe it to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_toolkit.foundation.words import count, known, percent
from bias_toolkit.report.topics.explanations.contents import Explained
from bias_toolkit.report.words.finding import Finding, Heading, Kind, estimate_over
from bias_toolkit.report.words.sentences import was

if TYPE_CHECKING:
    from bias_toolkit.explain.summary import CauseShare, Summary

COIN_TOSS = "coin_toss"
"""The one cause that nothing removes: it is compared with images of the same margin instead."""

SELECTION = "The images were picked, not sampled: the counts are of these images, and of no others."


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
        claim = f"No cause was found for {_all(summary.n_unstable)}."
        return [
            Finding(Heading.EXPLANATIONS, Kind.FACT, claim, f"Nothing that was tried was shown to be one. {SELECTION}")
        ]
    leading = [share for share in summary.shares if share.n_first == most]
    names = " and ".join(f"“{share.name}”" for share in leading)
    verb = "is" if len(leading) == 1 else "are each"
    among = "" if most == summary.n_unstable else f"{count(most)} of "
    claim = f"{names} {verb} the first cause of {among}{_all(summary.n_unstable)}."
    evidence = [_removal(share, summary) for share in leading if known(share.after.value)]
    if summary.n_unexplained:
        evidence.append(f"For {count(summary.n_unexplained)} no cause was found.")
    return [Finding(Heading.EXPLANATIONS, Kind.FACT, claim, " ".join([*evidence, SELECTION]))]


def explained_and_unstable(summary: Summary) -> str:
    """`20 images were explained, of which 18 are unstable`."""
    told = {0: "none is", 1: "1 is", summary.n_images: "all are"}.get(
        summary.n_unstable, f"{count(summary.n_unstable)} are"
    )
    return f"{count(summary.n_images, 'image')} {was(summary.n_images)} explained, of which {told} unstable"


def _removal(share: CauseShare, summary: Summary) -> str:
    after = estimate_over(share.n_tried, *_ends(share.after), percent)
    if share.cause == COIN_TOSS:
        return (
            f"Test images of the same margin have a mean P(top-1 change) of {after} on the study’s sweep "
            f"({count(share.n_tried, 'image')} compared)."
        )
    before = estimate_over(summary.n_unstable, *_ends(summary.before), percent)
    controls = (
        f", and {percent(summary.controls.value)} after changes that take no cause away"
        if known(summary.controls.value)
        else ""
    )
    wrong = f"; on {count(share.n_wrong)} of them only by a wrong or unrelated answer" if share.n_wrong else ""
    return (
        f"With “{share.name}” taken away ({count(share.n_tried, 'image')} tried), mean P(top-1 change) is "
        f"{after}{wrong}; as they are, it is {before} over all the unstable ones{controls}."
    )


def _all(n: int) -> str:
    return (
        "the one unstable image that was explained" if n == 1 else f"the {count(n)} unstable images that were explained"
    )


def _ends(estimate) -> tuple[float | None, float | None, float | None]:
    return estimate.value, estimate.low, estimate.high
