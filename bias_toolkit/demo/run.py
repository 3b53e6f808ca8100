"""The demo: two networks, each trained on centred and on varied digits, and one page with all results."""

import os
from collections.abc import Callable, Mapping
from itertools import count, product
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bias_toolkit.analysis import COMPARED_MEASURES
from bias_toolkit.datasets.demo import load_demo_dataset
from bias_toolkit.demo.argument import binned, law_table
from bias_toolkit.demo.arm_effects import arm_effects, arm_findings, by_seed, left_over
from bias_toolkit.demo.arm_section import arms_section
from bias_toolkit.demo.arms import measured_arms
from bias_toolkit.demo.curves import argument_figure, distance_figure
from bias_toolkit.demo.findings import (
    CONTROLS,
    DISTANCE_FIGURE,
    FIGURE,
    NETWORKS,
    control_answer,
    law_findings,
    learnt_answer,
    network_findings,
)
from bias_toolkit.demo.framed_anew import SETTINGS, framed_anew_findings, framed_anew_section
from bias_toolkit.foundation.choices import ALL_FIGURES, FIRST_FIGURES
from bias_toolkit.foundation.progress import Progress, named, silent
from bias_toolkit.foundation.words import interval
from bias_toolkit.report import Finding, Page, write_page
from bias_toolkit.report.page.blocks import (
    Cell,
    FigureBlock,
    ListBlock,
    Paragraph,
    Section,
    TableBlock,
    column_cell,
)
from bias_toolkit.report.page.page import MOST_FINDINGS
from bias_toolkit.report.page.publish import PAGE
from bias_toolkit.report.page.style import new_figure, styled
from bias_toolkit.report.words.definitions import label_of, value_form
from bias_toolkit.report.words.sentences import three_digits
from bias_toolkit.study import Study
from bias_toolkit.study.per_image import join_per_image

TEST_SETS = ("photographer", "uniform")
SHOWN_IN_FULL = ("fully-connected", "photographer")
EXAMPLES = 6
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


def run_demo(
    folder: str | os.PathLike, progress: Progress = silent, first_page: Callable[[Path], None] = lambda page: None
) -> tuple[Path, list[Finding], list[Finding]]:
    """Run the demo's networks on its test sets, and write one page that joins them.

    `folder` gets one study per network and test set, named `<network>-on-<test set>`, and `index.html`. The controls,
    which were trained on varied digits, are only measured, and on the varied test set only. The networks of the
    arms have no study, and their measures ship with the package. What exists is not computed again. `first_page` gets
    the path of the first study's report as soon as it is written. Returns the page, its three answers and its findings.
    """
    folder = Path(folder)
    studies, controls, maps = {}, {}, {}
    # The map is for the photographer's digits, so the others bring their report first.
    pairs = list(product(NETWORKS, reversed(TEST_SETS)))
    shown = (named(progress, f"Study {n}/{len(pairs) + len(CONTROLS)}:") for n in count(1))

    def opened(network: str, train: str, test: str) -> Study:
        place = folder / f"{network}-on-{test}"
        # Framing does not depend on the network.
        reuse = [study.folder for study in [*studies.values(), *controls.values()]]
        # One report shows what all figures look like.
        figures = ALL_FIGURES if (network, test) == SHOWN_IN_FULL else FIRST_FIGURES
        inputs = f"demo:{train}", f"demo:{test}", f"demo:{network}"
        return Study(place, *inputs, reuse=reuse, figures=figures, **SETTINGS)

    for network, test in pairs:
        own, study = next(shown), opened(network, "train", test)
        if test == TEST_SETS[0]:
            maps[network] = study.measure_map(own).framing_map
        studies[network, test] = study.run(own)
        if len(studies) == 1:
            first_page(study.folder / "report" / PAGE)
    for control in CONTROLS.values():
        own = next(shown)
        controls[control] = opened(control, "train-uniform", "uniform").build_index(own).sweep(own)
    per_image = {pair: study.results.per_image for pair, study in studies.items()}
    varied = {network: per_image[network, "uniform"] for network in NETWORKS}
    uniform = studies["fully-connected", "uniform"]
    varied |= {control: _per_image(study, uniform) for control, study in controls.items()}
    measured, framing = by_seed(measured_arms()), uniform.results.per_image
    effects = arm_effects(measured)
    helping = arm_findings(effects, left_over(measured))
    law = law_table({"train": uniform.framing_summary("train"), "uniform": uniform.framing_summary("test")})
    answers = [learnt_answer(network, per_image[network, "photographer"], varied[network]) for network in NETWORKS]
    controlled = [control_answer(network, varied[network], varied[control]) for network, control in CONTROLS.items()]
    answers.append(controlled.pop(0))
    findings = [
        *controlled,
        *network_findings(varied),
        *framed_anew_findings(maps, uniform.model.input_size),
        *helping,
        *law_findings(law),
    ]
    tables = {"photographer": {network: binned(per_image[network, "photographer"]) for network in NETWORKS}}
    tables["uniform"] = {network: binned(table) for network, table in varied.items()}
    page = Page(
        title="The built-in demo",
        of=[
            (
                "The claim",
                "A network learns to ignore a shift by one pixel only on images like its training images.",
                "Azulay and Weiss, JMLR 2019: photographers centre their subject, and choose how large it is",
            ),
            (
                "Centred digits",
                "demo:train, demo:photographer",
                "in the middle and of one size, as a photographer would",
            ),
            ("Varied digits", "demo:train-uniform, demo:uniform", "at any position and of any size"),
            (
                "Networks",
                "fully-connected, global-pooling",
                "as VGG and as ResNet end; each is trained on centred digits, and as a control on varied ones",
            ),
            ("Measure", "P(top-1 change)", "the share of one-pixel steps that change the class that the network names"),
        ],
        answers=answers,
        opening=[_examples(), _argument(tables["uniform"])],
        findings=findings,
        most=MOST_FINDINGS,
        sections=[
            _argument_section(tables),
            framed_anew_section(maps),
            arms_section(measured, effects, framing, helping),
            _law_section(law),
            _studies_section(studies, folder),
        ],
    )
    return write_page(page, folder), answers, findings


