import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.foundation.files import read_table, write_table
from bias_toolkit.invariance import INVARIANCE_MEASURES, MEASURES, RESPONSES, Sweep, make_response, measures_table
from bias_toolkit.invariance.protocols.protocol import Compared

CROP = Sweep("crop", "diagonal", 1.0)
OFFSETS = Sweep("offsets", "random", 1.0, draws=4)
FRAMES = Sweep("frames", "time", 1.0)
SHARES = ["p_top1_change", "mac", "p_top5_exit", "p_range", "accuracy", "confidence", "margin"]


def table_of(*rows):
    """Responses, as a run would write them, of (id, sweep, probabilities, features, label)."""
    return pd.DataFrame(
        [
            {
                "image_id": image_id,
                "protocol": sweep.protocol,
                "transform": sweep.transform,
                "size": sweep.size,
                "fill": None,
                "sampling": None,
                **make_response(np.asarray(probabilities, dtype=np.float32), features, sweep, label),
            }
            for image_id, sweep, probabilities, features, label in rows
        ],
        columns=RESPONSES.names,
    )


def measures_of(probabilities, features=None, label=None, sweep=CROP):
    if features is None:
        features = np.ones((len(probabilities), 2), dtype=np.float32)
    return measures_table(table_of(("a", sweep, probabilities, features, label))).iloc[0]


def sure(classes, n_classes=6):
    """A model that is sure of the given class on each view."""
    return np.eye(n_classes)[classes]


def test_a_constant_model_is_invariant():
    measures = measures_of(np.tile([0.5, 0.25, 0.25], (9, 1)), label=0)
    for name in ("p_top1_change", "mac", "p_top5_exit", "p_range", "feature_drift"):
        assert measures[name] == 0, name
    assert measures["accuracy"] == 1
    assert measures["confidence"] == 0.5
    assert measures["margin"] == 0.25
    assert measures["n_steps"] == 8
    assert pd.isna(measures["consistency"])


def test_a_model_that_follows_parity_changes_at_every_step():
    measures = measures_of(sure([0, 1, 0, 1, 0, 1, 0, 1, 0]), label=0)
    assert measures["p_top1_change"] == 1
    assert measures["mac"] == 1
    assert measures["p_range"] == 1
    assert measures["accuracy"] == np.float32(5 / 9)
    assert measures["margin"] == 1


@pytest.mark.parametrize("step", range(8))
def test_a_model_that_changes_once_changes_at_an_eighth_of_the_steps(step):
    classes = [0] * (step + 1) + [1] * (8 - step)
    measures = measures_of(sure(classes), label=1)
    assert measures["p_top1_change"] == 1 / 8
    assert measures["mac"] == 1 / 8
    assert measures["accuracy"] == np.float32((8 - step) / 9)


def test_the_mean_absolute_change_follows_the_class_that_is_on_top():
    # Top class 0 falls by 0.1 to stay on top, then loses 0.3 to class 1; from there nothing moves.
    probabilities = np.array([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6], *[[0.4, 0.6]] * 6])
    measures = measures_of(probabilities)
    assert measures["mac"] == pytest.approx((0.1 + 0.3) / 8, rel=1e-6)
    # The centre view's class is 1: from 0.2 to 0.6.
    assert measures["p_range"] == pytest.approx(0.4, rel=1e-6)


def test_the_range_is_of_the_centre_views_class():
    probabilities = np.tile([0.6, 0.3, 0.1], (9, 1))
    probabilities[4] = [0.1, 0.2, 0.7]
    assert measures_of(probabilities)["p_range"] == pytest.approx(0.6, rel=1e-6)


def test_exits_from_the_top_five_are_counted():
    here = np.array([0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0])
    there = np.array([0.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.0])
    measures = measures_of([here, there, here, here, here, here, here, here, there])
    assert measures["p_top5_exit"] == 2 / 8


