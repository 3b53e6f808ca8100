"""Gathering what a study computed into the contents of its report."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bias_toolkit.plan import SPLITS
from bias_toolkit.report import DatasetDescription, ExplainedImage, ModelDescription, NoiseFloor, ReportContents
from bias_toolkit.report.publish import PAGE
from bias_toolkit.report.thumbnails import ordered_by_stability

if TYPE_CHECKING:
    from bias_toolkit.explain import Explanation
    from bias_toolkit.study import Study


def report_contents(study: Study) -> ReportContents:
    """Everything that the report of an analysed study shows."""
    from bias_toolkit.objects import image_framing, object_maps

    framing = {split: study.framing(split) for split in SPLITS}
    maps = {
        split: object_maps(image_framing(framing[split], study.images(split))) if len(framing[split]) else None
        for split in SPLITS
    }
    summaries = {split: study.framing_summary(split) if len(framing[split]) else None for split in SPLITS}
    sweep = study.reference_sweep
    noise = study.noise_floor
    model = study.model_record
    return ReportContents(
        name=study.folder.resolve().name,
        train=_describe(study, "train"),
        test=_describe(study, "test"),
        model=ModelDescription(
            name=model["name"],
            input_size=model["input_size"],
            preprocessing=_preprocessing_sentence(**model["preprocessing"]),
            n_classes=model["n_classes"],
            feature_layer=model["feature_layer"],
            feature_dimension=model["feature_dimension"],
            weights_sha256=model["weights_sha256"],
        ),
        settings=study.settings.to_dict(),
        versions=study.versions,
        seeds={"every random draw": study.settings.seed},
        label_match=study.label_record["sentence"],
        index_reason=study.index_reason,
        per_image=study.per_image if sweep is not None else None,
        reference=None if sweep is None else (sweep.protocol, sweep.transform, sweep.size),
        measures=study.measures,
        neighbours=study.neighbours,
        distances=study.distances,
        train_framing=framing["train"],
        test_framing=framing["test"],
        train_summary=summaries["train"],
        test_summary=summaries["test"],
        train_maps=maps["train"],
        test_maps=maps["test"],
        train_labels=study.images("train").set_index("image_id")["label"].dropna().to_dict(),
        train_distances=np.load(study.folder / "index" / "spacing.npy"),
        analysis=study.analysis,
        noise_floor=NoiseFloor(
            noise["value"],
            noise["n_views"],
            noise["n_changed"],
            *(noise["interval_over_images"] or noise["interval"]),
        ),
        skipped=study.skipped_images,
        n_shared=study.n_shared,
        missing=missing_sentences(study),
        wall_times=study.seconds,
        read_train=lambda image_id: study.train.read(image_id),
        read_test=lambda image_id: study.test.read(image_id),
        class_names=study.dataset_record("train")["class_names"] | study.dataset_record("test")["class_names"],
        **_explained(study),
    )


def _explained(study: Study) -> dict[str, object]:
    """What the report says of the explanations: links, and a summary of the least stable images."""
    explanations = study.explanations
    if not explanations:
        return {}
    from bias_toolkit.explain import summarise

    # The summary is of the least stable images, as far down as each has been explained.
    ordered = ordered_by_stability(study.per_image)["image_id"]
    worst = list(itertools.takewhile(explanations.__contains__, ordered))
    links = {
        image_id: f"../{explanation.folder.relative_to(study.folder).as_posix()}/{PAGE}"
        for image_id, explanation in explanations.items()
    }
    shown = sorted(explanations.values(), key=lambda each: -each.before.p_top1_change.value)
    return {
        "explanations": links,
        "explained": summarise([explanations[image_id] for image_id in worst]) if worst else None,
        "explained_images": [_explained_image(each, links[each.image_id]) for each in shown],
    }


def _explained_image(explanation: Explanation, link: str) -> ExplainedImage:
    changes = explanation.before.p_top1_change
    return ExplainedImage(
        image_id=explanation.image_id,
        class_name=explanation.label_name,
        p_top1_change=changes.value,
        low=changes.low,
        high=changes.high,
        first_cause=explanation.causes[0].name if explanation.causes else None,
        link=link,
        is_stable=explanation.is_stable,
    )


def missing_sentences(study: Study) -> list[str]:
    """What the report leaves out for want of boxes, labels or matching classes, a sentence each."""
    sentences = []
    for split, name in (("train", "training"), ("test", "test")):
        if study.objects(split).empty:
            sentences.append(f"The {name} set has no object boxes, so position and scale of its objects are left out.")
    if study.images("test")["label"].isna().all():
        sentences.append("The test set has no labels, so accuracy and everything by class are left out.")
    elif not study.label_record["indices"]:
        sentences.append("No label of the test set is a class of the model, so accuracy is left out.")
    if study.images("train")["label"].isna().all():
        sentences.append("The training set has no labels, so class_nn_distance is left out.")
    if study.reference_sweep is None:
        sentences.append(
            "Only offsets were measured, which have no steps, so distance and framing are not related to invariance."
        )
    return sentences


def _describe(study: Study, split: str) -> DatasetDescription:
    record, images, skipped = study.dataset_record(split), study.images(split), study.skipped_images
    return DatasetDescription(
        path=record["root"],
        layout=record["layout"],
        layout_reason=record["layout_reason"],
        n_images=len(images),
        n_labels=int(images["label"].nunique()),
        n_objects=len(study.objects(split)),
        n_skipped=int(skipped.loc[skipped["split"] == split, "image_id"].nunique()),
        dropped_boxes=record["dropped_boxes"],
    )


def _preprocessing_sentence(
    mean: Sequence[float], std: Sequence[float], interpolation: str, crop_fraction: float
) -> str:
    means, deviations = (", ".join(f"{value:g}" for value in values) for values in (mean, std))
    return (
        f"(intensity − mean) / standard deviation, with mean {means} and standard deviation {deviations}; "
        f"its own evaluation resizes with {interpolation} and crops {crop_fraction:g} of the side"
    )
