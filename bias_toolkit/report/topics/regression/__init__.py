"""The relation of distance to an image's stability, given its margin, framing and class."""

from bias_toolkit.report.page.files import Table
from bias_toolkit.report.topic import Plot, Topic
from bias_toolkit.report.topics.regression.findings import gather, regression_findings
from bias_toolkit.report.topics.regression.section import odds_ratios, regression_section
from bias_toolkit.report.words.sentences import BOTH_SETS, TEST_ONLY

TOPIC = Topic(
    "regression",
    gather,
    findings=regression_findings,
    section=lambda contents, draft: regression_section(contents),
    tables=lambda contents: [
        Table("odds_ratios", contents.odds_ratios, "the regression: odds ratios of its terms", order=6),
        Table("losses", contents.losses, "the regression: cross-validated loss with and without each term", order=7),
        Table("ceiling", contents.ceiling, "the regression: how much of what boosted trees gain it reaches", order=8),
    ],
    results=lambda contents: {name: getattr(contents, name) for name in ("odds_ratios", "losses", "ceiling")},
    plots={
        "odds-ratios": Plot(
            lambda contents, choice: odds_ratios(contents.odds_ratios),
            lambda contents: contents.odds_ratios,
            "regression",
            order=10,
            boxes=TEST_ONLY,
        )
    },
    boxes=BOTH_SETS,
)
