"""Every setting of a study besides its two datasets and its model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.memory import memory_bytes

METRICS = ("euclidean", "cosine")
FEATURE_DTYPES = ("float32", "float16")
FEATURE_PRECISIONS = ("float32", "bfloat16", "float16")
RUNTIMES = ("auto", "torch", "openvino")
BOXES = ("auto", "given", "estimated")
MOST_VIEWS = 1024
"""Of a forward pass; a shard has no more images, and OpenVINO would fill up every batch to the size asked for."""
OPTIONS = {"map_images": "images", "size_images": "images"}
"""Settings whose option has another name, being of one command alone."""


@dataclass(frozen=True)
class Settings:
    """The settings of a study, with the defaults of the command line.

    Parameters
    ----------
    train_layout, test_layout : str, optional
        Layout of the two datasets; recognised from the folder when None.
    weights : str, optional
        File of weights for a `torchvision:` or `timm:` model; its own pretrained weights when None.
    feature : str, optional
        Name of the layer whose output is the feature; the penultimate activation when None.
    label_map : str, optional
        CSV or JSON file that maps dataset labels to model classes.
    imagenet_x : str, optional
        File or folder of ImageNet-X's annotations; those of the package imagenet-x, where it is installed, when None.
    boxes : {"auto", "given", "estimated"}
        Which boxes the framing is of: the dataset's own, or those that the model locates. "auto" takes a dataset's own
        where it has any, and locates otherwise.
    metric : {"euclidean", "cosine"}
        Distance between features.
    index : str
        How the nearest training images are searched: "exact", or a Faiss factory string for an approximate index, after
        a space its search parameters (IVF1024,Flat nprobe=64).
    memory : str
        What exact search may hold in memory, e.g. 4GB; "auto" for half of what is available. It changes no result.
    neighbours : int
        How many nearest training images are kept. k of knn_distance is always 10.
    feature_size : float
        Size of the crop whose centre view is embedded, for training and test images alike.
    feature_dtype : {"float32", "float16"}
        Precision of the stored features.
    feature_precision : {"float32", "bfloat16", "float16"}
        Precision of the forward passes that give the features. Sweeps are always in float32.
    protocols : tuple of {"crop", "embed", "offsets"}
        How views are made.
    transforms : tuple of {"diagonal", "horizontal", "vertical", "scale"}
        How the view moves from one step to the next. Empty for the protocols' defaults: diagonal.
    sizes : tuple of float
        View sizes; up to 1 for crop and above 1 for embed. Empty for the protocols' defaults.
    fill : {"mean", "black", "inpaint"}
        What the embed canvas holds around the image.
    sampling : {"centre", "random"}
        Where crop takes its window.
    draws : int
        Pairs of views an image under offsets.
    precision : float, optional
        Half-width of the 95% interval of P(top-1 change) at which a sweep stops, its images taken in random order. None
        or 0 for all test images.
    bins : int
        Quantile bins of the distance curve.
    map_images, size_images : int
        Test images that are shown in the cells of the framing map, and at the sizes of the size curve.
    map_positions, map_scales : tuple of float
        Of the framing map: where the object's centre is put, as a fraction of the view, and how large it is shown.
        Empty for the defaults.
    map_surroundings : tuple of {"mean", "black", "inpaint", "real"}
        What the framing map shows around the objects. Empty for all of them.
    resamples, permutations, placements : int
        Bootstrap resamples, permutations of a correlation test, and placements of the boxes under the null model.
    noise_images : int
        Test images on which the noise floor is measured.
    batch_size : int, optional
        Views in one forward pass; the runtime's choice when None.
    runtime : {"auto", "torch", "openvino"}
        What executes the model. It changes results by rounding only and is no reason to compute again.
    device : {"auto", "cpu", "cuda"}
        Where the model runs. It changes results by rounding only and is no reason to compute again.
    seed : int
        Seed of every random draw.
    """

    train_layout: str | None = None
    test_layout: str | None = None
    weights: str | None = None
    feature: str | None = None
    label_map: str | None = None
    imagenet_x: str | None = None
    boxes: str = "auto"
    metric: str = "euclidean"
    index: str = "exact"
    memory: str = "auto"
    neighbours: int = 10
    feature_size: float = 1.0
    feature_dtype: str = "float32"
    feature_precision: str = "float32"
    protocols: tuple[str, ...] = ("crop",)
    transforms: tuple[str, ...] = ()
    sizes: tuple[float, ...] = ()
    fill: str = "mean"
    sampling: str = "centre"
    draws: int = 8
    precision: float | None = None
    bins: int = 10
    map_images: int = 100
    map_positions: tuple[float, ...] = ()
    map_scales: tuple[float, ...] = ()
    map_surroundings: tuple[str, ...] = ()
    size_images: int = 200
    resamples: int = 2000
    permutations: int = 2000
    placements: int = 1000
    noise_images: int = 64
    batch_size: int | None = None
    runtime: str = "auto"
    device: str = "auto"
    seed: int = 0

    def __post_init__(self):
        for name in ("protocols", "transforms", "sizes", "map_positions", "map_scales", "map_surroundings"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, allowed in (
            ("boxes", BOXES),
            ("metric", METRICS),
            ("feature_dtype", FEATURE_DTYPES),
            ("feature_precision", FEATURE_PRECISIONS),
            ("runtime", RUNTIMES),
        ):
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"--{name.replace('_', '-')} is {getattr(self, name)!r}, but must be one of {', '.join(allowed)}."
                )
        for name, least in (
            ("neighbours", 1),
            ("draws", 1),
            ("bins", 2),
            ("map_images", 2),
            ("size_images", 2),
            ("resamples", 100),
            ("permutations", 100),
            ("placements", 100),
            ("noise_images", 1),
            ("batch_size", 1),
            ("seed", 0),
        ):
            if getattr(self, name) is not None and getattr(self, name) < least:
                option = OPTIONS.get(name, name.replace("_", "-"))
                raise InputError(f"--{option} is {getattr(self, name)}, but must be at least {least}.")
        if self.batch_size is not None and self.batch_size > MOST_VIEWS:
            raise InputError(f"--batch-size is {self.batch_size:,}, but must be at most {MOST_VIEWS:,}.")
        if self.precision is not None and not 0 <= self.precision < 0.5:
            raise InputError(
                f"--precision is {self.precision:g}, but must be above 0 and below 0.5, such as 0.005 for half a "
                "percentage point; or 0, for all test images."
            )
        object.__setattr__(self, "precision", self.precision or None)
        index = " ".join(self.index.split())
        object.__setattr__(self, "index", "exact" if index.lower() in ("", "exact", "flat") else index)
        memory_bytes(self.memory)
        if not 0 < self.feature_size <= 1:
            raise InputError(f"--feature-size is {self.feature_size:g}, but must be above 0 and at most 1.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from what `to_dict` gave; names that this version does not know are an InputError."""
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InputError(f"Unknown setting {unknown[0]!r}; the settings are {', '.join(sorted(known))}.")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()
        }

    def replace(self, changes: Mapping[str, Any]) -> Settings:
        """The same settings with some changed; a change to None keeps the present value."""
        return self.from_dict(self.to_dict() | {name: value for name, value in changes.items() if value is not None})
