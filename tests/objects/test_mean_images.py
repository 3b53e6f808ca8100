import importlib

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.resampling import named_generator
from bias_toolkit.foundation.shards import cut_into_shards
from bias_toolkit.objects import MeanImages, draw_images, mean_images, means_of_sums, summed_shards
from bias_toolkit.objects.mean_images import limit_of_class

# The package has a function of this name.
mean_images_module = importlib.import_module("bias_toolkit.objects.mean_images")


def tables(labels, categories=None):
    images = pd.DataFrame({"image_id": [f"{i}.png" for i in range(len(labels))], "label": labels})
    objects = images.rename(columns={"label": "category"})
    return images, objects if categories is None else objects.assign(category=categories)


def grey(image_id):
    """An image whose level is its number, in a size of its own."""
    number = int(image_id.split(".")[0])
    return np.full((10 + number, 30 - number, 3), 10 * number, np.uint8)


def test_means_of_the_whole_and_of_each_class():
    images, objects = tables(["b", "a", "b", "a", "b"])
    means = mean_images(grey, images, objects, side=8)
    assert list(means.table["category"]) == ["", "a", "b"]
    assert list(means.table["n_images"]) == list(means.table["n_available"]) == [5, 2, 3]
    assert means.pixels.shape == (3, 8, 8, 3)
    assert means.pixels.dtype == np.uint8
    assert [int(pixels.min()) for pixels in means.pixels] == [20, 20, 20]
    assert [int(pixels.max()) for pixels in means.pixels] == [20, 20, 20]
    assert means.skipped.empty


def test_a_place_of_the_mean_is_a_place_of_the_frame():
    def read(image_id):
        # The right half is red, whatever the image's shape.
        height, width = (20, 60) if image_id == "0.png" else (80, 40)
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[:, width // 2 :, 0] = 200
        return pixels

    means = mean_images(read, *tables(["a", "a"]), side=16)
    assert (means.pixels[0, :, 10:, 0] > 190).all()
    assert (means.pixels[0, :, :6, 0] < 10).all()
    assert not means.pixels[..., 1:].any()


def test_of_many_classes_fewer_images_of_each_are_taken(monkeypatch):
    assert [limit_of_class(n) for n in (0, 1, 500, 501, 1000, 10**6)] == [200, 200, 200, 199, 100, 1]
    monkeypatch.setattr(mean_images_module, "MOST_OF_CLASSES", 7)
    means = mean_images(grey, *tables(["a"] * 5 + ["b"] * 3), side=4)
    assert list(means.table["n_images"]) == [8, 3, 3]


def test_at_most_so_many_images_drawn_by_the_seed():
    read = []

    def reading(image_id):
        read.append(image_id)
        return grey(image_id)

    images, objects = tables(["a"] * 12 + ["b"] * 3)
    means = mean_images(reading, images, objects, most_of_class=4, most_of_all=6, side=4)
    assert list(means.table["n_images"]) == [6, 4, 3]
    assert list(means.table["n_available"]) == [15, 12, 3]
    assert len(read) == len(set(read)) <= 13
    again = mean_images(grey, images, objects, most_of_class=4, most_of_all=6, side=4)
    np.testing.assert_array_equal(means.pixels, again.pixels)
    others = {
        mean_images(grey, images, objects, most_of_class=4, most_of_all=6, side=4, seed=seed).pixels[0, 0, 0, 0]
        for seed in range(8)
    }
    assert len(others) > 1
    # A sample that always took the first images would have a mean of 25.
    assert np.mean([float(level) for level in others]) > 40


def test_without_labels_an_image_is_of_every_category_that_it_shows():
    images, _ = tables([None, None, None])
    objects = pd.DataFrame({"image_id": ["0.png", "0.png", "0.png", "2.png"], "category": ["dog", "cat", "dog", "dog"]})
    means = mean_images(grey, images, objects, side=4)
    assert list(means.table["category"]) == ["", "cat", "dog"]
    assert list(means.table["n_images"]) == [3, 1, 2]
    assert [int(pixels[0, 0, 0]) for pixels in means.pixels] == [10, 0, 10]


def test_images_that_cannot_be_read_are_left_out_and_listed(tmp_path):
    def read(image_id):
        if image_id in ("1.png", "2.png"):
            raise UnreadableImageError("truncated file", transient=image_id == "2.png")
        return grey(image_id)

    means = mean_images(read, *tables(["a", "a", "b", "a"]), side=4)
    assert list(means.table["category"]) == ["", "a"]
    assert list(means.table["n_images"]) == [2, 2]
    assert list(means.skipped["image_id"]) == ["1.png", "2.png"]
    assert list(means.skipped["reason"]) == ["truncated file"] * 2
    assert list(means.skipped["transient"]) == [False, True]
    means.save(tmp_path)
    loaded = MeanImages.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.table, means.table, check_dtype=False)
    np.testing.assert_array_equal(loaded.pixels, means.pixels)
    assert list(loaded.skipped["reason"]) == ["truncated file"] * 2


