"""Time and peak memory of the commands as a dataset grows, and how long they take to start."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.photographs import write_photographs
from benchmarks.rows import Row

FACTORS = (1, 2, 4, 8)


LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss
print(json.dumps({"code": done.returncode, "seconds": seconds, "cpu": cpu, "peak": peak, "said": done.stderr}))
"""
"""Starts a command from a process that is small itself: the system counts what a child is forked from as its peak."""


class Run(NamedTuple):
    """What one run took: seconds, peak resident memory in MiB, and seconds of all cores together."""

    seconds: float
    memory: float
    cpu: float


def run_command(*arguments: str | Path) -> Run:
    """Run the command line once, in a process of its own.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    command = [str(Path(sys.executable).with_name("bias-toolkit")), *map(str, arguments)]
    launcher = [sys.executable, "-c", LAUNCHER, *command]
    ended = json.loads(subprocess.run(launcher, check=True, capture_output=True, text=True).stdout)
    if ended["code"]:
        print(ended["said"], file=sys.stderr)
        raise subprocess.CalledProcessError(ended["code"], command, stderr=ended["said"])
    return Run(ended["seconds"], ended["peak"] / 1024, ended["cpu"])


def rows_of_growth(model: str, images: int) -> list[Row]:
    """`embed`, `index` and `sweep` on 1, 2, 4 and 8 times as many images, each in a process of its own."""
    rows, first = [], {}
    for factor in FACTORS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            photographs = write_photographs(folder / "photographs", images * factor)
            inputs = ["--train", photographs, "--test", photographs, "--model", model]
            for step in ("embed", "index", "sweep"):
                seconds, memory, _ = run_command(step, folder / "study", *inputs)
                first.setdefault(step, (seconds, memory))
                rows.append(
                    Row(
                        f"`{step}`, {images * factor:,} training and test images",
                        f"{seconds:.1f} s, {memory:,.0f} MiB at most",
                        f"{images:,}: {first[step][0]:.1f} s, {first[step][1]:,.0f} MiB",
                        None,
                        f"{seconds / first[step][0]:.2f} × the time, {memory / first[step][1]:.2f} × the memory",
                    )
                )
    return rows


def rows_of_start_up(repeats: int) -> list[Row]:
    """`--help`, a report that is there already, a first answer, and the demo."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        inputs = ["--train", "demo:train", "--test", "demo:uniform", "--model", "demo"]
        first = run_command("report", "--quick", "--out", folder / "first", *inputs)[0]
        whole = run_command("report", "--out", folder / "study", *inputs)[0]
        demo = run_command("demo", "--out", folder / "demo")[0]
        seconds = {"nothing": [], "help": [], "report": []}
        for _ in range(repeats):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            seconds["nothing"].append(time.perf_counter() - start)
            seconds["help"].append(run_command("--help")[0])
            seconds["report"].append(run_command("report", "--out", folder / "study", *inputs)[0])
    medians = {name: float(np.median(each)) for name, each in seconds.items()}
    return [
        Row("`--help`", f"{medians['help']:.2f} s", f"an interpreter that does nothing: {medians['nothing']:.2f} s"),
        Row(
            "`report` with nothing to do",
            f"{medians['report']:.2f} s",
            f"the same report from nothing: {whole:.1f} s",
            whole / medians["report"],
        ),
        Row("`report --quick`", f"{first:.1f} s", f"the same report of all images: {whole:.1f} s", whole / first),
        Row("`demo`", f"{demo:.1f} s", ""),
    ]
