"""How good estimated boxes are, on images with annotated boxes, compared with two guesses that ignore the image."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.foundation.files import columns, empty_table
from bias_toolkit.foundation.resampling import CHUNK_ELEMENTS, named_generator, percentile_interval
from bias_toolkit.objects.null_model import null_centre_distance, relative_shortfall, room
from bias_toolkit.objects.position_scale import CORNER_DISTANCE, TRUNCATION_MARGIN, image_framing, position_and_scale

ESTIMATED, CENTRED, WHOLE, GIVEN = "estimated", "centred", "whole", "given"
LOCALISED_FROM = 0.5
# Rounding errors of positions, as shares of an image, are smaller than this.
ROUNDING = 1e-7
OVERLAP = ("localisation_accuracy", "median_iou")
ERRORS = ("cx_bias", "cx_sd", "cy_bias", "cy_sd", "log_scale_bias", "log_scale_sd")
CORRELATIONS = ("rho_centre_distance", "rho_scale")
CENTRING = ("centre_bias", "untruncated_centre_bias", "truncated_share")

LOCALISATION = pa.schema(
    [
        *columns(pa.string(), "criterion", "estimator"),
        ("n_images", pa.int64()),
        *columns(pa.float64(), "value", "low", "high", "gain", "gain_low", "gain_high"),
    ]
)


def localisation_quality(
    estimated: pd.DataFrame,
    given: pd.DataFrame,
    images: pd.DataFrame,
    *,
    typical_scale: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare estimated boxes with annotated ones, one object per image.

    An image's object is the largest one of its label's category or, if there is none, its largest object. The estimate
    is compared with two guesses that ignore the image: `centred`, a centred box of the typical scale and the image's
    aspect, and `whole`, the whole image.

    Parameters
    ----------
    estimated, given : objects tables: image_id, object_id, category, x0, y0, x1, y1 in pixels of the upright image.
    images : columns image_id, label, width, height: the images for which boxes were estimated. Images without a given
        object are left out; images without an estimated box count as not localised.
    typical_scale : scale of the centred box: the median of the training objects; by default that of the given objects.

    Returns
    -------
    The columns of `LOCALISATION`, one row for each criterion and estimator:

    - localisation_accuracy: share of the images whose intersection over union with the given box is 0.5 or more
      (Zhou et al., CVPR 2016, section 3.2; with boxes of the label's class, "GT-known" accuracy); median_iou.
    - cx_bias, cy_bias, log_scale_bias: mean of estimate − truth, in shares of the image's width and height and in
      natural logarithms; …_sd: its standard deviation. These and the following are over images with an estimate.
    - rho_centre_distance, rho_scale: Spearman's ρ of the estimate with the truth; null for a guess that is the same for
      all images.
    - centre_bias, untruncated_centre_bias and truncated_share of the boxes, as in `framing_summary`, also for the
      estimator `given`. For `estimated`, the `gain` is the error, estimated − given.

    For all other criteria, `gain` is the improvement of the estimate over the centred box: the difference of accuracy,
    median_iou, standard deviation, or absolute bias. It is above 0 where the estimate is better. `low` and `high`, and
    those of the gain, are 95% percentile intervals over resampled images, null for one image.
    """
    truth = image_framing(position_and_scale(given, images), images).set_index("image_id")
    framed = image_framing(position_and_scale(estimated, images), images).set_index("image_id").reindex(truth.index)
    if truth.empty:
        return empty_table(LOCALISATION)
    located = framed["cx"].notna().to_numpy()
    scale = float(truth["scale"].median()) if typical_scale is None else float(typical_scale)
    boxes = {
        ESTIMATED: _Boxes.of(framed),
        CENTRED: _Boxes.same(len(truth), scale),
        WHOLE: _Boxes.same(len(truth), 1.0),
        GIVEN: _Boxes.of(truth),
    }
    sides = images.set_index("image_id").loc[truth.index, ["width", "height"]].to_numpy(np.float64).T
    overlaps = {name: boxes[name].overlap(boxes[GIVEN]) for name in (ESTIMATED, CENTRED, WHOLE)}
    statistics = [(overlaps, _overlap_statistics, "overlap")]
    if located.any():
        columns = {name: each.columns(located, TRUNCATION_MARGIN / sides[:, located]) for name, each in boxes.items()}
        statistics.append((columns, _error_statistics, "errors"))
    tables = []
    for data, statistic, purpose in statistics:
        rng = named_generator(seed, f"localisation/{purpose}")
        tables.append(_with_intervals(data, statistic, resamples, rng))
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class _Boxes:
    """One box per image, in shares of its width and height; NaN where there is none."""

    cx: np.ndarray
    cy: np.ndarray
    width: np.ndarray
    height: np.ndarray

    @classmethod
    def of(cls, framing: pd.DataFrame) -> _Boxes:
        names = ("cx", "cy", "width_fraction", "height_fraction")
        return cls(*(framing[name].to_numpy(np.float64) for name in names))

    @classmethod
    def same(cls, n: int, side: float) -> _Boxes:
        return cls(*(np.full(n, value) for value in (0.5, 0.5, side, side)))

    def overlap(self, other: _Boxes) -> np.ndarray:
        """Intersection over union, which is the same in shares of the image as in pixels. 0 where there is no box."""
        shared = 1.0
        for centre, side in (("cx", "width"), ("cy", "height")):
            one, two = (getattr(each, centre) for each in (self, other))
            half_one, half_two = (getattr(each, side) / 2 for each in (self, other))
            inner = np.minimum(one + half_one, two + half_two) - np.maximum(one - half_one, two - half_two)
            shared = shared * np.maximum(inner, 0.0)
        union = self.width * self.height + other.width * other.height - shared
        return np.nan_to_num(shared / union, nan=0.0)

    def columns(self, rows: np.ndarray, margins: np.ndarray) -> np.ndarray:
        """cx, cy, log scale, scale, centre_distance, its null expectation, whether the box stays away from the border,
        and the null expectation given that it does; shape (8, images).
        """
        cx, cy, width, height = (each[rows] for each in (self.cx, self.cy, self.width, self.height))
        scale = np.sqrt(width * height)
        distance = np.hypot(cx - 0.5, cy - 0.5) / CORNER_DISTANCE
        sizes = pd.DataFrame({"width_fraction": width, "height_fraction": height})
        expected, inner = null_centre_distance(*room(sizes)), null_centre_distance(*room(sizes, *margins))
        sides, middles = np.stack([width, height]), np.stack([cx, cy])
        to_border = np.minimum(middles, 1 - middles) - sides / 2
        untruncated = (to_border > margins + ROUNDING).all(axis=0)
        return np.stack([cx, cy, np.log(scale), scale, distance, expected, untruncated, inner])


