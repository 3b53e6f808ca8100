"""Where the index is searched, and the reason given."""

import faiss
import numpy as np
import pytest

from bias_toolkit.index import TrainingIndex, choose_placement

GIB = 2**30


@pytest.fixture
def one_gpu(monkeypatch):
    """Faiss seems to see one GPU with 16 GiB free; copies stay on the CPU and are counted."""
    copies = []

    def copy(index):
        copies.append(index)
        return faiss.clone_index(index)

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", copy, raising=False)
    monkeypatch.setattr("bias_toolkit.index.placement._gpu_free_memory", lambda device: 16 * GIB)
    return copies


def test_without_a_gpu_it_is_the_cpu(monkeypatch):
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    placement = choose_placement(10_000, 1280)
    assert not placement.on_gpu
    assert placement.reason == (
        "Exact flat search of 10,000 vectors of 1,280 float32 numbers (48.8 MiB) on the CPU; Faiss sees no GPU."
    )


def test_too_little_memory_is_said(monkeypatch):
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    monkeypatch.setattr("bias_toolkit.index.placement._physical_memory", lambda: 8 * GIB)
    reason = choose_placement(1_281_167, 2048).reason
    assert "9.8 GiB" in reason
    assert "more than its 8.0 GiB of memory" in reason


def test_a_gpu_is_taken_where_the_vectors_and_the_scratch_fit(one_gpu):
    rows = 14 * GIB // (4 * 2048)
    assert choose_placement(rows, 2048).on_gpu
    placement = choose_placement(rows + 1, 2048)
    assert not placement.on_gpu
    assert "do not fit the 16.0 GiB free on the GPU" in placement.reason


def test_the_smallest_of_several_gpus_decides(monkeypatch):
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 2)
    monkeypatch.setattr("bias_toolkit.index.placement._gpu_free_memory", lambda device: (16 - 12 * device) * GIB)
    assert "2 GPUs" in choose_placement(1000, 2048).reason
    assert not choose_placement(3 * GIB // (4 * 2048), 2048).on_gpu


def test_the_index_is_copied_and_searched_there(one_gpu):
    training = np.random.default_rng(0).normal(size=(40, 3))
    index = TrainingIndex.build(training, [str(row) for row in range(40)])
    assert len(one_gpu) == 1
    assert "on the GPU" in index.reason
    _, rows = index.search(training[:5], 1)
    assert rows[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_failed_copy_falls_back_to_the_cpu(one_gpu, monkeypatch):
    def fail(index):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", fail)
    index = TrainingIndex.build(np.eye(3), list("abc"))
    assert "on the CPU" in index.reason
    assert "out of memory" in index.reason
    assert index.search(np.eye(3), 1)[1][:, 0].tolist() == [0, 1, 2]


def test_more_candidates_than_a_gpu_gives_are_asked_of_the_cpu(one_gpu, monkeypatch):
    class Limited:
        def search(self, queries, k):
            raise AssertionError(f"asked for {k}")

    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", lambda index: Limited())
    index = TrainingIndex.build(np.arange(3000.0)[:, None], [str(row) for row in range(3000)])
    _, rows = index.search(np.zeros((1, 1)), 2500)
    np.testing.assert_array_equal(rows[0], np.arange(2500))
