"""Flagging new images: which of them the model will be unstable on, from one forward pass and one search each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bias_toolkit.analysis.flag import CONFIDENT, FEWEST_OF_EACH, MARGIN, TERMS, UNSTABLE, Logistic, evaluate_elsewhere
from bias_toolkit.datasets import Dataset
from bias_toolkit.datasets.pixels import ImageFiles
from bias_toolkit.features.index import search_scores
from bias_toolkit.foundation.bars import shown
from bias_toolkit.foundation.choices import DEEP_GREYS
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.files import shard_slices
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.threads import ordered_map
from bias_toolkit.invariance import Views, centre_reduction, centre_view, make_views, sweep_reduction
from bias_toolkit.invariance.response import check_finite
from bias_toolkit.invariance.transforms import CENTRE, SHIFTS
from bias_toolkit.objects import framing_log_density, image_framing, position_and_scale
from bias_toolkit.study.settings import flag_of
from bias_toolkit.study.study import Study

if TYPE_CHECKING:
    from torch import Tensor

    from bias_toolkit.datasets import ReducedImage, Reduction
    from bias_toolkit.features.index import TrainingIndex
    from bias_toolkit.invariance import Sweep
    from bias_toolkit.models import Model
    from bias_toolkit.study.settings import Settings

PART = 256
"""Images that are scored at once; their views are in memory."""
FAR, UNSURE, UNUSUAL = "far", "low margin", "framed unlike"
NEAREST_COLUMNS = ("nearest_1", "nearest_2", "nearest_3")
NUMBERS = ("probability", "confidence", "margin", *TERMS[2:])
COLUMNS = ("image", "probability", "flagged", "why", "top1", *NUMBERS[1:], *NEAREST_COLUMNS, "reason")
COMPARED = ("feature_size", "feature_dtype", "feature_precision", "metric", "index")
"""Settings in which studies must agree if one's flag is to be evaluated on the other."""


@dataclass(frozen=True)
class _Image:
    """An image to score: its name, how it is read, and the identity of its pixels, which a training image may share."""

    name: str
    read: Callable[[Reduction], np.ndarray | ReducedImage]
    source: Callable[[], str | None] = lambda: None


