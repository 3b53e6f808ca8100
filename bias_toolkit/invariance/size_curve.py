"""The sizes of the curve of invariance over view size (A): from tight crops to an image shrunk on a canvas."""

from __future__ import annotations

from bias_toolkit.invariance.sweep import Sweep

SIZE_CURVE = {
    "crop": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    "embed": (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9),
}
"""View sizes by protocol. At size 1 both show the whole image: crop a little larger, embed with its border cut."""


def size_curve_sweeps(transform: str = "diagonal", fill: str = "mean") -> list[Sweep]:
    """The sweeps of the curve, from the tightest crop to the smallest image."""
    crops = [Sweep("crop", transform, size) for size in SIZE_CURVE["crop"]]
    return crops + [Sweep("embed", transform, size, fill=fill) for size in SIZE_CURVE["embed"]]
