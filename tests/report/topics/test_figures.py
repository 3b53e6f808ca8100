"""What is drawn is what the tables say."""

import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.text import Text

from bias_toolkit.analysis import mean_interval, partial_spearman, quantile_curve, spearman
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.objects import Maps
from bias_toolkit.report import PLOTS, plot
from bias_toolkit.report.page.style import BLUE, VERMILLION, in_percent, new_figure
from bias_toolkit.report.relations.figures import (
    curve_given_margin,
    distance_vs_invariance,
    distance_vs_invariance_by_class,
    invariance_vs_position,
    invariance_vs_scale,
    is_discrete,
    margin_strata,
    percentile_within,
)
from bias_toolkit.report.source import class_names
from bias_toolkit.report.topics.classes import class_ranking
from bias_toolkit.report.topics.comparison.section import framing_differences
from bias_toolkit.report.topics.distance.section import distance_histogram, percentile_histogram
from bias_toolkit.report.topics.framing.contents import gather
from bias_toolkit.report.topics.framing.figures import (
    category_ranking,
    centre_distance_histogram,
    centres_against_null,
    mean_coverage,
    null_distance_density,
    scale_histogram,
)
from bias_toolkit.report.topics.invariance.figures import measure_by_size, measure_histogram


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """What a figure computes itself has few resamples: the numbers have tests of their own."""
    few = {"resamples": 100, "permutations": 100}
    for function in (spearman, partial_spearman):
        monkeypatch.setattr(f"bias_toolkit.report.relations.figures.{function.__name__}", partial(function, **few))
    curve = partial(quantile_curve, resamples=100)
    monkeypatch.setattr("bias_toolkit.report.relations.figures.quantile_curve", curve)


@pytest.fixture
def train_maps(shared_source):
    return gather(shared_source).first.maps


def points(ax):
    (scatter,) = [child for child in ax.collections if isinstance(child, PathCollection)]
    return scatter, np.asarray(scatter.get_offsets())


def line(ax, colour):
    (found,) = [
        child for child in ax.lines if len(child.get_xdata()) > 1 and to_hex(child.get_color()) == colour.lower()
    ]
    return np.asarray(found.get_xdata(), float), np.asarray(found.get_ydata(), float)


def texts(ax):
    return " ".join([ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])


@pytest.fixture
def per_image(shared_source):
    return shared_source.per_image


