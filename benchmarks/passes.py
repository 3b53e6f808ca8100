"""Sweeps and features: against the plain loop, and against what the runtime and the decoder can do at all."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.rows import Row, alternately, rate, ratio
from bias_toolkit import load_dataset, load_model
from bias_toolkit.datasets import Dataset
from bias_toolkit.features import FEATURE_ROWS, feature_shards
from bias_toolkit.foundation.files import write_array, write_table
from bias_toolkit.foundation.shards import cut_into_shards
from bias_toolkit.foundation.threads import decoding_workers, ordered_map
from bias_toolkit.invariance import (
    RESPONSES,
    Sweep,
    centre_reduction,
    centre_view,
    load_measures,
    load_responses,
    sweep_reduction,
    sweep_shards,
)
from bias_toolkit.models import Model

SWEEP = Sweep("crop", "diagonal", 1.0)
SWEEP_SHARD, FEATURE_SHARD = 64, 1024
"""Images in a shard, as a study cuts them."""
PROBABILITY_TOLERANCE = 1e-4
KEEPS_MEMORY = {f"MALLOC_{name}_": str(2**31 - 1) for name in ("TRIM_THRESHOLD", "MMAP_THRESHOLD")}
"""glibc's settings for a process that gives no freed memory back to the kernel."""


