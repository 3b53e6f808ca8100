"""The page's section on how the subjects of a dataset are framed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from bias_toolkit.foundation.words import MISSING, Form, below_all, count, known, number, percent
from bias_toolkit.objects import OF_ALL_OBJECTS, OF_UNCUT_OBJECTS, rank_categories
from bias_toolkit.objects.divergence import FEWEST_OBJECTS
from bias_toolkit.objects.summary import MOST_IMAGES
from bias_toolkit.report.page.blocks import (
    Block,
    Cell,
    FigureBlock,
    Omitted,
    Paragraph,
    PicturesBlock,
    Section,
    TableBlock,
    column_cell,
    estimate_cell,
)
from bias_toolkit.report.topics.framing import figures
from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents, by_category, compared_with_whole
from bias_toolkit.report.topics.framing.mean_images import mean_images_block
from bias_toolkit.report.words.definitions import FRAMING_SUMMARY
from bias_toolkit.report.words.finding import sign, value_of
from bias_toolkit.report.words.sentences import lowered

MOST_CATEGORIES = 60
SAMPLING_NOISE = "not above sampling noise"
ADJUSTED = "adjusted for the number of categories (Benjamini and Yekutieli, 2005)"


def framing_section(
    contents: FramingContents, folder: Path | None = None, every_mean: bool = False
) -> Section | Omitted:
    """Centres against chance, scale, categories, and, given a folder, mean images (`every_mean`: all are written)."""
    first = contents.first
    title = f"The photographers’ bias: framing of {first.the}"
    means = mean_images_block(contents, folder, every_mean) if folder is not None else None
    if not first or first.framing is None or not len(first.framing):
        if means is None:
            return Omitted(title, f"{first.the} has no object boxes.")
        without = f"{first.the[0].upper()}{first.the[1:]} has no object boxes, so only its mean images can be shown."
        return Section("framing", title, [Paragraph(without), means])
    return Section("framing", title, list(_blocks(contents, means)))


def _blocks(contents: FramingContents, means: PicturesBlock | None) -> Iterator[Block]:
    sets = contents.sets
    mapped = [each for each in sets if each.maps is not None]
    yield Paragraph(
        "A box that fills its image is centred whoever took the photograph. So the objects are compared with boxes of "
        "the same sizes, each placed anywhere it fits wholly inside its image."
    )
    yield _overview(sets)
    yield from map(centres_block, mapped)
    yield from _histograms(contents.first, contents.second)
    if means is not None:
        yield means
    yield from map(_coverage, mapped)
    if len(by_category(contents.first.summary)) > 1:
        yield from _categories(contents)


def _overview(sets: list[FramedSet]) -> TableBlock:
    wholes = [each.whole for each in sets]
    rows = [["Objects", *(Cell(count(row["n_objects"]), f"in {count(row['n_images'], 'image')}") for row in wholes)]]
    forms = {"truncated_share": percent, "class_box_overlap": percent}
    # The row of the answer comes first.
    first = sets[0].centring.column
    shown = {
        column: definition
        for column, definition in ({first: FRAMING_SUMMARY[first]} | FRAMING_SUMMARY).items()
        # The two mean distances are in the file; the centre bias is what they say.
        if not column.endswith(("p_value", "centre_distance")) and any(known(row.get(column)) for row in wholes)
    }
    if all(row["n_objects"] == row["n_images"] for row in wholes):
        shown.pop("objects_per_image", None)
    for column, definition in shown.items():
        rows.append([definition.label, *(_cell(row, column, forms.get(column, number)) for row in wholes)])
    return TableBlock(
        "How objects are framed",
        ["", *(each.name for each in sets)],
        rows,
        definitions=list(shown.values()),
        note="Under each value its 95% interval over images, where there is one." + _sample_note(wholes),
        csv=sets[0].csv,
        boxes=frozenset(each.key for each in sets),
    )


def _sample_note(wholes: Sequence[Mapping[str, Any]]) -> str:
    if all(row["n_images"] <= MOST_IMAGES for row in wholes):
        return ""
    return f" Of more than {count(MOST_IMAGES, 'image')}, a random sample of so many is described."


def _cell(row: Mapping[str, Any], column: str, form: Form = number) -> Cell:
    """A column of FRAMING_SUMMARY. The estimate of a divergence may be below 0; then 0 is shown, and why."""
    if column != "divergence_bits" or not known(row.get(column)):
        return column_cell(row, column, form)
    value, low, high = (row.get(f"{column}{end}") for end in ("", "_low", "_high"))
    shown = {column: max(value, 0.0), f"{column}_low": low and max(low, 0.0), f"{column}_high": high}
    if known(high) and high <= 0:
        shown = {column: 0.0}
    cell = column_cell(shown, column, form)
    return cell if value > 0 else replace(cell, detail="; ".join(filter(None, [cell.detail, SAMPLING_NOISE])))


def _bias(of: FramedSet) -> str:
    """Which objects a figure of a set is of, and their centre bias."""
    row, centring = of.whole, of.centring
    bias = value_of(row, centring.column, n=min(row["n_images"], row[centring.n_objects]))
    return f"{of.extent[0].upper()}{of.extent[1:]}; their centre bias is {bias}."


def centres_block(of: FramedSet) -> FigureBlock:
    """Where the objects of a set are that its centre bias is about, against chance; the set must have maps."""
    maps, bias = of.maps, _bias(of)
    subjects = of.subjects_of
    return FigureBlock(
        f"centres-{of.stem}",
        lambda: figures.centres_against_null(maps),
        f"Heat maps of the centres of {subjects}: observed, expected by chance, and the difference. {bias}",
        f"Where the centres of {subjects} are, and where they would be if each box were placed anywhere it fits in its "
        f"image (exact, not sampled), in the same colours; below, the difference. The cross is the image’s centre. "
        f"{bias}",
        half=True,
        boxes=of.boxes,
    )


def _coverage(of: FramedSet) -> FigureBlock:
    maps = of.maps
    return FigureBlock(
        f"coverage-{of.stem}",
        lambda: figures.mean_coverage(maps),
        f"Heat map of the share of the images of {of.the} whose box covers each place.",
        f"The share of the images of {of.the} whose box covers each place of the image; one box an image, "
        f"{count(of.whole['n_images'], 'image')}.",
        half=True,
        boxes=of.boxes,
    )


def _histograms(first: FramedSet, second: FramedSet | None) -> Iterator[FigureBlock]:
    framing, counted = first.framing, first.counted
    other = second.framing if second else None
    names = (first.name.lower(), second.name.lower() if second else "")
    n = count(len(framing), "object")
    yield FigureBlock(
        f"centre-distance-{first.stem}",
        lambda: figures.centre_distance_histogram(counted),
        f"Histogram of the distance of {first.subjects_of} from the centre, with the one by chance.",
        f"How far the centres are of {first.subjects_of} from the image’s (bars), and how far they would "
        f"be if each box were placed anywhere it fits (line). {_bias(first)}",
        half=True,
        boxes=first.boxes,
    )
    beside = f" and in {second.the} (line, {count(len(other), 'object')})." if second else "."
    yield FigureBlock(
        "scale",
        lambda: figures.scale_histogram(framing, other, names),
        f"Histogram of the scale of objects in {first.the}" + (f" and in {second.the}." if second else "."),
        "How large objects are shown: the square root of the share of the image that the box covers, in "
        f"{first.the} (bars, {n}){beside}",
        half=True,
        boxes=first.boxes | (second.boxes if second else frozenset()),
    )


def _categories(contents: FramingContents) -> Iterator[Block]:
    first, names = contents.first, contents.names
    column = first.centring.column
    ranking = rank_categories(first.summary, column, contents.seed)
    label = FRAMING_SUMMARY[column].label
    categories = by_category(first.summary, column)
    if len(ranking) > 1:
        ends = categories.set_index("category")[[f"{column}_low", f"{column}_high"]].loc[ranking["category"]]
        shown_ranking = ranking.assign(value_low=ends.iloc[:, 0].to_numpy(), value_high=ends.iloc[:, 1].to_numpy())
        yield FigureBlock(
            "categories",
            lambda: figures.category_ranking(shown_ranking, column=column, class_name=names.shown),
            f"Dot plot of the centre bias of each category of {first.the} with its interval.",
            f"Centre bias of {first.subjects} in {count(len(ranking), 'category', 'categories')} of {first.the}; after "
            f"each name, how many they are. The lines are 95% intervals over images, {ADJUSTED}: a category is biased "
            "if its line leaves out 0. The red bars are the estimates drawn towards the mean of all by as much as "
            "their own uncertainty asks: the ends of a ranking owe part of their place to chance. Of the variance of "
            f"the estimates, {value_of(ranking.iloc[0], 'signal', below_all)} is more than sampling gives.",
            boxes=first.boxes,
        )
    shown = categories.head(MOST_CATEGORIES)
    ranks = ranking.set_index("category")
    # The column of the answer comes first.
    biases = [column, *({OF_ALL_OBJECTS.column, OF_UNCUT_OBJECTS.column} - {column})]
    differences = compared_with_whole(first.summary, column).set_index("category")
    rows = [
        [
            Cell(names.shown(row["category"]), names.given(row["category"])),
            Cell(count(row["n_images"]), f"{count(row['n_objects'], 'object')}"),
            column_cell(row, biases[0]),
            _difference_cell(differences, row["category"]),
            column_cell(row, biases[1]),
            *_rank_cells(ranks, row["category"]),
            *(_cell(row, name) for name in ("divergence_bits", "median_scale", "median_aspect")),
            column_cell(row, "truncated_share", partial(percent, digits=0)),
        ]
        for row in shown.to_dict("records")
    ]
    differ = (
        "“Minus the whole set’s” is the first centre bias minus that of the whole set, which includes the category; a "
        "category differs if this interval, adjusted likewise, leaves out 0; in bold. "
        if len(differences)
        else ""
    )
    part = f"The {len(shown)} most centred of {len(categories):,}. " if len(shown) < len(categories) else ""
    labels = [FRAMING_SUMMARY[name].label for name in biases]
    header = ["Category", "Images", labels[0], "Minus the whole set’s", labels[1], "Rank", "Shrunken"]
    yield TableBlock(
        f"Framing of {count(len(categories), first.own('category'), first.own('categories'))}",
        [*header, "Divergence (bits)", "Median scale", "Aspect", FRAMING_SUMMARY["truncated_share"].label],
        rows,
        note=f"{part}In the order of {lowered(label)}. The intervals of both centre biases are {ADJUSTED}; those of "
        f"each category alone are in the file. {differ}Under the rank its 95% interval; “shrunken” is the estimate "
        "drawn towards the mean of all. Categories of fewer than five images or objects have no interval and no rank; "
        f"the divergence has no interval for fewer than {FEWEST_OBJECTS} objects.",
        csv=first.csv,
        folded=True,
        boxes=first.boxes,
    )


def _difference_cell(differences: pd.DataFrame, category: str) -> Cell | str:
    if category not in differences.index:
        return MISSING
    value, low, high = differences.loc[category, ["difference", "difference_low", "difference_high"]].astype(float)
    return estimate_cell(value, low, high, marked=bool(sign(low, high)))


def _rank_cells(ranks: pd.DataFrame, category: str) -> list[Cell | str]:
    if category not in ranks.index:
        return [MISSING, MISSING]
    row = ranks.loc[category]
    return [column_cell(row, "rank", count), column_cell(row, "shrunken")]
