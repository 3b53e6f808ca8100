"""The page about the framing of one dataset, or of two that are compared: no study, no model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bias_toolkit
from bias_toolkit.foundation.bars import shown
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.words import count, example
from bias_toolkit.report.page.blocks import Cell, ListBlock, Omitted, Paragraph, Section
from bias_toolkit.report.page.files import RESULTS, TABLES, Table, write_results, write_tables
from bias_toolkit.report.page.page import FIGURES, Page, write_into
from bias_toolkit.report.page.publish import PAGE, published
from bias_toolkit.report.page.thumbnails import FOLDER as IMAGES
from bias_toolkit.report.topics.comparison import comparison_findings, comparison_section, comparison_table
from bias_toolkit.report.topics.framing import (
    centres_block,
    framing_answer,
    framing_findings,
    framing_section,
    ranking_table,
)
from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents
from bias_toolkit.report.words.finding import Finding, Heading, Kind
from bias_toolkit.report.words.sentences import ClassNames, has, was

if TYPE_CHECKING:
    from bias_toolkit.datasets import Dataset
    from bias_toolkit.objects import FramingComparison, FramingDescription


@dataclass(frozen=True)
class DatasetFraming:
    """The framing of one dataset, or of two."""

    described: Sequence[FramingDescription]  # one per dataset
    comparison: FramingComparison | None = None  # None for one dataset, or if too few images of one have boxes
    seed: int = 0  # of the random numbers for the findings
    page: Path | None = None  # None if no page was requested

    @cached_property
    def contents(self) -> FramingContents:
        """The contents from which a report describes the datasets."""
        names = {label: name for each in self.described for label, name in each.dataset.class_names.items()}
        words = ("the dataset", "", "dataset"), ("the other dataset", "other", "other")
        first, *second = (
            FramedSet(*named, each.framing, each.summary, each.maps, each.means, each.counted)
            for named, each in zip(words, self.described, strict=False)
        )
        return FramingContents(first, second[0] if second else None, self.comparison, ClassNames(names), self.seed)

    @cached_property
    def answers(self) -> list[Finding]:
        """Whether the photographs of each dataset are framed alike."""
        alone = [FramingContents(each, names=self.contents.names, seed=self.seed) for each in self.contents.sets]
        return [framing_answer(contents) for contents in alone]

    @property
    def findings(self) -> list[Finding]:
        """The answers, and the further findings."""
        return [*self.answers, *self.further]

    @cached_property
    def further(self) -> list[Finding]:
        """Findings on the datasets' framing beside the answers, and on what was left out of them."""
        named = list(zip(self.contents.sets, self.described, strict=True))
        return [
            *(note for each in named for note in _notes(*each)),
            *framing_findings(self.contents),
            *comparison_findings(self.contents),
            *(finding for each in named for finding in _left_out(*each)),
        ]


