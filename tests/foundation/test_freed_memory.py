import ctypes
import resource
import subprocess
import sys

import pytest

from bias_toolkit.foundation.memory import keep_freed_memory

FRESH_PROCESS = """
import resource
from bias_toolkit.foundation.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * 64_000_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = min(faults() for _ in range(2))
assert keep_freed_memory()
# The heap grows by some blocks until a freed one fits.
print(before, max([faults() for _ in range(8)][4:]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library is not glibc")
def test_freed_blocks_are_used_again():
    """A block of 64 MB costs a page fault for each of its pages before, and hardly any after the first ones."""
    done = subprocess.run([sys.executable, "-c", FRESH_PROCESS], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 64_000_000 // resource.getpagesize() / 2
    assert after < before / 10


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not keep_freed_memory()