class TestDistanceVsInvariance:
    def test_points_curve_and_numbers(self, per_image):
        ax = distance_vs_invariance(per_image, measure="mac", bins=4)
        _, drawn = points(ax)
        np.testing.assert_allclose(drawn, per_image[["nn_distance", "mac"]].to_numpy(float))
        curve = quantile_curve(per_image["nn_distance"], per_image["mac"], 4)
        x, y = line(ax, VERMILLION)
        np.testing.assert_allclose(x, curve["x"])
        np.testing.assert_allclose(y, curve["value"])
        assert "120 images" in texts(ax)
        given = partial_spearman(per_image["nn_distance"], per_image["mac"], per_image["margin"], resamples=100)
        assert f"given margin {given.rho:.2f} [".replace("-", "\N{MINUS SIGN}") in texts(ax)

    def test_jitter_is_small_and_the_same_every_time(self, per_image):
        _, drawn = points(distance_vs_invariance(per_image))
        _, again = points(distance_vs_invariance(per_image))
        _, other = points(distance_vs_invariance(per_image, seed=1))
        np.testing.assert_array_equal(drawn, again)
        moved = np.abs(drawn[:, 1] - per_image["p_top1_change"].to_numpy())
        assert 0 < moved.max() < 1 / 8 / 2
        labels = [text.get_text() for text in distance_vs_invariance(per_image).figure.legends[0].get_texts()]
        assert labels[0] == "one test image,\nmoved up or down a little to be seen"
        assert labels[1] == "mean of each of 6 parts,\nwith 95% interval"
        unmoved = distance_vs_invariance(per_image, measure="mac", bins=5).figure.legends[0].get_texts()
        assert [text.get_text() for text in unmoved] == ["one test image", "mean of each fifth,\nwith 95% interval"]
        assert (drawn != other).any()
        np.testing.assert_array_equal(drawn[:, 0], other[:, 0])

    def test_a_table_that_is_given_is_drawn(self, per_image):
        curve = pd.DataFrame(
            {"x": [1.0, 2.0], "value": [0.5, 0.6], "low": [0.4, 0.5], "high": [0.6, 0.7]}, dtype=object
        )
        rows = [
            {"distance": "nn_distance", "measure": "mac", "kind": kind, "rho": rho, "low": -0.1, "high": 0.9}
            for kind, rho in (("plain", 0.71), ("partial", 0.33))
        ]
        ax = distance_vs_invariance(per_image, measure="mac", curve=curve, correlations=pd.DataFrame(rows))
        np.testing.assert_allclose(line(ax, VERMILLION), [[1, 2], [0.5, 0.6]])
        assert "ρ 0.71 [−0.10, 0.90]; given margin 0.33 [−0.10, 0.90]" in texts(ax)

    def test_the_plain_correlation_is_not_shown_alone(self, per_image):
        assert "ρ" not in texts(distance_vs_invariance(per_image.drop(columns="margin")))

    def test_labels_name_the_columns(self, per_image):
        ax = distance_vs_invariance(per_image, measure="mac", x_label="distance (cosine)")
        assert ax.get_xlabel() == "distance (cosine)"
        assert ax.get_ylabel() == "Mean absolute change"

    def test_many_points_are_one_picture_in_vector_files(self, per_image):
        few, _ = points(distance_vs_invariance(per_image, measure="mac"))
        many = pd.DataFrame({"nn_distance": np.arange(2001.0), "mac": np.arange(2001.0) / 2001})
        scatter, _ = points(distance_vs_invariance(many, measure="mac"))
        assert not few.get_rasterized()
        assert scatter.get_rasterized()

    def test_images_without_a_value_are_left_out(self, per_image):
        holes = per_image.assign(mac=per_image["mac"].where(per_image.index > 4))
        ax = distance_vs_invariance(holes, measure="mac")
        assert len(points(ax)[1]) == len(per_image) - 5
        assert "115 images" in texts(ax)

    def test_missing_columns_and_values_are_input_errors(self, per_image):
        with pytest.raises(InputError, match="--measure is 'macc', which the study does not have; it can be width, "):
            distance_vs_invariance(per_image, measure="macc")
        for option in ("measure", "distance"):
            for column in ("image_id", "label", "leak"):
                with pytest.raises(InputError, match=f"--{option} is '{column}', which is not a column of") as caught:
                    distance_vs_invariance(per_image, **{option: column})
                assert "image_id" not in str(caught.value).split(";")[1]
        with pytest.raises(InputError, match="No image has a value"):
            distance_vs_invariance(per_image.assign(mac=np.nan), measure="mac")

    def test_position_and_scale(self, per_image):
        for draw, column in ((invariance_vs_position, "centre_distance"), (invariance_vs_scale, "scale")):
            ax = draw(per_image, measure="mac")
            np.testing.assert_allclose(points(ax)[1][:, 0], per_image[column])

    def test_jitter_stays_where_the_measure_can_be(self, per_image):
        ends = per_image.assign(p_top1_change=np.arange(len(per_image)) % 2 / 1.0)
        for rows in (per_image, ends):
            ax = distance_vs_invariance(rows)
            y = points(ax)[1][:, 1]
            assert y.min() >= 0
            assert y.max() <= 1
            assert ax.get_ylim()[0] == 0
            assert ax.get_ylim()[1] >= y.max()

    @pytest.mark.parametrize("value", [0.0, 0.125, 1.0])
    def test_a_constant_measure_has_ticks_that_differ(self, per_image, value):
        constant = per_image.assign(p_top1_change=value)
        for ax in (distance_vs_invariance(constant), curve_given_margin(constant)):
            ax.figure.draw_without_rendering()
            labels = [tick.get_text() for tick in ax.get_yticklabels()]
            assert len(set(labels)) == len(labels) > 1
            low, high = ax.get_ylim()
            assert 0 <= low < high <= 1.06
            assert high - low >= 0.05


