"""`map`, `sizes`, and drawing what they measured."""

import json
import shutil

import pytest

GRID = ("--position", 0.5, "--position", 0.35, "--scale", 0.36, "--scale", 0.48, "--scale", 0.64)


@pytest.fixture(scope="module")
def study(finished, sizing_little, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reframed") / "study"
    shutil.copytree(finished.folder, folder)
    return folder


@pytest.mark.usefixtures("no_layout")
def test_map_says_what_it_found_and_is_drawn(study, run, tmp_path):
    code, out, _ = run("map", study, "--images", 12, "--surroundings", "mean", *GRID)
    assert code == 0
    assert "What framing causes" not in out
    assert f"bias-toolkit plot {study} map" in out
    found = json.loads(run("map", study, "--json")[1])
    lines = out.splitlines()
    for finding, line in zip(found["findings"], lines, strict=False):
        assert line.startswith(finding["claim"])
        assert "95% interval" in line or finding["estimate"] is None
    assert {row["surroundings"] for row in found["cells"]} == {"mean"}
    assert {row["scale"] for row in found["cells"]} <= {0.36, 0.48, 0.64}
    for figure in ("map", "map-vs-density"):
        file = tmp_path / f"{figure}.png"
        assert run("plot", study, figure, "--out", file)[0] == 0
        assert file.stat().st_size > 10_000


@pytest.mark.usefixtures("no_layout")
def test_sizes_are_measured_and_drawn_for_several_models(study, run, tmp_path):
    code, out, _ = run("sizes", study, "--images", 4)
    assert code == 0
    assert "size" in out
    found = json.loads(run("sizes", study, "--json")[1])
    assert {row["n"] for row in found["curve"] if row["measure"] == "mac"} == {4}
    file = tmp_path / "sizes.pdf"
    assert run("plot", study, "size-vs-invariance", "--with", study, "--out", file)[0] == 0
    assert file.stat().st_size > 5_000


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("map", "--surroundings", "white"), "--surroundings is 'white'"),
        (("map", "--scale", 1.5), "--scale is 1.5"),
        (("map", "--position", 0), "--position is 0"),
        (("map", "--images", 1), "--images is 1"),
        (("sizes", "--images", 0), "--images is 0"),
    ],
)
def test_bad_options_are_one_sentence(study, run, arguments, named):
    command, *options = arguments
    code, out, err = run(command, study, *options)
    assert code == 2
    assert named in err
    assert err.count("\n") == 1
    assert not out


def test_a_figure_that_was_not_measured_says_what_to_run(finished, run, tmp_path):
    code, _, err = run("plot", finished.folder, "map", "--out", tmp_path / "map.png")
    assert code == 2
    assert "run `bias-toolkit map`" in err
