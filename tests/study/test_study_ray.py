"""A study whose shards Ray's workers do: its files are those of one process, and an error there is a sentence here."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bias_toolkit import Study
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.record import read_record

ray = pytest.importorskip("ray")

pytestmark = [pytest.mark.extras, pytest.mark.usefixtures("own_ray")]
FACTORY = """
import os

def make():
    from bias_toolkit.models.demo import load_demo_network
    if os.getpid() != {pid}:
        raise RuntimeError("no weights are here,\\nnor there")
    network = load_demo_network("fully-connected")[0]
    network.input_size, network.feature = 64, None
    return network
"""


@pytest.fixture(scope="module", autouse=True)
def looking_at_no_figure(pages_without_figures, folding_in_two):
    """Nothing is patched that workers do: they would not know of it."""


@pytest.fixture(scope="module", autouse=True)
def ends_with_the_tests(own_ray):
    """The cluster that the first study starts on this machine ends with the tests."""
    yield
    ray.shutdown()


@pytest.fixture
def of_two(photographs, fast, tmp_path):
    """A function that makes a small study in a folder of this name."""

    def make(name, model="demo", **more):
        return Study(tmp_path / name, photographs["train"], photographs["test"], model, **fast, **more)

    return make


def contents(study, *steps):
    """Every file of these steps but for the records, and the records' environments."""
    folders = [study.folder / name for name in steps]
    files = {path.relative_to(study.folder): path for folder in folders for path in folder.rglob("*") if path.is_file()}
    return {
        name: read_record(path.parent).environment if path.name == "step.json" else path.read_bytes()
        for name, path in files.items()
    }


def test_the_files_are_those_of_one_process_to_the_bit(of_two, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    by_workers, alone = (
        of_two(each, executor=each).build_index().sweep().measure_objects() for each in ("ray", "local")
    )
    steps = ("features", "neighbours", "responses", "noise", "mean-images")
    found = contents(by_workers, *steps)
    assert len(found) > 20
    assert found == contents(alone, *steps)


def test_so_are_those_of_all_other_steps(complete, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    studies = [complete.make(tmp_path / each / "study", executor=each) for each in ("ray", "local")]
    for study in studies:
        study.measure_map().measure_sizes().measure_layers().measure_remedies()
        study.explain(complete.explained)
    steps = ("located", "map", "sizes", "layers", "remedies", "training", "explanations")
    by_workers, alone = (
        {name: each for name, each in contents(study, *steps).items() if name.suffix not in (".html", ".svg")}
        for study in studies
    )
    assert {name.parts[0] for name in by_workers} == {*steps}
    assert by_workers == alone


def test_an_error_of_the_users_model_in_a_worker_is_one_sentence(of_two, tmp_path, monkeypatch):
    (tmp_path / "nets_of_ray.py").write_text(FACTORY.format(pid=os.getpid()))
    monkeypatch.syspath_prepend(tmp_path)
    study, victim = of_two("failing", "nets_of_ray:make", executor="ray").read_images(), tmp_path / "victim"
    victim.write_text("mine")
    # In a study from somebody else, the log may be a link.
    (study.folder / "ray.log").symlink_to(victim)
    with pytest.raises(InputError) as refused:
        study.embed()
    log = study.folder / "ray.log"
    assert str(refused.value) == (
        f"A worker on {socket.gethostname()} failed: The factory nets_of_ray:make failed: "
        f"RuntimeError: no weights are here, nor there. The traceback is in {log}."
    )
    assert 'line 7, in make\n    raise RuntimeError("no weights are here' in log.read_text()
    assert victim.read_text() == "mine"


def test_no_module_of_the_current_folder_is_imported_by_a_worker(of_two):
    """The folder may be a study from somebody else."""
    study = of_two("study").read_images()
    (study.folder / "pyarrow.py").write_text("import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\n")
    command = [Path(sys.executable).with_name("bias-toolkit"), "embed", ".", "--executor", "ray"]
    done = subprocess.run(command, cwd=study.folder, capture_output=True, text=True, timeout=300)
    assert not (study.folder / "pyarrow.ran").exists()
    assert done.returncode == 0, done.stderr


def test_sets_in_memory_are_refused_at_once(tmp_path):
    images = [(np.zeros((64, 64, 3), np.uint8), "a")] * 4
    with pytest.raises(InputError) as refused:
        Study(tmp_path / "study", "photos", images, "demo", executor="ray")
    assert str(refused.value) == (
        "The test set is in memory (a list of 4 items), where Ray's workers cannot read it; name its files or folder "
        "instead, or leave out executor='ray'."
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"executor": "dask"}, "--executor is 'dask', but must be local or ray."),
        ({"ray_address": "10.0.0.1:6379"}, "--ray-address is for --executor ray."),
        ({"executor": "ray", "device": "cuda:1"}, "--device cuda:1 names one GPU; with --executor ray, name cuda."),
    ],
)
def test_an_executor_that_does_not_exist_is_refused(of_two, options, sentence):
    with pytest.raises(InputError) as refused:
        of_two("study", **options)
    assert str(refused.value) == sentence
