"""The steps of a study: the settings that decide each one's result, and the steps that it needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import bias_toolkit
from bias_toolkit.steps import Step

if TYPE_CHECKING:
    from bias_toolkit.invariance import Sweep
    from bias_toolkit.study import Study

SPLITS = ("train", "test")
EXPLANATIONS = "explanations"


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
        settings = self._settings("feature_size", "feature_dtype", "batch_size")
        return Step(f"features/{split}", settings | {"model": self._model}, (self.images(split),))

    @property
    def index(self) -> Step:
        """The index of the training features, and how far those are from each other."""
        return Step("index", self._settings("metric", "seed"), (self.features("train"),))

    @property
    def neighbours(self) -> Step:
        """The nearest training images of every test image, and the distances."""
        return Step("neighbours", self._settings("neighbours"), (self.index, self.features("test")))

    def responses(self, sweep: Sweep) -> Step:
        """The responses along one sweep."""
        settings = self._settings("batch_size") | {
            "model": self._model,
            "sweep": dataclasses.asdict(sweep),
            "label_indices": self._study.label_match.indices,
        }
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
        """Position and scale of the objects of both splits."""
        settings = self._settings("resamples", "placements", "seed")
        return Step("objects", settings, tuple(self.images(split) for split in SPLITS))

    @property
    def analysis(self) -> Step:
        """Distance and framing against invariance."""
        settings = self._settings("bins", "resamples", "permutations", "seed")
        return Step("analysis", settings, (self.neighbours, self.measures, self.objects))

    @property
    def report(self) -> Step:
        """The page with its figures and tables, and links to the explanations that there are."""
        settings = self._study.settings.to_dict() | {EXPLANATIONS: self._study.explanation_keys}
        return Step("report", settings, (self.analysis, self.noise), replaces_itself=True)

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
