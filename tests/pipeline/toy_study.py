"""A study of words in place of images: its inputs, its steps, and what does and reads them."""

import contextlib
import hashlib
import os
import pickle
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.foundation.progress import silent
from bias_toolkit.pipeline.executor import ShardJob, Workshop
from bias_toolkit.pipeline.runner import Runner
from bias_toolkit.pipeline.step import Plan, sharded, step
from bias_toolkit.pipeline.step_folder import StepFolder
from bias_toolkit.pipeline.stored import Stored

WORDS = [f"word-{number}" for number in range(8)]
LENGTHS = pa.schema([("word", pa.string()), ("length", pa.int64())])
SKIPPED = pa.schema([("word", pa.string()), ("reason", pa.string()), ("transient", pa.bool_())])


@dataclass(frozen=True)
class Settings:
    """`speed` decides no result."""

    factor: int = 2
    offset: int = 0
    is_shifted: bool = False
    enough: int = 100
    speed: int = 1


class Inputs:
    """Words on two sides. `broken` ones cannot be read, and `killer` ends the run."""

    def __init__(self, settings=None, sides=("left", "right")):
        self.settings = settings or Settings()
        self.sides = sides
        self.changes = 0
        self.identities = {"left": "l", "right": "r", "machine": "m"}
        self.opened, self.read = [], []
        self.broken, self.killer = set(), None

    def identity(self, name):
        return self.identities[name]

    def open(self, name):
        self.opened.append(name)

    def length(self, word):
        """The length of a word; None where it cannot be read now."""
        if word == self.killer:
            raise KeyboardInterrupt
        self.read.append(word)
        return None if word in self.broken else len(word) * self.settings.factor


def skipped_table(words):
    return pd.DataFrame({"word": words, "reason": "away", "transient": True}).astype({"word": object, "reason": object})


@step(
    "source/{side}",
    over="sides",
    inputs=["{side}"],
    also=lambda: {"version": 1},
    writes=["words.txt", "skipped.parquet"],
    skips="skipped.parquet",
    command="read",
)
def source(job, side):
    from bias_toolkit.foundation.files import write_table, write_text

    job.inputs.read.append(f"source {side}")
    gone = sorted(job.inputs.broken & {side})
    write_text(f"{side}: {gone}", job.folder / "words.txt")
    write_table(skipped_table(gone), job.folder / "skipped.parquet", SKIPPED)


def _total(job, side):
    from bias_toolkit.foundation.files import read_shards, write_text

    write_text(str(read_shards(job.folder, "lengths", LENGTHS)["length"].sum()), job.folder / "total.txt")


def _lengths(job, shards, advance):
    for shard in shards:
        found = {}
        for word in shard.items:
            found[word] = job.inputs.length(word)
            advance(1)
        kept = {word: length for word, length in found.items() if length is not None}
        yield {
            "lengths": np.array(list(kept.values()), dtype=np.int64),
            "lengths.parquet": pd.DataFrame({"word": list(kept), "length": list(kept.values())}),
            "skipped": skipped_table([word for word in found if word not in kept]),
        }


def _outputs():
    return {"lengths": None, "lengths.parquet": LENGTHS, "skipped": SKIPPED}


SHARDS = {
    "items": lambda job, *_: WORDS,
    "shard_size": 3,
    "outputs": _outputs,
    "files": ["lengths", "skipped"],
}


@sharded(
    "lengths/{side}",
    over="sides",
    needs=[source.where(lambda inputs, side: [side])],
    inputs=["machine"],
    settings=["factor", ("offset", lambda settings: settings.is_shifted)],
    label="Measuring {side}",
    writes=["total.txt"],
    finish=_total,
    command="measure",
    **SHARDS,
)
def lengths(job, side, shards, advance):
    return _lengths(job, shards, advance)


def _stop(job):
    seen = []

    def is_enough(tables):
        seen.extend(tables["lengths.parquet"]["word"])
        return len(seen) >= job.settings.enough

    return is_enough


@sharded(
    "some",
    needs=[source.of("left")],
    settings=["factor", "enough"],
    label="Looking",
    stop=_stop,
    command="look",
    **SHARDS,
)
def some(job, shards, advance):
    return _lengths(job, shards, advance)


@step("summary", needs=[lengths], writes=["summary.txt", "parts/*"], command="sum-up")
def summary(job):
    from bias_toolkit.foundation.files import write_text

    job.inputs.read.append("summary")
    totals = [job.results.read(lengths, "total.txt", Path.read_text, side) for side in job.inputs.sides]
    write_text(" ".join(totals), job.folder / "summary.txt")
    write_text(totals[0], job.folder / "parts" / "first.txt")


