"""Ray on one machine: `python -m benchmarks.cluster --images FOLDER --kills 20`.

Measures what `--executor ray` costs, and how the throughput grows with the workers. Then a small study is computed
again and again by Ray's workers, while workers, or the command itself, are killed (SIGKILL) at random times. Each time
its files are compared with those of a study that one process made. Ends with exit code 1 if any file differs.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.forked_runs import MAP, differences, fractions, fresh, prepare, run, settled, write_photographs
from benchmarks.rows import Row, markdown
from bias_toolkit import Study
from bias_toolkit.foundation.progress import Advance
from bias_toolkit.pipeline.ray_executor import RayExecutor

TWO_NODES = """
import sys
from ray.cluster_utils import Cluster

node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
made.add_node(**node)
print(made.address, flush=True)
sys.stdin.read()
made.shutdown()
"""
OBJECTS = ("--resamples", "100", "--permutations", "100", "--placements", "100")
LIMIT = 300.0
"""Seconds within which a worker has to be at work."""


def main(arguments: list[str] | None = None) -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="a folder of images, one folder a class; without it, only kills")
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--kills", type=int, default=20, help="of workers, and as many of the command")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.images is not None:
        print(
            markdown("Ray on one machine", [*overhead(options.images, options.model), *throughput(options)]), flush=True
        )
    prepare(quick=True)
    differ = []
    with tempfile.TemporaryDirectory() as folder, cluster():
        for victim in ("workers", "the command"):
            differ += killed_runs(Path(folder) / victim, options.kills, victim, fractions(options.seed))
    sys.exit(1 if differ else 0)


def overhead(images: Path, model: str) -> Iterator[Row]:
    """`sweep` with and without Ray, each in a process of its own that starts and ends its cluster."""
    with tempfile.TemporaryDirectory() as temporary:
        inputs = ["--train", images, "--test", images, "--model", model]
        alone = timed("sweep", Path(temporary) / "alone", *inputs)
        by_ray = timed("sweep", Path(temporary) / "ray", *inputs, "--executor", "ray")
        same = settled(Path(temporary) / "alone" / "responses") == settled(Path(temporary) / "ray" / "responses")
    names = ("from start to end", "processor time of all processes")
    for name, with_ray, without in zip(names, by_ray, alone, strict=True):
        note = f"{with_ray / without - 1:+.0%}; the files are {'the same' if same else 'NOT the same'}"
        work = f"`sweep` by one Ray worker, {name}"
        yield Row(work, f"{with_ray:.0f} s", f"one process: {without:.0f} s", None, note)


def timed(*arguments: str | Path) -> tuple[float, float]:
    """Wall and processor seconds of a command, the latter of all its processes, which are looked at twice a second."""
    command = [str(Path(sys.executable).with_name("bias-toolkit")), *map(str, arguments)]
    start, used = time.monotonic(), Counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        while child.poll() is None:
            # The larger of both, for a process that has just ended has 0.
            used |= Counter(
                {process: _processor_seconds(process) for process in _processes() if _is_under(child.pid, process)}
            )
            time.sleep(0.5)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return time.monotonic() - start, sum(used.values())


def _processor_seconds(process: int) -> float:
    user, system = _stat(process)[11:13] or (0, 0)
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def throughput(options: argparse.Namespace) -> Iterator[Row]:
    """Images a second of 1 and 2 workers on this machine, from the first image that is done to the last."""
    import ray

    first = None
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as temporary:
            folder, clock = Path(temporary) / "study", Clock()
            executor = RayExecutor(log=Path(temporary) / "ray.log", workers=workers)
            study = Study(folder, options.images, options.images, options.model, executor=executor)
            study.read_images().sweep(clock)
        first = first or clock.rate
        yield Row(
            f"sweep, {workers} Ray workers",
            f"{clock.rate:.1f} images/s",
            f"1: {first:.1f} images/s",
            clock.rate / first,
        )
    ray.shutdown()


class Clock:
    """A progress that notes when the first and the last items of a sweep were done."""

    def __init__(self) -> None:
        self._times: list[tuple[float, int]] = []

    @contextmanager
    def __call__(self, description: str, total: int | None, done: int = 0) -> Iterator[Advance]:
        if "Sweep" not in description:
            yield lambda count, note="": None
        else:
            yield lambda count, note="": self._times.append((time.perf_counter(), count))

    @property
    def rate(self) -> float:
        """Items a second."""
        (start, _), *others = self._times
        return sum(count for _, count in others) / (others[-1][0] - start)


@contextmanager
def cluster() -> Iterator[None]:
    """A cluster of two nodes on this machine, which the commands in the block find by themselves."""
    # Each command is a fork of this process, and Ray does not work in a fork of a process that has used it.
    with subprocess.Popen(
        [sys.executable, "-c", TWO_NODES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as keeper:
        os.environ["RAY_ADDRESS"] = keeper.stdout.readline().strip()
        if not os.environ["RAY_ADDRESS"]:
            raise SystemExit("Ray's nodes did not start.")
        yield
        keeper.stdin.close()


def commands(photographs: Path, study: Path) -> list[list[str]]:
    """The commands that make a study with shards of several kinds."""
    inputs = ["--train", f"{photographs}/train/images.csv", "--test", f"{photographs}/test/images.csv"]
    return [
        ["index", f"{study}", *inputs, "--model", "demo", "--runtime", "torch"],
        ["sweep", f"{study}", "--noise-images", "4", "--size", "1", "--size", "0.5"],
        ["objects", f"{study}", *OBJECTS],
        ["map", f"{study}", *MAP],
    ]


def killed_runs(folder: Path, kills: int, victim: str, draw: random.Random) -> list[str]:
    """Kill that often, print what came of it, and return the names of the files that differ."""
    photographs, reference = folder / "photographs", folder / "whole" / "study"
    write_photographs(photographs)
    reference.parent.mkdir()
    for command in commands(photographs, reference):
        if (ended := run(command, reference)).code != 0:
            raise SystemExit(ended.printed)
    expected = settled(reference)
    differ, failed, killed, lives, longest = [], 0, 0, 0, 10.0
    while killed < kills:
        study = fresh(folder, lives)
        lives += 1
        for command in commands(photographs, study):
            ended = None
            while ended is None or ended.code == -signal.SIGKILL:
                is_due = killed < kills
                moment = longest * draw.random()
                if is_due and victim == "workers":
                    killer = threading.Thread(target=_kill_a_worker, args=(moment / 4, hit := []), daemon=True)
                    killer.start()
                ended = run(
                    [*command, "--executor", "ray"],
                    study,
                    kill_after=moment if is_due and victim != "workers" else None,
                    prepare_child=_small_in_workers,
                )
                longest = max(longest, ended.seconds) if ended.code == 0 else longest
                if victim == "workers" and is_due:
                    killed += len(hit)
                killed += ended.code == -signal.SIGKILL
                if ended.code not in (0, -signal.SIGKILL):
                    failed += 1
                    print(
                        f"`bias-toolkit {' '.join(command)}` ended with {ended.code}: {ended.printed}", file=sys.stderr
                    )
        differ += [f"life {lives}: {name}" for name in differences(settled(study), expected)]
    print(
        f"{killed} kills of {victim} in {lives} lives of a study: of {len(expected)} files in each, {len(differ)} "
        f"differ; {failed} runs failed.",
        flush=True,
    )
    print("\n".join(differ), file=sys.stderr)
    return [*differ, *["a run failed"] * failed]


def _kill_a_worker(seconds: float, hit: list[int]) -> None:
    """Wait until this process's cluster has a worker at work, and so many seconds more, and kill the worker."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if _workers():
            time.sleep(seconds)
            if workers := _workers():
                os.kill(workers[0], signal.SIGKILL)
                hit.append(workers[0])
            return
        time.sleep(0.05)


