"""`bias-toolkit verify` finds every damaged file, and what steps write is all in their records."""

import itertools
import json
import os

import pytest

from bias_toolkit import Study
from bias_toolkit.pipeline.record import read_record
from bias_toolkit.study import steps
from bias_toolkit.study.record import RECORD
from bias_toolkit_cli.main import main

UNRECORDED = {"step.json", "study.json", "skipped.csv", ".lock"}
TIMED = ("report/index.html", "report/results.json")


def written(study):
    """The files of a study that steps have written, by their steps."""
    files = {}
    for record in sorted(study.rglob("step.json")):
        folder = record.parent
        files[folder.relative_to(study).as_posix()] = sorted(read_record(folder).files)
    return files


def test_every_file_is_in_the_record_of_its_step(complete):
    recorded = {f"{step}/{name}" for step, names in written(complete.folder).items() for name in names}
    there = {path.relative_to(complete.folder).as_posix() for path in complete.folder.rglob("*") if path.is_file()}
    assert {name for name in there - recorded if name.rpartition("/")[2] not in UNRECORDED} == set()
    assert recorded <= there
    assert {each.partition("/")[0] for each in recorded} >= {"map", "sizes", "explanations", "located", "report"}
    assert (complete.folder / RECORD).name in {path.name for path in complete.folder.iterdir()}


def flip(path):
    """Change a byte of a file, which keeps its size and its time."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.fixture
def verify(capsys):
    """A function that runs the command, and gives its exit code and the files that it lists."""

    def run(study):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["verify", str(study), "--json"])
        damaged = json.loads(capsys.readouterr().out)["damaged"]
        return end.value.code or 0, {f"{row['step']}/{row['file']}": row["command"] for row in damaged}

    return run


def test_a_whole_study_is_whole(complete, verify, capsys):
    assert verify(complete.folder) == (0, {})
    with pytest.raises(SystemExit) as end:
        main(["verify", str(complete.folder)])
    assert not end.value.code
    assert "is as it was written" in capsys.readouterr().out


def test_a_changed_byte_of_any_file_is_found(copy_of_complete):
    """Size and time are kept, so that nothing but reading it shows the damage."""
    study = Study(copy_of_complete)
    files = [(step, name) for step, names in written(copy_of_complete).items() for name in names]
    assert len(files) > 100
    # Some at a time, so that every file is once among those that are damaged, and most often not.
    for start in range(10):
        chosen = files[start::10]
        for step, name in chosen:
            flip(copy_of_complete / step / name)
        found = study.verify()
        assert set(zip(found["step"], found["file"], strict=True)) == set(chosen)
        assert found["reason"].eq("its content is not what was written").all()
        for step, name in chosen:
            flip(copy_of_complete / step / name)
    assert study.verify().empty


def test_the_command_says_so(copy_of_complete, verify, capsys):
    flip(copy_of_complete / "noise" / "noise.json")
    (copy_of_complete / "sizes" / "curve" / "summary.parquet").unlink()
    (copy_of_complete / "measures" / "step.json").write_text("")
    flip(copy_of_complete / "images" / "train" / "images.parquet")
    code, found = verify(copy_of_complete)
    assert code == 1
    assert found == {
        "images/train/images.parquet": "report",
        "measures/step.json": "sweep",
        "noise/noise.json": "sweep",
        "sizes/curve/summary.parquet": "sizes",
    }
    with pytest.raises(SystemExit) as end:
        main(["verify", str(copy_of_complete)])
    assert end.value.code == 1
    told = capsys.readouterr().out
    assert "noise/noise.json: its content is not what was written." in told
    assert "sizes/curve/summary.parquet: it was removed." in told
    assert "Run `bias-toolkit sweep`, `bias-toolkit sizes`, `bias-toolkit report` on the study" in told


RUN = {
    "report": Study.read_images,
    "embed": Study.embed,
    "index": Study.build_index,
    "sweep": Study.sweep,
    "objects": Study.measure_objects,
    "analyse": Study.analyse,
    "sizes": Study.measure_sizes,
    "layers": Study.measure_layers,
    "remedies": Study.measure_remedies,
    "flag": Study.fit_flag,
}
ELSEWHERE = ("map", "explanations", "report")
"""The steps of which tests/study/test_interruption.py sees that they are made anew to the bit."""


def test_the_commands_that_it_names_repair_it_to_the_bit(copy_of_complete, verify, digests):
    """The first file of every second step and the last of the others are damaged; of a step's members, those of one."""

    def compared():
        found = digests(copy_of_complete)
        return {name: each for name, each in found.items() if not name.endswith("step.json") and name not in TIMED}

    before = compared()
    # Of a step's members, and of its parts, one does for all: each is computed by the same function.
    alone = {step.name for step in steps.STEPS}
    by_kind = {
        name if name in alone else name.partition("/")[0]: (name, names)
        for name, names in written(copy_of_complete).items()
        if name.partition("/")[0] not in ELSEWHERE
    }
    assert len(by_kind) > 16
    places = zip(by_kind.values(), itertools.cycle([0, -1]))
    chosen = {f"{step}/{names[place]}" for (step, names), place in places}
    for name in chosen:
        flip(copy_of_complete / name)
    code, found = verify(copy_of_complete)
    assert (code, set(found)) == (1, chosen)
    study = Study(copy_of_complete)
    for command in sorted(set(found.values())):
        RUN[command](study)
    assert verify(copy_of_complete) == (0, {})
    assert compared() == before
