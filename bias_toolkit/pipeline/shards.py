"""The only loop over shards: finding the missing ones, doing them, writing and sealing their files, and stopping."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bias_toolkit.foundation.files import (
    read_seal,
    read_table,
    seal_path,
    seal_shard,
    sealed_shards,
    write_array,
    write_table,
)
from bias_toolkit.foundation.progress import Advance
from bias_toolkit.foundation.shards import Shard
from bias_toolkit.pipeline.known_rows import KnownRows
from bias_toolkit.pipeline.step import Job, Task

Seal = Callable[[Sequence[int], Advance], Iterator[int]]
"""Does the shards of these numbers, counts items, and yields the number of each shard that is sealed, in order."""


def do_shards(task: Task, job: Job, seal: Seal) -> None:
    """Do the shards of a task that are missing in the job's folder, in order, until the task's `stop` returns True.

    Raises InputError if the work refuses its input.
    """
    sharding = task.step.sharding
    shards = sharding.shards(job, *task.members)
    whole = _whole_shards(task, job.folder)
    missing = [shard.number for shard in shards if shard.number not in whole]
    stop = sharding.stop(job, *task.members) if sharding.stop else None
    done = sum(len(shard.items) for shard in shards if shard.number in whole)
    label = task.step.named(sharding.label, task.member)
    with (
        job.progress(label, total=sum(len(shard.items) for shard in shards), done=done) as advance,
        closing(seal(missing, advance)) as sealed,
    ):
        is_begun = False
        for shard in shards:
            if shard.number not in whole:
                is_begun = True
                if next(sealed, None) != shard.number:
                    raise RuntimeError(f"shard {shard.number} of {task.name} was not sealed in its turn")
            if stop is not None and stop(_tables(task, job.folder, shard.number)):
                sealed.close()
                # An executor may have done some ahead, but the result ends where the step stops.
                _remove_shards(task, job.folder, shards[shard.number + 1 :])
                break
    if sharding.begin and not is_begun:
        # What it writes may be gone, though all shards are whole.
        sharding.begin(job, *task.members)
    if sharding.finish:
        sharding.finish(job, *task.members)
    if not sharding.is_kept:
        _remove_shards(task, job.folder, shards)


def missing_shards(task: Task, job: Job) -> list[Shard]:
    """The shards of a task that are not in the job's folder, in order."""
    whole = _whole_shards(task, job.folder)
    return [shard for shard in task.step.sharding.shards(job, *task.members) if shard.number not in whole]


def work_on_shards(
    task: Task, job: Job, numbers: Iterable[int], advance: Advance, known: KnownRows | None = None
) -> Iterator[int]:
    """Do shards of a task: write each one's files into the job's folder, seal it, and yield its number.

    `numbers` are those of the shards, in order; the work requests them one by one, and may be some ahead. `advance`
    takes the number of items done since its last call. Items that are `known` are not done again.
    """
    sharding = task.step.sharding
    shards = sharding.shards(job, *task.members)
    taken: deque[int] = deque()

    def wanted() -> Iterator[Shard]:
        is_begun = sharding.begin is None
        for number in numbers:
            if not is_begun:
                sharding.begin(job, *task.members)
                is_begun = True
            taken.append(number)
            yield shards[number] if known is None else known.rest(shards[number])

    outputs, kind = sharding.outputs(), kind_of(task)
    with closing(task.work(job, wanted(), advance)) as made:
        for tables in made:
            number = taken.popleft()
            if known is not None:
                tables = known.joined(tables, shards[number])
                advance(sum(item in known.items for item in shards[number].items))
            names = [_write(tables, name, schema, job.folder, number) for name, schema in outputs.items()]
            seal_shard(job.folder, kind, number, names)
            yield number
    if taken:
        raise RuntimeError(f"shard {taken[0]} of {task.name} was not made")


def kind_of(task: Task) -> str:
    """The name of a task's seals: its first output."""
    return next(iter(task.step.sharding.outputs()))


def _whole_shards(task: Task, folder: Path) -> set[int]:
    """The shards in a folder that are sealed and have all their files. A truncated seal may name fewer files."""
    sealed = sealed_shards(folder, kind_of(task), lambda number: _names(task, number))
    return {
        number for number in sealed if set(read_seal(seal_path(folder, kind_of(task), number))) == _names(task, number)
    }


def _remove_shards(task: Task, folder: Path, shards: Sequence[Shard]) -> None:
    """Remove shards, of each the seal first, so that what remains of it after a kill is no shard."""
    for number, _ in shards:
        seal_path(folder, kind_of(task), number).unlink(missing_ok=True)
        for name in _names(task, number):
            (folder / name).unlink(missing_ok=True)


def _names(task: Task, number: int) -> set[str]:
    """The names of a shard's files."""
    return {_file_name(name, schema, number) for name, schema in task.step.sharding.outputs().items()}


def _write(tables: Mapping[str, Any], name: str, schema: Any, folder: Path, number: int) -> str:
    path = folder / _file_name(name, schema, number)
    if schema is None:
        write_array(tables[name], path)
    else:
        write_table(tables[name], path, schema)
    return path.name


def _file_name(name: str, schema: Any, number: int) -> str:
    stem, _, ending = name.partition(".")
    return f"{stem}-{number:05d}.{ending or ('npy' if schema is None else 'parquet')}"


def _tables(task: Task, folder: Path, number: int) -> dict[str, Any]:
    """The tables of a sealed shard, by output. Arrays are left out."""
    return {
        name: read_table(folder / _file_name(name, schema, number))
        for name, schema in task.step.sharding.outputs().items()
        if schema is not None
    }
