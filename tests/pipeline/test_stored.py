"""Readers get whole results under the present key, or a sentence with the command to run."""

import json
import shutil
from pathlib import Path

import pytest
from toy_study import STEPS, WORDS, Settings, digests, flip, killed, lengths, page, some, source, summary

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import file_digest, read_table
from bias_toolkit.pipeline.record import RECORD, read_record, write_record
from bias_toolkit.pipeline.step import step


@pytest.fixture
def done(study):
    """A finished study as another process opens it, in which no task has come up."""
    study.do(page)
    return study.again()


def text(study, step, name, member=None):
    return study.results.read(step, name, Path.read_text, member)


def test_what_is_done_is_read(done):
    assert text(done, source, "words.txt", "left") == "left: []"
    assert text(done, summary, "parts/first.txt") == text(done, lengths, "total.txt", "left") == "96"
    assert done.results.read(lengths, "lengths-00002.parquet", read_table, "right")["word"].tolist() == WORDS[6:]
    assert done.results.read(summary, "", lambda folder: folder) == done.folder / "summary"
    assert done.results.is_current(done.plan.task(page))


def test_a_file_that_a_step_may_write_is_there_or_not(done):
    assert done.results.has(summary, "summary.txt")
    assert done.results.has(lengths, "total.txt", "left")
    (done.folder / "summary" / "other.txt").write_text("the user's")
    assert not done.results.has(summary, "other.txt")
    with pytest.raises(InputError, match="has no some yet"):
        done.results.has(some, "total.txt")


MISSING = r"^\S*study has no {} yet; run `bias-toolkit {}` on it first\.$"
OTHER = r"^\S*study/{} was computed with other inputs or settings than the study has now; run `bias-toolkit {}` on the"
DAMAGED = (
    r"^\S*study/{} was damaged or removed since it was written; run `bias-toolkit {}` on the study, and it is comp"
)
LOST = (
    r"^\S*study/{}/step\.json is missing, damaged, or of another version of bias-toolkit; run `bias-toolkit {}` on the "
    r"study, and it is made anew\.$"
)


def test_what_is_missing_is_named(study):
    with pytest.raises(InputError, match=MISSING.format("lengths/left", "measure")):
        text(study, lengths, "total.txt", "left")
    study.do(source, "left")
    with pytest.raises(InputError, match=MISSING.format("summary", "sum-up")):
        text(study, summary, "summary.txt")
    assert not study.results.is_current(study.plan.task(summary))


def test_what_is_half_done_is_not_there_yet(study):
    study.inputs.killer = WORDS[7]
    with killed():
        study.do(lengths, "left")
    with pytest.raises(InputError, match=MISSING.format("lengths/left", "measure")):
        study.results.read(lengths, "lengths-00000.parquet", read_table, "left")
    assert not study.results.is_current(study.plan.task(lengths, "left"))


def test_what_is_being_computed_is_not_there_yet(study):
    seen, length = [], study.inputs.length

    def looking(word):
        if word == WORDS[5]:
            with pytest.raises(InputError, match=MISSING.format("lengths/left", "measure")):
                study.again().results.read(lengths, "lengths-00000.parquet", read_table, "left")
            seen.append(word)
        return length(word)

    study.inputs.length = looking
    study.do(lengths, "left")
    assert seen


@pytest.mark.parametrize(
    ("wanted", "name", "member", "command"),
    [
        (lengths, "total.txt", "left", "measure"),
        (lengths, "", "right", "measure"),
        (summary, "summary.txt", None, "sum-up"),
        (page, "page.html", None, "page"),
    ],
)
def test_a_result_of_other_settings_is_never_handed_out(done, wanted, name, member, command):
    other = done.again(settings=Settings(factor=3))
    with pytest.raises(InputError, match=OTHER.format(other.plan.task(wanted, member).name, command)):
        other.results.read(wanted, name, lambda path: pytest.fail("it was read"), member)
    assert not other.results.is_current(other.plan.task(wanted, member))
    assert text(other, source, "words.txt", "left")


def test_a_result_of_another_identity_is_not_handed_out_any_more(done):
    assert text(done, summary, "summary.txt")
    done.inputs.identities["machine"] = "another"
    done.inputs.changes += 1
    with pytest.raises(InputError, match=OTHER.format("summary", "sum-up")):
        text(done, summary, "summary.txt")


def test_a_result_that_is_being_replaced_is_not_handed_out(done):
    """While another run computes the task with other settings, in each of its moments."""
    other, seen = done.again(settings=Settings(factor=3)), []
    length = other.inputs.length

    def looking(word):
        with pytest.raises(InputError, match=OTHER.format("lengths/left", "measure")):
            text(done.again(), lengths, "total.txt", "left")
        seen.append(word)
        return length(word)

    other.inputs.length = looking
    other.do(lengths, "left")
    assert seen == WORDS


