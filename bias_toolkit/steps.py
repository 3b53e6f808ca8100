"""Which step of a study is done, under which settings, and what has to be done again.

A step owns one folder of the study. Its key is a digest of the settings that decide its result and of the keys
of the steps it needs, so a changed setting reaches exactly the steps that depend on it. `step.json` in the folder
says under which key the folder was begun, on what machine and versions, and whether it was finished.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bias_toolkit.errors import InputError
from bias_toolkit.storage import write_text

MARKER = "step.json"
LOCK = ".lock"


@dataclass(frozen=True)
class Step:
    """One step: its folder inside the study, the settings that decide its result, and what it needs.

    Parameters
    ----------
    name : str
        The step's folder, relative to the study's.
    settings : mapping
        JSON values. Settings that only change the speed do not belong here.
    needs : tuple of Step
        The steps whose results it reads.
    replaces_itself : bool
        Whether the work puts its result into the place of the old one, which then stays until that moment.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[Step, ...] = ()
    replaces_itself: bool = False

    @property
    def key(self) -> str:
        """SHA-256 hex digest of everything that decides the step's result."""
        content = {
            "step": self.name,
            "settings": dict(self.settings),
            "needs": [step.key for step in self.needs],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class StepFolder:
    """The folder of one step, with its marker.

    Parameters
    ----------
    study : Path
        The study's folder.
    step : Step
    environment : mapping
        What may change rounding: versions, the device. A finished result stays valid in another environment, but no
        result is made in two.
    """

    def __init__(self, study: Path, step: Step, environment: Mapping[str, str] | None = None):
        self.step = step
        self.path = study / step.name
        self._lock = study / LOCK
        self._environment = dict(environment or {})

    def _own_marker(self) -> dict[str, Any]:
        marker = read_marker(self.path)
        return marker if marker.get("key") == self.step.key else {}

    @property
    def done(self) -> bool:
        """Whether the folder holds the step's whole result under the present settings."""
        return bool(self._own_marker().get("done"))

    def _mark(self, done: bool, seconds: float) -> None:
        marker = {
            "key": self.step.key,
            "done": done,
            "seconds": round(seconds, 3),
            "settings": dict(self.step.settings),
            "needs": {step.name: step.key for step in self.step.needs},
            "environment": self._environment,
        }
        write_text(json.dumps(marker, indent=2, sort_keys=True), self.path / MARKER)

    @contextmanager
    def working(self) -> Iterator[Path]:
        """Give the folder to work in, and mark it as done when the block ends without an error.

        What an interrupted run left under the same key and in the same environment is kept, so that the work goes on
        from there; what was computed otherwise is removed first.

        Raises
        ------
        InputError
            If another run is working on the study, or the folder holds files that are no step's.
        """
        with _locked(self._lock):
            marker = self._own_marker()
            kept = marker and marker["environment"] == self._environment
            if not kept:
                self._remove_old()
            self.path.mkdir(parents=True, exist_ok=True)
            before = marker["seconds"] if kept else 0.0
            self._mark(done=False, seconds=before)
            start = time.monotonic()
            done = False
            try:
                yield self.path
                done = True
            finally:
                self._mark(done=done, seconds=before + time.monotonic() - start)

    def _remove_old(self) -> None:
        if not self.path.exists():
            return
        if not read_marker(self.path) and any(self.path.iterdir()):
            raise InputError(
                f"{self.path} holds files that are not this study's; name another folder for the study, "
                "or move them away."
            )
        if not self.step.replaces_itself:
            shutil.rmtree(self.path)


def read_marker(folder: Path) -> dict[str, Any]:
    """What `step.json` in a step's folder says; empty where there is none that can be read."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return {}
    return marker if isinstance(marker, dict) and "key" in marker else {}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a study's lock, which the operating system lets go when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:
        # Without POSIX locks, running a study once at a time is left to the user.
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"Another run is working on {path.parent}; wait until it ends, or name another folder."
            ) from None
        yield
