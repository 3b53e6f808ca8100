"""Kills runs and lets them go on: `python -m benchmarks.kill --kills 200 --seed 0`.

A small study with a result of every kind is computed by the command line, is killed (SIGKILL), and goes on with the
same command. Each kill is meant for one step, the one that has had the fewest so far: half of them come a random time
after it began, half right before a random operation on one of its files. When a study is finished, each of its files is
compared with those of a study that nobody disturbed. Prints how many kills fell into each step, and ends with exit code
1 if any file differs, or if a step had fewer than 1 in 20 of the kills.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.forked_runs import (
    FILE_EVENTS,
    commands,
    differences,
    fractions,
    fresh,
    prepare,
    run,
    settled,
    unfinished,
    write_photographs,
)

SMALLEST_SHARE = 1 / 20
"""Of all kills, that a step must get, in a campaign of which that is `LEAST_KILLS` or more."""
LEAST_KILLS = 3


@dataclass(frozen=True)
class Step:
    """A step of the undisturbed study, by the kind of its folder: operations on its files, and seconds it took."""

    name: str
    touched: int
    seconds: float


def main(arguments: list[str] | None = None) -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="draw no figures, and three view sizes only")
    options = parser.parse_args(arguments)
    prepare(options.quick)
    with tempfile.TemporaryDirectory() as folder:
        differ = campaign(Path(folder), options.kills, options.seed)
    sys.exit(1 if differ else 0)


def campaign(folder: Path, kills: int, seed: int) -> list[str]:
    """Kill runs that often, print what came of it, and give the names of the files that differ."""
    photographs, reference = folder / "photographs", folder / "whole" / "study"
    write_photographs(photographs)
    reference.parent.mkdir()
    known = undisturbed_steps(photographs, reference)
    expected, draw = settled(reference), fractions(seed)
    steps, differ, failed, killed, lives = collections.Counter(), [], [], 0, 0
    while killed < kills:
        study = fresh(folder, lives)
        lives += 1
        for command in commands(photographs, study):
            ended = None
            while ended is None or ended.code == -9:
                left = [step.name for step in known if not is_done(study, step.name)]
                # A run in which only steps are left that had their share goes on to its end, and a new life begins.
                share = min(steps[step.name] for step in known) + 1
                meant = min(known, key=lambda step: (step.name not in left, steps[step.name]))
                is_due = killed < kills and meant.name in left and steps[meant.name] <= share
                hook = _kill_in(study, meant, draw.random(), draw.random() < 0.5) if is_due else lambda: None
                ended = run(command, study, prepare_child=hook)
                if ended.code == -9:
                    killed += 1
                    steps[unfinished(study)] += 1
                elif ended.code != 0:
                    failed.append(f"`bias-toolkit {' '.join(command)}` ended with {ended.code}: {ended.printed}")
        differ += [f"life {lives}: {name}" for name in differences(settled(study), expected)]
    enough = kills * SMALLEST_SHARE >= LEAST_KILLS
    few = [step.name for step in known if enough and steps[step.name] < SMALLEST_SHARE * kills]
    failed += [f"only {steps[name]} of {kills} kills fell into {name}" for name in few]
    print("| killed in | kills |\n| --- | --- |")
    for step, count in sorted(steps.items()):
        print(f"| {step} | {count} |")
    print(f"| all, in {lives} lives of a study | {killed} |")
    print(f"\nFiles that differ from the undisturbed study's, of {len(expected)} in each life: {len(differ)}.")
    print(f"Runs that failed: {len(failed)}.")
    for line in [*differ, *failed]:
        print(line, file=sys.stderr)
    return [*differ, *failed]


def undisturbed_steps(photographs: Path, study: Path) -> list[Step]:
    """Make the study that nobody disturbs, and give its steps in the order in which they begin."""
    log = study.parent / "touched-steps.txt"
    for command in commands(photographs, study):
        ended = run(command, study, prepare_child=_watch(study, _append_to(log)))
        if ended.code != 0:
            raise SystemExit(f"`bias-toolkit {' '.join(command)}` failed:\n{ended.printed}")
    touched = collections.Counter(log.read_text(encoding="utf-8").split())
    seconds = collections.Counter()
    for path in study.rglob("step.json"):
        seconds[path.relative_to(study).parts[0]] += json.loads(path.read_text(encoding="utf-8"))["seconds"]
    return [Step(name, count, seconds[name]) for name, count in touched.items() if name in seconds]


def is_done(study: Path, name: str) -> bool:
    """Whether all folders of a kind of step that are there are finished, and there is one."""
    markers = list((study / name).rglob("step.json"))
    return bool(markers) and all(json.loads(path.read_text(encoding="utf-8"))["done"] for path in markers)


def _watch(study: Path, tell: Callable[[str], None]) -> Callable[[], None]:
    """What has to be called in a run so that `tell` is called with the name of each step whose files it touches."""
    inside = f"{study}{os.sep}"

    def watch(event: str, arguments: tuple) -> None:
        path = str(arguments[0]) if event in FILE_EVENTS else ""
        if path.startswith(inside):
            tell(path.removeprefix(inside).split(os.sep)[0])

    return lambda: sys.addaudithook(watch)


def _append_to(log: Path) -> Callable[[str], None]:
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    return lambda name: os.write(opened, f"{name}\n".encode())


def _kill_in(study: Path, step: Step, fraction: float, after_a_time: bool) -> Callable[[], None]:
    """What has to be called in a run so that it is killed at a fraction of a step's time or operations."""
    touched = 0

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def tell(name: str) -> None:
        nonlocal touched
        if name != step.name:
            return
        touched += 1
        if not after_a_time and touched > fraction * step.touched:
            kill()
        if after_a_time and touched == 1:
            timer = threading.Timer(fraction * step.seconds, kill)
            timer.daemon = True
            timer.start()

    return _watch(study, tell)


if __name__ == "__main__":
    main()
