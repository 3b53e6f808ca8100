"""Which step of a study is done, under which settings, and what has to be done again.

A step owns one folder of the study. Its key is a digest of the settings that decide its result and of the keys
of the steps it needs, so a changed setting reaches exactly the steps that depend on it. `step.json` in the
folder says under which key the folder was begun and whether it was finished.
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

from bias_toolkit.storage import write_text

MARKER = "step.json"


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
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[Step, ...] = ()

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
    """

    def __init__(self, study: Path, step: Step):
        self.step = step
        self.path = study / step.name

    def _marker(self) -> dict:
        try:
            marker = json.loads((self.path / MARKER).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
            return {}
        return marker if marker.get("key") == self.step.key else {}

    @property
    def done(self) -> bool:
        """Whether the folder holds the step's whole result under the present settings."""
        return bool(self._marker().get("done"))

    def _mark(self, done: bool, seconds: float) -> None:
        marker = {
            "key": self.step.key,
            "done": done,
            "seconds": round(seconds, 3),
            "settings": dict(self.step.settings),
        }
        write_text(json.dumps(marker, indent=2, sort_keys=True), self.path / MARKER)

    @contextmanager
    def working(self) -> Iterator[Path]:
        """Give the folder to work in, and mark it as done when the block ends without an error.

        What an interrupted run left under the same key is kept, so that the work goes on from there; what was
        computed under another key is removed first.
        """
        marker = self._marker()
        if not marker and self.path.exists():
            shutil.rmtree(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        before = marker.get("seconds", 0.0)
        self._mark(done=False, seconds=before)
        start = time.monotonic()
        done = False
        try:
            yield self.path
            done = True
        finally:
            self._mark(done=done, seconds=before + time.monotonic() - start)


def recorded_seconds(folder: Path) -> float:
    """Wall time, in seconds, that the step in a folder took over all its runs."""
    return float(json.loads((folder / MARKER).read_text(encoding="utf-8"))["seconds"])
