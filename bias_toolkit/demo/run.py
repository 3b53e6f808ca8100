"""The demo: two networks on two test sets, and one page with all results."""

import os
from collections.abc import Mapping
from itertools import chain, product
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.demo.argument import binned, law_table
from bias_toolkit.demo.findings import framing_findings, law_findings, learnt_findings
from bias_toolkit.demo.framed_anew import SETTINGS, framed_anew_findings, framed_anew_section
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.words import interval, percent
from bias_toolkit.report import Finding, Page, write_page
from bias_toolkit.report.page.blocks import Cell, FigureBlock, ListBlock, Paragraph, Section, TableBlock
from bias_toolkit.report.page.style import BLUE, VERMILLION, in_percent, new_figure, styled
from bias_toolkit.report.words.sentences import three_digits
from bias_toolkit.study import Study

NETWORKS = ("fully-connected", "global-pooling")
TEST_SETS = ("photographer", "uniform")
LAW_NAMES = {
    "centre_bias": "centre bias",
    "log_scale_mean": "log scale, mean",
    "log_scale_sd": "log scale, standard deviation",
}
LINE = {"markersize": 5, "linewidth": 1.6, "elinewidth": 1.1, "capsize": 2.5}
STYLES = {
    "fully-connected": LINE | {"color": VERMILLION, "marker": "o"},
    "global-pooling": LINE | {"color": BLUE, "marker": "s"},
}
PANELS = (
    ("nn_distance", "By distance", "fifth of the images,\nnearest to farthest"),
    ("off_centre", "By position, at the trained scale", "object's centre from the middle\n(share of the width)"),
    ("scale", "By scale, near the middle", "scale\n(square root of the share of the image)"),
)
BIN_NAMES = {
    "all": "all images",
    "nn_distance": "fifth {number} by nn_distance",
    "off_centre": "centre {left:.1f} to {right:.1f} widths off, trained scale",
    "scale": "scale {left:.2f} to {right:.2f}, near the middle",
}


def run_demo(folder: str | os.PathLike, progress: Progress = silent) -> tuple[Path, list[Finding]]:
    """Run both demo networks on both test sets, and write one page that joins them.

    `folder` gets one study per network and test set, named `<network>-on-<test set>`, and `index.html`. Existing
    studies are not computed again. Returns the page and its findings.
    """
    folder = Path(folder)
    studies = {}
    for network, test in product(NETWORKS, TEST_SETS):
        place = folder / f"{network}-on-{test}"
        studies[network, test] = Study(place, "demo:train", f"demo:{test}", f"demo:{network}", **SETTINGS)
    maps = {network: studies[network, "photographer"].measure_map(progress).framing_map for network in NETWORKS}
    for study in studies.values():
        study.run(progress)
    per_image = {pair: study.per_image for pair, study in studies.items()}
    tables = {pair: binned(table) for pair, table in per_image.items()}
    uniform = studies[NETWORKS[0], "uniform"]
    law = law_table({"train": uniform.framing_summary("train"), "uniform": uniform.framing_summary("test")})
    findings = [
        *law_findings(law),
        *learnt_findings(tables),
        *framing_findings({network: per_image[network, "uniform"] for network in NETWORKS}),
        *framed_anew_findings(maps, uniform.model.input_size),
    ]
    page = Page(
        title="The built-in demo",
        of=[
            ("Training set", "demo:train", "digits placed by a photographer's law"),
            ("Test sets", "demo:photographer, demo:uniform", "the same law; uniform in position and log scale"),
            ("Models", "demo:fully-connected, demo:global-pooling", "as VGG ends, and as ResNet ends"),
        ],
        findings=findings,
        sections=[
            _law_section(law),
            _argument_section(tables),
            framed_anew_section(maps),
            _studies_section(studies, folder),
        ],
    )
    return write_page(page, folder), findings


