"""Gathering what a study computed into the contents of its report."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bias_toolkit.report import DatasetDescription, ExplainedImage, ModelDescription, NoiseFloor, ReportContents
from bias_toolkit.report.finding import Finding
from bias_toolkit.report.findings_cause import map_findings, size_findings
from bias_toolkit.report.publish import PAGE
from bias_toolkit.report.sequential import unmeasured_sentences
from bias_toolkit.report.thumbnails import ordered_by_stability
from bias_toolkit.study.localisation import localisation_contents, missing_boxes
from bias_toolkit.study.plan import MAP, SIZES, SPLITS

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
    return ReportContents(
        name=study.folder.resolve().name,
        train=_describe(study, "train"),
        test=_describe(study, "test"),
        model=_describe_model(study),
        settings=study.settings.to_dict(),
        versions=study.versions,
        seeds={"every random draw": study.settings.seed},
        label_match=study.label_record["sentence"],
        runtime_reason=study.runtime_reason,
        index_reason=study.index_reason,
        per_image=study.per_image if sweep is not None else None,
        reference=None if sweep is None else (sweep.protocol, sweep.transform, sweep.size),
        measures=study.measures,
        sequential=study.sequential if len(study.sequential) else None,
        neighbours=study.neighbours,
        distances=study.distances,
        search_quality=study.search_quality,
        train_framing=framing["train"],
        test_framing=framing["test"],
        train_summary=summaries["train"],
        test_summary=summaries["test"],
        train_maps=maps["train"],
        test_maps=maps["test"],
        localisation=localisation_contents(study),
        framing_comparison=study.framing_comparison,
        train_means=study.mean_images("train"),
        test_means=study.mean_images("test"),
        train_labels=study.images("train").set_index("image_id")["label"].dropna().to_dict(),
        train_distances=study.training_spacing,
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
        **_framed_anew(study),
        **_explained(study),
    )


def plot_contents(study: Study, name: str) -> ReportContents:
    """What one of the figures shows: of the framing map and of the size curve alone, where the figure is about them."""
    framed_anew = _framed_anew(study)
    needed = {"map": "framing_map", "map-vs-density": "framing_map", "size-vs-invariance": "size_curve"}
    if needed.get(name) not in framed_anew:
        return report_contents(study)
    return ReportContents(
        name=study.folder.resolve().name,
        train=_describe(study, "train"),
        test=_describe(study, "test"),
        model=_describe_model(study),
        settings=study.settings.to_dict(),
        **framed_anew,
    )


def reframing_findings(study: Study, part: str) -> list[Finding]:
    """What was found by the framing map or by the size curve, without the rest of a report.

    Parameters
    ----------
    study : Study
    part : {"map", "sizes"}
    """
    contents = plot_contents(study, {MAP: "map", SIZES: "size-vs-invariance"}[part])
    return map_findings(contents) if part == MAP else size_findings(contents)


def _framed_anew(study: Study) -> dict[str, object]:
    """The framing map and the size curve, where they are there under the present settings."""
    found: dict[str, object] = {}
    if study.has(MAP):
        found |= {"framing_map": study.framing_map, "map_views": study.map_views}
    if study.has(SIZES):
        found |= {"size_curve": study.size_curve, "size_measures": study.size_measures}
    return found


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
    sentences = missing_boxes(study)
    if study.images("test")["label"].isna().all():
        sentences.append("The test set has no labels, so accuracy and everything by class are left out.")
    elif not study.label_record["indices"]:
        sentences.append("No label of the test set is a class of the model, so accuracy is left out.")
    if study.images("train")["label"].isna().all():
        sentences.append("The training set has no labels, so class_nn_distance is left out.")
    sweep = study.reference_sweep
    if sweep is not None:
        sentences += unmeasured_sentences(study.sequential, (sweep.protocol, sweep.transform, sweep.size))
    if sweep is None:
        sentences.append(
            "Only offsets were measured, which have no steps, so distance and framing are not related to invariance."
        )
    return sentences


def _describe(study: Study, split: str) -> DatasetDescription:
    record, images, left_out = study.dataset_record(split), study.images(split), study.left_out(split)
    images = images[~images["image_id"].isin(left_out)]
    return DatasetDescription(
        path=record["root"],
        layout=record["layout"],
        layout_reason=record["layout_reason"],
        n_images=len(images),
        n_labels=int(images["label"].nunique()),
        n_objects=len(study.objects(split)),
        n_skipped=len(left_out),
        dropped_boxes=record["dropped_boxes"],
    )


def _describe_model(study: Study) -> ModelDescription:
    model = study.model_record
    return ModelDescription(
        name=model["name"],
        input_size=model["input_size"],
        preprocessing=_preprocessing_sentence(**model["preprocessing"]),
        n_classes=model["n_classes"],
        feature_layer=model["feature_layer"],
        feature_dimension=model["feature_dimension"],
        weights_sha256=model["weights_sha256"],
    )


def _preprocessing_sentence(
    mean: Sequence[float], std: Sequence[float], interpolation: str, crop_fraction: float
) -> str:
    means, deviations = (", ".join(f"{value:g}" for value in values) for values in (mean, std))
    return (
        f"(intensity − mean) / standard deviation, with mean {means} and standard deviation {deviations}; "
        f"its own evaluation resizes with {interpolation} and crops {crop_fraction:g} of the side"
    )
