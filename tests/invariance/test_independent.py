"""The whole way from an image to its measures, against a plain loop that shares no code with it.

The loop takes one image at a time and makes two forward passes a step, as the protocol's authors do, with Pillow
and NumPy only around the network.
"""

import math
import zlib
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bias_toolkit.foundation.shards import cut_into_shards
from bias_toolkit.invariance import Sweep, measures_table, sweep_shards

W = 32
IDS = ["a", "b/c.png", "d", "e"]
LABELS = {"a": 11, "b/c.png": 7, "e": 9}


@pytest.fixture
def images(noise_image):
    shapes = [(42, 42), (61, 50), (38, 90), (24, 24)]
    return {image_id: noise_image(*shape, seed) for seed, (image_id, shape) in enumerate(zip(IDS, shapes, strict=True))}


def resized(pixels, side):
    return np.array(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))


def crop_inputs(image, image_id, net, sweep):
    height, width, _ = image.shape
    if sweep.sampling == "random":
        generator = np.random.default_rng([sweep.seed, zlib.crc32(image_id.encode())])
        area = sweep.size * width * height
        aspects = [max(3 / 4, area / height**2), min(4 / 3, width**2 / area)]
        aspect = math.exp(generator.uniform(*np.log(aspects)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        left, top = generator.integers(width - w + 1), generator.integers(height - h + 1)
    else:
        w = h = min(round(math.sqrt(sweep.size * width * height)), width, height)
        left, top = (width - w) // 2, (height - h) // 2
    picture = net.normalise(resized(np.ascontiguousarray(image[top : top + h, left : left + w]), W + 10)[None])
    for k in range(9):
        x = 4 if sweep.transform == "vertical" else k
        y = 4 if sweep.transform == "horizontal" else k
        yield picture[:, :, y : y + W, x : x + W]


def fill_outwards(canvas, known):
    """Weighted means over 11 × 11 pixels of what is known, ring by ring."""
    weights = np.array([1, 10, 45, 120, 210, 252, 210, 120, 45, 10, 1])
    window = np.outer(weights, weights)
    canvas = canvas * known[..., None]
    while not known.all():
        grown, reached = canvas.copy(), known.copy()
        padded, padded_known = np.pad(canvas, ((5, 5), (5, 5), (0, 0))), np.pad(known, 5)
        for y, x in np.argwhere(~known):
            w = window * padded_known[y : y + 11, x : x + 11]
            if w.any():
                grown[y, x] = (w[..., None] * padded[y : y + 11, x : x + 11]).sum(axis=(0, 1)) / w.sum()
                reached[y, x] = True
        canvas, known = grown, reached
    return np.rint(canvas)


def embed_inputs(image, image_id, net, sweep):
    m = int(W / sweep.size)
    scaled = sweep.transform == "scale"
    inpainted = {}
    for k in range(9):
        side = m - 4 + k if scaled else m
        c0 = math.floor((W - side - 1) / 2)
        x = c0 if scaled or sweep.transform == "vertical" else c0 - 4 + k
        y = c0 if scaled or sweep.transform == "horizontal" else c0 - 4 + k
        small = resized(image, side)
        if sweep.fill == "mean":
            # Nothing but zeros around the normalised image.
            canvas = np.zeros((1, 3, W, W))
            canvas[:, :, y : y + side, x : x + side] = net.normalise(small[None])
            yield canvas
        elif sweep.fill == "black":
            canvas = np.zeros((W, W, 3))
            canvas[y : y + side, x : x + side] = small
            yield net.normalise(canvas[None])
        else:
            # One filled canvas for all positions, four pixels larger on each side, from which views are cut.
            start = c0 + 4
            if side not in inpainted:
                canvas, known = np.zeros((W + 8, W + 8, 3)), np.zeros((W + 8, W + 8), dtype=bool)
                canvas[start : start + side, start : start + side] = small
                known[start : start + side, start : start + side] = True
                inpainted[side] = fill_outwards(canvas, known)
            cut = inpainted[side][start - y : start - y + W, start - x : start - x + W]
            yield net.normalise(cut[None])


def slow_measures(inputs, net, label):
    """One image: two forward passes a step, sums that are divided at the end."""
    inputs = list(inputs)
    changes = mac = exits = drift = 0.0
    for here, there in pairwise(inputs):
        (p,), (phi,) = net.forward(here)
        (q,), (psi,) = net.forward(there)
        top = int(np.argmax(p))
        changes += top != np.argmax(q)
        mac += abs(p[top] - q[top])
        exits += top not in np.argsort(-q, kind="stable")[:5]
        drift += 1 - phi @ psi / math.sqrt((phi @ phi) * (psi @ psi))
    outputs = np.concatenate([net.forward(view)[0] for view in inputs])
    centre = outputs[4]
    reference = centre.argmax()
    n = len(inputs) - 1
    return {
        "p_top1_change": changes / n,
        "mac": mac / n,
        "p_top5_exit": exits / n,
        "feature_drift": drift / n,
        "p_range": np.ptp(outputs[:, reference]),
        "accuracy": np.nan if label is None else np.mean(outputs.argmax(axis=1) == label),
        "confidence": centre[reference],
        "margin": centre[reference] - np.sort(centre)[-2],
        "n_steps": n,
    }


def fast_measures(images, sweep, net):
    options = {"label_indices": LABELS, "batch_size": 7, "advance": lambda _: None}
    shards = sweep_shards(net, images.__getitem__, cut_into_shards(IDS, 3), sweep, **options)
    responses = pd.concat([shard["responses"] for shard in shards], ignore_index=True)
    return measures_table(responses).set_index("image_id")


SWEEPS = [
    *(Sweep("crop", transform, 1.0) for transform in ("diagonal", "horizontal", "vertical")),
    Sweep("crop", "diagonal", 0.3),
    Sweep("crop", "diagonal", 0.25, sampling="random", seed=3),
    *(
        Sweep("embed", transform, 2.0, fill=fill)
        for transform in ("diagonal", "horizontal", "vertical", "scale")
        for fill in ("mean", "black", "inpaint")
    ),
]


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.name)
def test_measures_agree_with_two_forward_passes_a_step(sweep, images, small_net):
    fast = fast_measures(images, sweep, small_net)
    inputs = crop_inputs if sweep.protocol == "crop" else embed_inputs
    assert fast.index.tolist() == IDS
    # The loop fills a canvas for each of nine sizes.
    for image_id in IDS[:2] if (sweep.transform, sweep.fill) == ("scale", "inpaint") else IDS:
        views = inputs(images[image_id], image_id, small_net, sweep)
        slow = slow_measures(views, small_net, LABELS.get(image_id))
        for name, value in slow.items():
            assert fast.loc[image_id, name] == pytest.approx(value, abs=2e-7, rel=1e-5, nan_ok=True), name
    assert fast["consistency"].isna().all()


def test_consistency_agrees_with_pairs_of_forward_passes(images, small_net):
    sweep = Sweep("offsets", "random", 1.0, draws=5, seed=2)
    fast = fast_measures(images, sweep, small_net)
    for image_id in IDS:
        image = images[image_id]
        side = min(image.shape[:2])
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        square = np.ascontiguousarray(image[top : top + side, left : left + side])
        picture = small_net.normalise(resized(square, W + 32)[None])
        generator = np.random.default_rng([2, zlib.crc32(image_id.encode())])
        offsets = generator.integers(0, 32, size=(5, 2, 2))
        agreeing = 0
        for pair in offsets:
            classes = [small_net.forward(picture[:, :, y : y + W, x : x + W])[0].argmax() for x, y in pair]
            agreeing += classes[0] == classes[1]
        assert fast.loc[image_id, "consistency"] == pytest.approx(agreeing / 5)
    assert 0 < fast["consistency"].mean() < 1
    assert fast["p_top1_change"].isna().all()


def test_the_network_is_unsteady_enough(images, small_net):
    """Measures that were 0 or 1 on every image would make the comparisons above say little."""
    fast = fast_measures(images, Sweep("crop", "horizontal", 1.0), small_net)
    for name in ("p_top1_change", "mac", "p_top5_exit", "feature_drift", "accuracy"):
        assert 0 < fast[name].mean() < 1, name
