"""Damages every file of a finished study in turn: `python -m benchmarks.damage --seed 0`.

A byte is flipped, the file is cut off, or it is deleted, or a byte is flipped and the file's time set back, as a disk
does it that goes bad; after each file in turn, several files are damaged at once. Then `neighbours` and `plot` look at
the study, `verify` has to find every damaged file that a step has recorded, and the study's commands are run again.
What is wrong has to be said in a sentence, and afterwards each file has to be what it was. Prints a table and every
distinct message; ends with exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path, PurePosixPath

from benchmarks.forked_runs import Ended, commands, differences, fractions, make_reference, prepare, run, settled

KINDS = ("flip", "truncate", "delete", "flip in silence")
SEVERAL = 5
"""Files that are damaged at once."""
LOOKS = (["neighbours", "{study}", "0.png"], ["plot", "{study}", "distance-vs-invariance", "--out", "{out}"])
UNRECORDED = ("study.json", "step.json", "skipped.csv")
"""Files without a digest."""


def main(arguments: list[str] | None = None) -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, help="how many files, drawn at random; all by default")
    parser.add_argument("--quick", action="store_true", help="draw no figures, and three view sizes only")
    options = parser.parse_args(arguments)
    prepare(options.quick)
    with tempfile.TemporaryDirectory() as folder:
        failed = campaign(Path(folder), options.files, options.seed)
    sys.exit(1 if failed else 0)


def damage(path: Path, kind: str, place: float) -> None:
    """Do to a file what its kind of damage says, at a place from 0 to 1 of its length."""
    content, status = bytearray(path.read_bytes()), path.stat()
    if kind == "delete" or not content:
        path.unlink()
    elif kind == "truncate":
        path.write_bytes(content[: int(place * len(content))])
    else:
        content[int(place * len(content))] ^= 0x10
        path.write_bytes(content)
        if kind == "flip in silence":
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def campaign(folder: Path, files: int | None, seed: int) -> list[str]:
    """Damage files, print what came of it, and say what went wrong."""
    photographs, study, _ = make_reference(folder)
    draw = fractions(seed)
    whole, spare = settled(study), shutil.copytree(study, folder / "spare")
    names = sorted(path.relative_to(study).as_posix() for path in study.rglob("*") if path.is_file())
    names = [name for name in names if name != ".lock"]
    if files is not None:
        names = sorted(draw.sample(names, min(files, len(names))))
    outcomes, messages, failed = collections.Counter(), collections.Counter(), []
    # Whoever names the inputs again can have study.json made anew; the explanation is made by a command of its own.
    again = [commands(photographs, study)[at] for at in (0, 1, 2, 3, 4)]
    rounds = [[(name, KINDS[number % len(KINDS)])] for number, name in enumerate(names)]
    rounds += [
        [(name, draw.choice(KINDS)) for name in draw.sample(names, min(SEVERAL, len(names)))]
        for _ in range(-(-len(names) // SEVERAL))
    ]
    for damaged in rounds:
        for each, how in damaged:
            damage(study / each, how, draw.random())
        name = ", ".join(each for each, _ in damaged)
        kind = damaged[0][1] if len(damaged) == 1 else "several at once"
        for look in LOOKS:
            arguments = [part.format(study=study, out=folder / "figure.svg") for part in look]
            failed += _judge(f"{name} ({kind}): {look[0]}", run(arguments, study), messages, study)
        verified = run(["verify", str(study)], study)
        failed += _judge(f"{name} ({kind}): verify", verified, messages, study, codes=(0, 1, 2))
        if verified.code != 2:
            recorded = [each for each, _ in damaged if not each.endswith(UNRECORDED)]
            missed = [each for each in recorded if not _is_found(each, verified.printed)]
            failed += [f"{each} ({kind}) was not found by verify" for each in missed]
        codes = set()
        for arguments in again:
            ended = run(arguments, study)
            codes.add(ended.code)
            failed += _judge(f"{name} ({kind}): {arguments[0]}", ended, messages, study)
        differ = differences(settled(study), whole)
        outcomes[kind, "restored" if not differ else "not restored", "refused meanwhile" if 2 in codes else ""] += 1
        failed += [f"{name} ({kind}): {each} differs" for each in differ]
        if differ:
            # So that the next file is damaged in a whole study.
            shutil.rmtree(study)
            shutil.copytree(spare, study)
    print("| damage | outcome | rounds |\n| --- | --- | --- |")
    for (kind, outcome, meanwhile), count in sorted(outcomes.items()):
        print(f"| {kind} | {outcome}{', ' if meanwhile else ''}{meanwhile} | {count} |")
    print("\nMessages:")
    for message, count in sorted(messages.items()):
        print(f"- {message} ({count} times)")
    for line in failed:
        print(line, file=sys.stderr)
    return failed


def _is_found(name: str, printed: str) -> bool:
    """Whether `verify` has named a damaged file, or its step's record without which nothing is known of the file."""
    records = [f"{folder}/step.json" for folder in PurePosixPath(name).parents]
    return any(each in printed for each in (name, *records))


def _judge(
    what: str, ended: Ended, messages: collections.Counter, study: Path, codes: tuple[int, ...] = (0, 2)
) -> list[str]:
    """Take note of what a run said of the damage; what is wrong with how it ended."""
    for line in ended.printed.splitlines():
        if re.search(r"damaged|Error|cannot be|being computed", line):
            messages[re.sub(r"\d{2,}|shard \d+", "…", line.replace(str(study), "STUDY"))] += 1
    if ended.code not in codes or "Traceback" in ended.printed:
        return [f"{what} ended with {ended.code}: {ended.printed}"]
    return []


if __name__ == "__main__":
    main()