def test_feature_drift_is_the_mean_step():
    angles = np.array([0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 1.0])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    measures = measures_of(np.tile([0.5, 0.5], (9, 1)), features)
    assert measures["feature_drift"] == pytest.approx((2 - np.cos(0.2) - np.cos(0.8)) / 8, rel=1e-5)


def test_consistency_is_the_share_of_agreeing_pairs():
    measures = measures_of(sure([0, 0, 1, 2, 3, 3, 4, 4]), label=3, sweep=OFFSETS)
    assert measures["consistency"] == 3 / 4
    assert measures["accuracy"] == 2 / 8
    others = set(MEASURES.names) - {"image_id", "protocol", "transform", "size", "consistency", "accuracy"}
    assert measures[sorted(others)].isna().all()


def test_accuracy_is_not_fooled_by_ties():
    """Where classes tie, the label may have the top probability without being the top class."""
    measures = measures_of(np.full((9, 4), 0.25), label=2)
    assert measures["accuracy"] == 0


@pytest.mark.parametrize(
    ("classes", "change", "always_right"),
    [([1] * 9, 0, 1), ([1] * 8 + [2], 1, 0), ([2] + [1] * 8, 1, 0), ([2] * 9, 0, 0), ([1, 2] * 4 + [1], 1, 0)],
)
def test_the_worst_case_is_that_of_all_views(classes, change, always_right):
    found = measures_of(sure(classes), label=1)
    assert (found["any_change"], found["worst_accuracy"]) == (change, always_right)


def test_rows_keep_their_order_whatever_their_sweep_and_label():
    generator = np.random.default_rng(0)
    sweeps = [OFFSETS, CROP, Sweep("offsets", "random", 1.0, draws=2), CROP, Sweep("embed", "scale", 2.0)]
    rows = [
        (
            f"image {number}",
            sweep,
            generator.dirichlet(np.ones(7), size=sweep.n_views),
            generator.random((sweep.n_views, 3)),
            [None, 3, 0, None, 5][number],
        )
        for number, sweep in enumerate(sweeps)
    ]
    together = measures_table(table_of(*rows).set_index(pd.Index([9, 9, 1, 0, 4])))
    alone = pd.concat([measures_table(table_of(row)) for row in rows], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, check_dtype=False)
    assert together["accuracy"].isna().tolist() == [True, False, False, True, False]
    assert together["n_steps"].isna().tolist() == [True, False, True, False, False]


def test_measures_are_the_same_from_memory_and_from_parquet(tmp_path):
    generator = np.random.default_rng(1)
    responses = table_of(
        ("a", CROP, generator.dirichlet(np.ones(7), size=9), generator.random((9, 3)), 2),
        ("b", OFFSETS, generator.dirichlet(np.ones(7), size=8), generator.random((8, 3)), None),
    )
    write_table(responses, tmp_path / "responses.parquet", RESPONSES)
    measures = measures_table(read_table(tmp_path / "responses.parquet"))
    pd.testing.assert_frame_equal(measures, measures_table(responses))
    write_table(measures, tmp_path / "measures.parquet", MEASURES)
    pd.testing.assert_frame_equal(read_table(tmp_path / "measures.parquet"), measures)


def test_no_responses_give_no_measures():
    measures = measures_table(RESPONSES.empty_table().to_pandas())
    assert list(measures.columns) == MEASURES.names
    assert len(measures) == 0


@st.composite
def sweeps_of_outputs(draw):
    """Probabilities (9, C), with ties now and then, features that are not negative, and a label."""
    n_classes = draw(st.integers(2, 12))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    concentration = draw(st.sampled_from([0.05, 0.5, 5.0]))
    probabilities = generator.dirichlet(np.full(n_classes, concentration), size=9)
    if draw(st.booleans()):
        probabilities = np.round(probabilities, 1)
    features = np.maximum(generator.normal(size=(9, 4)), 0)
    return probabilities.astype(np.float32), features.astype(np.float32), draw(st.integers(0, n_classes - 1))