def frame_datasets(
    *datasets: Dataset,
    folder: str | os.PathLike | None = None,
    resamples: int = 2000,
    permutations: int = 2000,
    placements: int = 1000,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> DatasetFraming:
    """Relate the objects of a dataset to chance, compare them with those of a second one, and write a page about them.

    Raises InputError if the folder holds anything but such a page.

    Parameters
    ----------
    *datasets : Dataset
        One, or two that are compared.
    folder : path, optional
        Gets the page, with figures, tables and mean images; without it, no page is written.
    resamples, permutations, placements : int
        Bootstrap resamples, permutations of the two-sample test, and placements under the null model.
    progress : Progress or bool, optional
        By default bars in a terminal and a notebook; False shows none.
    """
    from bias_toolkit.objects import compare_described, describe_framing

    means, progress = folder is not None, shown(progress)
    common = {"resamples": resamples, "seed": seed, "progress": progress}
    described = [describe_framing(each, placements=placements, with_mean_images=means, **common) for each in datasets]
    comparison = compare_described(*described, permutations=permutations, **common) if len(described) > 1 else None
    framing = DatasetFraming(described, comparison, seed)
    if folder is None:
        return framing
    settings = {"resamples": resamples, "permutations": permutations, "placements": placements, "seed": seed}
    return replace(framing, page=write_framing_report(framing, folder, settings, progress))


def _notes(framed: FramedSet, described: FramingDescription) -> list[Finding]:
    """What the dataset's reader notes, warnings first."""
    notes = sorted(described.dataset.notes, key=lambda note: not note.warns)
    kinds = {True: Kind.CAUTION, False: Kind.FACT}
    return [Finding(Heading.DATA, kinds[note.warns], f"{framed.name}: {note.text}") for note in notes]


def _left_out(framed: FramedSet, described: FramingDescription) -> list[Finding]:
    dataset, means = described.dataset, described.means
    bare = dataset.images["image_id"][~dataset.images["image_id"].isin(dataset.objects["image_id"])]
    tells = "tells" if len(bare) == 1 else "tell"
    left_out = {
        f"{has(len(bare))} no box, and {tells} nothing here": bare,
        "could not be read": dataset.skipped["image_id"],
        "could not be decoded for the mean images": () if means is None else means.skipped["image_id"],
    }
    sentences = [
        f"{count(len(names), 'image')} of {framed.the} {what} {example([*names])}."
        for what, names in left_out.items()
        if len(names)
    ]
    if dropped := dataset.dropped_boxes:
        sentences.append(f"{count(dropped, 'box', 'boxes')} of {framed.the} had no area and {was(dropped)} dropped.")
    return [Finding(Heading.DATA, Kind.FACT, sentence) for sentence in sentences]


def write_framing_report(
    framing: DatasetFraming, folder: str | os.PathLike, settings: Mapping[str, Any], progress: Progress = silent
) -> Path:
    """Write the page about one dataset's framing, or about two, and return its path.

    The report is index.html, results.json, and the folders figures (SVG), tables (CSV) and images (the mean
    image of each class, PNG). It is written elsewhere first and moved to `folder` at the end, the page last. `settings`
    are the settings of the computation, by name. Raises InputError if one of these names exists and is not from a
    report.
    """
    contents, (first, *others) = framing.contents, framing.described
    other = others[0] if others else None
    with published(folder, [RESULTS, FIGURES, TABLES, IMAGES]) as partial:
        sections = [framing_section(contents, partial, every_mean=True)]
        if other is not None:
            sections.append(comparison_section(contents))
        tables = write_tables(_tables(contents), partial, largest=None)
        results = {
            "dataset": _record(first),
            "other": None if other is None else _record(other),
            "answers": [finding.to_dict() for finding in framing.answers],
            "findings": [finding.to_dict() for finding in framing.further],
            "summary": first.summary,
            "other_summary": None if other is None else other.summary,
            "comparison": framing.comparison,
            "settings": settings,
            "versions": {"bias-toolkit": bias_toolkit.__version__},
        }
        write_results(results, partial)
        shown = [section for section in sections if isinstance(section, Section)]
        left_out = [section for section in sections if isinstance(section, Omitted)]
        page = Page(
            title=Path(first.dataset.root).name or first.dataset.root,
            of=[_subject(*each) for each in zip(("Dataset", "Other dataset"), framing.described, strict=False)],
            answers=framing.answers,
            opening=[centres_block(each) for each in contents.sets],
            findings=framing.further,
            sections=[*shown, _made(settings, left_out), _files(tables)],
            kicker="photographers’ bias of a dataset",
        )
        write_into(page, partial, progress)
    return Path(folder) / PAGE


def _record(described: FramingDescription) -> dict[str, Any]:
    dataset = described.dataset
    return {
        "path": dataset.root,
        "layout": dataset.layout,
        "layout_reason": dataset.layout_reason,
        "fingerprint": dataset.fingerprint,
        "images": len(dataset.images),
        "boxes": len(dataset.objects),
        "skipped": dataset.skipped,
        "mean_images": None if described.means is None else described.means.table,
    }


def _subject(heading: str, described: FramingDescription) -> tuple[str, str, str]:
    dataset = described.dataset
    size = f"{count(len(dataset.images), 'image')}, {count(len(dataset.objects), 'box', 'boxes')}"
    return heading, dataset.root, f"{size}, read as {dataset.layout} ({dataset.layout_reason})"


def _made(settings: Mapping[str, Any], left_out: list[Omitted]) -> Section:
    text = ", ".join(f"{name} {value}" for name, value in settings.items())
    blocks = [
        Paragraph(
            "Intervals resample images, with all objects of each, and are percentile intervals expanded for few images "
            "(Hesterberg, The American Statistician 69(4), 2015). Centring is judged against boxes of the same sizes "
            "placed at random. Intervals of classes and of variables are adjusted for their number (Benjamini and "
            "Yekutieli, 2005). Two datasets are compared by a classifier two-sample test (Lopez-Paz and Oquab, ICLR "
            "2017) and by Wasserstein distances."
        ),
        Paragraph(f"bias-toolkit {bias_toolkit.__version__}{f'; {text}' if text else ''}."),
    ]
    blocks += [Paragraph(f"The section “{each.title}” is left out: {each.reason}") for each in left_out]
    return Section("method", "How this was made", blocks)


def _files(tables: list[tuple[str, str, str]]) -> Section:
    items = [Cell(name, holds, link=address) for address, name, holds in tables]
    items.append(Cell(RESULTS, "every number and finding", link=RESULTS))
    items.append(Cell(IMAGES, "the folder with the mean image of every class"))
    return Section("files", "Files", [ListBlock(items)])


def _tables(contents: FramingContents) -> list[Table]:
    tables = []
    for each in contents.sets:
        holds = f"framing of {each.the} and its categories"
        tables.append(Table(f"framing_summary_{each.key}", each.summary, holds, order=0))
        tables.append(Table(f"framing_{each.key}", each.framing, f"one row per object of {each.the}", order=0))
    return [*tables, ranking_table(contents), comparison_table(contents)]