Statistics = dict[tuple[str, str], np.ndarray]


def _overlap_statistics(overlaps: dict[str, np.ndarray]) -> tuple[Statistics, Statistics]:
    """Values and gains by (criterion, estimator) of overlaps (…, images)."""
    accuracy, median = OVERLAP
    values = {}
    for name, overlap in overlaps.items():
        values[accuracy, name] = (overlap >= LOCALISED_FROM).mean(axis=-1)
        values[median, name] = np.median(overlap, axis=-1)
    gains = {(name, ESTIMATED): values[name, ESTIMATED] - values[name, CENTRED] for name in OVERLAP}
    return values, gains


def _error_statistics(columns: dict[str, np.ndarray]) -> tuple[Statistics, Statistics]:
    """Values and gains by (criterion, estimator) of columns (8, …, images)."""
    values, gains = {}, {}
    truth = columns[GIVEN]
    for name in (ESTIMATED, CENTRED, WHOLE):
        for row, kind in enumerate(("cx", "cy", "log_scale")):
            error = columns[name][row] - truth[row]
            values[f"{kind}_bias", name] = error.mean(axis=-1)
            values[f"{kind}_sd", name] = error.std(axis=-1, ddof=min(1, error.shape[-1] - 1))
    for name in ERRORS:
        gains[name, ESTIMATED] = np.abs(values[name, CENTRED]) - np.abs(values[name, ESTIMATED])
    for name, row in zip(CORRELATIONS, (4, 3), strict=True):
        values[name, ESTIMATED] = _rank_correlation(columns[ESTIMATED][row], truth[row])
    bias, untruncated_bias, truncated_share = CENTRING
    for name in (ESTIMATED, GIVEN):
        distance, expected, untruncated, inner = columns[name][4:]
        values[bias, name] = relative_shortfall(distance.sum(axis=-1), expected.sum(axis=-1))
        values[untruncated_bias, name] = relative_shortfall(
            (distance * untruncated).sum(axis=-1), (inner * untruncated).sum(axis=-1)
        )
        values[truncated_share, name] = 1 - untruncated.mean(axis=-1)
    for name in CENTRING:
        gains[name, ESTIMATED] = values[name, ESTIMATED] - values[name, GIVEN]
    return values, gains


def _rank_correlation(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Spearman's ρ along the last axis; NaN where one side is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(each, axis=-1) for each in (one, two)]
    one, two = (each - each.mean(axis=-1, keepdims=True) for each in ranks)
    norm = np.sqrt((one**2).sum(axis=-1) * (two**2).sum(axis=-1))
    product = (one * two).sum(axis=-1)
    return np.divide(product, norm, out=np.full(np.shape(product), np.nan), where=norm > 0)


def _with_intervals(
    data: dict[str, np.ndarray],
    statistic: Callable[[dict[str, np.ndarray]], tuple[Statistics, Statistics]],
    resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    n = next(iter(data.values())).shape[-1]
    values, gains = statistic(data)
    draws: list[tuple[Statistics, Statistics]] = []
    rows = max(1, CHUNK_ELEMENTS // n)
    for done in range(0, resamples if n > 1 else 0, rows):
        drawn = rng.integers(0, n, (min(rows, resamples - done), n))
        draws.append(statistic({name: each[..., drawn] for name, each in data.items()}))
    table = []
    for key, value in values.items():
        row = {"criterion": key[0], "estimator": key[1], "n_images": n, "value": float(value)}
        if draws:
            row["low"], row["high"] = percentile_interval(np.concatenate([drawn[0][key] for drawn in draws]))
        if key in gains:
            row["gain"] = float(gains[key])
            if draws:
                ends = percentile_interval(np.concatenate([drawn[1][key] for drawn in draws]))
                row["gain_low"], row["gain_high"] = ends
        table.append(row)
    return pd.DataFrame(table, columns=LOCALISATION.names)


class ReferenceLocalisation(NamedTuple):
    """Quality of the estimated boxes on Tiny-ImageNet, for studies whose datasets have no boxes to measure it."""

    dataset: str  # the images on which it was measured
    model: str  # the model used
    command: str  # the command that measured it
    quality: pd.DataFrame  # table LOCALISATION


@lru_cache(maxsize=1)
def reference_localisation() -> ReferenceLocalisation:
    """The figures stored in the package, written by `benchmarks/located_boxes.py`."""
    text = (files("bias_toolkit.objects") / "reference" / "tiny_imagenet.json").read_text(encoding="utf-8")
    record = json.loads(text)
    quality = pd.DataFrame(record["quality"], columns=LOCALISATION.names)
    numbers = ["value", "low", "high", "gain", "gain_low", "gain_high"]
    return ReferenceLocalisation(**record | {"quality": quality.astype(dict.fromkeys(numbers, "float64"))})
