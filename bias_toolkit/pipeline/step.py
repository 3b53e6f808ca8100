"""The definition of a step: its name, its needs, the settings that decide its result, its files, and its work.

A `Step` is declared once, over the function that does the work. A `Task` is a step with the inputs and settings of one
study. Its key is a digest of all that decides the result: the identities of the inputs, the settings, and the keys of
the tasks that it needs. The same key decides which tasks have to be done and which results may be read.
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
from bias_toolkit.foundation.shards import Shard, cut_into_shards


class Inputs(Protocol):
    """The inputs of steps. They also have whatever attributes the work functions use."""

    settings: Any
    changes: int
    """Increases whenever an identity may have changed."""

    def identity(self, name: str) -> Any:
        """The value, as JSON, that distinguishes an input from others in a key."""
        ...

    def open(self, name: str) -> None:
        """Open an input that is about to be used, so that its identity is up to date."""
        ...


class Need(NamedTuple):
    """A need of a step: another step, and the members of it that are needed."""

    step: Step
    members: Callable[[Any, Any], Iterable[Any]]
    """Takes the inputs and the member that needs it."""


@dataclass(frozen=True)
class Job:
    """The arguments of a step's work: it writes into `folder` and reads the steps that it needs from `results`."""

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
    """How a step processes items in shards.

    Parameters
    ----------
    items : callable
        Maps a job, and the member if there is one, to the items, a list of str.
    size : int or callable
        Items in a shard; a callable takes what `items` takes.
    outputs : callable
        Returns a mapping from the names of a shard's files to the pyarrow schema of a table, or to None for an array.
        The first name is the shard's kind, and names its seal.
    label : str
        The progress text, with the member's name in braces.
    stop : callable, optional
        Maps a job and the member to None or to a function. The function gets the tables of each shard in turn, and
        returns whether these are enough.
    begin : callable, optional
        Work on a job and the member before the first shard, in each process that does one, or in the driver if none is
        missing. It keeps what is there.
    finish : callable, optional
        Work on a job and the member after all shards are done.
    in_turn : bool
        Whether each shard continues from the one before.
    by_item : bool
        Whether every row is of one item, named in the first column, and would be the same among any other items. A
        sample's rows are then taken over.
    is_kept : bool
        Whether the shards remain. If not, they are removed after `finish`, which writes the result.
    """

    items: Callable[..., list[str]]
    size: int | Callable[..., int]
    outputs: Callable[[], Mapping[str, Any]]
    label: str
    stop: Callable[..., Callable[[Mapping[str, Any]], bool] | None] | None = None
    begin: Callable[..., None] | None = None
    finish: Callable[..., None] | None = None
    in_turn: bool = False
    by_item: bool = False
    is_kept: bool = True

    def shards(self, job: Job, *members: Any) -> list[Shard]:
        """The items of a job, cut into shards."""
        size = self.size(job, *members) if callable(self.size) else self.size
        return cut_into_shards(self.items(job, *members), size)


