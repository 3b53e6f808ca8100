"""The command `bias-toolkit`: its exit code and its error message, whatever happens."""

import atexit
import errno
import os
import sys
from contextlib import chdir, suppress

from bias_toolkit_cli.interruption import STOPPED, stoppable

REASONS = {
    errno.ENOENT: "it is not there",
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "it cannot be written to",
    errno.EACCES: "it may not be read or written",
}
OUT_OF_MEMORY = (
    *("failed to map segment", "cannot allocate memory", "can't allocate memory", "unable to allocate", "bad_alloc"),
    *("cannot apply additional memory protection", "not enough memory", "out of memory"),
    *("can't start new thread", "pthread_create", "thread creation failed"),
)
"""What Python, the loader of libraries, NumPy, torch and Arrow say when they get no memory or no thread."""
NO_MEMORY = "The memory does not suffice, or `ulimit` allows too little; free some, or name a lower --batch-size."
LEAST_ADDRESSES = 2_400_000_000
"""Bytes; with less, libraries do not end with an error: NumPy's try for ever, and others end the process."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit code 0, 2 for bad input, 130 when stopped by Ctrl-C or SIGTERM."""
    codes = [0]
    if arguments is None:
        _use_utf8()
        # Registered first, it runs last.
        atexit.register(_end_at_once, codes)
    for stream in (sys.stdout, sys.stderr):
        # Not every terminal can show a ρ, and not every path is UTF-8.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with stoppable() as stop:
        try:
            given = sys.argv[1:] if arguments is None else arguments
            _check_limit(given)
            _ignore_matplotlibrc()
            # Importing is slow, and must be stoppable too.
            from bias_toolkit_cli.commands import command_line

            command_line(given)(args=given)
        except BaseException as error:
            code = error.code if isinstance(error, SystemExit) else 1
            codes[0] = code if isinstance(code, int) else int(code is not None)
            if code == STOPPED or (stop.asked and code != 0):
                stop.tell()
                if stop.asked:
                    # Python would need seconds to unload the modules.
                    with suppress(OSError):
                        sys.stdout.flush()
                    os._exit(STOPPED)
                codes[0] = STOPPED
                sys.exit(STOPPED)
            if isinstance(error, Exception) and (sentence := _sentence(error)):
                print(f"Error: {sentence}", file=sys.stderr)
                codes[0] = 2
                sys.exit(2)
            raise


def _use_utf8() -> None:
    """Restart in Python's UTF-8 mode if the locale has another encoding: file names are always UTF-8."""
    if os.name == "posix" and sys.getfilesystemencoding().lower() != "utf-8" and not sys.flags.utf8_mode:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def _end_at_once(codes: list[int]) -> None:
    """End the process with the one code, when all else has ended: Python would need seconds to unload the modules."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(codes[0])


def _ignore_matplotlibrc() -> None:
    """Keep matplotlib, which looks for this file when it is imported, from the current folder: it may be hostile."""
    if os.path.lexists("matplotlibrc"):
        with chdir(os.path.dirname(__file__)):
            import matplotlib  # noqa: F401


def _check_limit(arguments: list[str]) -> None:
    """Raise MemoryError if `ulimit -v` allows so little memory that importing would fail."""
    try:
        import resource
    except ImportError:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESSES and not {"--help", "--version"} & {*arguments}:
        raise MemoryError


def _sentence(error: Exception) -> str | None:
    """A sentence on the fault of the input, the memory or the disk; None if the fault is the program's."""
    if _lacks_memory(error):
        # Without memory, no import would succeed here.
        return NO_MEMORY
    from bias_toolkit.foundation.errors import InputError
    from bias_toolkit.foundation.words import visible_name

    if isinstance(error, InputError):
        return visible_name(str(error))
    if isinstance(error, OSError):
        reason = REASONS.get(error.errno) or error.strerror or str(error)
        return visible_name(
            f"{error.filename or 'The output'}: {reason}. What was computed so far is kept; with that put right, the "
            "same command goes on from there."
        )
    return None


def _lacks_memory(error: BaseException | None) -> bool:
    """Whether an error, or its cause, is a lack of memory or of threads."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(error, ImportError | OSError | RuntimeError) and any(
            words in str(error).lower() for words in OUT_OF_MEMORY
        ):
            return True
        error = error.__cause__ or error.__context__
    return False
