"""The report's section and findings on consecutive frames."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.invariance import Sweep, make_response, measures_table
from bias_toolkit.report.topic import Draft
from bias_toolkit.report.topics.frames import frames_findings, frames_section, gather
from bias_toolkit.report.words.finding import Kind

SWEEP = Sweep("frames", "time", 1.0)
N = SWEEP.n_views


def source(*windows, views=lambda image_id: np.zeros((N, 4, 4, 3), np.uint8)):
    """Windows given as clip, label and the class of each frame."""
    rows = []
    for number, (clip, label, top1) in enumerate(windows):
        probabilities = np.full((N, 3), 0.1, np.float32)
        probabilities[np.arange(N), top1] = 0.8
        columns = make_response(probabilities, np.ones((N, 2)), SWEEP, label)
        rows.append({"image_id": f"{clip}.mp4#{number:06d}", **SWEEP.columns(), **columns})
    responses = pd.DataFrame(rows)
    return SimpleNamespace(
        frames_responses=responses,
        measures=measures_table(responses),
        frame_views=views,
        label_record={"classes": ["owl, bird", "hat", "cup"]},
        dataset_record=lambda split: {"class_names": {}},
        settings=SimpleNamespace(seed=0, resamples=200),
    )


STEADY = [0] * N
BLINK = [0] * 5 + [1] + [0] * (N - 6)
"""Right in the middle, and not on one frame within ±10."""
NAMES = "abcdefghijkl"


def kinds(*windows):
    return [(finding.kind, finding.claim) for finding in frames_findings(gather(source(*windows)))]


CHANGES = (Kind.FACT, "The top-1 class changes between neighbouring frames.")
NO_CHANGE = (Kind.NONE, "No change of the top-1 class was found between neighbouring frames.")
LOST = (Kind.FACT, "Some frames that the model gets right have a frame near them that it gets wrong.")
NOT_LOST = (Kind.NONE, "It was not found that the model gets frames wrong near those that it gets right.")
TOO_FEW = "The clips are too few to say"


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([(name, 0, BLINK if name < "g" else STEADY) for name in NAMES], [CHANGES, LOST]),
        ([(name, 0, STEADY) for name in NAMES], [NO_CHANGE, NOT_LOST]),
        ([(name, None, BLINK) for name in NAMES], [CHANGES]),
        (
            [("a", 0, BLINK)] * 12,
            [
                (Kind.CAUTION, f"{TOO_FEW} how often the top-1 class changes from one frame to the next."),
                (Kind.CAUTION, f"{TOO_FEW} how many right answers are lost in frames near them."),
            ],
        ),
    ],
)  # fmt: skip
def test_every_sentence_follows_from_its_number(windows, expected):
    assert kinds(*windows) == expected
    for finding in frames_findings(gather(source(*windows))):
        assert (finding.kind is Kind.CAUTION) == (finding.estimate.low is None)
        if finding.kind is not Kind.CAUTION:
            assert (finding.kind is Kind.NONE) == (finding.estimate.direction == 0)
            assert finding.estimate.of == "clip"


def test_the_numbers_are_those_of_the_clips():
    contents = gather(source(("a", 0, BLINK), ("a", 0, STEADY), ("b", 1, BLINK), ("c", 0, STEADY)))
    assert contents.mean("p_top1_change").value == pytest.approx((0.05 + 0.1 + 0) / 3)
    assert contents.mean("pm_0").value == pytest.approx((1 + 0 + 1) / 3)
    assert contents.mean("pm_k").value == pytest.approx((0.5 + 0 + 1) / 3)
    # Clip b's middle frame is wrong.
    assert contents.mean("right_change").value == pytest.approx((0.05 + 0) / 2)


def test_the_section_shows_the_window_that_changes_most(tmp_path):
    windows = [("a", 0, STEADY), ("b", 0, BLINK), ("c", 0, [1, 0] * 10 + [0])]
    section = frames_section(gather(source(*windows)), Draft(tmp_path))
    _, table, strip = section.blocks
    assert [row[0].text for row in table.rows][:2] == ["P(top-1 change) between frames", "Mean absolute change"]
    pictures = strip.groups[0].pictures
    assert [picture.title for picture in pictures] == ["owl"] * 5 + ["hat"] + ["owl"] * 15
    assert [picture.marked for picture in pictures] == [place == 5 for place in range(N)]
    assert [picture.lines[1] for picture in pictures][9:12] == ["\N{MINUS SIGN}1", "middle", "+1"]
    assert all((tmp_path / picture.file).exists() for picture in pictures)
    assert "1 frame of 21 gets another class than the middle one. Of the windows with a middle frame that" in strip.note
    assert strip.note.endswith("(b.mp4#000001).")


def test_a_section_without_labels_changes_or_pictures(tmp_path):
    def away(image_id):
        raise UnreadableImageError("gone")

    contents = gather(source(*[(name, None, STEADY) for name in NAMES], views=away))
    blocks = frames_section(contents, Draft(tmp_path)).blocks
    assert len(blocks) == 2
    assert [row[0].text for row in blocks[1].rows][-1] == "Feature drift"
    shown = frames_section(gather(source(("a", None, STEADY))), Draft(tmp_path)).blocks[-1]
    assert "No frame gets another class than the middle one. Of the windows, it is the one" in shown.note


def test_a_study_without_frames_has_no_such_topic():
    assert gather(SimpleNamespace(frames_responses=None)) is None
