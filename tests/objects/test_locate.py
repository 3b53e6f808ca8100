import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from torch import nn

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.shards import cut_into_shards
from bias_toolkit.models import Model, Preprocessing
from bias_toolkit.models.activation_map import ActivationMap
from bias_toolkit.objects.locate import (
    ESTIMATED_OBJECTS,
    LOCATED,
    NO_BOX,
    LocatingView,
    estimated_objects,
    load_located,
    located_shards,
)
from bias_toolkit.study.steps.located import whole_view

SIDE, STRIDE = 64, 8
PLAIN = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1))
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)


class Colours(nn.Module):
    """Class k fires where the view has the colour k: a convolution of stride 8, then the mean."""

    def __init__(self):
        super().__init__()
        self.pool = nn.Conv2d(3, 3, STRIDE, stride=STRIDE)
        self.head = nn.Linear(3, 3)
        with torch.no_grad():
            self.pool.weight.copy_(
                (1.5 * torch.eye(3) - 0.5)[:, :, None, None].expand(3, 3, STRIDE, STRIDE) / STRIDE**2
            )
            self.pool.bias.zero_()
            self.head.weight.copy_(30 * torch.eye(3))
            self.head.bias.copy_(torch.tensor([0.0, 0.1, 0.2]))

    def forward(self, x):
        return self.head(torch.relu(self.pool(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def colours():
    return ActivationMap(Model("colours", Colours(), input_size=SIDE, preprocessing=PLAIN))


def scene(width, height, boxes):
    """A black image with boxes (x0, y0, x1, y1, colour)."""
    image = np.zeros((height, width, 3), np.uint8)
    for x0, y0, x1, y1, colour in boxes:
        image[y0:y1, x0:x1] = COLOURS[colour]
    return image


def view(image):
    return whole_view(image, SIDE)


def shards_of(colours, read, ids, classes=None, make_view=view, shard_size=256, **options):
    options = {"class_indices": classes or {}, "threshold": 0.5, "advance": lambda _: None} | options
    return located_shards(colours, read, make_view, cut_into_shards(ids, shard_size), **options)


def run(colours, images, classes=None, **options):
    """The located images of all shards, as they come back from disk."""
    shards = shards_of(colours, images.__getitem__, list(images), classes, **options)
    tables = [pa.Table.from_pandas(shard["located"], LOCATED) for shard in shards]
    return pa.concat_tables(tables).to_pandas()


@pytest.mark.parametrize(("width", "height"), [(64, 64), (200, 100), (90, 300), (512, 512)])
def test_a_coloured_square_is_found_to_within_a_stride(width, height, colours):
    """Wherever it is: outside the central square of a wide or a high image too."""
    rng = np.random.default_rng(0)
    images, truth = {}, []
    for number in range(40):
        w, h = (int(rng.integers(side // 5, side // 2)) for side in (width, height))
        x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
        images[f"{number}.png"] = scene(width, height, [(x, y, x + w, y + h, 0)])
        truth.append((x, y, x + w, y + h))
    located = run(colours, images, dict.fromkeys(images, 0))
    error = located[["x0", "y0", "x1", "y1"]].to_numpy() - np.array(truth)
    stride = np.array([width, height] * 2) * STRIDE / SIDE
    assert (np.abs(error) <= stride + 1e-3).all()
    assert (np.abs(error.mean(axis=0)) < 0.2 * stride).all()
    assert located["image_id"].tolist() == list(images)
    edges = located[["x0", "y0", "x1", "y1"]].to_numpy()
    assert edges.min() >= 0
    assert edges[:, 2].max() <= width
    assert edges[:, 3].max() <= height


def test_the_label_s_class_is_located_and_otherwise_the_most_probable(colours):
    large, small = (0, 0, 40, 64, 1), (48, 0, 64, 16, 0)
    images = {name: scene(64, 64, [large, small]) for name in ("labelled", "unlabelled")}
    located = run(colours, images, {"labelled": 0}).set_index("image_id")
    assert located["class_index"].to_dict() == {"labelled": 0, "unlabelled": 1}
    assert located["located_by"].to_dict() == {"labelled": "label", "unlabelled": "top-1"}
    assert located.loc["labelled", "x0"] > 40 > 39 > located.loc["unlabelled", "x0"]
    assert located.loc["labelled", "score"] < 0.5 < located.loc["unlabelled", "score"]
    expected = colours(np.stack([images["labelled"]])).probabilities[0]
    np.testing.assert_allclose(located["score"], expected[[0, 1]], rtol=1e-5)


def test_an_image_that_says_nothing_for_its_class_gets_no_box_but_a_reason(colours):
    images = {"red": scene(64, 64, [(0, 0, 32, 32, 0)]), "blue": scene(64, 64, [(0, 0, 32, 32, 2)])}
    located = run(colours, images, dict.fromkeys(images, 0)).set_index("image_id")
    assert located.loc["blue", "reason"] == NO_BOX
    assert pd.isna(located.loc["blue", "x0"])
    assert pd.isna(located.loc["red", "reason"])
    assert located.loc["red", "x0"] == 0
    table = estimated_objects(located.reset_index(), pd.DataFrame({"image_id": ["red", "blue"], "label": ["a", "b"]}))
    assert table["image_id"].tolist() == ["red"]


def test_an_unreadable_image_is_listed_and_the_others_located(colours):
    images = {f"{n}": scene(64, 64, [(0, 0, 32, 32, 0)]) for n in range(5)}

    def read(image_id):
        if image_id == "3":
            raise UnreadableImageError("truncated", transient=True)
        return images[image_id]

    counts = []
    first, second = shards_of(colours, read, list(images), batch_size=2, shard_size=4, advance=counts.append)
    located = pd.concat([first["located"], second["located"]])
    assert located["image_id"].tolist() == list(images)
    assert located["reason"].fillna("").tolist() == ["", "", "", "truncated", ""]
    assert located["located_by"].isna().tolist() == [False, False, False, True, False]
    assert first["skipped"].to_dict("records") == [{"image_id": "3", "reason": "truncated", "transient": True}]
    assert second["skipped"].empty
    assert sum(counts) == 5


def test_a_shard_does_not_depend_on_those_before_it(colours):
    images = {f"{n}": scene(64, 64, [(n, 0, n + 20, 30, 0)]) for n in range(10)}
    whole = run(colours, images, shard_size=4)
    apart = run(colours, {name: images[name] for name in ("4", "5", "6", "7")})
    pd.testing.assert_frame_equal(apart, whole[4:8].reset_index(drop=True), check_exact=True)


def test_closing_early_ends_the_threads(colours):
    images = {f"{n}": scene(64, 64, [(n, 0, n + 20, 30, 0)]) for n in range(10)}
    before = threading.active_count()
    shards = shards_of(colours, images.__getitem__, list(images), shard_size=2)
    next(shards)
    shards.close()
    assert threading.active_count() == before


def test_the_box_is_placed_by_the_view_s_edges(colours):
    """A view of a part of the image: its pixels are scaled to that part, each axis by itself."""
    image = scene(64, 64, [(16, 24, 48, 40, 0)])
    (shard,) = shards_of(
        colours, lambda _: image, ["a"], {"a": 0}, lambda pixels: LocatingView(pixels, (100, 10, 228, 42))
    )
    box = shard["located"][["x0", "y0", "x1", "y1"]].to_numpy(float)[0]
    np.testing.assert_allclose(box, [100 + 16 * 2, 10 + 24 / 2, 100 + 48 * 2, 10 + 40 / 2], atol=4)


def test_table_is_typed_and_named_for_the_objects(colours):
    images = {"a": scene(64, 64, [(0, 0, 32, 32, 0)]), "b": scene(64, 64, [(0, 0, 32, 32, 1)])}
    located = run(colours, images, {"a": 0})
    assert located.columns.tolist() == LOCATED.names
    labels = pd.DataFrame({"image_id": ["b", "a"], "label": [None, "rouge"]})
    named = estimated_objects(located, labels, ["red", "green", "blue"])
    assert named.columns.tolist() == ESTIMATED_OBJECTS.names
    assert named["category"].tolist() == ["rouge", "green"]
    assert named["object_id"].tolist() == [0, 0]
    assert estimated_objects(located, labels)["category"].tolist() == ["rouge", "1"]


def test_a_folder_without_shards_gives_an_empty_table(tmp_path):
    assert load_located(tmp_path).columns.tolist() == LOCATED.names
    assert load_located(tmp_path).empty
    images = pd.DataFrame({"image_id": [], "label": []})
    assert estimated_objects(load_located(tmp_path), images).empty


def test_whole_view_shows_all_of_the_image():
    image = scene(300, 100, [(0, 0, 30, 100, 0), (270, 0, 300, 100, 2)])
    pixels, edges = whole_view(image, 50)
    assert pixels.shape == (50, 50, 3)
    assert edges == (0, 0, 300, 100)
    assert (pixels[:, 1] == COLOURS[0]).all()
    assert (pixels[:, 48] == COLOURS[2]).all()
