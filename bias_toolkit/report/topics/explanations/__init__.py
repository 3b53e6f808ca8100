"""The explained images: how many are unstable, and the causes of their instability."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from bias_toolkit.explain import Explanation
from bias_toolkit.explain.summary import CauseShare, Summary, summarise
from bias_toolkit.foundation.words import MISSING, count, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.page.blocks import Block, Cell, FigureBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.page.publish import PAGE
from bias_toolkit.report.page.style import BLUE, PALE, name_rows, new_figure, styled
from bias_toolkit.report.source import Source, per_image
from bias_toolkit.report.stability import ordered_by_stability
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.words.definitions import label_of
from bias_toolkit.report.words.finding import Finding, Heading, Kind

SELECTION = "So this says nothing about other images, and there is no interval."
TITLE = "Why the most unstable images are unstable"
NOT_EXPLAINED = (
    "the most unstable image was not explained; the command “bias-toolkit explain STUDY --worst 20” explains the 20 "
    "most unstable ones."
)
FOLDED_FROM = 26
RANK, RANK_OF_NONE = 40, 140
P = label_of(HEADLINE)
NO_CAUSE = "none found"


@dataclass(frozen=True)
class ExplainedImage:
    """One explained image."""

    image_id: str
    class_name: str  # as it is shown; empty for none
    p_top1_change: float  # over all one-pixel steps nearby, so without an interval
    # In random trials without an intervention; None if it is stable.
    p_top1_change_controls: float | None
    # Each cause in words, with P(top-1 change) in the same trials without it; the lowest first.
    causes: Mapping[str, float]
    link: str  # address of its page, relative to the report
    is_stable: bool = False  # whether it is so stable that no cause is searched


@dataclass(frozen=True)
class Explained:
    """The explained images, and a summary of the most unstable ones.

    `images` are the most unstable images of the test set, up to the first that was not explained, and `summary` is of
    these. `others` are all other explained test images.
    """

    summary: Summary | None = None  # None if the most unstable image was not explained
    images: Sequence[ExplainedImage] = ()  # the most unstable first
    others: Sequence[ExplainedImage] = ()
    is_outdated: bool = False  # whether images were explained in an earlier run


def explanation_links(source: Source) -> dict[str, str]:
    """image_id to the address of its explanation's page, relative to the report."""
    return {
        image_id: f"../{explanation.folder.relative_to(source.folder).as_posix()}/{PAGE}"
        for image_id, explanation in source.explanations.items()
    }


def least_stable_explained(source: Source) -> list[Explanation]:
    """The explanations of the most unstable test images, the most unstable first, up to the first that has none."""
    explanations = source.explanations
    if not explanations:
        return []
    ordered = ordered_by_stability(per_image(source))["image_id"]
    return [explanations[image_id] for image_id in itertools.takewhile(explanations.__contains__, ordered)]


def gather(source: Source) -> Explained:
    """The explanations of a study."""
    worst = least_stable_explained(source)
    links = explanation_links(source)
    counted = {each.image_id for each in worst}
    others = [each for each in source.explanations.values() if each.image_id not in counted]
    return Explained(
        summarise(worst) if worst else None,
        [_image(each, links) for each in worst],
        [_image(each, links) for each in sorted(others, key=lambda each: -each.before.p_top1_change.value)],
        "explain" in source.outdated,
    )


def _image(explanation: Explanation, links: dict[str, str]) -> ExplainedImage:
    controls = explanation.controls
    causes: dict[str, float] = {}
    for line in explanation.causes:
        causes.setdefault(line.name, line.after.p_top1_change.value)
    return ExplainedImage(
        image_id=explanation.image_id,
        class_name=explanation.label_name,
        p_top1_change=explanation.before.p_top1_change.value,
        p_top1_change_controls=None if controls is None else controls.p_top1_change.value,
        causes=causes,
        link=links[explanation.image_id],
        is_stable=explanation.is_stable,
    )


def explanation_findings(contents: Explained) -> list[Finding]:
    """For how many of the most unstable images a cause was found. They are chosen, so no interval belongs to it."""
    summary = contents.summary
    if summary is None:
        return []
    found = summary.n_unstable - summary.n_unexplained
    if not summary.n_unstable:
        claim = "None of the most unstable images, chosen for that, is unstable over one-pixel steps in all directions."
        return [_finding(Kind.FACT, claim, summary.sentence, RANK_OF_NONE)]
    if not found:
        claim = "No cause was found for any of the most unstable images, chosen for that."
        return [_finding(Kind.NONE, claim, summary.sentence, RANK_OF_NONE)]
    whom = "some" if found > 1 else "one"
    if not summary.n_unexplained:
        whom = "each unstable one"
    claim = f"A cause was found for {whom} of the most unstable images, chosen for that."
    names = " and ".join(f"“{each.name}”" for each in summary.most)
    verb = "is" if len(summary.most) == 1 else "are each"
    evidence = (
        f"A cause was found for {count(found)} of {_unstable(summary)}. {names} {verb} a cause of "
        f"{count(summary.most[0].n_cause)}, more than any other."
    )
    return [_finding(Kind.FACT, claim, evidence, RANK)]


