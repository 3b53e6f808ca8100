"""A study on images that ImageNet-X annotates."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from bias_toolkit import InputError, Study
from bias_toolkit.datasets.imagenet_x import FACTORS
from bias_toolkit.pipeline.record import read_record, write_record
from bias_toolkit_cli.main import main

UNSTABLE = 20


@pytest.fixture
def annotated(finished, photographs, tmp_path):
    """The finished study's test images under ImageNet's names; the unstable ones are annotated as seen in part only."""
    table = pd.read_csv(photographs["test"])
    names = {path: f"ILSVRC2012_val_{number:08}.png" for number, path in enumerate(table["path"])}
    folder = tmp_path / "val"
    folder.mkdir()
    for path, name in names.items():
        (folder / name).hardlink_to(photographs["test"].parent / path)
    table.assign(path=table["path"].map(names)).to_csv(folder / "images.csv", index=False)
    per_image = finished.results.per_image.sort_values(["p_top1_change", "image_id"])
    unstable = set(per_image["image_id"].tail(UNSTABLE))
    file = tmp_path / "imagenet_x_val_multi_factor.jsonl"
    with open(file, "w", encoding="utf-8") as lines:
        for path, name in names.items():
            flags = dict.fromkeys(FACTORS, 0) | {"partial_view": int(path in unstable)}
            lines.write(json.dumps({"file_name": name.replace("png", "JPEG")} | flags) + "\n")
    return folder / "images.csv", file, per_image


def test_a_known_factor(annotated, finished, tmp_path, capsys):
    test, file, per_image = annotated
    folder = shutil.copytree(finished.folder, tmp_path / "study")
    study = Study(folder, test=test, imagenet_x=file).analyse()
    values = per_image["p_top1_change"].to_numpy(float)
    (row,) = study.analysis.factors.query("measure == 'p_top1_change'").itertuples()
    assert (row.factor, row.n_with, row.n_without) == ("partial_view", UNSTABLE, 70 - UNSTABLE)
    assert row.value == pytest.approx(values[-UNSTABLE:].mean())
    assert row.difference == pytest.approx(values[-UNSTABLE:].mean() - values[:-UNSTABLE].mean())
    assert row.p_value == pytest.approx(1 / 101)
    before = (folder / "analysis" / "step.json").stat().st_mtime_ns
    study = Study(folder).analyse()
    assert (folder / "analysis" / "step.json").stat().st_mtime_ns == before
    assert study.settings.imagenet_x == str(file)

    # Other annotations are computed anew; without any of the images it is said.
    file.write_text(json.dumps({"file_name": "a.JPEG"} | dict.fromkeys(FACTORS, 0)))
    main_exit(["analyse", str(folder)])
    assert "No test image has the name of an image that ImageNet-X annotates." in capsys.readouterr().out
    assert len(Study(folder).analysis.factors) == 0


def main_exit(arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0


def test_a_missing_file_is_refused_before_anything_is_computed(photographs, fast, tmp_path):
    with pytest.raises(InputError, match="--imagenet-x"):
        Study(tmp_path / "study", photographs["train"], photographs["test"], "demo", imagenet_x="nowhere", **fast)
    assert not (tmp_path / "study").exists()


def test_tables_of_a_study(finished):
    analysis = finished.analysis
    assert len(analysis.factors) == 0
    assert not analysis.notes["topic"].eq("factors").any()
    assert {"odds_ratios", "losses", "ceiling"} <= {path.stem for path in (finished.folder / "analysis").iterdir()}
    assert np.isfinite(analysis.odds_ratios["odds_ratio"]).all()


@pytest.mark.parametrize("has_digest", [True, False])
def test_a_study_of_before_is_analysed_again(small, tmp_path, has_digest):
    copied = shutil.copytree(small.folder, tmp_path / "copied")
    folder = copied / "analysis"
    record = read_record(folder)
    settings = {name: value for name, value in record.settings.items() if name != "imagenet_x"}
    record = record.model_copy(update={"settings": settings, "key": "0" * 63 + "1"})
    if has_digest:
        write_record(record, folder)
    else:
        (folder / "step.json").write_text(record.model_dump_json())
    (folder / "odds_ratios.parquet").unlink()
    with pytest.raises(InputError, match="bias-toolkit analyse"):
        _ = Study(copied).analysis
    assert len(Study(copied).analyse().analysis.odds_ratios) == len(small.analysis.odds_ratios)
