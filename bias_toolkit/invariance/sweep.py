"""Sweeps: one image's ordered views, each one step from the last; the list of sweeps; and their views."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from bias_toolkit.datasets import BOX_EDGES, ReducedImage, Reduction
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance.inpaint import FILLS
from bias_toolkit.invariance.protocols import PROTOCOLS, Protocol, protocol_of
from bias_toolkit.invariance.protocols.crop import SAMPLINGS
from bias_toolkit.invariance.protocols.protocol import Compared, Settings
from bias_toolkit.invariance.transforms import CENTRE, check_name
from bias_toolkit.invariance.views import Views, largest_factor, size_of
from bias_toolkit.invariance.window import Picture, Window, take_picture


@dataclass(frozen=True)
class Sweep(Settings):
    """One kind of sweep: the settings that turn an image into views.

    Raises InputError if a setting is not allowed.

    Parameters
    ----------
    protocol : "crop", "embed", "offsets" or "frames"; how views are made: a window slides over the image (A), the image
        moves over a canvas (A), pairs of windows have independent random offsets (Z), or frames of a clip follow (A).
    transform : the kind of step, one of the protocol's transforms: a shift by one pixel along `diagonal`, `horizontal`
        or `vertical`, or `scale`: one pixel more of side. Offsets have `random` only, frames `time`.
    size : crop: the window's area as a fraction of the image's, 0 < size ≤ 1. embed: the canvas's side divided by the
        image's, size ≥ 1. offsets and frames: always 1.
    fill : "mean", "black" or "inpaint"; the canvas around the image in embed; the other protocols have no canvas.
    sampling : "centre" or "random"; the position of crop's window.
    draws : pairs of views per image for offsets.
    seed : of random sampling and of offsets, used together with the image's id.

    Examples
    --------
    >>> sweep = Sweep("crop", "diagonal", 1.0)
    >>> sweep.name, sweep.n_views
    ('crop-1-diagonal', 9)
    """

    def __post_init__(self) -> None:
        protocol = protocol_of(self.protocol)
        protocol.check_transform(self.transform)
        protocol.check_size(self.size)
        check_name("--fill", self.fill, FILLS)
        check_name("--sampling", self.sampling, SAMPLINGS)
        if self.draws < 1:
            raise InputError(f"--draws {self.draws} gives no pair of views; it has to be 1 or more.")
        if self.seed < 0:
            raise InputError(f"--seed {self.seed} is negative; it has to be 0 or more.")

    @property
    def name(self) -> str:
        """A short name without spaces, e.g. `crop-1-diagonal`, `embed-2-scale-black`, `offsets-8`."""
        return protocol_of(self.protocol).own_name(self)

    @property
    def moves_by_steps(self) -> bool:
        """Whether each view is one step from the last, and there is a centre view."""
        return protocol_of(self.protocol).moves_by_steps

    @property
    def is_of_frames(self) -> bool:
        """Whether the views are frames of a clip, and not of one image."""
        return protocol_of(self.protocol).compares is Compared.FRAMES

    @property
    def n_views(self) -> int:
        """The number of views per image."""
        return protocol_of(self.protocol).n_views(self)

    def compared(self) -> tuple[np.ndarray, np.ndarray]:
        """The indices of the first and of the second view of each compared pair.

        Along a path the pairs are its steps, (0, 1), (1, 2), …; for offsets they are the draws, (0, 1), (2, 3), ….
        """
        return protocol_of(self.protocol).compared(self)

    def columns(self) -> dict[str, object]:
        """The sweep's columns in tables; null for what its protocol does not have."""
        protocol = protocol_of(self.protocol)
        return {
            "protocol": self.protocol,
            "transform": self.transform,
            "size": self.size,
            "fill": self.fill if protocol.has_canvas else None,
            "sampling": self.sampling if protocol.has_sampling else None,
        }


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
    """Every sweep for lists of protocols, transforms and sizes, in their order, each once.

    A size belongs to crop if it is at most 1, and to embed otherwise; a transform belongs to every protocol that has
    it. If none of the sizes, or of the transforms, belongs to a protocol, its default is used: size 1 for crop, size 2
    for embed, the diagonal for both. Offsets and frames have no choice of either. The fill applies to embed only, the
    sampling to crop only, and the draws to offsets only. Raises InputError if a name is unknown, or if a size,
    transform, fill or sampling belongs to none of the protocols.

    Examples
    --------
    >>> [sweep.name for sweep in expand_sweeps(["crop", "embed"], sizes=[0.5, 1, 2])]
    ['crop-0.5-diagonal', 'crop-1-diagonal', 'embed-2-diagonal-mean']
    """
    asked = [protocol_of(name) for name in dict.fromkeys(protocols)]
    if not asked:
        raise InputError(f"--protocol is empty; give at least one of {_names(PROTOCOLS)}.")
    known = list(dict.fromkeys(transform.name for protocol in asked for transform in protocol.transforms))
    for transform in transforms:
        if transform not in known:
            raise InputError(
                f"--transform {transform} is not a transform of --protocol {_names(asked)}; "
                f"what is known there: {', '.join(known)}."
            )
    for size in sizes:
        if not math.isfinite(size):
            raise InputError(f"--size {size:g} is no size; it has to be a number above 0.")
        owners = [protocol for protocol in PROTOCOLS if protocol.owns_size(size)]
        if not set(owners) & set(asked):
            whose = ", ".join(f"{each.own_sizes} are {each.name}'s" for each in PROTOCOLS if each.own_sizes)
            raise InputError(
                f"--size {size:g} belongs to --protocol {_names(owners)}, which was not asked for ({whose})."
            )
    check_name("--fill", fill, FILLS)
    check_name("--sampling", sampling, SAMPLINGS)
    with_canvas = [protocol for protocol in PROTOCOLS if protocol.has_canvas]
    if fill != FILLS[0] and not set(with_canvas) & set(asked):
        raise InputError(f"--fill {fill} belongs to --protocol {_names(with_canvas)}, which was not asked for.")
    with_sampling = [protocol for protocol in PROTOCOLS if protocol.has_sampling]
    if sampling != SAMPLINGS[0] and not set(with_sampling) & set(asked):
        raise InputError(
            f"--sampling {sampling} belongs to --protocol {_names(with_sampling)}, which was not asked for."
        )

    sweeps = []
    for protocol in asked:
        own_transforms = [each.name for each in protocol.transforms]
        chosen_transforms = [each for each in transforms if each in own_transforms] or own_transforms[:1]
        chosen_sizes = [size for size in sizes if protocol.owns_size(size)] or [protocol.default_size]
        settings = protocol.own_settings(fill=fill, sampling=sampling, draws=draws, seed=seed)
        for transform, size in product(chosen_transforms, chosen_sizes):
            sweeps.append(Sweep(protocol.name, transform, float(size), **settings))
    return list(dict.fromkeys(sweeps))


