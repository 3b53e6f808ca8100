from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.invariance import (
    RESPONSES,
    Sweep,
    load_responses,
    load_skipped,
    make_views,
    measures_table,
    run_sweep,
)
from bias_toolkit.invariance.packing import evaluate_packed

W = 32
IDS = [f"image-{number:02d}" for number in range(11)]
CROP = Sweep("crop", "diagonal", 1.0)


@pytest.fixture
def images(noise_image):
    return {image_id: noise_image(40, 44, seed) for seed, image_id in enumerate(IDS)}


def run(model, read, folder, ids=IDS, sweep=CROP, labels=None, **settings):
    settings = {"batch_size": 16, "shard_size": 3, **settings}
    run_sweep(model, read, ids, sweep, folder, label_indices=labels or {}, **settings)


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_a_class_that_follows_the_objects_place_changes_with_it(rule_model, tmp_path):
    """A white dot on black: a model that says whether its column is even changes at every step to the right."""
    image = np.zeros((W + 10, W + 10, 3), dtype=np.uint8)
    image[20, 20] = 255

    def parity(pixels, blank):
        column = np.flatnonzero(pixels[..., 0].max(axis=0))[0]
        return np.eye(2)[column % 2], [1.0, column]

    def edge(pixels, blank):
        column = np.flatnonzero(pixels[..., 0].max(axis=0))[0]
        return np.eye(2)[int(column > 14)], [1.0, 0.0]

    expected = {
        ("parity", "diagonal"): 1,
        ("parity", "horizontal"): 1,
        ("parity", "vertical"): 0,
        ("edge", "horizontal"): 1 / 8,
    }
    for (rule, transform), change in expected.items():
        folder = tmp_path / f"{rule}-{transform}"
        model = rule_model({"parity": parity, "edge": edge}[rule])
        run(model, lambda image_id: image, folder, ["dot"], Sweep("crop", transform, 1.0))
        measures = measures_table(load_responses(folder))
        assert measures.loc[0, "p_top1_change"] == change
        assert measures.loc[0, "mac"] == change


