"""Comparing studies, and the page about it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

import bias_toolkit
from bias_toolkit.analysis.remedies import IF_RIGHT
from bias_toolkit.comparison.contents import TRAINING_COLUMNS, Comparison
from bias_toolkit.comparison.differences import LIKE_MARGIN, MEASURES
from bias_toolkit.comparison.figures import MOST_BANDS, distance_figure
from bias_toolkit.comparison.findings import DISTANCE_FIGURE, PLANE
from bias_toolkit.comparison.strips import strips
from bias_toolkit.comparison.studies import Compared, Pair, gather, pair_with_first
from bias_toolkit.foundation.bars import shown
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.words import Form, count, number, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.page.blocks import (
    Block,
    Cell,
    FigureBlock,
    ListBlock,
    Paragraph,
    Section,
    TableBlock,
    column_cell,
    estimate_cell,
)
from bias_toolkit.report.page.files import RESULTS, TABLES, Table, write_results, write_tables
from bias_toolkit.report.page.page import FIGURES, MOST_FINDINGS, Page, write_into
from bias_toolkit.report.page.publish import PAGE, published
from bias_toolkit.report.page.thumbnails import FOLDER as IMAGES
from bias_toolkit.report.topics.remedies.figures import stability_plane
from bias_toolkit.report.words.definitions import LABELLED, Definition, label_of
from bias_toolkit.report.words.finding import sign
from bias_toolkit.report.words.sentences import in_points, sweep_name, three_digits
from bias_toolkit.study import Study

LABELS = {
    IF_RIGHT: f"{label_of(HEADLINE)} where right",
    LIKE_MARGIN: f"{label_of(HEADLINE)} at like margin",
}
DEFINITIONS = (
    Definition(
        LABELS[IF_RIGHT],
        "Of the images whose centre view both models get right; if the test images differ, of those that each gets "
        "right.",
    ),
    Definition(
        LABELS[LIKE_MARGIN],
        "The margins of both studies are pooled and cut into tenths; the mean difference over the tenths in which both "
        "have images, weighted by their numbers of images.",
    ),
)
MOST_CLASSES = 12
ADJUSTED = "with 95% intervals, adjusted for the number of differences in this table; in bold those that leave out 0."


def compare(
    studies: Sequence[Study | str | os.PathLike],
    out: str | os.PathLike | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Compare the first of some studies with each of the others.

    Nothing is computed in a study: each needs the results of `bias-toolkit analyse`. Where the test images are the same
    by id and content, differences are of one image under both models; where only some are, of these.

    Parameters
    ----------
    studies : sequence of Study or path
        At least two.
    out : path, optional
        The folder for a page, with figures, tables and pictures; without it, no page is written.
    resamples, seed : int
        Of the bootstrap over images.
    progress : Progress or bool, optional
        By default bars in a terminal and a notebook; False shows none.

    Raises
    ------
    InputError
        If there are fewer than two studies, one lacks results, their sweeps differ, or `out` holds anything but such a
        page.
    """
    if len(studies) < 2:
        raise InputError("A comparison needs at least two studies; name another one.")
    progress = shown(progress)
    opened = [each if isinstance(each, Study) else Study(each) for each in studies]
    with progress("Reading the studies", None):
        compared = gather(opened)
    page = None if out is None else Path(out) / PAGE
    comparison = Comparison(compared, pair_with_first(compared, progress), resamples, seed, page)
    if page is not None:
        write_comparison(comparison, page.parent, progress)
    return comparison


def write_comparison(comparison: Comparison, folder: Path, progress: Progress = silent) -> None:
    """Write the page about a comparison as index.html, with figures, tables and pictures."""
    with published(folder, [RESULTS, FIGURES, TABLES, IMAGES]) as partial:
        with progress("Comparing", None):
            _ = comparison.findings, comparison.by_framing, comparison.by_distance
        tables = write_tables(_tables(comparison), partial, largest=None)
        results = {
            "studies": [_record(study) for study in comparison.studies],
            "pairs": [_pair_record(pair) for pair in comparison.pairs],
            "front": comparison.front,
            "answers": [finding.to_dict() for finding in comparison.answers],
            "findings": [finding.to_dict() for finding in comparison.further],
            "means": comparison.means,
            "differences": comparison.differences,
            "settings": {"resamples": comparison.resamples, "seed": comparison.seed},
            "versions": {"bias-toolkit": bias_toolkit.__version__},
        }
        write_results(results, partial)
        first, *others = comparison.studies
        names = ", ".join(study.name for study in others)
        many = f"{len(others)} others"
        against = names if len(others) == 1 else many
        compared = names if len(others) <= MOST_BANDS else many
        pictures = strips(comparison.shown, partial)
        page = Page(
            title=f"{first.name} against {against}",
            of=[("First study", first.name, str(first.folder)), ("Compared with it", compared, _images(comparison))],
            answers=comparison.answers,
            opening=[_plane(comparison), _curves(comparison), *pictures[:1]],
            findings=sorted(comparison.further, key=lambda finding: list(type(finding.topic)).index(finding.topic)),
            most=MOST_FINDINGS,
            sections=[replace(section, folded=True) for section in _sections(comparison, pictures[1:], tables)],
            kicker="studies side by side",
        )
        write_into(page, partial, progress)