def test_an_error_that_is_not_the_image_s_is_not_hidden():
    def read(image_id):
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        mean_images(read, *tables(["a"]), side=4)


@pytest.mark.parametrize("size", [1, 4, 100])
def test_means_of_shards_are_those_of_all_images(size):
    def read(image_id):
        if image_id in ("3.png", "11.png"):
            raise UnreadableImageError("it is cut off")
        return grey(image_id)

    images, objects = tables(["b", None, "a", "c"] * 4)
    drawn = draw_images(images, objects, most_of_class=3, most_of_all=9)
    shards = cut_into_shards(drawn.image_ids, size)
    parts = list(summed_shards(read, drawn, shards, side=8, advance=lambda count: None))
    assert len(parts) == len(shards)
    in_shards = means_of_sums(drawn, parts, side=8)
    # An independent way: each mean is of the levels of the images of its row.
    levels = {image_id: int(image_id[:-4]) * 10 for image_id in drawn.rows if image_id not in ("3.png", "11.png")}
    for row, (pixels, n) in enumerate(zip(in_shards.pixels, in_shards.table["n_images"], strict=True)):
        of_row = [level for image_id, level in levels.items() if row in drawn.rows[image_id]]
        assert n == len(of_row)
        assert pixels.min() == pixels.max() == np.rint(np.mean(of_row))
    whole = mean_images(read, images, objects, most_of_class=3, most_of_all=9, side=8)
    np.testing.assert_array_equal(in_shards.pixels, whole.pixels)
    pd.testing.assert_frame_equal(in_shards.table, whole.table)
    pd.testing.assert_frame_equal(in_shards.skipped, whole.skipped)
    assert list(whole.skipped["image_id"]) == [name for name in ("3.png", "11.png") if name in drawn.rows]


def test_images_of_one_class_are_together_so_that_a_shard_has_few_sums():
    drawn = draw_images(*tables(["b", "a"] * 6), most_of_all=2)
    classes = [drawn.rows[image_id][-1] for image_id in drawn.image_ids]
    assert classes == sorted(classes)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_drawn_images_are_those_of_the_least_numbers(labelled):
    rng = np.random.default_rng(3)
    classes = np.array(["c", "a", None, "", "b"], dtype=object)
    images, _ = tables(rng.choice(classes, 200) if labelled else [None] * 200)
    objects = pd.DataFrame({"image_id": images["image_id"].sample(300, replace=True, random_state=0).tolist()})
    objects["category"] = rng.choice(classes, 300)
    drawn = draw_images(images, objects, most_of_class=7, most_of_all=31, seed=5)
    order = dict(zip(images["image_id"], named_generator(5, "mean images").permutation(200), strict=True))
    source = images.rename(columns={"label": "category"}) if labelled else objects
    groups = {"": set(images["image_id"])}
    groups |= {name: set(source["image_id"][source["category"] == name]) for name in "abc"}
    assert dict(zip(drawn.table["category"], drawn.table["n_available"], strict=True)) == {
        name: len(members) for name, members in groups.items()
    }
    assert list(drawn.table["category"]) == ["", "a", "b", "c"]
    assert list(drawn.rows) == [image_id for image_id in images["image_id"] if image_id in drawn.rows]
    for row, members in enumerate(groups.values()):
        least = sorted(members, key=order.get)[: 7 if row else 31]
        assert {image_id for image_id, rows in drawn.rows.items() if row in rows} == set(least)
