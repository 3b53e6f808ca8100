"""Stops runs by Ctrl-C and SIGTERM: `python -m benchmarks.stop --stops 40 --seed 0`.

A small study is computed by the command line; at a random moment the process gets SIGINT or SIGTERM in turn. Prints how
they ended and how long that took. Ends with exit code 1 if a run did not end with 130 and the sentence on how to go on,
or if the study that came of all the runs differs from one that nobody disturbed.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.forked_runs import commands, differences, fractions, fresh, make_reference, prepare, run, settled

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main(arguments: list[str] | None = None) -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stops", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="draw no figures, and three view sizes only")
    options = parser.parse_args(arguments)
    prepare(options.quick)
    with tempfile.TemporaryDirectory() as folder:
        failed = campaign(Path(folder), options.stops, options.seed)
    sys.exit(1 if failed else 0)


def campaign(folder: Path, stops: int, seed: int) -> list[str]:
    """Stop runs that often, print what came of it, and say what went wrong."""
    photographs, reference, undisturbed = make_reference(folder)
    expected, draw = settled(reference), fractions(seed)
    taken, failed, lives = {number: [] for number in SIGNALS}, [], 0
    while sum(map(len, taken.values())) < stops:
        study = fresh(folder, lives)
        lives += 1
        for command, whole in zip(commands(photographs, study), undisturbed, strict=True):
            ended = None
            while ended is None or ended.code != 0:
                count = sum(map(len, taken.values()))
                moment = None if count >= stops else draw.random() * whole.seconds
                number = SIGNALS[count % len(SIGNALS)]
                ended = run(command, study, kill_after=moment, send=number)
                if ended.code == 0:
                    break
                if ended.code != 130 or "goes on from here" not in ended.printed or "Traceback" in ended.printed:
                    failed.append(f"`bias-toolkit {' '.join(command)}` ended with {ended.code}: {ended.printed}")
                    break
                taken[number].append(ended.seconds - moment)
        failed += [f"life {lives}: {name} differs" for name in differences(settled(study), expected)]
    print("| signal | runs stopped | median, s | longest, s |\n| --- | --- | --- | --- |")
    for number, seconds in taken.items():
        if seconds:
            middle = sorted(seconds)[len(seconds) // 2]
            print(f"| {number.name} | {len(seconds)} | {middle:.2f} | {max(seconds):.2f} |")
    print(f"\nRuns or files that are not as they should be: {len(failed)}.")
    for line in failed:
        print(line, file=sys.stderr)
    return failed


if __name__ == "__main__":
    main()
