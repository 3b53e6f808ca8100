"""Runs of the command line that can be killed, without the seconds that every new process takes to import PyTorch.

This process imports everything once and computes nothing; each run is a fork of it that calls the command's `main`.
"""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bias_toolkit import load_dataset

FAST = ("--resamples", "100", "--permutations", "100", "--placements", "100", "--noise-images", "4", "--bins", "3")
MAP = ("--images", "4", "--position", "0.4", "--position", "0.6", "--scale", "0.4", "--scale", "0.6")
SHARD_SIZES = {
    "features": 8,
    "neighbours": 9,
    "mean_images": 5,
    "responses": 6,
    "located": 7,
    "localisation": 7,
    "framed": 2,
    "sized": 6,
}
FILE_EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
TIMED = {"step.json", ".lock", "index.html", "results.json", "reason.txt"}
"""Files that say how long a step took, who worked on it, or how much memory was free."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, minus the signal's number where one killed it; what it printed; its duration in
    seconds; how often it touched a file of the study."""

    code: int
    printed: str
    seconds: float
    touched: int


def prepare(quick: bool = False) -> None:
    """Import what the commands need, and make their work small (`make_small`)."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import faiss
    import matplotlib.pyplot  # noqa: F401
    import sklearn.ensemble  # noqa: F401
    import statsmodels.api  # noqa: F401
    import torch

    from bias_toolkit import demo, explain  # noqa: F401
    from bias_toolkit.study.study import Study  # noqa: F401
    from bias_toolkit_cli.commands import COMMANDS, command_line

    command_line([*COMMANDS])
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    make_small(quick)


def make_small(quick: bool = False) -> None:
    """Cut the work of this process into small shards, so that a small study has some of each kind.

    Parameters
    ----------
    quick : bool
        Whether figures are empty files, and the size curve has three sizes: these two take most of the time.
    """
    from bias_toolkit.report.page import page
    from bias_toolkit.study import steps

    page.FORMATS = ("svg",)
    if quick:
        from bias_toolkit import invariance

        sweeps = invariance.size_curve_sweeps()[-3:]
        invariance.size_curve_sweeps = lambda: sweeps
        page.save_figure = _leave_empty
    for name, size in SHARD_SIZES.items():
        step = getattr(steps, name)
        object.__setattr__(step, "sharding", dataclasses.replace(step.sharding, size=size))


def _leave_empty(_: object, *paths: Path) -> None:
    from bias_toolkit.foundation.files import write_text

    for path in paths:
        write_text("", path)


def write_photographs(folder: Path, train: int = 24, test: int = 20) -> None:
    """Write images of the built-in dataset as files, in `train` with a table of their boxes, in `test` without."""
    for split, name, n in (("train", "train", train), ("test", "uniform", test)):
        dataset = load_dataset(f"demo:{name}")
        table = dataset.images.merge(dataset.objects, on="image_id").head(n)
        (folder / split).mkdir(parents=True)
        rows = table[["label", "category", "x0", "y0", "x1", "y1"]].assign(path=[f"{row}.png" for row in range(n)])
        for path, image_id in zip(rows["path"], table["image_id"], strict=True):
            Image.fromarray(dataset.read(image_id)).save(folder / split / path)
        if split == "test":
            # An image that cannot be decoded, so that skipped.csv is not empty.
            (folder / split / rows["path"].iloc[-1]).write_bytes(b"no image")
            rows = rows[["path", "label"]]
        rows.to_csv(folder / split / "images.csv", index=False)


def commands(photographs: Path, study: Path) -> list[list[str]]:
    """The commands that make a study with a result of every kind."""
    inputs = ["--train", f"{photographs}/train/images.csv", "--test", f"{photographs}/test/images.csv"]
    return [
        ["report", *inputs, "--model", "demo", "--runtime", "torch", "--out", f"{study}", *FAST],
        ["map", f"{study}", *MAP],
        ["sizes", f"{study}", "--images", "4"],
        ["explain", f"{study}", "0.png"],
        ["report", "--out", f"{study}"],
    ]


def run(
    arguments: Sequence[str],
    folder: Path,
    *,
    kill_after: float | None = None,
    kill_at: int | None = None,
    send: int = signal.SIGKILL,
    prepare_child: Callable[[], None] = lambda: None,
    limit: float = 300,
) -> Ended:
    """Run a command in a fork of this process.

    Parameters
    ----------
    folder : Path
        Of the study; operations on its files are counted.
    kill_after : float, optional
        Seconds after which the signal is sent.
    kill_at : int, optional
        The operation on a file of the study right before which the process kills itself.
    send : int
        The signal.
    prepare_child : callable
        Called in the fork before the command.
    """
    count, printed = folder.parent / "touched", folder.parent / "printed.txt"
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_the_command(arguments, folder, count, printed, kill_at, send, prepare_child)
    timer = None if kill_after is None else threading.Timer(kill_after, os.kill, (child, send))
    guard = threading.Timer(limit, os.kill, (child, signal.SIGKILL))
    for each in filter(None, (timer, guard)):
        each.start()
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - start
    for each in filter(None, (timer, guard)):
        each.cancel()
    touched = int(count.read_text() or 0) if count.exists() else 0
    return Ended(os.waitstatus_to_exitcode(status), printed.read_text(errors="replace"), seconds, touched)


def _be_the_command(
    arguments: Sequence[str],
    folder: Path,
    count: Path,
    printed: Path,
    kill_at: int | None,
    send: int,
    prepare_child: Callable[[], None],
) -> None:
    """Run the command and end the process; never returns."""
    code = 1
    # A signal that comes before or after the command is none of its business.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        out = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        touched, inside = 0, os.fspath(folder)

        def watch(event: str, arguments_of: tuple) -> None:
            nonlocal touched
            if event in FILE_EVENTS and str(arguments_of[0]).startswith(inside):
                touched += 1
                if touched == kill_at:
                    os.kill(os.getpid(), send)

        sys.addaudithook(watch)
        prepare_child()
        from bias_toolkit_cli.main import main

        try:
            main(list(arguments))
            code = 0
        except SystemExit as end:
            code = end.code or 0
        count.write_text(str(touched))
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def settled(study: Path) -> dict[str, bytes]:
    """The content of every file of a study by name, but for what differs between any two runs: times, process ids."""
    found = {}
    for path in sorted(study.rglob("*")):
        if path.is_file() and path.name not in TIMED:
            found[path.relative_to(study).as_posix()] = path.read_bytes()
    return found


def differences(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The names of files that are not the same in both, or not in both."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def unfinished(study: Path) -> str:
    """The step that was being worked on, by the kind of its folder."""
    from bias_toolkit.pipeline.record import read_record

    records = {path.parent: read_record(path.parent) for path in study.rglob("step.json")}
    names = [folder.relative_to(study).parts[0] for folder, record in records.items() if not (record and record.done)]
    return names[0] if names else "between steps"


def make_reference(folder: Path) -> tuple[Path, Path, list[Ended]]:
    """Photographs, a study of them that nothing interrupted, and how each of its commands ended."""
    photographs, study = folder / "photographs", folder / "whole" / "study"
    write_photographs(photographs)
    study.parent.mkdir()
    ended = [run(command, study) for command in commands(photographs, study)]
    for command, each in zip(commands(photographs, study), ended, strict=True):
        if each.code != 0:
            raise SystemExit(f"`bias-toolkit {' '.join(command)}` failed:\n{each.printed}")
    return photographs, study, ended


def fresh(folder: Path, number: int) -> Path:
    """A folder for another life of the study; its name is the same, since pages show it."""
    life = folder / f"life-{number}"
    shutil.rmtree(life, ignore_errors=True)
    life.mkdir()
    return life / "study"


def fractions(seed: int) -> random.Random:
    """The source of every random moment and place."""
    return random.Random(seed)
