"""The numerical noise floor on the centre view of one sweep."""

import dataclasses
import json

from bias_toolkit.pipeline.step import Job, step
from bias_toolkit.study.settings import INTERVAL_RULE
from bias_toolkit.study.steps.images import images


@step(
    "noise",
    needs=[images.of("test")],
    inputs=["model", "noise_sweep"],
    requires=["model"],
    settings=["noise_images", "batch_size", "seed"],
    also=lambda: {"intervals": INTERVAL_RULE, "views": "one an image"},
    command="sweep",
    writes=["noise.json"],
)
def noise(job: Job) -> None:
    """Evaluate the same view of each image again at another batch position."""
    from bias_toolkit.foundation.files import write_text
    from bias_toolkit.invariance import noise_floor, sweep_reduction

    model, test, sweep = job.inputs.model, job.inputs.test, job.inputs.noise_sweep
    floor = noise_floor(
        model,
        lambda image_id: test.read_reduced(image_id, sweep_reduction(sweep, model.input_size, image_id)),
        test.images["image_id"].tolist(),
        sweep,
        batch_size=model.batch_size,
        n_images=job.settings.noise_images,
        seed=job.settings.seed,
        progress=job.progress,
    )
    write_text(json.dumps(dataclasses.asdict(floor)), job.folder / "noise.json")
