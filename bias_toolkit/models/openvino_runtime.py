"""Run a classifier with OpenVINO, on Intel and AMD CPUs."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from bias_toolkit.foundation.errors import InputError, first_line
from bias_toolkit.models.pixel_network import PixelNetwork
from bias_toolkit.models.precision import full_float32
from bias_toolkit.models.runtime import Batch, BatchSource, Outputs, varied_images

REQUEST_PIXELS = 2 * 224**2
"""Pixels of all views of a request. Their activations fit a core's cache: on two cores, efficientnet-lite0 at 224 ran
at 398 views a second with 2 views per request, 370 with 1 or 4, 333 with 8 and 318 with 16."""
REQUEST_VIEWS = (2, 32)
"""Smallest and largest number of views in a request."""
BATCH_REQUESTS = 8
"""Requests per batch; with this many, Python's work per batch takes no noticeable time."""
TOLERANCE = 1e-4
"""Largest difference of a probability from eager torch at which a compiled network counts as equivalent."""
HINTS = {"float32": ("f32", "FP32"), "bfloat16": ("bf16", "BF16"), "float16": ("f16", "FP16")}
"""OpenVINO's names of each precision: in a hint, and in a processor's list of capabilities."""


class OpenVinoRuntime:
    """OpenVINO in throughput mode: the network is compiled once, and several requests always run in parallel.

    The network, on the CPU and in eval mode, is recorded by running it on one batch. The compiled network is compared
    with torch on other images, to detect networks whose control flow depends on the input. `batch_size` is the number
    of views in one request, by default as many as have `REQUEST_PIXELS`; smaller batches are padded, larger ones split.
    Raises InputError if OpenVINO cannot be loaded, the network cannot be converted or computes something else after
    conversion, or the processor does not support the precision.
    """

    def __init__(
        self, network: PixelNetwork, input_size: int, batch_size: int | None = None, precision: str = "float32"
    ) -> None:
        try:
            import openvino
        except ImportError as error:
            raise InputError(f"OpenVINO cannot be loaded ({first_line(error)}); give --runtime torch.") from error

        self.name = f"OpenVINO {openvino.__version__.split('-')[0]}"
        self.views_in_pass = batch_size or int(np.clip(REQUEST_PIXELS // input_size**2, *REQUEST_VIEWS))
        self.batch_size = batch_size or BATCH_REQUESTS * self.views_in_pass
        self._network = network
        self._input_size = input_size
        self._precision = precision
        self._core = openvino.Core()
        capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if HINTS[precision][1] not in capabilities and precision != "float32":
            raise InputError(
                f"--feature-precision {precision} is not to be had with OpenVINO on this processor; leave it out, or "
                "give --runtime torch."
            )
        self._idle: dict[bool, list] = {}
        self._compile(has_outside=False)

    def run(self, batches: Iterable[Batch]) -> Iterator[Outputs]:
        """The outputs of each batch (see `Runtime`)."""
        under_way: deque[_Request] = deque()
        unfinished: deque[_Parts] = deque()
        source = BatchSource(batches)
        try:
            for pixels, outside in source:
                parts = _Parts(-(-len(pixels) // self.views_in_pass))
                unfinished.append(parts)
                for start in range(0, len(pixels), self.views_in_pass):
                    if (has_outside := outside is not None) not in self._idle:
                        self._compile(has_outside=has_outside)
                    idle = self._idle[has_outside]
                    while not idle:
                        self._read(under_way.popleft())
                    part = slice(start, start + self.views_in_pass)
                    given = [pixels[part]] if outside is None else [pixels[part], outside[part]]
                    under_way.append(self._start(idle, given, parts))
                while unfinished and unfinished[0].whole:
                    yield unfinished.popleft().outputs()
            while unfinished:
                while not unfinished[0].whole:
                    self._read(under_way.popleft())
                yield unfinished.popleft().outputs()
            source.end()
        finally:
            while under_way:
                self._read(under_way.popleft())

    def _start(self, idle: list, given: list[np.ndarray], parts: _Parts) -> _Request:
        from openvino import Tensor

        request, rows = idle.pop(), len(given[0])
        padded = [_padded(array, self.views_in_pass) for array in given]
        for place, array in enumerate(padded):
            request.set_input_tensor(place, Tensor(array, shared_memory=True))
        request.start_async()
        return _Request(request, idle, padded, rows, parts)

    def _read(self, each: _Request) -> None:
        each.request.wait()
        each.parts.made.append([each.request.get_output_tensor(place).data[: each.rows].copy() for place in (0, 1)])
        each.idle.append(each.request)

    def _compile(self, *, has_outside: bool) -> None:
        shape = (self.views_in_pass, self._input_size, self._input_size)
        generator = np.random.default_rng(0)
        views = [generator.integers(0, 256, (*shape, 3), np.uint8)]
        if has_outside:
            views.append(generator.random(shape) < 0.5)
        try:
            graph = recorded(self._network, *(torch.from_numpy(each) for each in views))
            hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": HINTS[self._precision][0]}
            compiled = self._core.compile_model(graph, "CPU", hints)
        except Exception as error:
            raise InputError(
                f"OpenVINO cannot run this network ({first_line(error)}); give --runtime torch."
            ) from error
        # Twice as many as run in parallel, so that the processor need not wait for Python.
        count = 2 * compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._idle[has_outside] = [compiled.create_infer_request() for _ in range(count)]
        if self._precision == "float32":
            self._check(has_outside=has_outside)

    def _check(self, *, has_outside: bool) -> None:
        """Raise InputError unless the compiled network agrees with torch, on images other than the recorded ones."""
        generator = np.random.default_rng(1)
        for pixels in np.split(varied_images(self._input_size), 3):
            outside = generator.random(pixels.shape[:3]) < 0.3 if has_outside else None
            with full_float32(), torch.inference_mode():
                given = [None if each is None else torch.from_numpy(each) for each in (pixels, outside)]
                expected = self._network(*given)[0].numpy()
            (made,) = self.run([(pixels, outside)])
            difference = float(np.abs(made.probabilities - expected).max())
            if not difference <= TOLERANCE:
                raise InputError(
                    f"OpenVINO computes other probabilities than torch for this network (by up to {difference:.2g}); "
                    "give --runtime torch."
                )


def recorded(network: torch.nn.Module, *images: torch.Tensor) -> object:
    """An OpenVINO graph of what a network in eval mode computes on images of these shapes.

    Its result has to be compared with the network's, as the converter does not say what depended on the images' values.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with warnings.catch_warnings(), full_float32(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")
        # Torch's own check of the recording takes longer than the recording.
        recording = TorchScriptPythonDecoder(network, example_input=images, trace_kwargs={"check_trace": False})
        # `openvino.convert_model` simplifies the graph too, as the compilation does again; it takes twice the time.
        frontend = FrontEndManager().load_by_framework("pytorch")
        graph = frontend.convert(frontend.load(recording))
        graph.reshape({place: list(each.shape) for place, each in enumerate(images)})
    return graph


class _Parts:
    """The outputs of one batch's requests so far, in order."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.made: list[list[np.ndarray]] = []

    @property
    def whole(self) -> bool:
        return len(self.made) == self.count

    def outputs(self) -> Outputs:
        return Outputs(*(np.concatenate(each) for each in zip(*self.made, strict=True)))


class _Request(NamedTuple):
    """A running request: its place when it is idle again, and the arrays that it reads until then."""

    request: object
    idle: list
    given: list[np.ndarray]
    rows: int
    parts: _Parts


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    """The array with rows of zeros added, in one block of memory."""
    if len(array) == rows:
        return np.ascontiguousarray(array)
    return np.concatenate([array, np.zeros((rows - len(array), *array.shape[1:]), array.dtype)])
