"""Layers in a study: their sample, their tables, and going on after an interruption."""

import shutil

import pandas as pd
import pytest

from bias_toolkit import Study
from bias_toolkit.foundation.errors import InputError


@pytest.fixture(scope="module")
def measured(few, fast, tmp_path_factory):
    """A study of 20 test images, of which 18, in two shards, were measured."""
    folder = tmp_path_factory.mktemp("layers") / "study"
    return Study(folder, few["train"], few["test"], "demo", **fast, layer_images=18).measure_layers()


def test_tables_hold_each_sampled_image_condition_and_operation(measured):
    layers, operations = measured.layers, measured.layer_operations
    assert layers["image_id"].nunique() == 18
    assert set(layers["image_id"]) <= set(measured.images("test")["image_id"])
    assert len(layers) == 18 * 3 * operations["depth"].notna().sum()
    depths = layers.groupby(["image_id", "condition"])["depth"].apply(list)
    assert all(each == operations["depth"].tolist() for each in depths)
    summary = measured.layer_analysis.summary
    assert summary["n"].eq(18).all()
    assert set(measured.layer_maps["part"]) == {"before", "after"}
    assert measured.layer_maps["image_id"].nunique() == 1


def test_a_stopped_run_goes_on_and_ends_in_the_same_tables(measured, few, fast, tmp_path):
    folder = shutil.copytree(measured.folder, tmp_path / "study")
    shutil.rmtree(folder / "layers" / "analysis")
    for file in (folder / "layers" / "images").glob("*-00001*"):
        file.unlink()
    kept = (folder / "layers" / "images" / "layers-00000.parquet").stat().st_mtime_ns
    study = Study(folder, few["train"], few["test"], "demo", **fast, layer_images=18).measure_layers()
    pd.testing.assert_frame_equal(study.layers, measured.layers)
    pd.testing.assert_frame_equal(study.layer_analysis.correlations, measured.layer_analysis.correlations)
    assert (folder / "layers" / "images" / "layers-00000.parquet").stat().st_mtime_ns == kept


def test_another_sample_is_not_read_as_this_one(measured, few, fast):
    other = Study(measured.folder, few["train"], few["test"], "demo", **fast, layer_images=5)
    with pytest.raises(InputError, match="bias-toolkit layers"):
        _ = other.layers
    assert not other.has("layers/analysis")
    assert measured.has("layers/analysis")
