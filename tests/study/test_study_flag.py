"""The flag of a study: its scores of new images are those that were evaluated, from files, arrays and tensors."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from bias_toolkit import Flag, InputError, Study, load_dataset, load_model
from bias_toolkit.analysis.flag import COMBINATION, MARGIN
from bias_toolkit.datasets import read_pixels
from bias_toolkit.study.flagging import evaluate_on
from bias_toolkit.study.steps.flag import _found

MODEL = "demo:fully-connected"
NUMBERS = ["nn_distance", "knn_distance", "disagreement"]


@pytest.fixture(scope="module")
def flagged(two_flagged):
    """A study of 60 training and 70 test images with its flag; tests must not change it."""
    return two_flagged[0]


@pytest.fixture(scope="module")
def paths(flagged, photographs):
    return [photographs["test"].parent / image_id for image_id in flagged.flag_images["image_id"]]


@pytest.fixture
def copy(flagged, tmp_path):
    return shutil.copytree(flagged.folder, tmp_path / "study")


def assert_same(scored, flagged, atol=2e-5):
    own = flagged.flag_images
    assert scored["reason"].isna().all()
    for name in NUMBERS:
        np.testing.assert_allclose(scored[name], own[name], rtol=1e-4, atol=atol, err_msg=name)
    np.testing.assert_allclose(1 - scored["margin"], own[MARGIN], atol=atol)
    np.testing.assert_allclose(1 - scored["confidence"], own["one_minus_confidence"], atol=atol)


def test_test_images_get_the_scores_that_were_evaluated(flagged, paths):
    flag = Flag.load(flagged.folder)
    scored = flag.score(paths)
    assert_same(scored, flagged)
    assert scored["image"].tolist() == [str(path) for path in paths]
    assert flag.share_flagged == 0.2
    assert scored["flagged"].mean() == pytest.approx(0.2, abs=0.02)
    assert (scored["flagged"] == (scored["probability"] > flag.threshold)).all()
    nearest = flagged.neighbours.pivot(index="image_id", columns="rank", values="neighbour_id")
    own = nearest.loc[flagged.flag_images["image_id"]]
    for rank in (1, 2, 3):
        assert scored[f"nearest_{rank}"].tolist() == own[rank].tolist()


def test_arrays_tensors_and_a_dataset_get_the_same(flagged, paths, photographs):
    flag = Flag.load(flagged)
    arrays = [read_pixels(path) for path in paths]
    from_paths = flag.score(paths)
    for images in (
        arrays,
        np.stack(arrays),
        [torch.from_numpy(array).permute(2, 0, 1) for array in arrays],
        load_dataset(photographs["test"]),
    ):
        scored = flag.score(images)
        assert_same(scored, flagged)
        pd.testing.assert_frame_equal(
            scored.drop(columns=["image", "why"]), from_paths.drop(columns=["image", "why"]), atol=1e-5
        )
    assert flag.score(arrays[:2])["image"].tolist() == ["0", "1"]
    pd.testing.assert_frame_equal(flag.score(paths[0]), flag.score(paths[:1]))


def test_reasons_are_those_of_flagged_images_alone_and_framing_needs_boxes(flagged, paths, photographs):
    flag = Flag.load(flagged)
    values = flagged.flag_values
    scored = flag.score(load_dataset(photographs["test"]))
    assert (scored.loc[~scored["flagged"], "why"] == "").all()
    some = scored[scored["flagged"]]
    assert (some["why"].str.contains("far") == (some["nn_distance"] > values["far"])).all()
    assert (some["why"].str.contains("low margin") == (1 - some["margin"] > values["unsure"])).all()
    density = flagged.subjects_framing.set_index("image_id")["framing_log_density"].loc[some["image"]]
    assert (some["why"].str.contains("framed unlike").to_numpy() == (density < values["unusual"]).to_numpy()).all()
    assert not flag.score(paths)["why"].str.contains("framed unlike").any()


def test_images_that_cannot_be_read_are_listed_in_their_place(flagged, paths, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(paths[0].read_bytes()[:60])
    scored = Flag.load(flagged).score(
        [paths[0], broken, tmp_path / "absent.jpg", tmp_path / "no" / "folder.jpg", paths[1]]
    )
    assert scored["reason"].isna().tolist() == [True, False, False, False, True]
    assert scored["probability"].isna().tolist() == [False, True, True, True, False]
    assert scored["flagged"].isna().tolist() == [False, True, True, True, False]
    assert scored["image"].tolist()[1] == str(broken)
    only = Flag.load(flagged).score([broken])
    assert only["reason"].notna().all()
    assert Flag.load(flagged).score([]).empty


@pytest.mark.parametrize(
    "image", [np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8), np.zeros((0, 8, 3), np.uint8), torch.zeros(3, 8, 8), 7]
)
def test_what_is_no_image_is_refused_with_its_number(flagged, paths, image):
    with pytest.raises(InputError, match=r"Image 1 is .*, but must be a path, an array uint8"):
        Flag.load(flagged).score([paths[0], image])


def test_threads_get_what_one_gets(flagged, paths):
    flag = Flag.load(flagged)
    parts = [paths[start : start + size] for start, size in zip(range(0, 60, 15), range(1, 13, 3), strict=True)]
    alone = [flag.score(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(flag.score, parts * 2))
    for one, other in zip(alone * 2, together, strict=True):
        pd.testing.assert_frame_equal(one, other, rtol=1e-4, atol=1e-6)


def test_a_training_image_is_not_its_own_neighbour(copy, photographs):
    study = Study(copy, photographs["test"]).fit_flag()
    assert (study.flag_images["nn_distance"] > 0).all()
    flag = Flag.load(study.folder)
    assert_same(flag.score(load_dataset(photographs["test"])), study)
    # An array does not say where it is from.
    some = photographs["test"].parent / study.flag_images["image_id"].iloc[0]
    assert flag.score([read_pixels(some)])["nn_distance"].item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"protocols": ("embed",), "sizes": (1.1,), "feature_size": 0.7, "metric": "cosine"},
        {"sizes": (0.6,), "sampling": "random", "transforms": ("vertical",), "feature_dtype": "float16"},
    ],
)
def test_other_views_and_features_are_scored_as_they_were_evaluated(changes, copy, photographs):
    study = Study(copy, **changes).fit_flag()
    assert_same(Flag.load(study).score(load_dataset(photographs["test"])), study, atol=1e-4)


@pytest.mark.parametrize(
    "change", [{"metric": "cosine"}, {"seed": 3}, {"share_flagged": 0.5}, {"protocols": ("embed",)}, {"boxes": "given"}]
)
def test_a_flag_of_other_settings_is_refused(copy, change):
    with pytest.raises(InputError, match="run `bias-toolkit"):
        Flag.load(Study(copy, **change))


def test_a_flag_of_another_model_and_of_changed_files_is_refused(copy):
    with pytest.raises(InputError, match="run `bias-toolkit"):
        Flag.load(copy, model="demo:global-pooling")
    path = copy / "flag" / "flag.json"
    path.write_text(path.read_text().replace('"share": 0.2', '"share": 0.3'))
    with pytest.raises(InputError, match=r"flag.json was damaged"):
        Flag.load(copy)
    path.unlink()
    with pytest.raises(InputError, match="damaged or removed"):
        Flag.load(copy)


def test_a_model_object_is_used_as_it_is(flagged, paths):
    scored = Flag.load(flagged.folder, model=load_model(MODEL, runtime="torch")).score(paths[:3])
    np.testing.assert_allclose(1 - scored["margin"], flagged.flag_images[MARGIN].head(3), atol=1e-5)


def test_neither_set_has_to_be_there(copy, paths, photographs, tmp_path):
    study = json.loads((copy / "study.json").read_text())
    assert str(photographs["train"]) in study["train"]["spec"]
    away = tmp_path / "copies"
    away.mkdir()
    for path in paths[:3]:
        shutil.copy(path, away)
    hidden = photographs["train"].with_name("hidden.csv")
    photographs["train"].rename(hidden)
    try:
        scored = Flag.load(copy).score([away / path.name for path in paths[:3]])
    finally:
        hidden.rename(photographs["train"])
    assert scored["reason"].isna().all()


def test_the_flag_is_fitted_once_and_anew_for_another_share(copy):
    study = Study(copy).fit_flag()
    assert study.computed == []
    again = Study(copy, share_flagged=0.5).fit_flag()
    assert again.computed == ["flag"]
    assert again.flag_evaluation["flagged"].iloc[0] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("share", [0, 1])
def test_a_share_of_none_and_of_all_is_refused(copy, share):
    with pytest.raises(InputError, match=r"--share-flagged is .*, but must be above 0 and below 1"):
        Study(copy, share_flagged=share)


def test_too_few_unstable_images_are_said_to_be_too_few(small, tmp_path):
    study = Study(shutil.copytree(small.folder, tmp_path / "study"), model="demo:global-pooling").fit_flag()
    assert study.flag_evaluation.empty
    assert study.flag_images["probability"].isna().all()
    with pytest.raises(InputError, match=r"has no flag: \d+ of its 20 test images are unstable, and 10 unstable"):
        Flag.load(study)


def test_a_study_whose_sweep_has_no_steps_has_no_flag(few, fast, tmp_path):
    study = Study(tmp_path / "study", few["train"], few["test"], MODEL, **fast, protocols=("offsets",))
    with pytest.raises(InputError, match="A flag is about the steps of a sweep"):
        study.fit_flag()


def test_the_flag_is_evaluated_on_another_test_set(two_flagged):
    flagged, other = two_flagged
    table, left_out = evaluate_on(other, flagged)
    assert left_out == 0
    rows = table.set_index("score")
    assert (rows["n"] == 70).all()
    # No regression is in the margin, so it is as in the other study's own evaluation.
    own = flagged.flag_evaluation.set_index("score")
    assert rows.loc[MARGIN, "auroc"] == pytest.approx(own.loc[MARGIN, "auroc"])
    limit = other.flag_values["thresholds"][MARGIN]
    assert rows.loc[MARGIN, "flagged"] == pytest.approx((flagged.flag_images[MARGIN] > limit).mean())
    assert rows.loc[COMBINATION, "auroc"] > 0.5


def test_images_to_which_the_flag_was_fitted_are_left_out(flagged, copy, photographs):
    part = photographs["test"].with_name("part.csv")
    pd.read_csv(photographs["test"]).tail(60).to_csv(part, index=False)
    other = Study(copy, test=part).fit_flag()
    with pytest.raises(InputError, match="has not both unstable and stable test images that"):
        evaluate_on(flagged, other)
    found, left_out = evaluate_on(other, flagged)
    assert (found["n"] == 10).all()
    assert left_out == 60


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "demo:global-pooling"}, "another model"),
        ({"train": "demo:train"}, "another training set"),
        ({"protocols": ("embed",)}, "another first sweep"),
        ({"metric": "cosine"}, "another --metric"),
    ],
)
def test_studies_that_differ_in_more_than_the_test_set_are_refused(flagged, copy, change, named):
    with pytest.raises(InputError, match=f"has {named} than .*; a flag can be evaluated only on"):
        evaluate_on(flagged, Study(copy, **change))


def test_a_study_without_scores_is_refused_with_the_command(two_flagged, tmp_path):
    flagged, other = two_flagged
    bare = shutil.copytree(other.folder, tmp_path / "bare")
    shutil.rmtree(bare / "flag")
    with pytest.raises(InputError, match="run `bias-toolkit flag` on it first"):
        evaluate_on(flagged, Study(bare))


def test_neighbours_that_are_stored_are_taken_only_if_they_are_of_the_index():
    table = pd.DataFrame({"image_id": ["a", "a", "b", "b"], "rank": [1, 2, 1, 2]})
    table = table.assign(neighbour_id=["y", "x", "x", "y"], distance=np.float32([0.1, 0.2, 0.3, 0.4]))

    def found(neighbours=10, **changed):
        results = SimpleNamespace(neighbours=table.assign(**changed))
        job = SimpleNamespace(settings=SimpleNamespace(neighbours=neighbours), results=results)
        return _found(job, ["b", "a"], {"x": 0, "y": 1})

    distances, rows = found()
    np.testing.assert_array_equal(distances, np.float32([[0.3, 0.4], [0.1, 0.2]]))
    np.testing.assert_array_equal(rows, [[0, 1], [1, 0]])
    assert found(neighbours=9) is None
    assert found(neighbour_id=["y", "x", "x", "of another index"]) is None
    assert found(rank=[0, 1, 1, 2]) is None
    assert found(rank=[1, 2, 1, 3]) is None
