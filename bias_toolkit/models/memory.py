"""Keeping memory between forward passes on the CPU."""

from __future__ import annotations

import ctypes

# Names and numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
TWO_GIBIBYTES = 2**31 - 1


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed memory for the next allocation instead of handing it back to the system.

    A network's activations are large blocks, which glibc asks the system for and returns at every layer of every
    pass; the system then clears each page anew, which can take longer than the arithmetic. The setting is of the
    whole process, which keeps the memory of its largest pass until it ends.

    Returns
    -------
    bool
        Whether it was done; False where the C library is not glibc or refuses.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    accepted = [mallopt(option, TWO_GIBIBYTES) for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD)]
    return all(accepted)