class TestByClass:
    def test_the_last_panel_of_each_column_has_tick_labels(self, per_image):
        figure = distance_vs_invariance_by_class(per_image)
        figure.draw_without_rendering()
        assert [ax.xaxis.get_tick_params()["labelbottom"] for ax in figure.axes[:3]] == [False, True, True]

    def test_one_panel_a_class_in_order(self, per_image, shared_source):
        figure = distance_vs_invariance_by_class(per_image, class_name=class_names(shared_source).shown)
        panels = [ax for ax in figure.axes if ax.get_visible()]
        for ax, name in zip(panels, ("<script>alert(1)</scrip…", 'said "no" & left', "Сова é"), strict=True):
            assert ax.get_title(loc="center").startswith(f"{name}, n ")
        for ax, label in zip(panels, ("<script>alert(1)</script>", 'said "no" & left', "owl"), strict=True):
            of_class = per_image[per_image["label"].eq(label)]
            np.testing.assert_array_equal(points(ax)[1][:, 0], of_class["nn_distance"])
            assert f"n {len(of_class)}" in ax.get_title(loc="center")
            plain, given = texts(ax).strip().split("\n")
            assert re.fullmatch(r"ρ −?\d\.\d\d \[−?\d\.\d\d, −?\d\.\d\d\]", plain)
            assert re.fullmatch(r"given margin −?\d\.\d\d \[−?\d\.\d\d, −?\d\.\d\d\]", given)
        assert len({ax.get_xlim() + ax.get_ylim() for ax in panels}) == 1

    def test_the_classes_with_the_most_images_have_the_panels(self, per_image):
        rows = per_image.assign(label=[f"c{min(i // 15, 5)}" for i in range(len(per_image))])
        figure = distance_vs_invariance_by_class(rows, most=2)
        titles = [ax.get_title(loc="center") for ax in figure.axes if ax.get_visible()]
        assert titles == ["c0, n 15", "c5, n 45"]
        assert figure.get_suptitle() == "2 of 6 classes; bands and brackets: 95% intervals"

    def test_a_class_with_one_bin_has_an_interval_too(self, per_image):
        rows = per_image.head(15).assign(label="c")
        (bar, *_) = [
            part
            for part in distance_vs_invariance_by_class(rows).axes[0].collections
            if len(part.get_paths()) == 1 and part.get_paths()[0].vertices.shape == (2, 2)
        ]
        low, high = bar.get_paths()[0].vertices[:, 1]
        interval = mean_interval(rows["p_top1_change"], resamples=100)
        assert (low, high) == pytest.approx((interval.low, interval.high))

    def test_small_classes_are_refused(self, per_image):
        with pytest.raises(InputError, match="at least 10 images; the largest has 9"):
            distance_vs_invariance_by_class(per_image.head(27))

    def test_a_dollar_in_a_name_is_no_formula(self, per_image):
        figure = distance_vs_invariance_by_class(per_image.assign(label="$5 $x_2$"))
        figure.draw_without_rendering()
        title = figure.axes[0].title
        assert title.get_text().startswith("$5 $x_2$")
        assert not title.get_parse_math()


