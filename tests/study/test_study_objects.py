"""What a study says of its framing."""

import shutil

import numpy as np
import pandas as pd
import pytest

from bias_toolkit import InputError, Study
from bias_toolkit.objects import compare_framing, mean_images


@pytest.fixture
def study(small, tmp_path):
    return Study(shutil.copytree(small.folder, tmp_path / "study"))


def test_the_comparison_is_that_of_the_two_sets(finished, fast):
    expected = compare_framing(
        finished.framing("train"),
        finished.framing("test"),
        finished.images("train"),
        finished.images("test"),
        resamples=fast["resamples"],
        permutations=fast["permutations"],
    )
    pd.testing.assert_frame_equal(finished.framing_comparison.variables, expected.variables, check_dtype=False)
    assert finished.framing_comparison.test == expected.test


def test_mean_images_of_both_sets(finished):
    for split in ("train", "test"):
        dataset = getattr(finished, split)
        expected = mean_images(dataset.read, dataset.images, dataset.objects)
        np.testing.assert_array_equal(finished.mean_images(split).pixels, expected.pixels)
        assert list(finished.mean_images(split).table["category"]) == ["", *"0123456789"]


def test_the_ranking_is_of_the_categories(finished):
    ranking = finished.framing_ranking("test")
    assert ranking["value"].is_monotonic_decreasing
    assert ranking["n_images"].ge(5).all()


def test_the_report_shows_them(finished):
    html = (finished.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "Are both sets framed alike?" in html
    assert "What the photographs have in common" in html
    assert (finished.folder / "report" / "tables" / "framing_comparison.csv").exists()
    assert (finished.folder / "report" / "images" / "mean-train-0000-all.png").exists()


def test_other_settings_make_the_step_be_done_again(study):
    before = study.framing_comparison
    changed = Study(study.folder, permutations=130)
    with pytest.raises(InputError, match="bias-toolkit objects"):
        _ = changed.framing_comparison
    after = changed.measure_objects().framing_comparison
    assert after.test.auc == before.test.auc
    assert after.test.p_value != before.test.p_value or before.test.p_value == 1


def test_results_of_an_older_version_are_named_and_done_again(study):
    for name in ("comparison.parquet", "two-sample.json", "step.json"):
        (study.folder / "objects" / name).unlink()
    shutil.rmtree(study.folder / "mean-images")
    for read in (lambda: study.framing_comparison, lambda: study.mean_images("train")):
        with pytest.raises(InputError, match="run `bias-toolkit objects`"):
            read()


def test_what_cannot_be_decoded_is_listed(few, tmp_path, fast):
    folder = shutil.copytree(few["train"].parent, tmp_path / "train")
    broken = sorted(folder.glob("*.png"))[3]
    broken.write_bytes(broken.read_bytes()[:80])
    study = Study(tmp_path / "study", folder / "images.csv", few["test"], **fast)
    study.measure_objects()
    skipped = study.skipped_images
    assert list(skipped["step"]) == ["mean-images/train"]
    assert list(skipped["split"]) == ["train"]
    assert study.mean_images("train").table["n_images"].iloc[0] == 23


def test_sets_without_boxes_are_not_compared(few, tmp_path, fast):
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in sorted(few["test"].parent.glob("*.png"))[:6]:
        shutil.copy(path, bare)
    study = Study(tmp_path / "study", bare, few["test"], **fast).measure_objects()
    assert study.framing_comparison is None
    assert list(study.mean_images("train").table["n_images"]) == [6]
