"""Neighbourhoods whose P(top-1 change) is known by counting, and explanations made of plain values."""

import dataclasses

import numpy as np
import pytest

from bias_toolkit.explain.causes import Trial, stability_of
from bias_toolkit.explain.explanation import Explanation
from bias_toolkit.explain.framing import TrainingObjects
from bias_toolkit.explain.neighbourhood import Neighbourhood
from bias_toolkit.explain.record import (
    CauseLine,
    Change,
    ClassCurve,
    Distances,
    Estimate,
    Framing,
    FramingStanding,
    Neighbour,
    Prediction,
    Remedy,
    Response,
    ShiftMap,
    Stability,
    Standing,
    Verdict,
)

NAMES = ["owl", "snow owl", "cat"]


@pytest.fixture(scope="session")
def class_names():
    return NAMES


@pytest.fixture(scope="session")
def layouts():
    """Grids of classes 0 and 1 over the 9 × 9 shifts, by name; of the 160 steps of their 20 sweeps they change

    `constant` none; `boundary`, one edge between two columns, one of each row and of each diagonal: 11 of 160;
    `stripes k`, k such edges: 11 k; `checkerboard` every one but those along the diagonals: 144.
    """
    y, x = np.mgrid[:9, :9]
    stripes = {f"stripes {k}": np.minimum(x, k) % 2 for k in range(1, 9)}
    return {"constant": 0 * x, "boundary": (x > 3).astype(int), "checkerboard": (x + y) % 2, **stripes}


@pytest.fixture(scope="session")
def neighbourhood_of(layouts):
    """A function that gives the neighbourhood of a layout, or of a grid of classes: `p` is the top class's."""

    def make(layout, p=0.8, change=lambda classes: classes):
        grid = change(np.asarray(layouts[layout] if isinstance(layout, str) else layout))
        probabilities = np.full((grid.size, len(NAMES)), (1 - p) / (len(NAMES) - 1), dtype=np.float32)
        probabilities[np.arange(grid.size), grid.ravel()] = p
        return Neighbourhood(probabilities)

    return make


@pytest.fixture(scope="session")
def trial_of():
    """A function that gives a trial from the outputs in its sweeps."""

    def make(cause, outputs, right=None, words="something done", **fields):
        return Trial(cause, words, outputs, stability_of(outputs, NAMES, right), **fields)

    return make


def _boxes(cx, cy, width, height):
    cx, cy, width, height = np.broadcast_arrays(cx, cy, width, height)
    return np.stack([cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2], axis=-1)


@pytest.fixture(scope="session")
def boxes_at():
    """A function that gives boxes (…, 4) from centres, widths and heights."""
    return _boxes


@pytest.fixture(scope="session")
def training_at():
    """A function that gives training objects of which each is at this place, and of this scale."""
    return lambda cx, cy, scale: TrainingObjects(_boxes([cx] * 3, cy, scale, scale), "all 3 training objects")


@pytest.fixture(scope="session")
def disc():
    """A function that draws a white disc on black, uint8 (height, width, 3)."""

    def draw(cx, cy, radius, width=120, height=120):
        y, x = np.mgrid[:height, :width] + 0.5
        inside = np.hypot(x - cx, y - cy) < radius
        return np.repeat(np.where(inside, 255, 0).astype(np.uint8)[..., None], 3, axis=2)

    return draw


@pytest.fixture(scope="session")
def find_disc():
    """A function that finds a disc's centre and diameter in a view, in the view's pixels."""

    def find(view):
        light = view[..., 0] > 127
        y, x = np.nonzero(light)
        return x.mean() + 0.5, y.mean() + 0.5, 2 * np.sqrt(light.sum() / np.pi)

    return find


def _stability(p, name="owl", probability=0.75, right=True, accuracy=0.5, centre=None):
    accuracy = None if right is None else accuracy
    centre = Prediction(NAMES.index(centre or name), centre or name, probability / 2 if centre else probability, right)
    over = Prediction(NAMES.index(name), name, probability, right)
    return Stability(Estimate(p, p - 0.02, p + 0.02), Estimate(p / 4, p / 8, p / 2), centre, over, accuracy)


def _facts(*arguments):
    """Over all steps, of which none was drawn: without intervals."""
    stability = _stability(*arguments)
    changes, mac = (Estimate(each.value) for each in (stability.p_top1_change, stability.mac))
    return dataclasses.replace(stability, p_top1_change=changes, mac=mac)


