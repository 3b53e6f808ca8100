"""Keeping what Pillow and its decoders say of damaged files off the screen: `skipped.csv` says it, in a sentence."""

from __future__ import annotations

import ctypes
import warnings


def hush() -> None:
    """Silence Pillow's warnings, and the errors that libtiff prints by itself, in this process."""
    warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
            library = next(line.split(maxsplit=5)[-1].strip() for line in file if "libtiff" in line)
        set_handler = ctypes.CDLL(library).TIFFSetErrorHandler
    except (OSError, StopIteration, AttributeError):
        return
    set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    set_handler(None)
