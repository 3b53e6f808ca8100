"""The built-in dataset, in which every object's position and scale is known: digits placed on photographs by a law.

Nothing is downloaded and no file is written: each image is drawn when it is read. In the training set `train` and the
test set `photographer`, the subject is in the middle and of one size, as in photographs. The training set
`train-uniform` and the test set `uniform` show digits at any position and scale. No digit and no part of a photograph
is in both training and test.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
import pandas as pd

from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.demo_law import LawConsequences, PlacementLaw
from bias_toolkit.datasets.demo_scenes import IMAGE_SIDE, Scene, background, draw, glyphs, photographs
from bias_toolkit.datasets.image_facts import Header, ReducedImage, Reduction
from bias_toolkit.datasets.listing import BOX_COLUMNS, Annotations, Listing
from bias_toolkit.datasets.schema import BOX_EDGES
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.progress import Progress

VERSION = "1"
"""Part of the fingerprint; to be raised when the same recipe draws other pictures."""

SPLIT_SEED = 0
TRAINING_SHARE = 2 / 3
INK = (195, 256)
OPACITY = (0.75, 1.0)

PHOTOGRAPHERS_LAW = PlacementLaw(typical_scale=0.45, log_scale_spread=0.12, centre_spread=0.05, scale_range=(0.2, 0.8))
UNIFORM_LAW = PlacementLaw(typical_scale=0.4, log_scale_spread=math.inf, centre_spread=math.inf, scale_range=(0.2, 0.8))


@dataclass(frozen=True)
class _Recipe:
    """How one of the datasets is made."""

    law: PlacementLaw
    images: int
    training: bool
    seed: int


_RECIPES = {
    "train": _Recipe(PHOTOGRAPHERS_LAW, 4000, True, 1),
    "train-uniform": _Recipe(UNIFORM_LAW, 4000, True, 4),
    "photographer": _Recipe(PHOTOGRAPHERS_LAW, 1000, False, 2),
    "uniform": _Recipe(UNIFORM_LAW, 2000, False, 3),
}

DEMO_DATASETS: tuple[str, ...] = tuple(_RECIPES)


def load_demo_dataset(name: str) -> Dataset:
    """One of the demo's datasets: 74 × 74 pictures of one digit each, labelled "0" to "9".

    The training sets "train" and "train-uniform" have 4,000 images each. The test sets are "photographer", with 1,000,
    and "uniform", with 2,000. Raises InputError if there is no demo dataset of that name.
    """
    stamp = json.dumps([VERSION, name, asdict(_recipe(name))]).encode()
    image_ids = _image_ids(_recipe(name))
    return drawn_dataset(f"demo:{name}", "it is the built-in dataset", image_ids, lambda: demo_scenes(name), stamp)


def demo_law(name: str) -> PlacementLaw:
    """The law that places a demo dataset's objects; InputError if there is no such dataset."""
    return _recipe(name).law


@lru_cache
def demo_consequences(name: str) -> LawConsequences:
    """What the law implies for a demo dataset's boxes, given its digits; InputError if there is no such dataset.

    The boxes are rounded to whole pixels, which changes these means by less than their sampling error.
    """
    recipe = _recipe(name)
    return recipe.law.consequences(glyphs().aspects[_digits(recipe.training)])


def _recipe(name: str) -> _Recipe:
    if name not in _RECIPES:
        raise InputError(f"There is no demo dataset {name!r}; there are {', '.join(DEMO_DATASETS)}.")
    return _RECIPES[name]


def _image_ids(recipe: _Recipe) -> list[str]:
    return [f"{number:05d}.png" for number in range(recipe.images)]