@pytest.fixture(scope="session")
def stability_at():
    """A function that gives a stability with this P(top-1 change), within 2 percentage points."""
    return _stability


def _line(cause, verdict=Verdict.CAUSE, after=0.0625, rank=None, **fields):
    measured = (
        {}
        if after is None
        else {
            "after": _stability(after),
            "fall": Estimate(0.25 - after, 0.01, 0.3),
            "mac_fall": Estimate(0.0625 - after / 4, 0.01, 0.06),
        }
    )
    told = {"intervention": f"{cause} removed", "reason": f"reason of {cause}."}
    return CauseLine(cause=cause, verdict=verdict, rank=rank, **(told | measured | fields))


@pytest.fixture(scope="session")
def line_of():
    """A function that gives a line of a cause, with the P(top-1 change) that is left, None if it was not tried."""
    return _line


@pytest.fixture(scope="session")
def explanation_of():
    """A function that gives an explanation by its P(top-1 change) and lines; other fields can be given by name."""

    def make(p=0.25, lines=(), **fields):
        return dataclasses.replace(_full(), **({"before": _facts(p), "lines": list(lines)} | fields))

    return make


@pytest.fixture(scope="session")
def full_explanation():
    """An explanation in which nothing is left out that can be there, and something of all that can be missing is."""
    return _full()


def _full():
    lines = [
        _line("off_centre", rank=1, made_up=0.125, fill="inpaint", picture="pictures/cause-off_centre.png"),
        _line("coin_toss", Verdict.LIKE_MARGIN, after=None, expected=Estimate(0.25, 0.125, 0.375)),
        _line("fine_detail", Verdict.NOT_FOUND, after=0.1875),
        _line("content", Verdict.NOT_TRIED, after=None),
    ]
    grid = np.zeros((3, 3), int)
    grid[0, 2] = 2
    return Explanation(
        image_id="Ордер/été.png",
        in_test_set=True,
        label="n01",
        label_name="owl",
        width=90,
        height=60,
        study="a study",
        model="a model",
        input_size=32,
        radius=4,
        unstable_from=0.05,
        before=_facts(0.25),
        trials=24,
        controls=_stability(0.3125),
        standings=[Standing("p_top1_change", 0.375, 0.875), Standing("nn_distance", 1.5, None)],
        response=Response(
            sweep="crop, diagonal, size 1",
            top1=[0, 2],
            names=["owl", "cat"],
            p_top1=[0.75, 0.5],
            curves=[ClassCurve(0, "owl", [0.75, 0.25])],
            changes=[Change(0, "owl", "cat", 0.75, 0.5, "pictures/sweep-0.png", "pictures/sweep-1.png")],
        ),
        shift_map=ShiftMap(
            1,
            0,
            2,
            grid.tolist(),
            (grid / 4).tolist(),
            np.stack([grid, 2 - grid], axis=-1).tolist(),
            np.full((3, 3, 2), [0.5, 0.25]).tolist(),
            {0: "owl", 2: "cat"},
            0.0625,
            "pictures/shifts.png",
            [(-1, -1), (0, 0)],
        ),
        neighbours=[
            Neighbour("train/1.png", "n01", "owl", 1.5, "pictures/neighbour-1.png"),
            Neighbour("train/2.png", None, "", 2.5, None),
            Neighbour("train/3.png", "n03", "cat", 3.5, None),
            Neighbour("train/4.png", "n04", "dog", 4.5, None),
        ],
        distances=Distances(1.5, 2.5, None, 0.75, "euclidean"),
        framing=Framing(
            box=[1.0, 2.0, 30.0, 40.0],
            population="the 25 training objects of its class",
            n=25,
            standings=[
                FramingStanding("cx", 0.25, 0.5, 0.125),
                FramingStanding("cy", 0.375, 0.5, 0.25),
                FramingStanding("centre_distance", 0.5625, 0.25, 0.9375),
                FramingStanding("scale", 0.6875, 0.3125, 0.8125),
                FramingStanding("aspect", 1.5, 1.0, 0.625),
            ],
            training={name: [0.5, 0.25] for name in ("cx", "cy", "scale", "aspect")},
            usual_position=False,
            usual_scale=True,
        ),
        framing_reason="",
        lines=lines,
        remedies=[
            Remedy(1, 9, _facts(0.125), 0.125),
            Remedy(4, 81, _facts(0.03125, "cat", 0.5, False), 0.21875),
        ],
        picture="pictures/view.png",
        notes=["A note – of “notes”."],
    )