class Flag:
    """The flag of a study: says of new images whether the model will be unstable on them.

    Unstable means that the class changes on at least one view of the study's sweep. `load` reads a flag. Several
    threads may call `score` at once: the model works for one of them at a time, while the others decode.

    Parameters
    ----------
    model : the study's model.
    index : of the features of the training images.
    classes : int64 (rows,), the model's class of each row of the index; -1 if it has none.
    values : as `flag.json` has them.
    settings, sweep : of the study.
    framing : table FRAMING of the training objects; without it, no image is framed unlike them.
    open_training : opens the training set, by which a training image is known; InputError if it is not there.

    Attributes
    ----------
    shipped : `combination`, or `one_minus_margin` if that is as good.
    share_flagged : the share of the study's test images above the threshold.
    threshold : the probability of a change above which an image is flagged.
    """

    def __init__(
        self,
        model: Model,
        index: TrainingIndex,
        classes: np.ndarray,
        values: Mapping[str, Any],
        settings: Settings,
        sweep: Sweep,
        *,
        framing: pd.DataFrame | None = None,
        open_training: Callable[[], Dataset] | None = None,
    ) -> None:
        self._model, self._index, self._classes = model, index, classes
        self._values, self._settings, self._sweep = values, settings, sweep
        self._framing, self._open_training = framing, open_training
        self.shipped: str = values["shipped"]
        self.share_flagged: float = values["share"]
        self.threshold: float = values["probability"]
        self._logistic = _logistic(values["models"][self.shipped])
        # The usual sweep and the feature have the same centre view, so one pass gives both.
        self._one_pass = (
            (sweep.protocol, sweep.sampling, sweep.size) == ("crop", "centre", settings.feature_size)
            and sweep.transform in [shift.name for shift in SHIFTS]
            and settings.feature_precision == "float32"
        )
        self._rows: dict[str, int] | None = None
        self._lock, self._opening = Lock(), Lock()

    @classmethod
    def load(
        cls, study: Study | str | os.PathLike, *, model: str | Model | None = None, trust_study: bool = False
    ) -> Flag:
        """Read the flag that `bias-toolkit flag` fitted; neither training nor test images are needed.

        Raises InputError if there is none, it was fitted with other inputs or settings than the study has now, a file
        is damaged, or too few test images are unstable, or stable. `model` and `trust_study` are as for `Study`.
        """
        opened = study if isinstance(study, Study) else Study(study, model=model, trust_study=trust_study)
        inputs, results = opened.inputs, opened.results
        # Only an open model shows whether its weights have changed, so it is opened before anything is read.
        model, values = inputs.model, _fitted(opened)
        has_boxes = values["unusual"] is not None
        has_boxes = has_boxes and not (results.is_estimated("train") or results.is_estimated("test"))
        return cls(
            model,
            results.training_index,
            results.flag_classes,
            values,
            inputs.settings,
            inputs.reference_sweep,
            framing=results.framing("train") if has_boxes else None,
            open_training=lambda: inputs.train,
        )

    def score(
        self,
        images: Dataset | Iterable[str | os.PathLike | np.ndarray | Tensor],
        progress: Progress | bool | None = None,
    ) -> pd.DataFrame:
        """Score images, in order; one that cannot be read has a `reason` and no score.

        Raises InputError if an array is no image, or the model's output is not finite.

        Parameters
        ----------
        images : a dataset, or paths of files, arrays uint8 (height, width, 3), and tensors uint8 (3, height, width),
            all RGB and upright. One array (n, height, width, 3) is n images. Greyscale files of more than 8 bits are
            scaled as the study's are, those of a dataset as it says (`Dataset.scaled`).
        progress : counts images; by default with a bar in a terminal and a notebook, False shows none.

        Returns
        -------
        DataFrame
            One row per image: `image` (id, path, or number), `probability` of a change along the study's sweep (by a
            regression on the study's test images), `flagged`, `why` (of a flagged image: far, low margin, framed
            unlike; each beyond all but `share_flagged` of the test images), `top1` (class), `confidence`, `margin`,
            the scores of `search_scores` (`distrust` only if the flag uses it), `nearest_1` to `nearest_3` (ids of
            training images), and `reason`. A training image does not count as its own neighbour.
        """
        if isinstance(images, str | os.PathLike):
            images = [images]
        if isinstance(images, Dataset):
            listed = [_of_dataset(images, image_id) for image_id in images.images["image_id"]]
        else:
            deep_grey = self._settings.deep_grey or DEEP_GREYS[0]
            listed = [_of_any(number, image, deep_grey) for number, image in enumerate(images)]
        tables = [pd.DataFrame(columns=[*COLUMNS, "own"])]
        with (
            shown(progress)("Scoring images", total=len(listed)) as advance,
            closing(ordered_map(self._views, listed, ahead=PART)) as prepared,
        ):
            pairs = zip(listed, prepared, strict=True)
            while part := list(islice(pairs, PART)):
                own = [self._training_row(image) for image, _ in part]
                with self._lock:
                    tables.append(self._scored(part, own))
                advance(len(part))
        table = pd.concat(tables[1:] or tables, ignore_index=True).reindex(columns=tables[0].columns)
        return self._explained(table, images if isinstance(images, Dataset) else None)

    def _views(self, image: _Image) -> list[Views] | UnreadableImageError | InputError:
        """An image's views (V = 1): that of its feature, and that of the sweep where it is another one."""
        side, size, name = self._model.input_size, self._settings.feature_size, image.name
        try:
            views = [centre_view(image.read(centre_reduction(side, size)), side, size)]
            if not self._one_pass:
                picture = image.read(sweep_reduction(self._sweep, side, name))
                views.append(make_views(picture, self._sweep, side, name)[CENTRE : CENTRE + 1])
        except (UnreadableImageError, InputError) as error:
            return error
        return views

    def _scored(self, part: Sequence[tuple[_Image, Any]], own: Sequence[int]) -> pd.DataFrame:
        """Rows of `score` for some images and their views, and the row of the training image that each is, or -1."""
        names = [image.name for image, _ in part]
        why = [None if isinstance(views, list) else str(views) for _, views in part]
        table = pd.DataFrame({"image": names, "reason": why, "own": own})
        readable = [row for row, (_, views) in enumerate(part) if isinstance(views, list)]
        if not readable:
            return table
        views = list(zip(*(part[row][1] for row in readable), strict=True))
        probabilities, features = self._outputs(views[0], self._settings.feature_precision)
        if not self._one_pass:
            probabilities, _ = self._outputs(views[1], "float32")
        for row, probability, feature in zip(readable, probabilities, features, strict=True):
            check_finite(probability, feature, names[row])
        top1 = probabilities.argmax(axis=1)
        # Without a second class, the second probability is 0.
        first, second = np.partition(np.pad(probabilities, ((0, 0), (1, 0))), -2, axis=1)[:, :-3:-1].T
        scores, rows = search_scores(
            self._index,
            features.astype(self._settings.feature_dtype),
            top1,
            self._classes,
            np.array(own)[readable],
            trust="distrust" in self._logistic.terms,
        )
        scores = scores.assign(**{MARGIN: 1 - (first - second), CONFIDENT: 1 - first, "confidence": first})
        probability = self._logistic.probability(scores)
        classes, ids = self._model.class_names, [*self._index.image_ids, None]
        scores = scores.assign(
            margin=first - second,
            probability=probability,
            flagged=probability > self.threshold,
            top1=[str(each) if classes is None else classes[each] for each in top1],
            **{name: [ids[row] for row in column] for name, column in zip(NEAREST_COLUMNS, rows.T, strict=False)},
        )
        return table.join(scores.set_index(pd.Index(readable)))

    def _outputs(self, views: Sequence[Views], precision: str) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities and features of views of V = 1."""
        parts = (views[part] for part in shard_slices(len(views), self._model.batch_size))
        batches = (
            (
                np.concatenate([view.pixels for view in part]),
                None if part[0].blank is None else np.concatenate([view.blank for view in part]),
            )
            for part in parts
        )
        made = list(self._model.evaluate_batches(batches, precision=precision))
        return np.concatenate([each.probabilities for each in made]), np.concatenate([each.features for each in made])

    def _training_row(self, image: _Image) -> int:
        """The row of the training image that is this image; -1 if there is none, or the training set is not there."""
        if self._open_training is None or (source := image.source()) is None:
            return -1
        with self._opening:
            if self._rows is None:
                try:
                    sources = self._open_training().sources(self._index.image_ids)
                    self._rows = {source: row for row, source in enumerate(sources)}
                except InputError:
                    self._rows = {}
        return self._rows.get(source, -1)

    def _explained(self, table: pd.DataFrame, dataset: Dataset | None) -> pd.DataFrame:
        """The table of `score` with the reasons for flagged images."""
        table = table.astype(dict.fromkeys(set(NUMBERS).intersection(table), float))
        reasons = {
            FAR: table["nn_distance"] > self._values["far"],
            UNSURE: 1 - table["margin"] > self._values["unsure"],
            UNUSUAL: self._is_unusual(table, dataset),
        }
        flagged = table["flagged"].astype("boolean")
        named = [", ".join(name for name, holds in reasons.items() if holds[row]) for row in range(len(table))]
        why = np.where(flagged.fillna(False), np.array(named, dtype=object), "")
        table = table.assign(why=why, flagged=flagged)
        has_distrust = "distrust" in self._logistic.terms
        return table[[name for name in COLUMNS if name != "distrust" or has_distrust]]

    def _is_unusual(self, table: pd.DataFrame, dataset: Dataset | None) -> np.ndarray:
        """Whether the framing of each image's object is rarer among the training objects; False where it has no box."""
        if self._framing is None or dataset is None or dataset.objects.empty:
            return np.zeros(len(table), dtype=bool)
        subjects = image_framing(position_and_scale(dataset.objects, dataset.images), dataset.images)
        # A training image's own box would raise its density.
        own = table.set_index("image")["own"].reindex(subjects["image_id"])
        subjects["image_id"] = [self._index.image_ids[row] if row >= 0 else "" for row in own]
        density = framing_log_density(subjects, self._framing, leave_out_own_image=True, seed=self._settings.seed)
        return pd.Series(density, own.index).reindex(table["image"]).to_numpy() < self._values["unusual"]


