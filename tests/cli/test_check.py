"""`check`: exit code 0 if a limit is kept, 1 if not, 2 if that cannot be said."""

import json
import shutil

import pytest

from bias_toolkit import Study


@pytest.fixture(scope="module")
def measured(finished):
    """Each measure's value and interval in the finished study."""
    rows = finished.analysis.summary.set_index("measure")
    return {
        name: rows.loc[name, ["value", "low", "high"]].astype(float) for name in ("p_top1_change", "mac", "accuracy")
    }


@pytest.mark.parametrize(
    ("option", "measure", "end"),
    [
        ("--max-p-top1-change", "p_top1_change", "high"),
        ("--max-mac", "mac", "high"),
        ("--min-accuracy", "accuracy", "low"),
    ],
)
def test_the_end_of_the_interval_decides(run, finished, measured, option, measure, end):
    edge = float(measured[measure][end])
    side = 1e-6 if end == "high" else -1e-6
    kept, missed = {"high": ("at most", "above"), "low": ("at least", "below")}[end]
    for limit, code, words in ((edge + side, 0, kept), (edge, 0, kept), (edge - side, 1, missed)):
        ended, out, err = run("check", finished.folder, option, repr(limit))
        assert (ended, err) == (code, "")
        assert out.count("\n") == 1
        assert f" end is {words} the limit of " in out


def test_one_sentence_with_the_number_and_its_interval(run, finished, measured):
    _, out, _ = run("check", finished.folder, "--max-p-top1-change", "0.001")
    value, low, high = (f"{each:.3f}" for each in measured["p_top1_change"])
    assert out == (
        f"P(top-1 change) is {value} (95% interval {low} to {high}; 70 images): the upper end is above the limit of "
        "0.001.\n"
    )


def test_json_and_several_limits(run, finished, measured):
    options = ("--max-p-top1-change", "0.001", "--max-mac", "1", "--json")
    code, out, _ = run("check", finished.folder, *options)
    assert code == 1
    told = json.loads(out)
    assert told["passed"] is False
    assert [each["passed"] for each in told["limits"]] == [False, True]
    first = told["limits"][0]
    assert (first["measure"], first["limit"], first["n"]) == ("p_top1_change", 0.001, 70)
    assert [first[name] for name in ("value", "low", "high")] == pytest.approx(measured["p_top1_change"].tolist())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "No limit was given"),
        (("--max-mac", "1.5"), "--max-mac is 1.5, but must be a share from 0 to 1"),
        (("--max-mac", "nan"), "--max-mac is nan"),
    ],
)
def test_bad_limits(run, finished, options, words):
    code, out, err = run("check", finished.folder, *options)
    assert (code, out) == (2, "")
    assert words in err


def test_no_finished_report(run, finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "study")
    shutil.rmtree(folder / "report")
    code, out, err = run("check", folder, "--max-mac", "1")
    assert (code, out) == (2, "")
    assert "run `bias-toolkit report`" in err
    assert run("check", tmp_path, "--max-mac", "1")[0] == 2
    # A report of other settings is not the study's.
    again = shutil.copytree(finished.folder, tmp_path / "again")
    Study(again, bins=3).analyse()
    assert run("check", again, "--max-mac", "1")[0] == 2
