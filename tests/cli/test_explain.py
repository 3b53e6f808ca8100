"""The command `explain`: as a new user would run it, and what it refuses."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bias_toolkit import Study


@pytest.fixture(scope="module")
def study(finished, tmp_path_factory):
    """A copy of the finished study."""
    return Study(shutil.copytree(finished.folder, tmp_path_factory.mktemp("commands") / "study"))


@pytest.fixture(scope="module")
def least_stable(study):
    """The id of its least stable test image."""
    return study.results.per_image.sort_values(["p_top1_change", "mac"], ascending=False)["image_id"].iloc[0]


def test_text_is_short_and_names_cause_and_page(run, study, least_stable):
    code, out, err = run("explain", study.folder, least_stable)
    assert code == 0
    assert "Explaining images" in err
    explanation = study.explanations[least_stable]
    assert explanation.answer in out
    assert out.splitlines()[0].startswith(least_stable)
    assert len(out.splitlines()) < 30
    for cause in explanation.causes:
        assert f"*  {cause.name}: {cause.intervention}." in out
    assert out.rstrip().endswith(f"Page: {explanation.page}")


def test_json_is_the_whole_explanation(run, study, least_stable):
    code, out, _ = run("explain", study.folder, least_stable, "--json")
    assert code == 0
    told = json.loads(out)
    explanation = study.explanations[least_stable]
    assert told["first_cause"] == explanation.first_cause
    assert told["page"] == str(explanation.page)
    assert told["before"]["p_top1_change"]["value"] == explanation.before.p_top1_change.value
    assert [line["cause"] for line in told["lines"]] == [line.cause for line in explanation.lines]


def test_an_image_by_its_path_is_the_test_image(run, study, least_stable, photographs):
    code, out, _ = run("explain", study.folder, photographs["test"].parent / least_stable)
    assert code == 0
    assert out.splitlines()[0].startswith(least_stable)


def test_an_image_outside_the_study_with_box_and_label(run, study, least_stable, photographs, tmp_path):
    copied = shutil.copy(photographs["test"].parent / least_stable, tmp_path / "mine.png")
    code, out, _ = run("explain", study.folder, copied, "--box", "10,12.5,40,50", "--label", "3", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["framing"]["box"] == [10, 12.5, 40, 50]
    assert (told["label"], told["in_test_set"]) == ("3", False)


def test_worst_prints_the_summary_of_the_report(run, study):
    code, out, _ = run("explain", study.folder, "--worst", "2")
    assert code == 0
    assert out.startswith("Of the 2 most unstable test images, chosen for that, ")
    page = (study.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert out.split("\n")[0] in page
    assert len(study.explanations) <= 3  # and the one that other tests explain
    assert "framed off centre (removed from " in out
    assert out.rstrip().endswith(f"Report: {study.folder / 'report' / 'index.html'}")
    code, out, _ = run("explain", study.folder, "--worst", "2", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["summary"]["n_images"] == len(told["images"]) == 2
    results = json.loads((study.folder / "report" / "results.json").read_text(encoding="utf-8"))
    assert results["explained"]["summary"] == told["summary"]
    # What was explained before counts on the page, so it counts here, and is said.
    code, out, _ = run("explain", study.folder, "--worst", "1", "--json")
    assert code == 0
    assert json.loads(out) == told
    code, out, _ = run("explain", study.folder, "--worst", "1")
    assert code == 0
    assert "1 of these had been explained before." in out
    assert out.startswith("Of the 2 most unstable test images, chosen for that, ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "either IMAGE or --worst N"),
        (("some.png", "--worst", "3"), "either IMAGE or --worst N"),
        (("--worst", "0"), "--worst is 0"),
        (("--worst", "3", "--label", "1"), "leave them out with --worst"),
        (("nowhere.png",), "nowhere.png is no file"),
        (("{image}", "--box", "1,2,three,4"), "--box is '1,2,three,4', but must be four numbers"),
        (("{image}", "--box", "1,2,3"), "--box is 1,2,3, but must be four numbers"),
        (("{image}", "--label", "cat"), "--label 'cat' is no label"),
        (("{broken}",), "cannot be read as an image"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input_is_one_sentence_and_exit_code_2(run, study, tmp_path, arguments, words):
    image, broken = tmp_path / "image.png", tmp_path / "broken.jpg"
    Image.fromarray(np.zeros((80, 80, 3), np.uint8)).save(image)
    broken.write_bytes(b"\xff\xd8\xff\xe0 no photograph")
    code, out, err = run("explain", study.folder, *(each.format(image=image, broken=broken) for each in arguments))
    assert code == 2
    assert not out
    assert words in err
    message = err[err.index("Error: ") :].strip()
    assert "\n" not in message


def test_a_path_that_is_no_image_as_a_new_user_would_see_it(study, tmp_path):
    """In a process of its own: nothing but the sentence."""
    notes = tmp_path / "notes.txt"
    notes.write_text("no image")
    command = [sys.executable, "-c", "from bias_toolkit_cli.main import main; main()", "explain", study.folder, notes]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 2
    assert not done.stdout
    assert done.stderr.strip().count("\n") == 0
    assert done.stderr.startswith(f"Error: {notes} cannot be read as an image")