class TestControlForTheMargin:
    def test_the_numbers_from_which_the_finding_follows_are_not_those_of_the_curves(self, shared_source):
        rows = shared_source.table("correlations")
        ax = curve_given_margin(shared_source.per_image, correlations=rows)
        assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == [
            "ranked among all images",
            "ranked among images of similar margin (3 groups)",
            "mean of all",
        ]
        shown = " ".join(text.get_text() for text in ax.texts)
        own = rows.query("distance == 'nn_distance' and measure == 'p_top1_change'").set_index("kind")
        for kind, name in (("plain", "ρ"), ("partial", "given margin")):
            row = own.loc[kind]
            assert f"{name} {row['rho']:.2f} [{row['low']:.2f}, {row['high']:.2f}]".replace("-", "−") in shown

    def test_a_relation_that_is_the_margins_alone_becomes_flat(self):
        margin = np.random.default_rng(0).uniform(size=2000)
        rows = pd.DataFrame({"nn_distance": 1 - margin, "mac": 1 - margin, "margin": margin})
        rows["nn_distance"] += np.random.default_rng(1).normal(0, 0.05, 2000)
        ax = curve_given_margin(rows, measure="mac")
        plain, matched = line(ax, VERMILLION)[1], line(ax, BLUE)[1]
        assert plain[-1] - plain[0] > 0.7
        assert abs(matched[-1] - matched[0]) < 0.05

    def test_a_relation_of_its_own_stays(self):
        generator = np.random.default_rng(0)
        distance = generator.uniform(size=2000)
        rows = pd.DataFrame({"nn_distance": distance, "mac": distance, "margin": generator.uniform(size=2000)})
        matched = line(curve_given_margin(rows, measure="mac"), BLUE)[1]
        assert matched[-1] - matched[0] > 0.8

    def test_strata_hold_like_margins(self):
        margin = np.random.default_rng(0).uniform(size=503)
        strata = margin_strata(margin)
        sizes = np.bincount(strata)
        assert sizes.max() <= 50
        assert sizes.max() - sizes.min() <= 1
        for low, high in zip(range(len(sizes) - 1), range(1, len(sizes)), strict=True):
            assert margin[strata == low].max() < margin[strata == high].min()

    def test_percentiles_within_groups(self):
        values, groups = np.array([1.0, 3.0, 2.0, 10.0, 10.0]), np.array([0, 0, 0, 1, 1])
        np.testing.assert_allclose(percentile_within(values, groups), [1 / 6, 5 / 6, 1 / 2, 1 / 2, 1 / 2])


@pytest.mark.filterwarnings("error")
def test_the_distances_of_copies_of_one_image():
    """All are 0, and are drawn without a warning on the terminal."""
    ax = distance_histogram(pd.DataFrame({"nn_distance": np.zeros(9)}), np.zeros(5))
    ax.figure.canvas.draw()
    assert ax.get_xlim() == (0, 1)


