"""Which test images are unstable, from one forward pass and one search: the flag for new images, and how good it is."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

from bias_toolkit.features.distances import CLASS_SAMPLE, NEAREST
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.step import Job, step
from bias_toolkit.study.settings import INTERVAL_RULE
from bias_toolkit.study.steps.neighbours import neighbours
from bias_toolkit.study.steps.objects import objects
from bias_toolkit.study.steps.responses import measures

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd

TABLES = ("images", "evaluation", "calibration")


def _tables() -> dict[str, Any]:
    from bias_toolkit.analysis import schema

    return {name: getattr(schema, f"FLAG_{name.upper()}") for name in TABLES}


def _check(inputs: Any) -> None:
    if inputs.reference_sweep is None:
        raise InputError("A flag is about the steps of a sweep, so one --protocol has to be crop or embed.")


@step(
    "flag",
    needs=[neighbours, measures, objects],
    inputs=["label_map"],
    settings=["share_flagged", "resamples", "seed"],
    also=lambda: {"intervals": INTERVAL_RULE, "class_sample": CLASS_SAMPLE},
    check=_check,
    command="flag",
    writes=[*(f"{name}.parquet" for name in TABLES), "flag.json", "classes.npy"],
    tables=_tables,
)
def flag(job: Job) -> None:
    """Fit the flag to the test images, evaluate it on those that it was not fitted to, and keep it as data."""
    from bias_toolkit.analysis.flag import MARGIN, UNSTABLE, fit_flag
    from bias_toolkit.foundation.files import empty_table, write_array, write_table, write_text

    share, seed, schemas = job.settings.share_flagged, job.settings.seed, _tables()
    classes = _training_classes(job)
    images = _scored(job, classes)
    density = job.results.subjects_framing["framing_log_density"].dropna()
    fitted = fit_flag(images, share, resamples=job.settings.resamples, seed=seed, progress=job.progress)
    values = {"share": share, "n": len(images), "n_unstable": int(images[UNSTABLE].sum())}
    values |= dict.fromkeys(("shipped", "probability", "brier", "far", "unsure", "unusual"))
    values |= {"by_class": False, "models": {}, "thresholds": {}}
    if fitted is not None:
        shipped = fitted.models[fitted.shipped].probability(images)
        values |= {
            "shipped": fitted.shipped,
            "by_class": fitted.by_class,
            "models": {name: dataclasses.asdict(model) for name, model in fitted.models.items()},
            "thresholds": fitted.thresholds,
            "probability": _quantile(shipped, 1 - share),
            "brier": None if math.isnan(fitted.brier.low) else list(fitted.brier[:3]),
            "far": _quantile(images["nn_distance"], 1 - share),
            "unsure": _quantile(images[MARGIN], 1 - share),
            "unusual": _quantile(density, share) if len(density) else None,
        }
        images = fitted.per_image
    write_table(images.reindex(columns=schemas["images"].names), job.folder / "images.parquet", schemas["images"])
    for name in TABLES[1:]:
        table = empty_table(schemas[name]) if fitted is None else getattr(fitted, name)
        write_table(table, job.folder / f"{name}.parquet", schemas[name])
    write_array(classes, job.folder / "classes.npy")
    write_text(json.dumps(values), job.folder / "flag.json")


def _quantile(values: Any, share: float) -> float:
    import numpy as np

    return float(np.quantile(values, share))


def _training_classes(job: Job) -> np.ndarray:
    """The model's class of each row of the index, int64; -1 if its label is no class of the model."""
    import numpy as np

    indices = job.inputs.label_indices("train")
    return np.array([indices.get(image_id, -1) for image_id in job.results.training_index.image_ids], dtype=np.int64)


def _scored(job: Job, classes: np.ndarray) -> pd.DataFrame:
    """One row per test image: image_id, label, its scores, and whether its class changes along the reference sweep."""
    import numpy as np
    import pandas as pd

    from bias_toolkit.analysis.flag import CONFIDENT, MARGIN, UNSTABLE
    from bias_toolkit.features.index import search_scores
    from bias_toolkit.invariance.transforms import CENTRE
    from bias_toolkit.study.per_image import join_per_image

    results, inputs = job.results, job.inputs
    table = join_per_image(
        results.images("test"),
        results.measures,
        inputs.reference_sweep,
        results.distances,
        results.subjects_framing,
    )
    table = table[table["nn_distance"].notna()]
    image_ids = table["image_id"].tolist()
    store, index = results.features("test"), results.training_index
    stored_ids, features = store.load()
    features = features[pd.Index(stored_ids).get_indexer(image_ids)]
    top1 = results.reference_responses.set_index("image_id")["top1"].reindex(image_ids)
    predicted = np.array([classes_of_views[CENTRE] for classes_of_views in top1], dtype=np.int64)
    rows = {image_id: row for row, image_id in enumerate(index.image_ids)}
    own = np.array([rows.get(twin, -1) for twin in inputs.twins(image_ids)], dtype=np.int64)
    with job.progress("Searching for the flag", total=None):
        scores, _ = search_scores(index, features, predicted, classes, own, found=_found(job, image_ids, rows))
    outputs = {MARGIN: 1 - table["margin"].to_numpy(), CONFIDENT: 1 - table["confidence"].to_numpy()}
    kept = table[["image_id", "label", UNSTABLE]].reset_index(drop=True)
    return pd.concat([kept.assign(**outputs), scores], axis=1)


def _found(job: Job, image_ids: list[str], rows: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray] | None:
    """The distances and rows of the nearest training images, as the study has them.

    None if it keeps too few, or they are not of this index.
    """
    import numpy as np
    import pandas as pd

    if job.settings.neighbours < NEAREST:
        return None
    table = job.results.neighbours
    image = pd.Index(image_ids).get_indexer(table["image_id"])
    wanted = (image >= 0) & (table["rank"] <= NEAREST).to_numpy()
    table, image = table[wanted], image[wanted]
    shape = len(image_ids), min(NEAREST, len(rows))
    distances, found = np.full(shape, np.nan, np.float32), np.full(shape, -1, np.int64)
    place, row = table["rank"].to_numpy() - 1, table["neighbour_id"].map(rows)
    if row.isna().any() or not ((place >= 0) & (place < shape[1])).all():
        return None
    distances[image, place] = table["distance"]
    found[image, place] = row
    return distances, found
