"""The benchmark for a GPU, tiny, on the CPU."""

from pathlib import Path

import numpy as np


def test_every_table_is_made_on_the_cpu(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks import gpu

    monkeypatch.setattr(gpu, "machine", lambda: "a machine")
    gpu.main(device="cpu", tiny=True, out=tmp_path / "GPU.md")
    text = (tmp_path / "GPU.md").read_text()
    for title in ("Sweeps and features", "Precision", "Search", "In all"):
        assert f"## {title}\n" in text
    assert "| CUDA graph | none |  |  | it runs on cpu |" in text
    # The CPU is compared with itself.
    assert "probabilities within 0, features within 0" in text
    assert "the same top-1 class on 4 of 4 views" in text
    assert "**too far**" not in text


def test_squared_distances_are_those_of_plain_differences(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    import torch

    from benchmarks.gpu import K, _squared

    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(40, 6)).astype(np.float32), rng.normal(size=(5, 6)).astype(np.float32)
    distances, rows = _squared(vectors, queries, torch.device("cpu"))
    plain = ((queries[:, None] - vectors) ** 2).sum(axis=2)
    np.testing.assert_array_equal(rows, plain.argsort(axis=1)[:, :K])
    np.testing.assert_allclose(distances, np.sort(plain, axis=1)[:, :K], rtol=1e-4)
