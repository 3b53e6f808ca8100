"""A network that gives the maps at its subsampling operations beside its logits, run by torch or by OpenVINO.

Both give the same maps but for rounding. On a CPU, OpenVINO takes less than half the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError, first_line
from bias_toolkit.foundation.threads import MOST_WORKERS, cores
from bias_toolkit.models.feature_layer import network_logits
from bias_toolkit.models.graph_parts import MARGIN, Parts, in_parts, write_moved
from bias_toolkit.models.openvino_runtime import recorded
from bias_toolkit.models.precision import full_float32
from bias_toolkit.models.subsampling import Operation, Subsampling, watch_subsampling

if TYPE_CHECKING:
    from openvino import CompiledModel
    from openvino import Model as OpenVinoGraph

TOLERANCE = 1e-4
"""Largest difference from torch at which a compiled network counts as equivalent, relative to a map's largest value."""
PERIOD = 4
"""Pixels after which a view takes over the first maps of another view: the stride of the maps up to which most time is
spent."""

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
        """The logits (N, classes), F of each operation, and then u of each, (N, H, W, C), both of all images."""
        found: list[tuple[Tensor, Tensor]] = []
        self.order.clear()

        def see(operation: Operation, maps: Tensor, dense: Callable[[slice], Tensor]) -> None:
            self.order.append(operation)
            # A copy, as an activation may overwrite the map.
            found.append((maps.clone(), dense(slice(None)).movedim(1, -1)))

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
    """A `WatchedNetwork` compiled by OpenVINO for views (n, 3, W, W) of one shape; `watch` is as there.

    The views show one picture, each a pixel further down and to the right than the view before, on a canvas of zeros
    that surrounds it by at least 1/8 of the side. So the first layers run for `PERIOD` views only, and their maps are
    moved for the others, unless they are not the same then.

    Several threads can call `watch` at a time: each has a network of its own, as threads that share one wait for each
    other. One core runs each view by itself: its activations fit the cache better than those of all views.

    `graph` is of `recorded_watch`. Raises InputError if OpenVINO cannot run it, or computes something else than torch.
    """

    def __init__(self, watched: WatchedNetwork, graph: OpenVinoGraph, shape: Sequence[int]) -> None:
        self._centre, self._shape, self._order = watched.centre, tuple(shape), list(watched.order)
        try:
            parts = in_parts(graph, PERIOD) if PERIOD < shape[0] <= shape[-1] // MARGIN else None
            self._parts, self._idle = parts or Parts(None, graph, []), []
            is_like = self._is_like(watched)
            if parts is not None and not is_like:
                self._parts, self._idle = Parts(None, graph, []), []
                is_like = self._is_like(watched)
        except Exception as error:
            raise InputError(f"OpenVINO cannot run the network ({first_line(error)}).") from error
        if not is_like:
            raise InputError("OpenVINO computes other maps than torch for this network.")

    def watch(self, images: Tensor, see: SeeMaps) -> np.ndarray:
        """Run the network, and then call `see` for each operation. Returns the logits."""
        with self._run(images) as made:
            logits, *maps = made
            maps = [torch.from_numpy(each) for each in maps]
            of_operations = zip(self._order, maps[: len(self._order)], maps[len(self._order) :], strict=True)
            for operation, result, dense in of_operations:
                see(operation, result, dense.movedim(-1, 1))
            return logits.copy()

    @contextmanager
    def _run(self, images: Tensor) -> Iterator[list[np.ndarray]]:
        """The logits, F and u, in arrays that are overwritten after the block."""
        try:
            state = self._idle.pop()
        except IndexError:
            state = self._prepared()
        given, made, runs = state
        given[:] = images.numpy()
        for run in runs:
            run()
        yield made
        self._idle.append(state)

    def _prepared(self) -> tuple[np.ndarray, list[np.ndarray], list[Callable[[], None]]]:
        """An array for the input, those of the results, and what has to be called in turn to compute these."""
        first, second, of_first = self._parts
        n_of_all, n_results = 1 + len(self._order), 1 + 2 * len(self._order)
        of_second = [place for place in range(n_results) if place not in of_first]
        given, shapes = np.empty(self._shape, np.float32), dict(zip(of_second, second.outputs, strict=True))
        if first is not None:
            shapes |= zip(of_first, first.outputs[len(second.inputs) :], strict=True)
        made = [
            np.empty((len(given) if place < n_of_all else 1, *shapes[place].shape[1:]), np.float32)
            for place in range(n_results)
        ]

        def results(k: int, places: list[int]) -> list[np.ndarray]:
            of_view = [made[place][k : k + 1] for place in places if place < n_of_all]
            return of_view + [made[place] for place in places if place >= n_of_all and k == self._centre]

        def with_and_without_u(graph: OpenVinoGraph, places: list[int]) -> dict[bool, CompiledModel]:
            without = graph.clone()
            for result in without.get_results()[len(without.outputs) - sum(place >= n_of_all for place in places) :]:
                without.remove_result(result)
            return {True: _compiled(graph), False: _compiled(without)}

        views = [self._centre, *(k for k in range(len(given)) if k != self._centre)]
        seconds, runs = with_and_without_u(second, of_second), []
        if first is None:
            for k in views:
                runs.append(_request(seconds[k == self._centre], given[k : k + 1], *results(k, of_second)))
            return given, made, runs
        firsts = with_and_without_u(first, of_first)
        cut, moved = ([np.empty(each.shape, np.float32) for each in second.inputs] for _ in range(2))
        strides = [given.shape[-1] // maps.shape[1] for maps in cut]

        def move(source: int, k: int) -> None:
            for maps, stride, to in zip(cut, strides, moved, strict=True):
                write_moved(maps, (k - source) // stride, to)
            for place in of_first:
                if place < n_of_all:
                    stride = self._order[place - 1].total_stride
                    write_moved(made[place][source], (k - source) // stride, made[place][k])

        for phase in range(PERIOD):
            source, *rest = [k for k in views if k % PERIOD == phase]
            with_u = source == self._centre
            runs.append(_request(firsts[with_u], given[source : source + 1], *cut, *results(source, of_first)))
            runs.append(_request(seconds[with_u], *cut, *results(source, of_second)))
            for k in rest:
                runs += [partial(move, source, k), _request(seconds[False], *moved, *results(k, of_second))]
        return given, made, runs

    def _is_like(self, watched: WatchedNetwork) -> bool:
        """Whether the results are those of torch, for the centre view and the last two of a picture of noise."""
        n, _, side, _ = self._shape
        noise = torch.randn(3, side // 2, side // 2, generator=torch.Generator().manual_seed(1))
        images = torch.zeros(self._shape)
        for k in range(n):
            place = slice(side // 4 + k - n // 2, side // 4 + k - n // 2 + side // 2)
            images[k, :, place, place] = noise
        compared = [watched.centre, n - 2, n - 1]
        with full_float32(), torch.inference_mode():
            expected = [each.numpy() for each in watched(images[compared])]
        with self._run(images) as results:
            return all(
                made[: len(of_torch)].shape == of_torch.shape
                and np.abs(made - of_torch).max() <= TOLERANCE * np.abs(of_torch).max()
                for made, of_torch in (
                    (each[compared], of_torch) if len(each) > 1 else (each, of_torch[:1])
                    for each, of_torch in zip(results, expected, strict=True)
                )
            )


def recorded_watch(watched: WatchedNetwork, side: int) -> OpenVinoGraph:
    """The graph of a network for one view (1, 3, side, side).

    Raises InputError if OpenVINO cannot be loaded, or cannot convert the network.
    """
    try:
        return recorded(watched.eval(), torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0)))
    except Exception as error:
        raise InputError(f"OpenVINO cannot convert the network ({first_line(error)}).") from error


def _compiled(graph: OpenVinoGraph) -> CompiledModel:
    import openvino

    # One core, and any: of several networks, those that are pinned would all run on the same.
    hints = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
    return openvino.Core().compile_model(graph, "CPU", hints | {"INFERENCE_PRECISION_HINT": "f32"})


def _request(compiled: CompiledModel, *arrays: np.ndarray) -> Callable[[], None]:
    """Runs a compiled graph from some arrays to others: those of its inputs, and then those of its outputs."""
    from openvino import Tensor as Memory

    request, n = compiled.create_infer_request(), len(compiled.inputs)
    for place, array in enumerate(arrays):
        memory = Memory(array, shared_memory=True)
        if place < n:
            request.set_input_tensor(place, memory)
        else:
            request.set_output_tensor(place - n, memory)
    return request.infer


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
