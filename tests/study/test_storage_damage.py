"""Files of a finished study that are damaged: readers name them, and the next run computes them again."""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil

import pandas as pd
import pytest

from bias_toolkit import InputError, Study
from bias_toolkit.pipeline.record import read_record as read_step
from bias_toolkit.pipeline.record import write_record as write_step
from bias_toolkit.report import OPTIONAL
from bias_toolkit.study import steps

LOST = "is missing, damaged, or of another version"
DAMAGED = [
    "images/train/objects.parquet",
    "features/train/features-00000.npy",
    "features/train/features-00000.parquet",
    "features/test/features-00000.sha256",
    "index/index.parquet",
    "neighbours/distances.parquet",
    "responses/crop-1-diagonal/responses-00001.parquet",
    "responses/crop-1-diagonal/skipped-00001.parquet",
    "measures/measures.parquet",
    "noise/noise.json",
    "objects/two-sample.json",
    "mean-images/train/means.npy",
    "analysis/per_image.parquet",
    "analysis/step.json",
]
KINDS = ("flip", "truncate", "delete")


def digests(folder):
    """What every file is, but for what tells how long a step took, or how much memory was free."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if path.name not in ("step.json", ".lock", "reason.txt")
    }


def damage(path, kind, keep_time=False):
    stat, content = path.stat(), bytearray(path.read_bytes())
    if kind == "delete":
        path.unlink()
        return
    if kind == "flip":
        content[len(content) // 2] ^= 16
    else:
        del content[len(content) // 2 :]
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.fixture(scope="module", autouse=True)
def small_shards():
    """A sweep of 20 images has two shards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(vars(steps.responses), "sharding", dataclasses.replace(steps.responses.sharding, size=12))
        yield


@pytest.fixture(scope="module")
def copied(small, small_shards, tmp_path_factory):
    """A copy of the small study with a report, which each test leaves as it was."""
    folder = shutil.copytree(small.folder, tmp_path_factory.mktemp("copied") / "study")
    shutil.rmtree(folder / "responses")
    return Study(folder).run().folder


