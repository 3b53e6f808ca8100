"""What a sweep is: one image's ordered views, each one step from the last, and which sweeps there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from bias_toolkit.foundation.errors import InputError

STEPS = 8
"""Steps of a crop or embed sweep; its views are numbered 0 to STEPS."""

CENTRE = STEPS // 2
"""The number of the centre view, whose top-1 class is the reference."""

TRANSFORMS = {
    "crop": ("diagonal", "horizontal", "vertical"),
    "embed": ("diagonal", "horizontal", "vertical", "scale"),
    "offsets": ("random",),
}
"""The transforms that each protocol knows; the first is its default."""

PROTOCOLS = tuple(TRANSFORMS)
FILLS = ("mean", "black", "inpaint")
SAMPLINGS = ("centre", "random")
DEFAULT_SIZES = {"crop": 1.0, "embed": 2.0, "offsets": 1.0}


@dataclass(frozen=True)
class Sweep:
    """One kind of sweep: the settings that turn an image into views.

    Parameters
    ----------
    protocol : "crop", "embed" or "offsets"
        How views are made: a window slides over the image (A), the image moves over a canvas (A), or pairs of
        windows lie at independent random offsets (Z).
    transform : str
        What a step is, one of `TRANSFORMS[protocol]`: a shift by one pixel along `diagonal`, `horizontal` or
        `vertical`, or `scale`: one pixel more of side. Offsets have `random` only.
    size : float
        crop: the window's area as a fraction of the image's, 0 < size ≤ 1. embed: how many times longer the
        canvas's side is than the image's, size ≥ 1. offsets: always 1.
    fill : "mean", "black" or "inpaint"
        What the canvas of embed shows around the image; the other protocols have no canvas.
    sampling : "centre" or "random"
        Where crop takes its window.
    draws : int
        Pairs of views for each image under offsets.
    seed : int
        Seed of random sampling and of offsets, used together with the image's id.

    Raises
    ------
    InputError
        If a setting is not one of these.
    """

    protocol: str
    transform: str
    size: float
    fill: str = "mean"
    sampling: str = "centre"
    draws: int = 8
    seed: int = 0

    def __post_init__(self):
        _check_name("--protocol", self.protocol, PROTOCOLS)
        if self.transform not in TRANSFORMS[self.protocol]:
            raise InputError(
                f"--transform {self.transform} is not a transform of --protocol {self.protocol}, "
                f"which has {_listing(TRANSFORMS[self.protocol])}."
            )
        self._check_size()
        _check_name("--fill", self.fill, FILLS)
        _check_name("--sampling", self.sampling, SAMPLINGS)
        if self.draws < 1:
            raise InputError(f"--draws {self.draws} gives no pair of views; it has to be 1 or more.")
        if self.seed < 0:
            raise InputError(f"--seed {self.seed} is negative; it has to be 0 or more.")

    def _check_size(self) -> None:
        if self.protocol == "crop" and not 0 < self.size <= 1:
            raise InputError(
                f"--size {self.size:g} does not fit --protocol crop, where it is the window's share of the "
                "image's area, above 0 and at most 1."
            )
        if self.protocol == "embed" and not 1 <= self.size < math.inf:
            raise InputError(
                f"--size {self.size:g} does not fit --protocol embed, where it is the canvas's side over the "
                "image's, at least 1."
            )
        if self.protocol == "offsets" and self.size != 1:
            raise InputError(f"--size {self.size:g} does not fit --protocol offsets, which always has size 1.")

    @property
    def name(self) -> str:
        """A short name without blanks, e.g. `crop-1-diagonal`, `embed-2-scale-black`, `offsets-8`."""
        if self.protocol == "offsets":
            return f"offsets-{self.draws}"
        parts = [self.protocol, str(float(self.size)).removesuffix(".0"), self.transform]
        if self.protocol == "embed":
            parts.append(self.fill)
        elif self.sampling == "random":
            parts.append("random")
        return "-".join(parts)

    @property
    def n_views(self) -> int:
        """How many views each image has."""
        return 2 * self.draws if self.protocol == "offsets" else STEPS + 1

    def compared(self) -> tuple[np.ndarray, np.ndarray]:
        """The views that are compared: the numbers of the first and of the second view of each pair.

        Along a path the pairs are its steps, (0, 1), (1, 2), …; under offsets they are the draws,
        (0, 1), (2, 3), ….
        """
        first = np.arange(0, self.n_views, 2) if self.protocol == "offsets" else np.arange(STEPS)
        return first, first + 1


def expand_sweeps(
    protocols: Sequence[str],
    transforms: Sequence[str] = (),
    sizes: Sequence[float] = (),
    *,
    fill: str = "mean",
    sampling: str = "centre",
    draws: int = 8,
    seed: int = 0,
) -> list[Sweep]:
    """Every sweep that lists of protocols, transforms and sizes ask for, in their order, each once.

    A size belongs to crop if it is at most 1 and to embed otherwise; a transform belongs to every protocol
    that knows it. A protocol to which none of the sizes, or of the transforms, belongs takes its default: for
    crop size 1, for embed size 2, for both the diagonal. Offsets has no choice of either. The fill goes to
    embed only, the sampling to crop only, and the draws to offsets only.

    Raises
    ------
    InputError
        If a name is unknown, or if a size, transform, fill or sampling belongs to none of the protocols.
    """
    protocols = list(dict.fromkeys(protocols))
    if not protocols:
        raise InputError(f"--protocol is empty; give at least one of {_listing(PROTOCOLS)}.")
    for protocol in protocols:
        _check_name("--protocol", protocol, PROTOCOLS)
    for transform in transforms:
        if not any(transform in TRANSFORMS[protocol] for protocol in protocols):
            known = _listing(dict.fromkeys(name for protocol in protocols for name in TRANSFORMS[protocol]))
            raise InputError(
                f"--transform {transform} is not a transform of --protocol {_listing(protocols)}; "
                f"what is known there: {known}."
            )
    for size in sizes:
        if not math.isfinite(size):
            raise InputError(f"--size {size:g} is no size; it has to be a number above 0.")
        if _protocol_of(size) not in protocols:
            raise InputError(
                f"--size {size:g} belongs to --protocol {_protocol_of(size)}, which was not asked for "
                "(sizes up to 1 are crop's, sizes above 1 are embed's)."
            )
    _check_name("--fill", fill, FILLS)
    _check_name("--sampling", sampling, SAMPLINGS)
    if fill != "mean" and "embed" not in protocols:
        raise InputError(f"--fill {fill} belongs to --protocol embed, which was not asked for.")
    if sampling != "centre" and "crop" not in protocols:
        raise InputError(f"--sampling {sampling} belongs to --protocol crop, which was not asked for.")

    # Sweeps that draw nothing have no seed, so that with another seed they stay the same sweeps.
    choices = {
        "crop": {"sampling": sampling, "seed": seed if sampling == "random" else 0},
        "embed": {"fill": fill},
        "offsets": {"draws": draws, "seed": seed},
    }
    sweeps = []
    for protocol in protocols:
        known = TRANSFORMS[protocol]
        own_transforms = [transform for transform in transforms if transform in known] or [known[0]]
        own_sizes = [size for size in sizes if _protocol_of(size) == protocol] or [DEFAULT_SIZES[protocol]]
        for transform, size in product(own_transforms, own_sizes):
            sweeps.append(Sweep(protocol, transform, float(size), **choices[protocol]))
    return list(dict.fromkeys(sweeps))


def _protocol_of(size: float) -> str:
    return "crop" if size <= 1 else "embed"


def _check_name(option: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise InputError(f"{option} {name} is not known; it has to be one of {_listing(known)}.")


def _listing(names) -> str:
    return ", ".join(names)
