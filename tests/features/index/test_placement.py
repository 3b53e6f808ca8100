"""Where the index is searched, the reason given, and that it changes nothing that is found."""

from typing import ClassVar

import faiss
import numpy as np
import pytest

from bias_toolkit.features.index import TrainingIndex
from bias_toolkit.features.index.placement import choose_placement
from bias_toolkit.foundation.choices import METRICS

GIB = 2**30
RNG = np.random.default_rng(4)
TRAINING = np.abs(RNG.normal(size=(300, 24))).astype(np.float32)
TRAINING[250:] = TRAINING[:50]
QUERIES = np.concatenate([np.abs(RNG.normal(size=(40, 24))), TRAINING[:20]]).astype(np.float32)
IDS = [str(row) for row in range(300)]


class HalfFlat:
    """Stands in for a flat index on a GPU: rounds to float16, searches on the CPU, and keeps count."""

    made: ClassVar[list] = []

    def __init__(self, resources, dimension, config, metric):
        self.device, self.half = config.device, config.useFloat16
        self._flat = faiss.IndexFlat(dimension, metric)
        self.asked = []
        HalfFlat.made.append(self)

    @property
    def ntotal(self):
        return self._flat.ntotal

    def add(self, block):
        self._flat.add(block.astype(np.float16).astype(np.float32))

    def search(self, queries, k):
        assert k <= 2048
        self.asked.append((len(queries), k))
        return self._flat.search(queries.astype(np.float16).astype(np.float32), k)


class Shards:
    """Stands in for faiss.IndexShards, of parts with successive rows."""

    def __init__(self, dimension, threaded, successive):
        assert successive
        self._parts = []

    def add_shard(self, part):
        self._parts.append(part)

    def search(self, queries, k):
        first = np.cumsum([0, *(part.ntotal for part in self._parts)])
        found = [part.search(queries, min(k, part.ntotal)) for part in self._parts]
        values = np.concatenate([each for each, _ in found], axis=1)
        rows = np.concatenate([each + start for (_, each), start in zip(found, first[:-1], strict=True)], axis=1)
        sign = 1 if self._parts[0]._flat.metric_type == faiss.METRIC_L2 else -1
        order = np.argsort(sign * values, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(values, order, axis=1), np.take_along_axis(rows, order, axis=1)


@pytest.fixture
def gpus(monkeypatch):
    """A function that makes Faiss seem to see so many GPUs with 16 GiB free each."""

    def see(number):
        HalfFlat.made = []
        monkeypatch.setattr(faiss, "get_num_gpus", lambda: number)
        monkeypatch.setattr("bias_toolkit.features.index.placement._gpu_free_memory", lambda device: 16 * GIB)
        for name, metric in (("GpuIndexFlatL2", faiss.METRIC_L2), ("GpuIndexFlatIP", faiss.METRIC_INNER_PRODUCT)):
            made = lambda *arguments, metric=metric: HalfFlat(*arguments, metric)  # noqa: E731
            monkeypatch.setattr(faiss, name, made, raising=False)
        monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
        monkeypatch.setattr(faiss, "IndexShards", Shards)
        return HalfFlat.made

    return see


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)