def _digits(training: bool) -> np.ndarray:
    """Indices of the digits that the training sets, or the test sets, draw from."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(glyphs().masks))
    cut = round(TRAINING_SHARE * len(order))
    return order[:cut] if training else order[cut:]


def demo_scenes(name: str) -> Mapping[str, Scene]:
    """The content of each picture of a demo dataset, by image id, in order; InputError if there is no such dataset.

    All are drawn at random at once, so that a picture does not depend on the order of reading.
    """
    return _scenes(_recipe(name))


@cache
def _scenes(recipe: _Recipe) -> Mapping[str, Scene]:
    rng = np.random.default_rng(recipe.seed)
    n = recipe.images
    digits = rng.choice(_digits(recipe.training), size=n)
    boxes = _whole_pixels(recipe.law.sample(glyphs().aspects[digits], rng) * IMAGE_SIDE)

    height, width = photographs()[0].shape[:2]
    left = 0 if recipe.training else width // 2
    photograph = rng.integers(len(photographs()), size=n)
    corner_x = left + rng.integers(width // 2 - IMAGE_SIDE + 1, size=n)
    corner_y = rng.integers(height - IMAGE_SIDE + 1, size=n)
    ink = rng.integers(*INK, size=(n, 3))
    opacity = rng.uniform(*OPACITY, size=n)
    columns = (digits, boxes, photograph, np.stack([corner_x, corner_y], axis=1), ink, opacity)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        image_id: Scene(glyph, tuple(box), picture, tuple(corner), tuple(colour), strength)
        for image_id, (glyph, box, picture, corner, colour, strength) in zip(_image_ids(recipe), rows, strict=True)
    }


def _whole_pixels(boxes: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) rounded to whole pixels, at least one wide, inside the image."""
    size = np.maximum(np.rint(boxes[:, 2:] - boxes[:, :2]), 1).astype(int)
    low = np.clip(np.rint(boxes[:, :2]).astype(int), 0, IMAGE_SIDE - size)
    return np.concatenate([low, low + size], axis=1)


def drawn_dataset(
    root: str, reason: str, image_ids: Sequence[str], scenes: Callable[[], Mapping[str, Scene]], stamp: bytes
) -> Dataset:
    """The dataset of the pictures of scenes, by image id; `stamp` changes when a picture may have changed.

    `scenes` is called when the first of them is needed.
    """
    pixels = _DrawnImages(root, scenes, stamp)
    return Dataset(Listing(root, "demo", reason, list(image_ids), pixels.annotate), pixels)


class _DrawnImages:
    """A dataset's pixels (a `PixelSource`) and annotations, made from its scenes."""

    def __init__(self, root: str, scenes: Callable[[], Mapping[str, Scene]], stamp: bytes) -> None:
        self._root, self._make_scenes, self._stamp = root, scenes, stamp

    @cached_property
    def _scenes(self) -> Mapping[str, Scene]:
        return self._make_scenes()

    def annotate(self, progress: Progress) -> Annotations:
        labels = glyphs().labels[[scene.glyph for scene in self._scenes.values()]]
        boxes = pd.DataFrame({"image_id": list(self._scenes), "category": labels})
        boxes[BOX_EDGES] = np.array([scene.box for scene in self._scenes.values()], dtype=float)
        return Annotations(labels=labels.tolist(), boxes=boxes[BOX_COLUMNS])

    def header(self, image_id: str) -> Header:
        self._scene(image_id)
        return Header(IMAGE_SIDE, IMAGE_SIDE)

    def read(self, image_id: str) -> np.ndarray:
        scene = self._scene(image_id)
        return draw(scene, background(scene))

    def read_reduced(self, image_id: str, reduction: Reduction) -> ReducedImage:
        return ReducedImage(self.read(image_id), IMAGE_SIDE, IMAGE_SIDE)

    def source(self, image_id: str) -> str:
        return f"{self._root}/{image_id}"

    def stamp(self, image_ids: Sequence[str]) -> bytes:
        return self._stamp

    def _scene(self, image_id: str) -> Scene:
        if image_id not in self._scenes:
            raise UnreadableImageError(f"{self._root} has no image {image_id}")
        return self._scenes[image_id]