class Work:
    """What the toolkit does with a dataset and a model, as functions that do it once and say how many items it was."""

    def __init__(self, model: Model, dataset: Dataset, image_ids: list[str]):
        self.model, self.image_ids = model, image_ids
        self._read = lambda image_id: dataset.read_reduced(image_id, sweep_reduction(SWEEP, model.input_size, image_id))
        reduction = centre_reduction(model.input_size, 1.0)
        self._read_centre = lambda image_id: dataset.read_reduced(image_id, reduction)

    def sweep(self, folder: str | None = None) -> int:
        """Views of a sweep over all images."""
        shards = sweep_shards(
            self.model,
            self._read,
            cut_into_shards(self.image_ids, SWEEP_SHARD),
            SWEEP,
            label_indices={},
            batch_size=self.model.batch_size,
            advance=lambda _: None,
        )
        with tempfile.TemporaryDirectory() as temporary:
            for number, shard in enumerate(shards):
                write_table(shard["responses"], Path(folder or temporary, f"responses-{number:05d}.parquet"), RESPONSES)
        return len(self.image_ids) * SWEEP.n_views

    def features(self) -> int:
        """Images embedded, with their store."""
        shards = feature_shards(
            self.model,
            self._read_centre,
            lambda image, _: (self._view(image), None),
            cut_into_shards(self.image_ids, FEATURE_SHARD),
            batch_size=self.model.batch_size,
            advance=lambda _: None,
        )
        with tempfile.TemporaryDirectory() as folder:
            for number, shard in enumerate(shards):
                write_array(shard["features"], Path(folder, f"features-{number:05d}.npy"))
                write_table(shard["rows"], Path(folder, f"features-{number:05d}.parquet"), FEATURE_ROWS)
        return len(self.image_ids)

    def decoding(self) -> int:
        """Images decoded to their centre view in the threads that decode ahead of the model, and nothing else."""
        for _ in ordered_map(
            lambda image_id: self._view(self._read_centre(image_id)), self.image_ids, workers=decoding_workers()
        ):
            pass
        return len(self.image_ids)

    def decoding_on_all_cores(self) -> int:
        """The same with one thread for each core."""
        for _ in ordered_map(lambda image_id: self._view(self._read_centre(image_id)), self.image_ids):
            pass
        return len(self.image_ids)

    def passes(self) -> int:
        """Forward passes on views that are in memory: the runtime's ceiling."""
        size, batch = self.model.input_size, self.model.batch_size
        views = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
        count = -(-len(self.image_ids) * 5 // batch)
        return sum(len(each.features) for each in self.model.evaluate_batches((views, None) for _ in range(count)))

    def _view(self, image: object) -> np.ndarray:
        return centre_view(image, self.model.input_size).pixels[0]


def rows_of_passes(
    folder: Path, model_name: str, weights: str | None, runtimes: list[str], loop_images: int, repeats: int
) -> tuple[list[Row], list[Row]]:
    """Two tables: the sweep against the plain loop; sweep and features against their ceilings."""
    against_loop, against_ceiling = [], []
    for runtime in runtimes:
        model = load_model(model_name, weights=weights, runtime=runtime, search_current_folder=True)
        dataset = load_dataset(folder)
        dataset.scan()
        image_ids = dataset.images["image_id"].tolist()
        work = Work(model, dataset, image_ids)
        work.sweep()
        against_loop += _against_loop(work, folder, model_name, weights, loop_images, repeats)
        against_ceiling += _against_ceiling(work, repeats)
    return against_loop, against_ceiling


def _against_loop(
    work: Work, folder: Path, model_name: str, weights: str | None, loop_images: int, repeats: int
) -> list[Row]:
    """The sweep against the loop as it comes, and where that hangs on it, against the loop with its memory kept.

    glibc gives the memory of large freed tensors back to the kernel or keeps it, depending on where the blocks happen
    to lie. A loop that allocates its activations anew in every pass spends more or less of its time in page faults for
    that, and each process differs: hence a process for each measurement.
    """
    environments = {"": {}}
    if work.model.device.type == "cpu" and platform.libc_ver()[0] == "glibc":
        environments[" that keeps freed memory"] = KEEPS_MEMORY
    sweeps, loops = [], {kind: [] for kind in environments}
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "loop.npz"
        command = [sys.executable, "-m", "benchmarks.plain_loop", str(folder), str(loop_images), str(out), model_name]
        command += [] if weights is None else [weights]
        for _ in range(repeats):
            for kind, environment in environments.items():
                subprocess.run(command, check=True, env=os.environ | environment)
                with np.load(out) as saved:
                    loops[kind].append(dict(saved))
            sweeps.append(alternately({"sweep": work.sweep}, 1)["sweep"][0] / SWEEP.n_views)
        responses = Path(temporary) / "responses"
        work.sweep(responses)
        difference, changed = compare_with_loop(loops[""][0], responses)
    same = "same top-1 class on every view" if changed == 0 else f"WRONG: {changed} top-1 classes differ"
    if difference > PROBABILITY_TOLERANCE:
        same = f"WRONG: {same}"
    passes = 2 * (SWEEP.n_views - 1)
    rows = []
    for kind, runs in loops.items():
        rates = np.array([len(run["image_ids"]) / run["seconds"] for run in runs])
        faults = np.median([run["faults"] / (len(run["image_ids"]) * passes) for run in runs])
        rows.append(
            Row(
                f"sweep of {SWEEP.n_views} views, {work.model.name}, {work.model.runtime}",
                rate(np.array(sweeps), "images/s"),
                f"plain loop{kind}, {passes} passes an image: {rate(rates, 'images/s')}",
                ratio(np.array(sweeps), rates),
                f"{same}; probabilities within {difference:.1g}; the loop ran at {rates.min():.2f} to "
                f"{rates.max():.2f} images/s in {repeats} processes, {faults:,.0f} page faults a pass",
            )
        )
    return rows


def compare_with_loop(loop: dict[str, np.ndarray], responses: Path) -> tuple[float, int]:
    """The largest difference of a probability, and how many top-1 classes differ, between loop and toolkit."""
    table = load_responses(responses).set_index("image_id").loc[loop["image_ids"]]
    top1, p_top1 = np.stack(table["top1"].to_numpy()), np.stack(table["p_top1"].to_numpy())
    first, second = loop["top1"][..., 0], loop["top1"][..., 1]
    changed = int((first != top1[:, :-1]).sum() + (second[:, -1] != top1[:, -1]).sum())
    mac = load_measures(responses).set_index("image_id").loc[loop["image_ids"], "mac"].to_numpy()
    of_loop = np.abs(loop["p_top1"] - loop["p_next"]).mean(axis=1)
    return float(max(np.abs(loop["p_top1"] - p_top1[:, :-1]).max(), np.abs(mac - of_loop).max())), changed


def _against_ceiling(work: Work, repeats: int) -> list[Row]:
    ways: dict[str, Callable[[], int]] = {
        "passes": work.passes,
        "sweep": work.sweep,
        "decoding": work.decoding,
        "features": work.features,
        "all": work.decoding_on_all_cores,
    }
    rates = alternately(ways, repeats)
    passes, decoding, cores = rates["passes"], rates["decoding"], rates["all"]
    # Decoder and model share the processor's cores: one image costs the time of both.
    together = passes if work.model.device.type == "cuda" else 1 / (1 / passes + 1 / cores)
    together = np.minimum(together, decoding)
    name = f"{work.model.name}, {work.model.runtime}"
    return [
        Row(
            f"sweep, {name}",
            rate(rates["sweep"], "views/s"),
            f"passes on preloaded views: {rate(passes, 'views/s')}",
            ratio(rates["sweep"], passes),
        ),
        Row(
            f"features, {name}",
            rate(rates["features"], "images/s"),
            f"decoder and model together: {rate(together, 'images/s')}",
            ratio(rates["features"], together),
            f"of the passes alone {ratio(rates['features'], passes):.2f}; of the decoder alone "
            f"{ratio(rates['features'], decoding):.2f} ({rate(decoding, 'images/s')}, on all cores "
            f"{rate(cores, 'images/s')})",
        ),
    ]
