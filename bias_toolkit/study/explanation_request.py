"""The images of a study that are asked to be explained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bias_toolkit.explain import Request
    from bias_toolkit.study import Study


def request_explanation(
    study: Study, image: str | os.PathLike, box: Sequence[float] | None = None, label: str | None = None
) -> Request:
    """The request for a test image by id or path, or for any image file. Of the study, only its images have to be read.

    Raises
    ------
    InputError
        If it is neither, or was left out; or a box or label is given for a test image, or is not valid.
    """
    from bias_toolkit import explain

    image_id = study.test_image(image)
    if image_id is not None:
        return explain.known_request(image_id, box, label)
    skipped = study.skipped_images.query("split == 'test'")
    left_out = dict(zip(skipped["image_id"], skipped["reason"], strict=True))
    images = {split: study.images(split) for split in ("train", "test")}
    file = explain.image_file(image, left_out, images["test"]["image_id"].iloc[0])
    if label is not None:
        from bias_toolkit.models import match_labels

        labels = {*images["train"]["label"].dropna(), *images["test"]["label"].dropna()}
        names = study.dataset_record("train")["class_names"] | study.dataset_record("test")["class_names"]
        label = explain.known_label(label, labels, names, lambda name: bool(match_labels([name], study.model).indices))
    training_id = explain.training_image(file, images["train"]["image_id"], study.train.source)
    return explain.file_request(
        file, box, label, training_id=training_id, images=images["train"], objects=study.objects("train")
    )


def worst_requests(study: Study, n: int) -> list[Request]:
    """The `n` least stable test images."""
    from bias_toolkit.explain import Request
    from bias_toolkit.report.thumbnails import ordered_by_stability

    return [Request(image_id) for image_id in ordered_by_stability(study.per_image)["image_id"].head(n)]


def listed_requests(study: Study) -> list[Request]:
    """The least and the most stable images, which the report lists."""
    from bias_toolkit.explain import Request
    from bias_toolkit.report.thumbnails import LISTED, ordered_by_stability

    ordered = ordered_by_stability(study.per_image)["image_id"]
    half = (len(ordered) + 1) // 2
    listed = [*ordered.iloc[:half].head(LISTED), *ordered.iloc[half:].iloc[::-1].head(LISTED)]
    return [Request(image_id) for image_id in listed]
