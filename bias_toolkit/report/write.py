"""Writing the report of a study, and its findings on single topics."""

import dataclasses
import html
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bias_toolkit.foundation.choices import FIRST_FIGURES
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.words import count
from bias_toolkit.report.page.blocks import FigureBlock, Omitted, Section
from bias_toolkit.report.page.files import RESULTS, TABLES, write_results, write_tables
from bias_toolkit.report.page.page import FIGURES, MOST_FINDINGS, SVG, Page, write_into
from bias_toolkit.report.page.publish import PAGE, is_own_page, published
from bias_toolkit.report.page.thumbnails import FOLDER as IMAGES
from bias_toolkit.report.source import ReadOnce, Source, sample_words, study_name
from bias_toolkit.report.topic import Draft, Topic
from bias_toolkit.report.topics import TOPICS, localisation, method
from bias_toolkit.report.topics.localisation.contents import Localisation
from bias_toolkit.report.topics.localisation.marks import marked_findings, marked_section
from bias_toolkit.report.words.finding import Finding, Heading
from bias_toolkit.report.words.sentences import SET_NAMES

Gathered = Sequence[tuple[Topic, Any]]
"""Topics, each with what it read from a study: None where the study has nothing of it."""


def write_report(source: Source, folder: str | os.PathLike, progress: Progress = silent) -> Path:
    """Write a study's report into a folder, in place of an earlier one, and return the path of its page.

    The report is index.html (which needs only these files, no network), results.json, and the folders figures (SVG, and
    the setting's further formats), tables (CSV) and images (thumbnails). It is written elsewhere first and moved at the
    end, the page last. Other files of the folder are not changed. Raises InputError if one of these names exists and is
    not from a report, or if results are missing.
    """
    with published(folder, [RESULTS, FIGURES, TABLES, IMAGES]) as partial:
        source = ReadOnce(source)
        gathered = gather(source)
        there = _there(gathered)
        by_name = {topic.name: contents for topic, contents in gathered}
        located, made = by_name[localisation.TOPIC.name], by_name[method.TOPIC.name]
        draft = Draft(partial, write_tables([table for topic, of in there for table in topic.tables(of)], partial))
        answers, findings = answers_of(gathered, located), findings_of(gathered, located)
        sections = _sections(gathered, located, draft)
        opening = [block for topic, of in there for block in topic.opening(of, draft)]
        if source.settings.figures == FIRST_FIGURES:
            drawn = {block.name for block in opening if isinstance(block, FigureBlock)}
            sections = [_with_figures(section, drawn) for section in sections]
            answers, findings = ([_pointing_to(each, drawn) for each in listed] for listed in (answers, findings))
        write_results(results(source, gathered, answers, findings), partial)
        page = Page(
            title=study_name(source),
            of=_subjects(made),
            findings=findings,
            sections=sections,
            answers=answers,
            # Figures last, so that two of half the width stand side by side.
            opening=sorted(opening, key=lambda block: isinstance(block, FigureBlock)),
            most=MOST_FINDINGS,
            formats=(SVG, *source.settings.figure_formats),
            kicker=sample_words(source) or Page.kicker,
        )
        write_into(page, partial, progress)
    return Path(folder) / PAGE


@dataclasses.dataclass(frozen=True)
class ReportPage:
    """A report that was written, which a notebook shows in a frame."""

    folder: Path

    @property
    def path(self) -> Path:
        """The path of its page; InputError if there is none."""
        path = self.folder / PAGE
        if not is_own_page(path):
            raise InputError(f"{path} is no report; `bias-toolkit report` writes it.")
        return path

    def _repr_html_(self) -> str:
        # A notebook's server gives out files by their place below the notebook.
        address = html.escape(quote(Path(os.path.relpath(self.path)).as_posix()))
        return f'<iframe src="{address}" title="Report" width="100%" height="800"></iframe>'


def topic_findings(source: Source, *names: str) -> list[Finding]:
    """The findings on some topics, by their names, without reading the others."""
    source = ReadOnce(source)
    gathered = gather(source, [topic for topic in TOPICS if topic.name in names])
    return findings_of(gathered, localisation.gather(source))


def gather(source: Source, topics: Sequence[Topic] = TOPICS) -> Gathered:
    """Topics, each with its contents from a study."""
    return [(topic, topic.gather(source)) for topic in topics]


def _there(gathered: Gathered) -> Gathered:
    """The topics that have contents in the study."""
    return [(topic, contents) for topic, contents in gathered if contents is not None]


def findings_of(gathered: Gathered, located: Localisation | None) -> list[Finding]:
    """The findings of topics under their headings, in the order of the headings and then of the topics."""
    findings = [finding for topic, contents in _there(gathered) for finding in topic.findings(contents)]
    return marked_findings(sorted(findings, key=lambda finding: list(Heading).index(finding.topic)), located)


def answers_of(gathered: Gathered, located: Localisation | None) -> list[Finding]:
    """The answers that topics give, in the order of the topics."""
    answers = [topic.answer(contents) for topic, contents in _there(gathered)]
    return marked_findings([answer for answer in answers if answer is not None], located)


def results(
    source: Source, gathered: Gathered, answers: Sequence[Finding], findings: Sequence[Finding]
) -> dict[str, Any]:
    """The content of results.json. Values that are missing are null; tables of single images are in the CSV files."""
    stated = {"answers": answers, "findings": findings}
    values = {"name": study_name(source)}
    values |= {name: [finding.to_dict() for finding in listed] for name, listed in stated.items()}
    for topic, contents in gathered:
        values |= topic.results(contents)
    return values


def _sections(gathered: Gathered, located: Localisation | None, draft: Draft) -> list[Section]:
    sections = []
    for topic, contents in _there(gathered):
        section = topic.section(contents, draft)
        if isinstance(section, Omitted):
            draft.omitted.append(section)
        elif section is not None:
            sections.append(dataclasses.replace(marked_section(section, topic.boxes, located), folded=True))
    return sections


def _with_figures(section: Section, names: Collection[str]) -> Section:
    """The section with only those of its figures that have these names."""
    blocks = [block for block in section.blocks if not isinstance(block, FigureBlock) or block.name in names]
    return dataclasses.replace(section, blocks=blocks)


def _pointing_to(finding: Finding, names: Collection[str]) -> Finding:
    """The finding, which points to its figure only if that has one of these names."""
    return finding if finding.figure in names else dataclasses.replace(finding, figure=None)


def _subjects(made: method.Method) -> list[tuple[str, str, str]]:
    """The two datasets and the model: (heading, name, details)."""
    model, subjects = made.model, []
    for split, dataset in made.datasets.items():
        details = f"{count(dataset.n_images, 'image')}, {count(dataset.n_labels, 'label')}"
        details += f"; a sample of {count(dataset.sample_of, 'image')}" if dataset.sample_of else ""
        subjects.append((f"{SET_NAMES[split].capitalize()} set", dataset.path, details))
    details = f"{count(model['n_classes'], 'class', 'classes')}, input {model['input_size']} pixels"
    details += f", trained on {made.published_on}" if made.published_on else ""
    return [*subjects, ("Model", model["name"], details)]
