"""What a step is: its name, what it needs, what decides its result, what it writes, and the work.

A `Step` is declared once, over the function that does the work. A `Task` is a step with the inputs and settings of one
study. Its key is a digest of all that decides the result: the identities of the inputs, the settings, and the keys of
the tasks that it needs. The same key says what has to be done and what may be read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from bias_toolkit.foundation.progress import Progress


class Inputs(Protocol):
    """What steps are done from. Besides these, it has whatever the work functions use."""

    settings: Any
    changes: int
    """Grows whenever an identity may have become another."""

    def identity(self, name: str) -> Any:
        """What tells an input from another in a key, as JSON values."""
        ...

    def open(self, name: str) -> None:
        """Open an input that is about to be used, so that its identity is the true one."""
        ...


class Need(NamedTuple):
    """What a step needs of another: the step, and for which of its members."""

    step: Step
    members: Callable[[Any, Any], Iterable[Any]]
    """Takes the inputs and the member that needs it."""


@dataclass(frozen=True)
class Job:
    """What the work of a step is given.

    Parameters
    ----------
    folder : Path
        Where to write.
    inputs : Inputs
    results : object
        Reads what the steps have written that this one needs.
    progress : Progress
    """

    folder: Any
    inputs: Any
    results: Any
    progress: Progress

    @property
    def settings(self) -> Any:
        """The settings of the study."""
        return self.inputs.settings


@dataclass(frozen=True)
class Sharding:
    """How a step goes over items in shards.

    Parameters
    ----------
    items : callable
        The items, from a job, and the member where there is one; a list of str.
    size : int
        Items in a shard.
    outputs : callable
        Names of a shard's files to the pyarrow schema of a table, or to None for an array. The first is the shard's
        kind, after which its seal is named.
    label : str
        What the progress says, with the member's name in braces.
    stop : callable, optional
        From a job and the member, a function that is given the tables of each shard in turn, or None. It says whether
        that is enough.
    finish : callable, optional
        Work on a job and the member when all shards are there.
    """

    items: Callable[..., list[str]]
    size: int
    outputs: Callable[[], Mapping[str, Any]]
    label: str
    stop: Callable[..., Callable[[Mapping[str, Any]], bool] | None] | None = None
    finish: Callable[..., None] | None = None


@dataclass(frozen=True, eq=False)
class Step:
    """One kind of step. It is made by `step` or `sharded`, which say what the fields are."""

    name: str
    work: Callable[..., Any]
    command: str
    writes: Sequence[str]
    tables: Callable[[], Mapping[str, Any]] = dict
    over: str | None = None
    needs: Sequence[Need | Step] = ()
    inputs: Sequence[str] = ()
    settings: Sequence[str | tuple[str, Callable[[Any], bool]]] = ()
    also: Callable[[], Mapping[str, Any]] | None = None
    skips: str | None = None
    is_listed: bool = True
    replaces_itself: bool = False
    sharding: Sharding | None = None

    @cached_property
    def _member_name(self) -> str:
        """The parameter of the work function that takes the member; it is what the name's braces hold."""
        names = list(inspect.signature(self.work).parameters)
        return names[1] if len(names) > 1 else ""

    def named(self, template: str, member: Any) -> str:
        """A template with the member in place of its name."""
        return template.format(**{self._member_name: member}) if member is not None else template

    def schema(self, name: str) -> Any:
        """The pyarrow schema of a table that it writes, by the file's name; None where it declares none."""
        stem = name.removesuffix(".parquet")
        outputs = self.sharding.outputs() if self.sharding else {}
        return self.tables().get(stem) or outputs.get(stem.rpartition("-")[0])

    def of(self, *members: Any) -> Need:
        """What another step needs: these members of this one."""
        return Need(self, lambda inputs, member: members)

    def where(self, members: Callable[[Any, Any], Iterable[Any]]) -> Need:
        """What another step needs: those members that a function of the inputs and of that step's member gives."""
        return Need(self, members)

    def members(self, inputs: Any) -> Sequence[Any]:
        """The members that the step has for the inputs; None alone for a step without."""
        return (None,) if self.over is None else tuple(getattr(inputs, self.over))

    def needed(self) -> Iterator[Need]:
        """Its needs. A step that is named alone is needed for all its members."""
        for need in self.needs:
            if isinstance(need, Need):
                yield need
            else:
                yield need.where(lambda inputs, member, step=need: step.members(inputs))

    def setting_names(self) -> set[str]:
        """The settings on which its result may depend, and that of all that it needs; inputs' settings aside."""
        own = {each if isinstance(each, str) else each[0] for each in self.settings}
        return own.union(*(need.step.setting_names() for need in self.needed()))

    def input_names(self) -> set[str]:
        """The inputs on which its result depends, and that of all that it needs; among them what it goes over."""
        own = {name for name in self.inputs if "{" not in name} | ({self.over} if self.over else set())
        return own.union(*(need.step.input_names() for need in self.needed()))