@step("page", needs=[summary], writes=["*.html"], replaces_itself=True, command="page")
def page(job):
    from bias_toolkit.foundation.files import write_text

    job.inputs.read.append("page")
    write_text(job.results.read(summary, "summary.txt", Path.read_text), job.folder / "page.html")


@step(
    "spelling/{word}",
    is_listed=False,
    needs=[source.of("left")],
    settings=["factor"],
    writes=["word.txt"],
    command="spell",
)
def spelling(job, word):
    from bias_toolkit.foundation.files import write_text

    job.inputs.read.append(word)
    write_text(word * job.settings.factor, job.folder / "word.txt")


STEPS = [source, lengths, some, summary, page, spelling]


def open_workshop(folder):
    """Open the toy study in this process; the function that a `ShardJob` names."""
    return _workshop(Path(folder), Inputs(), STEPS, lambda task: False)


def open_ahead(folder):
    """Open the toy study in this process, which fails if it has such a file, and note that it was opened ahead."""
    Path(folder).with_suffix(".ahead").touch()
    if Path(folder).with_suffix(".refuses").exists():
        raise ValueError("it cannot be opened")
    return open_workshop(folder)


def open_endlessly(folder):
    """Never open the toy study."""
    time.sleep(1000)


@dataclass(frozen=True)
class Fault:
    """What happens to the first worker that comes to a word of the toy study in `folder`."""

    folder: str
    word: str
    kind: str

    def happen(self):
        with contextlib.suppress(FileExistsError):
            Path(self.folder).with_suffix(".fault").touch(exist_ok=self.kind == "dies always")
            if self.kind.startswith("dies"):
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "fails":
                raise ValueError(f"{self.word} is too long\nfor words")
            time.sleep(1000 if self.kind == "hangs" else 1)


class FaultyInputs(Inputs):
    """Inputs with a fault; each word takes a moment, so that several workers have some."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def length(self, word):
        time.sleep(0.05)
        if word == self.fault.word:
            self.fault.happen()
        return super().length(word)


def open_faulty(fault):
    """Open the toy study in this process, with a fault."""
    return _workshop(Path(fault.folder), FaultyInputs(fault), STEPS, lambda task: False)


def work_elsewhere(pickled):
    """What another process does with a pickled job: its process, the shards that it sealed, and the items."""
    job, counts = pickle.loads(pickled), []
    sealed = list(job.open(job.study).shards(job, counts.append))
    return os.getpid(), sealed, sum(counts)


def _workshop(folder, inputs, steps, restore):
    plan = Plan(inputs, steps)
    return Workshop(folder, plan, Stored(folder, plan, restore))


class Elsewhere:
    """An executor whose workers are as this process, and have not to be ended."""

    def environment(self):
        return {}

    def close(self):
        pass


class ToyStudy:
    """What the front door of a study is: inputs, plan, results and a runner. `events` tells what the runner called."""

    def __init__(self, folder, settings=None, steps=STEPS, executor=None, inputs=None, reuse=()):
        self.folder = folder
        self.inputs = inputs or Inputs(settings)
        self.workshop = _workshop(folder, self.inputs, steps, lambda task: self.runner.restore(task))
        self.plan, self.results = self.workshop.plan, self.workshop.results
        self.environment, self.events = {"torch": "2"}, []
        self.runner = Runner(
            self.workshop,
            executor or self.workshop,
            describe_job=lambda task, numbers: ShardJob(open_workshop, str(folder), task.name, task.key, numbers),
            environment=lambda: self.environment,
            started=lambda: self.events.append("started"),
            recording=lambda computes: self.events.append(f"computes {computes}"),
            ended=lambda: self.events.append("ended"),
            returned=lambda task, items: [item for item in items if item not in self.inputs.broken],
            reuse=reuse,
        )

    def do(self, step, member=None, progress=silent):
        """Do a step in a run of its own, and give what was read for it."""
        self.inputs.read.clear()
        with self.runner.one_run(progress):
            self.runner.do(step, member)
        return list(self.inputs.read)

    def again(self, **changed):
        """The same study as another process opens it."""
        return ToyStudy(self.folder, **changed)

    def step_folder(self, step, member=None):
        return StepFolder(self.folder, self.plan.task(step, member))


def digests(folder, records=False):
    """What every file is; without the records, which tell times."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if records or path.name not in ("step.json", ".lock")
    }


def flip(path, keep_time=False):
    """Change a byte of a file."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@contextlib.contextmanager
def killed():
    """The block is ended by Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        yield
        raise AssertionError("it was not ended")
