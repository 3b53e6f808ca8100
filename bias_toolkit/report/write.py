"""Writing the report's folder, so that a killed run leaves a whole page or none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bias_toolkit.errors import InputError
from bias_toolkit.report.blocks import FigureBlock, Omitted, Section
from bias_toolkit.report.contents import ReportContents
from bias_toolkit.report.findings import all_findings
from bias_toolkit.report.page import FIGURES, FORMATS, render
from bias_toolkit.report.results import FORMAT, results_text
from bias_toolkit.report.sections_framing import framing_section
from bias_toolkit.report.sections_invariance import classes_section, images_section, invariance_section
from bias_toolkit.report.sections_method import files_section, left_out_section, method_section
from bias_toolkit.report.sections_relations import distance_section, framing_effect_section
from bias_toolkit.report.style import save_figure
from bias_toolkit.report.thumbnails import FOLDER as IMAGES

PAGE, RESULTS, TABLES, PARTIAL = "index.html", "results.json", "tables", ".partial"
# A spreadsheet cannot open more; the study's own Parquet tables have every row.
LARGEST_TABLE = 1_000_000


def write_report(contents: ReportContents, folder: str | os.PathLike) -> Path:
    """Write the report into a folder, in the place of an earlier report, and give the path of its page.

    The report is index.html, which needs no network and no other file than these, results.json, and the folders
    figures (SVG, PNG, PDF), tables (CSV) and images (thumbnails). All is written aside first and put in its place at
    the end, the page last. Other files of the folder are left alone.

    Raises
    ------
    InputError
        If one of these names is taken by something else than a report.
    """
    folder = Path(folder)
    _refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(contents, partial)
        (folder / PAGE).unlink(missing_ok=True)
        os.replace(partial / RESULTS, folder / RESULTS)
        for name in (FIGURES, TABLES, IMAGES):
            shutil.rmtree(folder / name, ignore_errors=True)
            if (partial / name).exists():
                os.replace(partial / name, folder / name)
        os.replace(partial / PAGE, folder / PAGE)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder / PAGE


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"The report's folder {str(folder)!r} is a file; a folder would be right.")
    results = folder / RESULTS
    ours = results.is_file() and FORMAT in results.read_text(encoding="utf-8", errors="replace")[:200]
    taken = [name for name in (PAGE, RESULTS, FIGURES, TABLES, IMAGES) if (folder / name).exists()]
    if taken and not ours:
        raise InputError(
            f"{str(folder / taken[0])!r} is no part of an earlier report and would be overwritten; "
            "a new or an empty folder would be right."
        )


def _write(contents: ReportContents, folder: Path) -> None:
    folder.mkdir()
    findings = all_findings(contents)
    sections, omitted = _sections(contents, folder)
    tables = _write_tables(contents, folder / TABLES)
    sections += [left_out_section(contents, omitted), method_section(contents), files_section(tables)]
    for section in sections:
        for block in section.blocks:
            if isinstance(block, FigureBlock):
                save_figure(block.draw(), *(folder / FIGURES / f"{block.name}.{ending}" for ending in FORMATS))
    (folder / RESULTS).write_text(results_text(contents, findings), encoding="utf-8")
    (folder / PAGE).write_text(render(contents, findings, sections), encoding="utf-8")


def _sections(contents: ReportContents, folder: Path) -> tuple[list[Section], list[Omitted]]:
    built = [
        framing_section(contents),
        invariance_section(contents),
        distance_section(contents),
        framing_effect_section(contents),
        images_section(contents, folder),
        classes_section(contents),
    ]
    sections = [section for section in built if isinstance(section, Section)]
    return sections, [section for section in built if isinstance(section, Omitted)]


def _write_tables(contents: ReportContents, folder: Path) -> Sequence[tuple[str, str, str]]:
    tables = (
        ("per_image", contents.per_image, "one row a test image: measures, distances, framing"),
        ("summary", contents.table("summary"), "means of every measure under every sweep"),
        ("correlations", contents.table("correlations"), "distance and framing against invariance"),
        ("curves", contents.table("curves"), "means in quantile bins"),
        ("classes", contents.table("classes"), "means by class"),
        ("measures", contents.measures, "one row a test image and sweep"),
        ("distances", contents.distances, "one row a test image"),
        ("neighbours", contents.neighbours, "the nearest training images of each test image"),
        ("framing_summary_train", contents.train_summary, "framing of the training set and its categories"),
        ("framing_summary_test", contents.test_summary, "framing of the test set and its categories"),
        ("framing_train", contents.train_framing, "one row a training object"),
        ("framing_test", contents.test_framing, "one row a test object"),
        ("skipped", contents.skipped, "images left out, with the reason"),
    )
    folder.mkdir()
    written = []
    for name, table, holds in tables:
        if table is None or not len(table.columns):
            continue
        shown: pd.DataFrame = table.head(LARGEST_TABLE)
        shown.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
        if len(shown) < len(table):
            holds += f" (the first {len(shown):,} of {len(table):,}; the study's own tables have all)"
        written.append((f"{TABLES}/{name}.csv", f"{name}.csv", holds))
    return written
