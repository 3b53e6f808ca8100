"""Gathering what a study knows of its estimated boxes for its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from bias_toolkit.foundation.words import count
from bias_toolkit.report.localisation import NAMES, Localisation, LocatedSet
from bias_toolkit.study.plan import SPLITS

if TYPE_CHECKING:
    from bias_toolkit.study import Study


def localisation_contents(study: Study) -> Localisation | None:
    """What the report says of estimated boxes; None where all boxes are the datasets' own."""
    from bias_toolkit.objects.locate import LABEL
    from bias_toolkit.objects.locate_reference import reference_localisation

    located = {split: study.located(split) for split in SPLITS if study.is_estimated(split)}
    if not located:
        return None
    sets, unlocated = {}, []
    for split, table in located.items():
        found = table["x0"].notna()
        by_label = int((found & table["located_by"].eq(LABEL)).sum())
        sets[split] = LocatedSet(len(table), int(found.sum()), by_label)
        unlocated.append(table.loc[~found, ["image_id", "reason"]].assign(split=split))
    record = study.boxes_record(next(iter(located)))
    how = {name: record[name] for name in ("layer", "is_exact", "threshold")}
    lists = pd.concat(unlocated, ignore_index=True)[["split", "image_id", "reason"]]
    measured = study.localisation
    if measured is not None:
        split, quality = measured
        n = quality.loc[quality["criterion"].eq("localisation_accuracy"), "n_images"].max()
        images = f"{count(n, 'image')} of this study's {NAMES[split]} set that {'has' if n == 1 else 'have'} boxes"
        return Localisation(sets, **how, unlocated=lists, quality=quality, measured_on=images, measured_here=True)
    known = reference_localisation()
    return Localisation(
        sets,
        **how,
        unlocated=lists,
        quality=known.quality,
        measured_on=f"{known.dataset}, with {known.model}",
        measured_here=False,
        command=known.command,
    )


def missing_boxes(study: Study) -> list[str]:
    """A sentence on each set without boxes, and one on why they were not estimated where that was tried."""
    sentences = []
    for split, name in NAMES.items():
        record = study.boxes_record(split)
        if not record["estimated"] and study.objects(split).empty:
            left_out = f"The {name} set has no object boxes, so position and scale of its objects are left out."
            sentences += [left_out, *([record["reason"]] if record.get("reason") else [])]
    return list(dict.fromkeys(sentences))


def box_sentences(study: Study) -> list[str]:
    """For the command line: whose boxes are estimated and how good such boxes are, and whose are missing."""
    from bias_toolkit.report.findings_localisation import overlap_sentence

    told = localisation_contents(study)
    if told is None:
        return missing_boxes(study)
    sets = [
        f"The boxes of the {NAMES[split]} set are estimated by the model: {count(each.n_located, 'box', 'boxes')} in "
        f"{count(each.n_images, 'image')}."
        for split, each in told.sets.items()
    ]
    return [*sets, overlap_sentence(told), *missing_boxes(study)]