class TestFraming:
    def test_maps_share_their_colours(self):
        centres, null = np.zeros((3, 3)), np.full((3, 3), 10.0)
        centres[1, 1], centres[0, 2] = 80, 10
        figure = centres_against_null(Maps(centres, null, np.zeros((4, 4))))
        observed, chance, difference = (ax.images[0] for ax in figure.axes[:3])
        np.testing.assert_allclose(observed.get_array(), centres / 90)
        np.testing.assert_allclose(chance.get_array(), null / 90)
        np.testing.assert_allclose(difference.get_array(), (centres - null) / 90)
        assert observed.get_clim() == chance.get_clim() == (0, pytest.approx(80 / 90))
        assert difference.get_clim()[0] == -difference.get_clim()[1]
        assert "90 objects" in figure.axes[0].get_title(loc="left")

    def test_the_first_row_is_at_the_top(self, train_maps):
        ax = centres_against_null(train_maps).axes[0]
        assert ax.get_ylim() == (1, 0)
        assert ax.images[0].get_extent() == [0, 1, 1, 0] or ax.images[0].get_extent() == (0, 1, 1, 0)

    def test_coverage(self, train_maps):
        ax = mean_coverage(train_maps)
        np.testing.assert_array_equal(ax.images[0].get_array(), train_maps.coverage)

    def test_chance_agrees_with_random_placements(self, shared_source):
        framing = shared_source.train_framing
        edges = np.linspace(0, 1, 11)
        generator = np.random.default_rng(0)
        half_x = np.repeat((1 - framing["width_fraction"].to_numpy()) / 2, 500)
        half_y = np.repeat((1 - framing["height_fraction"].to_numpy()) / 2, 500)
        placed = np.hypot(
            half_x * generator.uniform(-1, 1, len(half_x)), half_y * generator.uniform(-1, 1, len(half_x))
        ) / np.hypot(0.5, 0.5)
        sampled = np.histogram(placed, edges, density=True)[0]
        np.testing.assert_allclose(null_distance_density(framing, edges), sampled, atol=0.03)

    def test_histograms_are_densities(self, shared_source):
        for ax in (
            centre_distance_histogram(shared_source.train_framing),
            scale_histogram(shared_source.train_framing, shared_source.test_framing),
        ):
            assert sum(bar.get_height() * bar.get_width() for bar in ax.containers[0]) == pytest.approx(1)
            assert "240 objects" in texts(ax)

    def test_scale_of_one_set_alone(self, shared_source):
        assert scale_histogram(shared_source.train_framing).get_legend() is None

    def test_categories(self):
        ranked = pd.DataFrame(
            {
                "category": ["a", "b"],
                "n_objects": [1200, 90],
                "value": [0.5, 0.1],
                "value_low": [0.4, -0.1],
                "value_high": [0.6, 0.3],
                "shrunken": [0.45, 0.2],
            }
        )
        ax = category_ranking(ranked, class_name=str.upper)
        assert [tick.get_text() for tick in ax.get_yticklabels()] == ["A, 1,200", "B, 90"]
        np.testing.assert_allclose(ax.lines[0].get_xdata(), [0.5, 0.1])
        np.testing.assert_allclose(ax.lines[1].get_xdata(), [0.45, 0.2])
        np.testing.assert_allclose(ax.lines[1].get_ydata(), ax.lines[0].get_ydata())
        segments = ax.collections[0].get_segments()
        np.testing.assert_allclose([segment[:, 0] for segment in segments], [[0.4, 0.6], [-0.1, 0.3]])

    def test_of_many_categories_the_ends(self):
        value = np.linspace(1, 0, 40)
        ranked = pd.DataFrame({"category": [f"{i}" for i in range(40)], "n_objects": 5, "value": value})
        ranked = ranked.assign(value_low=value - 0.1, value_high=value + 0.1, shrunken=value / 2)
        ax = category_ranking(ranked, most=3)
        np.testing.assert_allclose(ax.lines[0].get_xdata(), [*value[:3], *value[-3:]])
        marks = next(line for line in ax.lines if line.get_marker() == "|")
        np.testing.assert_allclose(marks.get_xdata(), ax.lines[0].get_xdata() / 2)

    def test_two_sets_beside_each_other(self, shared_source):
        source = shared_source
        figure = framing_differences(source.train_framing, source.test_framing, source.framing_comparison)
        titles = [ax.get_title(loc="left") for ax in figure.axes]
        assert titles == ["Position across", "Position down", "Scale", "Aspect"]
        for ax in figure.axes:
            for patch in ax.patches:
                # Shares of all objects, but for the few outside the axis.
                assert 0.98 <= patch.get_data().values.sum() <= 1
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training set", "test set"]


