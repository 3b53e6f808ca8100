"""How often the intervals of a dataset's framing hold the truth: `python benchmarks/coverage_framing.py`, minutes.

Datasets are drawn from laws whose values are known from a large sample: images with one to three objects of like place
and scale, so that objects of one image are no independent draws. Printed are, as Markdown, the share of 95% intervals
that hold the truth, the share of p-values up to 0.05 where nothing differs, the false discovery rate over classes, and
the share of differences found.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from bias_toolkit.objects import (
    FALSE_DISCOVERY_RATE,
    FRAMING_SUMMARY,
    FramingComparison,
    compare_framing,
    framing_summary,
    position_and_scale,
    q_values,
    rank_categories,
)
from bias_toolkit.objects.box_overlap import class_box_overlap

DRAWS = 400
SIZES = (60, 300)
SIDE = 200
RESAMPLES, PLACEMENTS, PERMUTATIONS = 600, 199, 199
LARGE = 100_000
TARGET = (0.93, 0.97)


@dataclass(frozen=True)
class Law:
    """How objects are framed: `centred` is the share of them that are put near where the frame's centre is."""

    centred: float = 0.6
    scale: float = 0.35
    scale_spread: float = 0.35
    to_the_right: float = 0.0

    def draw(self, rng: np.random.Generator, n_images: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """FRAMING and images tables."""
        per_image = rng.integers(1, 4, n_images)
        image = np.repeat(np.arange(n_images), per_image)
        n = len(image)
        # Half of the variance of place and scale is of the image, half of the object.
        own, shared = rng.normal(size=n), rng.normal(size=n_images)[image]
        scale = np.clip(self.scale * np.exp(self.scale_spread * (own + shared) / np.sqrt(2)), 0.03, 0.95)
        aspect = np.exp(0.25 * rng.normal(size=n))
        size = np.clip(scale[:, None] * np.column_stack([np.sqrt(aspect), 1 / np.sqrt(aspect)]), 0.02, 0.98)
        near = rng.random(n_images)[image] < self.centred
        place = rng.random((n, 2))
        place = np.where(near[:, None], 0.5 + (place - 0.5) / 3, place)
        place[:, 0] = np.clip(place[:, 0] + self.to_the_right, 0, 1)
        low = place * (1 - size) * SIDE
        objects = pd.DataFrame(np.column_stack([low, low + size * SIDE]), columns=["x0", "y0", "x1", "y1"])
        objects = objects.assign(image_id=[f"{i}" for i in image], category="thing")
        objects["object_id"] = objects.groupby("image_id").cumcount()
        images = pd.DataFrame({"image_id": [f"{i}" for i in range(n_images)], "width": SIDE, "height": SIDE})
        return position_and_scale(objects, images), images

    def compare(self, other: Law, rng: np.random.Generator, n_images: int) -> FramingComparison:
        """A comparison of a dataset of this law with one of another."""
        (first, first_images), (second, second_images) = (law.draw(rng, n_images) for law in (self, other))
        return compare_framing(
            first,
            second,
            first_images,
            second_images,
            resamples=RESAMPLES,
            permutations=PERMUTATIONS,
            seed=int(rng.integers(2**31)),
        )


PHOTOGRAPHER, ANYWHERE = Law(), Law(centred=0.0)
OTHERS = {
    "another scale": Law(scale=0.5),
    "less centred": Law(centred=0.2, scale_spread=0.5),
    "farther right": Law(to_the_right=0.1),
    "nearly alike": Law(scale=0.37, to_the_right=0.02),
}


def coverage_of_summary(draws: int) -> pd.DataFrame:
    """Of every estimate of FRAMING_SUMMARY that has an interval."""
    rows = []
    columns = [name.removesuffix("_low") for name in FRAMING_SUMMARY.names if name.endswith("_low")]
    for name, law in (("photographer", PHOTOGRAPHER), ("anywhere", ANYWHERE)):
        truth = _summary(law, np.random.default_rng(99), LARGE) | {"class_box_overlap": _true_overlap(law)}
        for n in SIZES:
            rng = np.random.default_rng([1, n])
            found = pd.DataFrame([_summary(law, rng, n) for _ in range(draws)])
            for column in columns:
                held = found[f"{column}_low"].le(truth[column]) & found[f"{column}_high"].ge(truth[column])
                rows.append({"law": name, "images": n, "estimate": column, "coverage": held.mean()})
    return pd.DataFrame(rows)


def _true_overlap(law: Law) -> float:
    """The mean over samples, because the overlap of many objects is that of a sample of them."""
    rng = np.random.default_rng(97)
    return float(np.mean([class_box_overlap(law.draw(rng, max(SIZES))[0])[""].value for _ in range(60)]))


def _summary(law: Law, rng: np.random.Generator, n: int) -> dict:
    framing, images = law.draw(rng, n)
    resamples = 2 if n == LARGE else RESAMPLES
    placements = 2 if n == LARGE else PLACEMENTS
    seed = int(rng.integers(2**31))
    summary = framing_summary(framing, images, by_class=False, resamples=resamples, placements=placements, seed=seed)
    return summary.iloc[0].to_dict()


def coverage_of_comparison(draws: int) -> pd.DataFrame:
    """Of differences, Wasserstein distances and the classifier's AUC, and how often a difference is found."""
    rows = []
    for name, other in OTHERS.items():
        truth = _true_differences(PHOTOGRAPHER, other)
        for n in SIZES:
            rng = np.random.default_rng([2, n])
            found = [PHOTOGRAPHER.compare(other, rng, n) for _ in range(draws)]
            tests = pd.DataFrame([comparison.test for comparison in found])
            # What these classifiers reach on new images is, on average, what they reach on held-out ones.
            auc = tests["auc"].mean()
            held = tests["auc_low"].le(auc) & tests["auc_high"].ge(auc)
            case = {"second": name, "images": n}
            rows.append(case | _case("auc", auc, held, tests["p_value"]))
            every = pd.concat([comparison.variables for comparison in found])
            for variable, members in every.groupby("variable", sort=False):
                for column in ("difference", "wasserstein"):
                    true = truth.loc[variable, column]
                    if members[column].isna().all():
                        continue
                    held = members[f"{column}_low"].le(true + 1e-9) & members[f"{column}_high"].ge(true - 1e-9)
                    rows.append(case | _case(f"{column} of {variable}", true, held, members["p_value"]))
    return pd.DataFrame(rows)


def _case(estimate: str, truth: float, held: pd.Series, p_values: pd.Series) -> dict:
    return {"estimate": estimate, "truth": truth, "coverage": held.mean(), "found": p_values.le(0.05).mean()}


def _true_differences(first: Law, second: Law) -> pd.DataFrame:
    from bias_toolkit.objects.framing_variables import VARIABLES, FramedObjects

    tables = [law.draw(np.random.default_rng(98 + number), LARGE) for number, law in enumerate((first, second))]
    one, other = (FramedObjects.of(framing) for framing, _ in tables)
    rows = {}
    for variable in VARIABLES:
        values = [each.column(variable)[0] for each in (one, other)]
        # The laws differ in neither; a large sample would differ by its own chance.
        same = variable in ("log_aspect", "objects_per_image", "cy")
        statistic = np.median if variable in ("log_scale", "log_aspect") else np.mean
        rows[variable] = {
            "difference": 0.0 if same else statistic(values[1]) - statistic(values[0]),
            "wasserstein": 0.0 if same and variable != "cy" else stats.wasserstein_distance(*values),
        }
    biases = [framing_summary(*table, by_class=False, resamples=2, placements=2).iloc[0] for table in tables]
    for name in ("centre_bias", "untruncated_centre_bias"):
        rows[name] = {"difference": biases[1][name] - biases[0][name], "wasserstein": np.nan}
    return pd.DataFrame(rows).T


def null_p_values(draws: int) -> pd.DataFrame:
    """Of two datasets of one law, and of centre_bias where boxes are placed by chance."""
    p_values: dict[tuple[int, str], list[float]] = {}
    for n in SIZES:
        rng = np.random.default_rng([3, n])
        for _ in range(draws):
            comparison = PHOTOGRAPHER.compare(PHOTOGRAPHER, rng, n)
            p_values.setdefault((n, "classifier"), []).append(comparison.test.p_value)
            for row in comparison.variables.itertuples():
                p_values.setdefault((n, f"difference of {row.variable}"), []).append(row.p_value)
            summary = _summary(ANYWHERE, rng, n)
            for name in ("p_value", "untruncated_p_value"):
                p_values.setdefault((n, f"{name} of centring"), []).append(summary[name])
    return pd.DataFrame(
        [
            {
                "images": n,
                "test": name,
                "p ≤ 0.05": values.le(0.05).mean(),
                "mean p": values.mean(),
                "KS test against uniform": stats.kstest(values, "uniform").pvalue,
            }
            for (n, name), values in ((case, pd.Series(every).dropna()) for case, every in p_values.items())
        ]
    )


def false_discoveries(draws: int, classes: int = 20, n_images: int = 30) -> pd.DataFrame:
    """Of classes of which half are centred and half are not: the mean share of false alarms among those found."""
    rng = np.random.default_rng(4)
    shares, power = [], []
    for _ in range(draws):
        p = np.array([_summary(PHOTOGRAPHER if i % 2 else ANYWHERE, rng, n_images)["p_value"] for i in range(classes)])
        found = q_values(p) <= FALSE_DISCOVERY_RATE
        shares.append(found[::2].sum() / max(found.sum(), 1))
        power.append(found[1::2].mean())
    return pd.DataFrame([{"classes": classes, "false discoveries": np.mean(shares), "found": np.mean(power)}])


def coverage_of_ranking(draws: int, classes: int = 30) -> pd.DataFrame:
    """Of shrunken estimates and ranks, where the true values scatter by so much and the estimates by 0.02 to 0.2."""
    rows = []
    for scatter in (0.05, 0.15):
        rng = np.random.default_rng([5, int(100 * scatter)])
        held, ranks, closer = [], [], []
        for _ in range(draws):
            truth = 0.3 + scatter * rng.normal(size=classes)
            error = rng.uniform(0.02, 0.2, classes)
            value = truth + error * rng.normal(size=classes)
            half = 1.96 * error
            summary = pd.DataFrame(
                {
                    "category": [f"{i:02d}" for i in range(classes)],
                    "n_images": 10_000,
                    "n_objects": 10_000,
                    "centre_bias": value,
                    "centre_bias_low": value - half,
                    "centre_bias_high": value + half,
                }
            )
            ranking = rank_categories(summary).set_index("category").sort_index()
            held.append(ranking["shrunken_low"].le(truth) & ranking["shrunken_high"].ge(truth))
            rank = stats.rankdata(-truth)
            ranks.append(ranking["rank_low"].le(rank) & ranking["rank_high"].ge(rank))
            closer.append(((ranking["shrunken"] - truth) ** 2).mean() < ((ranking["value"] - truth) ** 2).mean())
        rows.append(
            {
                "scatter of the truth": scatter,
                "shrunken": np.mean(held),
                "rank": np.mean(ranks),
                "shrunken nearer than plain": np.mean(closer),
            }
        )
    return pd.DataFrame(rows)


def main(draws: int = DRAWS) -> None:
    """Print the tables as Markdown."""
    print(f"{draws} draws of each case; 95% intervals should hold the truth in {TARGET[0]:.0%} to {TARGET[1]:.0%}.")
    for title, table in (
        ("Intervals of one dataset", coverage_of_summary),
        ("Intervals of ranks and shrunken estimates", coverage_of_ranking),
        ("Where nothing differs", null_p_values),
        ("False discovery rate", false_discoveries),
        ("Two datasets", coverage_of_comparison),
    ):
        print(f"\n{title}\n", flush=True)
        _print(table(draws))


def _print(table: pd.DataFrame) -> None:
    print(f"| {' | '.join(table.columns)} |")
    print(f"|{' --- |' * len(table.columns)}")
    for row in table.to_dict("records"):
        cells = (f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values())
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
