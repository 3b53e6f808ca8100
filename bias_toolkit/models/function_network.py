"""A classifier that is any function of a batch of images, as a network that the toolkit can run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError

FEATURE = "feature"
"""The name of the layer whose output is the feature."""


class FunctionNetwork(nn.Module):
    """Calls a function with normalised images and gives its outputs, N × classes.

    The function takes float32 (N, 3, W, W), a tensor on the network's device, or an array if it fails with a tensor. It
    returns its outputs, N × classes, or a pair (features, outputs), as tensors or arrays. Without features, the feature
    is the outputs. `identity` stands for the weights that the network cannot see. Raises InputError if the function
    returns something else.
    """

    def __init__(self, function: Callable[[Any], Any], identity: str) -> None:
        super().__init__()
        self.feature = nn.Identity()
        self._function = function
        self._takes_arrays = False
        self.gives_features = False
        # As a tensor, it counts in the digest of the weights.
        self.register_buffer("identity", torch.tensor(list(identity.encode()), dtype=torch.uint8))

    def forward(self, images: Tensor) -> Any:
        """The outputs, as tensors."""
        made = self._call(images)
        self.gives_features = isinstance(made, tuple | list) and len(made) == 2
        features, outputs = (_tensor(each, images) for each in (made if self.gives_features else (made, made)))
        features = self.feature(features)
        return outputs if self.gives_features else features

    def _call(self, images: Tensor) -> Any:
        if not self._takes_arrays:
            try:
                return self._function(images)
            except Exception as error:
                try:
                    made = self._function(images.detach().cpu().numpy())
                except Exception:
                    raise error from None
                self._takes_arrays = True
                return made
        return self._function(images.detach().cpu().numpy())


def _tensor(made: Any, images: Tensor) -> Tensor:
    if isinstance(made, Tensor):
        return made.to(images.device)
    if not isinstance(made, np.ndarray):
        raise InputError(
            "The function must return outputs, N × classes, or a pair (features, outputs), as tensors or arrays, not "
            f"{type(made).__name__}."
        )
    return torch.from_numpy(np.array(made)).to(images.device)
