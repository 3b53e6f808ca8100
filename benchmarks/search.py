"""The search for nearest training images against Faiss and scikit-learn: `python -m benchmarks.search`.

Speed in memory; peak resident memory and exactness of a search of float16 features on disk in a small memory limit;
with `--imagenet` also of as many features as ImageNet has images, checked against brute force.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.rows import Row, alternately, markdown, rate, ratio

DIMENSION, K = 1280, 10
IMAGENET_ROWS = 1_281_167
SHARD_ROWS = 65_536
REPEATS = 3

WORKER = """
import json, sys, time
import numpy as np
from bias_toolkit.features.index import StoredFeatures, TrainingIndex
paths, queries, memory, k = json.loads(sys.argv[1])
features = StoredFeatures(paths)
start = time.perf_counter()
index = TrainingIndex.build(features, [str(row) for row in range(len(features))], memory=memory)
distances, rows = index.search(np.load(queries), k)
seconds = time.perf_counter() - start
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
peak = int(status["VmHWM"].split()[0]) * 1024
np.savez(queries + ".found.npz", distances=distances, rows=rows)
print(json.dumps({"seconds": seconds, "peak": peak, "reason": index.reason}))
"""


def search_rows(
    rows: int = 100_000,
    queries: int = 1000,
    dimension: int = DIMENSION,
    k: int = K,
    repeats: int = REPEATS,
    memory: str = "4GB",
    sample: int = 20,
    imagenet: bool = False,
    folder: Path | None = None,
    seed: int = 0,
) -> list[Row]:
    """Every row: the speed in memory, the peak memory in a small limit, and with `imagenet` that of ImageNet's size.

    Parameters
    ----------
    repeats : of the timings, each side in turn.
    memory : the limit of the search of ImageNet's size, as `--memory` takes it.
    sample, folder : see `memory_rows`.
    """
    common = {"queries": queries, "dimension": dimension, "k": k, "seed": seed}
    found = speed_rows(rows, repeats=repeats, **common)
    found += memory_rows(rows, memory="200MB", sample=sample, folder=folder, **common)
    if imagenet:
        found += memory_rows(IMAGENET_ROWS, memory=memory, sample=sample, folder=folder, **common)
    return found


def speed_rows(
    rows: int = 100_000, queries: int = 1000, dimension: int = DIMENSION, k: int = K, repeats: int = REPEATS, seed=0
) -> list[Row]:
    """Our exact search of vectors in memory against faiss.knn and scikit-learn's brute force."""
    import faiss
    from sklearn.neighbors import NearestNeighbors

    from bias_toolkit.features.index import TrainingIndex

    rng = np.random.default_rng(seed)
    training = rng.standard_normal((rows, dimension), dtype=np.float32)
    asked = rng.standard_normal((queries, dimension), dtype=np.float32)
    index = TrainingIndex.build(training, [str(row) for row in range(rows)])
    brute = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(training)

    def ours() -> int:
        index.search(asked, k)
        return queries

    def faiss_alone() -> int:
        faiss.knn(asked, training, k)
        return queries

    def sklearn_brute() -> int:
        brute.kneighbors(asked)
        return queries

    others = {"faiss.knn": faiss_alone, "scikit-learn, brute": sklearn_brute}
    rates = alternately({"ours": ours, **others}, repeats)
    here = rates.pop("ours")
    return [
        Row(
            f"{k} nearest of {rows:,} × {dimension:,}, {queries:,} queries",
            rate(here, "queries/s"),
            f"{name}: {rate(other, 'queries/s')}",
            ratio(here, other),
        )
        for name, other in rates.items()
    ]


