"""Explaining images of a study, or images that it has never seen, and keeping the explanations in its folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.pipeline.steps import StepFolder
from bias_toolkit.study.explanation_request import listed_requests, request_explanation, worst_requests
from bias_toolkit.study.plan import SPLITS, Plan
from bias_toolkit.study.results import StudyResults
from bias_toolkit.study.run import one_run

if TYPE_CHECKING:
    from bias_toolkit.explain import Context, Explanation, Request, Subject


class StudyExplanations(StudyResults):
    """Explains images of a study."""

    _plan: Plan

    @one_run
    def explain(
        self,
        image: str | os.PathLike,
        *,
        box: Sequence[float] | None = None,
        label: str | None = None,
        progress: Progress = silent,
    ) -> Explanation:
        """Say why the model is unstable on one image, or that it is not.

        The explanation stays in the study's folder `explanations`, as a page with pictures and as JSON, and is not made
        again under the same settings. What the study lacks for it is computed first.

        Parameters
        ----------
        image : str or path
            A test image's id or path, or any other image file.
        box : sequence of 4 floats, optional
            x0, y0, x1, y1 of the object in pixels, for an image outside the test set.
        label : str, optional
            Its label, or the readable name of one, likewise.
        progress : Progress

        Returns
        -------
        Explanation
            Shows itself in a notebook; `text` is the answer in words, `first_cause` the first cause.

        Raises
        ------
        InputError
            If it is no image, the box does not lie in it, the label is not known, or the study's sweeps have no steps.
        """
        # What cannot be explained is refused before anything is computed for it.
        self.read_images(progress)
        request = request_explanation(self, image, box, label)
        self.analyse(progress)
        if request.file is None and request.image_id not in set(self.per_image["image_id"]):
            why = "since it cannot be decoded; skipped.csv has the reason"
            if request.image_id not in set(self.skipped_images["image_id"]):
                why = "whose sweep had reached its --precision before it; --precision 0 measures every image"
            raise InputError(f"{image} was left out of the study, {why}.")
        return self._explain([request], progress)[0]

    @one_run
    def explain_worst(self, n: int = 20, progress: Progress = silent) -> list[Explanation]:
        """Explain the `n` least stable test images, the least stable first, and bring the report up to date.

        Whatever other images the report lists are explained too, so that each has its page;
        `bias_toolkit.explain.summarise` says of how many images each cause is the first.

        Raises
        ------
        InputError
            If n is below 1, or the study's sweeps have no steps.
        """
        if n < 1:
            raise InputError(f"--worst is {n}, but must be at least 1.")
        self.analyse(progress)
        worst = worst_requests(self, n)
        known = {request.image_id for request in worst}
        listed = [request for request in listed_requests(self) if request.image_id not in known]
        explanations = self._explain([*worst, *listed], progress)
        self.write_report(progress)
        return explanations[: len(worst)]

    def _explain(self, requests: Sequence[Request], progress: Progress) -> list[Explanation]:
        """The explanation of each image, with its page; those that are there under the present settings are kept."""
        from bias_toolkit.explain import explain_image, load_explanation
        from bias_toolkit.report.explanation import write_explanation

        steps = [self._plan.explanation(request.name, request.settings()) for request in requests]
        done = sum(StepFolder(self.folder, step).done for step in steps)
        explanations = []
        context = None
        with progress("Explaining images", total=len(steps), done=done) as advance:
            for request, step in zip(requests, steps, strict=True):
                if not StepFolder(self.folder, step).done:
                    context = context or explaining_context(self)

                    def work(folder: Path, request: Request = request, context: Context = context) -> None:
                        explanation = explain_image(context, _subject(self, request), folder)
                        explanation.save(folder)
                        write_explanation(explanation, folder)

                    self._do(step, work)
                    advance(1)
                explanations.append(load_explanation(self.folder / step.name))
        return explanations


def explaining_context(study: StudyExplanations) -> Context:
    """What explaining takes from a study that was analysed.

    Raises
    ------
    InputError
        If it has no sweep that moves by steps.
    """
    from bias_toolkit.explain import Context

    sweep = study.reference_sweep
    if sweep is None:
        raise InputError(
            f"{study.folder} has only offsets, which have no steps; run `bias-toolkit sweep {study.folder} "
            "--protocol crop` first."
        )
    return Context(
        study=study.folder.resolve().name,
        model=study.model,
        sweep=sweep,
        per_image=study.per_image,
        training_subjects=study.subjects("train"),
        training_labels=_training_labels(study),
        read_train=study.train.read,
        label_indices=_label_indices(study),
        class_names=_class_names(study),
        feature_size=study.settings.feature_size,
        batch_size=study.model.batch_size,
        seed=study.settings.seed,
    )


def _label_indices(study: StudyExplanations) -> dict[str, int]:
    """The model's class of each label of either set."""
    from bias_toolkit.models import match_labels

    labels = {label for split in SPLITS for label in study.images(split)["label"].dropna()}
    if not labels:
        return {}
    matched = match_labels(sorted(labels), study.model, _class_names(study), study.settings.label_map)
    return matched.indices | study.label_match.indices


def _class_names(study: StudyExplanations) -> dict[str, str]:
    return study.dataset_record("train")["class_names"] | study.dataset_record("test")["class_names"]


def _subject(study: StudyExplanations, request: Request) -> Subject:
    return known_subject(study, request.image_id) if request.file is None else outside_subject(study, request)


def known_subject(study: StudyExplanations, image_id: str) -> Subject:
    """A test image with what its study knows of it; InputError if the image cannot be read any more."""
    from bias_toolkit import explain

    return explain.known_subject(
        image_id,
        images=study.images("test"),
        objects=study.objects("test"),
        neighbours=study.neighbours,
        distances=study.distances,
        metric=study.settings.metric,
        label_indices=study.label_match.indices,
        read=study.test.read,
    )


def outside_subject(study: StudyExplanations, request: Request) -> Subject:
    """An image that is not in the test set, with its distances from the training images."""
    from bias_toolkit import explain

    return explain.outside_subject(
        request,
        study.model,
        study.training_index,
        training_id=explain.training_image(request.file, study.images("train")["image_id"], study.train.source),
        training_labels=_training_labels(study),
        training_spacing=study.training_spacing,
        label_indices=_label_indices(study),
        neighbours=study.settings.neighbours,
        feature_size=study.settings.feature_size,
        feature_precision=study.settings.feature_precision,
    )


def _training_labels(study: StudyExplanations) -> dict[str, str]:
    return study.images("train").set_index("image_id")["label"].dropna().to_dict()
