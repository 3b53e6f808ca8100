"""What is known of a study's inputs before the long work begins, in sentences."""

from collections.abc import Sequence

import pandas as pd

from bias_toolkit.foundation.words import count
from bias_toolkit.study import steps
from bias_toolkit.study.inputs import Inputs
from bias_toolkit.study.results import Results
from bias_toolkit.study.settings import SPLITS

REASONS_SHOWN = 3


def news(inputs: Inputs, results: Results, with_model: bool) -> list[str]:
    """What both sets hold and how they were read, what was left out, and what does not fit the model.

    Both sets have been read. `with_model` says whether the work needs the model, which is then opened.
    """
    sentences = [_set_sentence(results, split) for split in SPLITS] + left_out_sentences(results)
    if not with_model:
        return sentences
    from bias_toolkit.report.words.sentences import TRAINED_ELSEWHERE

    is_matched = results.stored.is_current(steps.measures)
    match = results.label_record["sentence"] if is_matched else inputs.label_match.sentence
    return [*sentences, f"{match}.", *filter(None, [TRAINED_ELSEWHERE.get(results.trained_on)])]


def _set_sentence(results: Results, split: str) -> str:
    """`Test set: 1,000 images, 20 labels, no boxes, read as class-folders (its folders hold images).`"""
    record, images, left_out = results.dataset_record(split), results.images(split), results.left_out(split)
    images = images[~images["image_id"].isin(left_out)]
    labels, boxes = images["label"].nunique(), len(results.objects(split))
    name = {"train": "Training", "test": "Test"}[split]
    return (
        f"{name} set: {count(len(images), 'image')}, {count(labels, 'label') if labels else 'no labels'}, "
        f"{count(boxes, 'box', 'boxes') if boxes else 'no boxes'}, read as {record['layout']} "
        f"({record['layout_reason']})."
    )


def left_out_sentences(results: Results) -> list[str]:
    """`2 images of the test set are left out: the file is empty (2). They are in skipped.csv.`, for each set."""
    skipped = results.skipped_images.drop_duplicates(["split", "image_id"])
    sentences = []
    for split, name in (("train", "training"), ("test", "test")):
        of_set = skipped[skipped["split"].eq(split)]
        if len(of_set):
            are = "is" if len(of_set) == 1 else "are"
            sentences.append(
                f"{count(len(of_set), 'image')} of the {name} set {are} left out: {_reasons(of_set['reason'])}; see "
                "skipped.csv."
            )
    return sentences


def _reasons(reasons: pd.Series) -> str:
    """The most frequent reasons, each with its number of images."""
    counts = reasons.value_counts()
    shown: Sequence[str] = [f"{reason} ({n:,})" for reason, n in counts.head(REASONS_SHOWN).items()]
    others = int(counts.iloc[REASONS_SHOWN:].sum())
    return "; ".join([*shown, *([f"other reasons ({others:,})"] if others else [])])
