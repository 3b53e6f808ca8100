"""Whether files have changed, by their sizes and times."""

import os
from collections.abc import Iterable

import numpy as np


def file_stamps(paths: Iterable[str | os.PathLike]) -> bytes:
    """Size and time of change (ns) of each file, as bytes; −1 for a missing file."""
    stamps = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            stamps.append((-1, -1))
        else:
            stamps.append((status.st_size, status.st_mtime_ns))
    return np.array(stamps, "<i8").tobytes()
