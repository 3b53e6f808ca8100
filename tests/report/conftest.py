"""A small study's contents, made from a known law, and the report that is written from them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bias_toolkit.analysis import analyse
from bias_toolkit.explain.explanation import Explanation
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
)
from bias_toolkit.explain.summary import CauseShare, Summary
from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.objects import (
    compare_framing,
    framing_summary,
    image_framing,
    mean_images,
    object_maps,
    position_and_scale,
)
from bias_toolkit.report import (
    DatasetDescription,
    ModelDescription,
    NoiseFloor,
    ReportContents,
    page,
    write_explanation,
    write_report,
)

CLASSES = ("owl", "<script>alert(1)</script>", 'said "no" & left')
NAMES = {"owl": "Сова é, snow owl"}
STEPS = 8
W = 60


def _boxes(generator, n, spread, split):
    """Objects of 20 × 30 pixels in images of 60 × 60, normally spread around the centre."""
    centres = np.clip(W / 2 + spread * generator.normal(size=(n, 2)), (11, 16), (W - 11, W - 16))
    ids = [f"{split}/{i:03}.png" for i in range(n)]
    labels = [CLASSES[i % len(CLASSES)] for i in range(n)]
    images = pd.DataFrame({"image_id": ids, "label": labels, "width": W, "height": W})
    objects = pd.DataFrame(
        {
            "image_id": ids,
            "object_id": 0,
            "category": labels,
            "x0": centres[:, 0] - 10,
            "y0": centres[:, 1] - 15,
            "x1": centres[:, 0] + 10,
            "y1": centres[:, 1] + 15,
        }
    )
    return images, position_and_scale(objects, images)


def read(image_id: str) -> np.ndarray:
    """A grey image, its level its number; number 0 cannot be read."""
    number = int(image_id.split("/")[1].split(".")[0])
    if number == 0:
        raise UnreadableImageError("truncated file")
    return np.full((W, W, 3), number, dtype=np.uint8)


def make_contents(n: int = 120) -> ReportContents:
    generator = np.random.default_rng(0)
    train_images, train_framing = _boxes(generator, 2 * n, 4.0, "train")
    test_images, test_framing = _boxes(generator, n, 4.0, "test")
    margin = generator.uniform(size=n)
    distance = 5 - 2 * margin + generator.normal(size=n)
    p = np.clip(0.08 * distance - 0.1 * margin, 0.01, 0.9)
    reference = pd.DataFrame(
        {
            "image_id": test_images["image_id"],
            "protocol": "crop",
            "transform": "diagonal",
            "size": 1.0,
            "p_top1_change": (generator.binomial(STEPS, p) / STEPS).astype(np.float32),
            "mac": (p / 3).astype(np.float32),
            "p_top5_exit": p / 4,
            "p_range": p / 2,
            "feature_drift": p / 9,
            "consistency": np.nan,
            "accuracy": generator.binomial(STEPS + 1, 0.7, n) / (STEPS + 1),
            "confidence": margin / 2 + 0.5,
            "margin": margin,
            "n_steps": STEPS,
        }
    )
    larger = [
        reference.assign(protocol=protocol, size=size, p_top1_change=np.minimum(reference["p_top1_change"] + more, 1))
        for protocol, size, more in (("crop", 0.25, 0.3), ("embed", 2.0, 0.4))
    ]
    distances = pd.DataFrame(
        {
            "image_id": test_images["image_id"],
            "nn_distance": distance.astype(np.float32),
            "knn_distance": distance + 0.5,
            "class_nn_distance": distance + 0.2,
            "distance_percentile": pd.Series(distance).rank(pct=True),
            "leak": np.arange(n) == 7,
        }
    )
    framing = test_framing.drop(columns=["object_id", "category"]).assign(
        framing_log_density=-test_framing["centre_distance"],
        log_scale_deviation=np.abs(generator.normal(size=n)),
    )
    per_image = (
        test_images.merge(reference.drop(columns=["protocol", "transform", "size"]), on="image_id")
        .merge(distances, on="image_id")
        .merge(framing, on="image_id")
    )
    measures = pd.concat([reference, *larger], ignore_index=True)
    neighbours = pd.DataFrame(
        [
            {"image_id": image_id, "rank": rank, "neighbour_id": f"train/{(i + rank) % n:03}.png", "distance": d + rank}
            for i, (image_id, d) in enumerate(zip(test_images["image_id"], distance, strict=True))
            for rank in (1, 2, 3, 4)
        ]
    )
    options = {"resamples": 100, "placements": 100}
    return ReportContents(
        name="owls & others <i>",
        train=DatasetDescription("/data/train", "folders", "it has folders", 2 * n, 3, 2 * n, 1, 1),
        test=DatasetDescription("/data/test", "folders", "", n, 3, n),
        model=ModelDescription("demo", 64, "mean 0.5", 10, "pool", 32, "ab" * 32),
        settings={"metric": "cosine", "neighbours": 4, "bins": 5, "sizes": (), "weights": None, "seed": 3},
        versions={"bias-toolkit": "0.1.0"},
        seeds={"every random draw": 3},
        label_match="All 3 labels are classes of the model.",
        index_reason="Flat: few features.",
        per_image=per_image,
        measures=measures,
        neighbours=neighbours,
        distances=distances,
        train_framing=train_framing,
        test_framing=test_framing,
        train_summary=framing_summary(train_framing, train_images, **options),
        test_summary=framing_summary(test_framing, test_images, **options),
        train_maps=object_maps(image_framing(train_framing, train_images)),
        test_maps=object_maps(image_framing(test_framing, test_images)),
        framing_comparison=compare_framing(
            train_framing, test_framing, train_images, test_images, resamples=100, permutations=100
        ),
        train_means=mean_images(read, train_images, train_framing, side=16),
        test_means=mean_images(read, test_images, test_framing, side=16),
        train_distances=generator.normal(4, 1, 2 * n),
        analysis=analyse(per_image, measures, bins=5, resamples=100, permutations=100),
        noise_floor=NoiseFloor(0.0, 576, 0, 0.0, 0.0064),
        skipped=pd.DataFrame(
            {"split": ["train"], "step": ["images"], "image_id": ["train/<b>.png"], "reason": ["truncated file"]}
        ),
        missing=["The moon is left out, because it is far."],
        wall_times={"index": 3.21, "responses": 200.0},
        read_train=read,
        read_test=read,
        train_labels=dict(zip(train_images["image_id"], train_images["label"], strict=True)),
        class_names=NAMES,
        explanations={"test/003.png": "../explain/3/index.html"},
    )


SHIFTS = 6
NARROW, WIDE = 0.05, 0.1


def estimate(value: float, half: float = NARROW) -> Estimate:
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0))


def stability(p: float, name: str, index: int, probability: float, right: bool | None) -> Stability:
    prediction = Prediction(index, name, probability, right, None if right is None else probability)
    return Stability(estimate(p), estimate(p / 4, 0.01), prediction)


def shift_map() -> ShiftMap:
    """Nine classes in vertical stripes around class 3, and its probability falling with the distance."""
    places = np.arange(-SHIFTS, SHIFTS + 1)
    dx, dy = np.meshgrid(places, places)
    top1 = np.where(np.abs(dx) <= 2, 3, np.where((dy > 3) & (dx > 3), 20 + (dx + dy) % 6, 7 + (dx > 2)))
    names = {3: CLASSES[1], 7: "owl", 8: CLASSES[2]} | {20 + i: f"other {i} of a long name" for i in range(6)}
    return ShiftMap(
        radius=SHIFTS,
        reference=3,
        top1=top1.tolist(),
        p_reference=(0.6 * np.exp(-np.hypot(dx, dy) / 5)).tolist(),
        names={index: names[index] for index in np.unique(top1).tolist()},
        made_up=0.125,
    )


def make_response() -> Response:
    top1 = [7, 7, 3, 3, 3, 3, 8, 8, 7]
    names = ["owl" if index == 7 else CLASSES[1] if index == 3 else CLASSES[2] for index in top1]
    curves = {3: 0.5 - 0.05 * np.abs(np.arange(9) - 4), 7: np.full(9, 0.33), 8: np.linspace(0.1, 0.41, 9)}
    curves[9] = np.full(9, 0.05)
    named = {3: CLASSES[1], 7: "owl", 8: CLASSES[2], 9: "snow leopard"}
    return Response(
        sweep="crop, diagonal, size 1",
        top1=top1,
        names=names,
        p_top1=[float(curves[index][view]) for view, index in enumerate(top1)],
        curves=[ClassCurve(index, named[index], values.tolist()) for index, values in curves.items()],
        changes=[
            Change(
                step,
                names[step],
                names[step + 1],
                0.33 + step / 100,
                0.35 + step / 100,
                f"pictures/view-{step}.png",
                f"pictures/view-{step + 1}.png",
            )
            for step in (1, 5, 7)
        ],
    )


def make_framing() -> Framing:
    generator = np.random.default_rng(1)
    training = {
        "cx": generator.normal(0.5, 0.05, 400),
        "cy": generator.normal(0.52, 0.05, 400),
        "scale": generator.normal(0.6, 0.08, 400).clip(0.2, 1),
        "aspect": np.exp(generator.normal(0, 0.3, 400)),
    }
    own = {"cx": 0.75, "cy": 0.3, "centre_distance": 0.453, "scale": 0.25, "aspect": 1.44}
    return Framing(
        box=[30.0, 5.0, 48.0, 18.0],
        population="training objects of class “owl”",
        n=400,
        standings=[
            FramingStanding(name, value, float(np.median(training.get(name, 0.1))), 0.985)
            for name, value in own.items()
        ],
        training={name: values.tolist() for name, values in training.items()},
        usual_position=False,
        usual_scale=True,
    )


def make_lines() -> list[CauseLine]:
    right = stability(0.06, "snow leopard", 9, 0.83, True)
    wrong = stability(0.02, "owl", 7, 0.9, False)
    fall = Estimate(0.3125, 0.25, 0.375)
    return [
        CauseLine(
            "off_centre",
            "the view moved by 31 pixels to the right and 4 up",
            "cause",
            "P(top-1 change) goes from 37.5% to 6.0%, and the model is right (snow leopard, 0.83).",
            right,
            fall,
            Estimate(0.29, 0.2, 0.35),
            None,
            0.18,
            "the canvas colour",
            1,
            "pictures/off-centre.png",
        ),
        CauseLine(
            "coin_toss",
            "compared with the test images of the same margin",
            "cause",
            "The 100 test images with the margin nearest to its own change as often.",
            expected=Estimate(0.31, 0.27, 0.35),
            rank=2,
        ),
        CauseLine(
            "content",
            "its object covered by those of the 3 nearest training images",
            "makes the model wrong",
            "P(top-1 change) goes from 37.5% to 2.0%, but only because the model is then wrong.",
            wrong,
            Estimate(0.355, 0.3, 0.4),
            Estimate(0.33, 0.27, 0.38),
            picture="pictures/content.png",
        ),
        *(
            CauseLine(
                "fine_detail",
                f"the view blurred with a standard deviation of {sigma} pixels",
                "changes little",
                "P(top-1 change) goes from 37.5% to 35.0%: less than half of it is gone.",
                stability(p, CLASSES[1], 3, 0.45, False),
                Estimate(0.375 - p, -0.02, 0.09),
                Estimate(0.01, -0.05, 0.06),
                picture=f"pictures/blur-{sigma}.png",
            )
            for sigma, p in ((1, 0.35), (2, 0.3))
        ),
        CauseLine("undersampling", "every subsampling antialiased", "not tried", "The network has no subsampling."),
    ]


def save_pictures(explanation: Explanation, folder: Path, side: int = 32) -> None:
    """A small grey picture for every file that an explanation names."""
    text = json.dumps(explanation.to_dict())
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(sorted(set(re.findall(r"pictures/[\w.-]+", text)))):
        level = 60 + 12 * number % 180
        Image.fromarray(np.full((side, side, 3), level, dtype=np.uint8)).save(folder / file)


@pytest.fixture(scope="session")
def unstable() -> Explanation:
    """An image that is unstable because it is off centre; class 3, the reference, has a name that must be escaped."""
    neighbours = [
        Neighbour(f"train/{i:03}.png", "owl", "Сова é", 3.5 + i / 4, f"pictures/neighbour-{i}.png") for i in range(1, 4)
    ]
    return Explanation(
        image_id="test/<b>017</b>.png",
        in_test_set=True,
        label="n02128757",
        label_name="snow leopard",
        width=64,
        height=48,
        study="owls & others",
        model="demo",
        input_size=32,
        radius=4,
        unstable_from=0.1,
        before=stability(0.375, CLASSES[1], 3, 0.45, False),
        controls=estimate(0.35),
        standings=[
            Standing("p_top1_change", 0.375, 0.9966),
            Standing("mac", 0.0912, 0.97),
            Standing("margin", 0.04, 0.031),
            Standing("nn_distance", 3.75, 0.88),
        ],
        response=make_response(),
        shift_map=shift_map(),
        neighbours=[*neighbours, Neighbour("train/gone.png", None, "", 5.25, None)],
        distances=Distances(3.75, 4.5, 5.5, 0.912, "euclidean"),
        framing=make_framing(),
        framing_reason="",
        lines=make_lines(),
        remedies=[
            Remedy(
                radius, (2 * radius + 1) ** 2, stability(p, "snow leopard", 9, 0.5, True), Estimate(0.375 - p, 0.1, 0.4)
            )
            for radius, views, p in ((1, 9, 0.2), (3, 49, 0.07))
        ],
        picture="pictures/centre.png",
        notes=["A shift is an exact slice of pixels.", "Intervals are from 2,000 resamples of <rows>."],
    )


@pytest.fixture
def explained(unstable, tmp_path):
    """A function that writes an explanation's page with its pictures, after some fields were replaced."""

    def write(**changes) -> Path:
        explanation = dataclasses.replace(unstable, **changes)
        folder = tmp_path / "explanation"
        save_pictures(explanation, folder)
        return write_explanation(explanation, folder)

    return write


