"""Parts of a step that several processes do at the same time, without the lock of a run."""

import pytest
from toy_study import WORDS, Settings, ToyStudy, digests, lengths

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.lock import StudyLock


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files that an ordinary run makes of the left side."""
    other = ToyStudy(tmp_path_factory.mktemp("whole"))
    other.do(lengths, "left")
    return digests(other.folder)


@pytest.fixture
def begun(study):
    """A study in which the step is begun, but none of its shards is done."""
    assert study.runner.begin(lengths, "left") == 3
    assert study.inputs.read == ["source left"]
    study.inputs.read.clear()
    return study


def test_parts_do_their_shards_and_the_next_run_finishes_the_step(begun, whole):
    assert begun.runner.do_part(lengths, "left", 2, 2) == 1
    assert begun.inputs.read == WORDS[3:6]
    other = begun.again()
    assert other.runner.do_part(lengths, "left", 1, 2) == 2
    assert other.inputs.read == [*WORDS[:3], *WORDS[6:]]
    assert not begun.step_folder(lengths, "left").is_done
    assert begun.again().do(lengths, "left") == []
    assert digests(begun.folder) == whole
    # A part that comes late has nothing to do, and neither has one whose shards are there.
    assert other.runner.do_part(lengths, "left", 1, 2) == 0


def test_a_part_leaves_the_shards_that_are_there(begun):
    assert begun.runner.do_part(lengths, "left", 1, 3) == 1
    assert begun.runner.do_part(lengths, "left", 1, 1) == 2
    assert begun.inputs.read == WORDS


def test_parts_that_never_ran_are_done_by_the_next_run(begun, whole):
    begun.runner.do_part(lengths, "left", 1, 3)
    assert begun.again().do(lengths, "left") == WORDS[3:]
    assert digests(begun.folder) == whole


def test_parts_run_beside_each_other_but_not_beside_a_run(begun):
    other, part = StudyLock(begun.folder), StudyLock(begun.folder)
    part.acquire(shared=True)
    assert begun.runner.do_part(lengths, "left", 1, 3) == 1
    with pytest.raises(InputError, match="Another run is working"):
        begun.do(lengths, "left")
    part.release()
    other.acquire()
    with pytest.raises(InputError, match=r"Another run \(process"):
        begun.runner.do_part(lengths, "left", 2, 3)
    other.release()
    assert begun.runner.do_part(lengths, "left", 2, 3) == 1


def test_a_part_of_what_is_not_begun_under_these_settings_is_refused(begun):
    with pytest.raises(
        InputError, match=r"lengths/right is not begun with these inputs and settings; run `bias-toolkit"
    ):
        begun.runner.do_part(lengths, "right", 1, 2)
    with pytest.raises(InputError, match="lengths/left is not begun"):
        begun.again(settings=Settings(factor=3)).runner.do_part(lengths, "left", 1, 2)


def test_a_part_on_another_kind_of_machine_is_refused(begun):
    begun.environment["device"] = "cuda"
    with pytest.raises(InputError, match="was begun on a machine with another device; run"):
        begun.runner.do_part(lengths, "left", 1, 2)


def test_a_run_on_another_kind_of_machine_keeps_shards_that_are_all_there(begun, whole):
    begun.runner.do_part(lengths, "left", 1, 1)
    begun.environment["device"] = "cuda"
    assert begun.do(lengths, "left") == []
    assert digests(begun.folder) == whole
    assert begun.step_folder(lengths, "left").record.environment == {"torch": "2"}


def test_a_run_on_another_kind_of_machine_makes_no_result_of_two_and_says_so(begun, whole, caplog):
    begun.runner.do_part(lengths, "left", 1, 3)
    begun.environment["device"] = "cuda"
    assert begun.do(lengths, "left") == WORDS
    assert digests(begun.folder) == whole
    assert caplog.messages == [
        "lengths/left: 1 shard was done with another device, and computed again, as no result is made in two "
        "environments."
    ]
