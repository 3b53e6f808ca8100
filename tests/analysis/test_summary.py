import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from bias_toolkit.analysis import SUMMARY, mean_interval, measure_summary, median_interval
from bias_toolkit.analysis.schema import CLASSES
from bias_toolkit.analysis.summary import class_summary
from bias_toolkit.foundation.files import read_table, write_table
from bias_toolkit.foundation.intervals import SHARE, UNLIMITED


def test_a_row_for_each_sweep_and_measure_that_it_defines(tmp_path):
    measures = pd.DataFrame(
        {
            "image_id": ["a", "b", "a", "b"],
            "protocol": ["embed", "embed", "crop", "crop"],
            "transform": "diagonal",
            "size": [2.0, 2.0, 1.0, 1.0],
            "p_top1_change": [0.0, 0.5, 0.25, 0.75],
            "accuracy": [1.0, 0.0, None, None],
            "n_steps": 8,
        }
    )
    summary = measure_summary(measures, resamples=100)
    assert list(zip(summary["protocol"], summary["measure"], summary["value"], strict=True)) == [
        ("embed", "p_top1_change", 0.25),
        ("embed", "accuracy", 0.5),
        ("crop", "p_top1_change", 0.5),
    ]
    assert summary[["low", "high"]].isna().all(axis=None)
    write_table(summary, tmp_path / "summary.parquet", SUMMARY)
    assert list(read_table(tmp_path / "summary.parquet")["size"]) == [2, 2, 1]


def test_a_share_of_images_has_the_exact_interval_of_clopper_and_pearson():
    changed = np.repeat([1.0, 0.0], [30, 70])
    table = pd.DataFrame({"protocol": "crop", "transform": "diagonal", "size": 1.0, "any_change": changed})
    (row,) = measure_summary(table, resamples=100).to_dict("records")
    assert (row["value"], row["n"]) == (0.3, 100)
    assert (row["low"], row["high"]) == pytest.approx((beta.ppf(0.025, 30, 71), beta.ppf(0.975, 31, 70)))


def test_classes(tmp_path):
    per_image = pd.DataFrame(
        {
            "label": ["b", "a", "b", None, "b"],
            "accuracy": [1.0, 0.0, 0.5, 1.0, 0.0],
            "p_top1_change": [0.1, 0.2, 0.3, 0.9, 0.5],
            "mac": [0.1, 0.2, 0.3, 0.9, 0.2],
            "nn_distance": [1.0, 2.0, np.nan, 4.0, 2.0],
            "scale": [0.1, 0.2, 0.3, 0.4, 0.9],
        }
    )
    # Four times as many images of “b”, so that there are enough for intervals; of “a” there are not.
    of_b = per_image[per_image["label"].eq("b")]
    per_image = pd.concat([per_image, of_b, of_b, of_b], ignore_index=True)
    classes = class_summary(per_image, resamples=100)
    assert list(classes["label"]) == ["a", "b"]
    b = classes.iloc[1]
    assert b["n"] == 12
    assert b[["accuracy", "p_top1_change", "mac", "nn_distance", "scale"]].tolist() == pytest.approx(
        [0.5, 0.3, 0.2, 1.5, 0.3]
    )
    for name in ("accuracy", "p_top1_change", "mac", "nn_distance"):
        of_class = per_image.loc[per_image["label"].eq("b"), name]
        interval = mean_interval(of_class, 100, limits=UNLIMITED if name == "nn_distance" else SHARE)
        assert (b[f"{name}_low"], b[f"{name}_high"]) == (interval.low, interval.high)
    interval = median_interval([0.1, 0.3, 0.9] * 4, 100)
    assert (b["scale_low"], b["scale_high"]) == (interval.low, interval.high) == (0.1, 0.9)
    assert classes["centre_distance"].isna().all()
    assert np.isnan(classes.iloc[0]["p_top1_change_low"])
    write_table(classes, tmp_path / "classes.parquet", CLASSES)


def test_no_labels():
    per_image = pd.DataFrame({"label": [None, None], "p_top1_change": [0.0, 1.0]})
    assert list(class_summary(per_image).columns) == CLASSES.names
    assert len(class_summary(per_image)) == 0
