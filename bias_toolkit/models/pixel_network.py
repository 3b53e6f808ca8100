"""A classifier as one function from pixels to probabilities and feature, which every runtime executes."""

import torch
from torch import Tensor, nn

from bias_toolkit.models.feature_layer import FeatureLayer, network_logits
from bias_toolkit.models.outputs import Reading
from bias_toolkit.models.preprocessing import Preprocessing


class PixelNetwork(nn.Module):
    """Normalises pixels, runs the network once, and returns probabilities and feature.

    The network takes normalised images N × 3 × W × W in `memory_format`. `reading` makes probabilities of its scores.
    """

    def __init__(
        self,
        network: nn.Module,
        feature_layer: FeatureLayer,
        preprocessing: Preprocessing,
        *,
        reading: Reading,
        memory_format: torch.memory_format,
    ) -> None:
        super().__init__()
        self.network = network
        self._feature_layer = feature_layer
        # On the device from the start: a copy inside the pass would stop the queue, and a CUDA graph cannot hold one.
        for name, values in zip(("_mean", "_std"), per_channel(preprocessing), strict=True):
            self.register_buffer(name, values, persistent=False)
        self._reading = reading
        self._memory_format = memory_format

    def normalise(self, pixels: Tensor, outside: Tensor | None = None) -> Tensor:
        """float32 (N, 3, W, W) from uint8 (N, W, W, 3); exactly 0 where `outside`, bool (N, W, W), is True."""
        images = normalised(pixels, self._mean, self._std)
        if outside is not None:
            images = images.masked_fill(outside.unsqueeze(1), 0.0)
        return images.contiguous(memory_format=self._memory_format)

    def forward(self, pixels: Tensor, outside: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Probabilities (N, C) and features (N, D), both float32."""
        with self._feature_layer.capture(self.network) as feature:
            scores = network_logits(self.network(self.normalise(pixels, outside))).float()
        return self._reading.probabilities(scores), feature().float()


def per_channel(preprocessing: Preprocessing) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, float32 (1, 3, 1, 1)."""
    mean, std = (
        torch.tensor(each, dtype=torch.float32).view(1, 3, 1, 1) for each in (preprocessing.mean, preprocessing.std)
    )
    return mean, std


def normalised(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """float32 (N, 3, W, W) from uint8 (N, W, W, 3)."""
    # With a channel's pixels in one block, arithmetic with its mean takes a fraction of the time.
    return pixels.permute(0, 3, 1, 2).contiguous().to(torch.float32).div(255).sub(mean).div(std)
