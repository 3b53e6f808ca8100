"""Studies that someone made to do harm: one sentence, or computed again, and nothing outside the study is touched."""

import errno
import hashlib
import io
import json
import os
import shutil
import signal
import socket
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bias_toolkit import InputError, Study
from bias_toolkit.foundation.files import file_digest
from bias_toolkit.pipeline.lock import StudyLock
from bias_toolkit.pipeline.record import FileRecord, file_state, read_record, write_record
from bias_toolkit.report.page.publish import PARTIAL
from bias_toolkit_cli.main import main

LIMIT = 60
"""Seconds for a command; after them the process is ended."""
NO_FILE = {"sha256": "0" * 64, "size": 1, "time": 1}
EXPLANATION = "explanations/{explained}"


@pytest.fixture
def attacked(copy_of_complete, complete, tmp_path, monkeypatch):
    """A copy of a finished study, `folder`, among files that have to stay as they are.

    These are its parent folder, the home folder, the current folder and the datasets. `call` runs a command.
    """
    outside = [tmp_path / name for name in ("beside", "home", "current")]
    for folder in outside:
        folder.mkdir()
        for name in ("victim", "step.json", "victim.parquet"):
            (folder / name).write_text("precious")
    (tmp_path / "victim").write_text("precious")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "current")
    names = {path.name for path in tmp_path.iterdir()}

    def everything():
        found = listing(tmp_path, copy_of_complete) | listing(complete.train.parent, copy_of_complete)
        return found | {name: os.stat(name).st_mtime_ns for name in ("/etc/passwd", "/dev/zero")}

    before = everything()
    yield SimpleNamespace(folder=copy_of_complete, outside=outside[0], explained=complete.explained)
    assert everything() == before
    assert {path.name for path in tmp_path.iterdir()} == names


def listing(folder, without):
    """Kind, size and times of change of each file below a folder, but for one folder in it.

    The second time is the system's own, and no program can put it back after it has written into a file.
    """
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if os.path.join(place, name) != str(without)]
        for name in [*folders, *files]:
            path = os.path.join(place, name)
            stat = os.lstat(path)
            found[path] = stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
    return found


@pytest.fixture
def call(attacked, capsys):
    """A function that runs commands on the study; says for each whether it was refused, by one sentence with `words`.

    A command that does not end has the process ended, and one that ends otherwise than these fails the test.
    """

    def run(*commands, words=""):
        refusals = []
        for command in commands:
            capsys.readouterr()
            given = [each.format(study=attacked.folder, image=attacked.explained) for each in command.split()]
            signal.alarm(LIMIT)
            try:
                main(given)
                code = 0
            except SystemExit as end:
                code = end.code or 0
            finally:
                signal.alarm(0)
            err = capsys.readouterr().err
            assert "Traceback" not in err
            errors = [line for line in err.splitlines() if line.startswith("Error: ")]
            assert code in ((0, 1) if command.startswith("verify") and not errors else (0, 2)), (command, err)
            assert len(errors) == (code == 2), err
            if code == 2:
                assert err.strip().splitlines()[-1] == errors[0]
                assert words in errors[0]
                assert len(errors[0]) < 1500
            refusals.append(code == 2)
        return refusals

    return run


def refusal(work):
    """The sentence with which something is refused, without the command line; empty where it is not refused."""
    sentence = ""
    signal.alarm(LIMIT)
    try:
        work()
    except InputError as error:
        sentence = str(error)
    finally:
        signal.alarm(0)
    assert len(sentence) < 1500
    return sentence


# Edits of a file


