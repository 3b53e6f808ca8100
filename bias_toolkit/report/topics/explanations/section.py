"""The page's section on the images that were explained: how many are unstable, and what each cause accounts for."""

from collections.abc import Sequence

from bias_toolkit.explain.record import Estimate
from bias_toolkit.explain.summary import CauseShare, Summary
from bias_toolkit.foundation.words import MISSING, count, interval, known, percent
from bias_toolkit.report.page.blocks import Block, Cell, FigureBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.topics.explanations.figures import NO_CAUSE, first_causes
from bias_toolkit.report.topics.explanations.findings import (
    COIN_TOSS,
    SELECTION,
    Explained,
    ExplainedImage,
    explained_and_unstable,
)
from bias_toolkit.report.words.definitions import label_of
from bias_toolkit.report.words.finding import ENOUGH_FOR_AN_INTERVAL, NO_INTERVAL

TITLE = "Why the least stable images are unstable"
NOT_EXPLAINED = (
    "no image was explained; the command “bias-toolkit explain STUDY --worst 20” explains the 20 least stable ones."
)
FOLDED_FROM = 26
P = label_of("p_top1_change")


def explanations_section(contents: Explained) -> Section | Omitted:
    """What each cause accounts for among the explained images, and links to their pages."""
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
    name = Cell(share.name.capitalize(), "compared, not taken away" if share.cause == COIN_TOSS else "")
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
