import math
import random
from dataclasses import replace

import numpy as np
import pytest

from bias_toolkit.datasets import demo, load_dataset
from bias_toolkit.datasets.demo import DEMO_DATASETS, demo_consequences, demo_law, demo_scenes, load_demo_dataset
from bias_toolkit.datasets.demo_scenes import IMAGE_SIDE, Scene, draw, glyphs
from bias_toolkit.foundation.errors import InputError, UnreadableImageError


@pytest.fixture(scope="module")
def datasets():
    return {name: load_demo_dataset(name) for name in DEMO_DATASETS}


def framing(dataset):
    """centre_distance and log scale of every object, by their definitions."""
    boxes = dataset.objects[["x0", "y0", "x1", "y1"]].to_numpy(float) / IMAGE_SIDE
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    size = boxes[:, 2:] - boxes[:, :2]
    return np.hypot(*(centre - 0.5).T) / math.sqrt(0.5), np.log(size.prod(axis=1)) / 2


def ink_extent(picture, ground):
    rows = np.flatnonzero((picture != ground).any(axis=(1, 2)))
    columns = np.flatnonzero((picture != ground).any(axis=(0, 2)))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


@pytest.mark.parametrize("ground", [0, 140])
@pytest.mark.parametrize("width", [4, 9, 15, 33, 60])
def test_box_is_the_extent_of_the_ink(ground, width):
    canvas = np.full((IMAGE_SIDE, IMAGE_SIDE, 3), ground, np.uint8)
    for glyph in range(0, len(glyphs().masks), 23):
        height = min(IMAGE_SIDE - 2, round(width / glyphs().aspects[glyph]))
        box = (3, 1, 3 + width, 1 + height)
        scene = Scene(glyph, box, photograph=0, corner=(0, 0), ink=(195, 195, 195), opacity=0.75)
        assert ink_extent(draw(scene, canvas), canvas) == box


@pytest.mark.parametrize("name", DEMO_DATASETS)
def test_recorded_boxes_are_where_the_pictures_differ_from_their_ground(datasets, name):
    objects = datasets[name].objects.set_index("image_id")
    for image_id, scene in list(demo_scenes(name).items())[::29]:
        plain = np.zeros((IMAGE_SIDE, IMAGE_SIDE, 3), np.uint8)
        recorded = tuple(objects.loc[image_id, ["x0", "y0", "x1", "y1"]])
        assert ink_extent(draw(scene, plain), plain) == recorded
        inkless = draw(replace(scene, opacity=0.0), datasets[name].read(image_id))
        np.testing.assert_array_equal(inkless, datasets[name].read(image_id))


@pytest.mark.parametrize("name", DEMO_DATASETS)
def test_tables(datasets, name):
    dataset = datasets[name]
    images, objects = dataset.images, dataset.objects
    assert (
        len(images)
        == len(objects)
        == {"train": 4000, "train-uniform": 4000, "photographer": 1000, "uniform": 2000}[name]
    )
    assert sorted(images["label"].unique()) == list("0123456789")
    assert images["label"].value_counts().min() > len(images) / 20
    assert (images[["width", "height"]] == IMAGE_SIDE).all(axis=None)
    assert (objects["category"].to_numpy() == images["label"].to_numpy()).all()
    assert (objects["object_id"] == 0).all()
    assert (objects[["x0", "y0"]] >= 0).all(axis=None)
    assert (objects[["x1", "y1"]] <= IMAGE_SIDE).all(axis=None)
    assert dataset.skipped.empty
    assert dataset.dropped_boxes == 0
    assert dataset.root == f"demo:{name}"


def test_pictures_do_not_depend_on_the_order_of_reading(datasets):
    ids = list(datasets["uniform"].images["image_id"][:50])
    first = {image_id: datasets["uniform"].read(image_id) for image_id in ids}
    random.Random(1).shuffle(ids)
    again = load_demo_dataset("uniform")
    for image_id in ids:
        picture = again.read(image_id)
        assert picture.dtype == np.uint8
        assert picture.shape == (IMAGE_SIDE, IMAGE_SIDE, 3)
        np.testing.assert_array_equal(picture, first[image_id])
    assert len({picture.tobytes() for picture in first.values()}) == len(ids)


def test_training_and_test_share_no_digit_and_no_part_of_a_photograph():
    scenes = {name: list(demo_scenes(name).values()) for name in DEMO_DATASETS}
    digits = {name: {scene.glyph for scene in each} for name, each in scenes.items()}
    assert digits["train"].isdisjoint(digits["photographer"] | digits["uniform"])
    right_edge = max(scene.corner[0] + IMAGE_SIDE for scene in scenes["train"])
    left_edge = min(scene.corner[0] for name in ("photographer", "uniform") for scene in scenes[name])
    assert right_edge <= left_edge


@pytest.mark.parametrize("name", DEMO_DATASETS)
def test_boxes_follow_the_stated_law(datasets, name):
    """Within four standard errors, to which whole pixels add little."""
    distance, log_scale = framing(datasets[name])
    truth = demo_consequences(name)
    n = len(distance)
    assert distance.mean() == pytest.approx(truth.centre_distance, abs=4 * distance.std() / math.sqrt(n))
    assert log_scale.mean() == pytest.approx(truth.log_scale_mean, abs=4 * log_scale.std() / math.sqrt(n))
    assert np.median(log_scale) == pytest.approx(truth.log_scale_median, abs=6 * log_scale.std() / math.sqrt(n))
    assert log_scale.std() == pytest.approx(truth.log_scale_sd, rel=4 / math.sqrt(2 * n) + 0.02)


def test_training_set_and_photographers_share_a_law_and_uniform_has_no_bias():
    assert demo_law("train") == demo_law("photographer")
    assert demo_consequences("train").centre_bias > 0.6
    assert demo_consequences("uniform").centre_bias == pytest.approx(0, abs=1e-12)
    assert math.exp(demo_consequences("train").log_scale_median) == pytest.approx(0.45, abs=0.005)


def test_fingerprints_and_sources_tell_the_datasets_apart(datasets):
    prints = [dataset.fingerprint for dataset in datasets.values()]
    assert len(set(prints)) == len(DEMO_DATASETS)
    assert load_demo_dataset("train").fingerprint == datasets["train"].fingerprint
    image_id = datasets["train"].images["image_id"][0]
    assert len({dataset.source(image_id) for dataset in datasets.values()}) == len(DEMO_DATASETS)


def test_load_dataset_knows_the_demo(datasets):
    assert load_dataset("demo:uniform").fingerprint == datasets["uniform"].fingerprint


def test_unknown_names():
    for function in (load_demo_dataset, demo_law, demo_consequences, demo_scenes):
        with pytest.raises(InputError, match=r"'test'.*train, train-uniform, photographer, uniform"):
            function("test")
    with pytest.raises(UnreadableImageError, match=r"no image nothing\.png"):
        load_demo_dataset("train").read("nothing.png")


def test_a_recipe_that_was_changed_draws_its_own_scenes(monkeypatch):
    whole = demo_scenes("train")
    with monkeypatch.context() as patch:
        patch.setitem(demo._RECIPES, "train", replace(demo._RECIPES["train"], images=3))
        assert len(demo_scenes("train")) == 3
    assert demo_scenes("train") == whole
