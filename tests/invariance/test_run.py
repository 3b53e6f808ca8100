"""Sweeps over images, shard by shard."""

import threading

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.datasets import SKIPPED
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.files import read_shards, write_table
from bias_toolkit.foundation.shards import cut_into_shards
from bias_toolkit.invariance import (
    RESPONSES,
    Sweep,
    load_measures,
    load_responses,
    make_views,
    measures_table,
    sweep_shards,
)
from bias_toolkit.invariance.packing import evaluate_packed

W = 32
IDS = [f"image-{number:02d}" for number in range(11)]
CROP = Sweep("crop", "diagonal", 1.0)


@pytest.fixture
def images(noise_image):
    return {image_id: noise_image(40, 44, seed) for seed, image_id in enumerate(IDS)}


def shards_of(model, read, ids=IDS, sweep=CROP, labels=None, batch_size=16, shard_size=3, advance=lambda _: None):
    shards = cut_into_shards(ids, shard_size)
    options = {"label_indices": labels or {}, "batch_size": batch_size, "advance": advance}
    return sweep_shards(model, read, shards, sweep, **options)


def run(*arguments, **options):
    """The responses and the skipped images of all shards."""
    shards = list(shards_of(*arguments, **options))
    return tuple(pd.concat([shard[name] for shard in shards], ignore_index=True) for name in ("responses", "skipped"))


def test_a_class_that_follows_the_objects_place_changes_with_it(rule_model):
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
        model = rule_model({"parity": parity, "edge": edge}[rule])
        responses, _ = run(model, lambda image_id: image, ["dot"], Sweep("crop", transform, 1.0))
        measures = measures_table(responses)
        assert measures.loc[0, "p_top1_change"] == change
        assert measures.loc[0, "mac"] == change


def test_the_table_has_every_image_in_order_with_its_sweep_and_label(images, small_net):
    labels = {IDS[0]: 3, IDS[4]: 0}
    responses, _ = run(small_net, images.__getitem__, labels=labels)
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
    top = np.take_along_axis(probabilities, responses.loc[4, "top1"][:, None].astype(int), axis=1)[:, 0]
    np.testing.assert_allclose(top, probabilities.max(axis=1), rtol=1e-6)


def test_ids_may_come_as_a_column_of_a_table(images, small_net):
    responses, _ = run(small_net, images.__getitem__, pd.Series(IDS, index=range(5, 16)))
    assert responses["image_id"].tolist() == IDS


@pytest.mark.parametrize(
    ("sweep", "fill", "sampling"),
    [
        (Sweep("embed", "scale", 2.0, fill="black"), "black", None),
        (Sweep("crop", "diagonal", 0.5, sampling="random"), None, "random"),
        (Sweep("offsets", "random", 1.0, draws=2), None, None),
    ],
)
def test_the_table_tells_the_settings_that_the_sweep_has(sweep, fill, sampling, images, small_net):
    row = run(small_net, images.__getitem__, sweep=sweep)[0].iloc[0]
    assert row["fill"] == fill or (fill is None and pd.isna(row["fill"]))
    assert row["sampling"] == sampling or (sampling is None and pd.isna(row["sampling"]))
    assert len(row["top1"]) == sweep.n_views
    assert len(row["feature_step"]) == len(sweep.compared()[0])


def test_images_that_cannot_be_read_are_listed_and_left_out(images, small_net):
    broken = {IDS[2], IDS[3], IDS[4], IDS[5], IDS[10]}

    def read(image_id):
        if image_id in broken:
            raise UnreadableImageError(f"truncated at {image_id[-2:]}", transient=image_id == IDS[4])
        return images[image_id]

    responses, skipped = run(small_net, read)
    assert dict(zip(skipped["image_id"], skipped["reason"], strict=True)) == {
        image_id: f"truncated at {image_id[-2:]}" for image_id in broken
    }
    assert skipped["image_id"].is_monotonic_increasing
    assert skipped.loc[skipped["transient"], "image_id"].tolist() == [IDS[4]]
    assert responses["image_id"].tolist() == [image_id for image_id in IDS if image_id not in broken]
    assert len(measures_table(responses)) == 6


def test_where_nothing_can_be_read_every_image_is_listed(small_net):
    def read(image_id):
        raise UnreadableImageError("no")

    responses, skipped = run(small_net, read)
    assert skipped["image_id"].tolist() == IDS
    assert len(responses) == 0


def test_a_folder_without_shards_holds_no_rows(tmp_path):
    assert load_responses(tmp_path).columns.tolist() == RESPONSES.names
    assert len(load_responses(tmp_path)) == len(read_shards(tmp_path, "skipped", SKIPPED)) == 0


def test_other_errors_end_the_run(small_net):
    tiny = Sweep("embed", "diagonal", 2 * W)
    shards = shards_of(small_net, lambda image_id: np.zeros((5, 5, 3), dtype=np.uint8), sweep=tiny)
    with pytest.raises(InputError, match="--size"):
        next(shards)


