"""The options that every command on a study shares, defined once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

INPUTS = "What is studied"
FEATURES = "Features and distance"
VIEWS = "Views and sweeps"
STATISTICS = "Statistics"
MACHINE = "Machine"


def _study_options(
    train: Annotated[
        str | None,
        typer.Option(metavar="PATH", rich_help_panel=INPUTS, help="Training images: a folder or annotation file."),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(metavar="PATH", rich_help_panel=INPUTS, help="Test images: a folder or annotation file."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            rich_help_panel=INPUTS,
            help="efficientnet-lite0, demo, torchvision:NAME, timm:NAME or package.module:factory.",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=INPUTS,
            help="Layout of both datasets, where it is not recognised: images, class-folders, tiny-imagenet, imagenet, "
            "coco, voc or table.",
        ),
    ] = None,
    train_layout: Annotated[
        str | None, typer.Option(metavar="NAME", rich_help_panel=INPUTS, help="Layout of the training set alone.")
    ] = None,
    test_layout: Annotated[
        str | None, typer.Option(metavar="NAME", rich_help_panel=INPUTS, help="Layout of the test set alone.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=INPUTS,
            help="State dict or safetensors for the model; kept until --model is named again.",
        ),
    ] = None,
    label_map: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=INPUTS,
            help="CSV (label,class) or JSON: dataset labels to model classes; kept until --test is named again.",
        ),
    ] = None,
    imagenet_x: Annotated[
        str | None,
        typer.Option(
            "--imagenet-x",
            metavar="PATH",
            rich_help_panel=INPUTS,
            help="Annotations of ImageNet-X, for test images with ImageNet's file names; by default those of the "
            "package imagenet-x where it is installed. Kept until --test is named again.",
        ),
    ] = None,
    boxes: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=INPUTS,
            help="Boxes of the objects: given, the dataset's own; estimated, located by the model; auto (default), "
            "given where the dataset has any, estimated otherwise.",
        ),
    ] = None,
    feature: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER",
            rich_help_panel=FEATURES,
            help="Layer of the feature; by default the penultimate one. Kept until --model is named again.",
        ),
    ] = None,
    metric: Annotated[str | None, typer.Option(rich_help_panel=FEATURES, help="euclidean (default) or cosine.")] = None,
    index: Annotated[
        str | None,
        typer.Option(
            metavar="FACTORY",
            rich_help_panel=FEATURES,
            help="exact (default), or a Faiss factory string for an approximate search, the quality of which is then "
            "measured: IVF1024,Flat, HNSW32, 'IVF1024,Flat nprobe=64'.",
        ),
    ] = None,
    neighbours: Annotated[
        int | None,
        typer.Option(metavar="K", rich_help_panel=FEATURES, help="Nearest training images kept (default 10)."),
    ] = None,
    feature_size: Annotated[
        float | None,
        typer.Option(rich_help_panel=FEATURES, help="Size of the crop that is embedded (default 1)."),
    ] = None,
    feature_dtype: Annotated[
        str | None,
        typer.Option(rich_help_panel=FEATURES, help="Precision of stored features: float32 (default) or float16."),
    ] = None,
    feature_precision: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=FEATURES,
            help="Precision of the passes that give features: float32 (default), bfloat16 or float16.",
        ),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=VIEWS, help="crop (default), embed or offsets; give it several times for several."
        ),
    ] = None,
    transform: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=VIEWS,
            help="diagonal (default), horizontal, vertical, or scale (embed); several allowed.",
        ),
    ] = None,
    size: Annotated[
        list[float] | None,
        typer.Option(
            rich_help_panel=VIEWS,
            help="View size: up to 1 the area fraction of crop (default 1), above 1 the shrinking factor of embed "
            "(default 2); several allowed.",
        ),
    ] = None,
    fill: Annotated[
        str | None,
        typer.Option(rich_help_panel=VIEWS, help="Canvas of embed: mean (default), black or inpaint."),
    ] = None,
    sampling: Annotated[
        str | None, typer.Option(rich_help_panel=VIEWS, help="Window of crop: centre (default) or random.")
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(rich_help_panel=VIEWS, help="Pairs of views an image under offsets (default 8)."),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            rich_help_panel=VIEWS,
            help="Stop each sweep once P(top-1 change) is known to ±P at 95%, such as 0.005, on images in random order "
            "(default 0: all images).",
        ),
    ] = None,
    bins: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=STATISTICS,
            help="Bins of the distance curve (default 10; fewer where they would hold under 20 images).",
        ),
    ] = None,
    resamples: Annotated[
        int | None, typer.Option(rich_help_panel=STATISTICS, help="Bootstrap resamples (default 2000).")
    ] = None,
    permutations: Annotated[
        int | None,
        typer.Option(rich_help_panel=STATISTICS, help="Permutations of a correlation test (default 2000)."),
    ] = None,
    placements: Annotated[
        int | None,
        typer.Option(rich_help_panel=STATISTICS, help="Placements of the boxes under the null model (default 1000)."),
    ] = None,
    noise_images: Annotated[
        int | None,
        typer.Option(rich_help_panel=STATISTICS, help="Test images that measure the noise floor (default 64)."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(rich_help_panel=STATISTICS, help="Seed of every random draw (default 0).")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(rich_help_panel=MACHINE, help="Views in one forward pass (default: the runtime's choice)."),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=MACHINE,
            help="What executes the model: torch; openvino, on Intel and AMD CPUs; auto (default): torch on CUDA, "
            "openvino on such a CPU where it is installed, torch otherwise. Results differ by rounding only.",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(rich_help_panel=MACHINE, help="auto (default), cpu or cuda.")] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            rich_help_panel=MACHINE,
            help="Memory that exact search may hold, e.g. 4GB; auto (default) is half of what is available.",
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Holds the shared options' signature."""


def takes_study_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the shared options, gathered into its parameter `options` (a dict by name)."""
    shared = inspect.signature(_study_options, eval_str=True).parameters
    own = {
        name: parameter
        for name, parameter in inspect.signature(command, eval_str=True).parameters.items()
        if name != "options"
    }

    @functools.wraps(command)
    def gathered(**values: Any) -> None:
        options = {name: values[name] for name in shared}
        command(**{name: values[name] for name in own}, options=options)

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in [*own.values(), *shared.values()]
    ]
    gathered.__signature__ = inspect.Signature(parameters)
    gathered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del gathered.__wrapped__
    return gathered


def open_study(folder: str, options: dict[str, Any]):
    """The study in `folder` with the options that were given; the others keep what the study already has."""
    from bias_toolkit.study import Study

    layouts = {name: options[name] or options["layout"] for name in ("train_layout", "test_layout")}
    several = {"protocol": "protocols", "transform": "transforms", "size": "sizes"}
    settings = {
        several.get(name, name): value
        for name, value in (options | layouts).items()
        if name not in ("train", "test", "model", "layout", "json_output") and value not in (None, [])
    }
    return Study(folder, options["train"], options["test"], options["model"], **settings)
