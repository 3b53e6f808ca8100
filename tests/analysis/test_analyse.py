import numpy as np
import pandas as pd
import pytest

from bias_toolkit.analysis import SUMMARY, analyse, partial_spearman, spearman
from bias_toolkit.analysis.schema import CLASSES, CORRELATIONS, CURVES
from bias_toolkit.foundation.files import read_table, write_table

SETTINGS = {"resamples": 100, "permutations": 99, "seed": 2}


@pytest.fixture
def per_image():
    """300 images, on which instability grows with distance, but with centre_distance only through the margin."""
    rng = np.random.default_rng(0)
    n = 300
    margin, distance = rng.normal(size=(2, n))
    changes = np.clip(np.round(2 * (distance - margin) + rng.normal(size=n) + 3), 0, 8) / 8
    return pd.DataFrame(
        {
            "image_id": [f"{i}" for i in range(n)],
            "label": rng.integers(0, 5, n).astype(str),
            "margin": margin,
            "nn_distance": distance,
            "class_nn_distance": np.nan,
            "centre_distance": rng.normal(size=n) - margin,
            "scale": np.where(rng.random(n) < 0.1, np.nan, rng.random(n)),
            "p_top1_change": changes,
            "mac": changes / 3 + 0.01 * rng.random(n),
            "accuracy": 1.0,
        }
    )


@pytest.fixture
def measures(per_image):
    return per_image[["image_id", "p_top1_change", "mac"]].assign(protocol="crop", transform="diagonal", size=1.0)


def test_relations_that_there_are(per_image, measures):
    analysis = analyse(per_image, measures, **SETTINGS)
    table = analysis.correlations.set_index(["distance", "measure", "kind"])
    assert table.loc[("nn_distance", "p_top1_change", "plain"), "low"] > 0.3
    assert table.loc[("nn_distance", "p_top1_change", "partial"), "low"] > 0.3
    assert table.loc[("nn_distance", "mac", "within class"), "low"] > 0.3
    confounded = table.sort_index().loc[("centre_distance", "p_top1_change")]
    assert confounded.loc["plain", "low"] > 0.1
    assert confounded.loc["partial", "low"] < 0 < confounded.loc["partial", "high"]
    curve = analysis.curves.query("distance == 'nn_distance' and measure == 'p_top1_change'")
    assert len(curve) == 10
    assert curve["low"].iloc[-1] > curve["high"].iloc[0]


def test_no_plain_correlation_without_the_partial_one(per_image, measures):
    correlations = analyse(per_image, measures, **SETTINGS).correlations
    # class_nn_distance has no value; the other predictors are not in the table at all.
    assert list(correlations["distance"].unique()) == ["nn_distance", "centre_distance", "scale"]
    kinds = correlations.groupby(["distance", "measure"])["kind"].agg(list)
    assert len(kinds) == 6
    assert all(kind == ["plain", "partial", "within class"] for kind in kinds)


def test_rows_are_what_the_functions_give(per_image, measures):
    analysis = analyse(per_image, measures, bins=4, **SETTINGS)
    plain, partial = analysis.correlations.query("distance == 'scale' and measure == 'mac'").iloc[:2].itertuples()
    x, y = per_image["scale"], per_image["mac"]
    expected = spearman(x, y, **SETTINGS)
    assert (plain.rho, plain.low, plain.high, plain.p_value) == (
        expected.rho,
        expected.low,
        expected.high,
        expected.p_value,
    )
    assert plain.n == partial.n == x.notna().sum()
    assert partial.low == partial_spearman(x, y, per_image["margin"], **SETTINGS).low
    assert analysis.curves.groupby(["distance", "measure"]).size().eq(4).all()


def test_tables_fit_their_schemas_and_repeat(per_image, measures, tmp_path):
    first, again = (analyse(per_image, measures, **SETTINGS) for _ in range(2))
    for name, schema in (
        ("correlations", CORRELATIONS),
        ("curves", CURVES),
        ("summary", SUMMARY),
        ("classes", CLASSES),
    ):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(again, name))
        write_table(getattr(first, name), tmp_path / f"{name}.parquet", schema)
        assert len(read_table(tmp_path / f"{name}.parquet")) == len(getattr(first, name)) > 0


def test_images_without_labels_or_distances(per_image, measures, tmp_path):
    bare = per_image.drop(columns=["nn_distance", "class_nn_distance", "centre_distance", "scale"])
    analysis = analyse(bare.assign(label=None), measures, **SETTINGS)
    assert len(analysis.correlations) == len(analysis.curves) == len(analysis.classes) == 0
    assert len(analysis.summary) == 2
    write_table(analysis.curves, tmp_path / "curves.parquet", CURVES)

    unlabelled = analyse(per_image.assign(label=None), measures, **SETTINGS).correlations
    assert unlabelled.query("kind == 'within class'")["rho"].isna().all()
    assert unlabelled.query("kind != 'within class'")["rho"].notna().all()


def test_few_images(per_image, measures):
    analysis = analyse(per_image.iloc[:6], measures.iloc[:6], **SETTINGS)
    assert analysis.correlations["rho"].isna().all()
    assert set(analysis.correlations.query("kind == 'plain'")["n"]) <= {5, 6}
    assert (analysis.curves.groupby(["distance", "measure"]).size() == 1).all()
