"""Whether files have changed, by their sizes and times."""

import os
import sys
from array import array
from collections.abc import Iterable


def file_stamps(paths: Iterable[str | os.PathLike]) -> bytes:
    """Size and time of change (ns) of each file, as bytes; −1 for a missing file."""
    stamps = array("q")
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            stamps.extend((-1, -1))
        else:
            stamps.append(status.st_size)
            stamps.append(status.st_mtime_ns)
    if sys.byteorder == "big":
        stamps.byteswap()
    return stamps.tobytes()