def _of_dataset(dataset: Dataset, image_id: str) -> _Image:
    return _Image(
        image_id, lambda reduction: dataset.read_reduced(image_id, reduction), lambda: dataset.source(image_id)
    )


def _of_any(number: int, image: Any, deep_grey: str) -> _Image:
    if isinstance(image, str | os.PathLike):
        folder, name = os.path.split(os.path.abspath(image))
        files = ImageFiles(folder, deep_grey)
        return _Image(
            os.fspath(image), lambda reduction: files.read_reduced(name, reduction), lambda: files.source(name)
        )
    if hasattr(image, "detach") and image.ndim == 3:
        image = image.detach().cpu().permute(1, 2, 0)
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise InputError(
            f"Image {number} is {pixels.dtype} of shape {pixels.shape}, but must be a path, an array uint8 (height, "
            "width, 3) or a tensor uint8 (3, height, width)."
        )
    return _Image(str(number), lambda reduction: pixels)


def _fitted(study: Study) -> dict[str, Any]:
    """The values of a study's flag; InputError if there is none."""
    values = study.results.flag_values
    if values["shipped"] is None:
        raise InputError(
            f"{study.folder} has no flag: {values['n_unstable']:,} of its {values['n']:,} test images are unstable, "
            f"and {FEWEST_OF_EACH} unstable and {FEWEST_OF_EACH} stable ones are needed; take a larger test set."
        )
    return values


