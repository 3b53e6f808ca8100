"""The course of a batch through CUDA, on a stand-in that computes on the CPU what the queue and the graphs hold."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Model, Preprocessing
from bias_toolkit.models.torch_runtime import TorchRuntime

SIDE, BATCH = 12, 4
GPU = torch.device("cuda:1")
NOT_IN_A_GRAPH = {"lift_fresh", "item", "_local_scalar_dense"}
"""Copies from Python's objects to the GPU and back, which wait for the queue."""


class Recording(TorchDispatchMode):
    """Keeps every operation with what it reads and where it writes, as a graph does."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in NOT_IN_A_GRAPH:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        made = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, made))
        return made


class Graph:
    """Does the operations again on the same memory."""

    replays = 0

    def __init__(self):
        self.calls = []

    def replay(self):
        type(self).replays += 1
        for func, args, kwargs, made in self.calls:
            for to, source in zip(tree_leaves(made), tree_leaves(func(*args, **kwargs)), strict=True):
                to.copy_(source)


class Cuda:
    """Which GPU and stream are the current ones, and on which GPU each event was recorded."""

    def __init__(self):
        self.device, self.stream, self.events = torch.device("cuda:0"), "main", []
        cuda = self

        class Event:
            def record(self):
                cuda.events.append((cuda.device, cuda.stream))

            def synchronize(self):
                pass

        class Stream:
            def __init__(self, device, name="side"):
                self.name = name

            def wait_stream(self, other):
                pass

        @contextmanager
        def on_device(device):
            before, cuda.device = cuda.device, device
            yield
            cuda.device = before

        @contextmanager
        def on_stream(stream):
            before, cuda.stream = cuda.stream, stream.name
            try:
                yield
            finally:
                cuda.stream = before

        @contextmanager
        def recorded(graph):
            """As older versions of torch do, it leaves its stream the current one where the recording fails."""
            before, cuda.stream = cuda.stream, "recording"
            with Recording(graph.calls):
                yield
            cuda.stream = before

        self.names = {
            "Event": Event,
            "Stream": Stream,
            "CUDAGraph": Graph,
            "device": on_device,
            "stream": on_stream,
            "graph": recorded,
            "current_stream": lambda device: Stream(device, cuda.stream),
        }


@pytest.fixture
def cuda(monkeypatch):
    stand_in = Cuda()
    for name, thing in stand_in.names.items():
        monkeypatch.setattr(torch.cuda, name, thing)
    move, empty = torch.Tensor.to, torch.empty

    def to(tensor, *args, **kwargs):
        return tensor if args and args[0] == GPU else move(tensor, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(torch, "empty", lambda *args, pin_memory=False, **kwargs: empty(*args, **kwargs))
    monkeypatch.setattr(Graph, "replays", 0)
    return stand_in


def runtime_of(network, monkeypatch):
    model = Model("own", network, input_size=SIDE, preprocessing=Preprocessing(), batch_size=BATCH)
    runtime = TorchRuntime(model._pixel_network, SIDE, torch.device("cpu"), BATCH)
    monkeypatch.setattr(runtime, "_device", GPU)
    return model, runtime


def batches(sizes, masked):
    rng = np.random.default_rng(0)
    for size, mask in zip(sizes, masked, strict=True):
        yield (
            rng.integers(0, 256, (size, SIDE, SIDE, 3), np.uint8),
            rng.random((size, SIDE, SIDE)) < 0.3 if mask else None,
        )


class Waiting(nn.Module):
    """Waits for the GPU inside its pass, to choose its course."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(-images if images.mean().item() > 1e6 else images)


@pytest.mark.parametrize("waits", [False, True])
def test_whole_batches_are_replayed_from_a_graph_unless_the_network_waits(waits, cuda, small_network, monkeypatch):
    network = small_network()
    model, runtime = runtime_of(Waiting(network) if waits else network, monkeypatch)
    given = list(batches([4, 4, 3, 4, 4, 4], [False, True, False, True, False, False]))
    made = list(runtime.run(given))
    assert Graph.replays == (0 if waits else 2 + 5), "each kind of views is tried once, and then five whole batches run"
    assert len(made) == len(given)
    for (pixels, outside), outputs in zip(given, made, strict=True):
        alone = model.evaluate(pixels, outside)
        np.testing.assert_allclose(outputs.probabilities, alone.probabilities, atol=1e-6)
        np.testing.assert_allclose(outputs.features, alone.features, atol=1e-6)
    assert cuda.events == [(GPU, "main")] * len(given), "each is waited for where it was computed"
    assert cuda.device != GPU, "what the caller had is current again"


def test_a_graph_that_computes_something_else_is_not_used(cuda, small_network, monkeypatch):
    model, runtime = runtime_of(small_network(), monkeypatch)
    monkeypatch.setattr(Graph, "replay", lambda graph: graph.calls[-1][-1].add_(1))
    (pixels, _), *_ = given = list(batches([4, 4], [False, False]))
    made = list(runtime.run(given))
    np.testing.assert_allclose(made[0].probabilities, model.evaluate(pixels).probabilities, atol=1e-6)


class Large(nn.Module):
    """Has no room for more than two views."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return self.network(images)


def test_views_that_do_not_fit_the_memory_are_said_to_be_too_many(cuda, small_network, monkeypatch):
    _, runtime = runtime_of(Large(small_network()), monkeypatch)
    assert [len(each.features) for each in runtime.run(batches([2, 1], [False, True]))] == [2, 1]
    with pytest.raises(
        InputError, match=r"memory of cuda:1 is too small, or too full, .* give fewer with --batch-size"
    ):
        list(runtime.run(batches([4], [False])))