def _workers() -> list[int]:
    """The processes of workers at work, or opening the study, among the descendants of this process."""
    found = []
    for process in _processes():
        with suppress(FileNotFoundError, ProcessLookupError):
            command = Path(f"/proc/{process}/cmdline").read_bytes()
            if re.search(rb"ray::Worker\.(work|prepare)", command) and _is_under(os.getpid(), process):
                found.append(process)
    return found


def _processes() -> list[int]:
    return [int(place.name) for place in Path("/proc").glob("[0-9]*")]


def _is_under(ancestor: int, process: int) -> bool:
    while process > 1 and process != ancestor:
        process = int((_stat(process)[1:2] or [0])[0])
    return process == ancestor


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat after the name of the process; none if it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _small_in_workers() -> None:
    """Have workers cut the work into the small shards of this process."""
    from bias_toolkit.study import study, workshop

    workshop.open_workshop, study.open_ahead = open_small, open_small_ahead


def open_small(study: object) -> object:
    """Open a study in a worker whose shards are small."""
    from benchmarks.forked_runs import make_small
    from bias_toolkit.study.workshop import open_workshop

    make_small(quick=True)
    return open_workshop(study)


def open_small_ahead(study: object) -> object:
    """The same ahead of the work."""
    from benchmarks.forked_runs import make_small
    from bias_toolkit.study.workshop import open_ahead

    make_small(quick=True)
    return open_ahead(study)


if __name__ == "__main__":
    # Workers import the functions of this module by its name.
    from benchmarks.cluster import main as named_main

    named_main()
