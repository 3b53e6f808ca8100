"""Studies of clips."""

import re

import numpy as np
import pytest
from PIL import Image

from bias_toolkit import InputError, Study
from bias_toolkit_cli.main import main


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two clips of 21 frames: one stands still, of the other every second frame is another picture."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)) for _ in range(2)]
    for clip in ("still", "blinks"):
        (folder / clip).mkdir()
        for number in range(21):
            pictures[number % 2 if clip == "blinks" else 0].save(folder / clip / f"{number:02d}.png")
    return folder


def test_a_sweep_over_frames(clips, fast, tmp_path, few):
    settings = fast | {"protocols": ("frames",), "test_layout": "clips"}
    study = Study(tmp_path / "study", few["train"], clips, "demo", **settings).sweep()
    measures = study.measures.set_index("image_id")
    assert measures.index.tolist() == ["blinks/10.png", "still/10.png"]
    still, blinks = measures.loc["still/10.png"], measures.loc["blinks/10.png"]
    assert still["p_top1_change"] == 0
    assert max(still["mac"], still["feature_drift"]) < 1e-6
    assert blinks["mac"] > 1e-3
    assert blinks["feature_drift"] > 1e-3
    assert blinks["p_top1_change"] in (0, 1)
    assert np.isnan(blinks["n_steps"])
    views = study.results.frame_views("blinks/10.png")
    assert (views[0] == views[2]).all()
    assert (views[0] != views[1]).any()


def test_what_a_study_of_frames_does_not_have(clips, fast, tmp_path, few, capsys):
    settings = fast | {"protocols": ("frames",), "test_layout": "clips"}
    folder = str(tmp_path / "study")
    Study(folder, few["train"], clips, "demo", **settings).sweep()
    for arguments, sentence in (
        (["explain", folder, "blinks/10.png"], "has no sweep with steps; run `bias-toolkit sweep"),
        (["remedies", folder], "Remedies are tried on one-pixel shifts"),
        (["flag", folder], "one --protocol has to be crop or embed"),
    ):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2, arguments
        assert sentence in " ".join(capsys.readouterr().err.split())


def test_frames_need_clips_and_no_precision(clips, fast, tmp_path, few):
    images = few["test"]
    for settings, message in (
        ({}, f"{images} has no clips, which --protocol frames needs: name a video, a folder of videos, or folders"),
        ({"precision": 0.1}, "--precision chooses images at random, and does not go with --protocol frames"),
    ):
        test, layout = (clips, {"test_layout": "clips"}) if settings else (images, {})
        study = Study(tmp_path / "s", few["train"], test, "demo", **fast, protocols=("frames",), **layout, **settings)
        with pytest.raises(InputError, match=re.escape(message)):
            study.sweep()
