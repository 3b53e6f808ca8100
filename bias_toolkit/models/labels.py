"""Match a dataset's labels to a model's classes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from scipy.stats import binomtest

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count
from bias_toolkit.models.label_mapping import read_mapping

if TYPE_CHECKING:
    from bias_toolkit.models.model import Model

WORDNET_ID = re.compile(r"n\d{8}")
LABELS_SHOWN = 5
AT_CHANCE = 0.05
FIRST_OF_TWO_DIGITS = 10
LONGEST_INTEGER = 18
LABEL_MAP = "a file with the class of each label, with --label-map"


@dataclass(frozen=True)
class LabelMatch:
    """The class of each label, and how it was found."""

    indices: dict[str, int]  # class index by label; labels that match no class are left out
    how: str  # "WordNet id", "class id", "class name", "index", "the file of --label-map" or "none"
    n_labels: int  # number of different labels
    n_matched: int
    sentence: str  # says how many labels matched, and names the others


def match_labels(
    labels: Sequence[str], model: Model, class_names: Mapping[str, str] | None = None, mapping: str | Path | None = None
) -> LabelMatch:
    """Match a dataset's labels, without nulls, to a model's classes.

    Labels are tried as class ids (WordNet ids for ImageNet models) and as class names. Names are the labels themselves
    or the dataset's readable `class_names` for them. The way that matches more labels is used. If neither matches any,
    labels that are integers are used as indices, but only if they are all from 0 to the number of classes minus 1, in
    the order of the numbers. Names match regardless of case, with underscores and hyphens as
    spaces: the whole name, or a comma-separated synonym that only one class has. A mapping file, a CSV file with the
    columns `label,class` or a JSON object, takes precedence; a class in it is an id, a name or an index. Raises
    InputError if the mapping file has a fault, or none of the labels is in it.
    """
    distinct = sorted({str(label) for label in labels if not pd.isna(label)})
    if mapping is not None:
        return _match_by_file(distinct, model, Path(mapping))
    by_id = _match_ids(distinct, model)
    by_name = _match_names(distinct, model, class_names or {})
    if by_id and len(by_id) >= len(by_name):
        are_wordnet = all(WORDNET_ID.fullmatch(label) for label in by_id)
        return _label_match(by_id, "WordNet id" if are_wordnet else "class id", distinct)
    if by_name:
        return _label_match(by_name, "class name", distinct)
    integers = [label for label in distinct if _is_integer(label)]
    if sorted(map(int, integers)) == list(range(model.n_classes)):
        return _label_match(
            {label: int(label) for label in integers}, "index", distinct, _order_sentence(model.n_classes)
        )
    why = "" if not integers else _why_no_indices(integers, model.n_classes)
    return _label_match({}, "none", distinct, why)


def chance_sentence(match: LabelMatch, n_right: int, n_images: int, n_classes: int) -> str | None:
    """What to say if labels were taken as indices, and the model is not right more often than by chance; or None.

    `n_right` of `n_images` with a label are right. The test is the exact binomial one, one-sided, at 5%.
    """
    if match.how != "index" or binomtest(n_right, max(n_images, 1), 1 / n_classes, "greater").pvalue <= AT_CHANCE:
        return None
    return (
        f"The model is right on {n_right:,} of {n_images:,} images, which is not more than chance can give "
        f"(1 in {n_classes:,}). So the labels are probably no indices of its classes in this order: give {LABEL_MAP}"
    )


def foreign_labels(labels: Iterable[str], class_names: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """The labels that are surely none of the classes of these names: neither a WordNet id nor a name of a class.

    `class_names` are the dataset's readable names of labels.
    """
    finder = _NameFinder(names)

    def is_foreign(label: str) -> bool:
        known = [label, *([class_names[label]] if label in class_names else [])]
        return not WORDNET_ID.fullmatch(label) and not any(map(finder.is_known, known))

    return [label for label in labels if is_foreign(label)]


def _match_ids(labels: list[str], model: Model) -> dict[str, int]:
    index_of = {class_id: index for index, class_id in enumerate(model.class_ids or ())}
    return {label: index_of[label] for label in labels if label in index_of}


def _match_names(labels: list[str], model: Model, class_names: Mapping[str, str]) -> dict[str, int]:
    finder = _NameFinder(model.class_names or ())
    indices = {}
    for label in labels:
        index = finder.find(label)
        if index is None and label in class_names:
            index = finder.find(class_names[label])
        if index is not None:
            indices[label] = index
    return indices


class _NameFinder:
    """Finds a class by its whole name, or else by a synonym that no other class has."""

    def __init__(self, names: Sequence[str]) -> None:
        self._whole, self._parts = defaultdict(set), defaultdict(set)
        for index, name in enumerate(names):
            self._whole[_plain(name)].add(index)
            for part in _synonyms(name):
                self._parts[part].add(index)

    def is_known(self, name: str) -> bool:
        """Whether at least one class has this name, or one of its synonyms."""
        return _plain(name) in self._whole or any(part in self._parts for part in _synonyms(name))

    def find(self, name: str) -> int | None:
        classes = self._whole.get(_plain(name))
        if not classes:
            classes = set().union(*(self._parts.get(part, set()) for part in _synonyms(name)))
        return next(iter(classes)) if len(classes) == 1 else None


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[_\-]", " ", name).casefold().split())


def _synonyms(name: str) -> set[str]:
    return {plain for part in name.split(",") if (plain := _plain(part))}


def _is_integer(label: str) -> bool:
    return label.isascii() and label.isdigit() and len(label) <= LONGEST_INTEGER


def _is_index(label: str, model: Model) -> bool:
    return _is_integer(label) and int(label) < model.n_classes


def _order_sentence(n_classes: int) -> str:
    """Which order was assumed, where the order of the labels as texts is another."""
    if n_classes <= FIRST_OF_TWO_DIGITS:
        return ""
    return (
        ", in the order of the numbers (0, 1, 2, …); a model that was trained on these folders in the order of their "
        f"names as text (0, 1, 10, …), as torchvision's ImageFolder has it, needs {LABEL_MAP}"
    )


def _why_no_indices(labels: list[str], n_classes: int) -> str:
    numbers = sorted(map(int, labels))
    return (
        f". {count(len(numbers), 'label')} {'is an integer' if len(numbers) == 1 else 'are integers'} from "
        f"{numbers[0]} to {numbers[-1]}, but not all of the indices from 0 to {n_classes - 1}, so they were not taken "
        "as indices"
    )


def _match_by_file(labels: list[str], model: Model, path: Path) -> LabelMatch:
    indices = {}
    finder = _NameFinder(model.class_names or ())
    ids = {class_id: index for index, class_id in enumerate(model.class_ids or ())}
    wanted = set(labels)
    for entry in read_mapping(path):
        index = _class_index(entry.target, model, ids, finder)
        if index is None:
            raise InputError(
                f"{path}, line {entry.line}: {entry.target!r}, given for the label {entry.label!r}, is no class of "
                f"{model.name}; give an id, a name, or an index from 0 to {model.n_classes - 1}."
            )
        if entry.label in wanted:
            indices[entry.label] = index
    if labels and not indices:
        raise InputError(
            f"The mapping file {path} has none of the dataset's labels, which are {_some(labels)}; "
            "give a line `label,class` for each."
        )
    return _label_match(indices, "the file of --label-map", labels, _first_pair(indices, model))


def _first_pair(indices: Mapping[str, int], model: Model) -> str:
    """One label of a mapping with the name of its class."""
    for label, index in indices.items():
        name = model.class_names[index].partition(",")[0] if model.class_names else f"class {index}"
        return f" ({'for example ' * (len(indices) > 1)}{label} as {name})"
    return ""


def _class_index(target: str | int, model: Model, ids: Mapping[str, int], finder: _NameFinder) -> int | None:
    """A number is an index; a text is an id, else a name, else an index."""
    if isinstance(target, str):
        index = ids.get(target, finder.find(target))
        if index is not None:
            return index
        target = target.strip()
    return int(target) if _is_index(str(target), model) else None


def _label_match(indices: dict[str, int], how: str, labels: list[str], more: str = "") -> LabelMatch:
    n_labels, n_matched = len(labels), len(indices)
    if n_labels == 0:
        sentence = "The dataset has no labels to match to the model's classes"
    elif n_matched == 0:
        none = "The only label did not match" if n_labels == 1 else f"None of {n_labels} labels matched"
        sentence = f"{none} the model's classes by WordNet id, class name or index{more}: give {LABEL_MAP}"
    else:
        sentence = f"{n_matched} of {count(n_labels, 'label')} matched the model's classes by {how}{more}"
        unmatched = [label for label in labels if label not in indices]
        if unmatched:
            sentence += f"; not matched: {_some(unmatched)} (give their classes with --label-map)"
    return LabelMatch(indices, how if n_matched else "none", n_labels, n_matched, sentence)


def _some(labels: list[str]) -> str:
    more = len(labels) - LABELS_SHOWN
    return ", ".join(labels[:LABELS_SHOWN]) + (f" and {more} more" if more > 0 else "")