class TestInvariance:
    def test_sizes_are_in_view_sides(self, shared_source):
        ax = measure_by_size(shared_source.table("summary"))
        crop, embed = (container.lines[0] for container in ax.containers)
        np.testing.assert_allclose(crop.get_xdata().astype(float), [1, 2])
        np.testing.assert_allclose(embed.get_xdata().astype(float), [0.5])
        summary = shared_source.table("summary")
        value = summary.query("protocol == 'embed' and measure == 'p_top1_change'")["value"]
        np.testing.assert_allclose(embed.get_ydata().astype(float), value)
        assert ax.get_xscale() == "log"

    def test_no_bar_outside_the_range_of_the_measure(self, per_image):
        for measure in ("p_top1_change", "mac", "margin"):
            ax = measure_histogram(per_image, measure)
            ax.figure.draw_without_rendering()
            bars = ax.containers[0]
            middles = [bar.get_x() + bar.get_width() / 2 for bar in bars]
            assert min(middles) >= 0
            if measure == "p_top1_change":
                assert middles == pytest.approx(range(9))
                assert {tick.get_text() for tick in ax.get_xticklabels()} <= {"", *"012345678"}
            else:
                assert bars[0].get_x() >= -1e-12
                assert bars[-1].get_x() + bars[-1].get_width() == pytest.approx(per_image[measure].max())
                assert ax.get_xlim()[0] == 0

    def test_a_bar_for_every_number_of_steps(self, per_image):
        ax = measure_histogram(per_image)
        assert ax.get_xlabel() == "changed steps of 8"
        mean = 8 * per_image["p_top1_change"].mean()
        assert f"dashed: mean {mean:.2f} steps" in " ".join(text.get_text() for text in ax.texts)
        assert ax.lines[0].get_xdata()[0] == pytest.approx(mean)
        heights = [bar.get_height() for bar in ax.containers[0]]
        expected = np.bincount((per_image["p_top1_change"] * 8).astype(int), minlength=9) / len(per_image)
        np.testing.assert_allclose(heights, expected)

    def test_other_measures_have_bins(self, per_image):
        heights = [bar.get_height() for bar in measure_histogram(per_image, "mac").containers[0]]
        assert sum(heights) == pytest.approx(1)

    def test_percentiles_of_a_like_test_set_reach_the_line(self):
        ax = percentile_histogram(pd.DataFrame({"distance_percentile": (np.arange(1000) + 0.5) / 1000}), bins=20)
        np.testing.assert_allclose([bar.get_height() for bar in ax.containers[0]], 1 / 20)
        assert ax.lines[0].get_ydata()[0] == pytest.approx(1 / 20)

    def test_distances_of_both_sets(self, shared_source):
        ax = distance_histogram(shared_source.distances, np.append(shared_source.training_spacing, np.nan))
        labels = [text.get_text() for text in ax.get_legend().get_texts()]
        assert sorted(labels) == ["120 test images", "240 training images"]


class TestClassRanking:
    def classes(self, n):
        value = np.linspace(0.1, 0.9, n)
        return pd.DataFrame(
            {
                "label": [f"c{i:02}" for i in range(n)],
                "n": np.arange(1, n + 1),
                "p_top1_change": value,
                "p_top1_change_low": value - 0.05,
                "p_top1_change_high": value + 0.05,
                "mac": value / 2,
            }
        )

    def test_least_stable_first_with_the_mean_of_all_images(self):
        classes = self.classes(4)
        mean = np.average(classes["p_top1_change"], weights=classes["n"])
        ax = class_ranking(classes, mean=mean)
        assert [tick.get_text() for tick in ax.get_yticklabels()] == ["c03", "c02", "c01", "c00"]
        assert ax.get_ylim()[0] > ax.get_ylim()[1]
        assert ax.lines[-1].get_xdata()[0] == pytest.approx(mean)

    def test_both_ends_of_many(self):
        ax = class_ranking(self.classes(40), most=3)
        assert [tick.get_text() for tick in ax.get_yticklabels()] == ["c39", "c38", "c37", "c02", "c01", "c00"]
        assert "34 more between" in texts(ax)

    def test_a_measure_without_intervals(self):
        ax = class_ranking(self.classes(3), "mac")
        np.testing.assert_allclose(ax.lines[0].get_xdata(), [0.45, 0.25, 0.05])


def test_discrete_measures():
    assert is_discrete(pd.Series([0, 0.125, 0.25, 0, 0.125]))
    assert not is_discrete(pd.Series(np.linspace(0, 1, 50)))
    assert not is_discrete(pd.Series([0.1, 0.2, 0.3]))


