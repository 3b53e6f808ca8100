"""How stable a model is under small shifts of one view: P(top-1 change) and MAC along sweeps in all directions."""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np

from bias_toolkit.invariance.measures import mac, p_top1_change

RADIUS = 4
"""Of the neighbourhood, in pixels. It is that of a sweep in A, whose 9 views lie within 4 pixels of the centre view."""

MAP_RADIUS = 8


@lru_cache
def sweeps(radius: int = RADIUS) -> np.ndarray:
    """The sweeps that cross the neighbourhood: each row and column of shifts, and both diagonals.

    Gives the rows of `shifts(radius)` that each sweep passes in order, int (4 radius + 4, 2 radius + 1).
    """
    number = np.arange((2 * radius + 1) ** 2).reshape(2 * radius + 1, -1)
    return np.concatenate([number, number.T, np.diag(number)[None], np.diag(number[:, ::-1])[None]])


class Neighbourhood:
    """The model's outputs on shifts around one view, and how they change from step to step.

    `probabilities`, float (V, C), is the softmax on the view at each shift. `paths`, int (S, n + 1), has the rows of it
    that each sweep passes; by default these are `sweeps(radius)`, for V = (2 radius + 1)² views. `centre`, float (C,),
    is the softmax on the view without a shift; by default it is the middle row.
    """

    def __init__(
        self, probabilities: np.ndarray, paths: np.ndarray | None = None, centre: np.ndarray | None = None
    ) -> None:
        self.probabilities = probabilities
        self.centre = probabilities[len(probabilities) // 2] if centre is None else centre
        self._paths = sweeps((round(len(probabilities) ** 0.5) - 1) // 2) if paths is None else paths

    @cached_property
    def changes(self) -> np.ndarray:
        """`p_top1_change` (A) of each sweep, shape (S,)."""
        return p_top1_change(self.probabilities.argmax(axis=1)[self._paths])

    @cached_property
    def macs(self) -> np.ndarray:
        """`mac` (A) of each sweep, shape (S,)."""
        along = self.probabilities[self._paths]
        top1 = along.argmax(axis=-1)
        after = np.take_along_axis(along[:, 1:], top1[:, :-1, None], axis=-1)[..., 0]
        return mac(along.max(axis=-1), after)

    @cached_property
    def classes(self) -> set[int]:
        """The classes that are the most probable at some shift."""
        return set(self.probabilities.argmax(axis=1).tolist())

    @cached_property
    def mean_prediction(self) -> np.ndarray:
        """Mean softmax over the shifts, shape (C,)."""
        return self.probabilities.mean(axis=0, dtype=float)

    def accuracy(self, class_index: int) -> float:
        """Share of the shifts on which this class is the most probable."""
        return float((self.probabilities.argmax(axis=1) == class_index).mean())

    def averaged(self, radius: int, within: int = RADIUS) -> Neighbourhood:
        """The neighbourhood of at most `within` pixels, in which each prediction is averaged over the shifts around it.

        ValueError if this neighbourhood does not reach `radius` + `within` pixels.
        """
        side = round(len(self.probabilities) ** 0.5)
        grid = self.probabilities.reshape(side, side, -1).astype(float)
        size = 2 * radius + 1
        windows = np.lib.stride_tricks.sliding_window_view(grid, (size, size), axis=(0, 1))
        means = windows.mean(axis=(-2, -1))
        cut = (len(means) - (2 * within + 1)) // 2
        if cut < 0:
            raise ValueError(f"Averages over {radius} pixels around shifts of {within} need {radius + within} pixels.")
        inner = means[cut : cut + 2 * within + 1, cut : cut + 2 * within + 1]
        return Neighbourhood(inner.reshape(-1, grid.shape[-1]))
