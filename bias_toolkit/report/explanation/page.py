"""The page that says why one image is unstable."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from bias_toolkit.explain.sentences import answer_sentences
from bias_toolkit.foundation.words import count
from bias_toolkit.report.explanation.figures import OTHER, class_colours
from bias_toolkit.report.explanation.measured import instability_section, unlikeness_section
from bias_toolkit.report.explanation.why import no_cause_section, prediction_lines, remedy_section, why_section
from bias_toolkit.report.page.blocks import AnswerBlock, Cell, ListBlock, Picture, Section, ViewerBlock
from bias_toolkit.report.page.page import Page, write_page

if TYPE_CHECKING:
    from bias_toolkit.explain.explanation import Explanation


def write_explanation(explanation: Explanation, folder: str | os.PathLike) -> Path:
    """Write an explanation's page as index.html, with its figures (SVG) in the folder figures; return its path.

    The page also shows the explanation's own pictures, in the folder pictures, which is not changed.

    Raises InputError if index.html or figures exists and does not come from an earlier page.
    """
    return write_page(explanation_page(explanation), folder)


def explanation_page(explanation: Explanation) -> Page:
    """The content of the page, from top to bottom."""
    sections = [
        _answer(explanation),
        why_section(explanation),
        no_cause_section(explanation),
        instability_section(explanation),
        unlikeness_section(explanation),
        remedy_section(explanation),
    ]
    if explanation.notes:
        notes = ListBlock([Cell(note) for note in explanation.notes])
        sections.append(Section("measured", "How this was measured", [notes], folded=True))
    return Page(
        title=explanation.image_id,
        of=_subjects(explanation),
        findings=[],
        sections=[section for section in sections if section is not None],
        kicker="why one image is unstable",
    )


def _subjects(explanation: Explanation) -> list[tuple[str, str, str]]:
    """The image, the model and the study: (heading, name, details)."""
    place = "in the test set" if explanation.in_test_set else "not in the test set"
    size = f"{explanation.width} × {explanation.height} pixels"
    counts = f"counts as {explanation.counts_as}; " if explanation.counts_as else ""
    return [
        ("Image", explanation.label_name or "no label", f"{counts}{size}, {place}"),
        ("Model", explanation.model, f"input {count(explanation.input_size, 'pixel')}"),
        ("Study", explanation.study, explanation.response.sweep),
    ]


def _answer(explanation: Explanation) -> Section:
    centre, over = explanation.before.centre_view, explanation.before.over_shifts
    seen = ["This is the centre view, and the class that it gets.", *prediction_lines(centre)]
    if over.name != centre.name:
        seen.append(f"Over all shifts the model says another class: {over.name}.")
    picture = Picture(explanation.picture, "Centre view of the image", centre.name, seen)
    paragraphs = answer_sentences(explanation)
    if explanation.is_stable:
        paragraphs.append("As the image is stable, no cause was looked for.")
    return Section("answer", "Answer", [AnswerBlock(paragraphs, picture), _viewer(explanation)])


def _viewer(explanation: Explanation) -> ViewerBlock:
    shift_map, colours = explanation.shift_map, class_colours(explanation)
    likely = [view for row in shift_map.likely for view in row]
    # The most frequent class has the shortest number, which keeps the page small.
    classes = [index for index, _ in Counter(itertools.chain(*likely)).most_common()]
    place = {index: number for number, index in enumerate(classes)}
    middle = [(right, 0) for right in range(-explanation.radius, explanation.radius + 1)]
    return ViewerBlock(
        file=shift_map.picture,
        side=explanation.input_size,
        radius=shift_map.radius,
        names=[shift_map.names[index] for index in classes],
        colours={place[index]: colour for index, colour in colours.items() if index in place},
        other=OTHER,
        right=None if shift_map.right is None else place.get(shift_map.right, -1),
        likely=[[place[index] for index in view] for view in likely],
        probabilities=[view for row in shift_map.probabilities for view in row],
        path=shift_map.sweep or middle,
        path_name="the sweep" if shift_map.sweep else "the middle row",
    )
