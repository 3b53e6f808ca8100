"""A small study in memory, made from a known law, and the report that is written from it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bias_toolkit.analysis import FramingMap, LayerAnalysis, analyse
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
from bias_toolkit.invariance import Sweep
from bias_toolkit.objects import (
    FramingComparison,
    MeanImages,
    compare_framing,
    framing_summary,
    mean_images,
    position_and_scale,
)
from bias_toolkit.report import write_report
from bias_toolkit.report.explanation import write_explanation

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


def read(split: str, image_id: str) -> np.ndarray:
    """A grey image, its level its number; number 0 cannot be read."""
    number = int(image_id.split("/")[1].split(".")[0])
    if number == 0:
        raise UnreadableImageError("truncated file")
    return np.full((W, W, 3), number, dtype=np.uint8)


class MemorySettings(dict):
    """Settings by name, with defaults for those that a report asks for."""

    def __getattr__(self, name):
        defaults = {"seed": 0, "bins": 10, "metric": "", "noise_images": 512, "weights": None, "figure_formats": ()}
        defaults |= {"figures": "all", "resamples": 2000}
        return {**defaults, **self}[name]

    def to_dict(self):
        return dict(self)


def no_images() -> pd.DataFrame:
    return pd.DataFrame({"image_id": pd.Series(dtype=str), "label": pd.Series(dtype=str)})


@dataclass
class MemorySource:
    """A study's results, all of them in memory; by default of a study that has computed nothing."""

    folder: Path = Path("nothing")
    settings: MemorySettings = field(default_factory=MemorySettings)
    versions: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)
    runtime_reason: str = ""
    index_reason: str = ""
    label_sentence: str = ""
    trained_on: str | None = "train"
    model: str = "demo"
    reading: dict = field(default_factory=lambda: {"notes": [], "in_memory": False})
    class_names: dict = field(default_factory=dict)
    roots: dict = field(default_factory=lambda: {"train": "/data/train", "test": "/data/test"})
    dropped_boxes: dict = field(default_factory=lambda: {"train": 0, "test": 0})
    notes: dict = field(default_factory=lambda: {"train": [], "test": []})
    train_images: pd.DataFrame = field(default_factory=no_images)
    test_images: pd.DataFrame = field(default_factory=no_images)
    skipped_images: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["split", "step", "image_id", "reason"])
    )
    reference: tuple | None = None
    per_image: pd.DataFrame = field(default_factory=pd.DataFrame)
    reference_responses: pd.DataFrame = field(default_factory=pd.DataFrame)
    frames_responses: pd.DataFrame | None = None
    measures: pd.DataFrame = field(default_factory=pd.DataFrame)
    sequential: pd.DataFrame = field(default_factory=pd.DataFrame)
    neighbours: pd.DataFrame = field(default_factory=pd.DataFrame)
    distances: pd.DataFrame = field(default_factory=pd.DataFrame)
    search_quality: pd.DataFrame | None = None
    training_spacing: np.ndarray = field(default_factory=lambda: np.array([]))
    n_shared: int = 0
    noise_floor: dict | None = None
    train_framing: pd.DataFrame = field(default_factory=pd.DataFrame)
    test_framing: pd.DataFrame = field(default_factory=pd.DataFrame)
    train_summary: pd.DataFrame | None = None
    test_summary: pd.DataFrame | None = None
    train_means: MeanImages | None = None
    test_means: MeanImages | None = None
    framing_comparison: FramingComparison | None = None
    estimated: tuple = ()
    localisation: tuple | None = None
    analysis: object = field(default_factory=lambda: analysis_tables())
    framing_map: FramingMap | None = None
    size_curve: pd.DataFrame | None = None
    size_measures: pd.DataFrame | None = None
    layers: pd.DataFrame | None = None
    layer_operations: pd.DataFrame | None = None
    layer_analysis: LayerAnalysis | None = None
    layer_maps: pd.DataFrame | None = None
    views: dict = field(default_factory=dict)
    explanations: dict = field(default_factory=dict)
    outdated: frozenset = frozenset()
    reader: Callable = read

    def images(self, split):
        return getattr(self, f"{split}_images")

    def objects(self, split):
        return pd.DataFrame() if self.is_estimated(split) else self.framing(split)

    def left_out(self, split):
        return set(self.skipped_images.loc[self.skipped_images["split"].eq(split), "image_id"])

    def dataset_record(self, split):
        return {
            "root": self.roots[split],
            "layout": "folders",
            "layout_reason": "it has folders",
            "class_names": self.class_names,
            "dropped_boxes": self.dropped_boxes[split],
            "notes": self.notes[split],
        }

    def read_image(self, split, image_id):
        return self.reader(split, image_id)

    @property
    def model_record(self):
        preprocessing = {"mean": [0.5], "std": [0.25], "interpolation": "bilinear", "crop_fraction": 0.875}
        numbers = {"input_size": 64, "n_classes": 10, "feature_layer": "pool", "feature_dimension": 32}
        return {
            "name": self.model,
            "preprocessing": preprocessing,
            "weights_sha256": "ab" * 32,
            **numbers,
            **self.reading,
        }

    @property
    def label_record(self):
        return {"indices": {"owl": 1}, "sentence": self.label_sentence, "classes": None}

    @property
    def reference_sweep(self):
        return None if self.reference is None else Sweep(*self.reference)

    def framing(self, split):
        return getattr(self, f"{split}_framing").assign(estimated=self.is_estimated(split))

    def framing_summary(self, split):
        return getattr(self, f"{split}_summary").assign(estimated=self.is_estimated(split))

    def mean_images(self, split):
        return getattr(self, f"{split}_means")

    def boxes_record(self, split):
        return {"estimated": self.is_estimated(split), "layer": "features.9", "is_exact": True, "threshold": 0.3}

    def is_estimated(self, split):
        return split in self.estimated

    def located(self, split):
        """Where the model located the objects: in all but the last of 100 images, 60 of them by the label."""
        located_by = ["label"] * 60 + ["top1"] * 40
        table = pd.DataFrame({"image_id": [f"{i}.png" for i in range(100)], "x0": 1.0, "located_by": located_by})
        table.loc[99, "x0"] = np.nan
        return table.assign(reason=["nothing is seen in it" if np.isnan(x0) else None for x0 in table["x0"]])

    def has(self, step_name):
        optional = {
            "map/relation": self.framing_map,
            "sizes/curve": self.size_measures,
            "layers/analysis": self.layer_analysis,
        }
        return optional.get(step_name) is not None

    def map_views(self):
        return self.views

    def sweep_views(self, image_id):
        return np.stack([self.read_image("test", image_id)] * (STEPS + 1))

    def table(self, name):
        """One of the analysis tables."""
        return getattr(self.analysis, name)