def size_curve_sweeps() -> list[Sweep]:
    """The sweeps of the curve of invariance over view size (A), from the tightest crop to the smallest image.

    At size 1 both show the whole image: crop slightly enlarged, embed with its border cut off.
    """
    return [Sweep(protocol.name, "diagonal", size) for protocol in PROTOCOLS for size in protocol.curve_sizes]


def make_views(
    image: np.ndarray | ReducedImage | Iterable[np.ndarray], sweep: Sweep, input_size: int, image_id: str
) -> Views:
    """Make the views of one image, `sweep.n_views` of them, in order.

    Every step is an exact slice of one resized picture, except in `scale`, where the image is resized for each step.
    Randomness depends only on the image's id and the sweep's seed. Raises InputError if the sweep's size leaves nothing
    of the image.

    `image` is uint8 (height, width, 3), or reduced; RGB, upright; for frames, the images of the
    clip, in order. `input_size` is the model's input side W, in pixels.

    Examples
    --------
    >>> image = np.zeros((300, 400, 3), np.uint8)
    >>> make_views(image, Sweep("crop", "diagonal", 1.0), 224, "a.jpg").pixels.shape
    (9, 224, 224, 3)
    """
    return protocol_of(sweep.protocol).views(image, sweep, input_size, image_id)


def sweep_reduction(sweep: Sweep, input_size: int, image_id: str) -> Reduction:
    """The largest factor at which an image may be decoded for a sweep with a model of input side W."""
    resized = protocol_of(sweep.protocol).resized
    return lambda width, height: largest_factor(*resized(width, height, sweep, input_size, image_id))


def sweep_window(width: int, height: int, sweep: Sweep, input_size: int, image_id: str) -> Window:
    """The position of a sweep's centre view in an image of this width and height; offsets have none."""
    return protocol_of(sweep.protocol).window(width, height, sweep, input_size, image_id)


def boxes_in_view(objects: pd.DataFrame, sweep: Sweep, input_size: int) -> np.ndarray:
    """The objects' boxes in the centre views of their images: x0, y0, x1, y1 as fractions of the view, shape (n, 4).

    `objects` has the columns x0, y0, x1, y1, and width and height of the object's image, in pixels; `sweep` is crop or
    embed, sampled at the centre.
    """
    boxes = np.empty((len(objects), 4))
    edges = objects[BOX_EDGES].to_numpy(float)
    for (width, height), rows in objects.groupby(["width", "height"]).indices.items():
        boxes[rows] = sweep_window(int(width), int(height), sweep, input_size, "").to_view(edges[rows])
    return boxes


def sweep_picture(
    image: np.ndarray | ReducedImage, sweep: Sweep, input_size: int, image_id: str, margin: int
) -> Picture:
    """The picture around the centre view of a crop or embed sweep; the sweep's own views are slices of it.

    A crop is extended beyond its box by the image, and beyond the image by inpainting; an embed by its own fill.
    Raises ValueError if the margin is smaller than the sweep's.
    """
    if margin < CENTRE:
        raise ValueError(f"A sweep moves by {CENTRE} pixels, more than a margin of {margin}.")
    protocol = protocol_of(sweep.protocol)
    fill = sweep.fill if protocol.has_canvas else "inpaint"
    picture = take_picture(image, sweep_window(*size_of(image), sweep, input_size, image_id), margin, fill)
    # Resizing more than the sweep's box, or filling a larger canvas, gives other pixels at the edges.
    own = protocol.picture(image, sweep, input_size, image_id)
    pixels = picture.pixels.copy()
    part = pixels[margin - CENTRE :, margin - CENTRE :][: len(own), : len(own)]
    part[...] = own[: len(part), : len(part)]
    return Picture(pixels, picture.outside, fill, margin)


def _names(protocols: Iterable[Protocol]) -> str:
    return ", ".join(protocol.name for protocol in protocols)
