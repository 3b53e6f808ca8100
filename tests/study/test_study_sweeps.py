"""Studies whose sweeps stop at a precision."""

import dataclasses
import html
import json
import re
import shutil

import pandas as pd
import pytest

from bias_toolkit import InputError, Study
from bias_toolkit.invariance import make_response
from bias_toolkit.study import steps
from bias_toolkit_cli.main import main

PRECISION = 0.09
SHARD = 16


@pytest.fixture(scope="module", autouse=True)
def small_shards():
    """A sweep can stop after each shard: several of them make up 70 images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(vars(steps.responses), "sharding", dataclasses.replace(steps.responses.sharding, size=SHARD))
        yield


@pytest.fixture
def make(photographs, fast, tmp_path):
    """A function that opens a study of the photographs."""

    def study(**settings):
        return Study(tmp_path / "study", photographs["train"], photographs["test"], "demo", **fast | settings)

    return study


@pytest.fixture(scope="module")
def stopped(photographs, fast, small_shards, tmp_path_factory):
    """A study whose sweep stopped at the precision; tests must not change it."""
    folder = tmp_path_factory.mktemp("stopped") / "study"
    return Study(folder, photographs["train"], photographs["test"], "demo", **fast, precision=PRECISION).sweep()


@pytest.fixture
def copied(stopped, tmp_path):
    """A copy of it, to change."""
    return Study(shutil.copytree(stopped.folder, tmp_path / "study"))


def run_command(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code


def test_a_sweep_stops_at_the_precision_on_images_in_random_order(make, finished):
    study = make(precision=PRECISION, protocols=("crop", "offsets")).sweep()
    known = study.sequential.set_index("protocol")
    whole = finished.measures.set_index("image_id")
    measures = study.measures
    assert known["n"].lt(known["n_images"]).all()
    assert known["n_images"].tolist() == [70, 70]
    for protocol, rows in measures.groupby("protocol"):
        row = known.loc[protocol]
        assert len(rows) == row["n"]
        assert row["n"] % SHARD == 0
        assert row["value"] == pytest.approx(rows[row["measure"]].mean())
        assert row["value"] - row["low"] <= PRECISION
        assert row["high"] - row["value"] <= PRECISION
        # In the dataset's order, and not its first images.
        ids = finished.images("test")["image_id"]
        assert rows["image_id"].tolist() == [each for each in ids if each in set(rows["image_id"])]
        assert rows["image_id"].tolist() != ids.head(len(rows)).tolist()
    crop = measures[measures["protocol"] == "crop"].set_index("image_id")
    pd.testing.assert_frame_equal(crop, whole.loc[crop.index], check_exact=False, check_dtype=False)
    assert known.loc["crop", "low"] <= whole["p_top1_change"].mean() <= known.loc["crop", "high"]
    assert known["measure"].to_dict() == {"crop": "p_top1_change", "offsets": "consistency"}


def test_an_interrupted_sweep_stops_at_the_same_image(make, stopped, monkeypatch):
    whole = stopped
    assert SHARD < whole.sequential["n"].item() < 70
    made = []

    def stopping(*arguments):
        made.append(arguments)
        if len(made) in (SHARD + 20, SHARD + 25):
            raise KeyboardInterrupt
        return make_response(*arguments)

    monkeypatch.setattr("bias_toolkit.invariance.run.make_response", stopping)
    stops = 0
    for _ in range(3):
        try:
            study = make(precision=PRECISION).sweep()
        except KeyboardInterrupt:
            stops += 1
    assert stops == 2
    for name in ("sequential", "measures", "responses"):
        pd.testing.assert_frame_equal(getattr(study, name), getattr(whole, name), check_exact=True)


def test_another_precision_or_seed_is_another_sweep(copied):
    study = copied
    first = study.measures["image_id"].tolist()
    marker = json.loads((study.folder / "responses" / "crop-1-diagonal" / "step.json").read_text())
    assert marker["settings"]["precision"] == PRECISION
    assert marker["settings"]["seed"] == 0

    other = Study(study.folder, seed=1)
    with pytest.raises(InputError, match="other inputs or settings"):
        _ = other.measures
    assert other.sweep().measures["image_id"].tolist() != first

    every = Study(study.folder, precision=0)
    assert every.settings.precision is None
    with pytest.raises(InputError, match="other inputs or settings"):
        _ = every.measures
    assert len(every.sweep().measures) == 70
    assert len(every.sequential) == 0
    marker = json.loads((study.folder / "responses" / "crop-1-diagonal" / "step.json").read_text())
    assert not {"precision", "seed"} & set(marker["settings"])

    # What was measured of every image is not what stops at a precision.
    with pytest.raises(InputError, match="other inputs or settings"):
        _ = Study(study.folder, precision=PRECISION).measures
    # Without a precision, the seed decides nothing of a crop in the centre.
    assert len(Study(study.folder, precision=0, seed=5).responses) == 70


def test_a_precision_that_is_never_reached_takes_every_image(make, finished):
    study = make(precision=0.0001).sweep()
    (row,) = study.sequential.to_dict("records")
    assert row["n"] == row["n_images"] == 70
    assert row["low"] == row["value"] == row["high"] == pytest.approx(finished.measures["p_top1_change"].mean())
    pd.testing.assert_frame_equal(study.measures, finished.measures, check_exact=False)


@pytest.mark.parametrize("precision", [-0.01, 0.5, float("nan")])
def test_what_is_no_precision(make, precision):
    with pytest.raises(InputError, match="--precision"):
        make(precision=precision)


def test_the_report_counts_the_images_that_were_measured(copied, capsys):
    study = copied.run()
    (known,) = study.sequential.to_dict("records")
    n = known["n"]
    assert len(study.results.per_image) == n < 70
    assert len(study.distances) == 70
    text = html.unescape(re.sub(r"<[^>]+>", "", (study.folder / "report" / "index.html").read_text(encoding="utf-8")))
    text = re.sub(r"\s+", " ", text)
    assert f"Stopped after {n} of 70 images, drawn in random order: P(top-1 change) of all of them" in text
    assert "±9 points at 95%" in text
    assert f"Mean over the test images ({n} of them at most)" in text
    assert f"{70 - n} test images were not measured" in text
    results = json.loads((study.folder / "report" / "results.json").read_text())
    assert results["sequential"][0]["n"] == n
    assert results["summary"][0]["n"] == n
    assert pd.read_csv(study.folder / "report" / "tables" / "sequential.csv")["n"].tolist() == [n]

    unmeasured = sorted(set(study.images("test")["image_id"]) - set(study.results.per_image["image_id"]))[0]
    with pytest.raises(InputError, match="reached its --precision"):
        study.explain(unmeasured)

    capsys.readouterr()
    assert run_command("sweep", study.folder) == 0
    assert f"Stopped after {n} of 70 images" in capsys.readouterr().out
    assert run_command("sweep", study.folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["sequential"][0]["n"] == n