@pytest.mark.parametrize("place", range(len(DAMAGED)), ids=DAMAGED)
def test_a_damaged_file_is_computed_again_and_is_what_it_was(copied, place, caplog):
    name, kind = DAMAGED[place], KINDS[place % len(KINDS)]
    if name == "analysis/step.json":
        kind = "truncate"
    before = digests(copied)
    damage(copied / name, kind)
    step, _, file = name.rpartition("/")
    Study(copied).analyse()
    assert digests(copied) == before
    assert caplog.messages[0].startswith(f"{step}: {file} {LOST if file == 'step.json' else 'was damaged'}")
    assert sum(message.startswith(f"{step}: ") for message in caplog.messages) == 1
    caplog.clear()
    Study(copied).analyse()
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("name", "read", "command"),
    [
        ("analysis/per_image.parquet", lambda study: study.plot("distance-vs-invariance"), "analyse"),
        ("neighbours/neighbours.parquet", lambda study: study.neighbours_of(study.test_image("00000.png")), "index"),
        ("images/train/images.parquet", lambda study: study.images("train"), "report"),
        ("responses/crop-1-diagonal/responses-00000.parquet", lambda study: study.responses, "sweep"),
        ("features/test/features-00000.npy", lambda study: study.features("test"), "embed"),
        ("objects/boxes.json", lambda study: study.boxes_record("test"), "objects"),
        ("objects/two-sample.json", lambda study: study.framing_comparison, "objects"),
        ("mean-images/test/means.npy", lambda study: study.mean_images("test"), "objects"),
        ("index/reason.txt", lambda study: study.index_reason, "index"),
        ("report/results.json", lambda study: study.findings(), "report"),
    ],
)
@pytest.mark.parametrize("kind", [*KINDS, "flip that kept the time"])
def test_a_reader_names_the_damaged_file_and_the_command(copied, name, read, command, kind):
    whole = (copied / name).read_bytes()
    stat = (copied / name).stat()
    study = Study(copied)
    if "neighbours" in name:
        image = study.images("test")["image_id"].iloc[0]

        def read(study):
            return study.neighbours_of(image)

    damage(copied / name, kind.partition(" ")[0], keep_time="kept" in kind)
    with pytest.raises(InputError) as told:
        read(study)
    assert str(told.value).startswith(f"{copied / name} was damaged or removed since it was written; run")
    assert f"`bias-toolkit {command}`" in str(told.value)
    (copied / name).write_bytes(whole)
    os.utime(copied / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    read(study)


def test_a_damaged_marker_is_named(copied):
    marker = copied / "neighbours" / "step.json"
    whole = marker.read_bytes()
    marker.write_bytes(whole[:-5])
    with pytest.raises(InputError, match=rf"neighbours/step\.json {LOST} of bias-toolkit; run `bias-toolkit index`"):
        _ = Study(copied).distances
    marker.write_bytes(whole)
    assert len(Study(copied).distances) == 20


MARKERS = [
    ("images/test", lambda study: study.neighbours),
    ("features/train", lambda study: study.neighbours),
    ("responses/crop-1-diagonal", lambda study: study.measures),
    ("measures", lambda study: study.analysis.summary),
]


@pytest.mark.parametrize("kind", ["flip", "empty", "delete"])
@pytest.mark.parametrize(("step", "read"), MARKERS, ids=[step for step, *_ in MARKERS])
def test_a_lost_record_of_what_a_result_was_made_from_leaves_the_result_right(copied, step, read, kind):
    marker = copied / step / "step.json"
    whole, table = marker.read_bytes(), read(Study(copied))
    if kind == "empty":
        marker.write_bytes(b"")
    else:
        damage(marker, kind)
    pd.testing.assert_frame_equal(read(Study(copied)), table)
    marker.write_bytes(whole)


def test_a_result_whose_needs_are_gone_is_read(copied, tmp_path):
    whole = Study(copied).neighbours
    (copied / "features" / "test").rename(tmp_path / "away")
    pd.testing.assert_frame_equal(Study(copied).neighbours, whole)
    with pytest.raises(InputError, match="has no features/test yet"):
        Study(copied).features("test")
    (tmp_path / "away").rename(copied / "features" / "test")


@pytest.mark.parametrize("step", ["images/test", "features/test", "responses/crop-1-diagonal", "measures"])
def test_a_step_whose_marker_was_removed_is_computed_again(copied, step, caplog):
    before = digests(copied)
    (copied / step / "step.json").unlink()
    Study(copied).analyse()
    assert digests(copied) == before
    assert caplog.messages == [f"{step}: step.json {LOST}. The step is computed again."]


def test_a_process_that_knows_how_does_a_step_with_a_lost_marker_again(copied):
    study = Study(copied).analyse()
    for step in ("analysis", "neighbours"):
        (copied / step / "step.json").write_text("")
    assert len(study.results.per_image) == 20
    assert Study(copied).results.stored.is_current(steps.analysis)


@pytest.mark.parametrize("part", ["map/relation", "sizes/curve", "explanations/0-123"])
def test_what_a_report_shows_is_not_left_out_because_its_marker_was_lost(copied, part):
    (copied / part).mkdir(parents=True)
    name, command = {
        "map": ("cells.parquet", "map"),
        "sizes": ("summary.parquet", "sizes"),
        "explanations": ("explanation.json", "explain"),
    }[part.partition("/")[0]]
    (copied / part / name).write_bytes(b"")
    study = Study(copied)
    with pytest.raises(InputError, match=rf"{part}/step\.json is missing.* damaged.*; run `bias-toolkit {command}`"):
        study.shown_in_report(OPTIONAL)
    shutil.rmtree((copied / part).parent)


@pytest.mark.parametrize(
    ("what", "is_finished"), [("part of a name", True), ("part of a name", False), ("the last line", True)]
)
def test_a_seal_that_was_cut_off_takes_no_shard_with_it(copied, what, is_finished):
    """Without its last line it would be the seal of a shard with fewer files."""
    before, folder = digests(copied), copied / "features" / "test"
    seal = folder / "features-00000.sha256"
    text = seal.read_text()
    seal.write_text(text[:-5] if what == "part of a name" else text[: text.index("\n") + 1])
    if not is_finished:
        write_step(read_step(folder).model_copy(update={"done": False, "files": {}}), folder)
    Study(copied).embed()
    assert digests(copied) == before


def test_damage_that_shows_only_when_a_step_reads_its_needs_is_put_right_at_once(copied, caplog):
    before = digests(copied)
    damage(copied / "measures/measures.parquet", "flip", keep_time=True)
    damage(copied / "analysis/notes.parquet", "truncate")
    Study(copied).analyse()
    assert digests(copied) == before
    assert [message.partition(":")[0] for message in caplog.messages] == ["analysis", "measures"]


def test_a_damaged_report_is_written_again(copied):
    page, table = copied / "report" / "index.html", copied / "report" / "tables" / "correlations.csv"
    whole = table.read_bytes()
    damage(page, "delete")
    damage(table, "delete")
    assert len(Study(copied).run().findings())
    assert page.stat().st_size > 100
    assert table.read_bytes() == whole


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_record_is_made_anew_by_who_names_the_inputs_again(copied, few, fast, kind, caplog):
    record = copied / "study.json"
    whole = record.read_bytes()
    steps = {path: path.stat().st_mtime_ns for path in copied.rglob("step.json")}
    damage(record, kind)
    with pytest.raises(InputError, match=r"study\.json .*Run `bias-toolkit report` with --train|holds no study"):
        Study(copied)
    Study(copied, few["train"], few["test"], "demo", **fast).analyse()
    assert json.loads(record.read_bytes()) == json.loads(whole)
    assert {path: path.stat().st_mtime_ns for path in copied.rglob("step.json")} == steps
    assert len(caplog.messages) == (kind != "delete")


def test_no_change_of_a_byte_of_a_record_is_taken_for_it(copied):
    from bias_toolkit.study.record import read_record

    record = copied / "study.json"
    whole, meant = record.read_bytes(), read_record(copied)
    try:
        for place in range(0, len(whole), 9):
            record.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            with contextlib.suppress(InputError):
                assert read_record(copied) == meant
    finally:
        record.write_bytes(whole)


def test_a_lost_list_of_skipped_images_is_written_again(copied):
    before = digests(copied)
    (copied / "skipped.csv").unlink()
    Study(copied).analyse()
    assert digests(copied) == before


def test_a_folder_of_other_things_is_still_refused(copied, few, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="not empty and holds no study"):
        Study(tmp_path, few["train"], few["test"], "demo")
    with pytest.raises(InputError, match="not empty and holds no study"):
        Study(copied.parent, few["train"], few["test"], "demo")
