"""The benchmark at ImageNet's size, tiny: a study that the ordinary commands take as their own."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.study.study import Study
from bias_toolkit_cli.main import main


def test_commands_go_on_from_generated_features_and_responses(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks.generated_study import Generated, make_another, make_study, write_sets
    from benchmarks.imagenet_size import STEPS, commands

    made = Generated([str(number) for number in range(10)], {"train": 200, "test": 80})
    write_sets(tmp_path, made)
    fast = {"resamples": 100, "permutations": 100, "placements": 100, "noise_images": 4}
    study = make_study(tmp_path, made, "demo", feature_dtype="float16", **fast)
    assert study.features("train").rows == 200
    assert study.features("train").load()[1].dtype == np.float32
    opened = Study(study.folder)
    image_id = opened.measures["image_id"].iloc[0]
    another = tmp_path / "another"
    for name, arguments in list(commands(study, another, image_id).items())[: len(STEPS)]:
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        assert ended.value.code == 0, name
    make_another(study, made, another)
    results = Study(study.folder).results
    # Generated images are nearest to others of their class, and the strange ones are far and unstable.
    nearest = results.neighbours.query("rank == 1").set_index("image_id")
    of_class = nearest["neighbour_id"].str.split("/").str[0] == nearest.index.str.split("/").str[0]
    assert of_class.mean() > 0.9
    table = results.per_image
    assert np.corrcoef(table["nn_distance"], table["p_top1_change"])[0, 1] > 0.2
    assert not Study(study.folder).embed().computed
    assert results.flag_values["n"] == 80
    assert Study(another).results.distances.equals(results.distances)
    assert not Study(another).results.measures.equals(results.measures)


def test_what_was_measured_is_not_measured_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks import imagenet_size
    from benchmarks.growth import Run

    images = pd.DataFrame({"image_id": ["a.jpg"]})
    study = SimpleNamespace(
        folder=tmp_path / "study",
        inputs=SimpleNamespace(splits=("train", "test"), spec=str),
        results=SimpleNamespace(images=lambda split: images),
    )
    ran = []

    def run(*arguments):
        ran.append(arguments[0])
        if ran == ["index", "objects", "analyse", "flag"]:
            raise subprocess.CalledProcessError(1, "flag")
        return Run(1.4, 2.0, 3.0)

    replaced = {"write_sets": lambda *_: None, "make_study": lambda *_, **__: study, "make_another": lambda *_: None}
    for name, value in replaced.items() | {"run_command": run, "_seconds": lambda *_: 5.0}.items():
        monkeypatch.setattr(imagenet_size, name, value)
    arguments = {"scale": 0.001, "model": "demo", "folder": tmp_path, "out": tmp_path / "table.md"}
    with pytest.raises(subprocess.CalledProcessError):
        imagenet_size.main(**arguments)
    imagenet_size.main(**arguments)
    assert ran[4:] == ["flag", "report", "report", "explain", "explain", "compare", "objects"]
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert "1,281 training and 100 test images of 10 classes, features of 32 values (demo)." in lines
    assert "| `index` | 1 s | 3 s | 2 MiB | index 5 s, neighbours 5 s |" in lines
    assert "| all | 14 s | 30 s | 2 MiB at most | |" in lines