def _per_image(control: Study, uniform: Study) -> pd.DataFrame:
    """The table of a study that is not analysed, with the framing of the same test images from another study."""
    results = control.results
    measured = results.images("test"), results.measures, results.reference_sweep, results.distances
    return join_per_image(*measured, uniform.results.subjects_framing)


def _examples() -> FigureBlock:
    return FigureBlock(
        "digits",
        _examples_figure,
        "Pictures of digits: in the first row in the middle and of one size, in the second row anywhere and of any "
        "size.",
        "The first pictures of the two test sets: digits on crops of photographs. The networks have to name the digit.",
        half=True,
    )


@styled
def _examples_figure() -> Figure:
    figure = new_figure(height=2.3)
    grid = figure.subplots(2, EXAMPLES)
    for row, (name, words) in zip(grid, (("photographer", "centred"), ("uniform", "varied")), strict=True):
        dataset = load_demo_dataset(name)
        for ax, image_id in zip(row, dataset.images["image_id"], strict=False):
            ax.imshow(dataset.read(image_id))
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
        row[0].set_ylabel(words)
    return figure


def _argument(tables: Mapping[str, pd.DataFrame]) -> FigureBlock:
    return FigureBlock(
        FIGURE,
        lambda: argument_figure(tables),
        "P(top-1 change), mean absolute change and accuracy of the four networks, by position and by scale of the "
        "digit.",
        "All four networks on the varied digits, with 95% intervals over images. Left: by the digit’s distance from "
        "the middle, for scales from 0.35 to 0.55. Right: by its scale, within 0.15 widths of the middle. The centred "
        "training digits have scales near 0.45. A smaller digit shows any network less; the networks that were trained "
        "on varied digits show how much of the loss that explains.",
        half=True,
    )


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
                note="Under each estimate its 95% bootstrap interval over images, adjusted for the number of rows. "
                "Log scale is the natural logarithm of the square root of the box's share of the image.",
            ),
        ],
        folded=True,
    )


def _argument_section(tables: Mapping[str, Mapping[str, pd.DataFrame]]) -> Section:
    return Section(
        "argument-tables",
        "What invariance depends on",
        [
            Paragraph(
                "All networks subsample. One kind ends in a fully connected layer on the feature map, the other in "
                "global average pooling. Global pooling forgets where a feature was, so what was learnt in the middle "
                "can serve elsewhere; nothing in it forgets how large it was."
            ),
            FigureBlock(
                DISTANCE_FIGURE,
                lambda: distance_figure(tables["uniform"]),
                "P(top-1 change) of the four networks by distance from the nearest training image.",
                "P(top-1 change) on the varied digits, in fifths of the images by their distance from the network’s "
                "nearest training image, with 95% intervals over images.",
                half=True,
            ),
            *(_binned_table(test, tables[test]) for test in TEST_SETS),
        ],
        folded=True,
    )


def _binned_table(test: str, tables: Mapping[str, pd.DataFrame]) -> TableBlock:
    rows = []
    for lines in zip(*(table.to_dict("records") for table in tables.values()), strict=True):
        if any(line["n"] for line in lines):
            first = lines[0]
            name = BIN_NAMES[first["by"]].format(number=first["bin"] + 1, left=first["left"], right=first["right"])
            cells = [column_cell(line, measure, value_form(measure)) for line in lines for measure in COMPARED_MEASURES]
            rows.append([Cell(name, f"{first['n']:,} images"), *cells])
    header = [f"{network}: {label_of(measure)}" for network in tables for measure in COMPARED_MEASURES]
    return TableBlock(
        f"Test set demo:{test}",
        ["", *header],
        rows,
        note="Under each value its 95% interval over images. Fifths are each network's own.",
        folded=True,
    )


def _studies_section(studies: Mapping[tuple[str, str], Study], folder: Path) -> Section:
    items = []
    for (network, test), study in studies.items():
        link = (study.folder / "report" / "index.html").relative_to(folder).as_posix()
        items.append(Cell(f"{network} on demo:{test}", "the full report of this study", link))
    return Section("studies", "The studies of the networks trained on centred digits", [ListBlock(items)])
