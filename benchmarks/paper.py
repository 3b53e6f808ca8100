"""`python -m benchmarks.paper`: published numbers of two papers beside the toolkit's, on ImageNet's validation set.

A = Azulay & Weiss, JMLR 20(184), 2019, Table 1. Z = Zhang, "Making convolutional networks shift-invariant again",
ICML 2019, as listed in its repository.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import torchvision
import typer

from bias_toolkit import Study, load_dataset, load_model
from bias_toolkit.analysis.summary import measure_mean
from bias_toolkit.foundation.errors import InputError, first_line
from bias_toolkit.foundation.words import Form, interval, number, percent
from bias_toolkit.invariance import measure_of
from bias_toolkit.models import Model, low_pass
from bias_toolkit.models.give_back import write_weights
from bias_toolkit_cli.output import console_progress, tell_news

PROTOCOLS = {
    "crop": {"protocols": ["crop"]},
    "embed-black": {"protocols": ["embed"], "fill": "black"},
    "embed-mean": {"protocols": ["embed"], "fill": "mean"},
    "offsets": {"protocols": ["offsets"]},
}
"""The settings of a study of each protocol."""
OF_A = {
    "vgg16": {"p_top1_change": ("0.062", "0.18"), "mac": ("0.038", "0.060")},
    "resnet50": {"p_top1_change": ("0.061", "0.20"), "mac": ("0.040", "0.086")},
    "densenet121": {"p_top1_change": ("0.068", "0.19"), "mac": ("0.045", "0.079")},
}
"""Published by A for torchvision's networks: each measure along crop, and along embed on black."""
OF_Z = {
    "resnet18": {"accuracy": ("69.74%", "71.67%"), "consistency": ("85.11%", "88.36%")},
    "resnet50": {"accuracy": ("76.16%", "77.41%"), "consistency": ("89.20%", "91.32%")},
    "vgg16": {"accuracy": ("71.59%", "72.96%"), "consistency": ("88.52%", "90.91%")},
    "mobilenet_v2": {"accuracy": ("71.88%", "72.72%"), "consistency": ("86.50%", "87.73%")},
}
"""Published by Z: each measure of the plain network, and of the antialiased network."""
NETWORKS = tuple(dict.fromkeys([*OF_A, *OF_Z]))
FILTER_SIZE = 3

HEADS_OF_A = ("crop: A", "embed on black: A", "crop: here", "embed, black: here", "embed, mean colour: here")
HEADS_OF_Z = ("plain: Z", "antialiased: Z", "plain: here", "rebuilt: here")
DIFFERENCES = {
    "A": """
What differs from A:

- A's crop takes its window at a random place and aspect ratio. Here it is the largest central square of the image.
- Here embed shows the image as a square of half the canvas's side, at nine places around the centre.
- A's script fills the canvas with the mean colour, and calls it black. Here both fills are measured.
- The brackets are 95% intervals over images. A gives none.
""",
    "Z": """
What differs from Z:

- Z draws one pair of offsets for each batch. Here each image has eight pairs of its own.
- Here accuracy is the mean over all views at random offsets.
- Z trained the antialiased networks. Their weights cannot be had here, so they are not measured. The rebuilt networks,
  measured with --rebuilt, have filters of size 3 and the plain network's weights, without training.
- The brackets are 95% intervals over images. Z gives none.
""",
}


def main(
    imagenet: Annotated[Path, typer.Option(help="ImageNet's validation images: a flat folder, or class folders.")],
    out: Annotated[Path, typer.Option(help="A folder for the studies, one for each network and protocol.")] = Path(
        "paper"
    ),
    networks: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(NETWORKS)}; by default all. Repeat it for several.")
    ] = None,
    precision: Annotated[float, typer.Option(help="Stop once P(top-1 change) is known to ± this; 0: all images.")] = 0,
    rebuilt: Annotated[bool, typer.Option(help="Also measure Z's networks with low-pass filters, untrained.")] = False,
) -> None:
    """Measure torchvision's networks and print both tables. The same command goes on where a stopped run was."""
    try:
        print(tables(imagenet, out, networks or NETWORKS, precision, rebuilt))
    except InputError as error:
        raise SystemExit(str(error)) from error


def tables(imagenet: Path, out: Path, networks: Sequence[str], precision: float, rebuilt: bool) -> str:
    """Both tables in Markdown, each with what differs in its protocol; InputError if an input cannot be used."""
    if unknown := [name for name in networks if name not in NETWORKS]:
        raise InputError(f"--networks {unknown[0]} has no published numbers; give one of {', '.join(NETWORKS)}.")
    images = load_dataset(imagenet)
    of_a, of_z = [], []
    for name in networks:
        model = network(name, out / "weights" / f"{name}.safetensors")

        def measured(protocol: str, model: Model, folder: str) -> pd.DataFrame:
            settings = PROTOCOLS[protocol] | {"precision": precision or None}
            study = Study(out / folder, images, images, model, when_read=tell_news, **settings)
            return study.sweep(console_progress()).measures

        if name in OF_A:
            found = [measured(each, model, f"{name}-{each}") for each in PROTOCOLS if each != "offsets"]
            of_a += rows(name, OF_A[name], found, partial(number, digits=3))
        if name in OF_Z:
            found = [measured("offsets", model, f"{name}-offsets")]
            if rebuilt:
                filtered = low_pass(model.module, FILTER_SIZE, input_size=model.input_size)
                filtered_model = model.with_module(filtered, f"{model.name}, rebuilt")
                found.append(measured("offsets", filtered_model, f"{name}-rebuilt-offsets"))
            of_z += rows(name, OF_Z[name], found, partial(percent, digits=2))
    return section("A", HEADS_OF_A, of_a) + section("Z", HEADS_OF_Z if rebuilt else HEADS_OF_Z[:-1], of_z)


def network(name: str, weights: Path) -> Model:
    """A torchvision classifier with its first published weights, as both papers measured them.

    They are downloaded once, and kept in the file `weights`. Raises InputError if they cannot be had.
    """
    if not weights.exists():
        try:
            tensors = torchvision.models.get_model(name, weights="IMAGENET1K_V1").state_dict()
        except OSError as error:
            raise InputError(
                f"The weights of torchvision's {name} could not be downloaded ({first_line(error)}); connect the "
                f"machine to the internet, or put the network's state dict into {weights}."
            ) from error
        weights.parent.mkdir(parents=True, exist_ok=True)
        write_weights(tensors, weights)
    return load_model(f"torchvision:{name}", weights=weights)


def rows(
    name: str, published: Mapping[str, tuple[str, ...]], found: Sequence[pd.DataFrame], form: Form
) -> list[list[str]]:
    """A row for each published measure of a network: as published, as measured with its interval, number of images."""
    lines = []
    for measure, values in published.items():
        means = [measure_mean(table[measure], measure_of(measure)) for table in found]
        here = [f"{form(each.value)} ({interval(each.low, each.high, form)})" for each in means]
        images = f"{min(each.n for each in means):,}"
        lines.append([name, measure_of(measure).label, *values, *here, images])
    return lines


def section(paper: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, with what differs in the protocol; empty without lines."""
    heads = ["network", "measure", *heads, "images"]
    table = [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines)]
    return "\n".join([f"## {paper}", "", *table, DIFFERENCES[paper], ""]) if lines else ""


if __name__ == "__main__":
    typer.run(main)
