"""The page's section on how the subjects of the training set are framed."""

from __future__ import annotations

import pandas as pd

from bias_toolkit.formatting import GAP, count, interval, known, number, p_value, percent
from bias_toolkit.objects import Maps
from bias_toolkit.report import figures_framing
from bias_toolkit.report.blocks import Cell, FigureBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.contents import ReportContents, by_category, centring_column, whole_dataset
from bias_toolkit.report.definitions import FRAMING_SUMMARY
from bias_toolkit.report.finding import value_of

TITLE = "Framing of the training set"
MOST_CATEGORIES = 60


def framing_section(contents: ReportContents) -> Section | Omitted:
    """Centres against chance, scale, and the categories."""
    train, test = whole_dataset(contents.train_summary), whole_dataset(contents.test_summary)
    if train is None or contents.train_framing is None or not len(contents.train_framing):
        return Omitted(TITLE, "the training set has no object boxes.")
    blocks = [
        Paragraph(
            "A box that fills its image is centred whoever took the photograph. So the objects are compared with "
            "boxes of the same sizes, each placed anywhere it fits wholly inside its image."
        ),
        _overview(train, test),
    ]
    if contents.train_maps is not None:
        blocks.append(_centres(contents.train_maps, "training", train))
    if test is not None and contents.test_maps is not None:
        blocks.append(_centres(contents.test_maps, "test", test))
    blocks.extend(_histograms(contents))
    if contents.train_maps is not None:
        blocks.append(_coverage(contents.train_maps, "training"))
    if test is not None and contents.test_maps is not None:
        blocks.append(_coverage(contents.test_maps, "test"))
    column = centring_column(train)
    categories = by_category(contents.train_summary, column)
    if len(categories) > 1:
        blocks.extend(_categories(contents, categories, column))
    return Section("framing", TITLE, blocks)


def _overview(train, test) -> TableBlock:
    splits = [("Training set", train)] + ([("Test set", test)] if test is not None else [])

    rows = [["Objects", *(Cell(count(row["n_objects"]), f"in {count(row['n_images'], 'image')}") for _, row in splits)]]
    forms = {"truncated_share": percent, "p_value": _bare_p, "untruncated_p_value": _bare_p}
    shown = []
    for column, definition in FRAMING_SUMMARY.items():
        if any(known(row.get(column)) for _, row in splits):
            rows.append(
                [definition.label, *(_with_interval(row, column, forms.get(column, number)) for _, row in splits)]
            )
            shown.append(definition)
    return TableBlock(
        "How objects are framed",
        ["", *(name for name, _ in splits)],
        rows,
        definitions=shown,
        note="Under each value its 95% bootstrap interval over images, where there is one.",
        csv="tables/framing_summary_train.csv",
    )


def _with_interval(row, column: str, form=number) -> Cell:
    low, high = row.get(f"{column}_low"), row.get(f"{column}_high")
    return Cell(form(row.get(column)), interval(low, high, form) if known(low) and known(high) else "")


def _bare_p(value) -> str:
    return p_value(value).removeprefix("p").removeprefix(f"{GAP}={GAP}").strip(GAP)


def _bias(row) -> str:
    """Centre bias of all objects, and of those that the border does not cut where those tell more."""
    column = centring_column(row)
    text = f"Centre bias {value_of(row, 'centre_bias')}"
    if column != "centre_bias":
        text += (
            f"; untruncated centre bias, of the {count(row['n_untruncated'], 'object')} that the border does not cut, "
            f"{value_of(row, column)}"
        )
    return f"{text}."


def _centres(maps: Maps, split: str, row) -> FigureBlock:
    return FigureBlock(
        f"centres-{split}",
        lambda: figures_framing.centres_against_null(maps),
        f"Heat maps of object centres in the {split} set: observed, expected by chance, and the difference. "
        + _bias(row),
        f"Where the centres of the {split} set's objects are (left), and where they would be if each box were placed "
        f"anywhere it fits in its image (middle, exact, not sampled), in the same colours; right, the difference; one "
        f"object an image, {count(maps.centres.sum(), 'image')}. The cross is the image's centre. {_bias(row)}",
    )


def _coverage(maps: Maps, split: str) -> FigureBlock:
    return FigureBlock(
        f"coverage-{split}",
        lambda: figures_framing.mean_coverage(maps),
        f"Heat map of the share of the {split} set's images whose box covers each place.",
        f"The share of the {split} set's images whose box covers each place of the image; one box an image, "
        f"{count(maps.centres.sum(), 'image')}.",
        half=True,
    )


def _histograms(contents: ReportContents) -> list[FigureBlock]:
    framing, other = contents.train_framing, contents.test_framing
    both = other is not None and len(other) > 0
    return [
        FigureBlock(
            "centre-distance-training",
            lambda: figures_framing.centre_distance_histogram(framing),
            "Histogram of the distance of the training set's objects from the centre, with the one by chance.",
            f"How far the centres of the training set's objects are from the image's (bars, "
            f"{count(len(framing), 'object')}), and how far they would be if each box were placed anywhere it fits "
            "(line).",
            half=True,
        ),
        FigureBlock(
            "scale",
            lambda: figures_framing.scale_histogram(framing, other),
            "Histogram of the scale of objects" + (" in the training and the test set." if both else "."),
            "How large objects are shown: the square root of the share of the image that the box covers, in the "
            f"training set (bars, {count(len(framing), 'object')})"
            + (f" and in the test set (line, {count(len(other), 'object')})." if both else "."),
            half=True,
        ),
    ]


def _categories(contents: ReportContents, categories: pd.DataFrame, column: str) -> list[FigureBlock | TableBlock]:
    ranked = categories[categories[column].notna()]
    blocks = []
    if len(ranked) > 1:
        blocks.append(
            FigureBlock(
                "categories",
                lambda: figures_framing.category_ranking(ranked, column=column, class_name=contents.class_name),
                "Dot plot of the centre bias of each training category with its interval.",
                f"{FRAMING_SUMMARY[column].label} of {count(len(ranked), 'training category', 'training categories')} "
                "with 95% bootstrap intervals over images"
                + ("" if column == "centre_bias" else ", of the objects whose box does not touch the border")
                + ". The ends of a ranking owe part of their place to chance.",
            )
        )
    shown = categories.head(MOST_CATEGORIES)
    biases = ["centre_bias", "untruncated_centre_bias"]
    rows = [
        [
            Cell(contents.class_name(row["category"]), contents.given_name(row["category"])),
            count(row["n_objects"]),
            *(_with_interval(row, name) for name in biases),
            _bare_p(row["p_value"]),
            _with_interval(row, "divergence_bits"),
            _with_interval(row, "median_scale"),
            _with_interval(row, "truncated_share", lambda share: percent(share, 0)),
        ]
        for row in shown.to_dict("records")
    ]
    note = f"The {len(shown)} most centred of {len(categories):,}." if len(shown) < len(categories) else ""
    blocks.append(
        TableBlock(
            f"Framing of {count(len(categories), 'training category', 'training categories')}",
            [
                "Category",
                "Objects",
                *(FRAMING_SUMMARY[name].label for name in biases),
                "p",
                "Divergence (bits)",
                "Median scale",
                "Truncated",
            ],
            rows,
            note=note,
            csv="tables/framing_summary_train.csv",
            folded=True,
        )
    )
    return blocks
