"""Model names, and whether a name refers to code. It does not import torch, so it is fast."""

from itertools import product

from bias_toolkit.models.training.arms import ARMS

EFFICIENTNET_LITES = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
DEMO_SEEDS = (0, 1, 2)
ARM_NETWORKS = ("fully-connected", "global-pooling")
"""The demo's networks that were also trained from scratch in every arm, with each of these seeds."""


def demo_arm(network: str, arm: str, seed: int) -> str:
    """The name of one of `ARM_NETWORKS`, trained from scratch in an arm: `global-pooling-augmented-1`; without 0."""
    return f"{network}-{arm}-{seed}" if seed else f"{network}-{arm}"


SUGGESTED_MODELS = (
    *(*EFFICIENTNET_LITES, "demo", "demo:fully-connected", "demo:global-pooling"),
    *("demo:fully-connected-uniform", "demo:global-pooling-uniform"),
)
NAMED_MODELS = (
    *SUGGESTED_MODELS,
    *(f"demo:{demo_arm(network, arm.name, seed)}" for network, arm, seed in product(ARM_NETWORKS, ARMS, DEMO_SEEDS)),
)
LIBRARIES = ("demo", "torchvision", "timm")
OTHER_MODELS = "torchvision:NAME, timm:NAME or package.module:factory"
IMAGENET_CLASSES = 1000
VARIED = "-uniform"
"""The ending of the names of the demo's control networks, and of the dataset on which they are trained."""


def demo_training_set(spec: str) -> str:
    """The dataset on which one of the demo's networks was trained."""
    return f"demo:train{VARIED}" if spec.endswith(VARIED) else "demo:train"


def split_spec(spec: str) -> tuple[str, str]:
    """A model's library or module, and its name there: `timm:resnet18` is `("timm", "resnet18")`."""
    kind, _, name = spec.partition(":")
    return kind, name


def has_published_weights(spec: str) -> bool:
    """Whether a model is loaded, without a file of weights, with those that the toolkit or its libraries publish."""
    return spec in NAMED_MODELS or split_spec(spec)[0] in ("torchvision", "timm")


def published_training_set(spec: str, n_classes: int) -> str | None:
    """The dataset on which the published weights of a model were last trained; None if it is not known."""
    if split_spec(spec)[0] == "demo":
        return demo_training_set(spec)
    return "ImageNet" if has_published_weights(spec) and n_classes == IMAGENET_CLASSES else None


def names_code(spec: str) -> bool:
    """Whether loading a model would import and run a module that is not part of this toolkit or its libraries.

    Such a name is a factory, `package.module:factory`. In a study from someone else, it may refer to any importable
    code, so it must be loaded only if the user named it.
    """
    kind, name = split_spec(spec)
    return bool(name) and kind not in LIBRARIES


def name_of(network: object) -> str:
    """The name of a network or a function from memory: its attribute `name`, else a function's own or its class's."""
    name = getattr(network, "name", None)
    return name if isinstance(name, str) else getattr(network, "__qualname__", type(network).__name__)