def test_the_table_has_every_image_in_order_with_its_sweep_and_label(images, small_net, tmp_path):
    labels = {IDS[0]: 3, IDS[4]: 0}
    run(small_net, images.__getitem__, tmp_path, labels=labels)
    responses = load_responses(tmp_path)
    assert responses.columns.tolist() == RESPONSES.names
    assert responses["image_id"].tolist() == IDS
    assert set(responses["protocol"]) == {"crop"}
    assert set(responses["transform"]) == {"diagonal"}
    assert set(responses["size"]) == {1.0}
    assert set(responses["sampling"]) == {"centre"}
    assert responses["fill"].isna().all()
    assert responses["label_index"].dropna().to_dict() == {0: 3, 4: 0}
    assert responses["p_label"].notna().tolist() == [image_id in labels for image_id in IDS]
    views = make_views(images[IDS[4]], CROP, W, IDS[4])
    probabilities = small_net.evaluate(views.pixels).probabilities
    np.testing.assert_allclose(responses.loc[4, "p_label"], probabilities[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(responses.loc[4, "top1"], probabilities.argmax(axis=1))


def test_ids_may_come_as_a_column_of_a_table(images, small_net, tmp_path):
    run(small_net, images.__getitem__, tmp_path, pd.Series(IDS, index=range(5, 16)))
    assert load_responses(tmp_path)["image_id"].tolist() == IDS


@pytest.mark.parametrize(
    ("sweep", "fill", "sampling"),
    [
        (Sweep("embed", "scale", 2.0, fill="black"), "black", None),
        (Sweep("crop", "diagonal", 0.5, sampling="random"), None, "random"),
        (Sweep("offsets", "random", 1.0, draws=2), None, None),
    ],
)
def test_the_table_tells_the_settings_that_the_sweep_has(sweep, fill, sampling, images, small_net, tmp_path):
    run(small_net, images.__getitem__, tmp_path, sweep=sweep)
    row = load_responses(tmp_path).iloc[0]
    assert row["fill"] == fill or (fill is None and pd.isna(row["fill"]))
    assert row["sampling"] == sampling or (sampling is None and pd.isna(row["sampling"]))
    assert len(row["top1"]) == sweep.n_views
    assert len(row["feature_step"]) == len(sweep.compared()[0])


def test_a_killed_run_goes_on_to_the_same_files(images, small_net, tmp_path):
    run(small_net, images.__getitem__, tmp_path / "whole")

    def killed(image_id):
        if image_id == IDS[7]:
            raise KeyboardInterrupt
        return images[image_id]

    with pytest.raises(KeyboardInterrupt):
        run(small_net, killed, tmp_path / "parts")
    done = files(tmp_path / "parts")
    kinds = ("responses-{}.parquet", "responses-{}.sha256", "skipped-{}.parquet")
    assert sorted(done) == sorted(kind.format(number) for kind in kinds for number in ("00000", "00001"))

    read_again = []

    def read(image_id):
        read_again.append(image_id)
        return images[image_id]

    run(small_net, read, tmp_path / "parts")
    assert sorted(read_again) == IDS[6:]
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    pd.testing.assert_frame_equal(load_responses(tmp_path / "parts"), load_responses(tmp_path / "whole"))


def test_a_shard_without_its_responses_is_done_again(images, small_net, tmp_path):
    run(small_net, images.__getitem__, tmp_path)
    whole = files(tmp_path)
    (tmp_path / "responses-00002.parquet").unlink()
    run(small_net, images.__getitem__, tmp_path)
    assert files(tmp_path) == whole


def test_a_shard_counts_as_done_only_once_its_skipped_images_are_written(images, small_net, tmp_path):
    (tmp_path / "skipped-00001.parquet").mkdir()
    with pytest.raises(OSError, match="skipped-00001"):
        run(small_net, images.__getitem__, tmp_path)
    assert [path.name for path in tmp_path.glob("responses-*.parquet")] == ["responses-00000.parquet"]


def test_a_finished_run_reads_and_evaluates_nothing(images, rule_model, tmp_path):
    model = rule_model(lambda pixels, blank: ([0.6, 0.4], [1.0]))
    run(model, images.__getitem__, tmp_path)
    model.batches.clear()
    run(model, None, tmp_path)
    assert model.batches == []


def test_images_that_cannot_be_read_are_listed_and_left_out(images, small_net, tmp_path):
    broken = {IDS[2], IDS[3], IDS[4], IDS[5], IDS[10]}

    def read(image_id):
        if image_id in broken:
            raise UnreadableImageError(f"truncated at {image_id[-2:]}")
        return images[image_id]

    run(small_net, read, tmp_path)
    skipped = load_skipped(tmp_path)
    assert dict(zip(skipped["image_id"], skipped["reason"], strict=True)) == {
        image_id: f"truncated at {image_id[-2:]}" for image_id in broken
    }
    assert skipped["image_id"].is_monotonic_increasing
    responses = load_responses(tmp_path)
    assert responses["image_id"].tolist() == [image_id for image_id in IDS if image_id not in broken]
    assert len(measures_table(responses)) == 6


def test_where_nothing_can_be_read_every_image_is_listed(small_net, tmp_path):
    def read(image_id):
        raise UnreadableImageError("no")

    run(small_net, read, tmp_path)
    assert load_skipped(tmp_path)["image_id"].tolist() == IDS
    assert len(load_responses(tmp_path)) == 0


def test_a_folder_without_shards_holds_no_rows(tmp_path):
    assert load_responses(tmp_path).columns.tolist() == RESPONSES.names
    assert len(load_responses(tmp_path)) == len(load_skipped(tmp_path)) == 0


def test_other_errors_end_the_run(small_net, tmp_path):
    tiny = Sweep("embed", "diagonal", 2 * W)
    with pytest.raises(InputError, match="--size"):
        run(small_net, lambda image_id: np.zeros((5, 5, 3), dtype=np.uint8), tmp_path, sweep=tiny)
    assert len(load_responses(tmp_path)) == 0


@pytest.mark.parametrize("lost", [0, 1])
def test_an_output_that_is_not_finite_ends_the_run_and_names_the_image(lost, images, rule_model, tmp_path):
    """Otherwise class 0, which is where argmax finds NaN, would be counted as its top-1 class."""
    middle = make_views(images[IDS[4]], CROP, W, IDS[4]).pixels[7]

    def rule(pixels, blank):
        outputs = [0.25, 0.75], [1.0, 0.0]
        if (pixels == middle).all():
            outputs[lost][0] = np.nan
        return outputs

    with pytest.raises(InputError, match="The model's output for image-04 is not finite"):
        run(rule_model(rule), images.__getitem__, tmp_path)
    assert load_responses(tmp_path)["image_id"].tolist() == IDS[:3]


def test_batches_are_full_but_for_the_last_of_a_shard(images, rule_model, tmp_path):
    model = rule_model(lambda pixels, blank: ([0.6, 0.4], [1.0]))

    def read(image_id):
        if image_id == IDS[4]:
            raise UnreadableImageError("no")
        return images[image_id]

    run(model, read, tmp_path, batch_size=10, shard_size=3)
    # 27, 18, 27 and 18 views.
    assert model.batches == [10, 10, 7, 10, 8, 10, 10, 7, 10, 8]


@pytest.mark.parametrize("batch_size", [1, 4, 9, 100])
def test_packing_hands_back_every_image_its_own_outputs(batch_size, rule_model, noise_image):
    model = rule_model(lambda pixels, blank: ([pixels.sum(), 0], [pixels[0, 0, 0], blank.sum()]))
    sweeps = [Sweep("embed", "diagonal", 2.0), Sweep("embed", "scale", 3.0)]
    views = [make_views(noise_image(20, 20, seed), sweeps[seed % 2], W, "a") for seed in range(4)]
    views[1] = views[1][2:5]
    packed = list(evaluate_packed(model, enumerate(views), batch_size))
    assert [key for key, _, _ in packed] == [0, 1, 2, 3]
    for (_, probabilities, features), own in zip(packed, views, strict=True):
        np.testing.assert_array_equal(probabilities[:, 0], own.pixels.sum(axis=(1, 2, 3)))
        np.testing.assert_array_equal(features[:, 0], own.pixels[:, 0, 0, 0])
        np.testing.assert_array_equal(features[:, 1], own.blank.sum(axis=(1, 2)))


@pytest.mark.parametrize("fill", ["mean", "black", "inpaint"])
def test_the_model_is_told_of_the_canvas_only_where_it_is_to_see_its_mean(fill, images, rule_model, tmp_path):
    told = []
    model = rule_model(lambda pixels, blank: (told.append(blank), ([0.6, 0.4], [1.0]))[1])
    run(model, images.__getitem__, tmp_path, IDS[:2], Sweep("embed", "diagonal", 2.0, fill=fill))
    assert len(told) == 18
    if fill == "mean":
        assert [mask.sum() for mask in told] == [W**2 - (W // 2) ** 2] * 18
    else:
        assert told == [None] * 18


def test_progress_counts_every_image_once_and_says_what_was_done_before(images, rule_model, tmp_path):
    model = rule_model(lambda pixels, blank: ([0.6, 0.4], [1.0]))
    tasks = []

    @contextmanager
    def progress(description, total, done=0):
        task = {"description": description, "total": total, "done": done, "advanced": 0}
        tasks.append(task)

        def advance(count):
            task["advanced"] += count

        yield advance

    def read(image_id):
        if image_id == IDS[1]:
            raise UnreadableImageError("no")
        return images[image_id]

    run(model, read, tmp_path, progress=progress)
    (tmp_path / "responses-00001.parquet").unlink()
    run(model, read, tmp_path, progress=progress)
    assert [(task["total"], task["done"], task["advanced"]) for task in tasks] == [(11, 0, 11), (11, 8, 3)]
    assert "crop-1-diagonal" in tasks[0]["description"]
