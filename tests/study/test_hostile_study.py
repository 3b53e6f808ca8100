"""Studies whose records and tables somebody has edited: one sentence, or computed anew, and nothing else is touched."""

import errno
import hashlib
import json
import os
import signal

import pandas as pd
import pyarrow.parquet as pq
import pytest

from bias_toolkit import InputError, Study
from bias_toolkit.foundation.files import file_digest
from bias_toolkit.pipeline.lock import StudyLock
from bias_toolkit.pipeline.record import FileRecord, file_state, write_record
from bias_toolkit.pipeline.record import read_record as read_step
from bias_toolkit_cli.main import main

HUGE = "x" * 5_000_000


@pytest.fixture
def call(capsys):
    """A function that runs a command within a minute; gives its exit code, standard output and standard error."""

    def run(*arguments):
        capsys.readouterr()
        signal.alarm(60)
        try:
            main([str(each) for each in arguments])
            code = 0
        except SystemExit as end:
            code = end.code or 0
        finally:
            signal.alarm(0)
        return code, *capsys.readouterr()

    return run


def refused_or_done(result, codes=(0, 2)):
    """Whether a command was refused; with one sentence, and never with a traceback."""
    code, _, err = result
    assert code in codes, result
    assert "Traceback" not in err
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == (code == 2)
    if code == 2:
        assert err.strip().splitlines()[-1] == errors[0]
        assert len(errors[0]) < 1500
    return code == 2


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


def remove(key, is_sealed=True):
    def edit(path):
        content = json.loads(path.read_text())
        del content[key]
        path.write_text(sealed(content) if is_sealed else json.dumps(content))

    return edit


def replaced(text):
    return lambda path: path.write_bytes(text if isinstance(text, bytes) else text.encode())


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def link(target):
    def edit(path):
        path.unlink()
        path.symlink_to(target)

    return edit


def folder(path):
    path.unlink()
    path.mkdir()


def replace_text(old, new):
    return lambda path: path.write_text(path.read_text().replace(old, new, 1))


OF_ANY_RECORD = {
    "empty": replaced(""),
    "binary": replaced(bytes(range(256)) * 10),
    "null": replaced("null"),
    "a list": replaced("[1, 2]"),
    "nested": replaced("[" * 200_000 + "]" * 200_000),
    "nested in an object": replaced('{"settings": ' + "[" * 200_000 + "]" * 200_000 + "}"),
    "no digest": remove("sha256", is_sealed=False),
    "digest of another type": lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": 1})),
    "a pipe": pipe,
    "a link to a file": link("/etc/passwd"),
    "a link to itself": lambda path: link(path)(path),
    "a folder": folder,
    "a key twice": lambda path: path.write_text('{"format": 2, ' + path.read_text()[1:]),
    "one field too many": change("evil", to="value"),
    "NaN": replace_text("{", '{"evil": NaN,'),
    "an endless number": replace_text("{", '{"evil": ' + "9" * 5000 + ","),
}
OF_A_STUDY = OF_ANY_RECORD | {
    "settings of no kind": change("settings", to=[]),
    "no settings": remove("settings"),
    "a setting of another kind": change("settings", "resamples", to="many"),
    "too many resamples": change("settings", "resamples", to=10**12),
    "an unknown setting": change("settings", "shell", to="rm -rf /"),
    "a list for a number": change("settings", "bins", to=[1] * 10),
    "an unknown protocol": change("settings", "protocols", to=["spiral"]),
    "an endless list": change("settings", "sizes", to=[0.5] * 100_000),
    "a layout that is none": change("settings", "train_layout", to="../../etc"),
    "weights elsewhere": change("settings", "weights", to="/etc/passwd"),
    "a mapping elsewhere": change("settings", "label_map", to="/etc/passwd"),
    "an ImageNet-X elsewhere": change("settings", "imagenet_x", to="/etc"),
    "no training set": change("train", to=None),
    "a training set of no kind": change("train", to="/etc"),
    "a training set elsewhere": change("train", "spec", to="/proc/self"),
    "a name that is no name": change("test", "spec", to="\0"),
    "an endless name": change("test", "spec", to=HUGE),
    "a fingerprint of no kind": change("test", "fingerprint", to="../.."),
    "a model of no kind": change("model", "spec", to=7),
    "an unknown model": change("model", "spec", to="timm:../../etc/passwd"),
    "a model that is code": change("model", "spec", to="os:abort"),
    "an input of size 0": change("model", "opened", "input_size", to=0),
    "an endless input": change("model", "opened", "input_size", to=10**9),
    "classes without end": change("model", "n_classes", to=10**30),
    "versions of no kind": change("versions", to={"torch": 2}),
    "another format": change("format", to=99),
    "a format of no kind": change("format", to={"a": "b"}),
}
OF_A_STEP = OF_ANY_RECORD | {
    "key of no kind": change("key", to=5),
    "done of no kind": change("done", to="yes"),
    "not done": change("done", to=False),
    "needs itself": change("needs", to={"images/test": "0" * 64, "neighbours": "0" * 64}),
    "needs a name above": change("needs", to={"../../elsewhere": "0" * 64}),
    "seconds without end": change("seconds", to=1e308),
    "names above": change("files", to={"../../outside/victim": {"sha256": "0" * 64, "size": 1, "time": 1}}),
    "absolute names": change("files", to={"/etc/passwd": {"sha256": "0" * 64, "size": 1, "time": 1}}),
    "files of no kind": change("files", to=["a"]),
    "no files": change("files", to={}),
    "a size without end": change("files", to={"images.parquet": {"sha256": "0" * 64, "size": 10**30, "time": 1}}),
    "left out without end": change("left_out", to=10**18),
    "transient without a table": change("transient", to=10**6),
    "an environment of no kind": change("environment", to={"torch": ["2"]}),
}


