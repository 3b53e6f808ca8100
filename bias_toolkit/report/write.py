"""Writing the report of a study."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bias_toolkit.foundation.files import write_text
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.spreadsheet import csv_text
from bias_toolkit.foundation.words import count, interval, known, number, percent
from bias_toolkit.report.blocks import Omitted, Section
from bias_toolkit.report.contents import ReportContents, centring_column, correlation, whole_dataset
from bias_toolkit.report.finding import interval_over
from bias_toolkit.report.findings import all_findings
from bias_toolkit.report.findings_invariance import summary_row
from bias_toolkit.report.framing_contents import framing_contents, framing_tables
from bias_toolkit.report.localisation import localisation_tables, marked_section
from bias_toolkit.report.page import FIGURES, Page, write_into
from bias_toolkit.report.publish import PAGE, published
from bias_toolkit.report.results import results_text
from bias_toolkit.report.sections_cause import cause_section
from bias_toolkit.report.sections_comparison import comparison_section
from bias_toolkit.report.sections_explanations import explanations_section
from bias_toolkit.report.sections_factors import factors_sections
from bias_toolkit.report.sections_framing import framing_section
from bias_toolkit.report.sections_invariance import classes_section, images_section, invariance_section
from bias_toolkit.report.sections_localisation import localisation_section
from bias_toolkit.report.sections_method import files_section, left_out_section, method_section
from bias_toolkit.report.sections_regression import regression_section
from bias_toolkit.report.sections_relations import distance_section, framing_effect_section
from bias_toolkit.report.sweeps import sweep_name
from bias_toolkit.report.thumbnails import FOLDER as IMAGES

RESULTS, TABLES = "results.json", "tables"
# A spreadsheet cannot open more; the study's own Parquet tables have every row.
LARGEST_TABLE = 1_000_000


def write_report(contents: ReportContents, folder: str | os.PathLike, progress: Progress = silent) -> Path:
    """Write a study's report into a folder, in the place of an earlier one, and give the path of its page.

    The report is index.html, which needs no network and no other file than these, results.json, and the folders
    figures (SVG, PNG, PDF), tables (CSV) and images (thumbnails). All is written aside first and put in its place at
    the end, the page last. Other files of the folder are left alone.

    Raises
    ------
    InputError
        If one of these names is taken by something else than a report.
    """
    with published(folder, [RESULTS, FIGURES, TABLES, IMAGES]) as partial:
        findings = all_findings(contents)
        sections, omitted = _sections(contents, partial)
        tables = _write_tables(contents, partial / TABLES)
        (partial / RESULTS).write_text(results_text(contents, findings), encoding="utf-8")
        page = Page(
            title=contents.name,
            of=_subjects(contents),
            tiles=_tiles(contents),
            findings=findings,
            sections=[
                *sections,
                left_out_section(contents, omitted),
                method_section(contents),
                files_section(tables),
            ],
        )
        write_into(page, partial, progress)
    return Path(folder) / PAGE


def _sections(contents: ReportContents, folder: Path) -> tuple[list[Section], list[Omitted]]:
    built = [
        marked_section(framing_section(framing_contents(contents), folder), contents),
        marked_section(comparison_section(framing_contents(contents)), contents),
        localisation_section(contents),
        invariance_section(contents),
        distance_section(contents),
        marked_section(framing_effect_section(contents), contents, figures_of=["test"]),
        marked_section(regression_section(contents), contents, figures_of=["test"]),
        *factors_sections(contents),
        cause_section(contents),
        marked_section(images_section(contents, folder), contents),
        explanations_section(contents),
        classes_section(contents),
    ]
    sections = [section for section in built if isinstance(section, Section)]
    return sections, [section for section in built if isinstance(section, Omitted)]


def _subjects(contents: ReportContents) -> list[tuple[str, str, str]]:
    """The two datasets and the model: (heading, name, details)."""
    model = contents.model
    return [
        (heading, dataset.path, f"{count(dataset.n_images, 'image')}, {count(dataset.n_labels, 'label')}")
        for heading, dataset in (("Training set", contents.train), ("Test set", contents.test))
    ] + [("Model", model.name, f"{count(model.n_classes, 'class', 'classes')}, input {model.input_size} pixels")]


def _tiles(contents: ReportContents) -> list[tuple[str, str, str]]:
    """(value, what it is, details). Numbers that were not computed are absent."""
    found = []
    train = whole_dataset(contents.train_summary)
    column = "centre_bias" if train is None else centring_column(train)
    if train is not None and known(train[column]):
        name, details = "centre bias of the training set", f"95% interval {_limits(train, column)}"
        if column != "centre_bias":
            name = "untruncated centre bias: of the training objects that no border cuts"
            details += (
                f"; centre_bias, of all objects: {number(train['centre_bias'])} "
                f"(95% interval {_limits(train, 'centre_bias')})"
            )
        if contents.localisation is not None and "train" in contents.localisation.sets:
            details += "; of estimated boxes"
        found.append((number(train[column]), name, details))
    row = summary_row(contents, "p_top1_change")
    if row is not None:
        limits = interval_over(row["n"], row["low"], row["high"], percent)
        details = f"{limits}; {sweep_name(*contents.reference_sweep)}"
        found.append((percent(row["value"]), "of one-pixel steps change the top-1 class", details))
    plain, partial = (
        correlation(contents.table("correlations"), "nn_distance", "p_top1_change", kind)
        for kind in ("plain", "partial")
    )
    if plain is not None and partial is not None:
        details = (
            f"95% interval {interval(plain['low'], plain['high'])}; given the margin "
            f"{number(partial['rho'])} ({interval(partial['low'], partial['high'])})"
        )
        found.append((number(plain["rho"]), "ρ of distance and P(top-1 change)", details))
    if contents.noise_floor is not None:
        floor = contents.noise_floor
        details = f"noise floor {percent(floor.value)}; 95% interval {interval(floor.low, floor.high, percent)}"
        value = f"{floor.n_changed:,} / {floor.n_views:,}"
        found.append((value, "views that change class when evaluated again", details))
    return found


def _limits(row: Mapping[str, Any], column: str) -> str:
    return interval(row[f"{column}_low"], row[f"{column}_high"])


def _write_tables(contents: ReportContents, folder: Path) -> Sequence[tuple[str, str, str]]:
    """Write the tables as CSV, and give (address, name, what it holds) of each."""
    tables = (
        ("per_image", contents.per_image, "one row a test image: measures, distances, framing"),
        ("summary", contents.table("summary"), "means of every measure under every sweep"),
        ("correlations", contents.table("correlations"), "distance and framing against invariance"),
        ("curves", contents.table("curves"), "means in quantile bins"),
        ("classes", contents.table("classes"), "means by class"),
        ("odds_ratios", contents.table("odds_ratios"), "the regression: odds ratios of its terms"),
        ("losses", contents.table("losses"), "the regression: cross-validated loss with and without each term"),
        ("ceiling", contents.table("ceiling"), "the regression: how much of what boosted trees gain it reaches"),
        ("factors", contents.table("factors"), "annotated factors against invariance"),
        ("notes", contents.table("notes"), "what the regression and the factors left out"),
        *_cause_tables(contents),
        ("measures", contents.measures, "one row a test image and sweep"),
        ("sequential", contents.sequential, "how many images each sweep took to reach its precision"),
        ("distances", contents.distances, "one row a test image"),
        ("search_quality", contents.search_quality, "the approximate index against exact search"),
        ("neighbours", contents.neighbours, "the nearest training images of each test image"),
        ("framing_summary_train", contents.train_summary, "framing of the training set and its categories"),
        ("framing_summary_test", contents.test_summary, "framing of the test set and its categories"),
        *framing_tables(framing_contents(contents)),
        ("framing_train", contents.train_framing, "one row a training object"),
        ("framing_test", contents.test_framing, "one row a test object"),
        *localisation_tables(contents),
        ("skipped", contents.skipped, "images left out, with the reason"),
    )
    folder.mkdir()
    written = []
    for name, table, holds in tables:
        if table is None or not len(table.columns):
            continue
        shown: pd.DataFrame = table.head(LARGEST_TABLE)
        write_text(csv_text(shown), folder / f"{name}.csv")
        if len(shown) < len(table):
            holds += f" (the first {len(shown):,} of {len(table):,}; the study's own tables have all)"
        written.append((f"{TABLES}/{name}.csv", f"{name}.csv", holds))
    return written


def _cause_tables(contents: ReportContents) -> list[tuple[str, pd.DataFrame, str]]:
    tables = []
    if contents.framing_map is not None:
        found = contents.framing_map
        tables += [
            ("map_cells", found.cells, "one row a cell of the framing map"),
            ("map_correlations", found.correlations, "the training density against the map"),
            ("map_contrasts", found.contrasts, "the map where training objects are many, and where they are few"),
        ]
    if contents.size_curve is not None:
        tables.append(("size_curve", contents.size_curve, "means of every measure over the view size"))
    return tables