@settings(deadline=None, max_examples=15)
@given(sweeps_of_outputs())
def test_every_share_lies_between_zero_and_one(outputs):
    measures = measures_of(*outputs)
    for name in [*SHARES, "feature_drift"]:
        assert 0 <= measures[name] <= 1 + 1e-6, name
    assert measures["p_top5_exit"] <= measures["p_top1_change"]
    assert measures["margin"] <= measures["confidence"]


@settings(deadline=None, max_examples=15)
@given(sweeps_of_outputs())
def test_the_range_is_at_least_any_views_distance_from_the_centre(outputs):
    probabilities, _, _ = outputs
    reference = probabilities[4].argmax()
    distances = np.abs(probabilities[:, reference] - probabilities[4, reference])
    assert measures_of(*outputs)["p_range"] >= distances.max()


@settings(deadline=None, max_examples=15)
@given(sweeps_of_outputs(), st.integers(0, 2**32))
def test_other_names_for_the_classes_change_nothing(outputs, seed):
    probabilities, features, label = outputs
    # With every probability its own, so that no tie is settled by the order of the classes.
    probabilities = probabilities + np.arange(probabilities.size).reshape(probabilities.shape) * 1e-5
    order = np.random.default_rng(seed).permutation(probabilities.shape[1])
    renamed = measures_of(probabilities[:, order], features, int(np.argsort(order)[label]))
    pd.testing.assert_series_equal(measures_of(probabilities, features, label), renamed)


@settings(deadline=None, max_examples=15)
@given(sweeps_of_outputs())
def test_going_back_along_the_sweep_changes_no_symmetric_measure(outputs):
    probabilities, features, label = outputs
    there = measures_of(probabilities, features, label)
    back = measures_of(probabilities[::-1], features[::-1], label)
    for name in ("p_top1_change", "p_range", "accuracy", "confidence", "margin"):
        assert there[name] == back[name], name
    assert there["feature_drift"] == pytest.approx(back["feature_drift"], rel=1e-6)


def test_the_table_follows_from_the_list_of_measures():
    names = [measure.name for measure in INVARIANCE_MEASURES]
    assert MEASURES.names[6:] == [*names, "n_steps"]
    assert len(set(names)) == len(names)
    for measure in INVARIANCE_MEASURES:
        assert MEASURES.field(measure.name).type == measure.type
        assert set(measure.columns) <= set(RESPONSES.names)


def test_a_sweep_has_the_measures_of_its_kind():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(6), 9)
    steps = measures_of(probabilities, label=1)
    pairs = measures_of(probabilities[:8], label=1, sweep=OFFSETS)
    frames = measures_of(np.random.default_rng(0).dirichlet(np.ones(6), 21), label=1, sweep=FRAMES)
    for measure in INVARIANCE_MEASURES:
        assert pd.notna(steps[measure.name]) == (Compared.STEPS in measure.of), measure.name
        assert pd.notna(pairs[measure.name]) == (Compared.PAIRS in measure.of), measure.name
        assert pd.notna(frames[measure.name]) == (Compared.FRAMES in measure.of), measure.name
        for value in (steps[measure.name], pairs[measure.name], frames[measure.name]):
            assert pd.isna(value) or 0 <= value <= measure.highest
    unlabelled = measures_of(probabilities)
    null = [each for each in INVARIANCE_MEASURES if Compared.STEPS in each.of and pd.isna(unlabelled[each.name])]
    assert null == [each for each in INVARIANCE_MEASURES if each.needs_label]


def test_counts_of_views_steps_and_pairs_are_shares_and_other_measures_are_not():
    shares = {measure.name: measure.share for measure in INVARIANCE_MEASURES}
    counted = {"p_top1_change", "p_top5_exit", "consistency", "accuracy", "any_change", "worst_accuracy"}
    assert shares == {name: name in counted for name in shares}


def test_the_maximum_of_each_measure():
    """1 − cosine reaches 2; all others are shares, probabilities or their differences."""
    assert {each.name: each.highest for each in INVARIANCE_MEASURES if each.highest != 1} == {"feature_drift": 2}
