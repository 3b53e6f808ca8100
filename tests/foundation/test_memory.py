"""Memory limits as a person writes them, and what the machine can spare."""

import pytest

from bias_toolkit.foundation import memory
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.memory import available_memory, memory_bytes


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ("4GB", 4 * 10**9),
        ("500MB", 500 * 10**6),
        ("2GiB", 2 * 2**30),
        ("1.5 gb", 1_500_000_000),
        ("0.25TiB", 2**38),
        (" 100MB ", 10**8),
        ("96MiB", 96 * 2**20),
    ],
)
def test_sizes(size, wanted):
    assert memory_bytes(size) == wanted


@pytest.mark.parametrize("size", ["4", "GB", "4 G", "-4GB", "4GBs", "", "many", "4KB", "1e9", "∞"])
def test_no_sizes(size):
    with pytest.raises(InputError, match=r"--memory is .*such as 4GB, 500MB or 2GiB"):
        memory_bytes(size)


@pytest.mark.parametrize("size", ["99MB", "0GB"])
def test_too_small(size):
    with pytest.raises(InputError, match="at least 100MB"):
        memory_bytes(size)


def test_auto_is_half_of_what_is_available(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10 * 10**9)
    assert memory_bytes("auto") == 5 * 10**9
    monkeypatch.setattr(memory, "available_memory", lambda: 10**6)
    assert memory_bytes("auto") == 100 * 10**6


def test_a_control_group_limits_what_is_available(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "GROUP_LIMITS", (limit,))
    monkeypatch.setattr(memory, "free_memory", lambda: 8 * 10**9)
    assert available_memory() == 8 * 10**9
    limit.write_text("max\n")
    assert available_memory() == 8 * 10**9
    limit.write_text("3000000000\n")
    assert available_memory() == 3 * 10**9


def test_this_machine_has_some():
    assert memory._physical_memory() >= memory.free_memory() > 0
