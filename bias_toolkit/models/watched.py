"""A network that gives the maps at its subsampling operations beside its logits, run by torch or by OpenVINO.

Both give the same maps but for rounding. On a CPU, OpenVINO takes less than half the time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

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
"""Gets an operation, its result F (N, C, h, w), and u (1, C, H, W) of one of the images."""


class WatchedNetwork(nn.Module):
    """A network in eval mode with its plan from `find_subsampling`; u is wanted of the image at place `centre`."""

    def __init__(self, network: nn.Module, plan: Subsampling, centre: int) -> None:
        super().__init__()
        self.network = network
        self.plan = plan
        self.centre = centre
        self.order: list[Operation] = []
        """The operations in the order of the last call."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The logits (N, classes), F of each operation, and then u of each operation, both of all images."""
        found: list[tuple[Tensor, Tensor]] = []
        self.order.clear()

        def see(operation: Operation, maps: Tensor, dense: Callable[[slice], Tensor]) -> None:
            self.order.append(operation)
            # A copy, as an activation may overwrite the map.
            found.append((maps.clone(), dense(slice(None))))

        logits = self._run(images, see)
        return logits, *(maps for maps, _ in found), *(dense for _, dense in found)

    def watch(self, images: Tensor, see: SeeMaps) -> np.ndarray:
        """Run the network with torch, and call `see` when an operation has run. Returns the logits."""

        def see_part(operation: Operation, maps: Tensor, dense: Callable[[slice], Tensor]) -> None:
            see(operation, maps, dense(slice(self.centre, self.centre + 1)))

        with full_float32(), torch.inference_mode(), torch.autocast(images.device.type, enabled=False):
            return self._run(images, see_part).cpu().numpy()

    def _run(self, images: Tensor, see: Callable[[Operation, Tensor, Callable[[slice], Tensor]], None]) -> Tensor:
        return network_logits(watch_subsampling(self.network, self.plan, images, see)).float()


class CompiledWatch:
    """A `WatchedNetwork` compiled by OpenVINO for images (n, 3, W, W) of one shape; `watch` is as there.

    Several threads can call `watch` at a time. One core runs each image by itself: its activations fit the cache better
    than those of all images.

    Raises InputError if OpenVINO cannot be loaded, cannot convert the network, or computes something else than torch.
    """

    def __init__(self, watched: WatchedNetwork, shape: Sequence[int]) -> None:
        generator = torch.Generator().manual_seed(0)
        example, other = (torch.randn(*shape, generator=generator) for _ in range(2))
        try:
            import openvino

            whole = recorded(watched.eval(), example[:1])
            self._order = list(watched.order)
            without = whole.clone()
            for result in without.get_results()[1 + len(self._order) :]:
                without.remove_result(result)
            streams = parallel_images()
            hints = {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams, "INFERENCE_PRECISION_HINT": "f32"}
            self._of_centre, self._of_others = (
                openvino.Core().compile_model(graph, "CPU", hints) for graph in (whole, without)
            )
        except Exception as error:
            raise InputError(f"OpenVINO cannot run the network ({first_line(error)}).") from error
        self._centre = watched.centre
        self._shape = tuple(shape)
        self._own = threading.local()
        self._check(watched, other)

    def watch(self, images: Tensor, see: SeeMaps) -> np.ndarray:
        """Run the network, and then call `see` for each operation. Returns the logits."""
        logits, *maps = self._run(images)
        maps = [torch.from_numpy(each) for each in maps]
        for operation, result, dense in zip(
            self._order, maps[: len(self._order)], maps[len(self._order) :], strict=True
        ):
            see(operation, result, dense)
        return logits.copy()

    def _run(self, images: Tensor) -> list[np.ndarray]:
        """The logits, F and u, in arrays that the thread's next call overwrites."""
        given, requests, made = self._of_thread()
        given[:] = images.numpy()
        for request in requests:
            request.infer()
        return made

    def _of_thread(self) -> tuple[np.ndarray, list, list[np.ndarray]]:
        """The input, a request for each image, and the outputs of the thread that asks."""
        if not hasattr(self._own, "state"):
            import openvino

            given = np.empty(self._shape, np.float32)
            made = [
                np.empty((self._shape[0] if place <= len(self._order) else 1, *output.shape[1:]), np.float32)
                for place, output in enumerate(self._of_centre.outputs)
            ]
            requests = []
            for k in range(len(given)):
                request = (self._of_centre if k == self._centre else self._of_others).create_infer_request()
                request.set_input_tensor(openvino.Tensor(given[k : k + 1], shared_memory=True))
                for place, array in enumerate(made[: len(request.output_tensors)]):
                    own = array[k : k + 1] if len(array) > 1 else array
                    request.set_output_tensor(place, openvino.Tensor(own, shared_memory=True))
                requests.append(request)
            self._own.state = given, requests, made
        return self._own.state

    def _check(self, watched: WatchedNetwork, images: Tensor) -> None:
        """Compare two images, the centre and another, with torch."""
        compared = [watched.centre, watched.centre - 1]
        with full_float32(), torch.inference_mode():
            expected = [each.numpy() for each in watched(images[compared])]
        for made, of_torch in zip(self._run(images), expected, strict=True):
            made, of_torch = (made[compared], of_torch) if len(made) > 1 else (made, of_torch[:1])
            if made.shape != of_torch.shape or not np.abs(made - of_torch).max() <= TOLERANCE * np.abs(of_torch).max():
                raise InputError("OpenVINO computes other maps than torch for this network.")


def parallel_images() -> int:
    """How many threads can run a `CompiledWatch` at a time: one a core."""
    return min(cores(), MOST_WORKERS)


@contextmanager
def one_thread() -> Iterator[None]:
    """In the block, torch uses one thread of its own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
