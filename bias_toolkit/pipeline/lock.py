"""One run at a time on a study: the lock that a run holds, and what it tells those who come second.

The operating system's lock (flock) goes with the process, however that ends. On a file system that has none, such as
some of clusters, the lock file itself is the lock: it is made anew by whoever takes it, and one that a dead process of
this machine left is taken over. Whether a process of another machine still lives cannot be known; then the user is
told which file to remove.
"""

import errno
import json
import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.untrusted import SAFELY, check_kind, parse_json, read_regular

LOCK = ".lock"
LARGEST_LOCK = 4096
NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class StudyLock:
    """The lock of a study's folder; not held at first.

    Parameters
    ----------
    folder : Path
        Made, when the lock is taken, where it does not exist.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._path = folder / LOCK
        self._file: int | None = None
        self._is_flock = True

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        InputError
            If another run holds it; the message says which.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        while self._file is None:
            self._file = self._try()
        self._write(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": datetime.now().astimezone().isoformat(" ", "seconds"),
            }
        )

    def release(self) -> None:
        """Let the lock go."""
        if self._is_flock:
            self._write({})
            # Closing the file alone would leave it locked as long as a child process has a copy of it open.
            _unlock(self._file)
        else:
            self._path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = None

    def _write(self, holder: dict[str, object]) -> None:
        # On a full disk the lock is as good without.
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, json.dumps(holder).encode())

    def check(self) -> None:
        """Raise OSError, of the study's folder, if that is no longer the one in which the lock was taken."""
        try:
            same = os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except FileNotFoundError:
            same = False
        if not same:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(self.folder))

    def _try(self) -> int | None:
        """The open lock file, locked; None where it changed meanwhile and has to be tried again."""
        try:
            file, is_new = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:
            try:
                # Who sent the study may have put a link or a pipe there, and what it leads to is no lock to write in.
                check_kind(self._path, os.lstat(self._path))
                file, is_new = os.open(self._path, os.O_RDWR | SAFELY), False
            except FileNotFoundError:
                return None
        try:
            self._is_flock = _flock(file)
            if self._is_flock:
                # Somebody may have removed the file in between, and then this would lock nothing.
                there = self._path.exists() and os.path.samestat(os.stat(self._path), os.fstat(file))
            else:
                there = is_new
                if not there:
                    self._remove_free()
        except BaseException as error:
            os.close(file)
            if isinstance(error, BlockingIOError):
                raise self._refusal() from None
            raise
        if not there:
            os.close(file)
            return None
        return file

    def _remove_free(self) -> None:
        """Without flock, remove the lock file if it is nobody's."""
        content = _content(self._path)
        if self._path.exists() and content != {} and not _is_dead(_read_holder(self._path)):
            raise InputError(f"{self._refusal()} If it does not run any more, remove {self._path}.")
        self._path.unlink(missing_ok=True)

    def _refusal(self) -> InputError:
        holder = _read_holder(self._path)
        who = f" (process {holder['pid']} on {holder['host']}, since {holder['since']})" if holder else ""
        return InputError(f"Another run{who} is working on {self.folder}; wait until it ends, or name another folder.")


def _flock(file: int) -> bool:
    """Lock an open file; False where the file system or the machine has no such locks.

    Raises
    ------
    BlockingIOError
        If another has locked it.
    """
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in NO_FLOCK:
            return False
        raise
    return True


def _unlock(file: int) -> None:
    import fcntl

    fcntl.flock(file, fcntl.LOCK_UN)


def _read_holder(path: Path) -> dict:
    """Who holds a lock, or held it last: pid, host, since; empty where the file does not say."""
    holder = _content(path)
    kinds = {"pid": int, "host": str, "since": str}
    is_whole = isinstance(holder, dict) and all(isinstance(holder.get(name), kind) for name, kind in kinds.items())
    return holder if is_whole and 0 < holder["pid"] < 2**31 else {}


def _content(path: Path) -> object:
    """The value in a lock file; None where it has none."""
    try:
        return parse_json(read_regular(path, LARGEST_LOCK), path)
    except InputError:
        return None


def _is_dead(holder: dict) -> bool:
    """Whether the process that a lock file names is known to have ended; only one of this machine can be."""
    if not holder or holder["host"] != socket.gethostname() or os.name != "posix":
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