def step(name: str, **declared: Any) -> Callable[[Callable[..., Any]], Step]:
    """Declare the step that a function does.

    The function takes a `Job`, and the member where the step has several. It writes into the job's folder.

    Parameters
    ----------
    name : str
        The step's folder in the study, relative, with the member in braces: `responses/{sweep.name}`. The name in
        braces is the function's second parameter.
    command : str
        The command that does it, for sentences that tell a reader what to run.
    writes : sequence of str
        Patterns of the names of the files that it writes; `*` stands for no `/`. Nothing else in the folder is
        recorded or ever removed.
    tables : callable, optional
        The pyarrow schemas of the tables among `writes`, by their names without the ending `.parquet`.
    over : str, optional
        The attribute of the inputs that lists the members.
    needs : sequence of Step and Need
        What is done first, and enters the key.
    inputs : sequence of str
        The inputs whose identities enter the key; the member's name may stand in braces.
    settings : sequence of str or (str, callable)
        The settings that decide the result. With a callable of all settings, only where that is true. Settings that
        change the speed only do not belong here.
    also : callable, optional
        Other JSON values that decide the result, such as a constant of the method.
    skips : str, optional
        Pattern of the tables among `writes` that list what was left out.
    is_listed : bool
        Whether its members can be listed. Where not, who asks for the step makes the member. A member may have a
        method `key_values`, which gives what enters the key; of other dataclasses, all fields do.
    replaces_itself : bool
        Whether the work puts its result in the place of the old one, which stays until that moment.
    """

    def declare(work: Callable[..., Any]) -> Step:
        return Step(name, work, **declared)

    return declare


def sharded(
    name: str,
    *,
    items: Callable[..., list[str]],
    shard_size: int,
    outputs: Callable[[], Mapping[str, Any]],
    label: str,
    files: Sequence[str],
    stop: Callable[..., Any] | None = None,
    finish: Callable[..., None] | None = None,
    writes: Sequence[str] = (),
    **declared: Any,
) -> Callable[[Callable[..., Any]], Step]:
    """Declare a step that goes over items in shards.

    The function takes a `Job`, the member where there are several, an iterator of `Shard`, and a callable that counts
    the items done. It yields for each shard, in order, a mapping from the names in `outputs` to tables and arrays. It
    may read ahead in the shards.

    Parameters
    ----------
    items, shard_size, outputs, label, stop, finish
        As in `Sharding`.
    files : sequence of str
        The names in `outputs`.
    writes : sequence of str
        Patterns of the files that `finish` writes.
    **declared
        As in `step`.
    """
    patterns = [f"{each}-*" for each in files]
    if "skipped" in files:
        declared.setdefault("skips", "skipped-*.parquet")
    sharding = Sharding(items, shard_size, outputs, label, stop, finish)
    return step(name, writes=[*patterns, *writes], sharding=sharding, **declared)


class Task:
    """A step with the inputs and settings of a study.

    Parameters
    ----------
    step : Step
    member : object
        None for a step without members.
    plan : Plan
        Gives the tasks that it needs.
    """

    def __init__(self, step: Step, member: Any, plan: Plan):
        self.step = step
        self.member = member
        self._plan = plan
        self.name = step.named(step.name, member)

    @cached_property
    def needs(self) -> tuple[Task, ...]:
        """The tasks whose results it reads."""
        inputs = self._plan.inputs
        return tuple(
            self._plan.task(need.step, member)
            for need in self.step.needed()
            for member in need.members(inputs, self.member)
        )

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides the result besides what it needs, as JSON values."""
        inputs = self._plan.inputs
        found = {}
        for each in self.step.settings:
            name, applies = (each, None) if isinstance(each, str) else each
            if applies is None or applies(inputs.settings):
                found[name] = getattr(inputs.settings, name)
        names = [self.step.named(name, self.member) for name in self.step.inputs]
        found |= {name: inputs.identity(name) for name in names}
        if self.step.also is not None:
            found |= self.step.also()
        if hasattr(self.member, "key_values"):
            found["member"] = self.member.key_values()
        elif dataclasses.is_dataclass(self.member):
            found["member"] = dataclasses.asdict(self.member)
        return json.loads(json.dumps(found))

    @cached_property
    def key(self) -> str:
        """SHA-256, as hexadecimal digits, of all that decides the result."""
        content = {
            "step": self.name,
            "settings": self.settings,
            # In order: the work may write in the order of its needs.
            "needs": [[task.name, task.key] for task in self.needs],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def members(self) -> tuple[Any, ...]:
        """The member, or nothing for a step without, as arguments of the step's functions."""
        return () if self.member is None else (self.member,)

    def work(self, job: Job, *more: Any) -> Any:
        """Call the step's function."""
        return self.step.work(job, *self.members, *more)


class Plan:
    """The tasks of a study as its inputs and settings are now.

    Parameters
    ----------
    inputs : Inputs
    steps : sequence of Step
        All that a study has.
    """

    def __init__(self, inputs: Inputs, steps: Sequence[Step]):
        self.inputs = inputs
        self.steps = steps
        self._tasks: dict[tuple[Step, Any], Task] = {}
        self._changes = inputs.changes

    def task(self, step: Step, member: Any = None) -> Task:
        """One task; the same object until an identity changes, so that its key is digested once."""
        if self._changes != self.inputs.changes:
            self._tasks.clear()
            self._changes = self.inputs.changes
        if (step, member) not in self._tasks:
            self._tasks[step, member] = Task(step, member, self)
        return self._tasks[step, member]

    def all(self) -> list[Task]:
        """The tasks of every step whose members can be listed."""
        return [
            self.task(step, member) for step in self.steps if step.is_listed for member in step.members(self.inputs)
        ]