def test_every_plot_by_name(shared_source):
    others = {"map", "map-vs-density", "factors", "layers", "remedies", "remedies-by-distance", "augmentation-reach"}
    others |= {"flag-scores", "flag-caught", "flag-calibration"}
    for name in PLOTS.keys() - others:
        figure = plot(shared_source, name, measure="mac" if name == "invariance" else "p_top1_change")
        assert figure.axes, name
    by_class = plot(shared_source, "distance-vs-invariance", by_class=True)
    assert sum(ax.get_visible() for ax in by_class.axes) == 3
    assert by_class.get_supxlabel() == "Distance to nearest training image (cosine)"


def test_plots_that_cannot_be(shared_source, bare_source):
    with pytest.raises(InputError, match=r"no figure 'pie'; the figures are distance-vs-invariance, "):
        plot(shared_source, "pie")
    with pytest.raises(InputError, match="--with is for size-vs-invariance only; centres shows one study"):
        plot(shared_source, "centres", beside=[bare_source])
    with pytest.raises(InputError, match="--by-class is for distance-vs-invariance only"):
        plot(shared_source, "centres", by_class=True)
    with pytest.raises(InputError, match="--bins is 0"):
        plot(shared_source, "distance-vs-invariance", bins=0)
    for name in PLOTS:
        with pytest.raises(InputError, match=f"The study has no .*, which {name} shows"):
            plot(bare_source, name)


@pytest.mark.parametrize(
    "name",
    [
        "distance-vs-invariance",
        "distance-given-margin",
        "invariance",
        "invariance-vs-position",
        "size-vs-invariance",
        "classes",
    ],
)
def test_a_measure_that_is_no_number_is_an_input_error(shared_source, name):
    with pytest.raises(InputError, match=r"--measure is 'label'.* p_top1_change"):
        plot(shared_source, name, measure="label")


def test_percentages_have_the_digits_they_need():
    ax = new_figure().add_subplot()
    in_percent(ax.yaxis)
    for low, high in ((0.1249, 0.1251), (0, 1), (-1e-7, 1e-7)):
        ax.set_ylim(low, high)
        ax.figure.draw_without_rendering()
        labels = [tick.get_text() for tick in ax.get_yticklabels()]
        assert len(set(labels)) == len(labels), labels


def test_a_plot_gives_the_studys_numbers(shared_source):
    curves = shared_source.table("curves").query("distance == 'nn_distance' and measure == 'mac'")
    (ax,) = plot(shared_source, "distance-vs-invariance", measure="mac").axes
    np.testing.assert_allclose(line(ax, VERMILLION)[1], curves["value"].astype(float))
    plain = shared_source.table("correlations").query(
        "distance == 'nn_distance' and measure == 'mac' and kind == 'plain'"
    )
    assert f"ρ {plain['rho'].iloc[0]:.2f} [{plain['low'].iloc[0]:.2f}, {plain['high'].iloc[0]:.2f}]" in texts(ax)
    (ax,) = plot(shared_source, "distance-vs-invariance", measure="mac", bins=2).axes
    assert len(line(ax, VERMILLION)[1]) == 2
    (ax,) = plot(shared_source, "distance-vs-invariance", measure="accuracy").axes
    assert "given margin" in texts(ax)


def test_every_text_is_legible_in_a_figure_400_pixels_wide(shared_source):
    per_image = shared_source.per_image
    figures = {name: plot(shared_source, name) for name in ("distance-vs-invariance", "distance-given-margin")}
    figures |= {name: plot(shared_source, name) for name in ("invariance", "distance-percentiles")}
    figures["by class"] = distance_vs_invariance_by_class(per_image)
    figures["sizes"] = measure_by_size(shared_source.table("summary")).figure
    for name, figure in figures.items():
        pixels_per_point = 400 / 72 / figure.get_size_inches()[0]
        texts_of = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
        smallest = min(texts_of, key=lambda text: text.get_fontsize())
        assert smallest.get_fontsize() * pixels_per_point >= 8, (name, smallest.get_text())
