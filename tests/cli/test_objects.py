"""`objects` on a study and on a dataset that is none."""

import json
import shutil

import pandas as pd
import pytest

FAST = ["--resamples", "100", "--permutations", "100", "--placements", "100"]


@pytest.fixture
def few(photographs, tmp_path):
    """A table of 12 training images of one class, in a folder of their own."""
    folder, table = tmp_path / "few", pd.read_csv(photographs["train"]).head(12).assign(label="digit", category="digit")
    folder.mkdir()
    for name in table["path"]:
        (folder / name).hardlink_to(photographs["train"].parent / name)
    table.to_csv(folder / "images.csv", index=False)
    return folder / "images.csv"


def refused(result, *words):
    code, out, err = result
    assert code == 2
    assert "Traceback" not in err
    assert not out
    for word in words:
        assert word in err


def test_a_dataset_alone(run, photographs):
    code, out, _ = run("objects", photographs["train"], *FAST)
    assert code == 0
    assert "60 images with 60 boxes, read as table" in out
    assert "The objects of the dataset are centred: they lie nearer to the middle of the photograph" in " ".join(
        out.split()
    )
    assert "Framing of the dataset" in out
    assert "┃ objects ┃" in out
    # A class has an interval, in the line below, if it has five images or more.
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.count("│") > 5]
    rows = [(cells, below) for cells, below in zip(lines, [*lines[1:], [""] * 7], strict=True) if cells[0]]
    assert rows[0][0][0] == "all"
    for cells, below in rows:
        has_interval = not below[0] and all(" to " in cell for cell in below[3:])
        assert has_interval == (int(cells[1]) >= 5)
    assert "other" not in out


def test_with_another_and_a_page(run, photographs, tmp_path):
    pair = (photographs["train"], "--with", photographs["test"])
    code, out, _ = run("objects", *pair, "--out", tmp_path / "page", *FAST)
    assert code == 0
    words = " ".join(out.split())
    assert "The other dataset is framed otherwise than the dataset: a classifier tells them apart." in words
    assert "less centred than those of the dataset" in words
    assert out.rstrip().endswith(f"Report: {tmp_path / 'page' / 'index.html'}")
    assert (tmp_path / "page" / "tables" / "framing_comparison.csv").exists()
    assert len(list((tmp_path / "page" / "images").glob("mean-dataset-*.png"))) == 11


def test_json_of_two_datasets(run, photographs):
    pair = (photographs["train"], "--with", photographs["test"], "--json")
    code, out, _ = run("objects", *pair, *FAST)
    assert code == 0
    answer = json.loads(out)
    assert answer["comparison"]["test"]["p_value"] < 0.05
    assert {row["variable"] for row in answer["comparison"]["variables"]} >= {"cx", "log_scale", "centre_bias"}
    assert answer["dataset"][0]["n_objects"] == 60
    assert answer["other"][0]["n_objects"] == 70
    assert answer["report"] is None


def test_what_the_numbers_are_computed_with_can_be_chosen(run, photographs, tmp_path):
    pair = []
    for split in ("train", "test"):
        (tmp_path / split).symlink_to(photographs[split].parent)
        table = pd.read_csv(photographs[split]).head(12).assign(label="digit", category="digit")
        table.assign(path=f"{split}/" + table["path"]).to_csv(tmp_path / f"{split}.csv", index=False)
        pair.append(tmp_path / f"{split}.csv")
    command = ("objects", pair[0], "--with", pair[1], "--json", *FAST)
    options = ("--seed", "--resamples", "--placements", "--permutations")
    printed = [run(*command)[1], *(run(*command, option, "150")[1] for option in options)]
    assert len(set(printed)) == 5
    assert run(*command)[1] == printed[0]


def test_a_study_gives_both_sets_and_their_comparison(run, finished, tmp_path):
    study = shutil.copytree(finished.folder, tmp_path / "study")
    code, out, _ = run("objects", study)
    assert code == 0
    words = " ".join(out.split())
    assert "The objects of the training set are centred" in words
    assert "The test set is framed otherwise than the training set: a classifier tells them apart." in words
    answer = json.loads(run("objects", study, "--json")[1])
    assert answer["train"][0]["n_objects"] == 60
    assert answer["comparison"]["test"]["auc"] == finished.framing_comparison.test.auc


def test_what_another_study_has_computed_is_reused(run, finished, fast, tmp_path):
    inputs = ("--train", finished.train.root, "--test", finished.test.root)
    settings = [part for name in ("resamples", "permutations", "placements") for part in (f"--{name}", fast[name])]
    code, _, err = run("objects", tmp_path / "other", *inputs, *settings, "--reuse", finished.folder)
    assert code == 0
    assert "Position and scale" not in err
    for name in ("train-framing.parquet", "comparison.parquet"):
        there, copy = (study / "objects" / name for study in (finished.folder, tmp_path / "other"))
        assert copy.read_bytes() == there.read_bytes()
    code, _, err = run("objects", tmp_path / "third", *inputs, "--reuse", tmp_path)
    assert code == 2
    assert "holds no study" in err


def test_options_of_the_other_kind_are_refused(run, finished, photographs, tmp_path):
    train = photographs["train"]
    refused(run("objects", finished.folder, "--with", train), "--with", "is a study")
    refused(run("objects", finished.folder, "--out", tmp_path / "page"), "--out", "bias-toolkit report --out")
    refused(run("objects", finished.folder, "--folder", tmp_path), "--folder", "is a study")
    refused(run("objects", train, "--boxes", "given"), "--boxes", "option of a study")
    refused(run("objects", train, "--train-layout", "images"), "--train-layout")
    refused(run("objects", train, "--with-layout", "table"), "--with-layout", "--with")
    refused(run("objects", train, "--resamples", "3"), "--resamples")
    refused(run("objects", tmp_path / "gone"), "gone")
    refused(run("objects", train, "--with", tmp_path / "gone", *FAST), "gone")


def test_a_dataset_without_boxes(run, photographs, tmp_path):
    for path in sorted(photographs["test"].parent.glob("*.png"))[:3]:
        shutil.copy(path, tmp_path)
    refused(run("objects", tmp_path, *FAST), "no object boxes", "annotation file")


def test_the_folder_of_the_images_of_each(run, few, tmp_path):
    """The same table without the images beside it; and the same XML in a folder of its own."""
    table, images = few, few.parent
    alone = shutil.copy(table, tmp_path)
    refused(run("objects", alone, *FAST), "none of the")
    code, out, _ = run("objects", alone, "--folder", images, "--with", alone, "--with-folder", images, *FAST)
    beside = run("objects", table, "--with", table, *FAST)[1]
    assert code == 0
    assert out.replace(str(alone), "TABLE") == beside.replace(str(table), "TABLE")
    refused(run("objects", table, "--with-folder", images), "--with-folder", "--with")
    refused(run("objects", images, "--folder", images, "--layout", "images"), "names its images itself")


def test_the_layout_of_each(run, few):
    out = run("objects", few, "--layout", "table", "--with", "demo:photographer", "--with-layout", "table", *FAST)
    refused(out, "demo:photographer")
    assert run("objects", few, "--layout", "table", "--with", few, *FAST)[0] == 0
