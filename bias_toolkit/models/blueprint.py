"""What a model is made of, before it is put on a device and probed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from bias_toolkit.models.preprocessing import Preprocessing


@dataclass(frozen=True)
class Blueprint:
    """A network with its weights, and what is known of its input and its classes."""

    network: nn.Module
    input_size: int
    preprocessing: Preprocessing
    class_names: Sequence[str] | None = None
    class_ids: Sequence[str] | None = None
    feature: str | None = None
