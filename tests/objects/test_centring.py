"""Which estimate of centring is reported."""

import numpy as np
import pytest

from bias_toolkit.objects import OF_ALL_OBJECTS, OF_UNCUT_OBJECTS, centring


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"truncated_share": 0.02, "untruncated_centre_bias": 0.5}, OF_ALL_OBJECTS),
        ({"truncated_share": 0.1, "untruncated_centre_bias": 0.5}, OF_UNCUT_OBJECTS),
        ({"truncated_share": 0.9, "untruncated_centre_bias": np.nan}, OF_ALL_OBJECTS),
        ({"truncated_share": 0.9, "untruncated_centre_bias": None}, OF_ALL_OBJECTS),
        ({"truncated_share": np.nan, "untruncated_centre_bias": 0.5}, OF_ALL_OBJECTS),
        ({}, OF_ALL_OBJECTS),
    ],
)
def test_where_the_border_cuts_many_objects_the_others_tell(row, expected):
    assert centring(row) == expected


def test_the_columns_are_those_of_the_summary():
    from bias_toolkit.objects import FRAMING_SUMMARY

    for each in (OF_ALL_OBJECTS, OF_UNCUT_OBJECTS):
        assert {each.column, each.p_value, each.q_value, each.n_objects} <= set(FRAMING_SUMMARY.names)
