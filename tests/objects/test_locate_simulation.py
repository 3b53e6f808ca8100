"""Locating the digits of the built-in dataset, whose boxes and whose law are known."""

import numpy as np
import pandas as pd
import pytest

from bias_toolkit import load_dataset, load_model
from bias_toolkit.foundation.shards import cut_into_shards
from bias_toolkit.models.activation_map import ActivationMap
from bias_toolkit.objects.locate import estimated_objects, located_shards
from bias_toolkit.objects.locate_quality import localisation_quality
from bias_toolkit.study.steps.located import whole_view

IMAGES = 250


@pytest.fixture(scope="module")
def qualities():
    """LOCALISATION tables of the demo's two test sets, located by the network that averages its feature map."""
    model = load_model("demo:global-pooling", device="cpu", runtime="torch")
    activation_map = ActivationMap(model)
    tables = {}
    for name in ("photographer", "uniform"):
        dataset = load_dataset(f"demo:{name}")
        images = dataset.images.head(IMAGES)
        shards = located_shards(
            activation_map,
            dataset.read,
            lambda image: whole_view(image, model.input_size),
            cut_into_shards(images["image_id"].tolist(), 256),
            class_indices=dict(zip(images["image_id"], images["label"].astype(int), strict=True)),
            advance=lambda _: None,
        )
        own = dataset.objects[dataset.objects["image_id"].isin(images["image_id"])]
        located = pd.concat([shard["located"] for shard in shards])
        estimated = estimated_objects(located, images, model.class_names)
        tables[name] = localisation_quality(estimated, own, images, resamples=300)
    return tables


def row(table, criterion, estimator="estimated"):
    return table[table["criterion"].eq(criterion) & table["estimator"].eq(estimator)].iloc[0]


def test_map_of_this_network_is_exact():
    assert ActivationMap(load_model("demo:global-pooling", device="cpu")).is_exact
    assert not ActivationMap(load_model("demo:fully-connected", device="cpu")).is_exact


def test_where_objects_are_anywhere_they_are_located_better_than_by_the_middle(qualities):
    table = qualities["uniform"]
    for criterion in ("localisation_accuracy", "median_iou", "cx_sd", "cy_sd", "log_scale_sd"):
        assert row(table, criterion)["gain_low"] > 0, criterion
    assert row(table, "rho_centre_distance")["low"] > 0.5
    assert row(table, "rho_scale")["low"] > 0.5
    assert abs(row(table, "cx_bias")["value"]) < 0.03
    assert abs(row(table, "cy_bias")["value"]) < 0.03


def test_where_all_objects_are_in_the_middle_no_estimate_can_beat_it(qualities):
    table = qualities["photographer"]
    assert row(table, "localisation_accuracy")["gain_high"] < 0
    assert row(table, "localisation_accuracy", "centred")["value"] > 0.8


def test_estimated_boxes_are_centred_where_the_law_centres_nothing(qualities):
    """What a report warns of: the estimate's own centring, in a dataset whose law has none."""
    table = qualities["uniform"]
    own, found = (row(table, "untruncated_centre_bias", each) for each in ("given", "estimated"))
    assert own["low"] < 0.1
    assert found["low"] > 0.1
    assert found["gain_low"] > 0
    assert row(table, "truncated_share")["gain_low"] > 0


def test_order_of_the_two_datasets_survives_the_estimate(qualities):
    biases = {name: row(table, "untruncated_centre_bias") for name, table in qualities.items()}
    assert biases["photographer"]["low"] > biases["uniform"]["high"]
    assert np.isfinite(biases["uniform"]["value"])
