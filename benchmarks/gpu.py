"""`python -m benchmarks.gpu`: what one NVIDIA GPU does for the toolkit, without a network, in under 6 minutes.

ResNet-50 with random weights at 224 pixels on JPEG files that are made on the spot. Writes benchmarks/GPU.md. With
`--device cpu --tiny`, the same code runs in seconds on any machine.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import faiss
import numpy as np
import torch
import torchvision
import typer

from benchmarks.imagenet_size import TEST, TRAIN
from benchmarks.machine import machine
from benchmarks.passes import SWEEP, Work
from benchmarks.photographs import write_photographs
from benchmarks.rows import Row, alternately, markdown, rate, ratio
from bias_toolkit import load_dataset, load_model
from bias_toolkit.features.index import TrainingIndex
from bias_toolkit.models import Model
from bias_toolkit.models.precision import full_float32

RESULTS = Path(__file__).parent / "GPU.md"
K = 10
PROBABILITIES, FEATURES = 1e-4, 1e-3
"""How far the GPU's probabilities, and its features relative to the largest, may be from the CPU's in float32."""


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    network: str
    side: int
    images: int
    checked: int  # views whose outputs are compared with the CPU's
    rows: int  # vectors that are searched
    dimension: int
    queries: int
    repeats: int


FULL = Scale("resnet50", 224, 1024, 64, 200_000, 2048, 2000, 3)
TINY = Scale("resnet18", 32, 6, 4, 500, 16, 20, 1)


def random_network(scale: Scale, device: str) -> Model:
    """The network with random weights, the same on every device."""
    torch.manual_seed(0)
    network = getattr(torchvision.models, scale.network)(weights=None)
    return load_model(network, device=device, runtime="torch", input_size=scale.side, name=scale.network)


def rows_of_model(scale: Scale, model: Model, folder: Path) -> tuple[list[Row], dict[str, float]]:
    """Sweeps and features beside bare passes, whether graphs were recorded, memory; and images a second of both."""
    dataset = load_dataset(write_photographs(folder / "photographs", scale.images))
    dataset.scan()
    work = Work(model, dataset, dataset.images["image_id"].tolist())
    bare = _bare_passes(model, 5 * scale.images)
    ways = {"bare": bare, "sweep": work.sweep, "features": work.features, "decoding": work.decoding_on_all_cores}
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(model.device)
    rates = alternately({name: _after_one(way) for name, way in ways.items()}, scale.repeats)
    why = model.why_no_graph
    rows = [
        Row(
            f"sweep, {model.name}",
            rate(rates["sweep"], "views/s"),
            f"bare passes on views in the device's memory: {rate(rates['bare'], 'views/s')}",
            ratio(rates["sweep"], rates["bare"]),
            f"{model.batch_size} views in a pass",
        ),
        Row(
            f"features, {model.name}",
            rate(rates["features"], "images/s"),
            f"bare passes: {rate(rates['bare'], 'images/s')}",
            ratio(rates["features"], rates["bare"]),
            f"the decoder alone on all cores: {rate(rates['decoding'], 'images/s')}",
        ),
        Row("CUDA graph", "recorded" if why is None else "none", "", None, why or ""),
        Row("peak memory", _memory(model.device), ""),
    ]
    sweeps, features = (float(np.median(rates[name])) for name in ("sweep", "features"))
    return rows, {"sweep": sweeps / SWEEP.n_views, "features": features}


def _after_one(way: Callable[[], int]) -> Callable[[], int]:
    """The way, run once before it is measured: kernels are chosen, graphs recorded and caches filled."""
    way()
    return way


def _bare_passes(model: Model, views: int) -> Callable[[], int]:
    """The network alone on one batch that stays in the device's memory, in full float32."""
    shape = (model.batch_size, model.input_size, model.input_size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    batch = model.normalise(pixels)
    passes = max(1, views // model.batch_size)

    def work() -> int:
        with full_float32(), torch.inference_mode():
            for _ in range(passes):
                made = model.module(batch)
            # Waits for the device.
            made.sum().item()
        return passes * model.batch_size

    return work


def rows_of_precision(scale: Scale, model: Model) -> list[Row]:
    """float32 without TF32 against the CPU, and the distances of bfloat16 features against float32's."""
    views = np.random.default_rng(1).integers(0, 256, (scale.checked, scale.side, scale.side, 3), np.uint8)
    here, there = model.evaluate(views), random_network(scale, "cpu").evaluate(views)
    apart = float(np.abs(here.probabilities - there.probabilities).max())
    largest = float(np.abs(there.features).max())
    features_apart = float(np.abs(here.features - there.features).max()) / largest
    same = int((here.probabilities.argmax(axis=1) == there.probabilities.argmax(axis=1)).sum())
    verdict = "as it should be" if apart <= PROBABILITIES and features_apart <= FEATURES else "**too far**"
    low = model.evaluate(views, precision="bfloat16").features
    exact, rounded = (_distances(each) for each in (here.features, low))
    error = np.abs(rounded / exact - 1)
    nearest = float((_nearest(exact) == _nearest(rounded)).mean())
    return [
        Row(
            "float32, TF32 off",
            f"probabilities within {apart:.1g}, features within {features_apart:.1g} of the largest",
            "the CPU",
            None,
            f"{verdict}; the same top-1 class on {same} of {scale.checked} views",
        ),
        Row(
            "bfloat16 features",
            f"distances within {np.median(error):.2%} (median), {error.max():.2%} (most)",
            "float32 features",
            None,
            f"the same nearest view for {nearest:.0%} of {scale.checked}",
        ),
    ]


def _distances(features: np.ndarray) -> np.ndarray:
    """Distances of all pairs of rows, float64 (n (n − 1) / 2,)."""
    from scipy.spatial.distance import pdist

    return pdist(features.astype(np.float64))


def _nearest(distances: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import squareform

    square = squareform(distances)
    np.fill_diagonal(square, np.inf)
    return square.argmin(axis=1)


def rows_of_search(scale: Scale, device: torch.device) -> tuple[list[Row], float]:
    """Exact search on the device against the CPU; and pairs of a query and a vector a second there."""
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((scale.rows, scale.dimension), dtype=np.float32)
    queries = rng.standard_normal((scale.queries, scale.dimension), dtype=np.float32)
    few = queries[: max(1, scale.queries // 10)]
    expected, _ = _squared(vectors, few, torch.device("cpu"))
    with_faiss = device.type == "cuda" and faiss.get_num_gpus() > 0
    if with_faiss:
        index = TrainingIndex.build(vectors, [str(row) for row in range(len(vectors))])
        index.search(few, K)
        start = time.perf_counter()
        found = index.search(queries, K)[0].astype(np.float64) ** 2
        how = "Faiss"
    else:
        _squared(vectors, few, device)
        start = time.perf_counter()
        found, _ = _squared(vectors, queries, device)
        how = f"torch's matrix product on {device}"
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    _squared(vectors, few, torch.device("cpu"))
    on_cpu = len(few) / (time.perf_counter() - start)
    error = float(np.abs(found[: len(few)] / expected - 1).max())
    row = Row(
        f"{K} nearest of {scale.rows:,} × {scale.dimension:,}, {scale.queries:,} queries, {how}",
        f"{scale.queries / seconds:,.0f} queries/s",
        f"the CPU, torch's matrix product: {on_cpu:,.0f} queries/s",
        scale.queries / seconds / on_cpu,
        f"squared distances within {error:.1g}" + ("" if with_faiss else "; Faiss sees no GPU"),
    )
    return [row], scale.queries * scale.rows / seconds


def _squared(vectors: np.ndarray, queries: np.ndarray, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """The squared distances (q, K) float64 to the nearest vectors, ascending, and their rows, in full float32."""
    with full_float32(), torch.inference_mode():
        stored, asked = (torch.from_numpy(each).to(device) for each in (vectors, queries))
        values = (stored**2).sum(dim=1) - 2 * (asked @ stored.T) + (asked**2).sum(dim=1, keepdim=True)
        least, rows = values.topk(K, largest=False)
        return least.cpu().numpy().astype(np.float64), rows.cpu().numpy()


def _memory(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB of the GPU"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB of main memory"


def projected(scale: Scale, a_second: dict[str, float], pairs_a_second: float) -> Row:
    """How long ImageNet would take at these rates: features of both sets, one sweep of the test set, the search."""
    # A product of vectors takes time in proportion to their length.
    parts = {
        "features": (TRAIN + TEST) / a_second["features"],
        "sweep": TEST / a_second["sweep"],
        "search": TRAIN * TEST / pairs_a_second,
    }
    said = ", ".join(f"{name} {seconds / 60:,.0f} min" for name, seconds in parts.items())
    return Row("ImageNet, projected", f"{sum(parts.values()) / 3600:.1f} h", "", None, said)


def measure(scale: Scale, device: str, folder: Path) -> list[tuple[str, Sequence[Row]]]:
    """Every table, by its title."""
    start = time.perf_counter()
    model = random_network(scale, device)
    of_model, a_second = rows_of_model(scale, model, folder)
    of_precision = rows_of_precision(scale, model)
    of_search, pairs_a_second = rows_of_search(scale, model.device)
    whole = Row("all of these measurements", f"{time.perf_counter() - start:.0f} s", "at most 360 s")
    return [
        ("Sweeps and features", of_model),
        ("Precision", of_precision),
        ("Search", of_search),
        ("In all", [projected(scale, a_second, pairs_a_second), whole]),
    ]


def main(
    device: Annotated[str, typer.Option(help="Where the model runs: cuda, cpu or mps.")] = "cuda",
    tiny: Annotated[bool, typer.Option("--tiny", help="A small network and few images: for a test.")] = False,
    out: Annotated[Path, typer.Option(help="The table.")] = RESULTS,
) -> None:
    """Measure, print, and write the table."""
    with tempfile.TemporaryDirectory() as temporary:
        tables = measure(TINY if tiny else FULL, device, Path(temporary))
    lead = f"Written by `python -m benchmarks.gpu --device {device}{' --tiny' * tiny}` on {date.today()}."
    lines = ["# On a GPU\n", f"{lead}\n", f"Machine: {machine()}\n", *(markdown(*table) for table in tables)]
    out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    typer.run(main)
