"""A network that gives the maps at its subsampling operations beside its logits, run by torch or by OpenVINO.

Both give the same maps but for rounding. On a CPU, OpenVINO takes about half the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError, first_line
from bias_toolkit.foundation.threads import MOST_WORKERS, cores
from bias_toolkit.models.feature_layer import network_logits
from bias_toolkit.models.openvino_runtime import recorded
from bias_toolkit.models.precision import full_float32
from bias_toolkit.models.subsampling import Operation, Subsampling, watch_subsampling

TOLERANCE = 1e-4
"""Largest difference from torch at which a compiled network counts as equivalent, relative to a map's largest value."""

SeeMaps = Callable[[Operation, Tensor, Tensor], None]
"""Gets an operation, its result F (N, C, h, w), and u (n, C, H, W) of a part of the images."""


class WatchedNetwork(nn.Module):
    """A network in eval mode with its plan from `find_subsampling`; u is wanted of a part of the images."""

    def __init__(self, network: nn.Module, plan: Subsampling, part: slice) -> None:
        super().__init__()
        self.network = network
        self.plan = plan
        self._part = part
        self.order: list[Operation] = []
        """The operations in the order of the last call."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The logits (N, classes), then F and u of each operation."""
        found: list[Tensor] = []
        self.order.clear()

        def see(operation: Operation, maps: Tensor, dense: Tensor) -> None:
            self.order.append(operation)
            # A copy, as an activation may overwrite the map.
            found.extend((maps.clone(), dense))

        return self._run(images, see), *found

    def watch(self, images: Tensor, see: SeeMaps) -> np.ndarray:
        """Run the network with torch, and call `see` when an operation has run. Returns the logits."""
        with full_float32(), torch.inference_mode(), torch.autocast(images.device.type, enabled=False):
            return self._run(images, see).cpu().numpy()

    def _run(self, images: Tensor, see: SeeMaps) -> Tensor:
        def see_part(operation: Operation, maps: Tensor, dense: Callable[[slice], Tensor]) -> None:
            see(operation, maps, dense(self._part))

        return network_logits(watch_subsampling(self.network, self.plan, images, see_part)).float()


class CompiledWatch:
    """A `WatchedNetwork` compiled by OpenVINO for images of one shape; `watch` is as there, but calls `see` in threads.

    Raises InputError if OpenVINO cannot be loaded, cannot convert the network, or computes something else than torch.
    """

    def __init__(self, watched: WatchedNetwork, shape: Sequence[int]) -> None:
        generator = torch.Generator().manual_seed(0)
        example, other = (torch.randn(*shape, generator=generator) for _ in range(2))
        try:
            import openvino

            graph = recorded(watched.eval(), example)
            hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
            self._request = openvino.Core().compile_model(graph, "CPU", hints).create_infer_request()
        except Exception as error:
            raise InputError(f"OpenVINO cannot run the network ({first_line(error)}).") from error
        self._order = list(watched.order)
        # One thread an operation: torch's own threads wait actively for each other, which halts a busy machine.
        self._threads = ThreadPoolExecutor(min(cores(), MOST_WORKERS), initializer=torch.set_num_threads, initargs=(1,))
        self._check(watched, other)

    def watch(self, images: Tensor, see: SeeMaps) -> np.ndarray:
        """Run the network, and then call `see` for each operation, several at a time. Returns the logits."""
        logits, *maps = self._run(images)
        pairs = [[torch.from_numpy(each) for each in pair] for pair in zip(maps[::2], maps[1::2], strict=True)]
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            list(self._threads.map(see, self._order, *zip(*pairs, strict=True)))
        finally:
            torch.set_num_threads(before)
        return logits.copy()

    def _run(self, images: Tensor) -> list[np.ndarray]:
        """The outputs, which the next run overwrites."""
        self._request.infer([images.contiguous().numpy()], share_inputs=True)
        return [each.data for each in self._request.output_tensors]

    def _check(self, watched: WatchedNetwork, images: Tensor) -> None:
        with full_float32(), torch.inference_mode():
            expected = [each.numpy() for each in watched(images)]
        for made, of_torch in zip(self._run(images), expected, strict=True):
            if made.shape != of_torch.shape or not np.abs(made - of_torch).max() <= TOLERANCE * np.abs(of_torch).max():
                raise InputError("OpenVINO computes other maps than torch for this network.")