TABLES = ("correlations", "curves", "summary", "classes", "odds_ratios", "losses", "ceiling", "factors", "notes")


def analysis_tables(**rows):
    """An analysis from rows of its tables, the others empty."""
    return SimpleNamespace(**{name: pd.DataFrame(rows.get(name, ())) for name in TABLES})


def responses(image_ids, p_top1_change) -> pd.DataFrame:
    """Rows of RESPONSES: class 1, and class 2 in as many of the last views as the first change of p needs."""
    rows = []
    for number, (image_id, p) in enumerate(zip(image_ids, p_top1_change, strict=True)):
        top1 = [1] * (STEPS + 1)
        for changed in range(round(p * STEPS)):
            top1[-1 - changed] = 2 if changed % 2 == 0 else 1
        first = [0.6 + number / 1000] * (STEPS + 1)
        rows.append(
            {"image_id": image_id, "label_index": 1, "top1": top1, "p_top1": first, "p_second": [0.2] * (STEPS + 1)}
        )
    return pd.DataFrame(rows)


def make_source(n: int = 120) -> MemorySource:
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
    return MemorySource(
        folder=Path("owls & others <i>"),
        settings=MemorySettings(metric="cosine", neighbours=4, bins=5, sizes=(), weights=None, seed=3),
        versions={"bias-toolkit": "0.1.0"},
        seconds={"index": 3.21, "responses": 200.0},
        index_reason="Flat: few features.",
        label_sentence="All 3 labels are classes of the model.",
        class_names=NAMES,
        dropped_boxes={"train": 1, "test": 0},
        train_images=train_images,
        test_images=test_images,
        skipped_images=pd.DataFrame(
            {"split": ["train"], "step": ["images"], "image_id": ["train/<b>.png"], "reason": ["truncated file"]}
        ),
        reference=("crop", "diagonal", 1.0),
        reference_responses=responses(test_images["image_id"], reference["p_top1_change"]),
        per_image=per_image,
        measures=measures,
        neighbours=neighbours,
        distances=distances,
        training_spacing=generator.normal(4, 1, 2 * n),
        noise_floor={
            "value": 0.0,
            "n_images": 512,
            "n_changed": 0,
            "interval": (0.0, 0.0072),
        },
        train_framing=train_framing,
        test_framing=test_framing,
        train_summary=framing_summary(train_framing, train_images, **options),
        test_summary=framing_summary(test_framing, test_images, **options),
        train_means=mean_images(partial(read, "train"), train_images, train_framing, side=16),
        test_means=mean_images(partial(read, "test"), test_images, test_framing, side=16),
        framing_comparison=compare_framing(
            train_framing, test_framing, train_images, test_images, resamples=100, permutations=100
        ),
        analysis=analyse(per_image, measures, bins=5, resamples=100, permutations=100),
    )


