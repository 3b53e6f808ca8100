"""A new head for a network whose classes are not those of the training set."""

import torch
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.feature_layer import network_logits


def with_new_head(module: nn.Module, n_classes: int, input_size: int, seed: int) -> None:
    """Replace the last layer of a network, in place, by one for other classes, with random weights.

    The last layer is the linear layer or the 1 × 1 convolution that runs last and has one output per class. Torch's
    global random state is not changed. Raises InputError if there is no such layer.
    """
    names: list[str] = []
    kinds = (nn.Linear, nn.Conv2d)
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output, name=name: names.append(name))
        for name, layer in module.named_modules()
        if isinstance(layer, kinds)
    ]
    weight = next(module.parameters())
    try:
        with torch.no_grad():
            shape = (2, 3, input_size, input_size)
            logits = network_logits(module(torch.zeros(shape, device=weight.device, dtype=weight.dtype)))
    finally:
        for hook in hooks:
            hook.remove()
    last = module.get_submodule(names[-1]) if names and names[-1] else None
    width = getattr(last, "out_features", getattr(last, "out_channels", None))
    if width != logits.shape[1]:
        raise InputError("The network does not end in a linear layer, so it can get no new head for these classes.")
    parent, _, own = names[-1].rpartition(".")
    setattr(module.get_submodule(parent), own, _like(last, n_classes, seed, weight))


def _like(layer: nn.Linear | nn.Conv2d, n_classes: int, seed: int, weight: Tensor) -> nn.Module:
    """A layer of the same kind with other outputs; small weights, so that all classes begin nearly equal."""
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        head: nn.Module = nn.Linear(layer.in_features, n_classes, bias)
    else:
        head = nn.Conv2d(layer.in_channels, n_classes, layer.kernel_size, bias=bias)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head.weight.copy_(0.01 * torch.randn(head.weight.shape, generator=generator))
        if bias:
            head.bias.zero_()
    return head.to(weight)
