"""One run at a time on a study: the lock that a run holds, and the error that a second run gets.

The operating system's lock (flock) ends with the process, however the process ends. Some file systems, such as those of
some clusters, have no such lock; there, the lock file itself is the lock. The run that takes the lock creates the file,
and takes over a file that a dead process of this machine left. A process of another machine may still be alive, so in
that case the error names the file that the user has to remove.
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
    """The lock of a study's folder; not held at first. Taking the lock makes the folder if it does not exist."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._path = folder / LOCK
        self._file: int | None = None
        self._is_flock = True
        self._is_shared = False

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self, *, shared: bool = False) -> None:
        """Take the lock; InputError, which names the other run, if another run holds it.

        Several processes may hold a `shared` lock at the same time, and keep away those that take the lock for
        themselves. On a file system without flock, a shared lock keeps nobody away.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._is_shared = shared
        while self._file is None:
            self._file = self._try()
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        }
        self._write({} if shared else holder)

    def release(self) -> None:
        """Release the lock."""
        if self._is_flock:
            self._write({})
            # After closing alone, the lock would last as long as a child process has a copy of the file open.
            _unlock(self._file)
        elif not self._is_shared:
            self._path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = None

    def _write(self, holder: dict[str, object]) -> None:
        # The lock works without this text, for example on a full disk.
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, json.dumps(holder).encode())

    def check(self) -> None:
        """Raise OSError, which names the study's folder, if it is no longer the folder in which the lock was taken."""
        try:
            same = os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except FileNotFoundError:
            same = False
        if not same:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(self.folder))

    def _try(self) -> int | None:
        """The open lock file, locked; None if the file changed meanwhile, so that the caller has to try again."""
        try:
            file, is_new = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:
            try:
                # A study from someone else may have a link or a pipe here, which must not be written to.
                status = os.lstat(self._path)
                check_kind(self._path, status)
                if status.st_nlink > 1:
                    raise InputError(
                        f"{self._path} has another name elsewhere (a hard link), so it is not used; remove it."
                    )
                file, is_new = os.open(self._path, os.O_RDWR | SAFELY), False
            except FileNotFoundError:
                return None
        try:
            self._is_flock = _flock(file, self._is_shared)
            if self._is_flock:
                # If the file was removed meanwhile, this lock would have no effect.
                there = self._path.exists() and os.path.samestat(os.stat(self._path), os.fstat(file))
            else:
                there = is_new or self._is_shared
                if not is_new:
                    self._remove_free()
                elif self._is_shared:
                    self._path.unlink(missing_ok=True)
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
        """Without flock, remove the lock file if no process holds it."""
        content = _content(self._path)
        if self._path.exists() and content != {} and not _is_dead(_read_holder(self._path)):
            raise InputError(f"{self._refusal()} If it does not run any more, remove {self._path}.")
        self._path.unlink(missing_ok=True)

    def _refusal(self) -> InputError:
        holder = _read_holder(self._path)
        who = f" (process {holder['pid']} on {holder['host']}, since {holder['since']})" if holder else ""
        return InputError(f"Another run{who} is working on {self.folder}; wait until it ends, or name another folder.")


def _flock(file: int, is_shared: bool) -> bool:
    """Lock an open file; False if the file system or the machine has no such locks.

    Raises BlockingIOError if another process has locked it.
    """
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
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
    """The present or last holder of a lock: pid, host, since; empty if the file does not say."""
    holder = _content(path)
    kinds = {"pid": int, "host": str, "since": str}
    is_whole = isinstance(holder, dict) and all(isinstance(holder.get(name), kind) for name, kind in kinds.items())
    return holder if is_whole and 0 < holder["pid"] < 2**31 else {}


def _content(path: Path) -> object:
    """The value in a lock file; None if there is none."""
    try:
        return parse_json(read_regular(path, LARGEST_LOCK), path)
    except InputError:
        return None


def _is_dead(holder: dict) -> bool:
    """Whether the process in a lock file is known to have ended; this can be known for this machine only."""
    if not holder or holder["host"] != socket.gethostname() or os.name != "posix":
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