def sealed(content):
    """A record's text with the digest that is right for it, which anybody can make."""
    content = {name: value for name, value in content.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return json.dumps(content | {"sha256": digest})


def change(*keys, to):
    """An edit of a record: the value at the end of these keys, with the digest put right."""

    def edit(path):
        content = json.loads(path.read_text())
        place = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to
        path.write_text(sealed(content))

    return edit


def without(key):
    def edit(path):
        content = json.loads(path.read_text())
        del content[key]
        path.write_text(sealed(content))

    return edit


def replaced(content):
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


def link(target):
    def edit(path):
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    return edit


def pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


def opened_socket(path):
    path.unlink(missing_ok=True)
    # The address of a socket may not be as long as a path.
    place = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path.name)
    os.chdir(place)


NESTED = "[" * 200_000 + "]" * 200_000
OF_ANY_RECORD = {
    "empty": replaced(""),
    "binary": replaced(bytes(range(256)) * 10),
    "null": replaced("null"),
    "a list": replaced("[1, 2]"),
    "nested": replaced('{"settings": ' + NESTED + "}"),
    "no digest": lambda path: path.write_text('{"sha256": 1, ' + path.read_text()[1:].replace("sha256", "sha", 1)),
    "digest of another type": lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": 1})),
    "a key twice": lambda path: path.write_text('{"settings": {}, ' + path.read_text()[1:]),
    "one field too many": change("evil", to="value"),
    "NaN": lambda path: path.write_text(path.read_text().replace("{", '{"evil": NaN,', 1)),
    "a number without end": lambda path: path.write_text(path.read_text().replace("{", f'{{"a": {"9" * 5000},', 1)),
    "no settings": without("settings"),
    "settings of no kind": change("settings", to=[]),
}
KINDS = {
    "a pipe": pipe,
    "a folder": folder,
    "a socket": opened_socket,
    "a link out": link("../beside/victim"),
    "a link to a device": link("/dev/zero"),
    "a link to itself": lambda path: link(path)(path),
    "a link to nothing": link("/nowhere/at/all"),
}
# What is refused on opening, before anything is read.
REFUSED_STUDY = OF_ANY_RECORD | {
    "a setting of another kind": change("settings", "resamples", to="many"),
    "too many resamples": change("settings", "resamples", to=10**12),
    "an unknown setting": change("settings", "shell", to="rm -rf /"),
    "a list for a number": change("settings", "bins", to=[1] * 10),
    "a list without end": change("settings", "sizes", to=[0.5] * 100_000),
    "a training set of no kind": change("train", to="/etc"),
    "a name without end": change("test", "spec", to="x" * 5_000_000),
    "a fingerprint of no kind": change("test", "fingerprint", to="../.."),
    "a model of no kind": change("model", "spec", to=7),
    "an input of size 0": change("model", "opened", "input_size", to=0),
    "an input without end": change("model", "opened", "input_size", to=10**9),
    "classes without end": change("model", "n_classes", to=10**30),
    "versions of no kind": change("versions", to={"torch": 2}),
}
del REFUSED_STUDY["no settings"]


def each(edits, path):
    """The names of edits, each after it was done to the file, which is as it was before the next."""
    whole = path.read_bytes()
    for name, edit in edits.items():
        edit(path)
        yield name
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        path.write_bytes(whole)


def test_no_record_of_a_study(attacked, call):
    """Whatever opens a study is refused alike; the command line is asked for one of each kind."""
    for name in each(REFUSED_STUDY | KINDS, attacked.folder / "study.json"):
        assert "study.json" in refusal(lambda: Study(attacked.folder)), name
    some = ("nested", "settings of no kind", "a name without end", "a pipe", "a link out")
    for name in each({name: (REFUSED_STUDY | KINDS)[name] for name in some}, attacked.folder / "study.json"):
        assert call("neighbours {study} {image}", words="study.json") == [True], name