def _logistic(values: Mapping[str, Any]) -> Logistic:
    lists = {name: tuple(values[name]) for name in ("terms", "mean", "scale", "weights")}
    if len({len(each) for each in lists.values()}) > 1 or not set(lists["terms"]) <= set(TERMS) or 0 in lists["scale"]:
        raise InputError("The flag in flag.json needs one mean, scale and weight for each of its scores; fit it again.")
    return Logistic(**lists, intercept=values["intercept"])


def evaluate_on(study: Study, other: Study, progress: Progress = silent) -> tuple[pd.DataFrame, int]:
    """How well the flag of one study finds the unstable test images of another, to which nothing was fitted.

    Returns table FLAG_EVALUATION, and the number of images that were left out, as the flag was fitted to them. Raises
    InputError if the two have another model, training set, sweep or feature, or the same test set, or if either lacks a
    flag.
    """
    ours, theirs = study.inputs, other.inputs
    pairs = [
        (name, ours.identity(key), theirs.identity(key)) for name, key in (("model",) * 2, ("training set", "train"))
    ]
    pairs += [("first sweep", ours.reference_sweep, theirs.reference_sweep)]
    pairs += [(flag_of(name), getattr(ours.settings, name), getattr(theirs.settings, name)) for name in COMPARED]
    for what, one, two in pairs:
        if one != two:
            raise InputError(
                f"{other.folder} has another {what} than {study.folder}; a flag can be evaluated only on a study that "
                "differs in its test set alone."
            )
    values, images = _fitted(study), other.results.flag_images
    used = set(ours.test.sources(study.results.flag_images["image_id"]))
    is_new = np.array([source not in used for source in theirs.test.sources(images["image_id"])], dtype=bool)
    if images.loc[is_new, UNSTABLE].nunique() < 2:
        raise InputError(
            f"{other.folder} has not both unstable and stable test images that {study.folder} does not have; name a "
            "study with other test images."
        )
    table = evaluate_elsewhere(
        images[is_new],
        {name: _logistic(model) for name, model in values["models"].items()},
        values["thresholds"],
        resamples=ours.settings.resamples,
        seed=ours.settings.seed,
        progress=progress,
    )
    return table, int((~is_new).sum())
