"""How often rounding alone changes the model's answer."""

from bias_toolkit.foundation.words import count, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.page.blocks import Cell, Omitted, Section, TableBlock, estimate_cell
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.topics.invariance.findings import InvarianceContents, gather

TITLE = "Numerical noise"


def noise_section(contents: InvarianceContents) -> Section | Omitted:
    """The noise floor beside what was measured."""
    floor, measured = contents.noise_floor, contents.row(HEADLINE)
    if floor is None:
        return Omitted(TITLE, "the numerical noise floor was not measured.")
    rows = [
        ["Noise floor", estimate_cell(floor.value, floor.low, floor.high, percent)],
        ["Evaluated twice", Cell(count(floor.n_images, "image"))],
        ["Top-1 class differed", Cell(count(floor.n_changed, "image"))],
    ]
    if measured is not None:
        rows.insert(
            0,
            ["P(top-1 change), measured", estimate_cell(measured["value"], measured["low"], measured["high"], percent)],
        )
    table = TableBlock(
        "Numerical noise floor",
        ["", "Value"],
        rows,
        note="The centre view of each of these images is evaluated again, in another order and in batches of another "
        "size. What differs is rounding. Under a value is its 95% interval over images, that of the noise floor exact "
        "(Clopper–Pearson).",
    )
    return Section("noise", TITLE, [table])


TOPIC = Topic("noise", gather, section=lambda contents, draft: noise_section(contents))
