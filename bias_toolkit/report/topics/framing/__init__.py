"""How the subjects of a study's photographs are framed, against chance."""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.objects import rank_categories
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.topic import Plot, Topic
from bias_toolkit.report.topics.framing import figures
from bias_toolkit.report.topics.framing.contents import FramingContents, gather
from bias_toolkit.report.topics.framing.findings import framing_answer, framing_findings
from bias_toolkit.report.topics.framing.section import centres_block, framing_section
from bias_toolkit.report.words.sentences import BOTH_SETS, TRAINING_ONLY


def ranking_table(contents: FramingContents) -> Table:
    """The categories of the first set, ranked by centring."""
    first = contents.first
    ranking = rank_categories(first.summary, first.centring.column, contents.seed) if first else None
    holds = f"the categories of {first.the} by centring, with intervals of their ranks"
    return Table(f"framing_ranking_{first.key}", ranking, holds, order=23)


def _tables(contents: FramingContents) -> list[Table]:
    train, test = contents.first, contents.second
    return [
        Table("framing_summary_train", train.summary, "framing of the training set and its categories", order=21),
        Table("framing_summary_test", test.summary, "framing of the test set and its categories", order=22),
        ranking_table(contents),
        Table("framing_train", train.framing, "one row per training object", order=25),
        Table("framing_test", test.framing, "one row per test object", order=26),
    ]


def _plot(
    draw: Callable[[FramingContents], Figure | Axes], shown: str, order: int, boxes: frozenset[str] = TRAINING_ONLY
) -> Plot:
    """A figure of the training set; `shown` is the attribute of the set that it needs."""
    return Plot(
        lambda contents, choice: draw(contents),
        lambda contents: getattr(contents.first, shown),
        "training object",
        order,
        boxes=boxes,
    )


TOPIC = Topic(
    "framing",
    gather,
    findings=framing_findings,
    section=lambda contents, draft: framing_section(contents, draft.folder),
    answer=framing_answer,
    opening=lambda contents, draft: [centres_block(contents.first)] if contents.first else [],
    tables=_tables,
    results=lambda contents: {"framing": {"train": contents.first.summary, "test": contents.second.summary}},
    plots={
        "centres": _plot(lambda of: figures.centres_against_null(of.first.maps), "maps", 12),
        "coverage": _plot(lambda of: figures.mean_coverage(of.first.maps), "maps", 13),
        "centre-distance": _plot(lambda of: figures.centre_distance_histogram(of.first.counted), "counted", 14),
        "scale": _plot(
            lambda of: figures.scale_histogram(of.first.framing, of.second.framing), "framing", 15, BOTH_SETS
        ),
    },
    boxes=BOTH_SETS,
)