def _images(comparison: Comparison) -> str:
    paired = sum(pair.is_paired for pair in comparison.pairs)
    n = len(comparison.studies[0].images)
    if paired < len(comparison.pairs):
        return f"{paired} of {count(len(comparison.pairs), 'study', 'studies')} on the same test images"
    some = " some of" if any(pair.is_partial for pair in comparison.pairs) else ""
    return f"on{some} the same {count(n, 'test image')}, {sweep_name(*_sweep(comparison))}"


def _sweep(comparison: Comparison) -> tuple[str, str, float]:
    sweep = comparison.studies[0].sweep
    return sweep.protocol, sweep.transform, sweep.size


def _record(study: Compared) -> Mapping[str, object]:
    named = {"name": study.name, "folder": study.folder, "images": len(study.images)}
    return named | {"model": study.model, "sets": study.sets}


def _pair_record(pair: Pair) -> Mapping[str, object]:
    return {
        "study": pair.second.name,
        "against": pair.first.name,
        "paired": pair.is_paired,
        "shared_images": len(pair.shared) if pair.is_paired else None,
    }


def _plane(comparison: Comparison) -> FigureBlock:
    means = comparison.means
    change, accuracy = (means[means["measure"].eq(name)].set_index("study") for name in (HEADLINE, "accuracy"))
    front = comparison.front
    ringed = " Ringed: no other study has means that are as good in both and better in one." if front else ""
    labels = {study.name: study.name for study in comparison.studies}
    return FigureBlock(
        PLANE,
        lambda: stability_plane(change, accuracy, comparison.studies[0].name, labels, front),
        "Accuracy and P(top-1 change) of each study, with arrows from the first.",
        f"Mean over all images of each study, with its own 95% interval. Arrows start at the first study.{ringed}",
        half=True,
    )


def _curves(comparison: Comparison) -> FigureBlock:
    return FigureBlock(
        DISTANCE_FIGURE,
        lambda: distance_figure(comparison.by_distance),
        "P(top-1 change) of each study by distance from its training set.",
        "Mean in parts of the images, from nearest to farthest by each model’s own distance to its training set"
        f"{', with 95% intervals' if len(comparison.studies) <= MOST_BANDS else ''}.",
        half=True,
    )


def _sections(
    comparison: Comparison, pictures: Sequence[Block], tables: Sequence[tuple[str, str, str]]
) -> Iterator[Section]:
    yield Section("measures", "All measures", [_measures(comparison)])
    if pictures:
        yield Section("images", "Images on which they differ most", list(pictures))
    if len(comparison.by_framing):
        yield Section("framing", "By framing", [_framing(comparison)])
    if len(comparison.by_class):
        yield Section("classes", "By class", [_classes(comparison)])
    if len(comparison.training):
        yield Section("training", "The training sets", [_training(comparison)])
    yield Section("method", "How this was made", _method(comparison))
    items = [Cell(name, holds, link=address) for address, name, holds in tables]
    yield Section("files", "Files", [ListBlock([*items, Cell(RESULTS, "every number and finding", link=RESULTS)])])


def _points(row: Mapping[str, object], form: Form = in_points) -> Cell:
    """A difference with its interval, in bold if it was found."""
    ends = row["difference_low"], row["difference_high"]
    return estimate_cell(row["difference"], *ends, form, marked=bool(sign(*ends)), nothing=0.0)


def _measures(comparison: Comparison) -> TableBlock:
    """The first study's means, and below them the differences from them."""
    means = comparison.means.set_index(["study", "measure"])
    differences = comparison.differences.set_index(["study", "measure"])
    there = [name for name in MEASURES if name in set(comparison.differences["measure"])]
    first = comparison.studies[0]
    rows = [[Cell(first.name, count(len(first.images), "image"))]]
    for name in there:
        row = means.loc[(first.name, name)] if (first.name, name) in means.index else None
        form = three_digits if name == "mac" else percent
        rows[0].append("" if row is None else estimate_cell(*row[["value", "value_low", "value_high"]], form))
    for pair in comparison.pairs:
        which = ("of these" if pair.is_partial else "same") if pair.is_paired else "other"
        rows.append([Cell(pair.second.name, f"{len(pair.rows[0]):,} {which} images")])
        for name in there:
            key, form = (pair.second.name, name), three_digits if name == "mac" else in_points
            rows[-1].append(_points(differences.loc[key], form) if key in differences.index else "")
    return TableBlock(
        "Differences from the first study",
        ["", *(LABELS.get(name) or label_of(name) for name in there)],
        rows,
        definitions=[*(LABELLED[name] for name in there if name in LABELLED), *DEFINITIONS],
        note="In the first row, means over all its images. Below, differences from it, in percentage points (mean "
        f"absolute change: in its own unit), {ADJUSTED}",
        csv=f"{TABLES}/differences.csv",
    )