@dataclass(frozen=True, eq=False)
class Step:
    """One kind of step. `step` and `sharded` make it; they describe its fields."""

    name: str
    work: Callable[..., Any]
    command: str
    writes: Sequence[str]
    tables: Callable[[], Mapping[str, Any]] = dict
    over: str | None = None
    needs: Sequence[Need | Step] = ()
    inputs: Sequence[str] = ()
    settings: Sequence[str | tuple[str, Callable[[Any], bool]]] = ()
    limits: Sequence[str] = ()
    also: Callable[[], Mapping[str, Any]] | None = None
    skips: str | None = None
    requires: Sequence[str] = ()
    check: Callable[[Any], None] | None = None
    is_listed: bool = True
    replaces_itself: bool = False
    sharding: Sharding | None = None

    @cached_property
    def _member_name(self) -> str:
        """The work function's parameter for the member; the braces in the step's name hold the same name."""
        names = list(inspect.signature(self.work).parameters)
        return names[1] if len(names) > 1 else ""

    def named(self, template: str, member: Any) -> str:
        """A template with the member in place of its name."""
        return template.format(**{self._member_name: member}) if member is not None else template

    def schema(self, name: str) -> Any:
        """The pyarrow schema of a table, by the file's name; None if the step declares none."""
        stem = name.removesuffix(".parquet")
        outputs = self.sharding.outputs() if self.sharding else {}
        return self.tables().get(stem) or outputs.get(stem.rpartition("-")[0])

    def of(self, *members: Any) -> Need:
        """A need of another step: these members of this one."""
        return Need(self, lambda inputs, member: members)

    def where(self, members: Callable[[Any, Any], Iterable[Any]]) -> Need:
        """A need of another step: the members that a function returns, given the inputs and the other step's member."""
        return Need(self, members)

    def members(self, inputs: Any) -> Sequence[Any]:
        """The members of the step for the inputs; only None for a step without members."""
        return (None,) if self.over is None else tuple(getattr(inputs, self.over))

    def needed(self) -> Iterator[Need]:
        """The step's needs. A step without named members is needed for all its members."""
        for need in self.needs:
            if isinstance(need, Need):
                yield need
            else:
                yield need.where(lambda inputs, member, step=need: step.members(inputs))

    def lineage(self) -> set[Step]:
        """The step, and all steps on whose results its own may depend."""
        return {self}.union(*(need.step.lineage() for need in self.needed()))

    def setting_names(self) -> set[str]:
        """The settings of its work, and of the work of the steps that it needs, except the inputs' settings."""
        declared = [each for step in self.lineage() for each in (*step.settings, *step.limits)]
        return {each if isinstance(each, str) else each[0] for each in declared}

    def input_names(self) -> set[str]:
        """The inputs on which its result, or any result that it needs, depends, including the source of its items."""
        declared = [name for step in self.lineage() for name in (*step.inputs, step.over)]
        return {name for name in declared if name and "{" not in name}


def step(name: str, **declared: Any) -> Callable[[Callable[..., Any]], Step]:
    """Declare the step that a function does.

    The function takes a `Job`, and the member if the step has several. It writes into the job's folder.

    Parameters
    ----------
    name : str
        The step's folder in the study, relative, with the member in braces: `responses/{sweep.name}`. The name in
        braces is the function's second parameter.
    command : str
        The command that does the step, for sentences that name the command to run.
    writes : sequence of str
        Patterns of the names of its files; `*` does not match `/`. No other file in the folder is recorded or removed.
    tables : callable, optional
        The pyarrow schemas of the tables among `writes`, by their names without the extension `.parquet`.
    over : str, optional
        The attribute of the inputs that lists the members.
    needs : sequence of Step and Need
        The steps that are done first; their keys enter the key.
    inputs : sequence of str
        The inputs whose identities enter the key; a name may contain the member's name in braces.
    settings : sequence of str or (str, callable)
        The settings that decide the result. With a callable, which takes all settings, the setting counts only if the
        callable returns True. Settings that change only the speed do not belong here.
    limits : sequence of str
        The other settings that the work uses; they change only its speed or its memory.
    also : callable, optional
        Other JSON values that decide the result, such as a constant of the method.
    skips : str, optional
        Pattern of the tables among `writes` that list the items left out.
    requires : sequence of str
        The inputs that must be named; a study without one of them is refused before anything is computed.
    check : callable, optional
        Takes the inputs. Raises InputError before anything is computed, if the step could give no result.
    is_listed : bool
        Whether its members can be listed. If not, the caller makes the member. A member may have a method `key_values`,
        which returns its part of the key; for other dataclasses, the part is all fields.
    replaces_itself : bool
        Whether the work itself replaces the old result, which stays until then.
    """

    def declare(work: Callable[..., Any]) -> Step:
        return Step(name, work, **declared)

    return declare