DAMAGES = {
    "flip": flip,
    "flip that kept the time": lambda path: flip(path, keep_time=True),
    "truncate": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "delete": lambda path: path.unlink(),
}
FILES = [
    (source, "words.txt", "left", "read"),
    (lengths, "lengths-00001.parquet", "right", "measure"),
    (summary, "parts/first.txt", None, "sum-up"),
    (page, "page.html", None, "page"),
]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize(("wanted", "name", "member", "command"), FILES)
def test_a_damaged_file_is_named_and_what_is_whole_is_read(done, wanted, name, member, command, damage):
    folder = done.step_folder(wanted, member).path
    damage(folder / name)
    said = DAMAGED.format(f"{done.plan.task(wanted, member).name}/{name}", command)
    for asked in (name, ""):
        with pytest.raises(InputError, match=said):
            done.results.read(wanted, asked, lambda path: pytest.fail("it was read"), member)
    if wanted is summary:
        assert text(done, summary, "summary.txt")
    done.again().do(page)
    assert done.again().results.read(wanted, name, Path.read_bytes, member)


@pytest.mark.parametrize("damage", [*DAMAGES.values(), lambda path: path.write_bytes(b"")], ids=[*DAMAGES, "empty"])
def test_a_lost_record_is_named(done, damage):
    whole = (done.folder / "summary" / RECORD).read_bytes()
    damage(done.folder / "summary" / RECORD)
    with pytest.raises(InputError, match=LOST.format("summary", "sum-up")):
        text(done, summary, "summary.txt")
    (done.folder / "summary" / RECORD).write_bytes(whole)
    assert text(done, summary, "summary.txt")


@pytest.mark.parametrize("what", ["file", "record"])
def test_a_process_that_has_done_the_study_restores_what_is_damaged(study, what):
    study.do(page)
    before = digests(study.folder)
    if what == "file":
        flip(study.folder / "lengths" / "left" / "total.txt", keep_time=True)
    else:
        (study.folder / "lengths" / "left" / RECORD).unlink()
    assert text(study, lengths, "total.txt", "left") == "96"
    assert digests(study.folder) == before
    assert study.again().results.is_current(study.plan.task(lengths, "left"))


def test_nothing_is_restored_by_a_reader_of_other_settings(study):
    """Not even where it has done the task before, with those that it had then."""
    study.do(lengths, "left")
    (study.folder / "lengths" / "left" / "total.txt").unlink()
    other = study.again(settings=Settings(factor=3))
    other.do(source, "left")
    with pytest.raises(InputError, match=OTHER.format("lengths/left", "measure")):
        text(other, lengths, "total.txt", "left")
    assert other.inputs.read == []


def test_a_result_that_is_replaced_while_it_is_read_is_not_given(done):
    def slowly(path):
        found = path.read_text()
        done.again(settings=Settings(factor=3)).do(lengths, "left")
        return found

    with pytest.raises(InputError, match=r"lengths/left was computed anew while it was read\. Read it again when"):
        done.results.read(lengths, "total.txt", slowly, "left")


def test_a_folder_that_goes_away_while_it_is_read_is_said_so(done):
    def slowly(path):
        shutil.rmtree(path)
        return (path / "summary.txt").read_text()

    with pytest.raises(InputError, match="summary was computed anew while it was read"):
        done.results.read(summary, "", slowly)
    with pytest.raises(InputError, match=MISSING.format("summary", "sum-up")):
        text(done, summary, "summary.txt")


def test_a_reader_that_fails_on_whole_files_says_which(done):
    with pytest.raises(InputError, match=r"summary/summary\.txt cannot be read \(Expecting value|Extra data"):
        done.results.read(summary, "summary.txt", lambda path: json.loads(path.read_text()))


def test_a_record_under_another_key_is_no_result_whatever_else_it_says(done):
    """Here with the digests of the files as they are, as a record of another study has them."""
    folder = done.folder / "summary"
    write_record(read_record(folder).model_copy(update={"key": "a" * 64}), folder)
    with pytest.raises(InputError, match=OTHER.format("summary", "sum-up")):
        text(done, summary, "summary.txt")
    assert done.do(summary) == ["summary"]


def test_nothing_is_read_through_a_folder_that_leads_out_of_the_study(done, tmp_path):
    (done.folder / "summary").rename(tmp_path / "outside")
    (done.folder / "summary").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="leads out of"):
        text(done, summary, "summary.txt")


def test_only_what_was_asked_for_is_read(done, monkeypatch):
    read = []

    def reading(path):
        read.append(Path(path).name)
        return file_digest(path)

    monkeypatch.setattr("bias_toolkit.foundation.files.file_digest", reading)
    monkeypatch.setattr("bias_toolkit.foundation.files._intact", set())
    text(done, lengths, "total.txt", "left")
    text(done, lengths, "total.txt", "left")
    assert read == ["total.txt"]


def test_a_step_that_is_not_listed_is_read_by_its_member(study):
    @step("asked/{word}", settings=["factor"], writes=["a.txt"], is_listed=False, command="ask")
    def asked(job, word):
        (job.folder / "a.txt").write_text(word)

    study = study.again(steps=[*STEPS, asked])
    study.do(asked, "why")
    assert text(study, asked, "a.txt", "why") == "why"
    with pytest.raises(InputError, match=MISSING.format("asked/how", "ask")):
        text(study, asked, "a.txt", "how")