SHIFTS = 8
NARROW, WIDE = 0.05, 0.1


def estimate(value: float, half: float = NARROW) -> Estimate:
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0))


def stability(p: float, name: str, index: int, probability: float, right: bool | None) -> Stability:
    """The centre view has the same class, but for the image as it is: there it is that of the shift map's centre."""
    prediction = Prediction(index, name, probability, right)
    accuracy = None if right is None else probability
    return Stability(estimate(p), estimate(p / 4, 0.01), prediction, prediction, accuracy)


def over_all_steps(measured: Stability) -> Stability:
    """Over steps of which none was drawn: without intervals."""
    changes, mac = (Estimate(each.value) for each in (measured.p_top1_change, measured.mac))
    return dataclasses.replace(measured, p_top1_change=changes, mac=mac)


def shift_map() -> ShiftMap:
    """Nine classes in vertical stripes around class 3, and its probability falling with the distance.

    At every place, the four classes after the first are the same but for it. The right class is at no place the first.
    """
    places = np.arange(-SHIFTS, SHIFTS + 1)
    dx, dy = np.meshgrid(places, places)
    top1 = np.where(np.abs(dx) <= 3, 3, np.where((dy > 3) & (dx > 3), 20 + (dx + dy) % 6, 7 + (dx > 2)))
    names = {3: CLASSES[1], 7: "owl", 8: CLASSES[2], 9: "snow leopard"} | {
        20 + i: f"other {i} of a long name" for i in range(6)
    }
    likely = [[[first, *(each for each in (7, 8, 3, 9, 20) if each != first)][:5] for first in row] for row in top1]
    return ShiftMap(
        radius=SHIFTS,
        reference=3,
        right=9,
        top1=top1.tolist(),
        p_reference=(0.6 * np.exp(-np.hypot(dx, dy) / 5)).tolist(),
        likely=np.array(likely).tolist(),
        probabilities=[[[0.4 + x / 100, 0.2 + y / 100, 0.0312, 0.002, 0.0] for x in places] for y in places],
        names={index: names[index] for index in np.unique(likely).tolist()},
        made_up=0.125,
        picture="pictures/shifts.png",
        sweep=[(k, k) for k in range(-4, 5)],
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
            "P(top-1 change) and MAC fall. Over all shifts the model is then right: snow leopard.",
            right,
            fall,
            Estimate(0.079, 0.07, 0.088),
            None,
            0.18,
            "the canvas colour",
            1,
            "pictures/off-centre.png",
        ),
        CauseLine(
            "coin_toss",
            "compared with the test images of the same margin",
            "like others of its margin",
            "The 100 test images with the margin nearest to its own change as often.",
            expected=Estimate(0.31, 0.27, 0.35),
        ),
        CauseLine(
            "content",
            "its object covered by those of the 3 nearest training images",
            "makes the model wrong",
            "The class changes at fewer steps, but the model is then wrong more often.",
            wrong,
            Estimate(0.355, 0.3, 0.4),
            Estimate(0.089, 0.08, 0.098),
            picture="pictures/content.png",
        ),
        *(
            CauseLine(
                "fine_detail",
                f"the view blurred with a standard deviation of {sigma} pixels",
                "no fall found",
                "No fall of P(top-1 change) was found: its interval includes 0.",
                stability(p, CLASSES[1], 3, 0.45, False),
                Estimate(0.375 - p, -0.02, 0.09),
                Estimate(0.005, -0.005, 0.015),
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
        before=dataclasses.replace(
            over_all_steps(stability(0.375, CLASSES[1], 3, 0.45, False)), over_shifts=Prediction(7, "owl", 0.4, False)
        ),
        trials=24,
        controls=stability(0.35, CLASSES[1], 3, 0.42, False),
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
                radius,
                (2 * radius + 1) ** 2,
                over_all_steps(stability(p, "snow leopard", 9, 0.5, True)),
                0.375 - p,
            )
            for radius, views, p in ((1, 9, 0.2), (3, 49, 0.07))
        ],
        picture="pictures/centre.png",
        notes=["A shift is an exact slice of pixels.", "Intervals are from 2,000 resamples of <rows>."],
    )


