"""`objects`: how a study's two datasets, or any dataset, are framed. Needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.study import steps
from bias_toolkit_cli.options import open_study, takes_study_options
from bias_toolkit_cli.output import console_progress, print_json, say, say_findings

if TYPE_CHECKING:
    import pandas as pd

    from bias_toolkit.objects import FramingComparison
    from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents

OF_A_DATASET = ("layout", "resamples", "permutations", "placements", "seed", "json_output")
MOST_CATEGORIES = 12
WIDTH = 110


@takes_study_options(steps.objects, steps.mean_images)
def objects(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|DATASET",
            help="A study's folder (a new one with --train and --test), or a dataset: a folder, an "
            "annotation file or demo:train.",
        ),
    ],
    options: dict[str, Any],
    other: Annotated[
        str | None, typer.Option("--with", metavar="DATASET", help="Another dataset, with which DATASET is compared.")
    ] = None,
    with_layout: Annotated[
        str | None, typer.Option(metavar="NAME", help="Layout of that other dataset, if it is not recognised.")
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Folder of DATASET's images, if it is not found near their annotations."),
    ] = None,
    with_folder: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder of the images of that other dataset.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="The folder for a page about DATASET, with figures, tables and mean images."
        ),
    ] = None,
) -> None:
    """Compare the objects' position and scale with chance, and two datasets with each other. Needs no model.

    Example: bias-toolkit objects study

    Example: bias-toolkit objects photos/train --with photos/val --out framing
    """
    of_other = {"--with-layout": with_layout, "--with-folder": with_folder}
    if (Path(study) / "study.json").exists() or options["train"] is not None or options["test"] is not None:
        given = _first_given({"--with": other, **of_other, "--folder": folder, "--out": out})
        if given is not None:
            raise InputError(
                f"{given} is for a dataset, and {study} is a study, which has two: leave it out, or name a dataset. "
                f"A study's page is written by `bias-toolkit report --out {study}`."
            )
        _objects_of_study(study, options)
    else:
        named = [(study, options["layout"], folder)]
        if other is not None:
            named.append((other, with_layout or options["layout"], with_folder))
        elif (given := _first_given(of_other)) is not None:
            raise InputError(f"{given} is of another dataset; name that with --with.")
        _objects_of_datasets(named, out, options)


def _first_given(options: dict[str, Any]) -> str | None:
    return next((name for name, value in options.items() if value is not None), None)


def _objects_of_study(folder: str, options: dict[str, Any]) -> None:
    opened = open_study(folder, options)
    opened.measure_objects(progress=console_progress())
    comparison = opened.framing_comparison
    if options["json_output"]:
        result: dict[str, Any] = {}
        for split in ("train", "test"):
            summary = opened.framing_summary(split)
            result[split] = summary.to_dict("records") if summary["n_objects"].iloc[0] else None
        print_json(result | _comparison_record(comparison))
        return
    from bias_toolkit.report import topic_findings
    from bias_toolkit.report.topics.framing import framing_answer
    from bias_toolkit.report.topics.framing.contents import framing_contents
    from bias_toolkit.report.topics.localisation.findings import box_sentences

    contents = framing_contents(opened)
    for sentence in box_sentences(opened):
        say(sentence)
    say_findings([framing_answer(contents), *topic_findings(opened, "framing", "comparison", "localisation")])
    for framed in contents.sets:
        _print_table(contents, framed)


def _objects_of_datasets(
    named: Sequence[tuple[str, str | None, str | None]], out: Path | None, options: dict[str, Any]
) -> None:
    """The framing of one or two datasets, each named by its path, layout and folder of images."""
    from bias_toolkit.study.settings import Settings

    of_a_study = {name: value for name, value in options.items() if name not in OF_A_DATASET}
    given = next((name for name, value in of_a_study.items() if value not in (None, []) and value is not False), None)
    if given is not None:
        raise InputError(
            f"--{given.replace('_', '-')} is an option of a study, and {named[0][0]} is none (no study.json in it); "
            "leave it out, or name a study's folder."
        )
    changes = {name: options[name] for name in ("resamples", "permutations", "placements", "seed")}
    settings = {name: getattr(Settings().replace(changes), name) for name in changes}

    progress = console_progress()
    with progress("Relating the framing to chance", None):
        from bias_toolkit import load_dataset
        from bias_toolkit.report import frame_datasets

        datasets = [load_dataset(*each) for each in named]
        framing = frame_datasets(*datasets, folder=out, **settings, progress=progress)
    contents = framing.contents
    if options["json_output"]:
        result = {
            "dataset": framing.described[0].summary.to_dict("records"),
            "other": None if len(named) == 1 else framing.described[1].summary.to_dict("records"),
            "findings": [finding.to_dict() for finding in framing.findings],
            "report": None if framing.page is None else str(framing.page),
        }
        print_json(result | _comparison_record(framing.comparison))
        return
    for each, framed in zip(framing.described, contents.sets, strict=True):
        dataset = each.dataset
        say(
            f"{framed.name}: {dataset.root}, {len(dataset.images):,} images with {len(dataset.objects):,} boxes, "
            f"read as {dataset.layout} ({dataset.layout_reason})."
        )
    print()
    say_findings(framing.findings)
    for framed in contents.sets:
        _print_table(contents, framed)
    if framing.page is not None:
        say(f"\nReport: {framing.page}")


def _comparison_record(comparison: FramingComparison | None) -> dict[str, Any]:
    if comparison is None:
        return {"comparison": None}
    return {"comparison": {"variables": comparison.variables.to_dict("records"), "test": asdict(comparison.test)}}


def _print_table(contents: FramingContents, framed: FramedSet) -> None:
    """The whole set and its categories; only the most and the least centred of many."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bias_toolkit.foundation.words import count, percent, visible_name
    from bias_toolkit.objects import OF_ALL_OBJECTS
    from bias_toolkit.report.topics.framing.contents import by_category
    from bias_toolkit.report.words.definitions import label_of
    from bias_toolkit.report.words.finding import value_of

    centring = contents.sets[0].centring
    column = centring.column
    categories = by_category(framed.summary, column)
    is_whole = len(categories) == 1 and categories["n_objects"].iloc[0] == framed.whole["n_objects"]
    ends = categories[:0] if is_whole else _ends(categories)
    shown: list[Any] = [framed.whole, *ends.to_dict("records")]
    left_out = 0 if is_whole else len(categories) - len(ends)
    caption = f"{left_out:,} classes between these are left out." if left_out else None
    title = f"Framing of {framed.the}{', estimated boxes' if framed.is_estimated else ''}"
    table = Table(title=Text(visible_name(title)), title_justify="left", caption=caption)
    for name, justify in (
        ("", "left"),
        ("images", "right"),
        ("objects" if centring == OF_ALL_OBJECTS else "objects, border not touched", "right"),
        (label_of(column).lower(), "right"),
        ("median scale", "right"),
        ("touch the border", "right"),
        ("box overlap", "right"),
    ):
        table.add_column(name, justify=justify, overflow="fold")
    for row in shown:
        table.add_row(
            Text(visible_name(contents.names.shown(row["category"])) or "all"),
            count(row["n_images"]),
            count(row[centring.n_objects]),
            *(
                value_of(row, name, *form, short=True).replace(" (", "\n(")
                for name, *form in (
                    (column,),
                    ("median_scale",),
                    ("truncated_share", percent),
                    ("class_box_overlap", percent),
                )
            ),
        )
    console = Console()
    # Without a terminal, rich assumes 80 columns; tables must not be wrapped to these.
    Console(width=None if console.is_terminal else WIDTH).print(table)


def _ends(categories: pd.DataFrame) -> pd.DataFrame:
    if len(categories) <= MOST_CATEGORIES:
        return categories
    import pandas as pd

    half = MOST_CATEGORIES // 2
    return pd.concat([categories.head(half), categories.tail(half)])
