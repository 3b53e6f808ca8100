import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.foundation.spreadsheet import csv_text

STARTS = "=+-@\t\r\n＝＋－＠"
COMMAND = "=cmd|' /C calc'!A0"


def cells_of(text):
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("start", STARTS)
def test_a_text_that_starts_like_a_formula_is_told_apart(start):
    table = pd.DataFrame({"label": [f"{start}1+1", f"a{start}b", "owl"], "value": [-1.5, 2.0, np.nan]})
    assert cells_of(csv_text(table)) == [
        ["label", "value"],
        [f"'{start}1+1", "-1.5"],
        [f"a{start}b", "2.0"],
        ["owl", ""],
    ]


def test_a_carriage_return_starts_no_row():
    table = pd.DataFrame({"label": [f"owl\r{COMMAND}", None], "value": [-1.5, np.nan]})
    assert cells_of(csv_text(table)) == [["label", "value"], [f"owl\r{COMMAND}", "-1.5"], ["", ""]]


def test_numbers_stay_numbers_and_what_is_missing_stays_empty():
    table = pd.DataFrame(
        {
            "a": np.array([-1, 2], np.int32),
            "b": np.array([-0.1, np.nan], np.float32),
            "c": [True, False],
            "d": pd.array([-3, None], dtype="Int64"),
            "e": [None, COMMAND],
            "f": pd.Categorical([COMMAND, "x"]),
            "g": [-1, COMMAND],
        }
    )
    read = pd.read_csv(io.StringIO(csv_text(table)))
    assert read["a"].tolist() == [-1, 2]
    assert read["b"].tolist()[0] == -0.1
    assert read["b"].isna().tolist() == [False, True]
    assert read["c"].tolist() == [True, False]
    assert read["d"].isna().tolist() == [False, True]
    assert read["e"].tolist()[1] == f"'{COMMAND}"
    assert read["f"].tolist() == [f"'{COMMAND}", "x"]
    assert read["g"].tolist() == ["-1", f"'{COMMAND}"]
    # The table itself is left as it is.
    assert table["e"].tolist()[1] == COMMAND


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.sampled_from([*STARTS, "a", '"', "'", ",", ";", "1"]), max_size=5), min_size=1, max_size=5))
def test_no_cell_can_be_taken_for_a_formula_and_none_is_lost(texts):
    written = csv_text(pd.DataFrame({"text": texts, "number": [-1.0] * len(texts)}))
    cells = cells_of(written)[1:]
    for (text, number), original in zip(cells, texts, strict=True):
        assert not text.startswith(tuple(STARTS))
        assert text.removeprefix("'") == original if original.startswith(tuple(STARTS)) else text == original
        assert number == "-1.0"
