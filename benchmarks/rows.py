"""The rows of the benchmarks' tables: two ways of doing the same work, compared within one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """One line: what was done, how fast here, how fast in the other way, and what else is to be said.

    `ratio` is that of the rates, above 1 where the toolkit is the faster; None where there is nothing to compare.
    """

    work: str
    here: str
    other: str
    ratio: float | None = None
    note: str = ""


def markdown(title: str, rows: Sequence[Row], lead: str = "") -> str:
    """A section with a table."""
    lines = [f"## {title}", ""]
    if lead:
        lines += [lead, ""]
    lines += ["| work | toolkit | compared with | ratio | |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        lines.append(f"| {row.work} | {row.here} | {row.other} | {ratio} | {row.note} |")
    return "\n".join(lines) + "\n"


def alternately(ways: dict[str, Callable[[], int]], repeats: int) -> dict[str, np.ndarray]:
    """Items a second of each way, run in turn, so that what else the machine does reaches all alike.

    A way does its work once and says how many items that were.
    """
    rates = {name: [] for name in ways}
    for _ in range(repeats):
        for name, work in ways.items():
            start = time.perf_counter()
            items = work()
            rates[name].append(items / (time.perf_counter() - start))
    return {name: np.array(each) for name, each in rates.items()}


def ratio(one: np.ndarray, other: np.ndarray) -> float:
    """The median over repeats of one rate over the other of the same repeat."""
    return float(np.median(one / other))


def rate(rates: np.ndarray, unit: str) -> str:
    """The median of rates, in words."""
    value = float(np.median(rates))
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:,.2f} {unit}" if value < 10 else f"{value:,.1f} {unit}"
