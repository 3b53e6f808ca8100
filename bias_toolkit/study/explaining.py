"""The images of a study that have to be explained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bias_toolkit.foundation.choices import DEEP_GREYS
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.study.settings import SPLITS

if TYPE_CHECKING:
    from bias_toolkit.explain.request import Request
    from bias_toolkit.study.inputs import Inputs
    from bias_toolkit.study.results import Results


def request_for(
    inputs: Inputs, results: Results, image: str | os.PathLike, box: Sequence[float] | None, label: str | None
) -> Request:
    """The request for a test image, by id or path, or for any image file; of the study, only its images must be read.

    Raises InputError if the image is neither, or was left out; or if a box or label is invalid, or given for a test
    image.
    """
    from bias_toolkit.explain.request import file_request, image_file, known_label, known_request

    image_id = results.test_image(image)
    if image_id is not None:
        return known_request(image_id, box, label)
    skipped = results.skipped_images.query("split == 'test'")
    left_out = dict(zip(skipped["image_id"], skipped["reason"], strict=True))
    file = image_file(image, left_out, results.images("test")["image_id"].iloc[0])
    if label is not None:
        labels = {each for split in SPLITS for each in results.images(split)["label"].dropna().unique()}
        label = known_label(label, labels, inputs.class_names, lambda name: inputs.class_of(name) is not None)
    return file_request(
        file,
        box,
        label,
        training_id=inputs.training_image(file),
        images=results.images("train"),
        objects=results.objects("train"),
        deep_grey=inputs.settings.deep_grey or DEEP_GREYS[0],
    )


def explainable(results: Results, request: Request, image: str | os.PathLike) -> Request:
    """The request, if the study has measured its image; InputError with the reason if the image was left out."""
    if request.file is not None or request.image_id in set(results.per_image["image_id"]):
        return request
    why = "since it cannot be decoded; skipped.csv has the reason"
    if request.image_id not in results.left_out("test"):
        why = "whose sweep had reached its --precision before it; --precision 0 measures every image"
    raise InputError(f"{image} was left out of the study, {why}.")


def worst_requests(results: Results, n: int) -> list[Request]:
    """The `n` most unstable test images."""
    from bias_toolkit.explain.request import Request
    from bias_toolkit.report import ordered_by_stability

    return [Request(image_id) for image_id in ordered_by_stability(results.per_image)["image_id"].head(n)]
