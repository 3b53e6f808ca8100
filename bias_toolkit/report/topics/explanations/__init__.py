"""The explained images: how many are unstable, and the causes of their instability."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from bias_toolkit.explain import Explanation
from bias_toolkit.explain.record import Estimate as Measured
from bias_toolkit.explain.summary import CauseShare, Summary, summarise
from bias_toolkit.foundation.words import MISSING, Form, count, interval, known, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.page.blocks import Block, Cell, FigureBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.page.publish import PAGE
from bias_toolkit.report.page.style import BLUE, PALE, name_rows, new_figure, styled
from bias_toolkit.report.source import Source, per_image
from bias_toolkit.report.stability import ordered_by_stability
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.words.definitions import label_of
from bias_toolkit.report.words.finding import NO_INTERVAL, Estimate, Finding, Heading, Kind, Unit
from bias_toolkit.report.words.sentences import in_points

SELECTION = "The images were picked because they are the least stable, so this says nothing about other images."
TITLE = "Why the least stable images are unstable"
NOT_EXPLAINED = (
    "the least stable image was not explained; the command “bias-toolkit explain STUDY --worst 20” explains the 20 "
    "least stable ones."
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
    p_top1_change: float  # over one-pixel steps in all directions
    low: float | None  # its 95% interval; None if there is none
    high: float | None
    first_cause: str | None  # in words; None if no cause was found, or none was searched
    link: str  # address of its page, relative to the report
    is_stable: bool = False  # whether it is so stable that no cause is searched


@dataclass(frozen=True)
class Explained:
    """The explained images, and a summary of the least stable ones.

    `images` are the least stable images of the test set, up to the first that was not explained, and `summary` is of
    these. `others` are all other explained test images.
    """

    summary: Summary | None = None  # None if the least stable image was not explained
    images: Sequence[ExplainedImage] = ()  # the least stable first
    others: Sequence[ExplainedImage] = ()


def explanation_links(source: Source) -> dict[str, str]:
    """image_id to the address of its explanation's page, relative to the report."""
    return {
        image_id: f"../{explanation.folder.relative_to(source.folder).as_posix()}/{PAGE}"
        for image_id, explanation in source.explanations.items()
    }


def least_stable_explained(source: Source) -> list[Explanation]:
    """The explanations of the least stable test images, the least stable first, up to the first that has none."""
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
    )


def _image(explanation: Explanation, links: dict[str, str]) -> ExplainedImage:
    change = explanation.before.p_top1_change
    return ExplainedImage(
        image_id=explanation.image_id,
        class_name=explanation.label_name,
        p_top1_change=change.value,
        low=change.low,
        high=change.high,
        first_cause=explanation.causes[0].name if explanation.causes else None,
        link=links[explanation.image_id],
        is_stable=explanation.is_stable,
    )


def explanation_findings(contents: Explained) -> list[Finding]:
    """Whether the removal of the most frequent first cause calms the least stable images, on average over them."""
    summary = contents.summary
    if summary is None:
        return []
    if not summary.n_unstable:
        claim = "The least stable images are stable over one-pixel steps in all directions."
        return [_finding(Kind.FACT, claim, summary.sentence)]
    if not summary.first:
        claim = "No cause was found for any of the least stable images."
        return [_finding(Kind.NONE, claim, summary.sentence)]
    share = summary.first[0]
    estimate = Estimate(
        "fall_beyond_controls",
        f"{P} lower than after changes that remove no cause by",
        share.beyond.value,
        share.beyond.low,
        share.beyond.high,
        share.n_tried,
        unit=Unit.POINTS,
        nothing=0.0,
    )
    removing = f"removing “{share.name}” makes the least stable images"
    kind, claim = {
        1: (Kind.EFFECT, f"On average, {removing} more stable."),
        0: (Kind.NONE, f"That {removing} more stable on average was not found."),
        -1: (Kind.EFFECT, f"On average, {removing} less stable."),
        None: (Kind.CAUTION, "Too few of the least stable images were explained to name a cause that they share."),
    }[estimate.direction]
    firsts = " and ".join(f"“{each.name}”" for each in summary.first)
    verb = "is" if len(summary.first) == 1 else "are each"
    evidence = f"{firsts} {verb} the first cause of {count(share.n_first)} of {_unstable(summary)}."
    if summary.n_unexplained:
        evidence += f" For {count(summary.n_unexplained)} no cause was found."
    return [_finding(kind, claim, evidence, estimate)]


def _finding(kind: Kind, claim: str, evidence: str, estimate: Estimate | None = None) -> Finding:
    rank = RANK if kind == Kind.EFFECT else RANK_OF_NONE
    return Finding(Heading.EXPLANATIONS, kind, claim, f"{evidence} {SELECTION}", estimate=estimate, rank=rank)


