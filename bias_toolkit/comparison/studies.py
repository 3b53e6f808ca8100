"""The studies that are compared: what is read of each, which images two of them share, and why two are refused."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.invariance import CENTRE, Sweep
from bias_toolkit.report.source import ReadOnce, Source, class_names
from bias_toolkit.report.topics.one_pixel import OnePixel
from bias_toolkit.report.topics.one_pixel import gather as gather_views
from bias_toolkit.report.words.finding import TOO_FEW_IMAGES
from bias_toolkit.report.words.sentences import TRAINING, ClassNames
from bias_toolkit.study import Study


@dataclass(frozen=True)
class Compared:
    """What a comparison reads of a study; everything is read before an image is."""

    name: str  # a short label that no other study of the comparison has
    study: Study
    sweep: Sweep
    images: pd.DataFrame  # per_image by image_id, with `right`: whether the centre view's class is the label, or NaN
    model: Mapping[str, Any]
    sets: Mapping[str, Mapping[str, Any]]  # of train and test: layout and fingerprint
    framing: pd.Series  # the training set's row of table FRAMING_SUMMARY
    classes: ClassNames
    views: OnePixel

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.study.folder


@dataclass(frozen=True)
class Pair:
    """Two studies that are compared: `second` with `first`."""

    first: Compared
    second: Compared
    shared: pd.Index | None  # the images that both test sets have, by id; None if the images are not compared singly

    @property
    def is_paired(self) -> bool:
        """Whether differences are of one image under both models."""
        return self.shared is not None

    @cached_property
    def rows(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The images of the second and of the first study; if paired, the same ones in the same order."""
        tables = self.second.images, self.first.images
        return tables if self.shared is None else tuple(table.loc[self.shared] for table in tables)

    @property
    def is_partial(self) -> bool:
        """Whether images of one test set are left out, as the other has not got them."""
        return self.is_paired and len(self.shared) < max(len(each.images) for each in (self.first, self.second))

    @property
    def is_of_one_model(self) -> bool:
        """Whether both studies are of one model."""
        return self.first.model == self.second.model

    @property
    def is_model_swap(self) -> bool:
        """Whether the images are the same and the model is what was changed."""
        return self.is_paired and not self.is_of_one_model


def gather(studies: Sequence[Study]) -> list[Compared]:
    """Read the studies; InputError if their sweeps differ, or one lacks results, with the command to run."""
    for study in studies:
        _refuse_unlike(studies[0], study)
    read = [_read(study) for study in studies]
    return [replace(each, name=name) for each, name in zip(read, short_names(read), strict=True)]


def _read(study: Study) -> Compared:
    source: Source = ReadOnce(study.results)
    images, responses = source.per_image.set_index("image_id"), source.reference_responses.set_index("image_id")
    centre = responses["top1"].map(lambda top1: top1[CENTRE])
    right = centre.eq(responses["label_index"]).astype(float).where(responses["label_index"].notna())
    return Compared(
        name="",
        study=study,
        sweep=source.reference_sweep,
        images=images.assign(right=right.reindex(images.index)),
        model=source.model_record,
        sets={split: study.inputs.identity(split) for split in study.inputs.splits},
        framing=source.framing_summary(TRAINING).set_index("category").loc[""],
        classes=class_names(source),
        views=gather_views(source),
    )


def _refuse_unlike(first: Study, other: Study) -> None:
    """Raise InputError if the sweeps differ, with the option that differs."""
    base, own = first.reference_sweep, other.reference_sweep
    if own is None:
        raise InputError(f"{other.folder} has no sweep with steps; run it with --protocol crop.")
    differ = [(name, own.columns()[name], value) for name, value in base.columns().items()]
    if base.sampling == "random":
        differ.append(("seed", own.seed, base.seed))
    for name, value, wanted in differ:
        if value != wanted:
            raise InputError(
                f"{other.folder} cannot be compared with {first.folder}: its --{name} is {_plain(value)}, and the "
                f"other's is {_plain(wanted)}; run `bias-toolkit analyse` on one of them with the other's."
            )


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value or "none")


def short_names(studies: Sequence[Compared]) -> list[str]:
    """A label for each study: the name of its model if these all differ, else of its folder, with more if needed.

    If all models are of one library, the label leaves that out: `timm:`.
    """
    folders = [study.folder.absolute() for study in studies]
    models = [str(study.model["name"]) for study in studies]
    if len({name.partition(":")[0] for name in models}) == 1 and all(name.partition(":")[2] for name in models):
        models = [name.partition(":")[2] for name in models]
    for names in (
        models,
        [folder.name for folder in folders],
        [f"{folder.parent.name}/{folder.name}" for folder in folders],
    ):
        if len(set(names)) == len(names):
            return names
    return [f"{folder.name} ({number})" for number, folder in enumerate(folders, 1)]


def pair_with_first(studies: Sequence[Compared], progress: Progress = silent) -> list[Pair]:
    """The first study with each of the others, paired where at least 30 images, or all of a smaller set, are shared."""
    first, pairs = studies[0], []
    for second in studies[1:]:
        shared = shared_images(first, second, progress)
        enough = min(TOO_FEW_IMAGES, len(first.images), len(second.images))
        pairs.append(Pair(first, second, shared if len(shared) >= enough else None))
    return pairs


def shared_images(first: Compared, second: Compared, progress: Progress = silent) -> pd.Index:
    """The ids of the images that both studies measured: of the same id and content.

    If both studies record the same state of their test sets, the id suffices. Otherwise, the size and all pixels of the
    two images have to be equal, which are read for this. An image that cannot be read, or is of a set that has changed
    since it was measured, counts as not shared.
    """
    ids = first.images.index.intersection(second.images.index, sort=False)
    if first.sets["test"] == second.sets["test"]:
        return ids
    sizes = [each.images.loc[ids, ["width", "height"]].to_numpy() for each in (first, second)]
    ids = ids[(sizes[0] == sizes[1]).all(axis=1)]
    if not len(ids) or not all(_is_unchanged(each) for each in (first, second)):
        return ids[:0]
    same = np.zeros(len(ids), bool)
    with progress("Comparing the test images", total=len(ids)) as advance:
        for row, image_id in enumerate(ids):
            with suppress(UnreadableImageError):
                same[row] = np.array_equal(*(each.study.test.read(image_id) for each in (first, second)))
            advance(1)
    return ids[same]


def _is_unchanged(compared: Compared) -> bool:
    """Whether a study's test set can be read, in the state that was measured."""
    try:
        dataset = compared.study.inputs.opened("test")
    except InputError:
        return False
    return {"layout": dataset.layout, "fingerprint": dataset.fingerprint} == compared.sets["test"]
