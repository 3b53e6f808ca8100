"""The small pictures that an explanation's page shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bias_toolkit.explain.record import PICTURES
from bias_toolkit.foundation.files import atomic_path


class PictureFolder:
    """Writes pictures into the folder `pictures` of an explanation's folder."""

    def __init__(self, folder: Path):
        self._folder = folder

    def save(self, name: str, pixels: np.ndarray) -> str:
        """Write uint8 pixels (height, width, 3) as PNG; gives the path relative to the explanation's folder."""
        file = f"{PICTURES}/{name}.png"
        with atomic_path(self._folder / file) as temporary:
            Image.fromarray(pixels).save(temporary, format="PNG", compress_level=1)
        return file
