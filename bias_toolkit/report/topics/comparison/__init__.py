"""How the framing of the test set differs from that of the training set."""

from bias_toolkit.report.page.files import Table
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.topics.comparison.findings import comparison_findings
from bias_toolkit.report.topics.comparison.section import comparison_section
from bias_toolkit.report.topics.framing.contents import FramingContents, framing_contents
from bias_toolkit.report.words.sentences import BOTH_SETS


def comparison_table(contents: FramingContents) -> Table:
    """The variables of both sets beside each other."""
    variables = None if contents.comparison is None else contents.comparison.variables
    return Table("framing_comparison", variables, "the framing of both sets, variable by variable", order=24)


TOPIC = Topic(
    "comparison",
    framing_contents,
    findings=comparison_findings,
    section=lambda contents, draft: comparison_section(contents),
    tables=lambda contents: [comparison_table(contents)],
    results=lambda contents: {"framing_comparison": contents.comparison},
    boxes=BOTH_SETS,
)
