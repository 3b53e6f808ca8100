import json
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from PIL import Image

from bias_toolkit.analysis import measure_summary
from bias_toolkit.study import Study
from bias_toolkit_cli.commands import COMMANDS

OBJECTS = ["--resamples", "100", "--permutations", "100", "--placements", "100"]
# Compiling a network anew for each study takes longer than all its passes.
TORCH = ["--runtime", "torch"]
SWEEP = [*TORCH, "--noise-images", "4"]
FAST = [*OBJECTS, *SWEEP, "--bins", "3"]


def refused(result, *words):
    code, out, err = result
    assert code == 2
    assert "Traceback" not in err
    assert not out
    for word in words:
        assert word in err
    return err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"Example: bias-toolkit {command}" in re.sub(r"\s+", " ", out)


def test_help_lists_every_command(run):
    code, out, _ = run("--help")
    assert code == 0
    for command in COMMANDS:
        assert f" {command} " in out


def test_help_and_import_load_nothing_heavy():
    program = """
import contextlib, io, sys
import bias_toolkit
from bias_toolkit_cli.main import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main(["--help"])
print([name for name in ("torch", "faiss", "matplotlib", "pandas", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_report_prints_findings_and_the_page(run, photographs, tmp_path):
    study = tmp_path / "study"
    arguments = ("--train", photographs["train"], "--test", photographs["test"], "--model", "demo", "--out", study)
    code, out, err = run("report", *arguments, *FAST)
    assert code == 0
    framing, stability, distance, page = out.splitlines()
    assert page == f"Report: {study / 'report' / 'index.html'}"
    assert " of the shifts by one pixel change the top-1 class. P(top-1 change) " in stability
    assert "(95% interval " in stability
    news = err.splitlines()
    train = next(line for line in news if line.startswith("Training set: "))
    assert train == "Training set: 60 images, 10 labels, 60 boxes, read as table (a csv file)."
    bars = [line for line in news if line.startswith("1/12 Features, train ")]
    assert len(bars) == 1
    assert " 60/60 " in bars[0]
    assert news.index(train) < news.index(bars[0])
    assert any(line.startswith("12/12 Drawing figures ") for line in news)

    code, out, err = run("report", "--out", study, "--json")
    assert code == 0
    told = json.loads(out)
    assert told["report"] == str(study / "report" / "index.html")
    assert [answer["claim"] for answer in told["answers"]][1] in stability
    assert not err

    code, out, err = run("report", "--out", study)
    assert (code, err) == (0, "")
    assert out.startswith("Nothing had changed; the report is of ")
    assert out.splitlines()[1:] == [framing, stability, distance, page]


def test_steps_print_json(run, finished, tmp_path):
    study = shutil.copytree(finished.folder, tmp_path / "study")
    results, options = {}, {"sweep": ["--resamples", "120", "--permutations", "110"], "analyse": ["--bins", "2"]}
    for command in ("embed", "index", "sweep", "objects", "analyse"):
        code, out, _ = run(command, study, "--json", *options.get(command, []))
        assert code == 0
        results[command] = json.loads(out)
    assert results["embed"]["train"]["images"] == 60
    assert results["index"]["test_images"] == 70
    row = next(row for row in results["sweep"]["sweeps"] if row["measure"] == "p_top1_change")
    assert row["value"] == pytest.approx(finished.measures["p_top1_change"].mean())
    assert row["low"] < row["value"] < row["high"]
    expected = measure_summary(finished.measures, resamples=120, seed=finished.settings.seed)
    assert results["sweep"]["sweeps"] == expected.to_dict("records")
    assert (Study(study).settings.permutations, Study(study).settings.bins) == (110, 2)
    assert {row["bin"] for row in results["analyse"]["curves"]} == {0, 1}
    assert results["objects"]["train"][0]["n_objects"] == 60
    assert {row["kind"] for row in results["analyse"]["correlations"]} == {"plain", "partial", "within class"}


@pytest.mark.parametrize("command", ["embed", "index", "sweep", "objects", "analyse"])
def test_steps_print_sentences(run, finished, tmp_path, command):
    study = shutil.copytree(finished.folder, tmp_path / "study")
    code, out, _ = run(command, study)
    assert code == 0
    assert out.strip()


@pytest.mark.parametrize(("ending", "start"), [(".pdf", b"%PDF"), (".svg", b"<?xml"), (".png", b"\x89PNG")])
@pytest.mark.usefixtures("no_layout")
def test_plot_by_ending(run, finished, tmp_path, ending, start):
    out = tmp_path / f"figure{ending}"
    code, printed, _ = run("plot", finished.folder, "distance-vs-invariance", "--out", out)
    assert code == 0
    assert f"Wrote distance-vs-invariance to {out}: 5.2 × 3.7 inches, " in printed
    assert out.read_bytes().startswith(start)


@pytest.mark.usefixtures("no_layout")
def test_plot_options_change_the_figure(run, finished, tmp_path):
    figures = []
    for number, options in enumerate(
        (
            *([], ["--measure", "mac"], ["--distance", "scale"], ["--bins", "3"], ["--by-class"]),
            *(["--no-title"], ["--size", "3.3x2.5"]),
        )
    ):
        out = tmp_path / f"{number}.svg"
        assert run("plot", finished.folder, "distance-vs-invariance", "--out", out, *options)[0] == 0
        figures.append(out.read_bytes())
    assert len(set(figures)) == len(figures)


def test_plot_lists_the_figures_of_the_study(run, finished):
    for arguments in ([], ["--list"], ["scale", "--list"]):
        code, printed, err = run("plot", finished.folder, *arguments)
        assert (code, err) == (0, "")
        assert "distance-vs-invariance" in printed
        assert "how large training and test objects are" in printed
        # It was not computed.
        assert "map-vs-density" not in printed


@pytest.mark.usefixtures("no_layout")
def test_plot_has_the_size_that_was_asked_for(run, finished, tmp_path):
    out = tmp_path / "figure.png"
    code, printed, _ = run("plot", finished.folder, "scale", "--out", out, "--size", "3.3x2.5")
    assert code == 0
    assert "3.3 × 2.5 inches" in printed
    assert Image.open(out).size == (660, 500)


def test_plot_refusals(run, finished, tmp_path):
    out = tmp_path / "figure.pdf"
    refused(run("plot", finished.folder, "scale"), "--out is missing")
    for size in ("3", "0x4", "axb", "3x400"):
        refused(run("plot", finished.folder, "scale", "--out", out, "--size", size), f"--size is '{size}'", "3.3x2.5")
    refused(
        run("plot", finished.folder, "scale", "--out", out, "--size", "2x2"), "scale is readable from 3.2 × 2.3 inches"
    )
    refused(run("plot", finished.folder, "no-such-figure", "--out", out), "no-such-figure", "distance-vs-invariance")
    refused(run("plot", finished.folder, "distance-vs-invariance", "--out", tmp_path / "figure.jpeg"), "figure.jpeg")
    refused(run("plot", finished.folder, "distance-vs-invariance", "--measure", "beauty", "--out", out), "beauty")
    refused(run("plot", tmp_path / "none", "distance-vs-invariance", "--out", out), "none")


def test_neighbours(run, finished):
    image_id = finished.results.per_image["image_id"].iloc[0]
    code, out, _ = run("neighbours", finished.folder, image_id, "--k", "3", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["image_id"] == image_id
    expected = finished.neighbours_of(image_id).head(3)
    assert [row["neighbour_id"] for row in answer["neighbours"]] == expected["neighbour_id"].tolist()
    code, out, _ = run("neighbours", finished.folder, image_id)
    assert code == 0
    assert expected["neighbour_id"].iloc[0] in out


def test_bad_input_is_one_sentence(run, photographs, finished, tmp_path):
    train, test = photographs["train"], photographs["test"]
    study = tmp_path / "study"
    refused(run("report", "--out", study), "--train")
    refused(run("report", "--train", tmp_path / "gone", "--test", test, "--model", "demo", "--out", study), "gone")
    refused(run("report", "--train", train, "--test", test, "--model", "resnet999", "--out", study), "resnet999")
    refused(run("sweep", finished.folder, "--size", "0.5", "--size", "2"), "--size 2", "embed")
    refused(run("sweep", finished.folder, "--metric", "manhattan"), "--metric")
    refused(run("objects", study, "--train", train, "--test", test, "--train-layout", "zip"), "zip")
    refused(run("neighbours", finished.folder, "gone.png"), "gone.png")
    refused(run("neighbours", finished.folder, "gone.png", "--k", "0"), "--k")
    image_id = finished.results.per_image["image_id"].iloc[0]
    refused(run("neighbours", finished.folder, image_id, "--k", "999"), "--k is 999", "--neighbours 999")
    missing = tmp_path / "no" / "folder"
    refused(run("plot", finished.folder, "scale", "--out", missing / "a.pdf"), f"there is no folder {missing}")
    refused(run("report", "--train", train, "--out", study), "has no test set and no model; name --test and --model")
    (tmp_path / "map.csv").write_text("name,number\na,b\n")
    named = ("--train", train, "--test", test, "--model", "demo", "--label-map", tmp_path / "map.csv")
    refused(run("report", *named, "--out", study), "map.csv, line 1", "label and class")
    assert not study.exists()


def test_a_refused_option_leaves_the_study_as_it_was(run, finished, tmp_path):
    study = shutil.copytree(finished.folder, tmp_path / "study")
    record = (study / "study.json").read_bytes()
    refused(run("sweep", study, "--transform", "spiral"), "spiral")
    assert (study / "study.json").read_bytes() == record
    assert run("report", "--out", study, "--json")[0] == 0


def test_version(run):
    from bias_toolkit import __version__

    assert run("--version")[:2] == (0, f"bias-toolkit {__version__}\n")


def test_says_which_layout_was_taken_and_how_labels_matched(run, photographs, tmp_path):
    arguments = ("--train", photographs["train"], "--test", photographs["test"], "--model", "demo")
    study = tmp_path / "study"
    assert "60 images, 10 labels, 60 boxes, read as table" in run("objects", study, *arguments, *OBJECTS)[2]
    assert "10 of 10 labels" in run("sweep", study, *SWEEP)[2]
    assert "Exact flat search" in run("index", study)[1]


def test_objects_without_boxes_says_so(run, photographs, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in sorted(photographs["test"].parent.glob("*.png"))[:3]:
        shutil.copy(path, bare)
    code, out, err = run("objects", tmp_path / "study", "--train", bare, "--test", bare, *OBJECTS)
    assert code == 0
    assert "3 images, no labels, no boxes, read as images" in err
    assert "nan" not in out


def test_layout_overrules_what_is_recognised(run, tmp_path, random_image):
    folder = tmp_path / "photographs" / "cat"
    folder.mkdir(parents=True)
    Image.fromarray(random_image(20, 20)).save(folder / "a.png")
    both = ("--train", folder.parent, "--test", folder.parent)
    assert "read as class-folders" in run("objects", tmp_path / "one", *both, *OBJECTS)[2]
    assert "read as images" in run("objects", tmp_path / "two", *both, "--layout", "images", *OBJECTS)[2]
    separate = ("--layout", "images", "--test-layout", "class-folders")
    err = run("objects", tmp_path / "three", *both, *separate, *OBJECTS)[2]
    assert "read as images" in err
    assert "read as class-folders" in err


def test_a_study_never_touches_folders_that_are_not_its_own(run, photographs, tmp_path, random_image):
    data = tmp_path / "data"
    for name in ("images/train", "images/val"):
        (data / name).mkdir(parents=True)
        Image.fromarray(random_image(20, 20)).save(data / name / "a.png")
    inputs = ("--train", data / "images" / "train", "--test", data / "images" / "val")
    refused(run("objects", data, *inputs), "not empty")
    refused(run("objects", data / "images" / "train" / "study", *inputs), "one inside the other")
    assert sorted(path.name for path in data.rglob("*.png")) == ["a.png", "a.png"]
    (tmp_path / "file").write_text("")
    refused(run("objects", tmp_path / "file", *inputs), "is a file")


def test_a_size_at_which_nothing_is_left_is_refused_before_any_work(run, photographs, tmp_path):
    study = tmp_path / "study"
    inputs = ("--train", photographs["train"], "--test", photographs["test"], "--model", "demo", "--out", study)
    refused(run("report", *inputs, "--protocol", "embed", "--size", "1e6"), "--size")
    refused(run("report", *inputs, "--size", "nan"), "--size")
    assert not study.exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(run, finished, photographs):
    refused(run("plot", finished.folder, "distance-vs-invariance", "--out", "/proc/figure.png"), "/proc")
    refused(run("objects", "/proc/study", "--train", photographs["train"], "--test", photographs["test"]), "/proc")


def test_results_of_other_settings_are_not_passed_off(run, finished, tmp_path):
    study = shutil.copytree(finished.folder, tmp_path / "study")
    assert run("index", study, "--metric", "cosine")[0] == 0
    figure = ("plot", study, "distance-vs-invariance", "--out", tmp_path / "figure.png")
    refused(run(*figure), "other inputs or settings", "bias-toolkit analyse")
    assert run("analyse", study)[0] == 0
    assert run(*figure)[0] == 0
    refused(run("sweep", study, "--device", "tpu"), "tpu")


def test_ctrl_c_says_how_to_go_on(run, photographs, tmp_path, monkeypatch):
    from bias_toolkit import Model

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "evaluate_batches", stop)
    study = tmp_path / "study"
    code, _, err = run(
        "embed", study, "--train", photographs["train"], "--test", photographs["test"], "--model", "demo", *TORCH
    )
    assert code == 130
    assert "run the same command again" in err.lower()


@pytest.mark.parametrize("missing", [pd.Series([None, "owl"], dtype="str"), pd.Series([None, "owl"], dtype=object)])
def test_neighbours_without_labels(run, finished, monkeypatch, missing):
    table = pd.DataFrame({"image_id": "a.png", "rank": [1, 2], "distance": 0.5, "label": missing, "neighbour_id": "b"})
    monkeypatch.setattr(Study, "neighbours_of", lambda self, image: table)
    code, out, err = run("neighbours", finished.folder, "a.png")
    assert (code, err) == (0, "")
    assert "owl" in out
    assert "nan" not in out.lower()


@pytest.mark.parametrize("command", ["sweep", "map", "objects"])
def test_help_lists_the_choices_that_the_toolkit_has(run, command, monkeypatch):
    from bias_toolkit.datasets.load import LAYOUTS
    from bias_toolkit.invariance import PROTOCOLS, SURROUNDINGS
    from bias_toolkit.invariance.inpaint import FILLS

    monkeypatch.setenv("COLUMNS", "400")
    text = run(command, "--help")[1]
    assert not re.search(r"\{[a-z]+\}", text)
    assert f"not recognised: {', '.join(LAYOUTS)}." in text
    if command == "sweep":
        assert f"How views are made: {', '.join(protocol.name for protocol in PROTOCOLS)}. crop:" in text
        assert (
            "The direction of a step: diagonal, horizontal, vertical, scale (embed only); by default the first" in text
        )
        assert f"What fills the canvas of embed: {', '.join(FILLS)} (default mean)." in text
    if command == "map":
        assert f"beyond the image's border: {', '.join(SURROUNDINGS)} (default all)." in text
