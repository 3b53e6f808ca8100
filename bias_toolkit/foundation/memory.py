"""The memory limit of a search, the free memory of this machine, and keeping freed memory."""

import ctypes
import os
import re
from pathlib import Path

from bias_toolkit.foundation.errors import InputError

AUTO = "auto"
LEAST = 100 * 10**6
FACTORS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
# Names and numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
TWO_GIBIBYTES = 2**31 - 1
GROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_bytes(size: str) -> int:
    """A memory limit in bytes: `4GB` (decimal), `500MB`, `2GiB` (binary); `auto` is half of the available memory.

    Raises InputError if it is not such a size, or is below 100 MB.
    """
    if size == AUTO:
        return max(available_memory() // 2, LEAST)
    parts = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([KMGT]i?B)", size.strip(), re.IGNORECASE)
    factor = FACTORS.get(parts[2].upper()) if parts else None
    if factor is None:
        raise InputError(f"--memory is {size[:80]!r}, but must be a size such as 4GB, 500MB or 2GiB, or auto.")
    n_bytes = int(float(parts[1]) * factor)
    if n_bytes < LEAST:
        raise InputError(f"--memory is {size}, but must be at least 100MB.")
    return n_bytes


def available_memory() -> int:
    """Bytes that this process can still use without swapping, according to the system and its control group."""
    free = free_memory()
    limits = [_physical_memory() if free is None else free]
    for path in GROUP_LIMITS:
        text = path.read_text().strip() if path.is_file() else "max"
        if text.isdigit():
            limits.append(int(text))
    return min(limits)


def free_memory() -> int | None:
    """Bytes that the system can still give; None if it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        # Windows, for example, does not say.
        return 4 * 2**30


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed memory for the next allocation instead of returning it to the system.

    A network's activations are large blocks. By default, glibc requests and returns them at every layer of every pass,
    and the system clears each page again, which can take longer than the arithmetic. The setting applies to the whole
    process, which keeps the memory of its largest pass until it ends. Returns False if the C library is not glibc or
    refuses.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    accepted = [mallopt(option, TWO_GIBIBYTES) for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)]
    return all(accepted)
