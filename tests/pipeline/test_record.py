"""`step.json`: what is written is read again, and nothing else is, whoever wrote it."""

import hashlib
import json
import os
import signal
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_study import digests, source

from bias_toolkit.pipeline.record import (
    CLEARED,
    LARGEST_RECORD,
    RECORD,
    FileRecord,
    StepRecord,
    mark_cleared,
    read_record,
    write_record,
)
from bias_toolkit.pipeline.step_folder import StepFolder

KEY = "a" * 64
CONTENT = {
    "key": KEY,
    "done": True,
    "seconds": 1.5,
    "settings": {"factor": 2, "sizes": [1.0, None, "é"]},
    "needs": {"source/left": "b" * 64},
    "environment": {"torch": "2"},
    "files": {"words.txt": {"sha256": "c" * 64, "size": 3, "time": 7}},
    "left_out": 2,
    "transient": 1,
}


def sealed(text):
    """A JSON text with the digest that a record of it has; anybody can make one."""
    digest = hashlib.sha256(json.dumps(json.loads(text), sort_keys=True).encode()).hexdigest()
    return text.rstrip()[:-1] + f', "sha256": "{digest}"}}'


def put(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).write_bytes(text if isinstance(text, bytes) else text.encode())


@contextmanager
def in_time(seconds=20):
    """Ends what waits for a pipe or goes on for ever."""

    def fail(*_):
        raise AssertionError("it hangs")

    previous = signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def test_what_was_written_is_read(tmp_path):
    record = StepRecord(**CONTENT)
    write_record(record, tmp_path)
    assert read_record(tmp_path) == record
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]
    put(tmp_path, sealed(json.dumps(CONTENT)))
    assert read_record(tmp_path) == record


def test_there_is_none_in_an_empty_folder_or_where_there_is_no_folder(tmp_path):
    assert read_record(tmp_path) is read_record(tmp_path / "none") is None


def test_no_byte_can_change_unnoticed(tmp_path):
    record = StepRecord(**CONTENT)
    write_record(record, tmp_path)
    whole = (tmp_path / RECORD).read_bytes()
    for place in range(0, len(whole), 3):
        put(tmp_path, whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert read_record(tmp_path) in (None, record)
    for length in range(0, len(whole), 7):
        put(tmp_path, whole[:length])
        assert read_record(tmp_path) is None


def test_a_record_without_a_digest_is_none(tmp_path):
    put(tmp_path, json.dumps(CONTENT))
    assert read_record(tmp_path) is None
    for digest in (None, 0, [], "", "c" * 64):
        put(tmp_path, json.dumps(CONTENT | {"sha256": digest}))
        assert read_record(tmp_path) is None


FILE = {"sha256": "c" * 64, "size": 3, "time": 7}
WRONG = {
    "key": [None, 1, "", "a" * 63, "A" * 64, "a" * 64 + "\n", ["a" * 64]],
    "done": [None, 1, "true", []],
    "seconds": [None, "1", -1, -0.5, 1e10, 10**20, 10**299, True, []],
    "settings": [None, [], 1, "x"],
    "needs": [None, [], {"a": 1}, {"a": "b"}, {"/a": KEY}, {"../a": KEY}, {"a/./b": KEY}, {"": KEY}],
    "environment": [None, [], {"torch": 2}, {"torch": None}, {"torch": ["2"]}],
    "files": [
        None,
        [],
        {"a": None},
        {"a": KEY},
        {"a": FILE | {"more": 1}},
        {"a": FILE | {"sha256": "x"}},
        {"a": FILE | {"size": -1}},
        {"a": FILE | {"size": 2**63}},
        {"a": FILE | {"size": "3"}},
        {"a": FILE | {"size": 3.0}},
        {"a": FILE | {"size": True}},
        {"a": FILE | {"time": 10**200}},
        {"a": {"sha256": "c" * 64}},
    ],
    "left_out": [None, -1, 2**63, 1.0, "1", True],
    "transient": [None, -1, 2**63, 1.5, "1"],
}
NAMES = [
    "/etc/passwd",
    "//host/share",
    "..",
    "../outside.txt",
    "a/../../outside.txt",
    "a/..",
    ".",
    "./a",
    "a//b",
    "a/",
    "",
    "a\\b",
    "a\x00b",
    "a\nb",
    "\ud800",
    "x" * 1001,
]


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in WRONG for value in WRONG[field]])
def test_a_field_of_a_wrong_type_or_beyond_its_bounds_makes_it_none(tmp_path, field, value):
    put(tmp_path, sealed(json.dumps(CONTENT | {field: value})))
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("field", ["key", "done", "seconds", "settings", "needs", "environment", "files"])
def test_a_missing_field_or_one_too_many_makes_it_none(tmp_path, field):
    put(tmp_path, sealed(json.dumps({name: CONTENT[name] for name in CONTENT if name != field})))
    assert read_record(tmp_path) is None
    put(tmp_path, sealed(json.dumps(CONTENT | {f"{field}s": CONTENT[field]})))
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_could_lead_elsewhere_makes_it_none(tmp_path, name):
    for field, value in (("files", FILE), ("needs", KEY)):
        put(tmp_path, sealed(json.dumps(CONTENT | {field: {name: value}})))
        assert read_record(tmp_path) is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 5000])
