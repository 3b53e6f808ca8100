"""Sweeps in the cells of a framing map."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.files import write_table
from bias_toolkit.foundation.shards import cut_into_shards
from bias_toolkit.invariance import FRAMED, FramingGrid, grid_shards, load_grid, take_picture
from bias_toolkit.invariance.framing_grid import framed_window
from bias_toolkit.models import load_model

GRID = FramingGrid((0.5, 0.65), (0.4, 0.7))
BOXES = {"a": [10, 10, 50, 60], "b": [20, 30, 60, 60], "c": [5, 5, 70, 70]}
LABELS = {"a": 3, "b": 7}


@pytest.fixture(scope="module")
def model():
    return load_model("demo:global-pooling", runtime="torch")


@pytest.fixture
def images(random_image):
    return {name: random_image(74, 74, seed) for seed, name in enumerate(("a", "b", "c", "whole"))}


def shards_of(model, read, surroundings="mean", ids=("a", "b", "c", "whole"), **options):
    options = {"label_indices": LABELS, "batch_size": 32, "advance": lambda _: None} | options
    return grid_shards(model, read, cut_into_shards(ids, 2), BOXES, GRID, surroundings, **options)


def run(*arguments, **options):
    """The measures of all shards, as they come back from disk."""
    tables = [pa.Table.from_pandas(shard["framed"], FRAMED) for shard in shards_of(*arguments, **options)]
    return pa.concat_tables(tables).to_pandas()


@pytest.mark.parametrize("surroundings", ["mean", "black", "inpaint", "real"])
def test_every_number_is_that_of_the_views_cell_by_cell(model, images, surroundings):
    table = run(model, images.__getitem__, surroundings)
    fill = "mean" if surroundings == "real" else surroundings
    expected = []
    for name, image in images.items():
        box = BOXES.get(name, (0, 0, 74, 74))
        for cell in GRID.cells:
            window = framed_window(box, 74, 74, cell, 64, surroundings)
            if window is None:
                continue
            picture = take_picture(image, window, 4, fill)
            views = np.stack([picture.pixels[k : k + 64, k : k + 64] for k in range(9)])
            blank = np.stack([picture.outside[k : k + 64, k : k + 64] for k in range(9)])
            p = model.evaluate(views, blank if fill == "mean" else None).probabilities
            top = p.argmax(axis=1)
            label = LABELS.get(name)
            expected.append(
                {
                    "image_id": name,
                    "cx": cell.cx,
                    "cy": cell.cy,
                    "scale": cell.scale,
                    "made_up": picture.outside[4:68, 4:68].mean(),
                    "p_top1_change": np.mean([top[k] != top[k + 1] for k in range(8)]),
                    "mac": np.mean([abs(p[k][top[k]] - p[k + 1][top[k]]) for k in range(8)]),
                    "accuracy": np.nan if label is None else np.mean(top == label),
                    "top1": top[4],
                    "confidence": p[4].max(),
                    "margin": np.sort(p[4])[-1] - np.sort(p[4])[-2],
                }
            )
    expected = pd.DataFrame(expected)
    assert len(expected) >= (2 if surroundings == "real" else 20)
    pd.testing.assert_frame_equal(
        table[list(expected)], expected, check_dtype=False, rtol=1e-4, atol=1e-5, check_exact=False
    )
    assert table["surroundings"].eq(surroundings).all()
    assert table["label_index"].isna().equals(~table["image_id"].isin(LABELS))
    if surroundings == "real":
        assert table["made_up"].eq(0).all()


def test_magnification_is_pixels_of_the_view_to_one_of_the_image(model, images):
    table = run(model, images.__getitem__, ids=("a",))
    # 40 × 50 pixels are shown on 0.4 × 64 squared, up to a pixel of the image's side.
    assert table.loc[table["scale"].eq(0.4), "magnification"].to_numpy() == pytest.approx(25.6 / 2000**0.5, abs=0.01)


def test_an_image_that_cannot_be_read_is_left_out_and_listed(model, images):
    def read(name):
        if name == "b":
            raise UnreadableImageError("cut short")
        return images[name]

    counts = []
    first, second = shards_of(model, read, ids=("a", "b", "c"), advance=counts.append)
    assert set(first["framed"]["image_id"]) == {"a"}
    assert set(second["framed"]["image_id"]) == {"c"}
    assert first["skipped"].to_dict("records") == [{"image_id": "b", "reason": "cut short", "transient": False}]
    assert second["skipped"].empty
    assert sum(counts) == 3


def test_shards_in_a_folder_are_read_in_order(model, images, tmp_path):
    """Null accuracy in one shard and none in another are one column."""
    for number, shard in enumerate(shards_of(model, images.__getitem__)):
        write_table(shard["framed"], tmp_path / f"framed-{number:05d}.parquet", FRAMED)
    pd.testing.assert_frame_equal(load_grid(tmp_path), run(model, images.__getitem__), check_exact=True)


def test_an_output_that_is_not_finite_ends_the_run_and_names_the_image(model, images, monkeypatch):
    evaluate_batches = model.evaluate_batches

    def broken(batches):
        for outputs in evaluate_batches(batches):
            outputs.probabilities[-1] = np.nan
            yield outputs

    monkeypatch.setattr(model, "evaluate_batches", broken)
    with pytest.raises(InputError, match="The model's output for b is not finite"):
        run(model, images.__getitem__, ids=("a", "b"), batch_size=1000)


def test_a_shard_without_a_cell_is_a_shard(model, images):
    (shard,) = shards_of(model, images.__getitem__, "real", ids=("whole",))
    assert shard["framed"].empty
    assert shard["skipped"].empty


def test_an_unknown_transform_is_refused(model, images):
    """Not taken for the diagonal."""
    with pytest.raises(InputError, match="--transform sideways is not a transform of --protocol crop"):
        shards_of(model, images.__getitem__, transform="sideways")