def _finding(kind: Kind, claim: str, evidence: str, rank: int) -> Finding:
    return Finding(Heading.EXPLANATIONS, kind, claim, f"{evidence} {SELECTION}", rank=rank)


def _unstable(summary: Summary) -> str:
    """`the 18 unstable ones of the 20 most unstable test images, chosen for that`, or without `unstable ones`."""
    if summary.n_unstable == summary.n_images:
        return summary.images
    ones = "unstable one" if summary.n_unstable == 1 else f"{count(summary.n_unstable)} unstable ones"
    return f"the {ones} of {summary.images}"


def explanations_section(contents: Explained) -> Section | Omitted | None:
    """The number of the most unstable images with each cause, and links to the pages of all explained images."""
    summary = contents.summary
    if summary is None and not contents.others:
        return None if contents.is_outdated else Omitted(TITLE, NOT_EXPLAINED)
    blocks: list[Block] = []
    if summary is not None:
        blocks.append(Paragraph(f"{summary.sentence} {SELECTION}"))
        if summary.n_unstable:
            blocks += [_bars(summary), _causes(summary)]
            if summary.n_compared:
                blocks.append(Paragraph(summary.margin_sentence))
    captions = ("The most unstable images", "Other explained images, which are not counted above")
    for caption, images in zip(captions, (contents.images, contents.others), strict=True):
        if images:
            blocks.append(_images(caption, images))
    return Section("explanations", TITLE, blocks)


def _bars(summary: Summary) -> FigureBlock:
    counts = [f"{share.name} {share.n_cause}" for share in summary.shares if share.n_cause]
    return FigureBlock(
        "causes",
        lambda: cause_bars(summary),
        f"Bars: unstable images by cause. {', '.join([*counts, f'{NO_CAUSE} {summary.n_unexplained}'])}.",
        f"The number of images of which each is a cause, of {_unstable(summary)}. An image can have several causes.",
    )


def _causes(summary: Summary) -> TableBlock:
    rows = [
        *map(_row, summary.shares),
        [NO_CAUSE.capitalize(), count(summary.n_unexplained), *[MISSING] * 4],
    ]
    return TableBlock(
        "Causes among the unstable images",
        ["Cause", "A cause of", "The only or strongest of", "Removed from", "Not calmed", "Wrong answer"],
        rows,
        note=f"Counts are of {_unstable(summary)}. The only or strongest: the image has no other cause, or this one is "
        "stronger than each other one by the interval of the difference. Removed from: the images that can have the "
        "cause, so not those of usual framing, nor enlarged ones for fine detail. Not calmed: P(top-1 change) falls, "
        "but that MAC falls was not found. Wrong answer: it falls, but the model is then wrong more often or says an "
        "unrelated class.",
    )


def _row(share: CauseShare) -> list[str]:
    counts = (share.n_cause, share.n_first, share.n_tried, share.n_not_calm, share.n_wrong)
    return [share.name.capitalize(), *(count(number) for number in counts)]


def _images(caption: str, images: Sequence[ExplainedImage]) -> TableBlock:
    rows = []
    for image in images:
        causes = "; ".join(f"{name} {percent(left)}" for name, left in image.causes.items())
        cause = "stable" if image.is_stable else causes or NO_CAUSE
        controls = MISSING if image.p_top1_change_controls is None else percent(image.p_top1_change_controls)
        change = percent(image.p_top1_change)
        rows.append(
            [image.image_id, image.class_name or MISSING, change, controls, cause, Cell("why?", link=image.link)]
        )
    return TableBlock(
        caption,
        ["Image", "Class", P, f"{P} in the controls", f"Causes, with {P} without each", ""],
        rows,
        note="P(top-1 change) of the image is over all one-pixel steps within 4 pixels. The controls are random trials "
        "of place, brightness and contrast, and each cause was removed in the same trials. An image’s page has their "
        "intervals.",
        folded=len(rows) > FOLDED_FROM,
        numeric=False,
    )


@styled
def cause_bars(summary: Summary) -> Axes:
    """The number of unstable images of which each is a cause."""
    rows = [(share.name, share.n_cause, BLUE) for share in summary.shares]
    rows.append((NO_CAUSE, summary.n_unexplained, PALE))
    ax = new_figure(7.4, 1.0 + 0.3 * len(rows)).add_subplot()
    bars = ax.barh(range(len(rows)), [n for _, n, _ in rows], height=0.66, color=[colour for *_, colour in rows])
    ax.bar_label(bars, padding=4, fontsize=9)
    name_rows(ax, range(len(rows)), [name for name, *_ in rows])
    ax.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, 1.08 * max(*(n for _, n, _ in rows), 1)))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("unstable images of which it is a cause")
    return ax


def _results(contents: Explained) -> dict[str, Any]:
    return {name: getattr(contents, name) for name in ("summary", "images", "others")}


TOPIC = Topic(
    "explanations",
    gather,
    findings=explanation_findings,
    section=lambda contents, draft: explanations_section(contents),
    results=lambda contents: {"explained": _results(contents) if contents.images or contents.others else None},
)