def test_numbers_that_json_does_not_have_make_it_none(tmp_path, number):
    text = json.dumps(CONTENT)
    for old in ('"seconds": 1.5', '"factor": 2'):
        name = old.partition(":")[0]
        put(tmp_path, text.replace(old, f"{name}: {number}")[:-1] + f', "sha256": "{KEY}"}}')
        assert read_record(tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "1", '"text"', "{}", "{", "\ufeff{}", '{"key": 1, "key": 1}', b"\xff"]
)
def test_what_is_no_object_in_json_is_none(tmp_path, text):
    put(tmp_path, text)
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("levels", [254, 256, 500, *range(900, 1010, 3), 200_000])
def test_many_levels_are_none_or_can_be_written_again(tmp_path, levels):
    text = json.dumps(CONTENT).replace('"factor": 2', f'"factor": {"[" * levels}{"]" * levels}')
    try:
        text = sealed(text)
    except RecursionError:
        text = text[:-1] + f', "sha256": "{KEY}"}}'
    put(tmp_path, text)
    with in_time():
        record = read_record(tmp_path)
        assert (record is None) == (levels > 254)
    if record is not None:
        mark_cleared(record, tmp_path)
        assert read_record(tmp_path).key == CLEARED


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    put(tmp_path, sealed(json.dumps(CONTENT)))
    with open(tmp_path / RECORD, "ab") as file:
        file.truncate(LARGEST_RECORD + 1)
    monkeypatch.setattr("json.loads", lambda *_, **__: pytest.fail("it was read"))
    with in_time():
        assert read_record(tmp_path) is None


def pipe(path, outside):
    os.mkfifo(path)


def folder(path, outside):
    path.mkdir()


def link(path, outside):
    put(outside, sealed(json.dumps(CONTENT)))
    path.symlink_to(outside / RECORD)


def loop(path, outside):
    path.symlink_to(path)


def device(path, outside):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, folder, link, loop, device])
def test_what_is_no_regular_file_is_none_and_is_not_waited_for(tmp_path, make):
    make(tmp_path / RECORD, tmp_path / "outside")
    with in_time():
        assert read_record(tmp_path) is None


@pytest.mark.parametrize("make", [pipe, link, loop, device])
def test_a_run_replaces_it_and_leaves_what_a_link_leads_to(study, tmp_path, make):
    folder = study.folder / "source" / "left"
    folder.mkdir(parents=True)
    make(folder / RECORD, tmp_path / "outside")
    before = digests(tmp_path / "outside", records=True)
    with in_time():
        assert study.do(source, "left") == ["source left"]
    assert study.again().do(source, "left") == []
    assert digests(tmp_path / "outside", records=True) == before


def test_a_file_that_is_replaced_is_read_anew(tmp_path):
    for seconds in (1.0, 2.0, 3.0):
        write_record(StepRecord(**CONTENT | {"seconds": seconds}), tmp_path)
        assert read_record(tmp_path).seconds == seconds


def test_a_cleared_record_is_no_tasks(study):
    study.do(source, "left")
    folder = study.folder / "source" / "left"
    record = read_record(folder)
    mark_cleared(record, folder)
    cleared = read_record(folder)
    assert (cleared.key, cleared.done, cleared.files) == (CLEARED, False, {})
    assert cleared.environment == record.environment
    assert StepFolder(study.folder, study.plan.task(source, "left")).own_record is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=8), JSON, max_size=3),
    st.floats(0, 1e9),
    st.dictionaries(st.from_regex(r"[\w.-]*[\w-]", fullmatch=True), st.integers(0, 2**40), max_size=3),
)
def test_any_record_is_read_as_it_was_written(tmp_path_factory, settings, seconds, sizes):
    folder = tmp_path_factory.mktemp("record")
    files = {name: FileRecord(sha256="0" * 64, size=size, time=-size) for name, size in sizes.items()}
    record = StepRecord(**CONTENT | {"settings": settings, "seconds": seconds, "files": files})
    write_record(record, folder)
    assert read_record(folder) == record
