"""Small campaigns of damaged files through the real commands; benchmarks/mutations.py runs large ones."""

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
