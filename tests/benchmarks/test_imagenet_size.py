"""The benchmark at ImageNet's size, tiny: a study that the ordinary commands take as their own."""

from pathlib import Path

import numpy as np
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
