"""study.json: every setting of a study, its inputs with their fingerprints, and the versions that computed it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bias_toolkit
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import is_leftover, write_text
from bias_toolkit.pipeline.lock import LOCK

if TYPE_CHECKING:
    from bias_toolkit.models import Model

RECORD = "study.json"
DIGEST = "sha256"
PARTS = {"settings", "train", "test", "model", "versions"}
PACKAGES = ("torch", "torchvision", "timm", "openvino", "faiss-gpu", "faiss-cpu", "numpy", "scikit-learn", "pillow")


def read_record(study: Path) -> dict[str, Any]:
    """The record in a study's folder; empty where there is none.

    Raises
    ------
    InputError
        If the file is there and is no record, or is not as it was written.
    """
    path = study / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        digest = record.pop(DIGEST, None)
        whole = record.keys() <= PARTS and digest in (None, _digest(record))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError as error:
        raise InputError(f"{path} may not be read; ask for the right to, or name another folder.") from error
    except (OSError, ValueError, AttributeError, TypeError):
        whole = False
    if not whole:
        raise InputError(
            f"{path} was damaged; run `bias-toolkit report` with --train, --test, --model and the study's other "
            "options, and it is written anew, while what was computed under the same settings is kept."
        )
    return record


def holds_other_files(folder: Path) -> bool:
    """Whether a folder without a record holds something that no run on a study left there."""
    if not folder.exists() or any(folder.glob("images/*/step.json")):
        return False
    # Another run may have written its record since this one looked for it.
    return any(path.name not in (LOCK, RECORD) and not is_leftover(path) for path in folder.iterdir())


def _digest(record: dict[str, Any]) -> str:
    """SHA-256 of a record's content."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def write_record(study: Path, record: dict[str, Any]) -> None:
    """Write a record with its digest, whole or not at all."""
    record = {**record, DIGEST: _digest(record)}
    write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", study / RECORD)


def package_versions() -> dict[str, str]:
    """The versions of the toolkit and of the packages that decide the results, of those that are installed."""
    versions = {"bias-toolkit": bias_toolkit.__version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def describe_model(model: Model) -> dict[str, Any]:
    """What the record says of a model, as JSON values."""
    preprocessing = dataclasses.asdict(model.preprocessing)
    return {
        "name": model.name,
        "input_size": model.input_size,
        "preprocessing": {
            name: list(value) if isinstance(value, tuple) else value for name, value in preprocessing.items()
        },
        "n_classes": model.n_classes,
        "feature_layer": model.feature_layer,
        "feature_dimension": model.feature_dimension,
        "weights_sha256": model.weights_sha256,
    }
