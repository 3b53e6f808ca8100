"""Names with Rich's markup in them are printed as they are."""

import io
import os
import subprocess
import sys

import pandas as pd
import pytest
from PIL import Image

from bias_toolkit.study import Study
from bias_toolkit_cli.main import main

NAMES = ["[red]owl", "[/]", "[/red] [link=x]", "[bold]"]


def test_neighbours(run, finished, monkeypatch):
    table = pd.DataFrame(
        {
            "image_id": "[/] [red]test.png",
            "rank": range(1, 5),
            "distance": 0.5,
            "label": NAMES,
            "neighbour_id": [f"{name}.png" for name in NAMES],
        }
    )
    monkeypatch.setattr(Study, "neighbours_of", lambda self, image: table)
    code, out, _ = run("neighbours", finished.folder, "any")
    assert code == 0
    for name in (*NAMES, "[/] [red]test.png"):
        assert name in out


@pytest.fixture
def table(photographs):
    """A table of a few of the training images, in classes with such names."""
    file = photographs["train"].parent / "marked.csv"
    images = pd.read_csv(photographs["train"]).head(24)
    images["category"] = [NAMES[row % 4] for row in range(24)]
    if "label" in images:
        images["label"] = images["category"]
    images.to_csv(file, index=False)
    yield file
    file.unlink()


def test_objects(run, table):
    code, out, err = run("objects", table, "--resamples", "100", "--permutations", "100", "--placements", "100")
    assert code == 0, err
    for name in NAMES:
        assert name in out


@pytest.mark.parametrize("name", ["[/]", "[red]"])
def test_what_does_not_exist_is_named_as_it_was_given(run, name, tmp_path):
    code, _, err = run("sweep", tmp_path / name)
    assert code == 2
    assert f"{tmp_path / name} holds no study" in err


STEERING = "\x1b[2J\u202egnp.exe"
SEEN = r"\x1b[2J\u202egnp.exe"


def test_names_steer_no_terminal(run, finished, monkeypatch, tmp_path):
    table = pd.DataFrame(
        {"image_id": STEERING, "rank": [1], "distance": 0.5, "label": STEERING, "neighbour_id": f"{STEERING}.png"}
    )
    monkeypatch.setattr(Study, "neighbours_of", lambda self, image: table)
    shown = run("neighbours", finished.folder, "any")
    refused = run("sweep", tmp_path / STEERING)
    monkeypatch.setattr(Study, "label_record", {"sentence": f"not matched: {STEERING}"})
    swept = run("sweep", finished.folder)
    assert [each[0] for each in (shown, refused, swept)] == [0, 2, 0]
    for _, out, err in (shown, refused, swept):
        assert SEEN in out + err
        assert STEERING not in out + err


def test_a_terminal_that_lacks_a_letter_gets_an_escape(finished, monkeypatch):
    """In a Latin-1 locale there is no ρ, and printing it would be an error."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "latin-1", write_through=True))
    with pytest.raises(SystemExit) as end:
        main(["analyse", str(finished.folder)])
    assert not end.value.code
    assert rb"plain: \u03c1 = " in written.getvalue()


def test_a_name_makes_no_line_of_its_own(run, finished, monkeypatch, tmp_path):
    forged = "owl\nError: \u200enone\u2028"
    table = pd.DataFrame(
        {"image_id": forged, "rank": [1], "distance": 0.5, "label": forged, "neighbour_id": f"{forged}.png"}
    )
    monkeypatch.setattr(Study, "neighbours_of", lambda self, image: table)
    _, out, _ = run("neighbours", finished.folder, "any")
    _, _, err = run("sweep", tmp_path / forged)
    assert "owl\n" not in out
    assert r"\u200enone\u2028" in out
    assert err.count("\n") == 1
    assert r"owl\nError: \u200enone\u2028" in err


def test_names_in_utf8_are_read_in_a_locale_of_ascii(tmp_path):
    images = tmp_path / "images" / "größe"
    images.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (40, 40), (number * 80, 0, 0)).save(images / f"ü{number}.png")
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    program = "from bias_toolkit_cli.main import main; main()"
    quick = ["--resamples", "100", "--permutations", "100", "--placements", "100"]
    command = [sys.executable, "-c", program, "objects", tmp_path / "ä", *quick]
    for split in ("train", "test"):
        command += [f"--{split}", os.fspath(images.parent)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert Study(tmp_path / "ä").images("train")["image_id"].tolist() == [f"größe/ü{number}.png" for number in range(3)]


def test_matplotlibs_settings_of_the_current_folder_are_not_read(tmp_path):
    """The folder may be a study from somebody else; a pipe of that name would be waited for."""
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 7")
    program = f"""
import contextlib, os, sys
sys.argv[1:] = ["--version"]
from bias_toolkit_cli.main import main
os.chdir({str(tmp_path)!r})
with contextlib.suppress(SystemExit): main()
import matplotlib
print(matplotlib.rcParams["lines.linewidth"], os.getcwd() == {str(tmp_path)!r})
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.split()[-2:] == ["1.5", "True"]
