"""Links to the files beside a page."""

from collections.abc import Sequence

from bias_toolkit.report.page.blocks import Cell, ListBlock, Paragraph, Section
from bias_toolkit.report.page.files import RESULTS
from bias_toolkit.report.topic import Topic


def files_section(tables: Sequence[tuple[str, str, str]]) -> Section:
    """Links to every table (address, name, content) and to the numbers."""
    items = [Cell(RESULTS, "every number, finding and setting of this page", RESULTS)]
    items.extend(Cell(name, holds, address) for address, name, holds in tables)
    return Section(
        "files",
        "Files",
        [
            Paragraph(
                "Everything on this page as data. The figures are SVG files in figures/. With --figure-formats they "
                "are also written as PNG or PDF."
            ),
            ListBlock(items),
        ],
    )


TOPIC = Topic("files", gather=lambda source: (), section=lambda contents, draft: files_section(draft.tables))
