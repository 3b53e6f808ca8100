"""What a study's folder holds, read only where it is done, whole, and of the study's present inputs and settings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import read_table
from bias_toolkit.pipeline.steps import MARKER, WRITTEN, damaged_file, lost_marker, read_marker, read_whole

if TYPE_CHECKING:
    from bias_toolkit.invariance import Sweep
    from bias_toolkit.study.settings import Settings

Result = TypeVar("Result")


class StoredResults:
    """Reads the results of a study's steps."""

    folder: Path
    settings: Settings
    sweeps: list[Sweep]
    _recorded: dict[str, Any]
    _restore: Callable[[str], bool]

    def _existing(self, name: str, command: str) -> Path:
        """A step's folder, or a file in it, if the step is done and what it holds is of the present settings.

        What was damaged is computed again where this process can; otherwise it is an InputError that names the file.
        """
        path, folder = self.folder / name, self._step_folder(name)
        step = folder.relative_to(self.folder).as_posix()
        self._restore_markers(step, command)
        marker = read_marker(folder)
        if not marker.get("done") or (not path.exists() and path.name not in marker.get("files", {})):
            raise InputError(f"{self.folder} has no {step} yet; run `bias-toolkit {command}` on it first.")
        if not self._is_current(step):
            if (need := self._missing_need(step)) is not None:
                raise InputError(
                    f"{folder} was made from {self.folder / need}, which is not finished; run `bias-toolkit {command}` "
                    "on the study."
                )
            raise InputError(
                f"{folder} was computed under other settings than the study has now; run `bias-toolkit {command}` "
                "on the study."
            )
        damaged = damaged_file(folder, "*" if path == folder else path.name)
        if damaged is not None and not self._restore(step):
            raise InputError(
                f"{folder / damaged} was damaged or removed since it was written; run `bias-toolkit {command}` on the "
                "study, and it is computed again."
            )
        return path

    def _step_folder(self, name: str) -> Path:
        """The folder of the step that is called so, or has such a file."""
        path = self.folder / name
        return path.parent if path.suffix in WRITTEN else path

    def _missing_need(self, step: str) -> str | None:
        """The first of the steps that a step was made from which is not there, or not finished; None where all are."""
        for need in read_marker(self.folder / step).get("needs", {}):
            missing = self._missing_need(need) if read_marker(self.folder / need).get("done") else need
            if missing is not None:
                return missing
        return None

    def _restore_markers(self, step: str, command: str) -> None:
        """Do each step anew, of this one and those it was made from, whose `step.json` was damaged or removed.

        Raises
        ------
        InputError
            If this process cannot; it names the file, and `command` as what does.
        """
        if lost_marker(self.folder / step) and not self._restore(step):
            raise InputError(
                f"{self.folder / step / MARKER} was damaged or removed; run `bias-toolkit {command}` on the study, and "
                "it is made anew."
            )
        for need in read_marker(self.folder / step).get("needs", {}):
            self._restore_markers(need, command)

    def _read(self, name: str, command: str, read: Callable[[Path], Result]) -> Result:
        """What `read` makes of a step's folder or of a file in it, all of it of one state of the step."""
        path, folder = self._existing(name, command), self._step_folder(name)
        state, is_other = _state(folder), False
        try:
            result = read_whole(path, read)
        except InputError:
            is_other = _state(folder) != state
            if not is_other:
                raise
        if is_other or _state(folder) != state:
            raise InputError(
                f"{folder} was being computed anew while it was read; read it again when the run that is working on "
                "the study has ended."
            )
        return result

    def _is_current(self, step: str) -> bool:
        """Whether a step's result, and all it was made from, is of the study's present inputs and settings.

        Only markers and study.json are read, so that it can be asked where the images and the model are not at hand.
        """
        marker = read_marker(self.folder / step)
        present = self.settings.to_dict()
        made_with = marker.get("settings", {})
        if not marker.get("done") or any(present.get(name, value) != value for name, value in made_with.items()):
            return False
        kind, _, name = step.partition("/")
        record = self._recorded
        if kind == "images" and made_with["fingerprint"] != record.get(name, {}).get("fingerprint"):
            return False
        weights = record.get("model", {}).get("weights_sha256")
        if weights and made_with.get("model", {}).get("weights_sha256", weights) != weights:
            return False
        sweeps = {f"responses/{sweep.name}": dataclasses.asdict(sweep) for sweep in self.sweeps}
        if kind == "responses" and sweeps.get(step) != made_with["sweep"]:
            return False
        if kind == "responses" and made_with.get("precision") != self.settings.precision:
            return False
        needs = marker["needs"]
        if kind == "measures" and needs.keys() != sweeps.keys():
            return False
        return all(
            read_marker(self.folder / need).get("key") == key and self._is_current(need) for need, key in needs.items()
        )

    def _table(self, name: str, command: str) -> pd.DataFrame:
        return self._read(name, command, read_table)

    def _json(self, name: str, command: str) -> dict[str, Any]:
        return json.loads(self._text(name, command))

    def _text(self, name: str, command: str) -> str:
        return self._read(name, command, lambda path: path.read_text(encoding="utf-8"))


def _state(folder: Path) -> tuple[Any, Any]:
    """What tells one state of a step's result from another."""
    marker = read_marker(folder)
    return marker.get("key"), marker.get("done")