@pytest.fixture(scope="session")
def write_explained():
    """A function that writes an explanation's page with its pictures into a folder."""

    def write(explanation: Explanation, folder: Path) -> Path:
        save_pictures(explanation, folder)
        return write_explanation(explanation, folder)

    return write


@pytest.fixture
def explained(unstable, write_explained, tmp_path):
    """A function that writes an explanation's page with its pictures, after some fields were replaced."""
    return lambda **changes: write_explained(dataclasses.replace(unstable, **changes), tmp_path / "explanation")


@pytest.fixture
def summary() -> Summary:
    """Of 15 images, 13 unstable ones."""
    counts = {
        "off_centre": (7, 8, 13, 3, 2),
        "undersampling": (3, 4, 4, 0, 0),
        "fine_detail": (0, 0, 0, 0, 0),
        "scale": (0, 0, 13, 0, 1),
        "framing": (0, 0, 13, 0, 1),
        "content": (0, 0, 13, 0, 9),
    }
    return Summary(
        n_images=15,
        n_unstable=13,
        n_unexplained=3,
        n_compared=12,
        n_like_margin=9,
        shares=[CauseShare(cause, *numbers) for cause, numbers in counts.items()],
    )


@pytest.fixture(scope="session")
def shared_source(two_folds) -> MemorySource:
    """One study with everything; tests must not change it."""
    with two_folds():
        return make_source()


@pytest.fixture
def source(shared_source) -> MemorySource:
    """A copy whose attributes a test may replace."""
    return dataclasses.replace(shared_source)


@pytest.fixture
def bare_source() -> MemorySource:
    """A study of which nothing was computed."""
    return MemorySource()


@pytest.fixture(scope="session")
def report(shared_source, made_once, without_layout):
    """The folder of the report of the study with everything."""

    def make(folder):
        with without_layout():
            write_report(shared_source, folder / "report")

    folder = made_once("report", make) / "report"
    return SimpleNamespace(folder=folder, html=(folder / "index.html").read_text(encoding="utf-8"))


@pytest.fixture
def empty_figures(no_figures):
    """Pages get empty figures in a test."""
    with no_figures():
        yield


@pytest.fixture
def analysis_of():
    """Make an analysis from rows of its tables."""
    return analysis_tables
