"""Measures what README's performance table says: `python benchmarks/run.py`, a few minutes on two cores.

Every line compares two ways of doing the same work, measured in turn in one run; quote the ratio, not the seconds.
"""

from __future__ import annotations

import copy
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_sample_images

from bias_toolkit import load_model
from bias_toolkit.features import extract_features
from bias_toolkit.index import TrainingIndex
from bias_toolkit.invariance import Sweep, centre_view, make_views, run_sweep

REPEATS = 3
IMAGES = 16
SWEEP = Sweep("crop", "diagonal", 1.0)


def compare(name: str, unit: str, ours: Callable[[], int], other_name: str, other: Callable[[], int]) -> None:
    """Print one line of the table: medians over repeats of two ways that are run in turn."""
    rates = {ours: [], other: []}
    for _ in range(REPEATS):
        for work in (ours, other):
            start = time.perf_counter()
            items = work()
            rates[work].append(items / (time.perf_counter() - start))
    ratios = np.array(rates[ours]) / np.array(rates[other])
    fast, slow = np.median(rates[ours]), np.median(rates[other])
    print(f"| {name} | {fast:,.1f} {unit} | {other_name}: {slow:,.1f} {unit} | {np.median(ratios):.1f} |", flush=True)


def main() -> None:
    """Print the table as Markdown."""
    model = load_model("efficientnet-lite0")
    photographs = load_sample_images().images
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 120, (IMAGES, 2))
    images = {
        f"{number}": np.ascontiguousarray(photographs[number % 2][y : y + 300, x : x + 300])
        for number, (y, x) in enumerate(corners)
    }
    views = np.concatenate([make_views(image, SWEEP, 224, name).pixels for name, image in images.items()])
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.preprocessing.mean, model.preprocessing.std))

    plain = copy.deepcopy(model.module).to(memory_format=torch.contiguous_format)

    def probabilities(view: np.ndarray) -> torch.Tensor:
        normalised = (torch.from_numpy(view).permute(2, 0, 1) / 255 - mean) / std
        with torch.no_grad():
            return plain(normalised[None]).softmax(1)[0]

    def one_pass_a_view() -> int:
        with tempfile.TemporaryDirectory() as folder:
            run_sweep(model, images.__getitem__, list(images), SWEEP, folder, label_indices={}, batch_size=32)
        return len(images)

    def two_passes_a_step() -> int:
        for start in range(0, len(views), SWEEP.n_views):
            for k in range(start, start + SWEEP.n_views - 1):
                probabilities(views[k])
                probabilities(views[k + 1])
        return len(images)

    def in_batches() -> int:
        for start in range(0, len(views), 32):
            model.evaluate(views[start : start + 32])
        return len(views)

    def one_by_one() -> int:
        for view in views:
            probabilities(view)
        return len(views)

    def with_store() -> int:
        with tempfile.TemporaryDirectory() as folder:
            extract_features(
                model,
                images.__getitem__,
                lambda image, _: (centre_view(image, 224).pixels[0], None),
                list(images),
                Path(folder),
            )
        return len(images)

    def without_store() -> int:
        for image in images.values():
            probabilities(centre_view(image, 224).pixels[0])
        return len(images)

    training = rng.standard_normal((10_000, 1280), dtype=np.float32)
    queries = rng.standard_normal((200, 1280), dtype=np.float32)
    index = TrainingIndex.build(training, [str(row) for row in range(len(training))])

    def exact_index() -> int:
        index.search(queries, 10)
        return len(queries)

    def plain_numpy() -> int:
        for query in queries[:20]:
            np.argsort(((training - query) ** 2).sum(axis=1))[:10]
        return 20

    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {model.device.type}\n")
    print("| work | here | compared with | ratio |\n| --- | --- | --- | --- |")
    compare("sweep of 9 views, efficientnet-lite0", "images/s", one_pass_a_view, "two passes a step", two_passes_a_step)
    compare("forward passes, efficientnet-lite0", "views/s", in_batches, "one view at a time", one_by_one)
    compare("features with their store", "images/s", with_store, "one image at a time, no store", without_store)
    compare("10 nearest of 10,000 × 1280, exact", "queries/s", exact_index, "NumPy, one query at a time", plain_numpy)


if __name__ == "__main__":
    main()
