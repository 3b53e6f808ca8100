"""The page that moves a view over a photograph while the model runs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from bias_toolkit.explain.instability import MOST_LIKELY
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import protocol_of
from bias_toolkit.invariance.inpaint import FILLS
from bias_toolkit.report.explanation.figures import OTHER
from bias_toolkit.report.page.blocks import Cell, ListBlock, LiveBlock, Section
from bias_toolkit.report.page.page import Page
from bias_toolkit.report.page.style import SERIES
from bias_toolkit.report.stability import ordered_by_stability
from bias_toolkit.study.live.views import MOST_BLUR, NO_FILTER, LiveViews

if TYPE_CHECKING:
    from bias_toolkit.study.results import Results

MOST_LISTED = 1000
"""Test images that the page offers by name."""
SIZES = {"crop": (0.05, 1.0, 1.0), "embed": (1.0, 8.0, 2.0)}
NOTES = (
    "A study image with the study’s settings is shown exactly as the study’s own sweep shows it: the views are exact "
    "slices of one picture, in float32.",
    "What lies beyond the photograph in crop is inpainted: extended outwards from the photograph’s border.",
    "The blur is a Gaussian of the whole picture. Its standard deviation σ is in pixels of the view.",
    "A low-pass filter is put at each subsampling operation of the network. The weights are the network’s own, without "
    "training.",
    "A step is one pixel, or one change of a setting.",
)


def live_page(views: LiveViews, results: Results, image: str | None) -> Page:
    """The page; `image` is shown first, by default the least stable test image."""
    ids, note = _listed(views, results)
    sweep, side = views.sweep, views.side
    start = {
        "image": ids[0] if image is None else image,
        "protocol": sweep.protocol,
        "size": sweep.size,
        "fill": sweep.fill,
        "blur": 0,
    }
    low, high, _ = SIZES[sweep.protocol]
    sizes = SIZES | {sweep.protocol: (min(low, sweep.size), max(high, sweep.size), sweep.size)}
    block = LiveBlock(
        file=f"picture?{urlencode(start)}",
        side=side,
        radius=views.radius,
        names=views.names,
        colours=SERIES,
        other=OTHER,
        images=ids[:MOST_LISTED],
        images_note=note,
        sizes={name: (low, min(high, side), min(usual, side)) for name, (low, high, usual) in sizes.items()},
        fills=FILLS,
        most_blur=MOST_BLUR,
        filters=views.filters,
        start=start | {"low_pass": NO_FILTER},
        ranks=range(min(MOST_LIKELY, views.model.n_classes)),
    )
    protocols = [f"{name}: {protocol_of(name).definition}" for name in SIZES]
    notes = Section("notes", "What is shown", [ListBlock([Cell(text) for text in (*NOTES, *protocols)])])
    return Page(
        title="Move the view",
        of=[
            ("Study", results.folder.resolve().name, count(len(ids), "test image")),
            ("Model", views.model.name, f"input {count(side, 'pixel')}"),
        ],
        findings=[],
        sections=[Section("view", "The view", [block]), notes],
        kicker="the model, live",
    )


def _listed(views: LiveViews, results: Results) -> tuple[list[str], str]:
    """The ids of the test images, the least stable first if that is known, and a sentence on their order."""
    ids = views.images.index.tolist()
    try:
        ordered = ordered_by_stability(results.per_image)["image_id"].tolist()
    except InputError:
        ordered = []
    listed = min(len(ids), MOST_LISTED)
    note = f"{count(listed, 'name is', 'names are')} listed{', the least stable image first' if ordered else ''}."
    if listed < len(ids):
        note += " Any other name can be typed."
    return list(dict.fromkeys([*ordered, *ids])), note
