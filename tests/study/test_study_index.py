"""The index of a study: its settings, what they cost, and what is said of an approximate one."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from bias_toolkit import Study
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.record import read_record
from bias_toolkit.study import steps

STEPS = ("features/train", "features/test", "index", "neighbours")


def keys(folder):
    return {name: read_record(folder / name).key for name in STEPS}


@pytest.fixture
def study(small, tmp_path):
    """A copy of the small study."""
    return shutil.copytree(small.folder, tmp_path / "study")


def test_an_exact_index_is_the_feature_store(finished):
    names = {path.name for path in (finished.folder / "index").iterdir()}
    assert {"index.json", "index.parquet", "reason.txt"} <= names
    assert not {"index.faiss", "vectors.npy"} & names
    record = json.loads((finished.folder / "index" / "index.json").read_text())
    assert all(path.startswith("../features/train/") for path in record["features"])
    assert finished.index_reason.startswith("Exact flat search of 60 vectors")
    assert finished.search_quality is None


def test_memory_is_no_reason_to_compute_again_and_changes_no_bit(study, small, monkeypatch):
    before = keys(study)
    assert keys(Study(study, memory="100MB").build_index().folder) == before
    assert keys(Study(study, index="Flat").build_index().folder) == before
    monkeypatch.setattr("bias_toolkit.features.index.placement.HELD_SHARE", 0)
    monkeypatch.setattr("bias_toolkit.features.index.vectors.LARGEST_BLOCK", 20_000)
    shutil.rmtree(study / "index")
    shutil.rmtree(study / "neighbours")
    again = Study(study, memory="200MB").build_index()
    assert "in blocks" in again.index_reason
    for name in ("neighbours", "distances"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(small, name), check_exact=True)
    np.testing.assert_array_equal(again.training_spacing, small.training_spacing)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"index": "IVF4096,Flat"}, "at least 4,096 images to train on, and has 24"),
        ({"index": "nonsense"}, "nothing that Faiss understands"),
        ({"index": "LSH", "metric": "cosine"}, "nothing that Faiss understands.*METRIC_L2"),
    ],
)
def test_an_impossible_index_is_refused_before_features_are_extracted(few, fast, tmp_path, settings, said):
    study = Study(tmp_path / "study", few["train"], few["test"], "demo", **fast, **settings)
    with pytest.raises(InputError, match=said):
        study.build_index()
    assert not (tmp_path / "study" / "features").exists()


@pytest.mark.parametrize(
    ("verb", "lacking", "words"),
    [("embed", "train", "training set"), ("measure_map", "train", "training set"), ("sweep", "model", "model")],
)
def test_an_input_that_a_step_requires_and_nobody_named_is_refused_before_anything_is_read(
    few, fast, tmp_path, verb, lacking, words
):
    given = {"train": few["train"], "test": few["test"], "model": "demo"} | {lacking: None}
    study = Study(tmp_path / "study", *given.values(), **fast)
    with pytest.raises(InputError, match=f"has no {words}; name --{lacking}"):
        getattr(study, verb)()
    assert not (tmp_path / "study").exists()


def test_a_memory_limit_that_is_none_is_refused_at_once(few, tmp_path):
    with pytest.raises(InputError, match="--memory is 'lots'"):
        Study(tmp_path / "study", few["train"], few["test"], "demo", memory="lots")


@pytest.mark.parametrize("index", ["exact", "IVF4,Flat"])
def test_a_search_in_parts_gives_the_same_files_and_leaves_no_part(study, monkeypatch, index):
    def files():
        shutil.rmtree(study / "neighbours")
        Study(study, index=index).build_index()
        return {path.name: path.read_bytes() for path in (study / "neighbours").iterdir() if path.name != "step.json"}

    whole = files()
    sharding = dataclasses.replace(steps.neighbours.sharding, size=7)
    monkeypatch.setitem(vars(steps.neighbours), "sharding", sharding)
    assert files() == whole
    expected = {"neighbours.parquet", "distances.parquet", "spacing.npy", "shared.json"}
    assert set(whole) == expected | ({"search_quality.parquet"} if index != "exact" else set())
