"""The relation of distance and framing to invariance."""

from typing import Any

from bias_toolkit.pipeline.step import Job, step
from bias_toolkit.study.settings import INTERVAL_RULE
from bias_toolkit.study.steps.neighbours import neighbours
from bias_toolkit.study.steps.objects import objects
from bias_toolkit.study.steps.responses import measures

TABLES = (
    "correlations",
    "curves",
    "summary",
    "classes",
    "odds_ratios",
    "losses",
    "ceiling",
    "factors",
    "notes",
)
"""The tables of `bias_toolkit.analysis.Analysis`, in its order."""


def _tables() -> dict[str, Any]:
    from bias_toolkit.analysis import schema
    from bias_toolkit.study.per_image import per_image_schema

    return {name: getattr(schema, name.upper()) for name in TABLES} | {"per_image": per_image_schema()}


@step(
    "analysis",
    needs=[neighbours, measures, objects],
    inputs=["imagenet_x"],
    settings=["bins", "resamples", "permutations", "seed"],
    also=lambda: {"intervals": INTERVAL_RULE},
    command="analyse",
    writes=[f"{name}.parquet" for name in (*TABLES, "per_image")],
    tables=_tables,
)
def analysis(job: Job) -> None:
    """Join the data on each test image, and relate its distance and framing to the model's invariance on it."""
    from bias_toolkit.analysis import analyse
    from bias_toolkit.datasets import imagenet_x_factors
    from bias_toolkit.foundation.files import write_table
    from bias_toolkit.study.per_image import join_per_image

    settings, results, inputs = job.settings, job.results, job.inputs
    table, sweep_measures = results.subjects_framing, results.measures
    per_image = join_per_image(results.images("test"), sweep_measures, inputs.reference_sweep, results.distances, table)
    result = analyse(
        per_image,
        sweep_measures,
        factors=imagenet_x_factors(per_image["image_id"], inputs.test.layout, settings.imagenet_x),
        bins=settings.bins,
        resamples=settings.resamples,
        permutations=settings.permutations,
        seed=settings.seed,
        progress=job.progress,
    )
    for name, schema in _tables().items():
        table = per_image if name == "per_image" else getattr(result, name)
        write_table(table, job.folder / f"{name}.parquet", schema)
