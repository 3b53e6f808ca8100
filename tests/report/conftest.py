"""A small study's contents, made from a known law, and the report that is written from them."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.analysis import analyse
from bias_toolkit.errors import UnreadableImageError
from bias_toolkit.objects import framing_summary, image_framing, object_maps, position_and_scale
from bias_toolkit.report import (
    DatasetDescription,
    ModelDescription,
    NoiseFloor,
    ReportContents,
    page,
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


def one_format(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(page, "FORMATS", ("svg",))


@pytest.fixture
def svg_only(monkeypatch):
    """Figures are written as SVG only."""
    one_format(monkeypatch)


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
        one_format(patch)
        path = write_report(shared_contents, folder)
    return SimpleNamespace(folder=folder, html=path.read_text(encoding="utf-8"))


@pytest.fixture
def analysis_of():
    """Make an analysis from rows of its tables."""

    def make(correlations=(), curves=(), summary=(), classes=()):
        tables = {"correlations": correlations, "curves": curves, "summary": summary, "classes": classes}
        return SimpleNamespace(**{name: pd.DataFrame(list(rows)) for name, rows in tables.items()})

    return make
