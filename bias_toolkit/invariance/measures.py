"""The invariance measures: each formula once, and the table of all of them.

Every function takes columns of responses (see `bias_toolkit.invariance.response.make_response`) as arrays whose
last axis runs over an image's views or steps, and reduces that axis; axes before it run over images.

p_k is the softmax output on view k = 0, …, n, y_k its top-1 class, r the centre view's top-1 class.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.invariance.protocols import STEP_PROTOCOLS
from bias_toolkit.invariance.schema import MEASURES
from bias_toolkit.invariance.transforms import CENTRE


def p_top1_change(top1: np.ndarray) -> np.ndarray:
    """(1/n) Σ_k 1[y_k ≠ y_{k+1}]: how often one step changes the top-1 class (A, Table 1).

    Parameters
    ----------
    top1 : int, shape (…, n + 1)
    """
    return (top1[..., :-1] != top1[..., 1:]).mean(axis=-1)


def mac(p_top1: np.ndarray, p_top1_next: np.ndarray) -> np.ndarray:
    """(1/n) Σ_k |p_k[y_k] − p_{k+1}[y_k]|: mean absolute change of the top class's probability (A, Table 1).

    Parameters
    ----------
    p_top1 : float, shape (…, n + 1)
    p_top1_next : float, shape (…, n)
        p_{k+1}[y_k].
    """
    return np.abs(p_top1[..., :-1] - p_top1_next).mean(axis=-1, dtype=float)


def p_top5_exit(top5_exit: np.ndarray) -> np.ndarray:
    """(1/n) Σ_k 1[y_k not among the five most probable of p_{k+1}]: how often a step throws it out (after A).

    Parameters
    ----------
    top5_exit : bool, shape (…, n)
    """
    return top5_exit.mean(axis=-1)


def p_range(p_reference: np.ndarray) -> np.ndarray:
    """max_k p_k[r] − min_k p_k[r]: over how much the reference class's probability ranges (after A, Fig. 1).

    Parameters
    ----------
    p_reference : float, shape (…, n + 1)
        p_k[r].
    """
    return p_reference.max(axis=-1) - p_reference.min(axis=-1)


def feature_drift(feature_step: np.ndarray) -> np.ndarray:
    """(1/n) Σ_k (1 − cos(φ_k, φ_{k+1})): how far one step turns the feature φ.

    Parameters
    ----------
    feature_step : float, shape (…, n)
        1 − cos(φ_k, φ_{k+1}).
    """
    return feature_step.mean(axis=-1, dtype=float)


def consistency(top1: np.ndarray) -> np.ndarray:
    """The share of pairs of offset views that agree in their top-1 class (Z, classification consistency).

    Parameters
    ----------
    top1 : int, shape (…, 2 · draws)
        Views 2d and 2d + 1 are pair d.
    """
    return (top1[..., 0::2] == top1[..., 1::2]).mean(axis=-1)


def accuracy(top1: np.ndarray, label_index: np.ndarray) -> np.ndarray:
    """(1/(n+1)) Σ_k 1[y_k = label]: the share of views on which the model is right (A).

    Parameters
    ----------
    top1 : int, shape (…, V)
    label_index : int, shape (…)
    """
    return (top1 == np.asarray(label_index)[..., None]).mean(axis=-1)


def confidence(p_top1: np.ndarray) -> np.ndarray:
    """p[r] at the centre view.

    Parameters
    ----------
    p_top1 : float, shape (…, n + 1)
    """
    return p_top1[..., CENTRE]


def margin(p_top1: np.ndarray, p_second: np.ndarray) -> np.ndarray:
    """p[r] minus the second largest probability, at the centre view.

    Parameters
    ----------
    p_top1, p_second : float, shape (…, n + 1)
    """
    return p_top1[..., CENTRE] - p_second[..., CENTRE]


def measures_table(responses: pd.DataFrame) -> pd.DataFrame:
    """Every measure of every row of responses, in the same order.

    Offsets have no steps and no centre view: of the measures they have consistency and accuracy only. The
    other protocols have all but consistency. Accuracy is null without a label.

    Parameters
    ----------
    responses : DataFrame
        With the columns of `bias_toolkit.invariance.schema.RESPONSES`.

    Returns
    -------
    DataFrame
        With the columns of `bias_toolkit.invariance.schema.MEASURES`, and of the types that reading them from
        Parquet would give.
    """
    responses = responses.reset_index(drop=True)
    table = responses.reindex(columns=MEASURES.names)
    is_pairs = ~responses["protocol"].isin(STEP_PROTOCOLS)
    for rows, measure in ((responses[~is_pairs], _of_steps), (responses[is_pairs], _of_pairs)):
        # Rows with the same number of views make one array.
        for _, group in rows.groupby(rows["top1"].map(len)):
            for name, values in measure(group).items():
                table.loc[group.index, name] = values
    return pa.Table.from_pandas(table, schema=MEASURES, preserve_index=False).to_pandas()


def _of_steps(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    top1, p_top1, p_second = (np.stack(rows[name]) for name in ("top1", "p_top1", "p_second"))
    return {
        "p_top1_change": p_top1_change(top1),
        "mac": mac(p_top1, np.stack(rows["p_top1_next"])),
        "p_top5_exit": p_top5_exit(np.stack(rows["top5_exit"])),
        "p_range": p_range(np.stack(rows["p_reference"])),
        "feature_drift": feature_drift(np.stack(rows["feature_step"])),
        "accuracy": _accuracy_of_labelled(rows, top1),
        "confidence": confidence(p_top1),
        "margin": margin(p_top1, p_second),
        "n_steps": np.full(len(rows), top1.shape[1] - 1),
    }


def _of_pairs(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    top1 = np.stack(rows["top1"])
    return {"consistency": consistency(top1), "accuracy": _accuracy_of_labelled(rows, top1)}


def _accuracy_of_labelled(rows: pd.DataFrame, top1: np.ndarray) -> np.ndarray:
    labels = rows["label_index"].to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isnan(labels), np.nan, accuracy(top1, labels))
