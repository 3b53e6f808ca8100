"""Decoding an image in a separate process, which is ended when it takes too long or too much memory.

A decoder is C code, which no thread can stop. Images that may be costly, according to `image_file.costs_much`, are
therefore decoded here, one at a time, under limits of CPU time and memory that no photograph comes near. The time limit
is of CPU time, so the load of the machine does not decide whether an image is read.
"""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import numpy as np

from bias_toolkit.foundation.errors import UnreadableImageError

SECONDS = 60
"""Of computing time."""
WAITING_SECONDS = 600
"""In all, for a process that waits without computing."""
BYTES = 6 * 2**30
"""Of memory, beyond what the process has before it opens the image."""

CHILD = "bias_toolkit.datasets.decoding_child"

_ONE_AT_A_TIME = threading.Lock()
_OUT_OF_TIME = {-getattr(signal, name) for name in ("SIGXCPU", "SIGKILL") if hasattr(signal, name)}


def decoded_apart(task: str, path: str) -> tuple[dict[str, Any], np.ndarray | None]:
    """Run one of `pixels.TASKS` on an image file in another process, `decoding_child`.

    Returns the task's answer and, if that has a `shape`, pixels (uint8) of this shape. Raises UnreadableImageError if
    the image cannot be decoded. If decoding exceeds `SECONDS` or `BYTES`, or crashes, the error is transient. Raises
    OSError if the file cannot be reached.
    """
    command = [sys.executable, "-P", "-m", CHILD, task, os.path.abspath(path), str(SECONDS), str(BYTES)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with (
        _ONE_AT_A_TIME,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as process,
    ):
        timer = threading.Timer(WAITING_SECONDS, process.kill)
        timer.start()
        try:
            answer = _answer(process.stdout.readline())
            pixels = _received(process.stdout, answer["shape"]) if "shape" in answer else None
            waited_in_vain = not timer.is_alive()
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()
    if "number" in answer:
        raise OSError(answer["number"], os.strerror(answer["number"]), path)
    if "reason" in answer:
        raise UnreadableImageError(answer["reason"], answer["transient"])
    if not answer or ("shape" in answer and pixels is None):
        raise UnreadableImageError(_why_it_ended(process.returncode, waited_in_vain), transient=True)
    return answer, pixels


def _answer(line: bytes) -> dict[str, Any]:
    """The answer of the process; empty if the process ended while it wrote."""
    try:
        return json.loads(line)
    except ValueError:
        return {}


def _received(stream: Any, shape: list[int]) -> np.ndarray | None:
    """The pixels that follow the answer; None if they end too early."""
    pixels = np.empty(shape, np.uint8)
    room = memoryview(pixels).cast("B")
    while len(room):
        count = stream.readinto(room)
        if not count:
            return None
        room = room[count:]
    return pixels


def _why_it_ended(code: int, waited_in_vain: bool) -> str:
    if waited_in_vain:
        return f"it could not be decoded in {WAITING_SECONDS} seconds"
    if code in _OUT_OF_TIME:
        return f"decoding it takes more than {SECONDS} seconds of computing"
    return "its decoder crashed"


def set_limits(seconds: int = SECONDS, memory: int = BYTES) -> None:
    """Limit the CPU time and the memory (bytes) of this process from now on, if the system can."""
    try:
        import resource
    except ImportError:
        return
    seconds += math.ceil(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            memory += int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
