"""Kills runs and lets them go on: `python -m benchmarks.kill --kills 200 --seed 0`.

A small study with a result of every kind is computed by the command line, is killed (SIGKILL) at random moments of
its life, and goes on with the same command. Half of the kills come after a random time, half right before a random
operation on one of its files. When a study is finished, each of its files is compared with those of a study that nobody
disturbed. Ends with exit code 1 if any differs.
"""

from __future__ import annotations

import argparse
import collections
import sys
import tempfile
from pathlib import Path

from benchmarks.forked_runs import (
    commands,
    differences,
    fractions,
    fresh,
    make_reference,
    prepare,
    run,
    settled,
    unfinished,
)


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
    photographs, reference, undisturbed = make_reference(folder)
    expected, draw = settled(reference), fractions(seed)
    steps, differ, failed, killed, lives = collections.Counter(), [], [], 0, 0
    while killed < kills:
        study = fresh(folder, lives)
        lives += 1
        for command, whole in zip(commands(photographs, study), undisturbed, strict=True):
            ended = None
            while ended is None or ended.code == -9:
                moment = {}
                if killed < kills:
                    fraction = draw.random()
                    moment = (
                        {"kill_after": fraction * whole.seconds}
                        if draw.random() < 0.5
                        else {"kill_at": 1 + int(fraction * whole.touched)}
                    )
                ended = run(command, study, **moment)
                if ended.code == -9:
                    killed += 1
                    steps[unfinished(study)] += 1
                elif ended.code != 0:
                    failed.append(f"`bias-toolkit {' '.join(command)}` ended with {ended.code}: {ended.printed}")
        differ += [f"life {lives}: {name}" for name in differences(settled(study), expected)]
    print("| killed in | kills |\n| --- | --- |")
    for step, count in sorted(steps.items()):
        print(f"| {step} | {count} |")
    print(f"| all, in {lives} lives of a study | {killed} |")
    print(f"\nFiles that differ from the undisturbed study's, of {len(expected)} in each life: {len(differ)}.")
    print(f"Runs that failed: {len(failed)}.")
    for line in [*differ, *failed]:
        print(line, file=sys.stderr)
    return [*differ, *failed]


if __name__ == "__main__":
    main()
