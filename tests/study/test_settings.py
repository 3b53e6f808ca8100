import json

import pytest

from bias_toolkit import InputError, Settings


def test_round_trip_through_json():
    settings = Settings(sizes=[0.5, 2.0], protocols=("crop", "embed"), metric="cosine")
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_replace_keeps_what_is_not_given():
    settings = Settings(bins=7).replace({"seed": 3, "metric": None})
    assert (settings.bins, settings.seed, settings.metric) == (7, 3, "euclidean")


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"metric": "manhattan"}, "--metric"),
        ({"feature_dtype": "int8"}, "--feature-dtype"),
        ({"neighbours": 0}, "--neighbours"),
        ({"feature_size": 1.5}, "--feature-size"),
        ({"seed": -1}, "--seed"),
        ({"resamples": 10}, "--resamples"),
        ({"batch_size": 0}, "--batch-size is 0, but must be at least 1"),
        ({"batch_size": 1025}, "--batch-size is 1,025, but must be at most 1,024"),
    ],
)
def test_out_of_range_names_the_option(changes, option):
    with pytest.raises(InputError, match=option):
        Settings(**changes)


def test_unknown_setting():
    with pytest.raises(InputError, match="sizze"):
        Settings.from_dict({"sizze": 1})