def _parts(caption: str, rows: Sequence[tuple[Cell, Mapping[str, object]]], note: str, csv: str) -> TableBlock:
    """P(top-1 change) of a pair of studies on parts of the images, each named by its cell."""
    shown = [[name, percent(row["first"]), percent(row["value"]), _points(row), f"{row['n']:,}"] for name, row in rows]
    header = ["", "First study", "This study", "Difference", "Images"]
    return TableBlock(caption, header, shown, note=f"{note} {ADJUSTED}", csv=f"{TABLES}/{csv}.csv")


def _framing(comparison: Comparison) -> TableBlock:
    rows = []
    for row in _of_shown(comparison, comparison.by_framing).to_dict("records"):
        place = f"{LABELLED[row['variable']].label}: {number(row['left'])} to {number(row['right'])}"
        rows.append((Cell(place, row["study"]), row))
    estimated = " The model has estimated the boxes." if comparison.studies[0].images["estimated"].any() else ""
    note = f"Quarters of the images.{estimated} Differences in percentage points,"
    return _parts("P(top-1 change) by position and scale of the object", rows, note, "by_framing")


def _classes(comparison: Comparison) -> TableBlock:
    names, table = comparison.studies[0].classes, _of_shown(comparison, comparison.by_class)
    width = (table["difference_high"] - table["difference_low"]).fillna(2)
    clearest = (table["difference"].abs() / width).sort_values(ascending=False, kind="stable").index[:MOST_CLASSES]
    chosen = table.loc[clearest].to_dict("records")
    rows = [(Cell(names.shown(row["label"]), row["study"]), row) for row in chosen]
    note = f"The {len(rows)} clearest of {len(table):,} differences, in percentage points,"
    return _parts("P(top-1 change) by class", rows, note, "by_class")


def _of_shown(comparison: Comparison, table: pd.DataFrame) -> pd.DataFrame:
    return table[table["study"].isin([pair.second.name for pair in comparison.shown])]


def _training(comparison: Comparison) -> TableBlock:
    rows = []
    for row in comparison.training.to_dict("records"):
        forms = [percent if LABELLED[name].share else number for name in TRAINING_COLUMNS]
        cells = [column_cell(row, name, form) for name, form in zip(TRAINING_COLUMNS, forms, strict=True)]
        rows.append([Cell(row["study"], count(int(row["n_objects"]), "object")), *cells])
    return TableBlock(
        "The framing of the training sets",
        ["", *(label_of(name) for name in TRAINING_COLUMNS)],
        rows,
        definitions=[LABELLED[name] for name in TRAINING_COLUMNS],
        note="With 95% intervals over images. The distances of different models cannot be compared.",
        csv=f"{TABLES}/training_sets.csv",
    )


def _method(comparison: Comparison) -> list[Block]:
    rows = []
    for study in comparison.studies:
        named = [Cell(study.name, str(study.folder)), study.model["name"], f"{study.model['input_size']} px"]
        rows.append([*named, f"{len(study.images):,}", f"{study.images['right'].notna().sum():,}"])
    text = (
        "Two images are the same if they have one id and the same pixels. Of the same images, differences are taken "
        "image by image, and intervals are over these differences. A difference is called an effect only if the images "
        "are the same and the model is what was changed."
    )
    if others := [pair.second.name for pair in comparison.pairs if not pair.is_paired]:
        text += (
            f" The test images of {', '.join(others)} are not those of {comparison.studies[0].name}, or could not be "
            "read to find that out. There, a difference is that of two means over different images."
        )
    settings = (
        f"Sweep: {sweep_name(*_sweep(comparison))}. A step is one pixel of the model’s input, so it is a smaller part "
        "of the view if the input is larger. Intervals of a table are adjusted for the number of its differences "
        f"(Benjamini and Yekutieli, 2005). bias-toolkit {bias_toolkit.__version__}; resamples {comparison.resamples}, "
        f"seed {comparison.seed}."
    )
    table = TableBlock("The studies", ["", "Model", "Input", "Images", "With a label"], rows)
    return [Paragraph(text), table, Paragraph(settings)]


def _tables(comparison: Comparison) -> list[Table]:
    return [
        Table("means", comparison.means, "each study’s measures over all its images", order=0),
        Table("differences", comparison.differences, "each study’s measures minus those of the first", order=1),
        Table("by_distance", comparison.by_distance, "P(top-1 change) by distance from the training set", order=2),
        Table("by_framing", comparison.by_framing, "the difference in P(top-1 change) by position and scale", order=3),
        Table("by_class", comparison.by_class, "the difference in P(top-1 change) by class", order=4),
        Table("training_sets", comparison.training, "the framing of the training sets", order=5),
    ]
