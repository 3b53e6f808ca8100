"""How a sweep is named, and how large it shows the image."""

from __future__ import annotations

from bias_toolkit.foundation.words import known
from bias_toolkit.invariance import protocol_of


def image_size(protocol: str, size: float) -> float:
    """Side of the image as the view shows it, in view sides: above 1 a tighter crop, below 1 an image on a canvas."""
    return protocol_of(protocol).image_side(size)


def sweep_name(protocol: str, transform: str, size: float) -> str:
    """`crop, diagonal, size 1`."""
    parts = (protocol, transform, f"size {size:g}" if known(size) else None)
    return ", ".join(part for part in parts if isinstance(part, str) and part)