@pytest.fixture
def summary() -> Summary:
    """Of 15 images, 13 unstable ones."""
    counts = {
        "off_centre": (7, 8, 13, 2, Estimate(0.12, 0.08, 0.16)),
        "undersampling": (3, 4, 9, 0, Estimate(0.2, 0.1, 0.3)),
        "coin_toss": (1, 3, 13, 0, Estimate(0.3, 0.28, 0.32)),
        "fine_detail": (0, 0, 0, 0, Estimate(None)),
        "scale": (0, 0, 13, 1, Estimate(0.33, 0.3, 0.36)),
        "framing": (0, 0, 13, 1, Estimate(0.33, 0.3, 0.36)),
        "content": (0, 0, 13, 9, Estimate(0.05, 0.03, 0.06)),
    }
    return Summary(
        n_images=15,
        n_unstable=13,
        n_unexplained=2,
        before=Estimate(0.4, 0.35, 0.45),
        controls=Estimate(0.38, 0.33, 0.43),
        shares=[CauseShare(cause, *numbers) for cause, numbers in counts.items()],
    )


@pytest.fixture(scope="session")
def shared_contents() -> ReportContents:
    """One study with everything; tests must not change it."""
    return make_contents()


@pytest.fixture
def contents(shared_contents) -> ReportContents:
    """A copy whose attributes a test may replace."""
    return dataclasses.replace(shared_contents)


@pytest.fixture
def bare_contents() -> ReportContents:
    """A study of which nothing was computed."""
    return ReportContents(
        name="nothing",
        train=DatasetDescription("/data/train", "folders", "", 3, 0),
        test=DatasetDescription("/data/test", "folders", "", 3, 0),
        model=ModelDescription("demo", 64, "mean 0.5", 10, "pool", 32, "ab" * 32),
    )


@pytest.fixture(scope="session")
def report(shared_contents, tmp_path_factory):
    """The folder of the report of the study with everything, its figures as SVG only: fonts in PDF take long."""
    folder = tmp_path_factory.mktemp("study") / "report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "FORMATS", ("svg",))
        path = write_report(shared_contents, folder)
    return SimpleNamespace(folder=folder, html=path.read_text(encoding="utf-8"))


@pytest.fixture
def analysis_of():
    """Make an analysis from rows of its tables."""

    def make(correlations=(), curves=(), summary=(), classes=()):
        tables = {"correlations": correlations, "curves": curves, "summary": summary, "classes": classes}
        return SimpleNamespace(**{name: pd.DataFrame(list(rows)) for name, rows in tables.items()})

    return make
