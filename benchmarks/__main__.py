"""`python -m benchmarks`: how fast the toolkit is, as ratios within one run; writes benchmarks/RESULTS.md."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.flag import flag_rows
from benchmarks.growth import rows_of_growth, rows_of_start_up
from benchmarks.machine import machine
from benchmarks.passes import rows_of_passes
from benchmarks.photographs import write_photographs
from benchmarks.rows import markdown
from benchmarks.search import search_rows

RESULTS = Path(__file__).parent / "RESULTS.md"
PLAIN_LOOP = (
    "On Linux the plain loop has another speed in every process: where glibc gives the memory of freed activations "
    "back to the kernel, the next pass faults it in again, and how much it gives back hangs on where the blocks "
    "happen to lie. The first line of each pair has processes as they come, the second has processes that give nothing "
    "back."
)


def main(
    model: Annotated[str, typer.Option(help="The classifier.")] = "efficientnet-lite0",
    weights: Annotated[str | None, typer.Option(help="A file of weights for it.")] = None,
    runtime: Annotated[list[str] | None, typer.Option(help="Runtimes, by default all that run here.")] = None,
    images: Annotated[int, typer.Option(help="Photographs for sweeps and features.")] = 128,
    loop_images: Annotated[int, typer.Option(help="Photographs for the plain loop.")] = 12,
    growth_images: Annotated[int, typer.Option(help="Training and test images of the smallest study.")] = 250,
    repeats: Annotated[int, typer.Option(help="How often each comparison is made; medians are given.")] = 3,
    imagenet: Annotated[bool, typer.Option(help="Also search 1,281,167 features, which takes 4 GB of disk.")] = True,
) -> None:
    """Measure, print and write benchmarks/RESULTS.md."""
    runtimes = runtime or (["torch"] if torch.cuda.is_available() else ["openvino", "torch"])
    sections = [
        "# Benchmarks\n",
        "Written by `python -m benchmarks`. Both sides of a line are measured in turn in one run; quote the ratios.\n",
        f"Machine: {machine()}\n",
    ]

    def add(title: str, rows: list, lead: str = "") -> None:
        sections.append(markdown(title, rows, lead))
        print(sections[-1], flush=True)
        RESULTS.write_text("\n".join(sections), encoding="utf-8")

    with tempfile.TemporaryDirectory() as temporary:
        folder = write_photographs(Path(temporary) / "photographs", images)
        loop, ceilings = rows_of_passes(folder, model, weights, runtimes, loop_images, repeats)
    add("Sweep against the authors' protocol as a plain loop", loop, PLAIN_LOOP)
    add("Sweep and features against their ceilings", ceilings)
    add("Search", search_rows(repeats=repeats, imagenet=imagenet))
    add("Flag", [row for each in runtimes for row in flag_rows(model, each, repeats=repeats)])
    add("Growth", rows_of_growth(model, growth_images))
    add("Start-up", rows_of_start_up(repeats))


if __name__ == "__main__":
    typer.run(main)
