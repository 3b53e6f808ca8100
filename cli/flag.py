"""`flag`: which images the model will be unstable on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count, example, number, percent
from bias_toolkit.study import steps
from bias_toolkit_cli.options import StudyFolder, open_study, takes_study_options
from bias_toolkit_cli.output import console_progress, print_json, say, say_findings, say_table

if TYPE_CHECKING:
    import pandas as pd

    from bias_toolkit import Study


@takes_study_options(steps.flag)
def flag(
    study: StudyFolder,
    options: dict[str, Any],
    new_images: Annotated[
        str | None,
        typer.Argument(metavar="NEW_IMAGES", help="Images to flag: a folder, an annotation file or a table."),
    ] = None,
    new_layout: Annotated[
        str | None, typer.Option(metavar="NAME", help="Layout of NEW_IMAGES, if it is not recognised.")
    ] = None,
    new_folder: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Folder of NEW_IMAGES, if it is not found near their annotations."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The CSV table to write of NEW_IMAGES.")] = None,
    evaluate_on: Annotated[
        str | None,
        typer.Option(
            metavar="STUDY", help="Evaluate the flag on another study's test images; only the test set may differ."
        ),
    ] = None,
) -> None:
    """Fit a flag that says which images the model will be unstable on, and evaluate it; or flag new images.

    A flag takes one forward pass and one search of the training images. Each of NEW_IMAGES gets the probability that
    a one-pixel step changes its class, whether it is flagged, its nearest training images, and the reasons.

    Example: bias-toolkit flag study

    Example: bias-toolkit flag study new-photographs --out flags.csv

    Example: bias-toolkit flag study --evaluate-on study-of-other-photographs
    """
    if (new_images is None) != (out is None):
        raise InputError("NEW_IMAGES and --out FILE, the CSV table to write, have to be given together.")
    if new_images is None and (new_layout is not None or new_folder is not None):
        raise InputError("--new-layout and --new-folder are of NEW_IMAGES: name them too, or leave these options out.")
    if out is not None and not out.absolute().parent.is_dir():
        raise InputError(f"--out is {str(out)!r}, but there is no folder {out.parent}; make it, or name another.")
    if new_images is not None and evaluate_on is not None:
        raise InputError("Give either NEW_IMAGES or --evaluate-on STUDY.")
    progress, as_json = console_progress(), options["json_output"]
    opened = open_study(study, options).fit_flag(progress=progress)
    if new_images is not None:
        _flag_new(opened, (new_images, new_layout, new_folder), out, as_json)
        return
    from bias_toolkit.report.topics import flag as topic

    if evaluate_on is None:
        findings, table = topic.findings(topic.gather(opened.results)), opened.flag_evaluation
        lead = f"Evaluated on {count(opened.flag_values['n'], 'test image')}, in folds."
    else:
        from bias_toolkit.study import Study
        from bias_toolkit.study.flagging import evaluate_on as evaluate

        table, left_out = evaluate(opened, Study(evaluate_on), progress)
        findings = topic.evaluation_findings(table, opened.flag_values["shipped"])
        n = int(table["n"].iloc[0])
        lead = f"Fitted to the test images of {study}, and evaluated on {count(n, 'test image')} of {evaluate_on}."
        if left_out:
            lead += f" {count(left_out, 'image')} of both are left out."
    if as_json:
        print_json({"findings": [each.to_dict() for each in findings], "evaluation": table.to_dict("records")})
        return
    say(lead)
    say_findings(findings)
    if len(table):
        block = topic.evaluation_table(table, opened.settings.share_flagged)
        say_table(block.header, [[_cell(each) for each in row] for row in block.rows])
    if evaluate_on is None:
        say("`bias-toolkit report` shows it.")


def _cell(cell: Any) -> str:
    return cell if isinstance(cell, str) else f"{cell.text} ({cell.detail})" if cell.detail else cell.text


def _flag_new(study: Study, images: tuple[str, str | None, str | None], out: Path, as_json: bool) -> None:
    """Flag the images of a dataset, named by its path, layout and folder of images, and write the table."""
    from bias_toolkit import Flag, load_dataset
    from bias_toolkit.foundation.files import write_text
    from bias_toolkit.foundation.spreadsheet import csv_text
    from bias_toolkit.report.topics.flag import SHIPPED

    flag, progress = Flag.load(study), console_progress()
    dataset = load_dataset(*images)
    if study.settings.deep_grey is not None:
        dataset = dataset.scaled(study.settings.deep_grey)
    skipped = dataset.scan(progress).skipped
    table = flag.score(dataset, progress)
    table = _with_skipped(table, skipped)
    write_text(csv_text(table), out)
    read, n_flagged = int(table["reason"].isna().sum()), int(table["flagged"].sum())
    if as_json:
        result = {"shipped": flag.shipped, "threshold": flag.threshold, "table": str(out)}
        print_json(result | {"images": table.astype(object).where(table.notna(), None).to_dict("records")})
        return
    verb, share = "is" if n_flagged == 1 else "are", percent(flag.share_flagged, 0)
    lines = [
        f"{n_flagged:,} of {count(read, 'image')} {verb} flagged, by {SHIPPED[flag.shipped]}.",
        f"The threshold is a probability of a change of {number(flag.threshold)}; {share} of test images exceed it.",
    ]
    if len(unread := table.loc[table["reason"].notna(), "image"].tolist()):
        lines.append(f"{count(len(unread), 'image')} could not be read {example(unread)}; the column reason says why.")
    say("\n".join([*lines, f"Table: {out}"]))


def _with_skipped(table: pd.DataFrame, skipped: pd.DataFrame) -> pd.DataFrame:
    """The table of flags with the images that could not be opened."""
    import pandas as pd

    rows = skipped.rename(columns={"image_id": "image"})[["image", "reason"]]
    return pd.concat([table, rows], ignore_index=True) if len(rows) else table
