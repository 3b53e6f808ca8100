"""The low-pass rebuild: a filter at each subsampling operation of the network, with the weights that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_toolkit.invariance.remedies.remedy import Remedy

if TYPE_CHECKING:
    from bias_toolkit.models import Model


class LowPass(Remedy):
    """A binomial filter of `size` × `size` weights before each subsampling (`bias_toolkit.models.low_pass`)."""

    subject = "Adding low-pass filters to the network"

    def __init__(self, size: int) -> None:
        self.size = size
        self.name = f"low-pass-{size}"
        self.label = f"Low-pass filters, {size} × {size}"
        self.definition = (
            f"A {size} × {size} low-pass filter at each subsampling operation of the network, without training."
        )

    def network(self, model: Model) -> Model | None:
        from bias_toolkit.models import low_pass, subsampling_layers

        if not subsampling_layers(model.module, model.input_size):
            return None
        module = low_pass(model.module, self.size, input_size=model.input_size)
        return model.with_module(module, f"{model.name}, {self.name}")
