"""The explained images: how many are unstable, and the causes of their instability."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from bias_toolkit.explain.record import Cause, Estimate
from bias_toolkit.explain.summary import CauseShare, Summary, summarise
from bias_toolkit.foundation.words import MISSING, count, interval, known, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.page.blocks import Block, Cell, FigureBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.page.publish import PAGE
from bias_toolkit.report.page.style import BLUE, PALE, name_rows, new_figure, styled
from bias_toolkit.report.source import Source, per_image
from bias_toolkit.report.stability import ordered_by_stability
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.words.definitions import label_of
from bias_toolkit.report.words.finding import ENOUGH_FOR_AN_INTERVAL, NO_INTERVAL, Finding, Heading, Kind, estimate_over
from bias_toolkit.report.words.sentences import was

SELECTION = "The images were picked, not sampled: the counts are of these images, and of no others."
TITLE = "Why the least stable images are unstable"
NOT_EXPLAINED = (
    "no image was explained; the command “bias-toolkit explain STUDY --worst 20” explains the 20 least stable ones."
)
FOLDED_FROM = 26
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
    """The summary of the explanations, and the explained images."""

    summary: Summary | None = None  # of the least stable images, up to the first that is not explained
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
    """The most frequent first cause of the explained unstable images; empty if no image was explained."""
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
    unstable = {0: "none is", 1: "1 is", summary.n_images: "all are"}.get(n, f"{count(n)} are")
    return f"{count(summary.n_images, 'image')} {was(summary.n_images)} explained, of which {unstable} unstable"


def _removal(share: CauseShare, summary: Summary) -> str:
    after = estimate_over(share.n_tried, *_ends(share.after), percent)
    if share.cause == Cause.COIN_TOSS:
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


def _ends(estimate: Estimate) -> tuple[float | None, float | None, float | None]:
    return estimate.value, estimate.low, estimate.high


def explanations_section(contents: Explained) -> Section | Omitted:
    """The share of each cause among the explained images, and links to their pages."""
    summary = contents.summary
    if summary is None or not summary.n_images:
        return Omitted(TITLE, NOT_EXPLAINED)
    blocks: list[Block] = [Paragraph(f"{explained_and_unstable(summary)}. {SELECTION}")]
    if summary.n_unstable:
        counts = [f"{share.name} {share.n_first}" for share in summary.shares if share.n_first]
        figure = FigureBlock(
            "first-causes",
            lambda: first_causes(summary),
            f"Bars: unstable images by first cause. {', '.join([*counts, f'{NO_CAUSE} {summary.n_unexplained}'])}.",
            f"The first cause of each of the {count(summary.n_unstable, 'unstable image')} that were explained. First "
            "is the cause without which the model is right and P(top-1 change) falls most; a coin toss is first only "
            "where no other cause was found.",
        )
        blocks += [figure, _causes(summary)]
    if contents.images:
        blocks.append(_images(contents.images))
    return Section("explanations", TITLE, blocks)


def _causes(summary: Summary) -> TableBlock:
    n = summary.n_unstable
    rows = [
        ["As they are", MISSING, MISSING, count(n), MISSING, _mean(summary.before, n)],
        ["Controls", MISSING, MISSING, MISSING, MISSING, _mean(summary.controls, n)],
        *map(_row, summary.shares),
        [NO_CAUSE.capitalize(), count(summary.n_unexplained), MISSING, MISSING, MISSING, MISSING],
    ]
    return TableBlock(
        "Causes among the unstable images",
        ["Cause", "First cause of", "A cause of", "Tried on", "Only by a wrong answer", f"Mean {P} with it taken away"],
        rows,
        note="Counts are of images; the mean is over the images on which the cause could be taken away, so rows are "
        "not all of the same images. Under it is its 95% bootstrap interval over images. Controls are changes that "
        "take no cause away. Nothing takes a coin toss away: in its row are test images of the same margin, on the "
        "study’s own sweep. Only by a wrong answer: P(top-1 change) falls as much as for a cause, but the model is "
        "then wrong more often, or settles on a class that it gave to none of the views.",
    )


def _row(share: CauseShare) -> list[Cell | str]:
    counts = (share.n_first, share.n_cause, share.n_tried, share.n_wrong)
    name = Cell(share.name.capitalize(), "compared, not taken away" if share.cause == Cause.COIN_TOSS else "")
    return [name, *(count(number) for number in counts), _mean(share.after, share.n_tried)]


def _mean(estimate: Estimate, n: int) -> Cell:
    if not known(estimate.value):
        return Cell(MISSING)
    if n < ENOUGH_FOR_AN_INTERVAL or not known(estimate.low):
        return Cell(percent(estimate.value), NO_INTERVAL)
    return Cell(percent(estimate.value), interval(estimate.low, estimate.high, percent))


def _images(images: Sequence[ExplainedImage]) -> TableBlock:
    rows = []
    for image in images:
        limits = interval(image.low, image.high, percent) if known(image.low) and known(image.high) else ""
        cause = "stable" if image.is_stable else image.first_cause or NO_CAUSE
        change = Cell(percent(image.p_top1_change), limits)
        rows.append([image.image_id, image.class_name or MISSING, change, cause, Cell("why?", link=image.link)])
    return TableBlock(
        "The images that were explained",
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
    results=lambda contents: {"explained": None if contents.summary is None else vars(contents)},
)
