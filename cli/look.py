"""Looking at a study that was computed: `plot`, `neighbours` and `verify`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count, visible_name
from bias_toolkit_cli.output import console_progress, opened, print_json, say

Study = Annotated[str, typer.Argument(metavar="STUDY", help="The study's folder.")]
SMALLEST_INCHES, LARGEST_INCHES = 1, 40


def plot(
    study: Study,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="FIGURE",
            help="The figure's name, such as distance-vs-invariance. Without it, the figures are listed.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The file to write: .pdf, .svg or .png.")] = None,
    measure: Annotated[
        str, typer.Option(help="The vertical axis: p_top1_change, mac or another measure.")
    ] = "p_top1_change",
    distance: Annotated[
        str,
        typer.Option(
            help="The horizontal axis: nn_distance, knn_distance, centre_distance or another column of per_image."
        ),
    ] = "nn_distance",
    bins: Annotated[int | None, typer.Option(help="Quantile bins; by default as many as the images allow.")] = None,
    by_class: Annotated[bool, typer.Option("--by-class", help="One panel per class.")] = False,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="STUDY",
            help="A study of another model, drawn beside this one (size-vs-invariance only); repeat it for several.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="WIDTHxHEIGHT", help="Size in inches, such as 3.3x2.5; by default that of the report."),
    ] = None,
    no_title: Annotated[bool, typer.Option("--no-title", help="Leave out the title and the line below it.")] = False,
    list_only: Annotated[bool, typer.Option("--list", help="List the figures that this study can draw.")] = False,
) -> None:
    """Draw a figure of the study for a publication; without FIGURE, list the figures that it can draw.

    Example: bias-toolkit plot study distance-vs-invariance --out figure.pdf
    """
    there = opened(study)
    if name is None or list_only:
        _list_figures(there.figures())
        return
    if out is None:
        raise InputError("--out is missing; name the file to write, which ends in .pdf, .svg or .png.")
    if not out.absolute().parent.parent.is_dir():
        raise InputError(f"--out is {str(out)!r}, but there is no folder {out.parent}; make it, or name another.")
    inches = None if size is None else _inches(size)
    from bias_toolkit.report import resize, save_figure, without_title

    others = [opened(other) for other in beside or ()]
    figure = there.plot(name, measure=measure, distance=distance, bins=bins, by_class=by_class, beside=others).figure
    if no_title:
        without_title(figure)
    if inches is not None:
        resize(figure, *inches, name)
    save_figure(figure, out)
    width, height = figure.get_size_inches()
    say(f"Wrote {name} to {out}: {width:g} × {height:.3g} inches, {round(out.stat().st_size / 1000):,} kB.")


def _list_figures(figures: Mapping[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    if not figures:
        say("This study has nothing to draw yet; `bias-toolkit report` computes what a report shows.")
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, description in figures.items():
        table.add_row(name, description)
    Console().print(table)


def _inches(size: str) -> tuple[float, float]:
    """The width and height of `6x4`."""
    width, _, height = size.lower().replace("×", "x").partition("x")
    try:
        inches = float(width), float(height)
    except ValueError:
        inches = (0.0, 0.0)
    if not all(SMALLEST_INCHES <= length <= LARGEST_INCHES for length in inches):
        raise InputError(
            f"--size is {size!r}, but must be a width and a height from {SMALLEST_INCHES} to {LARGEST_INCHES} inches, "
            "such as 3.3x2.5."
        )
    return inches


def neighbours(
    study: Study,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="A test image: its id or its path.")],
    k: Annotated[
        int | None,
        typer.Option("--k", metavar="K", help="How many neighbours to show; by default all that the study keeps."),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show a test image's nearest training images.

    Example: bias-toolkit neighbours study n01443537/goldfish_7.JPEG --k 5
    """
    if k is not None and k < 1:
        raise InputError(f"--k is {k}, but must be at least 1.")
    there = opened(study)
    table = there.neighbours_of(image)
    if k is not None and k > len(table):
        raise InputError(
            f"--k is {k}, but the study keeps {count(len(table), 'neighbour')} of each image; run `bias-toolkit index` "
            f"with --neighbours {k} first."
        )
    table = table.head(k or len(table))
    image_id = table["image_id"].iloc[0]
    if json_output:
        print_json({"image_id": image_id, "neighbours": table.drop(columns="image_id").to_dict("records")})
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(visible_name(f"Nearest training images of {image_id}")), title_justify="left")
    for column, justify in (("rank", "right"), ("distance", "right"), ("label", "left"), ("image", "left")):
        shown.add_column(column, justify=justify, overflow="fold")
    for row in table.itertuples():
        label = row.label if isinstance(row.label, str) else ""
        shown.add_row(
            str(row.rank), f"{row.distance:.4f}", Text(visible_name(label)), Text(visible_name(row.neighbour_id))
        )
    Console().print(shown)


def verify(
    study: Study,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare every file of a study with its digest, and list the damaged ones. Exit code 1 if there are any.

    Other commands compare sizes and times of files, and the digests of the files that they use. The next run
    computes damaged files again.

    Example: bias-toolkit verify study
    """
    there = opened(study)
    damaged = there.verify(progress=console_progress())
    if json_output:
        print_json({"damaged": damaged.to_dict("records")})
    elif damaged.empty:
        say(f"Every file of the finished steps in {there.folder} is as it was written.")
    else:
        lines = [f"{row.step}/{row.file}: {row.reason}." for row in damaged.itertuples()]
        # A report shows results of the other commands, so it comes last.
        names = sorted(damaged["command"].unique(), key=lambda name: name.startswith("report"))
        commands = ", ".join(f"`bias-toolkit {name}`" for name in names)
        say("\n".join([*lines, f"Run {commands} on the study, and it is computed again."]))
    if len(damaged):
        raise typer.Exit(1)
