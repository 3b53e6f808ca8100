"""Makes `toy_study`, a study without images, importable here and in processes that a test starts."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """What a loss of power leaves is not tested here."""
    monkeypatch.setattr("os.fsync", lambda file: None)


@pytest.fixture
def study(tmp_path):
    """A toy study in a folder that does not exist yet."""
    from toy_study import ToyStudy

    return ToyStudy(tmp_path / "study")
