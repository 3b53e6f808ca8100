"""Consecutive frames of a clip."""

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.analysis import measure_summary
from bias_toolkit.datasets import REACH
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import Sweep, centre_view, expand_sweeps, make_views

FRAMES = Sweep("frames", "time", 1.0)


def test_every_frame_is_shown_as_the_centre_view():
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (40, 50, 3), np.uint8) for _ in range(FRAMES.n_views)]
    views = make_views(iter(frames), FRAMES, 32, "a.mp4#000010")
    assert views.pixels.shape == (2 * REACH + 1, 32, 32, 3)
    for view, frame in zip(views.pixels, frames, strict=True):
        assert np.array_equal(view, centre_view(frame, 32).pixels[0])


def test_a_single_image_stands_still():
    views = make_views(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8), FRAMES, 32, "a").pixels
    assert (views == views[0]).all()


def test_neighbours_are_compared_and_nothing_is_chosen():
    assert [sweep.name for sweep in expand_sweeps(["crop", "frames"], sizes=[0.5])] == [
        "crop-0.5-diagonal",
        "frames-10",
    ]
    first, second = FRAMES.compared()
    assert first.tolist() == list(range(20))
    assert (second - first == 1).all()
    with pytest.raises(InputError, match="--size 2 does not fit --protocol frames, which always has size 1"):
        Sweep("frames", "time", 2.0)


def test_means_and_intervals_are_over_clips():
    # Two windows of clip a change always, one each of b to f never: the mean over clips is 1/6, over windows 2/7.
    ids = ["a.mp4#000010", "a.mp4#000031", *(f"{name}.mp4#000010" for name in "bcdef")]
    table = pd.DataFrame({"image_id": ids, "p_top1_change": [1.0, 1.0, 0, 0, 0, 0, 0]})
    table = table.assign(protocol="frames", transform="time", size=1.0)
    row = measure_summary(table).iloc[0]
    assert (row["value"], row["n"]) == (pytest.approx(1 / 6), 6)
    assert row["low"] < 1 / 6 < row["high"]
    few = measure_summary(table.iloc[:3]).iloc[0]
    assert (few["value"], few["n"]) == (pytest.approx(0.5), 2)
    assert np.isnan(few["low"])
