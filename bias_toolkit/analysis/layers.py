"""The measures of a network's operations over images: means, differences between conditions, and correlations."""

from typing import NamedTuple

import pandas as pd

from bias_toolkit.analysis.correlation import Correlation, rank_correlations
from bias_toolkit.analysis.schema import LAYER_CONTRASTS, LAYER_CORRELATIONS, LAYER_SUMMARY
from bias_toolkit.foundation.false_discovery import with_family_intervals
from bias_toolkit.foundation.intervals import SHARE, mean_interval
from bias_toolkit.foundation.words import count, percent
from bias_toolkit.invariance import AS_IT_IS, HEADLINE, LAYER_MEASURES

OPERATION = ["depth", "operation", "kind", "stride", "total_stride"]
LIMITS = {measure.name: measure.limits for measure in LAYER_MEASURES} | {HEADLINE: SHARE}


class LayerAnalysis(NamedTuple):
    """The three tables of `analyse_layers`."""

    summary: pd.DataFrame
    contrasts: pd.DataFrame
    correlations: pd.DataFrame


class MostMoved(NamedTuple):
    """The operation that moves most on one image, compared with other images."""

    operation: str
    pooled_change: float
    share: float  # of the other images, on which its pooled change is smaller
    n: int  # other images

    @property
    def text(self) -> str:
        """One sentence."""
        return (
            f"Of the layers that subsample, “{self.operation}” moves most on this image, compared with others: its "
            f"pooled change is larger than on {percent(self.share)} of {count(self.n, 'other image')}."
        )


def most_moved(layers: pd.DataFrame, image_id: str) -> MostMoved | None:
    """The operation whose pooled change, as the network is, ranks highest among the images; None without the image.

    `layers` is table LAYERS. Of equal ranks, the operation counts that is the first in the forward pass.
    """
    values = _by_image(layers, "pooled_change")[AS_IT_IS.name]
    if image_id not in values.index or len(values) < 2:
        return None
    own, others = values.loc[image_id], values.drop(index=image_id)
    shares = (others < own).sum() / others.notna().sum()
    if shares.isna().all():
        return None
    depth = shares.idxmax()
    name = layers.loc[layers["depth"].eq(depth), "operation"].iloc[0]
    return MostMoved(name, float(own[depth]), float(shares[depth]), int(others[depth].notna().sum()))


def analyse_layers(
    layers: pd.DataFrame, *, resamples: int = 2000, permutations: int = 2000, seed: int = 0
) -> LayerAnalysis:
    """Means of each measure over images, paired differences to the network as it is, and what goes with instability.

    - `summary`, table LAYER_SUMMARY: the mean in each condition, with its 95% interval over images (`mean_interval`).
    - `contrasts`, table LAYER_CONTRASTS: the mean, over images, of the difference from the network as it is.
    - `correlations`, table LAYER_CORRELATIONS: Spearman's ρ with P(top-1 change) over images, as the network is.

    P(top-1 change) itself is in the first two, without an operation. The intervals of contrasts and of correlations are
    those of a family each (`family_intervals`). `layers` is table LAYERS.
    """
    values = {name: _by_image(layers, name) for name in LIMITS}
    operations = layers.drop_duplicates("depth").set_index("depth", drop=False).sort_index()[OPERATION]
    summary, contrasts = [], []
    for name, of_images in values.items():
        for condition, depth in of_images.columns:
            about = _about(operations, depth) | {"condition": condition, "measure": name}
            column = of_images[condition, depth]
            mean = mean_interval(column, resamples, seed, limits=LIMITS[name])
            summary.append(about | mean._asdict())
            if condition != AS_IT_IS.name and (AS_IT_IS.name, depth) in of_images:
                width = LIMITS[name][1]
                difference = column - of_images[AS_IT_IS.name, depth]
                contrasts.append(about | mean_interval(difference, resamples, seed, limits=(-width, width))._asdict())
    table = pd.DataFrame(contrasts, columns=LAYER_CONTRASTS.names)
    contrasts = with_family_intervals(table, "value", low="low", high="high", images="n")
    correlations = _correlations(values, operations, resamples, permutations, seed)
    return LayerAnalysis(pd.DataFrame(summary, columns=LAYER_SUMMARY.names), contrasts, correlations)


def _by_image(layers: pd.DataFrame, measure: str) -> pd.DataFrame:
    """A measure with a row for each image, and a column for each (condition, depth); depth is 0 for the whole model."""
    if measure == HEADLINE:
        layers = layers.drop_duplicates(["image_id", "condition"]).assign(depth=0)
    wide = layers.pivot(index="image_id", columns=["condition", "depth"], values=measure)
    order = [
        (condition, depth) for condition in layers["condition"].unique() for depth in sorted(layers["depth"].unique())
    ]
    return wide.reindex(columns=[each for each in order if each in wide])


def _about(operations: pd.DataFrame, depth: int) -> dict[str, object]:
    return operations.loc[depth].to_dict() if depth in operations.index else dict.fromkeys(OPERATION)


def _correlations(
    values: dict[str, pd.DataFrame], operations: pd.DataFrame, resamples: int, permutations: int, seed: int
) -> pd.DataFrame:
    settings = {"resamples": resamples, "permutations": permutations, "seed": seed}
    change = values[HEADLINE][AS_IT_IS.name, 0].rename(HEADLINE).to_frame()
    columns = {
        (depth, measure.name): values[measure.name][AS_IT_IS.name, depth]
        for depth in operations.index
        for measure in LAYER_MEASURES
    }
    xs = pd.DataFrame({f"{depth} {name}": column for (depth, name), column in columns.items()})
    # Images without a value of one column are left out for all columns of a call.
    whole = [name for name in xs if xs[name].notna().all()]
    found: dict[tuple[str, str], Correlation] = rank_correlations(xs[whole], change, **settings) if whole else {}
    for name in xs:
        if name not in whole:
            found |= rank_correlations(xs[[name]], change, **settings)
    rows = []
    for depth, name in columns:
        of = found[f"{depth} {name}", HEADLINE]
        about = _about(operations, depth) | {"measure": name}
        rows.append(about | {"rho": of.rho, "low": of.low, "high": of.high, "p_value": of.p_value, "n": of.n})
    table = pd.DataFrame(rows, columns=LAYER_CORRELATIONS.names)
    return with_family_intervals(table, "rho", low="low", high="high", images="n", limits=(-1.0, 1.0))
