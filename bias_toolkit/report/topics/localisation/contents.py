"""The method and the quality of estimated boxes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from bias_toolkit.foundation.words import count
from bias_toolkit.objects import OF_UNCUT_OBJECTS, centring
from bias_toolkit.objects.locate import LABEL
from bias_toolkit.objects.locate_quality import reference_localisation
from bias_toolkit.report.columns import first_row
from bias_toolkit.report.source import Source
from bias_toolkit.report.words.finding import sign
from bias_toolkit.report.words.sentences import SET_NAMES, has


@dataclass(frozen=True)
class LocatedSet:
    """The number of located images of a set: by the class of their label, or else by the most probable class."""

    n_images: int
    n_located: int
    n_by_label: int


@dataclass(frozen=True)
class Localisation:
    """Estimated boxes: their sets, their method, and their quality."""

    sets: Mapping[str, LocatedSet]  # train, test, or both: those whose boxes are estimated
    layer: str  # the layer of the activation map
    is_exact: bool  # whether the map is the network's whole evidence for the class
    threshold: float  # share of the map's maximum that counts as object
    unlocated: pd.DataFrame  # split, image_id, reason: images without an estimated box
    quality: pd.DataFrame  # table LOCALISATION
    measured_on: str  # the measured set, as it reads after "measured on"
    measured_here: bool  # whether these are images of this study, with its model
    framing: Mapping[str, pd.DataFrame] = field(default_factory=dict)  # table FRAMING of `sets`
    read: Callable[[str, str], np.ndarray] | None = None  # pixels of an image; without it there are no examples
    command: str = ""  # the command that measured it, if it was not measured here

    @property
    def names(self) -> str:
        """The sets in words: `training set`, `test set`, or `training and the test set`."""
        return " and the ".join(SET_NAMES[split] for split in self.sets) + " set"

    def value(self, criterion: str, estimator: str = "estimated") -> dict:
        """The row of a criterion; its numbers are null if it was not measured."""
        row = first_row(self.quality, criterion=criterion, estimator=estimator)
        return dict.fromkeys(self.quality.columns) if row is None else row

    @property
    def centring(self) -> str:
        """The criterion of centring that the report uses, which depends on how often objects touch the border."""
        columns = ("truncated_share", OF_UNCUT_OBJECTS.column)
        return centring({column: self.value(column, "given")["value"] for column in columns}).column

    @property
    def centring_error(self) -> int | None:
        """1 if estimated boxes overstate centring, −1 if they understate it, 0 for neither, None if unknown."""
        row = self.value(self.centring)
        return sign(row["gain_low"], row["gain_high"])


def gather(source: Source) -> Localisation | None:
    """The estimated boxes of a study; None if all boxes are the datasets' own."""
    located = {split: source.located(split) for split in SET_NAMES if source.is_estimated(split)}
    if not located:
        return None
    sets, unlocated = {}, []
    for split, table in located.items():
        is_located = table["x0"].notna()
        by_label = int((is_located & table["located_by"].eq(LABEL)).sum())
        sets[split] = LocatedSet(len(table), int(is_located.sum()), by_label)
        unlocated.append(table.loc[~is_located, ["image_id", "reason"]].assign(split=split))
    record = source.boxes_record(next(iter(located)))
    localisation = partial(
        Localisation,
        sets,
        **{name: record[name] for name in ("layer", "is_exact", "threshold")},
        unlocated=pd.concat(unlocated, ignore_index=True)[["split", "image_id", "reason"]],
        framing={split: source.framing(split) for split in located},
        read=source.read_image,
    )
    measured = source.localisation
    if measured is not None:
        split, quality = measured
        n = quality.loc[quality["criterion"].eq("localisation_accuracy"), "n_images"].max()
        images = f"{count(n, 'image')} of this study's {SET_NAMES[split]} set that {has(n)} boxes"
        return localisation(quality=quality, measured_on=images, measured_here=True)
    known = reference_localisation()
    measured_on = f"{known.dataset}, with {known.model}"
    return localisation(quality=known.quality, measured_on=measured_on, measured_here=False, command=known.command)


def missing_boxes(source: Source) -> list[str]:
    """One sentence per set without boxes, and the reason if estimating them was not possible."""
    sentences = []
    for split, name in SET_NAMES.items():
        record = source.boxes_record(split)
        if not record["estimated"] and source.objects(split).empty:
            left_out = f"The {name} set has no object boxes, so position and scale of its objects are left out."
            sentences += [left_out, *([record["reason"]] if record.get("reason") else [])]
    return list(dict.fromkeys(sentences))
