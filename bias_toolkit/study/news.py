"""What is known of a study's inputs before the long work begins, in sentences."""

from collections.abc import Sequence

import pandas as pd

from bias_toolkit.foundation.words import count, visible_name
from bias_toolkit.study import steps
from bias_toolkit.study.identities import Named
from bias_toolkit.study.inputs import Inputs
from bias_toolkit.study.record import StudyRecord
from bias_toolkit.study.results import Results
from bias_toolkit.study.settings import GO_WITH, SPLITS, Settings
from bias_toolkit.study.steps.training import drawn

_SET_NAMES = {"train": "Training", "test": "Test"}
REASONS_SHOWN = LABELS_SHOWN = 3


def news(inputs: Inputs, results: Results, with_model: bool, with_training: bool) -> list[str]:
    """What both sets hold and how they were read, what was left out, and what does not fit the model.

    Both sets have been read. `with_model` says whether the work needs the model, which is then opened; `with_training`
    whether the model is trained further.
    """
    skipped = results.skipped_images
    sentences = [_set_sentence(results, split, skipped) for split in SPLITS]
    sentences += _note_sentences(results) + left_out_sentences(skipped)
    if not with_model:
        return sentences
    from bias_toolkit.report.words.sentences import TRAINED_ELSEWHERE

    is_matched = results.stored.is_current(steps.measures)
    match = results.label_record["sentence"] if is_matched else inputs.label_match.sentence
    elsewhere = filter(None, [TRAINED_ELSEWHERE.get(results.trained_on)])
    return [
        *sentences,
        *inputs.model_notes,
        f"{match}.",
        *elsewhere,
        *(_training_sentences(inputs, results) if with_training else []),
    ]


def _set_sentence(results: Results, split: str, skipped: pd.DataFrame) -> str:
    """`Test set: 1,000 images, 20 labels, no boxes, read as class-folders (its folders hold images).`"""
    record, images = results.dataset_record(split), results.images(split)
    images = images[~images["image_id"].isin(skipped.loc[skipped["split"].eq(split), "image_id"])]
    labels, boxes = images["label"].nunique(), len(results.objects(split))
    return (
        f"{_SET_NAMES[split]} set: {count(len(images), 'image')}, {count(labels, 'label') if labels else 'no labels'}, "
        f"{count(boxes, 'box', 'boxes') if boxes else 'no boxes'}, read as {record['layout']} "
        f"({record['layout_reason']})."
    )


def _note_sentences(results: Results) -> list[str]:
    """What the readers of both sets note, warnings first."""
    notes = [(split, note) for split in SPLITS for note in results.dataset_record(split)["notes"]]
    notes.sort(key=lambda of: not of[1]["warns"])
    return [f"{_SET_NAMES[split]} set: {note['text']}" for split, note in notes]


def lost_sentences(named: Named, recorded: StudyRecord, settings: Settings) -> list[str]:
    """Which settings a study had of inputs that are named anew without them."""
    of_named = [each for name, others in GO_WITH.items() if getattr(named, name) is not None for each in others]
    had = [each for each in dict.fromkeys(of_named) if recorded.settings.get(each) and not getattr(settings, each)]
    if not had:
        return []
    options = " and ".join(f"--{each.replace('_', '-')}" for each in had)
    subject, them = ("It is", "it") if len(had) == 1 else ("They are", "them")
    return [f"This study had {options}. {subject} not used now, as the input was named anew without {them}."]


def _training_sentences(inputs: Inputs, results: Results) -> list[str]:
    """What the training cannot keep of the model, and which labels it cannot learn."""
    images, classes, sentences = results.images("train"), inputs.training_classes, []
    if not classes:
        return sentences
    if inputs.needs_new_head:
        sentences.append(
            "No label of the training set is a class of the model. So the trained copies get a new last layer, for "
            f"{count(len(classes), 'label')}."
        )
        wanted = dict.fromkeys(results.images("test")["label"].dropna()) | classes
    else:
        wanted = inputs.class_indices("test") | classes
        if n_others := len(set(images["label"].dropna()) - set(classes)):
            sentences.append(
                f"{count(n_others, 'label')} of the training set {'is' if n_others == 1 else 'are'} not among the "
                "model's classes. Images with such a label are left out of the training."
            )
    readable = images[~images["image_id"].isin(results.left_out("train")) & images["label"].isin(classes)]
    used = list(zip(readable["image_id"], readable["label"], strict=True))
    shown = drawn(used, inputs.settings)
    learnt = {classes[label] for _, label in shown}
    if missing := sorted(label for label, index in wanted.items() if index is None or index not in learnt):
        names = ", ".join([*missing[:LABELS_SHOWN], *["…"] * (len(missing) > LABELS_SHOWN)])
        sentences.append(
            f"The training cannot teach {count(len(missing), 'label')} ({names}), as no training image of "
            f"{'it' if len(missing) == 1 else 'them'} "
            + ("can be read." if len(shown) == len(used) else f"is among the {len(shown):,} that were drawn.")
        )
    return sentences


def left_out_sentences(skipped: pd.DataFrame) -> list[str]:
    """`2 images of the test set are left out: the file is empty (2: a.png, …); see skipped.csv.`, for each set."""
    skipped = skipped.drop_duplicates(["split", "image_id"])
    sentences = []
    for split, name in (("train", "training"), ("test", "test")):
        of_set = skipped[skipped["split"].eq(split)]
        if len(of_set):
            are = "is" if len(of_set) == 1 else "are"
            sentences.append(
                f"{count(len(of_set), 'image')} of the {name} set {are} left out: {_reasons(of_set)}; see skipped.csv."
            )
    return sentences


def _reasons(skipped: pd.DataFrame) -> str:
    """The most frequent reasons, each with its number of images and the first of them."""
    counts, first = skipped["reason"].value_counts(), skipped.groupby("reason")["image_id"].first().map(visible_name)
    shown: Sequence[str] = [
        f"{reason} ({n:,}: {first[reason]}{', …' * (n > 1)})" for reason, n in counts.head(REASONS_SHOWN).items()
    ]
    others = int(counts.iloc[REASONS_SHOWN:].sum())
    return "; ".join([*shown, *([f"other reasons ({others:,})"] if others else [])])
