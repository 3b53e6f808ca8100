"""Explaining images of a study, or images that it has never seen, and keeping the explanations in its folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.pipeline.steps import StepFolder
from bias_toolkit.study.explanation_request import (
    EDGES,
    Request,
    listed_requests,
    read_outside,
    request_explanation,
    training_image,
    worst_requests,
)
from bias_toolkit.study.plan import SPLITS, Plan
from bias_toolkit.study.results import StudyResults
from bias_toolkit.study.run import one_run

if TYPE_CHECKING:
    from bias_toolkit.explain import Context, Distances, Explanation, Subject


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
        training_labels=study.images("train").set_index("image_id")["label"].dropna().to_dict(),
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
    """What a study knows of one of its test images; InputError if the image cannot be read any more."""
    from bias_toolkit.explain import Distances, Subject
    from bias_toolkit.objects import image_framing

    images, framing = study.images("test"), study.given_framing("test")
    image = images[images["image_id"] == image_id]
    own = image_framing(framing[framing["image_id"] == image_id], image)
    box = category = None
    if len(own):
        objects = study.objects("test")
        rows = objects[(objects["image_id"] == image_id) & (objects["object_id"] == own["object_id"].iloc[0])]
        box, category = rows[EDGES].iloc[0].astype(float).tolist(), own["category"].iloc[0]
    label = image["label"].iloc[0]
    label = None if pd.isna(label) else label
    neighbours = study.neighbours[study.neighbours["image_id"] == image_id].sort_values("rank")
    distances = study.distances.set_index("image_id").loc[image_id].to_dict()
    try:
        pixels = study.test.read(image_id)
    except UnreadableImageError as error:
        raise InputError(f"{image_id} cannot be read any more ({error}).") from error
    return Subject(
        image_id=image_id,
        pixels=pixels,
        in_test_set=True,
        label=label,
        label_index=study.label_match.indices.get(label),
        box=box,
        category=category,
        neighbours=neighbours[["neighbour_id", "distance"]],
        distances=_distances(distances, study.settings.metric, Distances),
    )


def outside_subject(study: StudyExplanations, request: Request) -> Subject:
    """What can be found out of an image that is not in the test set."""
    from bias_toolkit.explain import Distances, Subject
    from bias_toolkit.features.index import NEAREST, distances_table, nearest_neighbours
    from bias_toolkit.invariance import centre_view
    from bias_toolkit.models import match_labels

    pixels = read_outside(request.file)
    view = centre_view(pixels, study.model.input_size, study.settings.feature_size)
    features = study.model.evaluate(view.pixels, precision=study.settings.feature_precision).features
    training = study.training_index
    own_id = training_image(study, request.file)
    own = np.array([training.image_ids.index(own_id) if own_id in training.image_ids else -1])
    k = max(study.settings.neighbours, NEAREST)
    ids = [request.image_id]
    neighbours = nearest_neighbours(training, features, ids, own, k)
    labels = study.images("train").set_index("image_id")["label"].reindex(training.image_ids)
    distances = distances_table(
        training,
        neighbours,
        features,
        ids,
        [request.label],
        [None if pd.isna(label) else label for label in labels],
        own,
        reference=study.training_spacing,
    )
    index = _label_indices(study).get(request.label)
    if index is None and request.label is not None:
        index = match_labels([request.label], study.model).indices.get(request.label)
    return Subject(
        image_id=request.image_id,
        pixels=pixels,
        in_test_set=False,
        label=request.label,
        label_index=index,
        box=request.box,
        category=request.label,
        neighbours=neighbours.head(study.settings.neighbours)[["neighbour_id", "distance"]],
        distances=_distances(distances.iloc[0].to_dict(), study.settings.metric, Distances),
    )


def _distances(row: dict[str, object], metric: str, kind: type[Distances]) -> Distances | None:
    names = ("nn_distance", "knn_distance", "class_nn_distance", "distance_percentile")
    values = {name: None if pd.isna(row[name]) else float(row[name]) for name in names}
    return None if values["nn_distance"] is None else kind(**values, metric=metric)
