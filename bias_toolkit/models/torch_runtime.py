"""Run a classifier with torch, on the CPU, on CUDA, or on another device of torch's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.pixel_network import PixelNetwork
from bias_toolkit.models.precision import full_float32
from bias_toolkit.models.runtime import Batch, BatchSource, Outputs

CPU_BATCH = 32
CUDA_BATCHES = (32, 512)
"""Smallest and largest number of views in one pass on CUDA."""
CUDA_SHARE = 0.2
"""Share of a GPU's memory that one pass may use. Each graph and the passes outside graphs have their own memory, and
the features' precision and Faiss need memory too."""
IN_FLIGHT = 2
"""Batches in CUDA's queue at a time: one is computed while the CPU prepares the next."""
WARM_UP = 3
GRAPH_TOLERANCE = 1e-5


class TorchRuntime:
    """Torch: eager on the CPU and on devices such as `mps`; on CUDA with a queue and a CUDA graph.

    The queue is so that the GPU need not wait; the graph is for whole batches. The network is on the device, in eval
    mode. In float32, TF32 is off and kernels are deterministic; in other precisions the network runs under autocast.
    `batch_size` is the number of views in one pass. By default it is 32, and on CUDA the largest power of two from 32
    to 512 that takes at most a fifth of the memory. Raises InputError on CUDA, also while running, if the views of a
    pass do not fit its memory.
    """

    def __init__(
        self,
        network: PixelNetwork,
        input_size: int,
        device: torch.device,
        batch_size: int | None = None,
        precision: str = "float32",
    ) -> None:
        self.name = f"torch {torch.__version__}"
        self._network = network
        self._input_size = input_size
        self._device = device
        self._precision = precision
        if batch_size is None:
            batch_size = CPU_BATCH if device.type != "cuda" else self._batch_for_memory()
        self.batch_size = self.views_in_pass = batch_size
        self._graphs: dict[bool, _CudaGraph | str] = {}

    def run(self, batches: Iterable[Batch]) -> Iterator[Outputs]:
        """The outputs of each batch (see `Runtime`)."""
        if self._device.type != "cuda":
            for pixels, outside in batches:
                yield self._eager(pixels, outside)
            return
        waiting = deque()
        source = BatchSource(batches)
        for batch in source:
            waiting.append(self._start(*batch))
            if len(waiting) == IN_FLIGHT:
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()
        source.end()

    @contextmanager
    def _inference(self) -> Iterator[None]:
        low = self._precision != "float32"
        autocast = torch.autocast(self._device.type, getattr(torch, self._precision) if low else None, enabled=low)
        # Streams and events belong to the current GPU, which is the first by default.
        gpu = torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext()
        try:
            with gpu, full_float32(), torch.inference_mode(), autocast:
                yield
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"The memory of {self._device} is too small, or too full, for so many views in a pass; give fewer with "
                "--batch-size."
            ) from error

    def _eager(self, pixels: np.ndarray, outside: np.ndarray | None) -> Outputs:
        # Views may be read-only or have negative strides, which torch does not accept; so they are copied.
        copies = (None if each is None else torch.from_numpy(each.copy()) for each in (pixels, outside))
        with self._inference():
            made = self._network(*(None if each is None else each.to(self._device) for each in copies))
        return Outputs(*(each.cpu().numpy() for each in made))

    def _start(self, pixels: np.ndarray, outside: np.ndarray | None) -> Callable[[], Outputs]:
        """Put one batch's copies and pass into CUDA's queue; the returned function waits for the outputs."""
        with self._inference():
            given = [
                None if each is None else torch.from_numpy(each.copy()).pin_memory().to(self._device, non_blocking=True)
                for each in (pixels, outside)
            ]
            graph = self._graph(outside is not None) if len(pixels) == self.batch_size else None
            made = graph(*given) if isinstance(graph, _CudaGraph) else self._network(*given)
            host = [torch.empty(each.shape, dtype=each.dtype, pin_memory=True) for each in made]
            for to, source in zip(host, made, strict=True):
                to.copy_(source, non_blocking=True)
            done = torch.cuda.Event()
            done.record()

        def finish() -> Outputs:
            done.synchronize()
            return Outputs(*(each.numpy() for each in host))

        return finish

    @property
    def why_no_graph(self) -> str | None:
        """Why whole batches without an outside run without a CUDA graph; None if one was recorded."""
        if self._device.type != "cuda":
            return f"it runs on {self._device}"
        graph = self._graphs.get(False, "no whole batch has run yet")
        return graph if isinstance(graph, str) else None

    def _graph(self, has_outside: bool) -> _CudaGraph | str:
        if has_outside not in self._graphs:
            self._graphs[has_outside] = _capture(
                self._network, self._blank(self.batch_size, outside=has_outside), self._device
            )
        return self._graphs[has_outside]

    def _blank(self, n: int, *, outside: bool = False) -> list[Tensor | None]:
        """Random views for measuring and capturing, on the device."""
        generator = torch.Generator().manual_seed(0)
        shape = (n, self._input_size, self._input_size)
        pixels = torch.randint(0, 256, (*shape, 3), generator=generator, dtype=torch.uint8)
        mask = torch.rand(shape, generator=generator) < 0.5 if outside else None
        return [None if each is None else each.to(self._device) for each in (pixels, mask)]

    def _batch_for_memory(self) -> int:
        """The largest batch whose activations fit, estimated from the smallest one."""
        least, most = CUDA_BATCHES
        torch.cuda.synchronize(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device)
        with self._inference():
            self._network(*self._blank(least))
        torch.cuda.synchronize(self._device)
        taken = max(1, torch.cuda.max_memory_allocated(self._device) - before)
        total = torch.cuda.get_device_properties(self._device).total_memory
        return fitting_batch(taken, least, most, int(total * CUDA_SHARE))


def fitting_batch(taken: int, least: int, most: int, allowed: int) -> int:
    """The largest of `least`, 2 `least`, 4 `least` … up to `most` that fits, if `least` views take `taken` bytes."""
    size = least
    while 2 * size <= most and taken * (2 * size / least) <= allowed:
        size *= 2
    return size


class _CudaGraph:
    """One whole pass, recorded once and replayed, which avoids launching every kernel."""

    def __init__(self, network: PixelNetwork, given: list[Tensor | None]) -> None:
        self._given = given
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._made = network(*given)

    def __call__(self, *given: Tensor | None) -> tuple[Tensor, ...]:
        for to, source in zip(self._given, given, strict=True):
            if to is not None:
                to.copy_(source)
        self._graph.replay()
        # The next replay overwrites these outputs.
        return tuple(each.clone() for each in self._made)


def _capture(network: PixelNetwork, given: list[Tensor | None], device: torch.device) -> _CudaGraph | str:
    """The graph of a pass over views like those given, or why the network cannot be recorded."""
    stream = torch.cuda.current_stream(device)
    try:
        # If recording fails, older versions of torch leave their own stream as the current one.
        with torch.cuda.stream(stream):
            side = torch.cuda.Stream(device)
            side.wait_stream(stream)
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    expected = network(*given)
            stream.wait_stream(side)
            graph = _CudaGraph(network, [None if each is None else each.clone() for each in given])
            made = graph(*given)
    except RuntimeError as error:
        # A network that waits for the GPU inside its pass, or that does not fit the memory twice, runs without a graph.
        return f"recording failed: {str(error).strip().partition(chr(10))[0]}"
    same = all(
        torch.allclose(one, other, rtol=GRAPH_TOLERANCE, atol=GRAPH_TOLERANCE)
        for one, other in zip(made, expected, strict=True)
    )
    return graph if same else "the recorded pass gives other outputs"
