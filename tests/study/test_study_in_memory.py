"""Studies of datasets in memory: opened again with the same objects, and without them."""

import shutil

import pytest

from bias_toolkit import InputError, Study, load_dataset


def frame(name, n):
    """The first images of a built-in dataset, in a DataFrame with the pixels themselves."""
    dataset = load_dataset(f"demo:{name}")
    table = dataset.images.merge(dataset.objects, on="image_id").head(n)
    pixels = [dataset.read(image_id) for image_id in table["image_id"]]
    return table[["label", "category", "x0", "y0", "x1", "y1"]].assign(image=pixels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, fast, two_folds):
    """The folder of an analysed study of 12 training and 10 test images in memory."""
    folder = tmp_path_factory.mktemp("held") / "study"
    with two_folds():
        study = Study(folder, frame("train", 12), frame("uniform", 10), "demo:global-pooling", **fast).analyse()
    assert study.train.layout == "memory"
    return folder


def test_the_same_objects_give_the_same_study(folder):
    again = Study(folder, frame("train", 12), frame("uniform", 10), "demo:global-pooling")
    assert again.analyse().computed == []
    changed = frame("uniform", 10)
    changed["image"].iloc[3][0, 0] ^= 1
    with_change = Study(folder, frame("train", 12), changed, "demo:global-pooling")
    assert with_change.test.fingerprint != again.test.fingerprint
    assert with_change.train.fingerprint == again.train.fingerprint
    with pytest.raises(InputError):
        _ = with_change.results.per_image


def test_without_the_objects_results_are_read_and_the_report_is_made(folder, pages_without_figures):
    study = Study(folder)
    assert len(study.results.per_image) == 10
    assert study.write_report().computed == ["report"]
    with pytest.raises(
        InputError, match=r"a DataFrame of 10 rows were given in memory and are not kept: .*Study\(folder"
    ):
        study.measure_map()
    with pytest.raises(InputError, match="given in memory"):
        study.test.read("3")


def test_a_study_that_was_not_read_says_what_is_missing(tmp_path, fast):
    study = Study(tmp_path / "study", frame("train", 3), frame("uniform", 3), "demo", **fast)
    study.read_images()
    shutil.rmtree(tmp_path / "study" / "images" / "test")
    with pytest.raises(InputError, match="given in memory"):
        Study(tmp_path / "study").read_images()
