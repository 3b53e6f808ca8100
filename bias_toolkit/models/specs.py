"""What a model is called, and whether its name is that of code. Knows no torch, so that asking costs nothing."""

NAMED_MODELS = ("efficientnet-lite0", "demo", "demo:fully-connected", "demo:global-pooling")
LIBRARIES = ("demo", "torchvision", "timm")
OTHER_MODELS = "torchvision:NAME, timm:NAME or package.module:factory"


def split_spec(spec: str) -> tuple[str, str]:
    """A model's library or module, and its name there: `timm:resnet18` is `("timm", "resnet18")`."""
    kind, _, name = spec.partition(":")
    return kind, name


def names_code(spec: str) -> bool:
    """Whether loading a model would import and run a module that is not this toolkit's or its libraries'.

    That is a factory, `package.module:factory`. One that a study from someone else names may be any code that can be
    imported, so it is to be loaded only where the user named it.
    """
    kind, name = split_spec(spec)
    return bool(name) and kind not in LIBRARIES