OTHER_INPUTS = (
    (change("train", to=None), "--train"),
    (change("train", "spec", to="/"), "/"),
    (change("test", "spec", to="/proc/self/root"), "/proc/self/root"),
    (change("test", "spec", to="/proc/self"), "/proc/self, which holds the system's files; name the right path"),
    (change("test", "spec", to="/dev/../sys/class"), "--test"),
    (change("train", "spec", to="/dev/zero"), "--train"),
    (change("train", "spec", to=".."), "one inside the other"),
    (change("test", "spec", to="\0"), "there is no file"),
    (change("model", "spec", to="timm:../../etc/passwd"), "passwd"),
    (change("model", "spec", to="os:abort"), "os:abort, which is code"),
    (change("settings", "weights", to="/dev/zero"), "/dev/zero"),
    (change("settings", "weights", to="/etc/passwd"), "/etc/passwd"),
    (change("settings", "weights", to="/sys/kernel/notes"), "/sys/kernel/notes, which holds the system's files"),
    (change("settings", "train_folder", to="/"), "--train-folder"),
    (change("settings", "label_map", to="/dev/zero"), "/dev/zero"),
    (change("settings", "label_map", to="/etc"), "/etc"),
    (change("settings", "imagenet_x", to="/"), "--imagenet-x"),
    (change("settings", "train_layout", to="../../etc"), "etc"),
    (change("settings", "protocols", to=["spiral"]), "--protocol"),
    (change("settings", "memory", to="9" * 4000 + "GB"), "--memory"),
)


def test_a_record_that_names_other_inputs(attacked, call):
    words_of = dict(OTHER_INPUTS)
    for edit in each({edit: edit for edit in words_of}, attacked.folder / "study.json"):
        assert call("index {study} --feature-size 0.9", words=words_of[edit]) == [True]


def test_what_the_command_line_names_may_lie_anywhere(attacked):
    """The rule is for what nobody but the record named."""
    with pytest.raises(InputError, match="holds no image"):
        _ = Study(attacked.folder, test="/proc/self/fdinfo").test


# What is no record is none for every reader, which tests/pipeline/test_record.py sees: two of these do for all.
NO_STEP = {
    "nested": OF_ANY_RECORD["nested"],
    "names above": change("files", to={"../../beside/victim": NO_FILE}),
}
OF_A_STEP = {
    "a key twice": OF_ANY_RECORD["a key twice"],
    "not done": change("done", to=False),
    "it needs itself": change("needs", to={"images/test": "0" * 64, "neighbours": "0" * 64}),
    "no files": change("files", to={}),
    "left out without end": change("left_out", to=10**18),
    "transient without a table": change("transient", to=10**6),
}


def test_a_record_of_a_step(attacked, complete, call):
    """What the command line does with a record is the same for all that a file may hold."""
    expected, path = Study(complete.folder).neighbours, attacked.folder / "neighbours" / "step.json"

    def build():
        assert not refusal(Study(attacked.folder).build_index)

    runs = (
        (NO_STEP | OF_A_STEP, build),
        ({name: KINDS[name] for name in ("a pipe", "a link out")}, lambda: call("index {study}")),
    )
    for edits, run in runs:
        for name in each(edits, path):
            run()
            pd.testing.assert_frame_equal(Study(attacked.folder).neighbours, expected, obj=name)
    for _ in each({"a folder": folder}, path):
        assert call("index {study}", words="step.json: Is a directory") == [True]


COMMANDS = {
    "features/test": "embed {study}",
    "index": "index {study}",
    "noise": "sweep {study}",
    "objects": "objects {study}",
    "analysis": "analyse {study}",
    "map/relation": "map {study}",
    "sizes/curve": "sizes {study}",
    EXPLANATION: "explain {study} {image}",
    "report": "report --out {study}",
}


