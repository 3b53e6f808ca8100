"""`compare`: its page, its JSON, and its errors."""

import json

import pandas as pd
import pytest


@pytest.fixture
def folders(finished, pooled):
    return finished.folder, pooled.folder


def test_compare_prints_the_answer_and_writes_the_page(folders, run, tmp_path):
    code, out, err = run("compare", *folders, "--out", tmp_path / "out", "--resamples", 100)
    assert code == 0, err
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["answers"][0]["claim"] in out
    assert results["answers"][0]["claim"] in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert [study["name"] for study in results["studies"]] == ["demo", "demo:global-pooling"]
    pair = {"study": "demo:global-pooling", "against": "demo", "paired": True, "shared_images": 70}
    assert results["pairs"] == [pair]
    table = pd.read_csv(tmp_path / "out" / "tables" / "differences.csv")
    assert table["difference"].tolist() == pytest.approx([row["difference"] for row in results["differences"]])
    pictures = {path.name for path in (tmp_path / "out" / "images").iterdir()}
    assert {f"pair-1-less-{model}-{view}.jpg" for model in (1, 2) for view in range(1, 10)} <= pictures


def test_json_has_the_differences(folders, run, tmp_path):
    code, out, err = run("compare", *folders, "--out", tmp_path / "out", "--resamples", 100, "--json")
    assert code == 0, err
    printed = json.loads(out)
    assert {row["measure"] for row in printed["differences"]} >= {"p_top1_change", "accuracy", "worst_accuracy"}


def test_studies_that_cannot_be_compared_give_exit_code_2(folders, run, tmp_path):
    code, out, err = run("compare", folders[0], "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert "Error: A comparison needs at least two studies; name another one." in err
    assert not (tmp_path / "out").exists()
