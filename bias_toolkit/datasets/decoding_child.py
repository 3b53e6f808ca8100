"""The process in which `decoding_apart` decodes one image, under limits of CPU time and memory."""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from bias_toolkit.datasets.decoding_apart import set_limits
from bias_toolkit.datasets.pixels import TASKS
from bias_toolkit.foundation.errors import UnreadableImageError


def answer_for(
    task: Callable[[str], tuple[dict[str, Any], np.ndarray | None]], path: str, memory: int
) -> tuple[bytes, bytes | memoryview]:
    """The line and the pixels that a process with this much memory (bytes) writes for an image."""
    pixels = None
    try:
        answer, pixels = task(path)
    except UnreadableImageError as error:
        answer = {"reason": str(error), "transient": error.transient}
    except MemoryError:
        answer = {"reason": f"decoding it takes more than {memory / 2**30:.1g} GB of memory", "transient": True}
    except OSError as error:
        answer = {"number": error.errno}
    return json.dumps(answer).encode() + b"\n", b"" if pixels is None else memoryview(pixels).cast("B")


def _main() -> None:
    task, path, seconds, memory = sys.argv[1:]
    set_limits(int(seconds), int(memory))
    for part in answer_for(TASKS[task], path, int(memory)):
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
