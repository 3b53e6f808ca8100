"""Every setting of a study except its two datasets and its model: default, bounds, option and help, each once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from bias_toolkit.foundation.choices import (
    ALL_FIGURES,
    DEEP_GREYS,
    EXTRA_FORMATS,
    FEATURE_DTYPES,
    FIGURES,
    FIRST_FIGURES,
    METRICS,
    OUTPUTS,
    PRECISIONS,
    RUNTIMES,
)
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.memory import memory_bytes

INTERVAL_RULE = 3
"""The version of `foundation.intervals`, to be raised when it gives other intervals; steps that use it have it in
their keys."""

INPUTS = "What is studied"
FEATURES = "Features and distance"
VIEWS = "Views and sweeps"
REFRAMING = "Position, scale and size"
LAYERS = "Layers"
TRAINING = "Training"
STATISTICS = "Statistics"
PAGES = "Pages"
MACHINE = "Machine"

SPLITS = ("train", "test")
TRAININGS = ON_TRAIN, ON_OTHER = ("train", "other")
SETTINGS_OF = {
    "pictured_splits": (),
    "splits": (*(f"{split}_{what}" for split in SPLITS for what in ("layout", "folder", "sample")), "deep_grey"),
    "model": ("weights", "weights_key", "outputs", "trained_on", "feature", "device", "runtime", "batch_size"),
    "label_map": ("label_map",),
    "imagenet_x": ("imagenet_x",),
    "sweeps": ("protocols", "transforms", "sizes", "fill", "sampling", "draws", "seed"),
    "noise_sweep": (),
    "why_not_estimated": (),
    "size_sweeps": (),
    "remedy_runs": (),
    "training_arms": ("train_epochs",),
    "surroundings": ("map_surroundings",),
}
"""The settings that say what an input is, or which members a step has that goes over it."""
GO_WITH = {
    "train": ("train_layout", "train_folder", "train_sample", "trained_on"),
    "test": ("test_layout", "test_folder", "test_sample", "label_map", "imagenet_x"),
    "model": ("weights", "weights_key", "outputs", "trained_on", "feature"),
}
"""Settings that belong to an input, and are forgotten when it is named anew."""

QUICK = {
    "train_sample": 2000,
    "test_sample": 200,
    "resamples": 300,
    "permutations": 300,
    "placements": 100,
    "noise_images": 64,
    "figures": FIRST_FIGURES,
}
"""The settings of a first answer, `report --quick`."""

BATCH_OF_TRAINING = 32
"""Images in a step of a training."""
MOST_EPOCHS = 10_000
MOST_VIEWS = 1024
"""Of a forward pass. A shard has no more images, and OpenVINO would fill up every batch to the size asked for."""
MOST_RESAMPLES = 1_000_000
MOST_IMAGES = 10**8
LONGEST_TEXT = 4096
LONGEST_LIST = 1000


@dataclass(frozen=True)
class Option:
    """The properties of a setting besides its default.

    Parameters
    ----------
    kind : type
        str, int or float; the type of each item if there are several.
    help : str
        One sentence for the command line and the documentation. `{protocols}`, `{transforms}`, `{fills}`,
        `{samplings}`, `{surroundings}` and `{layouts}` stand for the names that the toolkit has.
    panel : str
        The option's group.
    flag : str
        The option's name if it differs from the setting's.
    metavar : str, optional
    choices : sequence of str
        The allowed values; empty if all values are allowed.
    least, most : number, optional
        Bounds of a number, both inclusive.
    several : bool
        Whether it takes several values.
    """

    kind: type
    help: str
    panel: str
    flag: str = ""
    metavar: str | None = None
    choices: Sequence[str] = ()
    least: float | None = None
    most: float | None = None
    several: bool = False


def _setting(default: Any, kind: type, help: str, panel: str, **more: Any) -> Any:
    return dataclasses.field(default=default, metadata={"option": Option(kind, help, panel, **more)})


def _count(default: int | None, help: str, panel: str, least: int = 1, most: int = MOST_IMAGES, **more: Any) -> Any:
    return _setting(default, int, help, panel, least=least, most=most, **more)


@dataclass(frozen=True)
class Settings:
    """The settings of a study, with the defaults of the command line.

    Each field is described in its `Option`, which `bias-toolkit COMMAND --help` and the documentation show, and
    `option_of` returns. Raises InputError if a value has another type than its option's, is not among the choices, or
    is out of bounds.
    """

    train_layout: str | None = _setting(None, str, "Layout of the training set alone.", INPUTS, metavar="NAME")
    test_layout: str | None = _setting(None, str, "Layout of the test set alone.", INPUTS, metavar="NAME")
    train_folder: str | None = _setting(
        None, str, "Folder of the training images, if it is not found near their annotations.", INPUTS, metavar="FOLDER"
    )
    test_folder: str | None = _setting(
        None, str, "Folder of the test images, if it is not found near their annotations.", INPUTS, metavar="FOLDER"
    )
    deep_grey: str | None = _setting(
        None,
        str,
        "How greyscale of more than 8 bits is scaled: full (by its full range, the default) or maximum (each image by "
        "its own largest value, for 12-bit data in 16-bit files).",
        INPUTS,
        choices=DEEP_GREYS,
    )
    train_sample: int | None = _count(
        None,
        "Use only N training images, drawn at random; 0 for all. Naming --train again forgets it.",
        INPUTS,
        0,
        metavar="N",
    )
    test_sample: int | None = _count(
        None,
        "Use only N test images, drawn at random; 0 for all. Naming --test again forgets it.",
        INPUTS,
        0,
        metavar="N",
    )
    weights: str | None = _setting(
        None,
        str,
        "The model's weights: a state dict or safetensors file. Naming --model again forgets it.",
        INPUTS,
        metavar="FILE",
    )
    weights_key: str | None = _setting(
        None,
        str,
        "Which weights of a file that has several: their name in it, such as model_ema. Naming --model again forgets "
        "it.",
        INPUTS,
        metavar="NAME",
    )
    outputs: str | None = _setting(
        None,
        str,
        "What the model's outputs are: logits, probabilities that sum to 1, or independent probabilities, as of a "
        "sigmoid; by default recognised. Naming --model again forgets it.",
        INPUTS,
        choices=OUTPUTS,
    )
    trained_on: str | None = _setting(
        None,
        str,
        "What the model was trained on: train (the study's training set) or other. By default known for the demo's "
        "networks. Naming --train or --model again forgets it.",
        INPUTS,
        choices=TRAININGS,
    )
    label_map: str | None = _setting(
        None,
        str,
        "Which model class each label is: a CSV table (label,class) or JSON. Naming --test again forgets it.",
        INPUTS,
        metavar="FILE",
    )
    imagenet_x: str | None = _setting(
        None,
        str,
        "Annotations of ImageNet-X, for test images with ImageNet's file names; by default those of the package "
        "imagenet-x where it is installed. Naming --test again forgets it.",
        INPUTS,
        metavar="PATH",
    )
    boxes: str = _setting(
        "auto",
        str,
        "Which object boxes are used: given (the dataset's own), estimated (by the model), or auto (given if the set "
        "has any, else estimated).",
        INPUTS,
        choices=("auto", "given", "estimated"),
    )
    feature: str | None = _setting(
        None,
        str,
        "The layer whose output is the feature; by default the penultimate one. Naming --model again forgets it.",
        FEATURES,
        metavar="LAYER",
    )
    metric: str = _setting("euclidean", str, "Distance between features.", FEATURES, choices=METRICS)
    index: str = _setting(
        "exact",
        str,
        "exact, or a Faiss factory string for approximate search, whose error is then measured: "
        "HNSW32, 'IVF1024,Flat nprobe=64'.",
        FEATURES,
        metavar="FACTORY",
    )
    neighbours: int = _count(
        10,
        "How many nearest training images are kept. knn_distance is always the mean over 10.",
        FEATURES,
        metavar="K",
        most=10_000,
    )
    feature_size: float = _setting(
        1.0,
        float,
        "Share of the image's area from which the feature is computed, as --size of crop.",
        FEATURES,
        least=0,
        most=1,
    )
    feature_dtype: str = _setting("float32", str, "Precision of the stored features.", FEATURES, choices=FEATURE_DTYPES)
    feature_precision: str = _setting(
        "float32",
        str,
        "Precision of the forward passes that give features. Sweeps are always in float32.",
        FEATURES,
        choices=PRECISIONS,
    )
    protocols: tuple[str, ...] = _setting(
        ("crop",),
        str,
        "How views are made: {protocols}. crop: a window slides over the image; embed: the image moves over "
        "a canvas; offsets: pairs of random windows; frames: consecutive frames of a clip.",
        VIEWS,
        flag="--protocol",
        several=True,
    )
    transforms: tuple[str, ...] = _setting(
        (),
        str,
        "The direction of a step: {transforms}; by default the first. With scale, the image grows.",
        VIEWS,
        flag="--transform",
        several=True,
    )
    sizes: tuple[float, ...] = _setting(
        (),
        float,
        "View size. Up to 1: share of the image's area (crop, default 1). Above 1: canvas side over image side (embed, "
        "default 2).",
        VIEWS,
        flag="--size",
        several=True,
    )
    fill: str = _setting("mean", str, "What fills the canvas of embed: {fills}.", VIEWS)
    sampling: str = _setting("centre", str, "Where in the image crop takes its window: {samplings}.", VIEWS)
    draws: int = _count(8, "How many pairs of views of each image offsets compares.", VIEWS, most=10_000)
    precision: float | None = _setting(
        None,
        float,
        "Measure images in random order, and stop once P(top-1 change) is known to ±P at 95%, such as 0.005; 0 for "
        "all images.",
        VIEWS,
        metavar="P",
    )
    bins: int = _count(
        10,
        "Bins of the distance curve; fewer if they would hold under 20 images.",
        STATISTICS,
        least=2,
        most=10_000,
    )
    map_images: int = _count(100, "How many test images the map shows.", REFRAMING, 2, flag="--images", metavar="N")
    map_positions: tuple[float, ...] = _setting(
        (),
        float,
        "Where to put the object's centre, across and down, as a fraction of the view (default 0.25, 0.5, 0.75).",
        REFRAMING,
        flag="--position",
        several=True,
    )
    map_scales: tuple[float, ...] = _setting(
        (),
        float,
        "How large to show the object: the square root of the share of the view that its box covers (default 0.15, "
        "0.2, 0.27, 0.36, 0.48, 0.64, 0.8).",
        REFRAMING,
        flag="--scale",
        several=True,
    )
    map_surroundings: tuple[str, ...] = _setting(
        (),
        str,
        "What is beyond the image's border: {surroundings} (default all). With real, views stay inside the image.",
        REFRAMING,
        flag="--surroundings",
        several=True,
    )
    size_images: int = _count(
        200, "How many test images are shown at each view size.", REFRAMING, 2, flag="--images", metavar="N"
    )
    layer_images: int = _count(
        200, "How many test images the layers are measured on.", LAYERS, 2, flag="--images", metavar="N"
    )
    remedy_images: int = _count(
        200, "How many test images each remedy is tried on.", REFRAMING, 2, flag="--images", metavar="N"
    )
    train_epochs: int | None = _count(
        None,
        "Also train the model further on the training set, N epochs in each of four arms: with more augmentation, with "
        "low-pass filters, with both, and with neither. 0 for no training.",
        TRAINING,
        0,
        MOST_EPOCHS,
        metavar="N",
    )
    train_images: int | None = _count(
        None, "How many training images, drawn at random, are trained on; by default all.", TRAINING, 2, metavar="N"
    )
    train_rate: float = _setting(
        1e-4, float, "The learning rate at the start; it falls to 0 along a cosine.", TRAINING, least=0, most=10
    )
    share_flagged: float = _setting(
        0.2,
        float,
        "The share of images to flag: the threshold is set so that this share of the test images is above it.",
        STATISTICS,
        least=0,
        most=1,
    )
    resamples: int = _count(2000, "Resamples of each bootstrap interval.", STATISTICS, 100, MOST_RESAMPLES)
    permutations: int = _count(2000, "Permutations of each test of a correlation.", STATISTICS, 100, MOST_RESAMPLES)
    placements: int = _count(
        1000,
        "How often the boxes are placed at random, for the comparison of positions with chance.",
        STATISTICS,
        100,
        MOST_RESAMPLES,
    )
    noise_images: int = _count(
        512, "How many test images measure the noise floor: how often rounding alone changes the class.", STATISTICS
    )
    figure_formats: tuple[str, ...] = _setting(
        (),
        str,
        "Also write the report's figures as png or pdf. The page itself shows SVG.",
        PAGES,
        choices=EXTRA_FORMATS,
        several=True,
    )
    figures: str = _setting(
        ALL_FIGURES,
        str,
        "Which figures the report draws: all, or first (those of its first screen, and no mean images).",
        PAGES,
        choices=FIGURES,
    )
    batch_size: int | None = _count(
        None, "Views in one forward pass; by default the runtime's choice.", MACHINE, most=MOST_VIEWS
    )
    runtime: str = _setting(
        "auto",
        str,
        "What runs the model: torch, openvino (on Intel and AMD CPUs) or auto (torch on CUDA, openvino on such a CPU "
        "if it is installed, else torch). Results differ by rounding only, and existing ones are kept.",
        MACHINE,
        choices=RUNTIMES,
    )
    device: str = _setting(
        "auto",
        str,
        "Where the model runs: auto, cpu, cuda or mps (untried). Results differ by rounding only, and existing ones "
        "are kept.",
        MACHINE,
    )
    memory: str = _setting(
        "auto",
        str,
        "Memory limit of exact search, such as 4GB; auto is half of the free memory. It changes no result.",
        MACHINE,
        metavar="SIZE",
    )
    seed: int = _count(0, "Seed of every random draw.", STATISTICS, 0, 2**32 - 1)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, option = getattr(self, field.name), field.metadata["option"]
            if value is None and field.default is None:
                continue
            checked = _checked(value, option, flag_of(field.name))
            object.__setattr__(self, field.name, checked)
        if self.precision is not None and not 0 <= self.precision < 0.5:
            raise InputError(
                f"--precision is {self.precision:g}, but must be above 0 and below 0.5, such as 0.005 for half a "
                "percentage point; or 0, for all test images."
            )
        for name in ("precision", "train_sample", "test_sample"):
            object.__setattr__(self, name, getattr(self, name) or None)
        index = " ".join(self.index.split())
        object.__setattr__(self, "index", "exact" if index.lower() in ("", "exact", "flat") else index)
        memory_bytes(self.memory)
        if not 0 < self.feature_size <= 1:
            raise InputError(f"--feature-size is {self.feature_size:g}, but must be above 0 and at most 1.")
        if not 0 < self.share_flagged < 1:
            raise InputError(f"--share-flagged is {self.share_flagged:g}, but must be above 0 and below 1.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from the result of `to_dict`; InputError for names that this version does not know."""
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InputError(f"Unknown setting {unknown[0]!r}; the settings are {', '.join(sorted(known))}.")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @property
    def of_first_answer(self) -> Settings:
        """These settings with those of `QUICK`; what takes less time already stays."""
        return self.replace(
            {
                name: min(value, getattr(self, name) or value) if isinstance(value, int) else value
                for name, value in QUICK.items()
            }
        )

    def replace(self, changes: Mapping[str, Any]) -> Settings:
        """The same settings with some changed; a change to None keeps the present value."""
        return self.from_dict(self.to_dict() | {name: value for name, value in changes.items() if value is not None})


