"""The steps of a study: the settings that decide each one's result, and the steps that it needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import bias_toolkit
from bias_toolkit.pipeline.steps import Step

if TYPE_CHECKING:
    from bias_toolkit.invariance import Sweep
    from bias_toolkit.study import Study

SPLITS = ("train", "test")
EXPLANATIONS = "explanations"
MAP, SIZES = "map", "sizes"
LOCALISATION_STEP, BOXES_FILE = "localisation", "boxes.json"


class Plan:
    """The steps of one study, as its inputs and settings are now.

    Parameters
    ----------
    study : Study
        Asked for its datasets, model, sweeps and settings only when a step depends on them.
    """

    def __init__(self, study: Study):
        self._study = study

    def images(self, split: str) -> Step:
        """The images and objects tables of one split."""
        dataset = getattr(self._study, split)
        return Step(
            f"images/{split}",
            {"fingerprint": dataset.fingerprint, "layout": dataset.layout, "toolkit": bias_toolkit.__version__},
        )

    def features(self, split: str) -> Step:
        """The feature store of one split."""
        settings = self._settings("feature_size", "feature_dtype", "feature_precision", "batch_size")
        return Step(f"features/{split}", settings | {"model": self._model}, (self.images(split),))

    @property
    def index(self) -> Step:
        """The index of the training features, and how far those are from each other."""
        return Step("index", self._settings("index", "metric", "seed"), (self.features("train"),))

    @property
    def neighbours(self) -> Step:
        """The nearest training images of every test image, and the distances."""
        settings = self._settings("neighbours")
        if self._study.settings.index != "exact":
            settings |= self._settings("resamples")
        return Step("neighbours", settings, (self.index, self.features("test")))

    def responses(self, sweep: Sweep) -> Step:
        """The responses along one sweep."""
        settings = self._settings("batch_size") | {
            "model": self._model,
            "sweep": dataclasses.asdict(sweep),
            "label_indices": self._study.label_match.indices,
        }
        if self._study.settings.precision is not None:
            settings |= self._settings("precision", "seed")
        return Step(f"responses/{sweep.name}", settings, (self.images("test"),))

    @property
    def measures(self) -> Step:
        """The measures of every sweep."""
        return Step("measures", {}, tuple(self.responses(sweep) for sweep in self._study.sweeps))

    @property
    def noise(self) -> Step:
        """The numerical noise floor on one sweep's views."""
        settings = self._settings("noise_images", "batch_size", "seed") | {
            "model": self._model,
            "sweep": dataclasses.asdict(self._study.noise_sweep),
        }
        return Step("noise", settings, (self.images("test"),))

    @property
    def objects(self) -> Step:
        """Position and scale of the objects of both splits, against chance and against each other."""
        settings = self._settings("boxes", "resamples", "permutations", "placements", "seed")
        located = [self.located(split) for split in SPLITS if self._study.estimates(split)]
        if located and self._study.measured_split is not None:
            located.append(self.localisation)
        return Step("objects", settings, (*(self.images(split) for split in SPLITS), *located))

    def mean_images(self, split: str) -> Step:
        """The mean image of one split and of its classes."""
        return Step(f"mean-images/{split}", self._settings("seed"), (self.images(split),))

    def located(self, split: str) -> Step:
        """The estimated boxes of one split."""
        return Step(f"located/{split}", self._locating(split), (self.images(split),))

    @property
    def localisation(self) -> Step:
        """How good estimated boxes are on the images that have boxes."""
        split = self._study.measured_split
        settings = self._locating(split) | self._settings("resamples", "seed") | {"split": split}
        return Step(LOCALISATION_STEP, settings, tuple(self.images(each) for each in SPLITS))

    def _locating(self, split: str) -> dict[str, object]:
        """What decides the boxes that the model is asked for in one split."""
        from bias_toolkit.objects.locate_box import THRESHOLD

        return self._settings("batch_size") | {
            "model": self._model,
            "label_indices": self._study.class_indices(split),
            "threshold": THRESHOLD,
            "toolkit": bias_toolkit.__version__,
        }

    @property
    def analysis(self) -> Step:
        """Distance and framing against invariance."""
        from bias_toolkit.datasets import imagenet_x_stamp

        settings = self._settings("bins", "resamples", "permutations", "seed", "imagenet_x")
        settings["annotations"] = imagenet_x_stamp(self._study.settings.imagenet_x)
        return Step("analysis", settings, (self.neighbours, self.measures, self.objects))

    def framed(self, surroundings: str) -> Step:
        """A sample of test images in every cell of the framing map, in one kind of surroundings."""
        grid = self._study.framing_grid
        settings = self._settings("map_images", "batch_size", "seed") | {
            "model": self._model,
            "grid": {"positions": list(grid.positions), "scales": list(grid.scales)},
            "label_indices": self._study.label_match.indices,
        }
        return Step(f"{MAP}/{surroundings}", settings, (self.images("test"),))

    @property
    def map(self) -> Step:
        """The framing map's cells against where the training objects are."""
        settings = self._settings(
            "map_images", "map_positions", "map_scales", "map_surroundings", "feature_size", "resamples", "seed"
        )
        framed = tuple(self.framed(surroundings) for surroundings in self._study.surroundings)
        return Step(f"{MAP}/relation", _as_json(settings), (self.images("train"), *framed))

    def sized(self, sweep: Sweep) -> Step:
        """A sample of test images along one sweep of the size curve."""
        settings = self._settings("size_images", "seed", "batch_size") | {
            "model": self._model,
            "sweep": dataclasses.asdict(sweep),
            "label_indices": self._study.label_match.indices,
        }
        return Step(f"{SIZES}/{sweep.name}", settings, (self.images("test"),))

    @property
    def sizes(self) -> Step:
        """The measures over the view size."""
        settings = self._settings("size_images", "resamples", "seed")
        return Step(f"{SIZES}/curve", settings, tuple(self.sized(sweep) for sweep in self._study.size_sweeps))

    @property
    def report(self) -> Step:
        """The page with its figures and tables, and links to the explanations that there are."""
        settings = self._study.settings.to_dict() | {
            EXPLANATIONS: self._study.explanation_keys,
            "parts": self._study.part_keys,
        }
        means = (self.mean_images(split) for split in SPLITS)
        return Step("report", settings, (self.analysis, self.noise, *means), replaces_itself=True)

    def explanation(self, name: str, image: Mapping[str, object]) -> Step:
        """Why one image is unstable; `name` is of its folder, `image` says which one it is."""
        settings = self._settings("batch_size", "seed") | {"toolkit": bias_toolkit.__version__} | dict(image)
        return Step(f"{EXPLANATIONS}/{name}", settings, (self.analysis,))

    def _settings(self, *names: str) -> dict[str, object]:
        return {name: getattr(self._study.settings, name) for name in names}

    @property
    def _model(self) -> dict[str, object]:
        """What decides the model's output on given pixels."""
        model = self._study.model
        return {
            "name": model.name,
            "weights_sha256": model.weights_sha256,
            "code_sha256": model.code_sha256,
            "input_size": model.input_size,
            "preprocessing": dataclasses.asdict(model.preprocessing),
            "feature_layer": model.feature_layer,
        }


def _as_json(settings: Mapping[str, object]) -> dict[str, object]:
    """The settings as they come back from JSON, which has no tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
