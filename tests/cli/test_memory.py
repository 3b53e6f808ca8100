"""Memory that does not suffice is told in one sentence, wherever it is missed."""

import os
import subprocess
import sys

import pytest

from bias_toolkit.foundation.errors import InputError
from bias_toolkit_cli import commands
from bias_toolkit_cli.main import LEAST_ADDRESSES, main


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libtorch_cuda.so: failed to map segment from shared object"),
        ImportError("libfoo.so: cannot allocate memory in static TLS block"),
        OSError("libgomp.so: cannot apply additional memory protection after relocation: Cannot allocate memory"),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
        caused(ImportError("Importing the numpy C-extensions failed."), OSError("x.so: failed to map segment")),
        caused(InputError("damaged"), MemoryError()),
    ],
)
def test_what_libraries_say_of_no_memory_becomes_one_sentence(error, monkeypatch, capsys):
    def fail(args):
        raise error

    monkeypatch.setattr(commands, "command_line", lambda arguments: fail)
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("Error: The memory does not suffice")
    assert told.count("\n") == 1


def test_a_fault_of_the_program_is_not_taken_for_it(monkeypatch):
    def fail(args):
        raise RuntimeError("a bug")

    monkeypatch.setattr(commands, "command_line", lambda arguments: fail)
    with pytest.raises(RuntimeError, match="a bug"):
        main([])


@pytest.fixture
def limited(monkeypatch):
    """A function that makes `ulimit -v` be told as a number of bytes."""
    resource = pytest.importorskip("resource")

    def limit(addresses=resource.RLIM_INFINITY):
        told = {resource.RLIMIT_AS: (addresses, resource.RLIM_INFINITY)}
        monkeypatch.setattr(resource, "getrlimit", told.__getitem__)

    return limit


@pytest.mark.parametrize("addresses", [0, LEAST_ADDRESSES - 1])
def test_below_the_least_nothing_is_imported(addresses, limited, monkeypatch, capsys):
    """Importing might never end, or end the process."""
    limited(addresses)
    monkeypatch.delitem(sys.modules, commands.__name__)
    with pytest.raises(SystemExit) as end:
        main(["report"])
    assert end.value.code == 2
    assert commands.__name__ not in sys.modules
    told = capsys.readouterr().err
    assert told.startswith("Error: The memory does not suffice")
    assert told.count("\n") == 1


def test_with_the_least_and_for_help_the_command_runs(limited, monkeypatch):
    ran = []
    monkeypatch.setattr(commands, "command_line", lambda arguments: lambda args: ran.append(args))
    for limit, arguments in (([LEAST_ADDRESSES], []), ([], []), ([0], ["report", "--help"]), ([0], ["--version"])):
        limited(*limit)
        main(arguments)
        assert ran.pop() == arguments


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of addresses are Linux's")
@pytest.mark.parametrize(("gigabytes", "threads"), [(0.6, 64), (1, 1), (3, 1)])
def test_a_limit_of_addresses_is_told(gigabytes, threads, tmp_path):
    """With 0.6 GB and the threads of a large machine, importing NumPy would never end."""
    program = (
        "import resource, sys; from bias_toolkit_cli.main import main; "
        f"resource.setrlimit(resource.RLIMIT_AS, ({int(gigabytes * 10**9)},) * 2); main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", program, "report", "--train", "demo:train", "--test", "demo:uniform"]
    ended = subprocess.run(
        [*command, "--model", "demo", "--out", tmp_path / "study"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"OPENBLAS_NUM_THREADS": str(threads)},
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("Error: The memory does not suffice")
    assert ended.stderr.count("\n") == 1