def test_names_that_lead_out_by_every_command(attacked, complete, call):
    """Each command does the step of the record again, and takes nothing from the names in it.

    The page claims to be huge besides, and is not read either.
    """
    page = attacked.folder / "report" / "index.html"
    os.truncate(page, 2**40)
    victims = {str(attacked.outside / "victim"): NO_FILE, "../../beside/victim": NO_FILE, "../../victim": NO_FILE}
    explained = next((complete.folder / "explanations").iterdir()).name
    for step in COMMANDS:
        path = attacked.folder / step.format(explained=explained) / "step.json"
        change("files", to=victims)(path)
    assert call("verify {study}", "plot {study} distance-vs-invariance --out {study}/a.png") == [False, True]
    # The explanation's record says of which image it is.
    (attacked.folder / "explanations" / explained / "explanation.json").unlink()
    assert not any(call(*COMMANDS.values(), "verify {study}"))
    assert Study(attacked.folder).verify().empty
    assert page.stat().st_size < 2**24


FILES = (
    "neighbours/neighbours.parquet",
    "images/test/skipped.parquet",
    "features/train/features-00000.npy",
    "features/train/features-00000.sha256",
    "index/index.json",
    "noise/step.json",
    "skipped.csv",
)


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (pipe, "index {study}"),
        (folder, "index {study} --neighbours 2"),
        (link("../../beside/victim"), "index {study} --neighbours 2"),
        (link("/dev/zero"), "index {study}"),
    ],
)
def test_files_of_another_kind(attacked, call, kind, command):
    for name in FILES:
        kind(attacked.folder / name)
    call("verify {study}", command)


@pytest.mark.parametrize("name", ["measures/measures.parquet", "skipped.csv"])
def test_files_that_claim_to_be_huge_are_not_read(attacked, call, name):
    os.truncate(attacked.folder / name, 2**40)
    call("report --out {study}", "explain {study} {image}", "verify {study}")
    assert (attacked.folder / name).stat().st_size < 2**24


def test_files_of_others_in_the_folders_of_steps_stay(attacked, call):
    """What a damaged step does anew are its own files; tests/report/page/test_publish.py sees the same of a report."""
    mine = attacked.folder / "features" / "test" / "notes-00000.csv"
    mine.write_text("mine")
    with (attacked.folder / "features" / "test" / "features-00000.npy").open("r+b") as file:
        file.write(b"damaged")
    assert call("embed {study}") == [False]
    assert mine.read_text() == "mine"


def test_a_lock_of_another_kind(attacked, call):
    """A run writes into the lock who holds it."""
    (attacked.folder / ".lock").touch()
    for name in each(KINDS, attacked.folder / ".lock"):
        assert call("index {study}", words=".lock") == [True], name


def test_a_lock_that_says_nonsense(attacked, call, monkeypatch):
    lock, pids = (
        attacked.folder / ".lock",
        ['{"pid": -1, "host": 3}', f'{{"pid": {"9" * 400}, "host": "", "since": ""}}'],
    )
    contents = ["", "null", NESTED, *pids, "x" * 10**6]
    for content in contents:
        lock.write_text(content)
        assert call("index {study}") == [False]
    # As on a file system without locks.
    monkeypatch.setattr("bias_toolkit.pipeline.lock._flock", lambda file, shared: False)
    for content in contents:
        lock.write_text(content)
        assert call("index {study}", words=".lock") == [True]


def a_link_instead(path, target):
    path.rename(path.with_name(f"{path.name}-aside"))
    path.symlink_to(target, target_is_directory=True)


def test_folders_that_are_links_out(attacked, call):
    study = attacked.folder
    (explanation,) = (study / "explanations").iterdir()
    a_link_instead(explanation / "pictures", attacked.outside)
    (explanation / "explanation.json").unlink()
    assert call("explain {study} {image}", words="pictures has to be a folder, and is a link") == [True]
    a_link_instead(study / "report" / "tables", attacked.outside)
    call("report --out {study}", "verify {study}")
    (study / "report" / PARTIAL).symlink_to(attacked.outside)
    call("report --out {study}")
    (study / "elsewhere").symlink_to(attacked.outside)
    (study / "all").symlink_to("/")
    a_link_instead(study / "neighbours", attacked.outside)
    assert call("verify {study}", "index {study}", words="neighbours") == [False, True]
    a_link_instead(study / "images", attacked.outside)
    assert call("verify {study}", "index {study}", words="images") == [False, True]


