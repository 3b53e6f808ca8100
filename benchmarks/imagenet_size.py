"""`python -m benchmarks.imagenet_size`: every step after features and sweeps at ImageNet's size.

Features and responses are generated (`generated_study`); the commands that follow run as a user runs them, each in a
process of its own. Writes benchmarks/IMAGENET_SIZE.md. What was measured is kept in --folder, and not measured again.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import torch
import torchvision
import typer

from benchmarks.generated_study import Generated, make_another, make_study, table_of, write_sets
from benchmarks.growth import Run, run_command
from benchmarks.machine import machine
from bias_toolkit.models import load_model
from bias_toolkit.pipeline.record import read_record
from bias_toolkit.study.study import Study

RESULTS = Path(__file__).parent / "IMAGENET_SIZE.md"
TRAIN, TEST = 1_281_167, 50_000
LEAST = 200, 100
MEMORY = "2GB"
"""Of the exact search, which would otherwise hold all vectors where there is memory for them."""
NETWORK = "resnet18"
"""Of torchvision, with random weights: it has 512 features, as is usual, and what it would compute is generated."""
STEPS = {
    "index": ("index", "neighbours"),
    "objects": ("objects", "mean-images/train", "mean-images/test"),
    "analyse": ("analysis",),
    "flag": ("flag",),
}
"""The steps that each command does, by their folders."""


def commands(study: Study, another: Path, image_id: str) -> dict[str, list[str | Path]]:
    """The commands that are measured, in order, by their names."""
    folder, sets = study.folder, [study.inputs.spec(split) for split in study.inputs.splits]
    beside = folder.parent
    return {
        **{name: [name, folder] for name in STEPS},
        "report": ["report", "--out", folder],
        "report with nothing to do": ["report", "--out", folder],
        "explain, one image": ["explain", folder, image_id],
        "explain, the same image again": ["explain", folder, image_id],
        "compare": ["compare", folder, another, "--out", beside / "comparison"],
        "objects, two datasets": ["objects", sets[0], "--with", sets[1], "--out", beside / "framing"],
    }


def _weights(folder: Path) -> Path:
    """A file of random weights of `NETWORK`."""
    file = folder / f"{NETWORK}.pt"
    if not file.exists():
        torch.manual_seed(0)
        torch.save(getattr(torchvision.models, NETWORK)(weights=None).state_dict(), file)
    return file


def measure(
    folder: Path, model: str | None, scale: float, tell: Callable[[str], None], say: Callable[[str, Run, str], None]
) -> Study:
    """Generate a study in the folder, and run every command on it.

    `tell` gets a sentence on the study, and `say` each command's name, run and steps.
    """
    weights = None if model else _weights(folder)
    model = model or f"torchvision:{NETWORK}"
    opened = load_model(model, weights=weights)
    images = {"train": max(LEAST[0], round(TRAIN * scale)), "test": max(LEAST[1], round(TEST * scale))}
    of = f"{model} with random weights" if weights else model
    tell(
        f"{images['train']:,} training and {images['test']:,} test images of {opened.n_classes:,} classes, features of "
        f"{opened.feature_dimension:,} values ({of})."
    )
    made = Generated(opened.class_ids or opened.class_names, images)
    if not all(table_of(folder, split).exists() for split in images):
        write_sets(folder, made)
    study = make_study(
        folder,
        made,
        model,
        weights=weights,
        feature_dtype="float16",
        protocols=("crop", "embed"),
        noise_images=64,
        memory=MEMORY,
    )
    image_id = study.results.images("test")["image_id"].iloc[0]
    another, kept = folder / "another", folder / "measured.json"
    measured = json.loads(kept.read_text()) if kept.exists() else {}
    for name, arguments in commands(study, another, image_id).items():
        if name not in measured:
            if name == "compare":
                make_another(study, made, another)
            done = run_command(*arguments)
            parts = [f"{each} {seconds:,.0f} s" for each in STEPS.get(name, ()) if (seconds := _seconds(study, each))]
            measured[name] = [done, ", ".join(parts)]
            kept.write_text(json.dumps(measured))
        done, parts = measured[name]
        say(name, Run(*done), parts)
    return study


def _seconds(study: Study, step: str) -> float:
    return read_record(study.folder / step).seconds


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def main(
    scale: Annotated[float, typer.Option(help="The share of ImageNet's images.")] = 1.0,
    model: Annotated[
        str | None,
        typer.Option(
            help="The classifier whose classes and dimension are taken; by default torchvision's ResNet-18 with random "
            "weights, of 512 features."
        ),
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the study stays; one that is there is used again.")] = None,
    out: Annotated[Path, typer.Option(help="The table.")] = RESULTS,
) -> None:
    """Measure, print, and write the table; takes 10 GB of disk at scale 1."""
    lines = [
        "# At ImageNet's size",
        "",
        f"Written by `python -m benchmarks.imagenet_size --scale {scale:g}` on {date.today()}. Features and responses "
        "are generated, and the images of a class are links to one JPEG file. “Of all cores” are seconds of the "
        "processor: half of them is the time on two cores that nothing else uses, if both are in use all the time.",
        "",
        f"Machine: {machine()}",
    ]
    total = [0.0, 0.0, 0.0]

    def tell(sentence: str) -> None:
        lines.extend(["", sentence, "", "| command | time | of all cores | peak memory | steps |"])
        lines.append("| --- | --- | --- | --- | --- |")

    def say(name: str, done: Run, parts: str) -> None:
        lines.append(f"| `{name}` | {done.seconds:,.0f} s | {done.cpu:,.0f} s | {done.memory:,.0f} MiB | {parts} |")
        print(lines[-1], flush=True)
        total[:] = total[0] + done.seconds, total[1] + done.cpu, max(total[2], done.memory)
        whole = f"| all | {total[0]:,.0f} s | {total[1]:,.0f} s | {total[2]:,.0f} MiB at most | |"
        load = f"Processes that waited for a core or had one, in the last 15 minutes: {os.getloadavg()[2]:.0f}."
        out.write_text("\n".join([*lines, whole, "", load]) + "\n", encoding="utf-8")

    with _place(folder) as place:
        measure(place, model, scale, tell, say)


if __name__ == "__main__":
    typer.run(main)
