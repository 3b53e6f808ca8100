"""`layers`: its table, its JSON, and its errors."""

import json
import shutil

import pytest

from bias_toolkit import Study


@pytest.fixture(scope="module")
def study(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("layers") / "study"
    shutil.copytree(finished.folder, folder)
    return folder


def test_layers_prints_the_measures_by_depth(study, run):
    code, out, err = run("layers", study, "--images", 12)
    assert code == 0, err
    assert "Aliased energy" in out
    assert "Means over 12 images" in out
    found = json.loads(run("layers", study, "--json")[1])
    operations = {row["depth"]: row["operation"] for row in found["summary"] if row["depth"]}
    places = [out.index(f" {operations[depth]} ") for depth in sorted(operations)]
    assert places == sorted(places)
    assert {row["n"] for row in found["summary"]} == {12}
    assert {row["condition"] for row in found["summary"]} == {"original", "low-pass", "blurred"}
    assert {row["condition"] for row in found["contrasts"]} == {"low-pass", "blurred"}
    assert len(found["correlations"]) == 3 * len(operations)
    assert found["unmeasured"] == []


def test_one_image_is_refused(study, run):
    code, out, err = run("layers", study, "--images", 1)
    assert code == 2
    assert "--images is 1, but must be at least 2." in err
    assert err.count("\n") == 1
    assert not out


def test_explain_says_which_layer_moves_most_on_a_measured_image(study, run):
    assert run("layers", study, "--images", 12)[0] == 0
    opened = Study(study)
    sampled = opened.layers["image_id"].unique()
    measured = opened.results.per_image[opened.results.per_image["image_id"].isin(sampled)]
    # A stable image is explained in no time.
    image_id = measured.sort_values("p_top1_change")["image_id"].iloc[0]
    moved = opened.most_moved(image_id)
    assert moved.n == 11
    assert moved.text in run("explain", study, image_id)[1]
    assert json.loads(run("explain", study, image_id, "--json")[1])["layer"]["operation"] == moved.operation
    other = next(each for each in opened.results.per_image["image_id"] if each not in sampled)
    assert opened.most_moved(other) is None
