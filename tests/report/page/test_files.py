"""results.json holds every number and is valid JSON."""

import json

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.report import write
from bias_toolkit.report.page.files import to_json, write_results


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.15), 0.15),
        (np.float64(0.1), 0.1),
        (float("nan"), None),
        (np.float32("inf"), None),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (True, True),
        (None, None),
        (pd.NA, None),
        ("é", "é"),
        ((1, 2.5), [1, 2.5]),
        (np.array([1.0, np.nan]), [1.0, None]),
        ({1: {"a": np.float32(0.1)}}, {"1": {"a": 0.1}}),
        (pd.DataFrame({"a": [1.5, np.nan], "b": ["x", None]}), [{"a": 1.5, "b": "x"}, {"a": None, "b": None}]),
        (pd.DataFrame(), []),
    ],
)
def test_to_json(value, expected):
    found = to_json(value)
    assert found == expected
    assert type(found) is type(expected)


def test_no_nan_and_everything_in_it(shared_source, tmp_path):
    gathered = write.gather(shared_source)
    findings = write.findings_of(gathered, None)
    answers = write.answers_of(gathered, None)
    write_results(write.results(shared_source, gathered, answers, findings), tmp_path)
    text = (tmp_path / "results.json").read_text(encoding="utf-8")

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    found = json.loads(text, parse_constant=refuse)
    assert found["settings"]["seed"] == 3
    assert found["noise_floor"] == {
        "value": 0.0,
        "n_images": 512,
        "n_changed": 0,
        "low": 0.0,
        "high": 0.0072,
        "is_of_all": False,
    }
    assert found["reference_sweep"] == {"protocol": "crop", "transform": "diagonal", "size": 1.0}
    assert [finding["claim"] for finding in found["findings"]] == [finding.claim for finding in findings]
    assert [answer["estimate"]["name"] for answer in found["answers"]] == ["centre_bias", "p_top1_change", "rho"]
    assert found["answers"][1]["estimate"]["n"] == 120
    assert found["framing"]["train"][0]["category"] == ""
    for name in ("summary", "correlations", "curves", "classes"):
        assert len(found[name]) == len(shared_source.table(name))
    row = shared_source.table("correlations").iloc[0]
    assert found["correlations"][0]["rho"] == row["rho"]
    assert "owls & others <i>" in text


def test_what_was_not_computed_is_null(bare_source):
    found = to_json(write.results(bare_source, write.gather(bare_source), [], []))
    assert found["framing"] == {"train": None, "test": None}
    assert found["noise_floor"] is None
    assert found["reference_sweep"] is None
    assert found["summary"] == []