def _law_section(law: pd.DataFrame) -> Section:
    rows = []
    for row in law.itertuples():
        estimate = Cell(three_digits(row.estimate), interval(row.low, row.high, three_digits))
        rows.append([f"demo:{row.dataset}, {LAW_NAMES[row.quantity]}", three_digits(row.law), estimate])
    return Section(
        "law",
        "The law, and what the boxes say",
        [
            Paragraph(
                "Every object's position and scale was drawn from a known law. What the law implies is integrated from "
                "it; the estimates come from the boxes alone, as for any dataset."
            ),
            TableBlock(
                "Law and estimate",
                ["", "By the law", "From the boxes"],
                rows,
                note="Under each estimate its 95% bootstrap interval over images. Log scale is the natural logarithm "
                "of the square root of the box's share of the image.",
            ),
        ],
    )


def _argument_section(tables: Mapping[tuple[str, str], pd.DataFrame]) -> Section:
    uniform = {network: tables[network, "uniform"] for network in NETWORKS}
    return Section(
        "argument",
        "What invariance depends on",
        [
            Paragraph(
                "Both networks subsample, and both saw centred digits of one size only. One ends in a fully connected "
                "layer on the feature map, the other in global average pooling. Global pooling forgets where a feature "
                "was, so what was learnt in the middle can serve elsewhere; nothing in it forgets how large it was."
            ),
            FigureBlock(
                "argument",
                lambda: _argument_figure(uniform),
                "Three panels: P(top-1 change) of both networks by distance, by position and by scale",
                "P(top-1 change) on the test set that is uniform in position and log scale, with 95% bootstrap "
                "intervals over images: by distance from the nearest training image (each network's own fifths); by "
                "the object's position, for scales from 0.35 to 0.55; and by its scale, for objects within 0.15 "
                "widths of the middle. The training scales lie near 0.45.",
            ),
            *(_binned_table(test, {network: tables[network, test] for network in NETWORKS}) for test in TEST_SETS),
        ],
    )


@styled
def _argument_figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """P(top-1 change) by distance, position and scale, with a line for each network's result of `argument.binned`."""
    figure = new_figure(9.6, 3.5)
    axes = figure.subplots(1, len(PANELS), sharey=True)
    for ax, (by, title, label) in zip(axes, PANELS, strict=True):
        for shift, (network, table) in enumerate(tables.items()):
            rows = table[(table["by"] == by) & table["p_top1_change"].notna()]
            _draw_line(ax, rows, network, by, shift)
        ax.set(title=title, xlabel=label)
        in_percent(ax.yaxis)
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("P(top-1 change)")
    axes[0].legend(loc="upper left")
    return figure


def _draw_line(ax: Axes, rows: pd.DataFrame, network: str, by: str, shift: int) -> None:
    if by == "nn_distance":
        x = rows["bin"] + 1.0
        ax.set_xticks(x.to_numpy())
        offset = 0.06
    else:
        x = (rows["left"] + rows["right"]) / 2
        ax.set_xticks(rows["right"].to_numpy())
        ax.set_xlim(rows["left"].min(), rows["right"].max())
        offset = 0.003
    errors = [rows["p_top1_change"] - rows["low"], rows["high"] - rows["p_top1_change"]]
    x += (2 * shift - 1) * offset
    ax.errorbar(x, rows["p_top1_change"], yerr=errors, label=network, **STYLES[network])


def _binned_table(test: str, tables: Mapping[str, pd.DataFrame]) -> TableBlock:
    rows = []
    for lines in zip(*(table.itertuples() for table in tables.values()), strict=True):
        if any(line.n for line in lines):
            first = lines[0]
            name = BIN_NAMES[first.by].format(number=first.bin + 1, left=first.left, right=first.right)
            rows.append([Cell(name, f"{first.n:,} images")])
            for line in lines:
                change = Cell(percent(line.p_top1_change), interval(line.low, line.high, percent))
                rows[-1] += [change, percent(line.accuracy)]
    header = [[f"{network}: P(top-1 change)", "accuracy"] for network in tables]
    return TableBlock(
        f"Test set demo:{test}",
        ["", *chain(*header)],
        rows,
        note="Under each value its 95% bootstrap interval over images. Fifths are each network's own.",
        folded=test == "photographer",
    )


def _studies_section(studies: Mapping[tuple[str, str], Study], folder: Path) -> Section:
    items = []
    for (network, test), study in studies.items():
        link = (study.folder / "report" / "index.html").relative_to(folder).as_posix()
        items.append(Cell(f"{network} on demo:{test}", "the full report of this study", link))
    return Section("studies", "The four studies", [ListBlock(items)])
