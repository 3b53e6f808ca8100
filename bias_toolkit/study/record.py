"""study.json: every setting of a study, the identities of its inputs, and the versions."""

import functools
import json
import logging
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import is_leftover, write_text
from bias_toolkit.foundation.untrusted import parse_json, read_regular
from bias_toolkit.pipeline.lock import LOCK
from bias_toolkit.pipeline.record import DIGEST, Digest, digest_of

RECORD = "study.json"
FORMAT = 2
"""Of the study's folder. A study of another format is computed anew."""
LARGEST_RECORD = 16 * 2**20
PACKAGES = ("torch", "torchvision", "timm", "openvino", "faiss-gpu", "faiss-cpu", "numpy", "scikit-learn", "pillow")

Text = Annotated[str, Field(max_length=4096)]
_log = logging.getLogger("bias_toolkit")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DatasetRecord(_Record):
    """A dataset: the path or name from the user, and layout, fingerprint and presence of boxes when last opened."""

    spec: Text
    layout: Text | None = None
    fingerprint: Digest | None = None
    has_objects: bool | None = None

    @property
    def identity(self) -> dict[str, JsonValue] | None:
        """Its identity in a key; None if it was never opened."""
        return None if self.fingerprint is None else {"layout": self.layout, "fingerprint": self.fingerprint}


class ModelIdentity(_Record):
    """The values that decide a model's outputs on given pixels."""

    name: Text
    weights_sha256: Digest
    code_sha256: Digest
    classes_sha256: Digest
    input_size: int = Field(ge=1, le=65536)
    preprocessing: dict[str, JsonValue]
    feature_layer: Text
    outputs: Text | None = None  # how its outputs are read; None if in the usual way

    @property
    def values(self) -> dict[str, JsonValue]:
        """The values as JSON; what is usual is left out, as in records of earlier versions."""
        return self.model_dump(exclude_none=True)


class MapsRecord(_Record):
    """Whether a model has an activation map: None, or a sentence on why it has none."""

    why_not: Text | None


class ModelRecord(_Record):
    """A model: the name from the user, and its state when it was last opened.

    `weights` is the size in bytes and the time of change in nanoseconds of the file of weights. `in_memory` says that
    the model was given as an object, so that its name alone cannot open it. `notes` are sentences on how it was read.
    """

    spec: Text
    weights: tuple[int, int] | None = None
    n_classes: int | None = Field(default=None, ge=1, le=10**9)
    feature_dimension: int | None = Field(default=None, ge=1, le=10**9)
    opened: ModelIdentity | None = None
    maps: MapsRecord | None = None
    in_memory: bool = False
    notes: tuple[Text, ...] = ()

    @property
    def identity(self) -> dict[str, JsonValue] | None:
        """Its identity in a key; None if it was never opened."""
        return None if self.opened is None else self.opened.values


class StudyRecord(_Record):
    """The content of study.json. Inputs that are not known yet are None."""

    format: int = FORMAT
    settings: dict[Text, JsonValue] = {}
    train: DatasetRecord | None = None
    test: DatasetRecord | None = None
    model: ModelRecord | None = None
    label_map: Digest | None = None
    imagenet_x: str | None = Field(default=None, max_length=10**6)
    versions: dict[Text, Text] = {}


def read_record(study: Path) -> StudyRecord | None:
    """The record in a study's folder; None if there is none. From another format, only the user's choices are taken.

    Raises InputError if the file is not a record, or was changed since it was written.
    """
    path = study / RECORD
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        content = parse_json(read_regular(path, LARGEST_RECORD), path)
        if not isinstance(content, dict) or content.pop(DIGEST, None) != digest_of(content):
            raise InputError(f"{path} is not as it was written")
        if content.get("format") != FORMAT:
            _log.warning("%s was made by another version of bias-toolkit; its results have to be computed anew.", study)
            return _named_in(content)
        return StudyRecord.model_validate_json(json.dumps(content))
    except PermissionError as error:
        raise InputError(f"{path} may not be read; ask for the right to, or name another folder.") from error
    except (InputError, ValidationError) as error:
        reason = str(error).rstrip(".") if isinstance(error, InputError) else f"{path} is no record of a study"
        raise InputError(
            f"{reason}. Run `bias-toolkit report` with --train, --test, --model and the study's other options: the "
            "record is written anew, and what was computed with the same inputs and settings is kept."
        ) from error


def _named_in(content: Mapping[str, Any]) -> StudyRecord:
    """The settings and the names of the inputs from a record of another format, without the inputs' identities."""
    kinds = {"train": DatasetRecord, "test": DatasetRecord, "model": ModelRecord}
    parts = {name: content[name] for name in kinds if isinstance(content.get(name), dict)}
    named = {name: kinds[name](spec=part.get("spec")) for name, part in parts.items()}
    return StudyRecord(settings=content.get("settings"), **named)


def write_record(study: Path, record: StudyRecord) -> None:
    """Write a record with its digest, completely or not at all."""
    content = json.loads(record.model_dump_json())
    text = json.dumps({**content, DIGEST: digest_of(content)}, indent=2, ensure_ascii=False)
    write_text(text + "\n", study / RECORD)


def holds_other_files(folder: Path) -> bool:
    """Whether a folder without a record holds files that are not from a run on a study."""
    if not folder.exists() or any(folder.glob("images/*/step.json")):
        return False
    # Another run may have written its record after this one checked.
    return any(path.name not in (LOCK, RECORD) and not is_leftover(path) for path in folder.iterdir())


def package_versions() -> dict[str, str]:
    """The versions of the toolkit and of the installed packages that decide the results."""
    return {package: found for package in ("bias-toolkit", *PACKAGES) if (found := _version(package)) is not None}


@functools.cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
