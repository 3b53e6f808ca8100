"""A study from somebody else runs none of its code: only who names a model, or trusts the study, has it imported."""

import os
import sys

import pytest

from bias_toolkit import InputError, Study
from bias_toolkit.study.record import ModelRecord, read_record, write_record
from bias_toolkit_cli.main import main

EVIL = """
from pathlib import Path
Path(__file__).with_name("imported").touch()
from bias_toolkit import load_model
def make():
    return load_model("demo:global-pooling")
"""


@pytest.fixture
def planted(copy_of_complete, monkeypatch):
    """A function that makes a study name a model that is code; `evilmod` can be imported, and is in the folder."""
    (copy_of_complete / "evilmod.py").write_text(EVIL)
    monkeypatch.chdir(copy_of_complete)
    monkeypatch.syspath_prepend(str(copy_of_complete))
    # Of an earlier test's.
    monkeypatch.delitem(sys.modules, "evilmod", raising=False)

    def plant(spec="evilmod:make", is_opened=False):
        record = read_record(copy_of_complete)
        model = record.model.model_copy(update={"spec": spec}) if is_opened else ModelRecord(spec=spec)
        write_record(copy_of_complete, record.model_copy(update={"model": model}))
        return copy_of_complete

    return plant


def was_imported(study):
    return (study / "imported").exists()


@pytest.fixture
def call(capsys):
    """A function that runs a command; gives its exit code and what it wrote to standard error."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        return end.value.code or 0, capsys.readouterr().err

    return run


COMMANDS = [
    ("report", "--out", "."),
    ("embed", "."),
    ("index", "."),
    ("sweep", "."),
    ("objects", "."),
    ("analyse", "."),
    ("map", "."),
    ("sizes", "."),
    ("explain", ".", "--worst", "1"),
    ("explain", ".", "{image}"),
    ("live", "."),
    ("neighbours", ".", "{image}"),
    ("plot", ".", "size-vs-invariance", "--out", "figure.png"),
]


def test_no_command_imports_what_only_the_record_names(planted, complete, call):
    study = planted()
    for arguments in COMMANDS:
        code, err = call(*(each.format(image=complete.explained) for each in arguments))
        assert not was_imported(study), arguments
        assert code == 2, arguments
        last = err.strip().splitlines()[-1]
        assert last.startswith("Error: ")
        assert "evilmod:make, which is code" in last
        assert "--trust-study" in last


def test_what_was_computed_is_read_without_importing_it(planted, complete, call):
    """The record says what the model was, which is what results are asked for."""
    study = planted(is_opened=True)
    for arguments in [*COMMANDS, ("verify", ".")]:
        code, err = call(*(each.format(image=complete.explained) for each in arguments))
        assert not was_imported(study), arguments
        assert "Traceback" not in err
        if code:
            assert "evilmod:make, which is code" in err


def test_what_is_to_be_computed_with_it_is_refused(planted, call):
    study = planted(is_opened=True)
    for command in (("embed", "--batch-size", "7"), ("sweep", "--seed", "3"), ("objects", "--boxes", "estimated")):
        code, err = call(command[0], ".", *command[1:])
        assert (code, was_imported(study)) == (2, False)
        assert "evilmod:make, which is code" in err


def test_a_device_that_is_not_there_is_not_recorded(planted, call):
    study = planted(is_opened=True)
    record = read_record(study)
    code, err = call("embed", ".", "--device", "tpu")
    assert (code, was_imported(study)) == (2, False)
    assert "'tpu' is not to be had" in err
    assert read_record(study) == record


@pytest.mark.parametrize(
    "arguments",
    [
        ("embed", ".", "--trust-study"),
        ("embed", ".", "--model", "evilmod:make"),
    ],
    ids=" ".join,
)
def test_who_trusts_it_or_names_it_has_it_imported(planted, call, arguments):
    study = planted()
    code, err = call(*arguments)
    assert code == 0, err
    assert was_imported(study)


def test_who_trusts_it_for_an_explanation_has_it_imported(planted, complete, call):
    study = planted()
    with open(study / "evilmod.py", "a") as module:
        module.write("raise ImportError('enough was done')\n")
    code, err = call("explain", ".", complete.explained, "--trust-study")
    assert (code, was_imported(study)) == (2, True)
    assert "enough was done" in err


def test_from_python_too(planted):
    study = planted()
    with pytest.raises(InputError, match="evilmod:make, which is code"):
        _ = Study(study).model
    assert not was_imported(study)
    assert Study(study, trust_study=True).model.n_classes == 10
    assert was_imported(study)


@pytest.mark.parametrize("spec", ["os:abort", "builtins:exit", "os:fork", "subprocess:run"])
def test_a_function_of_python_in_the_record_is_not_called(planted, call, spec):
    planted(spec)
    assert call("embed", ".")[0] == 2
    planted(spec, is_opened=True)
    assert call("embed", ".", "--batch-size", "7")[0] == 2
    assert os.getpid()


def test_a_path_of_python_in_the_current_folder_is_taken_for_a_named_model_only(planted, call, monkeypatch):
    """The current folder is searched for a model that the user names, and for none that the record names."""
    study = planted()
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", str(study))])
    code, err = call("embed", ".", "--trust-study")
    assert (code, was_imported(study)) == (2, False)
    assert "evilmod" in err
    assert call("embed", ".", "--model", "evilmod:make")[0] == 0
    assert was_imported(study)
