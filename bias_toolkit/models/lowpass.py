"""Insert a low-pass filter at every subsampling layer of a network with the same weights, after Zhang (ICML 2019).

Subsampling keeps every s-th value of a map. Frequencies above the new sampling rate are aliased, and a one-pixel shift
of the input then changes more than the position of the result. Zhang's remedy (Z, section 3) evaluates the layer at
stride 1 and subsamples the result through a binomial filter:

- A max pooling of stride s becomes max pooling at stride 1, then the filter at stride s.
- A convolution of stride s becomes the convolution at stride 1, the normalisation and the activation that follow it,
  then the filter at stride s.
- A convolution without overlapping windows (1 × 1 shortcuts, patch embeddings) and an average pooling get the filter
  before them. They are linear, so filtering before or after them is the same away from the border.

Directly after an overlapping convolution, the filter would be equivalent to a filter on its input, which removes far
more of the signal to which the activation responds. It is put there only if no normalisation or activation follows.
Other differences from Z: an average pooling is kept and filtered, not replaced by the filter. A stride above 2 is not
split into strides of 2, so it needs a larger filter for the same attenuation.

Z trains such networks; here the weights are kept. They were trained on aliased maps, so accuracy falls with the size of
the filter. The rebuilt network shows the effect of the filters alone.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.lowpass_layers import (
    filters_input,
    forward_with_filtered_calls,
    forward_with_filtered_input,
    forward_with_plain_output,
    lacks_filter,
)
from bias_toolkit.models.running import probing_pass
from bias_toolkit.models.strided import OPERATIONS


def low_pass(module: nn.Module, filter_size: int = 3, *, input_size: int = 224) -> nn.Module:
    """Copy a network of images (N, 3, H, W), with a binomial low-pass filter at each of its subsampling layers.

    The layers are found by running the copy once on a square image of `input_size` pixels (`subsampling_layers`). The
    copy has the same layer names, the same state dict, and the same output shape for every input. The given network is
    not changed.

    `filter_size` is the number of the filter's weights along each axis; Z tries 2, 3 and 5. With 1 the copy's outputs
    are identical to the network's, bit for bit. An odd filter is symmetric about the position that the layer samples.
    An even filter is centred half a pixel to the right and below, as in Z. Borders are reflected, or repeated if a map
    is not larger than the filter's reach. An axis along which a layer has stride 1 is not filtered. Raises InputError
    if `filter_size` is not a whole number of at least 1, the network cannot be run on such an image, or (with a filter
    larger than 1) has no subsampling layer.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> subsampling_layers(network, 32)
    ['0']
    >>> filtered = low_pass(network, 3, input_size=32)
    """
    if isinstance(filter_size, bool) or not isinstance(filter_size, int) or filter_size < 1:
        raise InputError(f"The low-pass filter's size must be a whole number of at least 1, not {filter_size!r}.")
    network = copy.deepcopy(module)
    if filter_size == 1:
        return network
    subsampling = _find_subsampling(network, input_size)
    if not subsampling:
        raise InputError(
            "The network has no strided convolution, max pooling or average pooling that lacks a low-pass "
            "filter; take a network that has one, or filter size 1."
        )
    for name, operations in subsampling.items():
        layer = network.get_submodule(name)
        if filters_input(layer):
            layer.forward = partial(forward_with_filtered_input, layer, filter_size)
        else:
            layer.forward = partial(forward_with_filtered_calls, layer, filter_size, operations)
    network.forward = partial(
        forward_with_plain_output, vars(network).get("forward", partial(type(network).forward, network))
    )
    return network


def subsampling_layers(module: nn.Module, input_size: int = 224) -> list[str]:
    """Names of the layers that `low_pass` filters, in the order in which they run.

    These are the modules that, in evaluation mode on an image of `input_size` pixels, directly call a two-dimensional
    convolution, max pooling or average pooling with a stride above 1. A module may be a layer (`torch.nn.Conv2d`) or a
    block that calls the function. The network itself has the name "". A patch embedding (a convolution whose stride is
    its kernel size, as in ConvNeXt and vision transformers) counts like any other convolution.

    Not counted: pooling over the whole map, adaptive pooling, max pooling that also returns indices, a convolution with
    one fixed averaging kernel for all channels (an existing low-pass filter), slicing with a step, interpolation, and
    rearranging pixels into channels, which loses nothing. Raises InputError if the network cannot be run on an image of
    `input_size`.
    """
    return list(_find_subsampling(module, input_size))


def _find_subsampling(module: nn.Module, input_size: int) -> dict[str, set[str]]:
    """Names of the modules that subsample, each with its subsampling operations, from one forward pass."""
    subsampling: dict[str, set[str]] = {}
    with probing_pass(module, input_size) as (running, run), _SubsamplingCalls() as calls:
        calls.record = lambda operation: subsampling.setdefault(running[-1], set()).add(operation)
        run()
    return subsampling


class _SubsamplingCalls(TorchFunctionMode):
    """Records each operation that subsamples, when it is called."""

    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in OPERATIONS and lacks_filter(func, *args, **kwargs):
            self.record(OPERATIONS[func])
        return func(*args, **kwargs)
