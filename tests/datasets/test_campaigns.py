"""Small campaigns of damaged files through the real commands; benchmarks/mutations.py runs large ones."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_damaged_files_end_in_results_or_sentences():
    command = [sys.executable, "-m", "benchmarks.mutations", "--images", "34", "--annotations", "19", "--seed", "1"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "| 36 |" in ended.stdout
    assert "| COCO | 1 | 0 |" in ended.stdout
    assert "Runs in which something was wrong: 0" in ended.stdout
    assert ended.stderr == ""
