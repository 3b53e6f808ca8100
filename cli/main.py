"""The command `bias-toolkit`: what its end is, whatever happens."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress

from bias_toolkit_cli.interruption import STOPPED, stoppable

REASONS = {
    errno.ENOENT: "it is not there",
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "it cannot be written to",
    errno.EACCES: "it may not be read or written",
}


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit code 0, 2 for bad input, 130 when stopped by Ctrl-C or SIGTERM."""
    for stream in (sys.stdout, sys.stderr):
        # Not every terminal has a ρ, and not every path is UTF-8.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with stoppable() as stop:
        try:
            # Importing takes a while, and may be stopped like all else.
            from bias_toolkit_cli.commands import app

            app(args=arguments)
        except BaseException as error:
            code = error.code if isinstance(error, SystemExit) else 1
            if code == STOPPED or (stop.asked and code != 0):
                stop.tell()
                if stop.asked:
                    # Python would take seconds to take apart what is loaded.
                    with suppress(OSError):
                        sys.stdout.flush()
                    os._exit(STOPPED)
                sys.exit(STOPPED)
            if isinstance(error, Exception) and (sentence := _sentence(error)):
                print(f"Error: {sentence}", file=sys.stderr)
                sys.exit(2)
            raise


def _sentence(error: Exception) -> str | None:
    """What is wrong with the input or with the disk; None where it is the program that is wrong."""
    from bias_toolkit.foundation.errors import InputError
    from bias_toolkit.foundation.words import visible

    if isinstance(error, InputError):
        return visible(str(error))
    if isinstance(error, OSError):
        reason = REASONS.get(error.errno) or error.strerror or str(error)
        return visible(
            f"{error.filename or 'The output'}: {reason}. What was computed so far is kept; with that put right, the "
            "same command goes on from there."
        )
    return None
