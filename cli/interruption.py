"""Stopping on request: Ctrl-C, or the SIGTERM of a cluster's scheduler, ends a command within two seconds."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STOPPED = 130
GRACE = 1.0
"""Seconds that a command has to end in good order."""

MESSAGE = "Stopped. Run the same command again and it goes on from here."
SHOW_CURSOR = "\x1b[?25h"

_replaced: dict[int, Any] = {}
"""The handlers that `stoppable` has replaced, by signal, while it is in force."""


def _release_child() -> None:
    """In a process that a library has forked, give the signals back.

    A library may end its own child. The child's signal must not wake the thread that ends this process.
    """
    if _replaced:
        signal.set_wakeup_fd(-1)
        for number, handler in _replaced.items():
            signal.signal(number, handler)
        _replaced.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_child)


class Stop:
    """Whether the process was asked to stop, and has said so."""

    def __init__(self) -> None:
        self.asked = False
        self._told = threading.Lock()

    def tell(self) -> None:
        """Say on standard error how to continue; once."""
        if self._told.acquire(blocking=False):
            cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
            print(f"{cursor}{MESSAGE}", file=sys.stderr, flush=True)

    def end_late(self) -> None:
        """End the process after `GRACE` seconds, whatever it is doing then."""
        time.sleep(GRACE)
        # Standard error may block: a paused terminal, or a pipe that nobody reads.
        teller = threading.Thread(target=self.tell, daemon=True)
        teller.start()
        teller.join(GRACE / 4)
        os._exit(STOPPED)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """In the block, SIGINT and SIGTERM raise KeyboardInterrupt, and end the process if that has no effect.

    Python runs its handlers between two of its own instructions. A long computation in C delays them, some imports and
    callbacks replace or drop the exception, and the process waits for threads that decode images. The signal therefore
    also wakes a thread, which ends the process `GRACE` seconds later. This loses no complete result, since files get
    their names only when they are complete.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    # A command started with nohup or in the background of a script ignores SIGINT; this must not change.
    numbers = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not signal.SIG_IGN]

    def raise_once(*_: object) -> None:
        if not stop.asked:
            stop.asked = True
            raise KeyboardInterrupt

    def watch() -> None:
        with reading:
            while received := reading.recv(1):
                if received[0] in numbers:
                    stop.end_late()

    threading.Thread(target=watch, daemon=True).start()
    previous_descriptor = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    _replaced.update({number: signal.signal(number, raise_once) for number in numbers})
    try:
        yield stop
    finally:
        if not stop.asked:
            signal.set_wakeup_fd(previous_descriptor)
            for number, handler in _replaced.items():
                signal.signal(number, handler)
            _replaced.clear()
            writing.close()