@pytest.mark.parametrize("lost", [0, 1])
def test_an_output_that_is_not_finite_ends_the_run_and_names_the_image(lost, images, rule_model):
    """Otherwise class 0, which is where argmax finds NaN, would be counted as its top-1 class."""
    middle = make_views(images[IDS[4]], CROP, W, IDS[4]).pixels[7]

    def rule(pixels, blank):
        outputs = [0.25, 0.75], [1.0, 0.0]
        if (pixels == middle).all():
            outputs[lost][0] = np.nan
        return outputs

    shards = shards_of(rule_model(rule), images.__getitem__)
    assert next(shards)["responses"]["image_id"].tolist() == IDS[:3]
    with pytest.raises(InputError, match="The model's output for image-04 is not finite"):
        next(shards)


def test_batches_are_full_but_for_the_last_of_a_shard(images, rule_model):
    model = rule_model(lambda pixels, blank: ([0.6, 0.4], [1.0]))

    def read(image_id):
        if image_id == IDS[4]:
            raise UnreadableImageError("no")
        return images[image_id]

    run(model, read, batch_size=10, shard_size=3)
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
def test_the_model_is_told_of_the_canvas_only_where_it_is_to_see_its_mean(fill, images, rule_model):
    told = []
    model = rule_model(lambda pixels, blank: (told.append(blank), ([0.6, 0.4], [1.0]))[1])
    run(model, images.__getitem__, IDS[:2], Sweep("embed", "diagonal", 2.0, fill=fill))
    assert len(told) == 18
    if fill == "mean":
        assert [mask.sum() for mask in told] == [W**2 - (W // 2) ** 2] * 18
    else:
        assert told == [None] * 18


def test_a_shard_does_not_depend_on_those_before_it(images, small_net):
    whole = list(shards_of(small_net, images.__getitem__))
    options = {"label_indices": {}, "batch_size": 16, "advance": lambda _: None}
    asked = cut_into_shards(IDS, 3)[1::2]
    apart = list(sweep_shards(small_net, images.__getitem__, asked, CROP, **options))
    for shard, expected in zip(apart, whole[1::2], strict=True):
        pd.testing.assert_frame_equal(shard["responses"], expected["responses"], check_exact=True)


def test_an_interruption_comes_after_the_shards_that_were_whole_before_it(images, small_net):
    def read(image_id):
        if image_id == IDS[7]:
            raise KeyboardInterrupt
        return images[image_id]

    shards = shards_of(small_net, read)
    assert [next(shards)["responses"]["image_id"].tolist() for _ in range(2)] == [IDS[:3], IDS[3:6]]
    with pytest.raises(KeyboardInterrupt):
        next(shards)


def test_the_model_is_given_the_next_shard_before_it_answers_the_last_batch(images, rule_model):
    """A model that keeps two batches under way is never without one, also at the end of a shard."""
    model = rule_model(lambda pixels, blank: ([0.6, 0.4], [1.0]))
    events = []

    def two_ahead(batches):
        under_way = []
        for pixels, _ in batches:
            events.append("given")
            under_way.append(model.evaluate(pixels))
            if len(under_way) == 2:
                events.append("answered")
                yield under_way.pop(0)
        yield from under_way

    model.evaluate_batches = two_ahead
    # One batch for each shard.
    first = next(shards_of(model, images.__getitem__, batch_size=27))
    assert first["responses"]["image_id"].tolist() == IDS[:3]
    assert events == ["given", "given", "answered"]


def test_advance_counts_every_image_once(images, rule_model):
    def read(image_id):
        if image_id == IDS[1]:
            raise UnreadableImageError("no")
        return images[image_id]

    counts = []
    run(rule_model(lambda pixels, blank: ([0.6, 0.4], [1.0])), read, advance=counts.append)
    assert sum(counts) == len(IDS)


def test_closing_early_ends_the_threads(images, small_net):
    before = threading.active_count()
    shards = shards_of(small_net, images.__getitem__)
    next(shards)
    shards.close()
    assert threading.active_count() == before


def test_shards_in_a_folder_are_read_in_order(images, small_net, tmp_path):
    broken = {IDS[0], IDS[7]}

    def read(image_id):
        if image_id in broken:
            raise UnreadableImageError("no")
        return images[image_id]

    responses, skipped = run(small_net, read, labels={IDS[4]: 1})
    for number, shard in enumerate(shards_of(small_net, read, labels={IDS[4]: 1}), 99_998):
        for name, schema in (("responses", RESPONSES), ("skipped", SKIPPED)):
            write_table(shard[name], tmp_path / f"{name}-{number}.parquet", schema)
    assert load_responses(tmp_path)["image_id"].tolist() == responses["image_id"].tolist()
    pd.testing.assert_frame_equal(read_shards(tmp_path, "skipped", SKIPPED), skipped)
    pd.testing.assert_frame_equal(load_measures(tmp_path), measures_table(responses))
