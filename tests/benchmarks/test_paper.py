"""The published tables beside ours, on a stand-in for ImageNet's validation set and a network of random weights."""

from functools import partial, wraps
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from bias_toolkit import Study, load_model
from bias_toolkit.foundation.words import percent
from bias_toolkit.invariance import measure_of
from bias_toolkit.models.give_back import write_weights

CLASSES = ("n01440764", "n01443537")
IMAGES, NETWORK = 5, "mobilenet_v2"


@pytest.fixture
def paper(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks import paper

    monkeypatch.setattr(paper, "load_model", partial(load_model, runtime="torch"))
    # To say how long it will take, a study tries as many images as there are here.
    monkeypatch.setattr("bias_toolkit.study.duration.TRIED", 1)
    full = torchvision.models.mobilenet_v2
    # Of inverted residual blocks: by how much they widen, channels, number of blocks, stride.
    few = {"width_mult": 0.1, "inverted_residual_setting": [[1, 16, 1, 2], [6, 24, 1, 2], [6, 32, 1, 2]]}
    small = wraps(full)(lambda **options: full(**few, **options))
    monkeypatch.setitem(torchvision.models._api.BUILTIN_MODELS, NETWORK, small)
    # Of the networks that A measured, none is small.
    monkeypatch.setattr(paper, "OF_A", {NETWORK: {"p_top1_change": ("0.061", "0.20"), "mac": ("0.040", "0.086")}})
    return paper


@pytest.fixture
def imagenet(tmp_path):
    """A flat validation folder, with Kaggle's file of labels beside it."""
    folder, lines = tmp_path / "data" / "val", ["ImageId,PredictionString"]
    folder.mkdir(parents=True)
    for number in range(IMAGES):
        name = f"ILSVRC2012_val_{number + 1:08d}"
        pixels = np.random.default_rng(number).integers(0, 256, (24, 30, 3), np.uint8)
        Image.fromarray(pixels).resize((300, 240)).save(folder / f"{name}.JPEG")
        lines.append(f"{name},{CLASSES[number % 2]} 0 0 9 9 ")
    (tmp_path / "data" / "LOC_val_solution.csv").write_text("\n".join(lines) + "\n")
    return folder


def cells(printed, measure):
    (line,) = [line for line in printed.splitlines() if line.startswith(f"| {NETWORK} | {measure_of(measure).label} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][2:]


def test_both_tables_are_printed_and_a_second_run_computes_nothing(paper, imagenet, tmp_path, capsys):
    torch.manual_seed(0)
    network = torchvision.models.get_model(NETWORK, weights=None)
    # It answers with one of the two classes that the images have.
    network.classifier[1].bias.data[2:] -= 100
    out = tmp_path / "paper"
    (out / "weights").mkdir(parents=True)
    write_weights(network.state_dict(), out / "weights" / f"{NETWORK}.safetensors")

    paper.main(imagenet, out, [NETWORK], rebuilt=True)
    printed = capsys.readouterr().out
    studies = {folder.name.removeprefix(f"{NETWORK}-"): Study(folder) for folder in out.glob(f"{NETWORK}-*")}
    assert set(studies) == {"crop", "embed-black", "embed-mean", "offsets", "rebuilt-offsets"}
    assert studies["embed-black"].settings.fill == "black"
    for measure in ("p_top1_change", "mac"):
        published, here, n = (row := cells(printed, measure))[:2], row[2:5], row[5]
        assert published == list(paper.OF_A[NETWORK][measure])
        expected = [studies[name].measures[measure].mean() for name in ("crop", "embed-black", "embed-mean")]
        assert [cell.partition(" ")[0] for cell in here] == [f"{value:.3f}" for value in expected]
        assert all("to" in cell for cell in here)
        assert n == str(IMAGES)
    for measure in ("accuracy", "consistency"):
        row = cells(printed, measure)
        assert row[:2] == list(paper.OF_Z[NETWORK][measure])
        expected = [studies[name].measures[measure].mean() for name in ("offsets", "rebuilt-offsets")]
        assert [cell.partition(" ")[0] for cell in row[2:4]] == [percent(value, 2) for value in expected]
    assert 0 < studies["offsets"].measures["accuracy"].mean() < 1
    assert "What differs from A" in printed
    assert "What differs from Z" in printed

    done = {path: path.stat().st_mtime_ns for path in out.rglob("step.json")}
    paper.main(imagenet, out, [NETWORK], rebuilt=True)
    assert capsys.readouterr().out == printed
    assert {path: path.stat().st_mtime_ns for path in out.rglob("step.json")} == done


def test_what_cannot_be_measured_is_said_in_a_sentence(paper, imagenet, tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="--networks alexnet has no published numbers; give one of vgg16"):
        paper.main(imagenet, tmp_path / "out", ["alexnet"])

    def no_network(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models, "get_model", no_network)
    with pytest.raises(SystemExit, match=r"mobilenet_v2 could not be downloaded .*put the network's state dict into"):
        paper.main(imagenet, tmp_path / "out", [NETWORK])
