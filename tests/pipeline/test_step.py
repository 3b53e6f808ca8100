"""Which changes give a task another key, and which do not."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_study import STEPS, Inputs, Settings, lengths, page, some, source, summary

from bias_toolkit.pipeline.step import Plan, sharded, step


def key(step, member=None, steps=STEPS, **settings):
    return Plan(Inputs(Settings(**settings)), steps).task(step, member).key


def declared(name="work", work=lambda job: None, **more):
    return step(name, command="work", writes=["*.bin"], **more)(work)


@pytest.mark.parametrize("first", STEPS)
def test_the_same_inputs_and_settings_give_the_same_key(first):
    member = "left" if first.over else None
    assert key(first, member) == key(first, member)
    assert len(key(first, member)) == 64


def test_a_setting_that_the_step_names_changes_its_key_and_those_of_what_needs_it():
    for needing, member in ((lengths, "left"), (some, None), (summary, None), (page, None)):
        assert key(needing, member, factor=3) != key(needing, member)
    assert key(source, "left", factor=3) == key(source, "left")


def test_a_setting_with_a_condition_counts_only_where_that_is_true():
    assert key(lengths, "left", offset=5) == key(lengths, "left")
    assert key(lengths, "left", offset=5, is_shifted=True) != key(lengths, "left", is_shifted=True)
    task = Plan(Inputs(Settings(is_shifted=True, offset=5)), STEPS).task(lengths, "left")
    assert task.settings == {"factor": 2, "offset": 5, "machine": "m"}


def test_identities_enter_the_keys_of_their_own_member_only():
    inputs = Inputs()
    inputs.identities["left"] = "another"
    plan = Plan(inputs, STEPS)
    for changed in (source, lengths):
        assert plan.task(changed, "left").key != key(changed, "left")
        assert plan.task(changed, "right").key == key(changed, "right")
    assert plan.task(summary).key != key(summary)


def test_other_values_that_decide_enter_the_key():
    keys = {key(declared(also=lambda value=value: {"constant": value})) for value in (1, 2, "1", None)}
    assert len(keys | {key(declared())}) == 5


def test_a_limit_is_among_the_settings_but_not_in_the_key():
    limited = declared(settings=["factor"], limits=["speed"])
    assert declared(needs=[limited]).setting_names() == {"factor", "speed"}
    assert key(limited, speed=3) == key(limited)


def test_the_name_and_the_needs_enter_the_key():
    assert key(declared()) != key(declared("other"))
    needing = [declared(needs=needs) for needs in ([], [source.of("left")], [source.of("right")], [source])]
    assert len({key(each) for each in needing}) == 4


@dataclasses.dataclass(frozen=True)
class Sweep:
    name: str
    size: float


class Request(str):
    """A member that says itself what enters the key."""

    def key_values(self):
        return {"length": len(self)}


def test_a_member_enters_the_key_by_its_fields_or_by_what_it_says():
    swept = declared("swept/{sweep.name}", lambda job, sweep: None)
    keys = {key(swept, Sweep(name, size)) for name in "ab" for size in (1.0, 2.0)}
    assert len(keys) == 4
    assert Plan(Inputs(), [swept]).task(swept, Sweep("a", 1.0)).name == "swept/a"
    asked = declared("asked", lambda job, request: None)
    assert key(asked, Request("ab")) == key(asked, Request("cd")) != key(asked, Request("abc"))


def test_a_task_is_one_object_until_an_identity_changes():
    inputs = Inputs()
    plan = Plan(inputs, STEPS)
    first = plan.task(lengths, "left")
    before = first.key
    assert plan.task(lengths, "left") is first
    assert first.needs == (plan.task(source, "left"),)
    inputs.identities["machine"] = "another"
    assert plan.task(lengths, "left") is first
    inputs.changes += 1
    assert plan.task(lengths, "left") is not first
    assert plan.task(lengths, "left").key != before


def test_members_names_and_what_a_plan_lists():
    hidden = declared("hidden", lambda job, request: None, is_listed=False)
    plan = Plan(Inputs(), [source, summary, hidden])
    assert [task.name for task in plan.all()] == ["source/left", "source/right", "summary"]
    assert [task.members for task in plan.all()] == [("left",), ("right",), ()]
    assert [task.name for task in plan.task(summary).needs] == ["lengths/left", "lengths/right"]
    assert lengths.named("Measuring {side}", "left") == "Measuring left"
    assert summary.named("{left as it is}", None) == "{left as it is}"


def test_names_of_settings_and_inputs_are_those_of_all_that_is_needed():
    assert page.setting_names() == {"factor", "offset"}
    assert some.setting_names() == {"factor", "enough"}
    assert page.input_names() == {"machine", "sides"}
    assert source.setting_names() == set()


def test_a_sharded_step_says_what_it_writes_and_leaves_out():
    assert list(lengths.writes) == ["lengths-*", "skipped-*", "total.txt"]
    assert lengths.skips == "skipped-*.parquet"
    bare = {"items": list, "shard_size": 1, "outputs": dict, "label": "", "command": "work"}
    assert sharded("work", files=["rows"], **bare)(lambda job: None).skips is None
    assert sharded("work", files=["skipped"], skips=None, **bare)(lambda job: None).skips is None


VALUES = {
    "factor": st.integers(-3, 3),
    "offset": st.integers(-3, 3),
    "is_shifted": st.booleans(),
    "enough": st.integers(0, 3),
    "speed": st.integers(0, 3),
}
SETTINGS = st.builds(Settings, **VALUES)


@given(SETTINGS, SETTINGS, st.sampled_from(STEPS))
def test_keys_are_equal_just_where_all_that_a_step_names_is(one, other, step):
    """`offset` counts only where `is_shifted`, which is named by no step itself; nor is `speed`."""

    def deciding(settings):
        names = step.setting_names()
        decides = {name: getattr(settings, name) for name in names}
        if "offset" in names and not settings.is_shifted:
            del decides["offset"]
        return decides

    member = "left" if step.over else None
    keys = [Plan(Inputs(each), STEPS).task(step, member).key for each in (one, other)]
    assert (keys[0] == keys[1]) == (deciding(one) == deciding(other))


@given(SETTINGS, st.sampled_from(sorted(VALUES)), st.sampled_from(STEPS))
def test_one_changed_setting_gives_another_key_where_the_step_names_it(settings, name, step):
    value = getattr(settings, name)
    changed = dataclasses.replace(settings, **{name: not value if isinstance(value, bool) else value + 1})
    counts = name in step.setting_names() and (name != "offset" or settings.is_shifted)
    appears = name == "is_shifted" and "offset" in step.setting_names()
    member = "left" if step.over else None
    keys = [Plan(Inputs(each), STEPS).task(step, member).key for each in (settings, changed)]
    assert (keys[0] != keys[1]) == (counts or appears)
