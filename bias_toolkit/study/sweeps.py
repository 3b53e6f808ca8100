"""Running a study's sweeps: over all test images, or over as many as a precision takes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import empty_table, write_table, write_text
from bias_toolkit.foundation.progress import Progress

if TYPE_CHECKING:
    from bias_toolkit.datasets import ReducedImage
    from bias_toolkit.invariance import Sweep
    from bias_toolkit.study import Study

STOPPED, RUNTIME = "sequential.json", "runtime.txt"


def sweep_reader(study: Study, sweep: Sweep) -> Callable[[str], ReducedImage]:
    """Reads a test image no larger than a sweep needs it."""
    from bias_toolkit.invariance import sweep_reduction

    dataset, side = study.test, study.model.input_size
    return lambda image_id: dataset.read_reduced(image_id, sweep_reduction(sweep, side, image_id))


def write_responses(
    study: Study, sweep: Sweep, folder: Path, label_indices: Mapping[str, int], progress: Progress
) -> None:
    """The responses along one sweep; with a precision, of the images that it took, and what is then known.

    Raises
    ------
    InputError
        If no image could be decoded.
    """
    from bias_toolkit.invariance import StopWhenKnown, drawing_order, load_measures, run_sweep

    settings = study.settings
    image_ids, stop = study.test.images["image_id"].tolist(), None
    if settings.precision is not None:
        image_ids = drawing_order(image_ids, settings.seed)
        stop = StopWhenKnown(sweep, len(image_ids), settings.precision)
    run_sweep(
        study.model,
        sweep_reader(study, sweep),
        image_ids,
        sweep,
        folder,
        label_indices=label_indices,
        batch_size=study.model.batch_size,
        stop=stop,
        progress=progress,
    )
    if load_measures(folder).empty:
        raise InputError(f"None of the {len(image_ids):,} images of {study.test.root} could be decoded.")
    write_text(study.model.runtime_reason + "\n", folder / RUNTIME)
    if stop is not None:
        write_text(json.dumps(stop.record()), folder / STOPPED)


def write_measures(study: Study, responses: list[Path], folder: Path) -> None:
    """The measures of every sweep, in the dataset's order, and what is known of each that was to stop."""
    from bias_toolkit.invariance import MEASURES, SEQUENTIAL, load_measures

    place = {image_id: row for row, image_id in enumerate(study.images("test")["image_id"])}
    measures = [load_measures(each).sort_values("image_id", key=lambda ids: ids.map(place)) for each in responses]
    write_table(pd.concat(measures, ignore_index=True), folder / "measures.parquet", MEASURES)
    write_text(json.dumps(dataclasses.asdict(study.label_match)), folder / "labels.json")
    records = [each / STOPPED for each in responses if (each / STOPPED).exists()]
    known = pd.DataFrame([json.loads(path.read_text(encoding="utf-8")) for path in records])
    write_table(known if records else empty_table(SEQUENTIAL), folder / "sequential.parquet", SEQUENTIAL)