def _unstable(summary: Summary) -> str:
    """`the 18 unstable images among the 20 least stable images`, or `the 20 least stable images`."""
    if summary.n_unstable == summary.n_images:
        return f"the {summary.images}"
    return f"the {count(summary.n_unstable, 'unstable image')} among the {summary.images}"


def explanations_section(contents: Explained) -> Section | Omitted:
    """The share of each cause among the least stable images, and links to the pages of all explained images."""
    summary = contents.summary
    if summary is None and not contents.others:
        return Omitted(TITLE, NOT_EXPLAINED)
    blocks: list[Block] = []
    if summary is not None:
        blocks.append(Paragraph(f"{summary.sentence} {SELECTION}"))
        if summary.n_unstable:
            blocks += [_first_causes(summary), _causes(summary)]
            if summary.n_compared:
                blocks.append(Paragraph(summary.margin_sentence))
    captions = ("The least stable images", "Other explained images, which are not counted above")
    for caption, images in zip(captions, (contents.images, contents.others), strict=True):
        if images:
            blocks.append(_images(caption, images))
    return Section("explanations", TITLE, blocks)


def _first_causes(summary: Summary) -> FigureBlock:
    counts = [f"{share.name} {share.n_first}" for share in summary.shares if share.n_first]
    return FigureBlock(
        "first-causes",
        lambda: first_causes(summary),
        f"Bars: unstable images by first cause. {', '.join([*counts, f'{NO_CAUSE} {summary.n_unexplained}'])}.",
        f"The first cause of each of {_unstable(summary)}. An image’s first cause is the one without which the model "
        "is right and P(top-1 change) falls most.",
    )


def _causes(summary: Summary) -> TableBlock:
    n = summary.n_unstable
    rows = [
        ["As they are", *[MISSING] * 2, count(n), *[MISSING] * 2, _mean(summary.before), MISSING],
        ["Controls", *[MISSING] * 5, _mean(summary.controls), MISSING],
        *map(_row, summary.shares),
        [NO_CAUSE.capitalize(), count(summary.n_unexplained), *[MISSING] * 6],
    ]
    header = ["Cause", "First cause of", "A cause of", "Removed from", "Not calmed", "Wrong answer", f"Mean {P} after"]
    return TableBlock(
        "Causes among the unstable images",
        [*header, "Lower than controls by"],
        rows,
        note="Counts are of images. Removed from: the images that can have the cause, so not those of usual framing, "
        "nor enlarged ones for fine detail. Not calmed: P(top-1 change) falls as for a cause, but MAC does not. Wrong "
        "answer: it falls, but the model is then wrong more often or says an unrelated class. Controls are changes of "
        "brightness and contrast, which remove no cause. The last column is in percentage points, image by image. "
        "Under each mean is its interval over images; those of the causes hold together with 95% confidence.",
    )


def _row(share: CauseShare) -> list[Cell | str]:
    counts = (share.n_first, share.n_cause, share.n_tried, share.n_not_calm, share.n_wrong)
    cells = [count(number) for number in counts]
    return [share.name.capitalize(), *cells, _mean(share.after), _mean(share.beyond, in_points)]


def _mean(estimate: Measured, form: Form = percent) -> Cell:
    if not known(estimate.value):
        return Cell(MISSING)
    return Cell(form(estimate.value), estimate.limits(form) or NO_INTERVAL)


def _images(caption: str, images: Sequence[ExplainedImage]) -> TableBlock:
    rows = []
    for image in images:
        limits = interval(image.low, image.high, percent) if known(image.low) and known(image.high) else ""
        cause = "stable" if image.is_stable else image.first_cause or NO_CAUSE
        change = Cell(percent(image.p_top1_change), limits)
        rows.append([image.image_id, image.class_name or MISSING, change, cause, Cell("why?", link=image.link)])
    return TableBlock(
        caption,
        ["Image", "Class", P, "First cause", ""],
        rows,
        note="P(top-1 change) is over one-pixel steps in all directions, with its 95% interval.",
        folded=len(rows) > FOLDED_FROM,
        numeric=False,
    )


@styled
def first_causes(summary: Summary) -> Axes:
    """The number of unstable images for which each cause is the first."""
    rows = [(share.name, share.n_first, BLUE) for share in summary.shares]
    rows.append((NO_CAUSE, summary.n_unexplained, PALE))
    ax = new_figure(7.4, 1.0 + 0.3 * len(rows)).add_subplot()
    bars = ax.barh(range(len(rows)), [n for _, n, _ in rows], height=0.66, color=[colour for *_, colour in rows])
    ax.bar_label(bars, padding=4, fontsize=9)
    name_rows(ax, range(len(rows)), [name for name, *_ in rows])
    ax.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, 1.08 * max(*(n for _, n, _ in rows), 1)))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("unstable images of which it is the first cause")
    return ax


TOPIC = Topic(
    "explanations",
    gather,
    findings=explanation_findings,
    section=lambda contents, draft: explanations_section(contents),
    results=lambda contents: {"explained": vars(contents) if contents.images or contents.others else None},
)
