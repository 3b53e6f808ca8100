"""Why one image is unstable, with its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bias_toolkit
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.step import Job, step
from bias_toolkit.study.steps.analysis import analysis

if TYPE_CHECKING:
    from bias_toolkit.explain import Context, Request, Subject

EXPLANATIONS = "explanations"
FORMAT = 4
"""The version of explanation.json; other versions are computed anew."""


def _check(inputs: Any) -> None:
    if inputs.reference_sweep is None:
        raise InputError(
            f"{inputs.folder} has no sweep with steps; run `bias-toolkit sweep {inputs.folder} --protocol crop` first."
        )


@step(
    EXPLANATIONS + "/{request.name}",
    is_listed=False,
    needs=[analysis],
    inputs=["model", "label_map"],
    settings=["batch_size", "seed"],
    also=lambda: {"toolkit": bias_toolkit.__version__, "format": FORMAT},
    check=_check,
    command="explain",
    writes=["explanation.json", "index.html", "figures/*", "pictures/*"],
)
def explanation(job: Job, request: Request) -> None:
    """Remove each candidate cause in turn, measure again, and write the result."""
    from bias_toolkit.explain import explain_image
    from bias_toolkit.report.explanation import write_explanation

    result = explain_image(context_of(job), subject_of(job, request), job.folder)
    result.save(job.folder)
    write_explanation(result, job.folder)


def context_of(job: Job) -> Context:
    """The data that explaining needs from an analysed study, one of whose sweeps moves by steps."""
    from bias_toolkit.explain import Context

    inputs, results = job.inputs, job.results
    return Context(
        study=results.folder.resolve().name,
        model=inputs.model,
        sweep=inputs.reference_sweep,
        per_image=results.per_image,
        training_subjects=results.subjects("train"),
        training_labels=_training_labels(job),
        read_train=inputs.train.read,
        label_indices=inputs.all_class_indices,
        class_names=inputs.class_names,
        feature_size=inputs.settings.feature_size,
        batch_size=inputs.model.batch_size,
        seed=inputs.settings.seed,
    )


def subject_of(job: Job, request: Request) -> Subject:
    """The study's data on an image, or computed data on an image outside the study."""
    from bias_toolkit.explain import known_subject, outside_subject

    inputs, results = job.inputs, job.results
    if request.file is None:
        return known_subject(
            request.image_id,
            images=results.images("test"),
            objects=results.objects("test"),
            neighbours=results.neighbours,
            distances=results.distances,
            metric=inputs.settings.metric,
            label_indices=inputs.label_match.indices,
            read=inputs.test.read,
        )
    return outside_subject(
        request,
        inputs.model,
        results.training_index,
        training_id=inputs.training_image(request.file),
        training_labels=_training_labels(job),
        training_spacing=results.training_spacing,
        label_index=inputs.class_of(request.label),
        neighbours=inputs.settings.neighbours,
        feature_size=inputs.settings.feature_size,
        feature_precision=inputs.settings.feature_precision,
    )


def _training_labels(job: Job) -> dict[str, str]:
    images = job.results.images("train")[["image_id", "label"]].dropna()
    return dict(zip(*(images[name].tolist() for name in images), strict=True))
