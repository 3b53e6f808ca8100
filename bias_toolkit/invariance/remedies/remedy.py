"""The interface of a remedy at test time: the network that it uses, the views that it needs, and its prediction."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING

import numpy as np

from bias_toolkit.invariance.views import Views
from bias_toolkit.invariance.window import Picture

if TYPE_CHECKING:
    from bias_toolkit.models import Model


class Remedy(ABC):
    """A change of the prediction, without training, that may make it more stable. Each is one object in `REMEDIES`.

    Its prediction for a view is a function of the image around that view, and of the network's weights.
    """

    name: str  # in settings, tables and names of steps
    label: str  # in tables and figures
    subject: str  # in a sentence, as its subject
    definition: str  # one line
    passes: int = 1  # forward passes for one prediction
    margin: int = 0  # pixels of the picture that it needs around a view

    def network(self, model: Model) -> Model | None:
        """The model that it uses; None if the remedy does not apply to this model."""
        return model

    def views(self, picture: Picture, path: np.ndarray) -> Views:
        """The views that the network has to see for predictions along a path; int (n + 1, 2), right and down."""
        return picture.views(path)

    def predictions(self, probabilities: np.ndarray, path: np.ndarray) -> np.ndarray:
        """The prediction at each place of the path, shape (n + 1, C), from the outputs (V, C) on `views`."""
        return probabilities


class Untouched(Remedy):
    """The model as it is: what the remedies are compared with."""

    name = "untouched"
    label = "As it is"
    subject = "The model as it is"
    definition = "The model's own prediction."
