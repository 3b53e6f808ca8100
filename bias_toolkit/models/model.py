"""A classifier with its weights, preprocessing and class names."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.memory import keep_freed_memory
from bias_toolkit.foundation.shown import public_names
from bias_toolkit.models.checkpoint import non_finite_tensor
from bias_toolkit.models.determinism import refuse_random
from bias_toolkit.models.feature_layer import PROBE_IMAGES, find_feature_layer, network_logits
from bias_toolkit.models.outputs import Reading, find_reading, reading_of
from bias_toolkit.models.pixel_network import PixelNetwork, normalised, per_channel
from bias_toolkit.models.precision import full_float32
from bias_toolkit.models.preprocessing import Preprocessing
from bias_toolkit.models.runtime import Batch, Choice, Outputs, Runtime, check_precision, choose_runtime, varied_images
from bias_toolkit.models.torch_runtime import TorchRuntime

PATTERNED = slice(2, 6)
"""Of `varied_images`: the four that are not of one colour."""
LIBRARIES = ("torch", "torchvision", "timm", "bias_toolkit")
# An object's memory address, in the text of layers that hold functions.
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Model:
    """A classifier: a network, its preprocessing, and the names of its outputs.

    The network is put in eval mode on the device, in float32 and without gradients. It is probed once with two random
    images to find the feature and count the classes. Raises InputError if the network cannot run on such images, gives
    no finite logits, or the number of classes differs from that of the names, or if the feature is not found.

    Parameters
    ----------
    name : str
        Its name in reports.
    module : nn.Module
        Takes normalised images N × 3 × W × W; returns N × classes, alone or in a tuple, mapping or object. What these
        are is recognised (see `bias_toolkit.models.outputs`); if it gives other scores than usual, the network gets a
        forward hook that makes it return them alone.
    input_size : int
        W, in pixels.
    class_names, class_ids : sequence of str, optional
        Readable names, and identifiers such as WordNet ids, in output order.
    feature : str, optional
        The layer whose pooled output is the feature; by default the penultimate activation.
    device : torch.device or str
        Where it runs.
    runtime : {"torch", "openvino", "auto"}
        The runtime that executes it (see `choose_runtime`). "auto" uses torch if OpenVINO cannot run the network.
    batch_size : int, optional
        Views in one forward pass; the runtime's choice by default.
    outputs : {"logits", "probabilities", "independent"}, optional
        What the network returns; by default recognised.
    spec : str, optional
        The name by which `load_model` opens it; None for a network from memory.
    notes : sequence of str
        Sentences on how its weights were read. What was recognised in its outputs is added.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        *,
        input_size: int,
        preprocessing: Preprocessing,
        class_names: Sequence[str] | None = None,
        class_ids: Sequence[str] | None = None,
        feature: str | None = None,
        device: torch.device | str = "cpu",
        runtime: str = "torch",
        batch_size: int | None = None,
        outputs: str | None = None,
        spec: str | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.spec = spec
        self.notes = tuple(notes)
        self.input_size = int(input_size)
        self.preprocessing = preprocessing
        self.class_names = None if class_names is None else [str(each) for each in class_names]
        self.class_ids = None if class_ids is None else [str(each) for each in class_ids]
        self.feature = feature
        self.device = torch.device(device)
        self._asked_runtime, self._asked_batch_size = runtime, batch_size
        self._choice = choose_runtime(runtime, self.device)
        # `runtime` is the runtime that the network really uses, known after a try.
        self.chosen_runtime = self._choice.runtime
        self._runtimes: dict[str, Runtime] = {}
        module = module.eval().requires_grad_(False).to(device=self.device, dtype=torch.float32)
        self.module = module.to(memory_format=self._memory_format)
        if self.device.type == "cpu":
            keep_freed_memory()
        self._probe(outputs)

    @property
    def _memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.device.type in ("cpu", "cuda") else torch.contiguous_format

    def _probe(self, outputs: str | None) -> None:
        shape = (PROBE_IMAGES, 3, self.input_size, self.input_size)
        images = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
        images = images.to(self.device, memory_format=self._memory_format)
        with self._inference():
            try:
                output = self.module(images)
            except Exception as error:
                raise InputError(
                    f"The model {self.name} cannot run on {self.input_size} × {self.input_size} images: {error}"
                ) from error
            self.reading = self._read_outputs(images, output, outputs)
            self.notes += self.reading.notes
            logits = network_logits(self.module(images)).float()
            if logits.shape[0] != PROBE_IMAGES or not torch.isfinite(logits).all():
                nan = non_finite_tensor(self.module)
                why = "" if nan is None else f"; its tensor {nan!r} holds NaN"
                raise InputError(f"The model {self.name} does not give finite logits, one row per image{why}.")
            try:
                self._layer = find_feature_layer(self.module, images, self.feature, one_output=self.reading.is_one)
            except InputError:
                # In a network that is not deterministic, no layer decides the logits.
                refuse_random(self.name, lambda some: [network_logits(self.module(some)).float().cpu().numpy()], images)
                raise
            with self._layer.capture(self.module) as feature:
                self.module(images)
            self.feature_dimension = feature().shape[1]
        self._pixel_network = PixelNetwork(
            self.module,
            self._layer,
            self.preprocessing,
            reading=self.reading,
            memory_format=self._memory_format,
        )
        self._pixel_network.eval().to(self.device)
        self.feature_layer = self._layer.name
        self.n_classes = logits.shape[1]
        for what, given in (("class names", self.class_names), ("class ids", self.class_ids)):
            if given is not None and len(given) != self.n_classes:
                raise InputError(
                    f"The model {self.name} has {self.n_classes} outputs but {len(given)} {what}; give one each."
                )
        if (logits == logits[0]).all() and self._is_constant(logits[0]):
            raise InputError(
                f"The model {self.name} gives exactly the same output for every image, whatever it shows; its weights "
                "may be zero, or not have been loaded."
            )

    def _read_outputs(self, images: Tensor, output: Any, outputs: str | None) -> Reading:
        """How the network's output is read; a hook of the network does it if it is not the usual way."""
        if (known := reading_of(self.module)) is not None:
            return known

        def others() -> Tensor:
            views, mean, std = (
                each.to(self.device)
                for each in (torch.from_numpy(varied_images(self.input_size)), *per_channel(self.preprocessing))
            )
            return normalised(views, mean, std).contiguous(memory_format=self._memory_format)

        n_names = next((len(each) for each in (self.class_names, self.class_ids) if each is not None), None)
        reading = find_reading(self.module, images, output, others, outputs, n_names)
        if not reading.is_usual and (reading.place or reading.is_one):
            self.module.register_forward_hook(reading)
        return reading

    @property
    def gives_probabilities(self) -> bool:
        """Whether the network's outputs are probabilities already."""
        return self.reading.function == "none"

    def _is_constant(self, output: Tensor) -> bool:
        """Whether the output is the same for all kinds of images, other than by saturated probabilities."""
        saturated = self.gives_probabilities and bool((output == 1).any())
        views = varied_images(self.input_size)
        for start in range(0, len(views), PROBE_IMAGES):
            with self._inference(), self._layer.capture(self.module) as feature:
                logits = network_logits(self.module(self.normalise(views[start : start + PROBE_IMAGES]))).float()
                features = feature()
            if (logits != output).any() or (saturated and (features != features[0]).any()):
                return False
        return True

    @contextmanager
    def _inference(self) -> Iterator[None]:
        with full_float32(), torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            yield

    def evaluate(self, pixels: np.ndarray, outside: np.ndarray | None = None, *, precision: str = "float32") -> Outputs:
        """Run the network on N views: pixels uint8 (N, W, W, 3), RGB.

        Where `outside`, bool (N, W, W), is True, the normalised input is exactly 0. `precision` is that of the
        arithmetic: "float32" (without TF32, whatever the caller has set), "bfloat16" or "float16". Raises InputError if
        an array has the wrong shape or type, or the runtime does not support the precision on this machine.
        """
        (outputs,) = self.evaluate_batches([(pixels, outside)], precision=precision)
        return outputs

    def evaluate_batches(self, batches: Iterable[Batch], *, precision: str = "float32") -> Iterator[Outputs]:
        """The outputs of each batch of views, in order; later batches are requested while earlier ones are computed.

        A batch is (pixels, outside) as in `evaluate`. Batches of `batch_size` views run fastest.
        """
        sizes: deque[int] = deque()

        def filled() -> Iterator[Batch]:
            for pixels, outside in batches:
                self._check(pixels, outside)
                sizes.append(len(pixels))
                if len(pixels):
                    yield pixels, outside

        empty = Outputs(np.empty((0, self.n_classes), np.float32), np.empty((0, self.feature_dimension), np.float32))
        for outputs in self._runtime(precision).run(filled()):
            while sizes[0] == 0:
                sizes.popleft()
                yield empty
            sizes.popleft()
            yield outputs
        yield from (empty for _ in sizes)

    def _runtime(self, precision: str = "float32") -> Runtime:
        """The runtime for a precision; created when it is first needed, because compiling takes seconds."""
        check_precision(precision)
        if precision not in self._runtimes:
            self._runtimes[precision] = self._make_runtime(precision)
        return self._runtimes[precision]

    def _make_runtime(self, precision: str) -> Runtime:
        size, batch_size = self.input_size, self._asked_batch_size
        if self._choice.runtime == "openvino":
            from bias_toolkit.models.openvino_runtime import OpenVinoRuntime

            try:
                return OpenVinoRuntime(self._pixel_network, size, batch_size, precision)
            except InputError as error:
                if self._asked_runtime != "auto":
                    raise
                if precision == "float32":
                    self._choice = Choice("torch", str(error).rpartition(";")[0])
        if precision != "float32":
            # Batches are filled by `batch_size`, which is float32's.
            batch_size = self.batch_size
        return TorchRuntime(self._pixel_network, size, self.device, batch_size, precision)

    def check_deterministic(self) -> None:
        """Raise InputError if the outputs for an image change when it is evaluated again, or alone.

        Nine views are evaluated with torch, so that a runtime is compiled only where it is used.
        """

        def outputs(pixels: np.ndarray) -> list[np.ndarray]:
            with self._inference():
                return [each.cpu().numpy() for each in self._pixel_network(torch.from_numpy(pixels).to(self.device))]

        refuse_random(self.name, outputs, varied_images(self.input_size)[PATTERNED])

    @property
    def batch_size(self) -> int:
        """The number of views per batch that runs fastest."""
        return self._runtime().batch_size

    @property
    def runtime(self) -> str:
        """The name and version of the runtime that executes the network in float32."""
        return self._runtime().name

    @property
    def why_no_graph(self) -> str | None:
        """Why whole batches in float32 run without a CUDA graph; None if one was recorded."""
        return getattr(self._runtime(), "why_no_graph", f"it runs with {self.runtime}")

    @property
    def runtime_reason(self) -> str:
        """A sentence on which runtime executes the network, and why."""
        device = "the CPU" if self.device.type == "cpu" else str(self.device)
        return f"{self.runtime} on {device}, {self._runtime().views_in_pass} views in a pass: {self._choice.reason}."

    def _check(self, pixels: np.ndarray, outside: np.ndarray | None) -> None:
        size = self.input_size
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3):
            raise InputError(
                f"The model {self.name} takes uint8 pixels of shape (N, {size}, {size}, 3), "
                f"not {pixels.dtype} of shape {pixels.shape}."
            )
        if outside is not None and (outside.dtype != np.bool_ or outside.shape != pixels.shape[:3]):
            raise InputError(
                f"`outside` must be bool of shape {pixels.shape[:3]}, not {outside.dtype} of shape {outside.shape}."
            )

    def normalise(self, pixels: np.ndarray, outside: np.ndarray | None = None) -> Tensor:
        """The network's input for N views, as `evaluate` takes them: float32 (N, 3, W, W) on its device."""
        self._check(pixels, outside)
        # Views may be read-only or have negative strides, which torch does not accept; so they are copied.
        given = (None if each is None else torch.from_numpy(each.copy()).to(self.device) for each in (pixels, outside))
        return self._pixel_network.normalise(*given)

    def with_module(self, module: nn.Module, name: str, class_names: Sequence[str] | None = None) -> Model:
        """Another network with the same preprocessing, feature and device; raises as the class does.

        Its classes are the same, unless it has other `class_names`.
        """
        return Model(
            name,
            module,
            input_size=self.input_size,
            preprocessing=self.preprocessing,
            class_names=self.class_names if class_names is None else class_names,
            class_ids=self.class_ids if class_names is None else None,
            feature=self.feature,
            device=self.device,
            runtime=self._asked_runtime,
            batch_size=self._asked_batch_size,
            outputs=self.reading.outputs,
        )

    @cached_property
    def weights_sha256(self) -> str:
        """SHA-256 over the network's tensors by name (name, type, shape, bytes), whatever file they came from."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            if not isinstance(tensor, Tensor):
                continue
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy())
        return digest.hexdigest()

    @cached_property
    def code_sha256(self) -> str:
        """SHA-256 over the network's printed structure, and the source code of its layers' classes.

        It differs between networks with the same weights and different computations. Classes of torch, torchvision and
        timm count by name; functions that a layer calls do not count. For a network from memory, the other values that
        its layers hold count too, as no name says which they are.
        """
        classes = {type(layer) for layer in self.module.modules()}
        digest = hashlib.sha256(ADDRESS.sub("", repr(self.module)).encode())
        for layer in sorted(classes, key=lambda each: (each.__module__, each.__qualname__)):
            digest.update(f"{layer.__module__}.{layer.__qualname__}\n".encode())
            if layer.__module__.partition(".")[0] not in LIBRARIES:
                with suppress(OSError, TypeError):
                    digest.update(inspect.getsource(layer).encode())
        if self.spec is None:
            for text in _values_in(self.module):
                digest.update(text.encode())
        return digest.hexdigest()

    def _facts(self) -> dict[str, str]:
        """What it is, by name, for a person."""
        channels = (self.preprocessing.mean, self.preprocessing.std)
        mean, std = (", ".join(f"{value:g}" for value in each) for each in channels)
        return {
            "input": f"{self.input_size} × {self.input_size}, mean {mean}, std {std}",
            "classes": f"{self.n_classes:,}{'' if self.class_names is None else ', named'}",
            "outputs": self.reading.outputs,
            "feature": f"{self.feature_layer}, {self.feature_dimension:,} numbers",
            "device": str(self.device),
        }

    def __repr__(self) -> str:
        facts = "; ".join(f"{name} {fact}" for name, fact in self._facts().items())
        return "\n".join([f"Model {self.name!r}: {facts}", *self.notes])

    def __dir__(self) -> list[str]:
        return public_names(self)

    def _repr_html_(self) -> str:
        """The same as a table, for a notebook."""
        rows = "".join(f"<tr><th>{name}</th><td>{escape(fact)}</td></tr>" for name, fact in self._facts().items())
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<table><caption>Model {escape(self.name)}</caption>{rows}</table>{notes}"


def _values_in(network: nn.Module) -> Iterator[str]:
    """The values that layers hold beside their weights, as text: attributes, and buffers that are in no state dict."""
    for name, layer in network.named_modules():
        is_own = type(layer).__module__.partition(".")[0] not in LIBRARIES
        held = {key: value for key, value in vars(layer).items() if not key.startswith("_") and key != "training"}
        if not is_own:
            held = {key: value for key, value in held.items() if key == "transform_input"}
        held |= {key: layer._buffers[key] for key in layer._non_persistent_buffers_set}
        for key, value in sorted(held.items()):
            if isinstance(value, Tensor | np.ndarray):
                array = np.ascontiguousarray(torch.as_tensor(value).detach().cpu().numpy())
                value = f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
            yield f"{name}.{key}={ADDRESS.sub('', repr(value))}\n"
