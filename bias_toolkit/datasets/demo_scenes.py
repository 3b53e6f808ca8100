"""The demo's pictures: handwritten digits drawn on crops of two photographs, all of which ship with scikit-learn."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

IMAGE_SIDE = 74
GLYPH_SIDE = 80
INK_LEVELS = (5.0, 9.0)
HALF_COVERED = 128
DIMMING = 0.45


@dataclass(frozen=True)
class Glyphs:
    """The handwritten digits as masks."""

    masks: tuple[np.ndarray, ...]  # uint8, 0 paper to 255 ink, each cropped to the bounding box of its ink
    aspects: np.ndarray  # width over height, of shape (n,)
    labels: np.ndarray  # "0" to "9"


@dataclass(frozen=True)
class Scene:
    """The content of one picture."""

    glyph: int  # which digit of `glyphs`
    box: tuple[int, int, int, int]  # x0, y0, x1, y1 of the digit's ink: whole pixels, as continuous edges
    photograph: int  # which of `photographs` is behind it
    corner: tuple[int, int]  # x and y in the photograph of the crop's top left corner
    ink: tuple[int, int, int]  # red, green and blue, 0 to 255
    opacity: float  # of the ink, 0 to 1


@lru_cache(maxsize=1)
def glyphs() -> Glyphs:
    """scikit-learn's 8 × 8 digits, enlarged and sharpened."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    masks = tuple(_mask(image) for image in digits.images)
    aspects = np.array([mask.shape[1] / mask.shape[0] for mask in masks])
    return Glyphs(masks, aspects, digits.target.astype(str))


def _mask(digit: np.ndarray) -> np.ndarray:
    """A digit (8 × 8, 0 to 16) with crisp strokes, cropped to where ink covers at least half of the paper."""
    padded = Image.fromarray(np.pad(digit, 1).astype(np.float32))
    smooth = np.asarray(padded.resize((GLYPH_SIDE, GLYPH_SIDE), Image.Resampling.BICUBIC))
    low, high = INK_LEVELS
    mask = np.rint(255 * np.clip((smooth - low) / (high - low), 0, 1)).astype(np.uint8)
    x0, y0, x1, y1 = Image.fromarray(mask >= HALF_COVERED).getbbox()
    return mask[y0:y1, x0:x1]


@lru_cache(maxsize=1)
def photographs() -> tuple[np.ndarray, ...]:
    """scikit-learn's two photographs, uint8 (427, 640, 3)."""
    from sklearn.datasets import load_sample_images

    return tuple(load_sample_images().images)


def background(scene: Scene) -> np.ndarray:
    """The scene without its digit, uint8 (74, 74, 3): a crop of a photograph, darkened so that the ink is visible."""
    x, y = scene.corner
    crop = photographs()[scene.photograph][y : y + IMAGE_SIDE, x : x + IMAGE_SIDE]
    return np.rint(crop * np.float32(DIMMING)).astype(np.uint8)


def draw(scene: Scene, canvas: np.ndarray) -> np.ndarray:
    """A copy of the canvas (uint8, height × width × 3) with the scene's digit; its ink reaches the box's edges."""
    x0, y0, x1, y1 = scene.box
    picture = canvas.copy()
    ground = picture[y0:y1, x0:x1].astype(np.float32)
    mask = Image.fromarray(glyphs().masks[scene.glyph]).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR)
    alpha = np.asarray(mask, dtype=np.float32)[:, :, None] * np.float32(scene.opacity / 255)
    picture[y0:y1, x0:x1] = np.rint(ground + alpha * (np.float32(scene.ink) - ground)).astype(np.uint8)
    return picture
