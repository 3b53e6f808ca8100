"""Which studies can be compared, on which images, and what they are called."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bias_toolkit import InputError, Study, compare
from bias_toolkit.comparison.studies import gather, pair_with_first, short_names


def test_one_study_is_refused(finished):
    with pytest.raises(InputError, match="needs at least two studies; name another one"):
        compare([finished])


def test_a_study_without_results_names_the_command_to_run(finished, photographs, fast, tmp_path):
    swept = Study(tmp_path / "swept", photographs["train"], photographs["test"], "demo", **fast).read_images()
    with pytest.raises(InputError, match="has no analysis yet; run `bias-toolkit analyse` on it first"):
        compare([finished, swept])


def test_no_folder_of_a_study_is_refused(finished, tmp_path):
    with pytest.raises(InputError, match="holds no study"):
        compare([finished, tmp_path])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sizes": (0.5,)}, "its --size is 0.5, and the other's is 1; run `bias-toolkit analyse` on one of them"),
        ({"transforms": ("horizontal",)}, "its --transform is horizontal, and the other's is diagonal; run"),
        ({"protocols": ("embed",), "sizes": (2,)}, "its --protocol is embed, and the other's is crop; run"),
        ({"sampling": "random"}, "its --sampling is random, and the other's is centre; run"),
        ({"protocols": ("offsets",)}, "has no sweep with steps"),
    ],
)
def test_another_sweep_is_refused_with_the_setting_that_differs(finished, options, said):
    with pytest.raises(InputError, match=said):
        compare([finished, Study(finished.folder, **options)])


def test_random_windows_of_another_seed_are_refused(finished):
    first, other = (Study(finished.folder, sampling="random", seed=seed) for seed in (0, 1))
    with pytest.raises(InputError, match="its --seed is 1, and the other's is 0"):
        compare([first, other])


@pytest.mark.parametrize(
    ("models", "folders", "names"),
    [
        (("timm:a", "timm:b"), ("x/s", "y/t"), ["a", "b"]),
        (("timm:a", "lite0"), ("x/s", "y/t"), ["timm:a", "lite0"]),
        (("a", "a"), ("x/s", "y/t"), ["s", "t"]),
        (("a", "a"), ("x/s", "y/s"), ["x/s", "y/s"]),
        (("a", "a"), ("z/x/s", "y/x/s"), ["s (1)", "s (2)"]),
    ],
)
def test_names_tell_the_studies_apart(make_compared, models, folders, names):
    studies = [make_compared(folder, None, model=model) for folder, model in zip(folders, models, strict=True)]
    for study, folder in zip(studies, folders, strict=True):
        study.study.folder = Path(folder)
    assert short_names(studies) == names


def copied(photographs, folder, change=lambda path, number: None):
    """The test photographs in another folder, with another time of change, after `change` of each file."""
    shutil.copytree(photographs["test"].parent, folder)
    for number, path in enumerate(sorted(folder.glob("*.png"))):
        change(path, number)
        os.utime(path, ns=(10**18 + number,) * 2)
    return folder / "images.csv"


def test_images_of_the_same_id_and_pixels_are_paired_whatever_their_time(finished, pooled, photographs, tmp_path):
    """Of a copy in which ten files hold other images, the others are compared."""

    def change(path, number):
        if number < 10:
            shutil.copy(sorted(photographs["test"].parent.glob("*.png"))[number + 20], path)

    other = Study(shutil.copytree(pooled.folder, tmp_path / "study"))
    studies = gather([finished, other])
    assert len(pair_with_first(studies)[0].shared) == 70
    table = copied(photographs, tmp_path / "photographs", change)
    moved = Study(tmp_path / "moved", test=table, train=photographs["train"], model="demo")
    state = {"layout": moved.test.layout, "fingerprint": moved.test.fingerprint}
    assert state != studies[0].sets["test"]
    changed = replace(studies[1], study=moved, sets=studies[1].sets | {"test": state})
    (pair,) = pair_with_first([studies[0], changed])
    assert (pair.is_paired, pair.is_partial, len(pair.shared)) == (True, True, 60)
    assert not set(pair.shared) & {path.name for path in sorted(table.parent.glob("*.png"))[:10]}
    for path in table.parent.glob("*.png"):
        path.unlink()
    gone = Study(tmp_path / "gone", test=tmp_path / "nowhere", train=photographs["train"], model="demo")
    (pair,) = pair_with_first([studies[0], replace(changed, study=gone)])
    assert not pair.is_paired
    assert [len(rows) for rows in pair.rows] == [70, 70]


def test_the_effect_is_the_models_only_if_the_images_are_the_same_and_the_model_is_not(make_pair, draw_images, rates):
    first, second = (draw_images(rates, np.random.default_rng(seed)) for seed in (0, 1))
    assert make_pair(second, first).is_model_swap
    assert not make_pair(second, first, is_paired=False).is_model_swap
    assert not make_pair(second, first, model="A").is_model_swap
    assert isinstance(make_pair(second, first).shared, pd.Index)
