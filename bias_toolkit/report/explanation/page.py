"""The page that says why one image is unstable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bias_toolkit.foundation.words import below_all, count, known, number, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.explanation.measured import instability_section, more_than, test_images, unlikeness_section
from bias_toolkit.report.explanation.why import remedy_section, why_section
from bias_toolkit.report.page.blocks import AnswerBlock, Cell, ListBlock, Picture, Section
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
        instability_section(explanation),
        unlikeness_section(explanation),
        why_section(explanation),
        remedy_section(explanation),
    ]
    if explanation.notes:
        notes = ListBlock([Cell(note) for note in explanation.notes])
        sections.append(Section("measured", "How this was measured", [notes]))
    return Page(
        title=explanation.image_id,
        of=_subjects(explanation),
        tiles=_tiles(explanation),
        findings=[],
        sections=[section for section in sections if section is not None],
        kicker="why one image is unstable",
        formats=("svg",),
    )


def _subjects(explanation: Explanation) -> list[tuple[str, str, str]]:
    """The image, the model and the study: (heading, name, details)."""
    place = "in the test set" if explanation.in_test_set else "not in the test set"
    size = f"{explanation.width} × {explanation.height} pixels"
    return [
        ("Image", explanation.label_name or "no label", f"{size}, {place}"),
        ("Model", explanation.model, f"input {count(explanation.input_size, 'pixel')}"),
        ("Study", explanation.study, explanation.response.sweep),
    ]


def _tiles(explanation: Explanation) -> list[tuple[str, str, str]]:
    """(value, meaning, details). Numbers that are not known are absent."""
    p = explanation.before.p_top1_change
    limits = [p.limits(before="95% interval "), f"all shifts of up to {count(explanation.radius, 'pixel')}"]
    tiles = [(percent(p.value), "of one-pixel steps change the top-1 class", "; ".join(filter(None, limits)))]
    standing = explanation.standing(HEADLINE)
    if standing is not None and known(standing.percentile):
        details = f"{percent(standing.value)} of its steps change the top-1 class; {explanation.response.sweep}"
        name = f"of {test_images(explanation)} are more stable on the study’s sweep"
        tiles.append((below_all(standing.percentile), name, details))
    tiles.append(_cause_tile(explanation))
    margin = explanation.standing("margin")
    if margin is not None:
        percentile = margin.percentile
        details = more_than(percentile, test_images(explanation)) if known(percentile) else ""
        tiles.append((number(margin.value), "margin of the top-1 class at the centre view", details))
    return tiles


def _cause_tile(explanation: Explanation) -> tuple[str, str, str]:
    threshold = f"unstable from {percent(explanation.unstable_from)}"
    if explanation.is_stable:
        return "stable", "there is no instability to explain", threshold
    if not explanation.causes:
        return "none found", "first cause", "nothing that was tried could be shown to be a cause"
    others = len(explanation.causes) - 1
    return explanation.causes[0].name, "first cause", f"{count(others, 'further cause')}" if others else "the only one"


def _answer(explanation: Explanation) -> Section:
    predicted, seen = f"predicted: {explanation.before.prediction.name}", ["what the model sees at the centre view"]
    picture = Picture(explanation.picture, "Centre view of the image", predicted, seen)
    paragraphs = [explanation.answer]
    if explanation.is_stable:
        paragraphs.append("As the image is stable, no cause was looked for.")
    return Section("answer", "Answer", [AnswerBlock(paragraphs, picture)])
