"""`bias-toolkit index` with an approximate index."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from bias_toolkit import Study


def test_an_approximate_index_is_measured_and_reported(run, finished, tmp_path):
    study = shutil.copytree(finished.folder, tmp_path / "study")
    code, out, _ = run("index", study, "--index", "IVF6,Flat nprobe=1", "--json")
    assert code == 0
    result = json.loads(out)
    quality = result["search_quality"]
    assert quality["n_images"] == 70
    assert 0 < quality["recall_low"] < quality["recall"] < 0.95
    assert 0 < quality["error_low"] < quality["error"] < quality["largest_error"]
    assert "IVF6,Flat nprobe=1" in result["index"]

    again = Study(study)
    assert again.settings.index == "IVF6,Flat nprobe=1"
    merged = again.distances.merge(finished.distances, on="image_id", suffixes=("", "_exact"))
    assert (merged["nn_distance"] >= merged["nn_distance_exact"]).all()
    missed = merged["nn_distance"] > merged["nn_distance_exact"]
    assert 1 - missed.mean() == pytest.approx(quality["recall"])
    np.testing.assert_array_equal(merged["class_nn_distance"], merged["class_nn_distance_exact"])

    assert "The approximate index IVF6,Flat nprobe=1 finds the nearest" in run("index", study)[1]
    again.run()
    page = (study / "report" / "index.html").read_text(encoding="utf-8")
    assert "The approximate index against exact search" in page
    assert "often misses the nearest" in page
    assert json.loads((study / "report" / "results.json").read_text())["search_quality"][0]["n_images"] == 70

    exact = Study(study, index="exact").build_index()
    assert exact.search_quality is None
    pd.testing.assert_frame_equal(exact.distances, finished.distances, check_exact=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--index", "nonsense"), "--index 'nonsense'"), (("--memory", "7"), "--memory is '7'")],
)
def test_refusals_leave_the_study_as_it_was(run, finished, tmp_path, options, said):
    study = shutil.copytree(finished.folder, tmp_path / "study")
    code, out, err = run("index", study, *options)
    assert (code, out) == (2, "")
    assert said in err
    assert (study / "study.json").read_text() == (finished.folder / "study.json").read_text()