def option_of(name: str) -> Option:
    """The option of a setting, by the setting's name."""
    return Settings.__dataclass_fields__[name].metadata["option"]


def flag_of(name: str) -> str:
    """The command-line option of a setting."""
    return option_of(name).flag or f"--{name.replace('_', '-')}"


def _checked(value: Any, option: Option, flag: str) -> Any:
    """The value of a setting, or its values as a tuple; InputError if it is not valid."""
    if not option.several:
        return _checked_item(value, option, flag)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InputError(f"{flag} is {str(value)[:80]!r}, but must be a list.")
    if len(value) > LONGEST_LIST:
        raise InputError(f"{flag} has {len(value):,} values, but may have at most {LONGEST_LIST:,}.")
    return tuple(_checked_item(item, option, flag) for item in value)


def _checked_item(value: Any, option: Option, flag: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, {str: str, int: Integral, float: Real}[option.kind]):
        kind = {str: "a text", int: "a whole number", float: "a number"}[option.kind]
        raise InputError(f"{flag} is {str(value)[:80]!r}, but must be {kind}.")
    if option.kind is str:
        if len(value) > LONGEST_TEXT:
            raise InputError(f"{flag} has {len(value):,} characters, but may have at most {LONGEST_TEXT:,}.")
        if option.choices and value not in option.choices:
            raise InputError(f"{flag} is {value!r}, but must be one of {', '.join(option.choices)}.")
        return value
    if option.least is not None and value < option.least:
        raise InputError(f"{flag} is {value:,}, but must be at least {option.least:,}.")
    if option.most is not None and value > option.most:
        raise InputError(f"{flag} is {value:,}, but must be at most {option.most:,}.")
    if option.kind is float and not option.several and math.isinf(value):
        raise InputError(f"{flag} is {value:g}, but must be a finite number.")
    return option.kind(value)
