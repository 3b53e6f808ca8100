"""The demo: two networks on two test sets, and one page with the whole argument."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bias_toolkit.demo.argument import binned, law_table
from bias_toolkit.demo.figures import argument_figure
from bias_toolkit.demo.findings import framing_findings, law_findings, learnt_findings
from bias_toolkit.demo.framed_anew import SETTINGS, framed_anew_findings, framed_anew_section
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.words import interval, number, percent
from bias_toolkit.report import Finding, Page, write_page
from bias_toolkit.report.page.blocks import Cell, FigureBlock, ListBlock, Paragraph, Section, TableBlock
from bias_toolkit.study import Study

NETWORKS = ("fully-connected", "global-pooling")
TEST_SETS = ("photographer", "uniform")
LAW_NAMES = {
    "centre_bias": "centre bias",
    "log_scale_mean": "log scale, mean",
    "log_scale_sd": "log scale, standard deviation",
}
BIN_NAMES = {
    "all": "all images",
    "nn_distance": "fifth {number} by nn_distance",
    "off_centre": "centre {left:.1f} to {right:.1f} widths off, trained scale",
    "scale": "scale {left:.2f} to {right:.2f}, near the middle",
}


def run_demo(folder: str | os.PathLike, progress: Progress = silent) -> tuple[Path, list[Finding]]:
    """Run both demo networks on both test sets, and write one page that holds them together.

    Parameters
    ----------
    folder : path
        Gets one study for each network and test set, named `<network>-on-<test set>`, and `index.html`. Studies that
        are there already are not computed again.
    progress : Progress

    Returns
    -------
    (Path, list of Finding)
        The page, and what it says was found.
    """
    folder = Path(folder)
    studies = {
        (network, test): Study(
            folder / f"{network}-on-{test}", "demo:train", f"demo:{test}", f"demo:{network}", **SETTINGS
        )
        for network in NETWORKS
        for test in TEST_SETS
    }
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
        tiles=[],
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
    rows = [
        [
            f"demo:{row.dataset}, {LAW_NAMES[row.quantity]}",
            number(row.law, 3),
            Cell(number(row.estimate, 3), interval(row.low, row.high, lambda value: number(value, 3))),
        ]
        for row in law.itertuples()
    ]
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
                lambda: argument_figure(uniform),
                "Three panels: P(top-1 change) of both networks by distance, by position and by scale",
                "P(top-1 change) on the test set that is uniform in position and log scale, with 95% bootstrap "
                "intervals over images: by distance from the nearest training image (each network's own fifths); by "
                "the object's position, for scales from 0.35 to 0.55; and by its scale, for objects within 0.15 "
                "widths of the middle. The training scales lie near 0.45.",
            ),
            *(_binned_table(test, {network: tables[network, test] for network in NETWORKS}) for test in TEST_SETS),
        ],
    )


def _binned_table(test: str, tables: Mapping[str, pd.DataFrame]) -> TableBlock:
    first = tables[NETWORKS[0]]
    rows = []
    for position in range(len(first)):
        line = first.iloc[position]
        name = BIN_NAMES[line["by"]].format(number=line["bin"] + 1, left=line["left"], right=line["right"])
        cells = []
        for network in NETWORKS:
            row = tables[network].iloc[position]
            change = Cell(percent(row["p_top1_change"]), interval(row["low"], row["high"], percent))
            cells += [change, percent(row["accuracy"])]
        if any(table.iloc[position]["n"] for table in tables.values()):
            rows.append([Cell(name, f"{line['n']:,} images"), *cells])
    header = [""]
    for network in NETWORKS:
        header += [f"{network}: P(top-1 change)", "accuracy"]
    return TableBlock(
        f"Test set demo:{test}",
        header,
        rows,
        note="Under each value its 95% bootstrap interval over images. Fifths are each network's own.",
        folded=test == "photographer",
    )


def _studies_section(studies: Mapping[tuple[str, str], Study], folder: Path) -> Section:
    items = [
        Cell(
            f"{network} on demo:{test}",
            "the full report of this study",
            link=(study.folder / "report" / "index.html").relative_to(folder).as_posix(),
        )
        for (network, test), study in studies.items()
    ]
    return Section("studies", "The four studies", [ListBlock(items)])