@pytest.fixture
def outside(tmp_path, digests):
    """A folder beside the study, in which nothing may change."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "victim").write_text("precious")
    (folder / "step.json").write_text("precious")
    before = digests(folder), os.stat("/etc/passwd").st_mtime_ns
    yield folder
    assert (digests(folder), os.stat("/etc/passwd").st_mtime_ns) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "study"]


def assert_data_is_as_it_was(complete, digests, before):
    assert digests(complete.train.parent) == before


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("edit", OF_A_STUDY.values(), ids=OF_A_STUDY)
def test_an_edited_record_of_a_study(copy_of_complete, complete, call, digests, edit):
    before = digests(complete.train.parent)
    edit(copy_of_complete / "study.json")
    image = complete.explained
    refused_or_done(call("neighbours", copy_of_complete, image))
    refused_or_done(call("verify", copy_of_complete), codes=(0, 1, 2))
    refused_or_done(call("index", copy_of_complete))
    assert_data_is_as_it_was(complete, digests, before)


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("step", ["images/test", "neighbours"])
@pytest.mark.parametrize("edit", OF_A_STEP.values(), ids=OF_A_STEP)
def test_an_edited_record_of_a_step(copy_of_complete, complete, call, digests, edit, step):
    before = digests(complete.train.parent)
    expected = Study(complete.folder).neighbours
    edit(copy_of_complete / step / "step.json")
    refused_or_done(call("neighbours", copy_of_complete, complete.explained))
    refused_or_done(call("verify", copy_of_complete), codes=(0, 1, 2))
    if not refused_or_done(call("index", copy_of_complete)):
        pd.testing.assert_frame_equal(Study(copy_of_complete).neighbours, expected)
    assert_data_is_as_it_was(complete, digests, before)


TABLES = [
    ("images/test/images.parquet", ("sweep", "{study}", "--seed", "3")),
    ("images/train/objects.parquet", ("objects", "{study}", "--placements", "130")),
    ("images/test/skipped.parquet", ("sweep", "{study}")),
    ("features/test/features-00000.parquet", ("index", "{study}", "--metric", "cosine")),
    ("features/train/features-00000.npy", ("index", "{study}", "--metric", "cosine")),
    ("index/index.parquet", ("index", "{study}", "--neighbours", "2")),
    ("index/spacing.npy", ("index", "{study}", "--neighbours", "2")),
    ("neighbours/neighbours.parquet", ("neighbours", "{study}", "{image}")),
    ("neighbours/distances.parquet", ("index", "{study}")),
    ("measures/measures.parquet", ("sweep", "{study}")),
    ("responses/crop-1-diagonal/responses-00000.parquet", ("sweep", "{study}", "--size", "0.9", "--size", "1")),
    ("located/train/located-00000.parquet", ("objects", "{study}", "--placements", "130")),
    ("objects/test-summary.parquet", ("objects", "{study}")),
    ("objects/train-framing.parquet", ("objects", "{study}")),
    ("mean-images/train/means.parquet", ("report", "--out", "{study}", "--bins", "3")),
    ("mean-images/train/means.npy", ("report", "--out", "{study}", "--bins", "3")),
    ("analysis/per_image.parquet", ("plot", "{study}", "distance-vs-invariance", "--out", "{study}/figure.png")),
    ("analysis/per_image.parquet", ("explain", "{study}", "--worst", "1")),
    ("analysis/curves.parquet", ("analyse", "{study}")),
    ("map/mean/framed-00000.parquet", ("map", "{study}", "--resamples", "110")),
    ("map/relation/cells.parquet", ("map", "{study}")),
    ("sizes/curve/summary.parquet", ("sizes", "{study}")),
]


def forge(path):
    """Put the digest, size and time of a file into the record of its step, and into its seal."""
    folder = next(parent for parent in path.parents if (parent / "step.json").exists())
    for seal in folder.glob("*.sha256"):
        lines = [line for line in seal.read_text().splitlines() if not line.endswith(path.name)]
        lines.append(f"{file_digest(path)}  {path.name}")
        seal.write_text("\n".join(lines) + "\n")
    record = read_step(folder)
    files = {}
    for name in record.files:
        size, changed = file_state(folder / name)
        files[name] = FileRecord(sha256=file_digest(folder / name), size=size, time=changed)
    write_record(record.model_copy(update={"files": files}), folder)


def without(path, what):
    if path.suffix == ".npy":
        path.write_bytes(b"\x93NUMPY" + b"junk" * 50 if what == "column" else path.read_bytes()[:128])
        return
    table = pq.read_table(path)
    pq.write_table(table.select(table.column_names[:1]) if what == "column" else table.slice(0, 0), path)


@pytest.mark.usefixtures("no_figures", "outside")
@pytest.mark.parametrize("what", ["column", "rows"])
@pytest.mark.parametrize(("name", "arguments"), TABLES, ids=[f"{name} {each[0]}" for name, each in TABLES])
def test_a_forged_table(copy_of_complete, complete, call, name, arguments, what):
    without(copy_of_complete / name, what)
    forge(copy_of_complete / name)
    refused_or_done(call(*(each.format(study=copy_of_complete, image=complete.explained) for each in arguments)))


@pytest.fixture
def read_only(monkeypatch):
    """The file system takes no lock, as one that cannot be written to."""

    def refuse(self):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(self.folder / ".lock"))

    monkeypatch.setattr(StudyLock, "acquire", refuse)


@pytest.mark.usefixtures("read_only")
def test_a_finished_study_where_nothing_can_be_written_is_a_result(copy_of_complete, complete, call, digests):
    before = digests(copy_of_complete)
    for arguments in (
        ("report", "--out", copy_of_complete),
        ("sweep", copy_of_complete),
        ("map", copy_of_complete),
        ("explain", copy_of_complete, complete.explained),
        ("verify", copy_of_complete),
    ):
        assert call(*arguments)[0] == 0, arguments
    assert digests(copy_of_complete) == before


@pytest.mark.usefixtures("read_only")
def test_an_unfinished_one_says_that_nothing_can_be_written(copy_of_complete, call, digests):
    before = digests(copy_of_complete)
    result = call("sweep", copy_of_complete, "--batch-size", "7")
    assert refused_or_done(result)
    assert "it cannot be written to" in result[2]
    assert digests(copy_of_complete) == before


@pytest.mark.parametrize("command", ["report", "verify", "neighbours", "sweep"])
def test_a_path_that_is_a_loop_of_links_is_a_sentence(tmp_path, call, command):
    loop = tmp_path / "loop"
    loop.symlink_to(tmp_path / "back")
    (tmp_path / "back").symlink_to(loop)
    more = {"report": ("--out", loop), "neighbours": (loop, "a.png")}.get(command, (loop,))
    assert refused_or_done(call(command, *more))
    with pytest.raises(InputError, match="loop"):
        Study(loop, "demo:train", "demo:uniform", "demo")
