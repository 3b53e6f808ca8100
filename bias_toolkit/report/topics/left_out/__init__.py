"""Images, boxes and whole analyses that are not in a report, with the reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bias_toolkit.foundation.choices import FIRST_FIGURES
from bias_toolkit.foundation.words import count, example
from bias_toolkit.report.page.blocks import Block, Cell, ListBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.source import Source, sweep_key
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.topics.invariance.sequential import unmeasured_sentences
from bias_toolkit.report.topics.localisation.contents import missing_boxes
from bias_toolkit.report.topics.method import DatasetDescription, describe_datasets
from bias_toolkit.report.words.finding import Finding, Heading, Kind
from bias_toolkit.report.words.sentences import SET_NAMES, TEST, TRAINING, capitalised, was

MOST_SKIPPED = 100
SAMPLE_RANK, LEFT_OUT_RANK = 10, 14
MUCH = 0.01
"""Share of a set's images; from it on, what was left out is among a report's first findings."""


@dataclass(frozen=True)
class LeftOut:
    """The images, boxes and analyses that a report leaves out."""

    datasets: Mapping[str, DatasetDescription]  # train and test
    skipped: pd.DataFrame  # split, step, image_id, reason; one row per image and step that left it out
    missing: Sequence[str]  # sentences on the analyses left out, with the reasons


def gather(source: Source) -> LeftOut:
    """The images, boxes and analyses that the report of a study leaves out."""
    return LeftOut(describe_datasets(source), source.skipped_images, _missing(source))


def _missing(source: Source) -> list[str]:
    """A sentence for each analysis that is left out: boxes, labels, classes or steps are missing, or it is outdated."""
    sentences = [*missing_boxes(source), *map(_outdated, sorted(source.outdated))]
    if source.settings.figures == FIRST_FIGURES:
        sentences.append(
            "Only the figures of the first screen are drawn, and no mean images; run `bias-toolkit report` with "
            "--figures all for the others."
        )
    if source.images(TEST)["label"].isna().all():
        sentences.append("The test set has no labels, so accuracy and everything by class are left out.")
    elif not source.label_record["indices"]:
        sentences.append("No label of the test set is a class of the model, so accuracy is left out.")
    if source.images(TRAINING)["label"].isna().all():
        sentences.append("The training set has no labels, so class_nn_distance is left out.")
    sweep = sweep_key(source)
    if sweep is None:
        sentences.append(
            "Only offsets were measured, which have no steps, so distance and framing are not related to invariance."
        )
        return sentences
    return [*sentences, *unmeasured_sentences(source.sequential, sweep)]


def _outdated(command: str) -> str:
    return (
        f"Results of `bias-toolkit {command}` are left out: they were made by an earlier run with other inputs, "
        f"settings or version; run `bias-toolkit {command}` again."
    )


def data_findings(contents: LeftOut) -> list[Finding]:
    """Images and boxes that were left out."""
    findings = []
    if any(dataset.sample_of for dataset in contents.datasets.values()):
        claim = "This is a first answer: it is from a sample of the images."
        findings.append(Finding(Heading.DATA, Kind.CAUTION, claim, _sample(contents), rank=SAMPLE_RANK))
    for split, dataset in contents.datasets.items():
        if n := dataset.n_skipped:
            n_images = n + dataset.n_images
            some = "One image" if n == 1 else "Some images"
            claim = f"{some} of the {SET_NAMES[split]} set could not be used and {was(n)} left out."
            names = contents.skipped.loc[contents.skipped["split"].eq(split), "image_id"].unique()
            evidence = (
                f"{n:,} of {count(n_images, 'image')} {was(n)} left out {example(names)}. The reasons are under “What "
                "was left out”, and in skipped.csv."
            )
            rank = LEFT_OUT_RANK if n >= MUCH * n_images else None
            findings.append(Finding(Heading.DATA, Kind.CAUTION, claim, evidence, rank=rank))
    for split, dataset in contents.datasets.items():
        if dataset.dropped_boxes:
            some = "One box" if dataset.dropped_boxes == 1 else "Some boxes"
            claim = f"{some} of the {SET_NAMES[split]} set had no area inside the image."
            evidence = f"{count(dataset.dropped_boxes, 'box', 'boxes')} {was(dataset.dropped_boxes)} dropped."
            findings.append(Finding(Heading.DATA, Kind.CAUTION, claim, evidence))
        if warnings := [note["text"] for note in dataset.notes if note["warns"]]:
            claim = f"Some boxes or labels of the {SET_NAMES[split]} set may be wrong, as the annotations leave doubt."
            findings.append(Finding(Heading.DATA, Kind.CAUTION, claim, warnings[0], rank=LEFT_OUT_RANK))
    return findings


def _sample(contents: LeftOut) -> str:
    """How many images of each set are used, and what a sample of the training set does to distances."""
    sentences = [
        f"It uses {dataset.n_images + dataset.n_skipped:,} of {count(dataset.sample_of, f'{SET_NAMES[split]} image')}."
        for split, dataset in contents.datasets.items()
        if dataset.sample_of
    ]
    if contents.datasets[TRAINING].sample_of:
        sentences.append("Distances to a sample are larger than distances to all training images.")
    return " ".join(sentences)


def _dropped_boxes(contents: LeftOut) -> list[str]:
    """A sentence on the boxes of each set that had no area."""
    dropped = {SET_NAMES[split]: dataset.dropped_boxes for split, dataset in contents.datasets.items()}
    return [
        f"{count(n, 'box', 'boxes')} of the {name} set had no area inside the image and {was(n)} dropped."
        for name, n in dropped.items()
        if n
    ]


def _notes(contents: LeftOut) -> list[str]:
    """What the reader of each set left out, guessed or took in another sense; warnings first."""
    return [
        f"{capitalised(SET_NAMES[split])} set: {note['text']}"
        for split, dataset in contents.datasets.items()
        for note in sorted(dataset.notes, key=lambda note: not note["warns"])
    ]


def left_out_section(contents: LeftOut, omitted: Sequence[Omitted]) -> Section:
    """Images, boxes and whole analyses that are not in the report, with the reasons."""
    sections = [f"The section “{section.title}” is left out: {section.reason}" for section in omitted]
    sentences = dict.fromkeys([*contents.missing, *sections, *_dropped_boxes(contents), *_notes(contents)])
    blocks: list[Block] = [ListBlock([Cell(sentence) for sentence in sentences])] if sentences else []
    if len(contents.skipped):
        blocks.append(_images(contents.skipped))
    else:
        blocks.append(Paragraph("Every image could be read."))
    return Section("left-out", "What was left out", blocks)


def _images(skipped: pd.DataFrame) -> TableBlock:
    """Image, set, steps and reasons of every image that was left out, one row per image."""
    rows = []
    for (split, image_id), steps in skipped.groupby(["split", "image_id"], sort=False, dropna=False):
        texts = ("; ".join(dict.fromkeys(steps[column].astype(str))) for column in ("step", "reason"))
        rows.append([str(image_id), str(split), *texts])
    shown = rows[:MOST_SKIPPED]
    notes = [f"The first {len(shown)} of {len(rows):,}."] if len(shown) < len(rows) else []
    opened = ~skipped["step"].astype(str).str.startswith("images/")
    if opened.any():
        notes.append("Boxes of images whose size can be read, but not their pixels, count in the framing.")
    return TableBlock(
        f"{count(len(rows), 'image')} left out",
        ["Image", "Set", "Step", "Reason"],
        shown,
        note=" ".join(notes),
        csv="tables/skipped.csv",
        numeric=False,
    )


TOPIC = Topic(
    "left-out",
    gather,
    findings=data_findings,
    section=lambda contents, draft: left_out_section(contents, draft.omitted),
    tables=lambda contents: [Table("skipped", contents.skipped, "images left out, with the reason", order=29)],
    results=lambda contents: {"skipped": contents.skipped, "missing": contents.missing},
)