def memory_rows(
    rows: int = 100_000,
    queries: int = 1000,
    dimension: int = DIMENSION,
    k: int = K,
    memory: str = "4GB",
    sample: int = 20,
    seed: int = 0,
    folder: Path | None = None,
) -> list[Row]:
    """Our search of float16 features on disk in a fresh process: its peak memory, and whether it is exact.

    Parameters
    ----------
    memory : the limit, as `--memory` takes it.
    sample : queries that brute force in float64 searches again.
    folder : for the features, which need 2 × rows × dimension bytes; removed afterwards.
    """
    with tempfile.TemporaryDirectory(dir=folder) as here:
        paths, asked = _write(Path(here), rows, queries, dimension, seed)
        command = [sys.executable, "-c", WORKER, json.dumps([paths, asked, memory, k])]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        with np.load(f"{asked}.found.npz") as result:
            distances, nearest = result["distances"], result["rows"]
        checked = np.random.default_rng(seed).choice(queries, min(sample, queries), replace=False)
        truth, order = _brute_force(paths, np.load(asked)[checked], k)
        exact = np.array_equal(nearest[checked], order) and np.allclose(distances[checked], truth, rtol=1e-6)
    in_memory = 4 * rows * dimension
    return [
        Row(
            f"peak memory, {rows:,} × {dimension:,} float16, {queries:,} queries, --memory {memory}",
            f"{found['peak'] / 1e9:.2f} GB, {found['seconds']:.0f} s",
            f"the vectors as float32: {in_memory / 1e9:.2f} GB",
            note=f"{'exact' if exact else 'WRONG'} on {len(checked)} queries. {found['reason']}",
        )
    ]


def _write(folder: Path, rows: int, queries: int, dimension: int, seed: int) -> tuple[list[str], str]:
    """Features as a network gives them: not below 0, around so many centres, a few of them twice."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((1000, dimension), dtype=np.float32)

    def drawn(count: int) -> np.ndarray:
        made = rng.standard_normal((count, dimension), dtype=np.float32)
        made += centres[rng.integers(0, len(centres), count)]
        return np.maximum(made, 0, out=made)

    paths = []
    for number, start in enumerate(range(0, rows, SHARD_ROWS)):
        shard = drawn(min(SHARD_ROWS, rows - start)).astype(np.float16)
        shard[-1] = shard[0]
        paths.append(str(folder / f"features-{number:05d}.npy"))
        np.save(paths[-1], shard)
    asked = drawn(queries)
    # One query is a training image that is there twice.
    asked[0] = shard[0]
    np.save(folder / "queries.npy", asked)
    return paths, str(folder / "queries.npy")


def _brute_force(paths: list[str], queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest by a loop over blocks and queries in float64, equal distances in the order of rows."""
    best = [(np.empty(0, np.float32), np.empty(0, np.int64)) for _ in queries]
    first = 0
    for path in paths:
        shard = np.load(path, mmap_mode="r")
        for start in range(0, len(shard), 8192):
            block = shard[start : start + 8192].astype(np.float32)
            rows = first + start + np.arange(len(block))
            for number, query in enumerate(queries):
                squares = np.square(np.subtract(block, query, dtype=np.float64)).sum(axis=1)
                distances = np.concatenate([best[number][0], np.sqrt(squares).astype(np.float32)])
                everything = np.concatenate([best[number][1], rows])
                order = np.lexsort((everything, distances))[:k]
                best[number] = distances[order], everything[order]
        first += len(shard)
    return np.array([distances for distances, _ in best]), np.array([rows for _, rows in best])


def main(arguments: list[str] | None = None) -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--dimension", type=int, default=DIMENSION)
    parser.add_argument("--k", type=int, default=K)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--memory", default="4GB", help="the limit with --imagenet")
    parser.add_argument("--sample", type=int, default=20, help="queries checked by brute force")
    parser.add_argument("--imagenet", action="store_true", help=f"also {IMAGENET_ROWS:,} rows on disk: 3.3 GB, minutes")
    parser.add_argument("--folder", type=Path, help="where the features are written and removed again")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rows = search_rows(**vars(options))
    print(markdown("Search", rows))


if __name__ == "__main__":
    main()
