"""The identities of a study's inputs: of the open inputs, or as in the study's record."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import file_digest
from bias_toolkit.models.specs import name_of
from bias_toolkit.study.record import StudyRecord, package_versions
from bias_toolkit.study.settings import SPLITS, Settings

if TYPE_CHECKING:
    from torch import nn

    from bias_toolkit.datasets import Dataset
    from bias_toolkit.models import Model

EXTRA_FILES = ("label_map", "imagenet_x")
OF_THE_SYSTEM = ("/proc", "/sys", "/dev")
"""Folders whose files are no data, but processes and devices."""
SHARED_MEMORY = "/dev/shm"


@dataclass(frozen=True)
class Named:
    """How the inputs of a study are given: by a path, a name, or an object; None for an input from the study's record.

    `trusts_study` says that a model factory that only the record names may be imported.
    """

    train: str | os.PathLike | Dataset | None = None
    test: str | os.PathLike | Dataset | None = None
    model: str | Model | nn.Module | None = None
    trusts_study: bool = False


def resolved(place: str | os.PathLike) -> Path:
    """An absolute path without links; unchanged if it is not a valid path or if its links form a cycle."""
    try:
        return Path(place).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        return Path(place)


def refuse_system_place(place: str | os.PathLike, option: str) -> None:
    """Raise InputError if a path that only a study's record names is a whole file system, or one without data.

    A hostile record could otherwise have all files of this machine listed. A user who wants such a path passes the
    option.
    """
    path = resolved(place)
    is_system = any(path.is_relative_to(each) for each in OF_THE_SYSTEM) and not path.is_relative_to(SHARED_MEMORY)
    if path == Path(path.anchor) or is_system:
        raise InputError(
            f"The study's record names {place}, which holds the system's files; name the right path with {option}."
        )


class Identities:
    """The identities of the inputs of a study.

    The identity of an open input is computed from the input itself. For an input that is not open, it is taken from the
    study's record, if the record has the same path or name and settings. Otherwise it is unknown until the input is
    opened. So a study can be read without its images and its model, and no result of other inputs is read.
    """

    def __init__(self, named: Named, settings: Settings, recorded: StudyRecord) -> None:
        self.named = named
        self.settings = settings
        self.recorded = recorded
        self.changes = 0
        self.are_checked = False
        self._known: dict[str, Any] = {}

    def of(self, name: str) -> Any:
        """The identity of an input, as JSON values; None if the input has to be opened first."""
        return self._known[name] if name in self._known else self.recorded_identity(name)

    def learn(self, name: str, identity: Any) -> None:
        if self._known.get(name, identity) != identity or name not in self._known:
            self.changes += 1
        self._known[name] = identity

    def recorded_identity(self, name: str) -> Any:
        """The recorded identity of an input that has the recorded name and settings; None if there is none."""
        deciding = {"model": ("weights", "weights_key", "outputs", "feature")}
        for split in SPLITS:
            sample = f"{split}_sample"
            is_sample = getattr(self.settings, sample) is not None
            deciding[split] = (f"{split}_layout", f"{split}_folder", "deep_grey", sample, *(["seed"] * is_sample))
        names = deciding.get(name, (name,))
        if any(self.recorded.settings.get(each) != getattr(self.settings, each) for each in names):
            return None
        recorded = getattr(self.recorded, name)
        if recorded is None or name in EXTRA_FILES:
            return recorded
        given = getattr(self.named, name)
        if not isinstance(given, str | os.PathLike | None) or recorded.spec != self.spec(name):
            return None
        is_in_doubt = name == "model" and self.are_checked and not self._is_model_as_recorded()
        return None if is_in_doubt else recorded.identity

    def _is_model_as_recorded(self) -> bool:
        """Whether the model is known to be the recorded one without loading it.

        It is known if the toolkit or a library makes the model, in the recorded versions, and its file of weights is
        unchanged; and also if the model may not be loaded.
        """
        from bias_toolkit.models import names_code

        recorded = self.recorded.model
        if recorded is None or not isinstance(self.named.model, str | None):
            return False
        if recorded.in_memory:
            return self.named.model is None
        if names_code(recorded.spec):
            return self.named.model is None and not self.named.trusts_study
        # Whether a newly named device or runtime exists is known only after loading the model.
        is_run_alike = all(
            self.recorded.settings.get(name) == getattr(self.settings, name) for name in ("device", "runtime")
        )
        is_same_file = recorded.weights == self.weights_state()
        return is_run_alike and is_same_file and self.recorded.versions == package_versions()

    def weights_state(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.settings.weights) if self.settings.weights is not None else None
        except OSError:
            return None
        return None if status is None else (status.st_size, status.st_mtime_ns)

    def _file_identity(self, name: str) -> str:
        if name == "imagenet_x":
            from bias_toolkit.datasets import imagenet_x_stamp

            return imagenet_x_stamp(self.settings.imagenet_x)
        if self.settings.label_map is None:
            return hashlib.sha256().hexdigest()
        from bias_toolkit.models.label_mapping import read_mapping

        path = resolved(self.settings.label_map)
        digest = file_digest(path)
        read_mapping(path)
        return digest

    def look_at_file(self, name: str) -> None:
        """Compute the identity of one of `EXTRA_FILES` from the present file; InputError if it cannot be read."""
        self.refuse_system_place_of(name)
        self.learn(name, self._file_identity(name))

    def refuse_system_place_of(self, name: str) -> None:
        """Raise InputError as `refuse_system_place` if a setting is a path that the record has."""
        place = getattr(self.settings, name)
        if place is not None and place == self.recorded.settings.get(name):
            refuse_system_place(place, f"--{name.replace('_', '-')}")

    def doubt_the_model(self) -> None:
        """From now on, use the recorded identity of the model only if it is valid without loading the model."""
        self.are_checked = True
        if "model" not in self._known and not self._is_model_as_recorded():
            self.changes += 1

    def take_record(self, recorded: StudyRecord) -> None:
        """Replace the record."""
        if recorded != self.recorded:
            self.recorded = recorded
            self.changes += 1

    def spec(self, name: str) -> str | None:
        """How the `train` or `test` set or the `model` is named in study.json: a path, or a model's name."""
        given = getattr(self.named, name)
        if given is None:
            recorded = getattr(self.recorded, name)
            return None if recorded is None else recorded.spec
        if isinstance(given, str | os.PathLike):
            from bias_toolkit.datasets.shard_files import is_pattern

            given = os.fspath(given)
            is_place = name != "model" and (os.path.exists(given) or is_pattern(given))
            return os.path.abspath(given) if is_place else given
        return name_of(given) if name == "model" else given.root
