"""The mean over shifts: the softmax outputs of all views within a few pixels, averaged."""

import numpy as np

from bias_toolkit.foundation.words import count
from bias_toolkit.invariance.remedies.remedy import Remedy
from bias_toolkit.invariance.transforms import shifts
from bias_toolkit.invariance.views import Views
from bias_toolkit.invariance.window import Picture


class ShiftMean(Remedy):
    """The mean of the softmax outputs of the (2 radius + 1)² views within `radius` pixels along each axis."""

    subject = "Averaging over shifted views"

    def __init__(self, radius: int) -> None:
        self.margin = radius
        self.passes = (2 * radius + 1) ** 2
        self.name = f"mean-{self.passes}"
        self.label = f"Mean over {self.passes} shifts"
        self.definition = (
            f"The softmax outputs of the {self.passes} views within {count(radius, 'pixel')} to each side, averaged."
        )

    def views(self, picture: Picture, path: np.ndarray) -> Views:
        return picture.views(self._shifts(path)[0])

    def predictions(self, probabilities: np.ndarray, path: np.ndarray) -> np.ndarray:
        return probabilities[self._shifts(path)[1]].mean(axis=1, dtype=float)

    def _shifts(self, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The different shifts that are needed, (V, 2), and the rows of them around each place, (n + 1, passes)."""
        wanted = (np.asarray(path)[:, None] + shifts(self.margin)).reshape(-1, 2)
        different, rows = np.unique(wanted, axis=0, return_inverse=True)
        return different, rows.reshape(len(path), -1)
