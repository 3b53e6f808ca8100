"""`bias-toolkit run-shards`."""

import json

import pytest

from bias_toolkit import Study


def test_a_step_is_begun_done_in_parts_and_finished_by_the_next_command(run, photographs, tmp_path):
    inputs = ["--train", photographs["train"], "--test", photographs["test"], "--model", "demo", "--runtime", "torch"]
    step, study = "responses/crop-1-diagonal", tmp_path / "study"
    code, _, err = run("run-shards", study, step, *inputs, "--part", "1/2")
    assert code == 2
    assert f"{study / step} is not begun with these inputs and settings; run `bias-toolkit run-shards" in err
    assert run("run-shards", study, step, *inputs)[1] == f"{step} is begun; 2 shards missing.\n"
    assert not list((study / step).glob("*.sha256"))
    assert json.loads(run("run-shards", study, step, "--part", "2/2", "--json")[1]) == {"shards": 1}
    assert run("run-shards", study, step, "--part", "1/2")[1] == f"Part 1/2 of {step}: 1 shard done.\n"
    files = {path: path.stat().st_mtime_ns for path in (study / step).glob("responses-*")}
    assert len(files) == 4
    assert run("sweep", study, "--noise-images", "8")[0] == 0
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert len(Study(study).responses) == 70


@pytest.mark.parametrize("part", ["0/16", "17/16", "3", "1/0", "a/b"])
def test_a_part_that_cannot_be_is_refused(run, finished, part):
    code, _, err = run("run-shards", finished.folder, "features/train", "--part", part)
    assert code == 2
    assert f"--part is '{part}', but must be such as 3/16: the third of 16 parts." in err


def test_a_step_without_parts_is_refused_with_those_that_have_some(run, finished):
    code, _, err = run("run-shards", finished.folder, "index")
    assert code == 2
    assert "No step 'index' is done in parts; those that are: features/train, features/test, " in err
