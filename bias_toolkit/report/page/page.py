"""The page itself: sections in, HTML and figures out."""

import base64
import functools
import hashlib
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes

from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.words import visible
from bias_toolkit.report.page.blocks import Block, FigureBlock, LiveBlock, Section, ViewerBlock
from bias_toolkit.report.page.photographs import write_photographs
from bias_toolkit.report.page.publish import GENERATOR, PAGE, published
from bias_toolkit.report.page.style import save_figure
from bias_toolkit.report.words.finding import KINDS, Finding

FIGURES = "figures"
MOST_FINDINGS = 6
"""How many findings a page shows before it is unfolded."""
SVG = "svg"
POLICY = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What a browser may do with a page: show it and its own pictures. It runs no script and asks no other machine."""


def policy_of(scripts: Sequence[str], asks: bool = False) -> str:
    """The policy of a page with exactly these scripts, each allowed by its SHA-256.

    `asks` says whether they may ask the server from which the page comes.
    """
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return POLICY + (f"; script-src {allowed}" if allowed else "") + ("; connect-src 'self'" if asks else "")


@dataclass(frozen=True)
class Page:
    """The content of one page, from top to bottom."""

    title: str
    of: Sequence[tuple[str, str, str]]  # its subjects: heading, name, details
    findings: Sequence[Finding]
    sections: Sequence[Section]
    tiles: Sequence[tuple[str, str, str]] = ()  # the most important numbers: value, name, details
    answers: Sequence[Finding] = ()  # what the page says first
    opening: Sequence[Block] = ()  # shown below the answers
    most: int | None = None  # how many findings are shown, those of the lowest ranks; None for all
    kicker: str = "photographers’ bias and invariance"  # the small line above the title
    formats: Sequence[str] = (SVG,)  # of each figure; the page itself shows SVG

    @property
    def blocks(self) -> list[Block]:
        """Every block of the page, from top to bottom."""
        return [*self.opening, *(block for section in self.sections for block in section.blocks)]

    @property
    def is_live(self) -> bool:
        """Whether it asks the server from which it comes."""
        return any(isinstance(block, LiveBlock) for block in self.blocks)


def write_page(page: Page, folder: str | os.PathLike) -> Path:
    """Write a page as index.html, with its figures in the folder figures; returns its path.

    The page needs no network and no other file. Other files of the folder are not changed. Raises InputError if
    index.html or figures exists and is not from an earlier page.
    """
    with published(folder, [FIGURES]) as partial:
        write_into(page, partial)
    return Path(folder) / PAGE


def write_into(page: Page, folder: Path, progress: Progress = silent) -> None:
    """Write index.html and the folder figures into a folder that has neither."""
    blocks = [block for block in page.blocks if isinstance(block, FigureBlock)]
    figures = {block.name: block for block in blocks}
    # A figure that is on the page twice may have dots with photographs in one place only.
    dots = {block.name: block.dots for block in blocks if block.dots}
    photographs = {}
    with progress("Drawing figures", total=len(figures)) as advance:
        for name, block in figures.items():
            drawn = block.draw()
            save_figure(drawn, *(folder / FIGURES / f"{name}.{ending}" for ending in page.formats))
            if isinstance(drawn, Axes) and name in dots:
                photographs[name] = write_photographs(drawn, dots[name], folder / FIGURES / f"{name}.jpg")
            advance(1)
    (folder / PAGE).write_text(render(page, photographs), encoding="utf-8")


def render(page: Page, photographs: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """The HTML of a page. All text from the data is escaped.

    `photographs` has, by the name of a figure, what `write_photographs` gives.
    """
    scripts = scripts_of(page, bool(photographs))
    first = first_findings(page.findings, page.most)
    further = [finding for finding in page.findings if finding not in first] if page.most is not None else page.findings
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            first=first,
            further=[
                (topic, list(group)) for topic, group in itertools.groupby(further, lambda finding: finding.topic)
            ],
            kinds=KINDS,
            generator=GENERATOR,
            policy=policy_of(scripts, page.is_live),
            scripts=scripts,
            style=_template("page.css"),
            figures=FIGURES,
            photographs=photographs or {},
            formats=page.formats,
        )
    )


@functools.cache
def _environment() -> Environment:
    """The templates, which are compiled once: that takes longer than to render a page."""
    environment = Environment(
        loader=PackageLoader("bias_toolkit.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rows_of"] = rows_of
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment


def scripts_of(page: Page, has_photographs: bool = False) -> list[str]:
    """The scripts that a page needs."""
    has_viewer = any(isinstance(block, ViewerBlock) for block in page.blocks)
    scripts = [_template("moves.js") + _template("live.js")] if page.is_live else []
    scripts += [_template("moves.js") + _template("viewer.js")] if has_viewer else []
    return scripts + ([_template("photographs.js")] if has_photographs else [])


def _template(name: str) -> str:
    return (files("bias_toolkit.report.page") / "templates" / name).read_text(encoding="utf-8")


def first_findings(findings: Sequence[Finding], most: int | None) -> list[Finding]:
    """The `most` findings of the lowest ranks, lowest first; none if `most` is None."""
    ranked = [finding for finding in findings if finding.rank is not None]
    return sorted(ranked, key=lambda finding: finding.rank)[: most or 0]


def rows_of(blocks: Iterable[Block]) -> list[list[Block]]:
    """Blocks in rows of the page: consecutive half-width figures in pairs, every other block alone."""
    rows: list[list[Block]] = []
    for block in blocks:
        half = isinstance(block, FigureBlock) and block.half
        previous = rows[-1] if rows else []
        if half and len(previous) == 1 and isinstance(previous[0], FigureBlock) and previous[0].half:
            previous.append(block)
        else:
            rows.append([block])
    return rows


def _shown(value: object) -> object:
    """A value as a template writes it: all but HTML loses the characters that act on the text around them."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