def test_another_study_behind_a_link_is_not_verified(attacked, tmp_path_factory):
    """A damaged file gets another time, and so would one of a study that is only linked."""
    other = tmp_path_factory.mktemp("other") / "noise"
    (attacked.folder / "noise").rename(other)
    (other / "noise.json").write_text("{}")
    before = listing(other, "")
    (attacked.folder / "noise").symlink_to(other)
    assert Study(attacked.folder).verify().empty
    assert listing(other, "") == before


def test_temporary_files_that_are_links(attacked, call):
    for name in ("study.json", "skipped.csv", "index/step.json", "neighbours/neighbours.parquet"):
        path = attacked.folder / name
        path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}").symlink_to(attacked.outside / "victim")
    (attacked.folder / ".made.1.tmp").symlink_to(attacked.outside)
    assert call("index {study} --neighbours 2") == [False]
    assert not (attacked.folder / "study.json").is_symlink()


def test_shards_that_no_step_wrote(attacked, complete, call):
    """A folder of shards is read by their numbers."""
    features, responses = attacked.folder / "features" / "train", attacked.folder / "responses" / "crop-1-diagonal"
    pipe(features / "features-00099.parquet")
    link(attacked.outside / "victim.parquet")(responses / "responses-00099.parquet")
    assert call("neighbours {study} {image}", "index {study} --neighbours 2") == [False, False]
    pq.write_table(pq.read_table(responses / "responses-00000.parquet"), responses / "responses-00007.parquet")
    assert call("sweep {study}") == [False]
    pd.testing.assert_frame_equal(Study(attacked.folder).responses, Study(complete.folder).responses)


# Tables and arrays whose digests were put right


def forge(path):
    """Put the digest, size and time of a file into the record of its step, and into its seal."""
    folder = next(parent for parent in path.parents if (parent / "step.json").exists())
    for seal in folder.glob("*.sha256"):
        lines = [line for line in seal.read_text().splitlines() if not line.endswith(path.name)]
        lines.append(f"{file_digest(path)}  {path.name}")
        seal.write_text("\n".join(lines) + "\n")
    record = read_record(folder)
    files = {}
    for name in record.files:
        size, changed = file_state(folder / name)
        files[name] = FileRecord(sha256=file_digest(folder / name), size=size, time=changed)
    write_record(record.model_copy(update={"files": files}), folder)


def first_column(path):
    table = pq.read_table(path)
    pq.write_table(table.select(table.column_names[:1]), path)


def no_rows(path):
    pq.write_table(pq.read_table(path).slice(0, 0), path)


def other_types(path):
    """Numbers where there are texts, and texts where there are numbers."""
    table = pq.read_table(path)
    columns = [
        pa.array(range(len(table))) if pa.types.is_string(column.type) else pa.array(["x"] * len(table))
        for column in table.columns
    ]
    pq.write_table(pa.table(dict(zip(table.column_names, columns, strict=True))), path)


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


TABLES = {
    "images/test/images.parquet": "neighbours {study} {image}",
    "images/test/skipped.parquet": "index {study} --neighbours 2",
    "features/test/features-00000.parquet": "index {study} --metric cosine",
    "neighbours/neighbours.parquet": "neighbours {study} {image}",
    "neighbours/distances.parquet": "index {study}",
    "index/index.parquet": "index {study} --neighbours 2",
    "measures/measures.parquet": "sweep {study}",
    "responses/crop-1-diagonal/responses-00000.parquet": "sweep {study} --size 1",
    "objects/test-summary.parquet": "objects {study}",
    "analysis/per_image.parquet": "plot {study} distance-vs-invariance --out {study}/figure.png",
    "analysis/correlations.parquet": "analyse {study}",
    "map/relation/cells.parquet": "map {study}",
    "sizes/curve/summary.parquet": "sizes {study}",
}


