"""The steps of a sweep: a shift of the window by one pixel, or one pixel more of the image's side."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bias_toolkit.foundation.errors import InputError

STEPS = 8
"""Number of steps of a sweep that moves by steps; its views are numbered 0 to STEPS."""

CENTRE = STEPS // 2
"""The number of the centre view, whose top-1 class is the reference."""


@dataclass(frozen=True)
class Transform:
    """A path of windows. The centre window, number CENTRE, is the same for all transforms."""

    name: str
    right: int = 0  # pixels by which a step moves the window to the right
    down: int = 0  # pixels by which a step moves the window down
    growth: int = 0  # pixels by which a step lengthens the image's side on the canvas

    def path(self) -> np.ndarray:
        """Top-left corners (x, y) of the windows of a sweep; int, shape (STEPS + 1, 2).

        Corner k is (k, k) for `diagonal`, (k, CENTRE) for `horizontal` and (CENTRE, k) for `vertical`.
        """
        return CENTRE + self._from_centre() * np.array([self.right, self.down])

    def growths(self) -> np.ndarray:
        """Difference of the image's side from the centre view, in pixels; int, shape (STEPS + 1,)."""
        return self.growth * self._from_centre()[:, 0]

    def _from_centre(self) -> np.ndarray:
        return np.arange(-CENTRE, STEPS + 1 - CENTRE)[:, None]


DIAGONAL = Transform("diagonal", right=1, down=1)
HORIZONTAL = Transform("horizontal", right=1)
VERTICAL = Transform("vertical", down=1)
SCALE = Transform("scale", growth=1)
RANDOM = Transform("random")
"""The transform of offsets, whose windows are drawn at random and follow no path."""

TIME = Transform("time")
"""The transform of frames, which shifts nothing."""

SHIFTS = (DIAGONAL, HORIZONTAL, VERTICAL)
TRANSFORMS = (*SHIFTS, SCALE, RANDOM, TIME)


def shifts(radius: int = CENTRE) -> np.ndarray:
    """All shifts of at most `radius` pixels, int of shape ((2 radius + 1)², 2): (right, down), row by row."""
    steps = np.arange(-radius, radius + 1)
    return np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)


def check_name(option: str, name: str, known: Iterable[str]) -> None:
    """Raise InputError unless an option has a value of this name."""
    if name not in known:
        raise InputError(f"{option} {name} is not known; it has to be one of {', '.join(known)}.")


def transform_of(name: str) -> Transform:
    """The transform with this name; raises InputError if there is none."""
    by_name = {transform.name: transform for transform in TRANSFORMS}
    check_name("--transform", name, by_name)
    return by_name[name]