def test_what_fits_three_quarters_of_the_limit_is_held_in_memory(no_gpu):
    placement = choose_placement(10_000, 1280, 51_200_000 * 4 // 3 + 1)
    assert (placement.on_gpu, placement.in_memory) == (False, True)
    assert placement.reason == (
        "Exact flat search of 10,000 vectors of 1,280 float32 numbers (48.8 MiB) on the CPU, held in memory, as they "
        "fit three quarters of the memory limit of 65.1 MiB; Faiss sees no GPU."
    )
    placement = choose_placement(10_001, 1280, 51_200_000 * 4 // 3 + 1)
    assert not placement.in_memory
    assert "read from the feature store in blocks, as they are more than three quarters" in placement.reason


def test_an_array_is_in_memory_already(no_gpu):
    placement = choose_placement(1_281_167, 2048, 8 * GIB, on_disk=False)
    assert placement.in_memory
    assert "9.8 GiB) on the CPU, held in memory; Faiss sees no GPU." in placement.reason


def test_a_gpu_is_taken_where_float16_twice_and_the_scratch_fit(gpus):
    """Twice, because Faiss keeps what it has until that is copied beside the block that is added."""
    gpus(1)
    rows = 7 * GIB // (2 * 2048 + 4)
    assert choose_placement(rows, 2048, 8 * GIB).on_gpu
    placement = choose_placement(rows + 1, 2048, 8 * GIB)
    assert not placement.on_gpu
    assert "which has 16.0 GiB free" in placement.reason


def test_several_gpus_take_a_part_each(gpus):
    gpus(2)
    rows = 2 * (7 * GIB // (2 * 2048 + 4))
    assert choose_placement(rows, 2048, 8 * GIB).on_gpu
    assert "2 GPUs, a part on each" in choose_placement(rows, 2048, 8 * GIB).reason
    assert not choose_placement(rows + 1, 2048, 8 * GIB).on_gpu


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("metric", METRICS)
def test_the_gpus_give_the_same_bits(gpus, monkeypatch, number, metric):
    own = np.full(60, -1)
    own[40:] = np.arange(20)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    wanted = TrainingIndex.build(TRAINING, IDS, metric).search(QUERIES, 6, own_rows=own)
    made = gpus(number)
    index = TrainingIndex.build(TRAINING, IDS, metric)
    assert "GPU" in index.reason
    assert "float16" in index.reason
    assert [part.device for part in made] == list(range(number))
    assert all(part.half for part in made)
    assert sum(part.ntotal for part in made) == 300
    for one, other in zip(index.search(QUERIES, 6, own_rows=own), wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(part.asked for part in made)


@pytest.mark.parametrize("metric", METRICS)
def test_what_float16_cannot_tell_apart_is_asked_for_again_and_then_measured(gpus, metric):
    """3,000 vectors that differ by less than float16 can say, so that any of them may be the nearest."""
    rng = np.random.default_rng(5)
    training = (1 + 1e-5 * rng.normal(size=(3000, 8))).astype(np.float32)
    ids = [str(row) for row in range(3000)]
    made = gpus(1)
    _, rows = TrainingIndex.build(training, ids, metric).search(training[:30], 1)
    np.testing.assert_array_equal(rows[:, 0], np.arange(30))
    counts = [k for _, k in made[0].asked]
    assert counts[0] < counts[1] < counts[-1] == 2048


def test_more_neighbours_than_a_gpu_gives(gpus):
    gpus(1)
    index = TrainingIndex.build(np.arange(3000.0)[:, None] / 2, [str(row) for row in range(3000)])
    _, rows = index.search(np.zeros((1, 1)), 2500)
    np.testing.assert_array_equal(rows[0], np.arange(2500))


def test_a_failed_copy_falls_back_to_the_cpu(gpus, monkeypatch):
    gpus(1)

    def fail(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(faiss, "GpuIndexFlatL2", fail)
    index = TrainingIndex.build(np.eye(3), list("abc"))
    assert "on the CPU" in index.reason
    assert "out of memory" in index.reason
    assert index.search(np.eye(3), 1)[1][:, 0].tolist() == [0, 1, 2]


def test_numbers_too_large_for_float16(gpus):
    gpus(1)
    index = TrainingIndex.build(np.eye(3) * 1e5, list("abc"))
    assert "too large for float16" in index.reason
    assert index.search(np.eye(3) * 1e5, 1)[1][:, 0].tolist() == [0, 1, 2]
    index = TrainingIndex.build(np.arange(300.0)[:, None], [str(row) for row in range(300)])
    assert "on the GPU" in index.reason
    assert index.search(np.array([[1e6], [2.2]]), 1)[1][:, 0].tolist() == [299, 2]
