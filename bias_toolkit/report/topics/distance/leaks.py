"""Possible leaks: test images that are nearly the same as a training image, side by side, with both labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.words import MISSING, count, significant
from bias_toolkit.invariance.noise import clopper_pearson
from bias_toolkit.report.page.blocks import Block, Cell, Picture, PictureGroup, PicturesBlock, TableBlock
from bias_toolkit.report.page.thumbnails import save_thumbnail
from bias_toolkit.report.source import Source, class_names
from bias_toolkit.report.words.finding import Estimate, Finding, Heading, Kind, Unit
from bias_toolkit.report.words.sentences import SET_NAMES, TEST, TRAINING, ClassNames

MOST_PAIRS, MOST_ROWS = 12, 100
RANK, RANK_OF_LABELS, RANK_OF_NONE = 13, 14, 113
FEWEST = 5
"""Of fewer images or pairs, a share gets no interval."""
NO_BOXES = np.empty((0, 4))


@dataclass(frozen=True)
class Leaks:
    """The test images that are at (near) zero distance from a training image, each with that image.

    `pairs` has one row per pair, those whose labels differ first, then the nearest: `image_id`, `neighbour_id` (null if
    it is not known), `nn_distance`, `label`, `neighbour_label` (null without a label) and `differ`. Labels differ only
    if both are labels of the training set.
    """

    pairs: pd.DataFrame
    n_images: int  # of all test images
    read: Callable[[str, str], np.ndarray]  # set and image_id to pixels; may raise UnreadableImageError
    names: ClassNames


def gather_leaks(source: Source) -> Leaks | None:
    """The possible leaks of a study; None if distances were not computed."""
    distances = source.distances
    if "leak" not in distances:
        return None
    pairs = distances.loc[distances["leak"].fillna(False).astype(bool), ["image_id", "nn_distance"]]
    training, test = (_labels(source, split) for split in (TRAINING, TEST))
    nearest = {}
    if len(source.neighbours):
        first = source.neighbours[source.neighbours["rank"].eq(1)]
        nearest = dict(zip(first["image_id"], first["neighbour_id"], strict=True))
    rows = []
    for image_id, distance in pairs.itertuples(index=False):
        neighbour = nearest.get(image_id)
        label, other = test.get(image_id), training.get(neighbour)
        differ = None not in (label, other) and label != other and label in set(training.values())
        rows.append((image_id, neighbour, distance, label, other, differ))
    columns = ["image_id", "neighbour_id", "nn_distance", "label", "neighbour_label", "differ"]
    table = pd.DataFrame(rows, columns=columns)
    ordered = table.sort_values(["differ", "nn_distance", "image_id"], ascending=[False, True, True], kind="stable")
    return Leaks(ordered, len(distances), source.read_image, class_names(source))


def _labels(source: Source, split: str) -> Mapping[str, str]:
    return source.images(split).set_index("image_id")["label"].dropna().to_dict()


def leak_findings(leaks: Leaks, n_shared: int) -> list[Finding]:
    """Whether test images are nearly the same as training images, and whether such pairs have two labels.

    `n_shared` is the number of test images that are training images themselves, by file.
    """
    pairs, n = leaks.pairs, leaks.n_images
    estimate = _share("leak", "Share of the test images", len(pairs), n, "image")
    if not len(pairs):
        if estimate.low is None:
            claim = "Too few test images to say whether some are nearly the same as a training image."
            return [Finding(Heading.DISTANCE, Kind.CAUTION, claim, estimate=estimate, rank=RANK_OF_NONE)]
        besides = ", besides itself" if n_shared else ""
        claim = f"No test image is nearly the same as a training image{besides}."
        return [Finding(Heading.DISTANCE, Kind.NONE, claim, estimate=estimate, rank=RANK_OF_NONE)]
    of = "another training image" if n_shared else "a training image"
    if len(pairs) == 1:
        claim, evidence = f"One test image is nearly the same as {of}.", "It may be a leak between the two sets."
    else:
        claim = f"Some test images are nearly the same as {of}."
        evidence = f"These are {count(len(pairs))} test images. They may be a leak between the two sets."
    findings = [Finding(Heading.DISTANCE, Kind.CAUTION, claim, evidence, estimate=estimate, rank=RANK)]
    n_differ = int(pairs["differ"].sum())
    if n_differ:
        claim = "Some test images have another label than a training image that is nearly the same."
        evidence = f"The labels of {count(n_differ, 'such pair')} differ. One of the two is wrong, or both fit."
        differ = _share("leak_label_differs", "Share of such pairs whose labels differ", n_differ, len(pairs), "pair")
        findings.append(Finding(Heading.DISTANCE, Kind.CAUTION, claim, evidence, estimate=differ, rank=RANK_OF_LABELS))
    return findings


def _share(name: str, label: str, k: int, n: int, of: str) -> Estimate:
    low, high = clopper_pearson(k, n) if n >= FEWEST else (None, None)
    return Estimate(name, label, k / n, low, high, n, of, Unit.SHARE, nothing=0.0)


def leak_blocks(leaks: Leaks, folder: Path) -> list[Block]:
    """The pairs as pictures, written into `folder`/images, and as a table; empty without leaks."""
    pairs = leaks.pairs
    if not len(pairs):
        return []
    shown = pairs.head(MOST_PAIRS)
    groups = [_group(leaks, row, number, folder) for number, row in enumerate(shown.to_dict("records"), start=1)]
    note = "Left: the test image. Right: its nearest training image. “≠” marks pairs whose labels differ."
    if len(shown) < len(pairs):
        note += f" The first {len(shown)} of {len(pairs):,}."
    return [PicturesBlock(f"{count(len(pairs), 'possible leak')} between the sets", groups, note), _table(leaks)]


def _group(leaks: Leaks, row: Mapping[str, object], number: int, folder: Path) -> PictureGroup:
    images = (TEST, row["image_id"], row["label"]), (TRAINING, row["neighbour_id"], row["neighbour_label"])
    pictures = []
    for split, image_id, label in images:
        file = _write(leaks, split, image_id, folder, f"leak-{number}-{split}")
        name = leaks.names.shown(label) or "no label"
        alt = f"Image of the {SET_NAMES[split]} set, label {name}"
        lines = [f"{SET_NAMES[split]} set", image_id if isinstance(image_id, str) else "not known"]
        pictures.append(Picture(file, alt, name, lines, marked=bool(row["differ"])))
    differ = "labels differ, " if row["differ"] else ""
    return PictureGroup(pictures, f"{differ}distance {significant(row['nn_distance'])}")


def _write(leaks: Leaks, split: str, image_id: object, folder: Path, stem: str) -> str | None:
    """Write an image's thumbnail and return its address; None if the image is not known or cannot be read."""
    if not isinstance(image_id, str):
        return None
    try:
        return save_thumbnail(leaks.read(split, image_id), NO_BOXES, folder, stem)
    except UnreadableImageError:
        return None


def _table(leaks: Leaks) -> TableBlock:
    shown = leaks.pairs.head(MOST_ROWS)
    rows = []
    for row in shown.to_dict("records"):
        labels = [
            Cell(leaks.names.shown(row[name]) or MISSING, marked=row["differ"]) for name in ("label", "neighbour_label")
        ]
        neighbour = row["neighbour_id"] if isinstance(row["neighbour_id"], str) else MISSING
        rows.append([row["image_id"], labels[0], neighbour, labels[1], significant(row["nn_distance"])])
    return TableBlock(
        "Possible leaks, those whose labels differ first",
        ["Test image", "Its label", "Nearest training image", "Its label", "Distance"],
        rows,
        note=f"The first {len(shown)} of {len(leaks.pairs):,}." if len(shown) < len(leaks.pairs) else "",
        csv="tables/distances.csv",
        folded=True,
        numeric=False,
    )
