"""ImageNet's class ids and names, from timm's own tables: no network needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache


@cache
def imagenet_classes(n_classes: int) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """WordNet ids and readable names, in output order, of the ImageNet set with that many classes.

    A name is WordNet's comma-separated synonyms, such as "goldfish, Carassius auratus". 1000 is ImageNet-1k;
    the larger sets that published classifiers are trained on are known as well. None where the number of
    classes is no ImageNet set's.
    """
    from timm.data import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset({"num_classes": n_classes})
    if subset is None:
        return None
    info = ImageNetInfo(subset)
    return tuple(info.label_names()), tuple(info.label_descriptions())


def are_imagenet_names(names: Sequence[str]) -> bool:
    """Whether the names are ImageNet-1k's, in order; a few may be spelt otherwise ("crane bird")."""
    _, known = imagenet_classes(1000)
    same = sum(name == full.split(", ")[0] for name, full in zip(names, known, strict=False))
    return len(names) == len(known) and same >= 0.99 * len(known)