def test_a_first_answer_that_lists_files_of_others(attacked, call):
    """What it has of the same inputs is copied, and a link in a copy's place would be written through."""
    quick, images = attacked.folder / "quick", Path("images", "test")
    shutil.copytree(attacked.folder / images, quick / images)
    shutil.copy(attacked.folder / "study.json", quick)
    (quick / images / "planted").write_text("evil")
    record = read_record(quick / images)
    size, changed = file_state(quick / images / "planted")
    planted = FileRecord(sha256=file_digest(quick / images / "planted"), size=size, time=changed)
    write_record(record.model_copy(update={"files": record.files | {"planted": planted}}), quick / images)
    (attacked.folder / images / "step.json").unlink()
    link(attacked.outside / "victim")(attacked.folder / images / "planted")
    assert call("objects {study}") == [False]
    assert (attacked.folder / images / "planted").is_symlink()


def test_a_first_answer_is_not_written_through_a_link(attacked, call):
    (attacked.folder / "quick").symlink_to(".")
    record = (attacked.folder / "study.json").read_bytes()
    assert call("report --out {study} --quick", words="quick has to be a folder, and is a link") == [True]
    assert (attacked.folder / "study.json").read_bytes() == record


def test_a_table_that_names_other_images(attacked, call):
    path = attacked.folder / "images" / "test" / "images.parquet"
    table = pd.read_parquet(path)
    pq.write_table(
        pa.Table.from_pandas(table.assign(image_id=table["image_id"] + "x"), schema=pq.read_schema(path)), path
    )
    forge(path)
    assert call("embed {study} --feature-size 0.9", words="which is not in") == [True]


def test_a_file_that_is_a_hole_is_not_read(attacked, call):
    """Its record has its size; of 8 TB, reading the zeros would take hours."""
    path = attacked.folder / "noise" / "noise.json"
    os.truncate(path, 2**43)
    record = read_record(path.parent)
    size, changed = file_state(path)
    claimed = record.files["noise.json"].model_copy(update={"size": size, "time": changed})
    write_record(record.model_copy(update={"files": record.files | {"noise.json": claimed}}), path.parent)
    assert call("verify {study}") == [False]
    assert Study(attacked.folder).verify()["file"].tolist() == ["noise.json"]
    assert call("sweep {study}") == [False]
    assert path.stat().st_size < 2**20


@pytest.mark.parametrize("name", TABLES)
def test_a_forged_table(attacked, complete, call, name):
    """In the first, every edit is tried."""
    path = attacked.folder / name
    for edit in [no_rows, other_types, *([first_column, truncated] if name == next(iter(TABLES)) else [])]:
        edit(path)
        forge(path)
        call(TABLES[name])
        shutil.rmtree(path.parent)
        shutil.copytree(complete.folder / Path(name).parent, path.parent)


def array(header, body=b""):
    text = header.encode().ljust(117) + b"\n"
    return replaced(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body)


def zipped(path):
    content = io.BytesIO()
    np.savez(content, a=np.zeros(3))
    path.write_bytes(content.getvalue())


def pickled(path):
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


ARRAYS = {
    "pickled": pickled,
    "an archive": zipped,
    "huge": array("{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000000, 144)}", bytes(800)),
    "below zero": array("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 144)}", bytes(800)),
    "a shape of no kind": array("{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os')}", bytes(800)),
    "nested": array("{'descr': " + "[" * 90 + "}"),
    "a long header": replaced(b"\x93NUMPY\x03\x00\xff\xff\xff\x7f" + b"(" * 5000),
    "texts": lambda path: np.save(path, np.array(["a", "b"])),
    "NaN": lambda path: np.save(path, np.full((32, 144), np.nan, np.float32)),
    "truncated": truncated,
    "empty": replaced(b""),
}


