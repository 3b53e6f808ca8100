"""The page itself: sections in, HTML out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from bias_toolkit.report.blocks import Block, FigureBlock, Section
from bias_toolkit.report.contents import ReportContents, centring_column, correlation, whole_dataset
from bias_toolkit.report.finding import KIND_NAMES, Finding
from bias_toolkit.report.findings_invariance import summary_row, sweep_name
from bias_toolkit.report.formatting import count, interval, known, number, percent

FIGURES = "figures"
FORMATS = ("svg", "png", "pdf")


def render(contents: ReportContents, findings: Sequence[Finding], sections: Sequence[Section]) -> str:
    """The HTML of the page. Everything that comes from the data is escaped."""
    environment = Environment(
        loader=PackageLoader("bias_toolkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rows_of"] = rows_of
    style = (files("bias_toolkit.report") / "templates" / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        contents=contents,
        topics=[(topic, list(group)) for topic, group in itertools.groupby(findings, lambda finding: finding.topic)],
        kind_names=KIND_NAMES,
        sections=sections,
        tiles=tiles(contents),
        subtitle=subtitle(contents),
        style=style,
        figures=FIGURES,
        formats=FORMATS,
    )


def rows_of(blocks: Iterable[Block]) -> list[list[Block]]:
    """Blocks in rows of the page: half-width figures that follow one another stand in pairs, all else alone."""
    rows: list[list[Block]] = []
    for block in blocks:
        half = isinstance(block, FigureBlock) and block.half
        previous = rows[-1] if rows else []
        joins = half and len(previous) == 1 and isinstance(previous[0], FigureBlock) and previous[0].half
        if joins:
            previous.append(block)
        else:
            rows.append([block])
    return rows


def subtitle(contents: ReportContents) -> list[tuple[str, str, str]]:
    """What the study is of: (heading, name, details)."""
    return [
        (heading, dataset.path, f"{count(dataset.n_images, 'image')}, {count(dataset.n_labels, 'label')}")
        for heading, dataset in (("Training set", contents.train), ("Test set", contents.test))
    ] + [
        (
            "Model",
            contents.model.name,
            f"{count(contents.model.n_classes, 'class', 'classes')}, input {contents.model.input_size} pixels",
        )
    ]


def tiles(contents: ReportContents) -> list[tuple[str, str, str]]:
    """The few numbers that a reader looks for first: (value, what it is, details). Those not computed are absent."""
    found = []
    train = whole_dataset(contents.train_summary)
    column = "centre_bias" if train is None else centring_column(train)
    if train is not None and known(train[column]):
        of_what = "training set" if column == "centre_bias" else "training objects that no border cuts"
        limits = interval(train[f"{column}_low"], train[f"{column}_high"])
        found.append((number(train[column]), f"centre bias of the {of_what}", f"95% interval {limits}"))
    row = summary_row(contents, "p_top1_change")
    if row is not None:
        limits = interval(row["low"], row["high"], percent)
        details = f"95% interval {limits}; {sweep_name(*contents.reference_sweep)}"
        found.append((percent(row["value"]), "of one-pixel steps change the top-1 class", details))
    plain, partial = (
        correlation(contents.table("correlations"), "nn_distance", "p_top1_change", kind)
        for kind in ("plain", "partial")
    )
    if plain is not None and partial is not None:
        details = f"given the margin {number(partial['rho'])} ({interval(partial['low'], partial['high'])})"
        found.append((number(plain["rho"]), "ρ of distance and P(top-1 change)", details))
    if contents.noise_floor is not None:
        floor = contents.noise_floor
        found.append(
            (
                f"{floor.n_changed:,} / {floor.n_views:,}",
                "views that change class when evaluated again",
                f"noise floor {percent(floor.value)}; 95% interval {interval(floor.low, floor.high, percent)}",
            )
        )
    return found
