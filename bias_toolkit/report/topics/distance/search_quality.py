"""The quality of an approximate index: how often it misses the nearest training image, and by how much."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bias_toolkit.foundation.words import MISSING, count, estimate, known, percent
from bias_toolkit.report.page.blocks import Block, Cell, Paragraph, TableBlock
from bias_toolkit.report.words.finding import (
    Finding,
    Heading,
    Kind,
    Unit,
    estimate_of_row,
    estimate_over,
    limits_of_row,
)

LOW_RECALL = 0.95


def quality_sentence(quality: pd.DataFrame) -> str:
    """One sentence on the recall and the distance error of an approximate index; SEARCH_QUALITY has one row."""
    row = _row(quality)
    if not row["n_images"]:
        return f"How good the approximate index {row['index']} is could not be measured on any test image."
    recall = estimate(row["recall"], row["recall_low"], row["recall_high"], percent)
    start = (
        f"The approximate index {row['index']} finds the nearest training image of {recall} of "
        f"{count(row['n_images'], 'test image')} that were also searched exactly"
    )
    if not known(row["error"]):
        return f"{start}."
    error = estimate_over(row["n_errors"], row["error"], row["error_low"], row["error_high"], percent)
    if row["largest_error"] == 0:
        return f"{start}; none of their nn_distances is too large."
    return f"{start}; nn_distance is too large by {error} on average, and by {percent(row['largest_error'])} at most."


def quality_blocks(quality: pd.DataFrame | None) -> list[Block]:
    """The sentence and its table, if the index is approximate."""
    if quality is None:
        return []
    row = _row(quality)
    sentence = Paragraph(quality_sentence(quality))
    if not row["n_images"]:
        return [sentence]
    recall, error = (
        Cell(percent(row[name]), f"95% interval {limits_of_row(row, name, percent)}") for name in ("recall", "error")
    )
    error = error if row["n_errors"] else Cell(MISSING)
    table = TableBlock(
        "The approximate index against exact search",
        ["Index", "Recall", "Mean error of nn_distance", "Largest", "Images"],
        [[row["index"], recall, error, percent(row["largest_error"]), count(row["n_images"])]],
        note="Recall is the share of a sample of the test images whose nearest training image is found. The error is "
        "how much larger the nn_distance found is than the exact one. Of what the index finds, distances are exact; "
        "class_nn_distance is always searched exactly.",
        csv="tables/search_quality.csv",
    )
    return [sentence, table]


def quality_findings(quality: pd.DataFrame | None) -> list[Finding]:
    """A caution if the index misses the nearest training image for more than one test image in twenty."""
    if quality is None:
        return []
    row = _row(quality)
    if row["n_images"] and row["recall"] >= LOW_RECALL:
        return []
    if not row["n_images"]:
        claim = "The training images were searched by an approximate index, so distances may be too large."
        return [Finding(Heading.DISTANCE, Kind.CAUTION, claim, quality_sentence(quality), rank=15)]
    claim = "The approximate index often misses the nearest training image, so distances are too large."
    label = "Nearest training images found"
    found = estimate_of_row(row, "recall", label, row["n_images"], "test image", Unit.SHARE)
    return [Finding(Heading.DISTANCE, Kind.CAUTION, claim, quality_sentence(quality), estimate=found, rank=15)]


def _row(quality: pd.DataFrame) -> Mapping[str, Any]:
    return quality.iloc[0].to_dict()
