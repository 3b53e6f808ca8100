"""Small campaigns of damaged and of changed files through the readers; those of benchmarks/ run large ones."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_damaged_files_end_in_results_or_sentences(capsys, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.mutations import main

    code = main(["--images", "17", "--annotations", "30", "--seed", "1"])
    out, err = capsys.readouterr()
    assert code == 0, out
    assert "| 19 |" in out
    assert "| label map CSV | 1 | 0 |" in out
    assert "Runs in which something was wrong: 0" in out
    assert err == ""


def test_changes_that_stay_valid_give_the_tables_that_must_come_out(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.valid_changes import campaign

    outcomes, wrong = campaign(tmp_path, 1, 0)
    assert wrong == []
    found = {change for (change, outcome), n in outcomes.items() if outcome == "as it must be"}
    assert found >= {"boxes moved", "images exchanged", "a class renamed", "each object twice", "rows reversed", "CRLF"}