def sharded(
    name: str,
    *,
    items: Callable[..., list[str]],
    shard_size: int | Callable[..., int],
    outputs: Callable[[], Mapping[str, Any]],
    label: str,
    files: Sequence[str],
    stop: Callable[..., Any] | None = None,
    begin: Callable[..., None] | None = None,
    finish: Callable[..., None] | None = None,
    in_turn: bool = False,
    by_item: bool = False,
    is_kept: bool = True,
    writes: Sequence[str] = (),
    **declared: Any,
) -> Callable[[Callable[..., Any]], Step]:
    """Declare a step that processes items in shards.

    The function takes a `Job`, the member if there are several, an iterator of `Shard`, and a callable that counts the
    items done. For each shard, in order, it yields a mapping from the names in `outputs` to tables and arrays. It may
    read shards ahead.

    Parameters
    ----------
    items, shard_size, outputs, label, stop, begin, finish, in_turn, by_item, is_kept
        As in `Sharding`.
    files : sequence of str
        The names in `outputs`.
    writes : sequence of str
        Patterns of the files that `begin` and `finish` write.
    **declared
        As in `step`.
    """
    patterns = [f"{each}-*" for each in files]
    if "skipped" in files:
        declared.setdefault("skips", "skipped-*.parquet")
    sharding = Sharding(items, shard_size, outputs, label, stop, begin, finish, in_turn, by_item, is_kept)
    return step(name, writes=[*patterns, *writes], sharding=sharding, **declared)


class Task:
    """A step with the inputs and settings of a study.

    `member` is None for a step without members. `plan` returns the tasks that this task needs.
    """

    def __init__(self, step: Step, member: Any, plan: Plan) -> None:
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
        """The values, as JSON, that decide the result besides the tasks that it needs."""
        inputs = self._plan.inputs
        values = {}
        for each in self.step.settings:
            name, applies = (each, None) if isinstance(each, str) else each
            if applies is None or applies(inputs.settings):
                values[name] = getattr(inputs.settings, name)
        names = [self.step.named(name, self.member) for name in self.step.inputs]
        values |= {name: inputs.identity(name) for name in names}
        if self.step.also is not None:
            values |= self.step.also()
        if hasattr(self.member, "key_values"):
            values["member"] = self.member.key_values()
        elif dataclasses.is_dataclass(self.member):
            values["member"] = dataclasses.asdict(self.member)
        return json.loads(json.dumps(values))

    @cached_property
    def key(self) -> str:
        """SHA-256, in hex, of all that decides the result."""
        content = {
            "step": self.name,
            "settings": self.settings,
            # The order matters: the work may write in the order of its needs.
            "needs": [[task.name, task.key] for task in self.needs],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def title(self) -> str:
        """Its name in words: `Features, train`."""
        kind, _, member = self.name.partition("/")
        return kind.replace("-", " ").capitalize() + (f", {member}" if member else "")

    @property
    def members(self) -> tuple[Any, ...]:
        """The member as arguments of the step's functions; empty for a step without members."""
        return () if self.member is None else (self.member,)

    def work(self, job: Job, *more: Any) -> Any:
        """Call the step's function."""
        return self.step.work(job, *self.members, *more)


class Plan:
    """The tasks of a study for its present inputs and settings; `steps` are all steps of the study."""

    def __init__(self, inputs: Inputs, steps: Sequence[Step]) -> None:
        self.inputs = inputs
        self.steps = steps
        self._tasks: dict[tuple[Step, Any], Task] = {}
        self._changes = inputs.changes

    def task(self, step: Step, member: Any = None) -> Task:
        """One task; the same object until an identity changes, so that its key is computed once."""
        if self._changes != self.inputs.changes:
            self._tasks.clear()
            self._changes = self.inputs.changes
        if (step, member) not in self._tasks:
            self._tasks[step, member] = Task(step, member, self)
        return self._tasks[step, member]

    def in_order(self, tasks: Iterable[Task]) -> list[Task]:
        """Tasks and all that they need, in the order in which they are done."""
        ordered: dict[str, Task] = {}
        for task in tasks:
            if task.name not in ordered:
                ordered |= {each.name: each for each in self.in_order(task.needs)} | {task.name: task}
        return list(ordered.values())

    def all(self) -> list[Task]:
        """The tasks of every step whose members can be listed."""
        return [
            self.task(step, member) for step in self.steps if step.is_listed for member in step.members(self.inputs)
        ]