@pytest.mark.parametrize(
    ("name", "edits"),
    [
        ("features/test/features-00000.npy", ("pickled", "huge", "NaN")),
        ("features/train/features-00000.npy", ARRAYS),
    ],
)
def test_a_forged_array(attacked, complete, call, name, edits):
    """An array is read in one way, whoever reads it; what is made of it differs."""
    path = attacked.folder / name
    for edit in edits:
        (attacked.folder / "neighbours" / "step.json").write_text("")
        ARRAYS[edit](path)
        forge(path)
        assert refusal(Study(attacked.folder).build_index), edit
        shutil.rmtree(path.parent)
        shutil.copytree(complete.folder / Path(name).parent, path.parent)


VALUES = {
    "images/test/dataset.json": "objects {study}",
    "noise/noise.json": "sweep {study}",
    "measures/labels.json": "sweep {study}",
    "objects/boxes.json": "objects {study}",
    "objects/two-sample.json": "objects {study}",
    "localisation/localisation.json": "objects {study}",
}


def test_forged_values(attacked, call):
    for name in (*VALUES, "neighbours/shared.json", "report/results.json"):
        (attacked.folder / name).write_text('{"train": {}, "indices": [], "value": "x", "split": "../.."}')
        forge(attacked.folder / name)
    for name, command in VALUES.items():
        assert call(command, words="does not hold the values that belong there") == [True], name
    with pytest.raises(InputError, match=r"results\.json does not hold"):
        Study(attacked.folder).findings()
    with pytest.raises(InputError, match=r"shared\.json does not hold"):
        _ = Study(attacked.folder).n_shared


def test_values_that_memory_does_not_hold_are_not_read(attacked, call, monkeypatch):
    """A value that is repeated takes no place in the file, but in memory."""
    path = attacked.folder / "neighbours" / "neighbours.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table] * 5000), path)
    forge(path)
    monkeypatch.setattr("bias_toolkit.foundation.files.available_memory", lambda: 10**6)
    assert call("neighbours {study} {image}", words="the free memory does not suffice") == [True]


def test_a_forged_explanation(attacked, complete, call):
    (folder,) = (attacked.folder / "explanations").iterdir()
    path = folder / "explanation.json"
    whole = json.loads(path.read_text())
    fakes = [
        {"picture": "../../../beside/victim"},
        {"radius": 10**9},
        {"lines": NESTED},
        {"before": None},
        {"label": []},
    ]
    for fake in fakes:
        path.write_text(json.dumps(whole | fake))
        forge(path)
        assert call("explain {study} {image}", words="explanation.json") == [True]


# Where nothing can be written, and where there is nothing


@pytest.fixture
def read_only(monkeypatch):
    """The file system takes no lock, as one that cannot be written to."""

    def refuse(self):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(self.folder / ".lock"))

    monkeypatch.setattr(StudyLock, "acquire", refuse)


@pytest.mark.usefixtures("read_only")
def test_a_finished_study_where_nothing_can_be_written_is_a_result(attacked, call):
    before = listing(attacked.folder, "")
    done = ("report --out {study}", "sweep {study}", "map {study}", "explain {study} {image}", "verify {study}")
    assert not any(call(*done))
    assert call("sweep {study} --batch-size 7", words="it cannot be written to") == [True]
    assert listing(attacked.folder, "") == before


def test_a_path_that_is_a_loop_of_links_is_a_sentence(attacked, call):
    loop = attacked.folder / "loop"
    loop.symlink_to(loop.with_name("back"))
    (attacked.folder / "back").symlink_to(loop)
    commands = [
        "report --out {study}/loop",
        "verify {study}/loop",
        "sweep {study}/loop",
        "neighbours {study}/loop a.png",
    ]
    commands.append("plot {study}/loop map --out {study}/a.png")
    assert call(*commands, words="loop") == [True] * 5
