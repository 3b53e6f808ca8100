"""study.json: every setting of a study, its inputs with their fingerprints, and the versions that computed it."""

from __future__ import annotations

import dataclasses
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bias_toolkit
from bias_toolkit.errors import InputError
from bias_toolkit.storage import write_text

if TYPE_CHECKING:
    from bias_toolkit.models import Model

RECORD = "study.json"
PACKAGES = ("torch", "torchvision", "timm", "faiss-gpu", "faiss-cpu", "numpy", "scikit-learn", "pillow")


def read_record(study: Path) -> dict[str, Any]:
    """The record in a study's folder; empty where there is none.

    Raises
    ------
    InputError
        If the file is there and is no record.
    """
    path = study / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}); restore it, or name another folder.") from error
    if not isinstance(record, dict):
        raise InputError(f"{path} is no record of a study; restore it, or name another folder.")
    return record


def write_record(study: Path, record: dict[str, Any]) -> None:
    """Write a record, whole or not at all."""
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
