"""Studies to compare, drawn from a known law."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.comparison.studies import Compared, Pair
from bias_toolkit.invariance import Sweep
from bias_toolkit.report.words.sentences import ClassNames

STEPS = 8


def _images(rates, rng, noise=0.0):
    """A per-image table in which the class of image i changes at a step with probability rates[i]."""
    n = len(rates)
    changed = rng.binomial(STEPS, rates)
    right = rng.random(n) < 0.9 - rates
    table = pd.DataFrame(
        {
            "label": [f"class {number % 4}" for number in range(n)],
            "width": 64,
            "height": 64,
            "p_top1_change": changed / STEPS,
            "mac": np.clip(rates / 2 + 0.02 * rng.random(n), 0, 1) + noise * rng.standard_normal(n),
            "any_change": (changed > 0).astype(float),
            "accuracy": np.where(right, 1 - changed / 18, changed / 18),
            "worst_accuracy": (right & (changed == 0)).astype(float),
            "margin": np.clip(1 - 2 * rates + 0.2 * rng.standard_normal(n), 0, 1),
            "right": right.astype(float),
            "nn_distance": 10 + 5 * rng.random(n),
            "centre_distance": np.linspace(0, 0.9, n),
            "scale": np.linspace(0.9, 0.1, n),
        }
    )
    return table.set_axis(pd.Index([f"{number}.png" for number in range(n)], name="image_id"))


def _compared(name, images, *, model=None, side=224, test="test", train="train"):
    """What `gather` reads of a study, made up."""
    study = SimpleNamespace(folder=Path(name), settings=SimpleNamespace(metric="euclidean"))
    sets = {"train": {"fingerprint": train}, "test": {"fingerprint": test}}
    framing = pd.Series({"n_objects": 0})
    model = {"name": model or name, "input_size": side}
    return Compared(
        name,
        study,
        Sweep("crop", "diagonal", 1.0),
        images,
        model,
        sets,
        framing,
        ClassNames({"class 0": "tench"}),
        None,
    )


def _pair(second, first, *, is_paired=True, **options):
    """A pair of studies A and B from their tables of images."""
    of_b = {
        "side": options.pop("side", 224),
        "model": options.pop("model", None),
        "train": options.pop("train", "train"),
    }
    pair = _compared("A", first), _compared("B", second, **of_b)
    return Pair(*pair, second.index.intersection(first.index) if is_paired else None)


@pytest.fixture(scope="session")
def rates():
    """How often the class changes on each of 300 images."""
    return np.random.default_rng(0).beta(0.5, 3, 300)


@pytest.fixture(scope="session")
def draw_images():
    """The function that draws a table of images."""
    return _images


@pytest.fixture(scope="session")
def make_compared():
    """The function that makes what is read of a study."""
    return _compared


@pytest.fixture(scope="session")
def make_pair():
    """The function that makes a pair of studies."""
    return _pair
