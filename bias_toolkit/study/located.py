"""The steps of a study that locate objects in datasets without boxes, and measure how good that is."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_table, write_text
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.pipeline.steps import Step
from bias_toolkit.study.plan import BOXES_FILE, SPLITS, Plan
from bias_toolkit.study.results import StudyResults

if TYPE_CHECKING:
    from bias_toolkit.datasets import Dataset
    from bias_toolkit.models import LabelMatch, Model
    from bias_toolkit.models.activation_map import ActivationMap
    from bias_toolkit.objects.locate import LocatingView

SAMPLE = 1000


def whole_view(image: np.ndarray, input_size: int) -> LocatingView:
    """What the model is shown of an image to locate its object: all of it, resized to a square of its input's side.

    A view of the central square would cost a photograph of 3 : 2 a third of its places, and with them the objects that
    are framed least like the others. Classifiers are trained on such distortion: on crops of aspects 3/4 to 4/3.

    Parameters
    ----------
    image : uint8, shape (height, width, 3)
    """
    from bias_toolkit.invariance.views import resize
    from bias_toolkit.objects.locate import LocatingView

    height, width = image.shape[:2]
    return LocatingView(resize(image, input_size), (0, 0, width, height))


class StudyLocated(StudyResults):
    """Locates the objects of a study's datasets where they have no boxes, or where that is asked for."""

    train: Dataset
    model: Model
    label_match: LabelMatch
    _plan: Plan
    _do: Callable[[Step, Callable[[Path], None]], Path]
    _required: Callable[[str], str]
    _spec: Callable[[str], str | None]

    def estimates(self, split: str) -> bool:
        """Whether the objects of the `train` or `test` set are to be located.

        Raises
        ------
        InputError
            If that was asked for (`boxes` is "estimated") and the model is missing or cannot do it.
        """
        if self.settings.boxes == "given":
            return False
        if self.settings.boxes == "estimated":
            self._required("model")
            return self._activation_map is not None
        return getattr(self, split).objects.empty and self._why_not is None

    def framed_objects(self, split: str) -> pd.DataFrame:
        """The objects table of the `train` or `test` set that its framing is of: given, or estimated."""
        from bias_toolkit.objects.locate import estimated_objects

        dataset = getattr(self, split)
        if not self.estimates(split):
            return dataset.objects
        return estimated_objects(self.located(split), dataset.images, self.model.class_names)

    def locate(self, progress: Progress = silent) -> None:
        """Locate the objects that have to be, and measure how good that is where either set has boxes of its own."""
        estimated = [split for split in SPLITS if self.estimates(split)]
        for split in estimated:
            dataset = getattr(self, split)

            def work(folder: Path, split: str = split, dataset: Dataset = dataset) -> None:
                self._locate(split, dataset.images["image_id"].tolist(), folder, progress)

            self._do(self._plan.located(split), work)
        if estimated and self.measured_split is not None:
            self._do(self._plan.localisation, lambda folder: self._measure_localisation(folder, progress))

    def write_boxes_record(self, folder: Path) -> None:
        """Write what `boxes_record` reads."""
        from bias_toolkit.objects.locate_box import THRESHOLD

        record = {}
        for split in SPLITS:
            if self.estimates(split):
                maps = self._activation_map
                how = {"layer": maps.layer, "is_exact": maps.is_exact, "threshold": THRESHOLD}
                record[split] = {"estimated": True} | how
            else:
                missing = self.settings.boxes == "auto" and getattr(self, split).objects.empty
                record[split] = {"estimated": False, "reason": self._why_not if missing else None}
        write_text(json.dumps(record, ensure_ascii=False), folder / BOXES_FILE)

    def class_indices(self, split: str) -> dict[str, int]:
        """The model's class of each label of the `train` or `test` set."""
        from bias_toolkit.models import match_labels

        if split == "test":
            return self.label_match.indices
        labels = set(self.train.images["label"].dropna())
        if not labels:
            return {}
        names, mapping = self.train.class_names, self.settings.label_map
        if mapping is not None:
            # The mapping file is the test set's; the training set's labels are found in it where they are the same.
            labels |= set(self.test.images["label"].dropna())
            names = names | self.test.class_names
        return match_labels(sorted(labels), self.model, names, mapping).indices

    @property
    def measured_split(self) -> str | None:
        """The set on which located objects are compared with the boxes it has; None where neither has any."""
        return next((split for split in ("test", "train") if len(getattr(self, split).objects)), None)

    @cached_property
    def _activation_map(self) -> ActivationMap:
        from bias_toolkit.models.activation_map import ActivationMap

        return ActivationMap(self.model)

    @property
    def _why_not(self) -> str | None:
        """Why a set without boxes cannot get estimated ones, in a sentence; None where it can."""
        if self._spec("model") is None:
            return "Name a model with --model to have its objects located."
        try:
            _ = self._activation_map
        except InputError as error:
            return str(error)
        return None

    def _locate(self, split: str, image_ids: list[str], folder: Path, progress: Progress) -> None:
        from bias_toolkit.objects.locate import locate_objects

        dataset, indices = getattr(self, split), self.class_indices(split)
        labels = dataset.images.set_index("image_id")["label"].reindex(image_ids)
        locate_objects(
            self._activation_map,
            dataset.read,
            lambda image: whole_view(image, self.model.input_size),
            image_ids,
            folder,
            class_indices={image_id: indices[label] for image_id, label in labels.items() if label in indices},
            batch_size=self.model.batch_size,
            progress=progress,
        )

    def _measure_localisation(self, folder: Path, progress: Progress) -> None:
        from bias_toolkit.objects import image_framing, position_and_scale
        from bias_toolkit.objects.locate import estimated_objects, load_located
        from bias_toolkit.objects.locate_quality import LOCALISATION, localisation_quality

        split = self.measured_split
        dataset, settings = getattr(self, split), self.settings
        boxed = dataset.images[dataset.images["image_id"].isin(dataset.objects["image_id"])]
        rng = np.random.default_rng([settings.seed, zlib.crc32(b"localisation")])
        sample = boxed.iloc[np.sort(rng.permutation(len(boxed))[:SAMPLE])]
        self._locate(split, sample["image_id"].tolist(), folder, progress)
        located = load_located(folder)
        sample = sample[sample["image_id"].isin(located.loc[located["located_by"].notna(), "image_id"])]
        # The centred box that the estimate is compared with knows the training objects, where they have boxes.
        typical = None
        if len(self.train.objects):
            subjects = image_framing(position_and_scale(self.train.objects, self.train.images), self.train.images)
            typical = float(subjects["scale"].median())
        quality = localisation_quality(
            estimated_objects(located, sample, self.model.class_names),
            dataset.objects[dataset.objects["image_id"].isin(sample["image_id"])],
            sample,
            typical_scale=typical,
            resamples=settings.resamples,
            seed=settings.seed,
        )
        write_table(quality, folder / "localisation.parquet", LOCALISATION)
        write_text(json.dumps({"split": split}), folder / "localisation.json")
