"""What the report says and shows of the operations that subsample."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.analysis import LayerAnalysis, analyse_layers
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import LAYER_MEASURES
from bias_toolkit.report import plot
from bias_toolkit.report.page.blocks import FigureBlock, ListBlock, Omitted, TableBlock
from bias_toolkit.report.page.style import save_figure
from bias_toolkit.report.topics.layers import TOPIC
from bias_toolkit.report.topics.layers.figures import correlations_by_depth, maps_and_spectra, measures_by_depth
from bias_toolkit.report.topics.layers.findings import LIMIT
from bias_toolkit.report.words.finding import Kind


def draw(n=60, filters=-0.5, slope=1.0, names=("stem", "blocks.1"), seed=1):
    """The last pooled change goes with P(top-1 change) by `slope`; filters change the latter by a share."""
    rng = np.random.default_rng(seed)
    change = rng.uniform(0.2, 0.6, n)
    tables = []
    for condition, factor in (("original", 1.0), ("low-pass", 1 + filters), ("blurred", 1.0)):
        for depth, name in enumerate(names, 1):
            values = {each.name: rng.uniform(0.1, 0.2, n) * (0.5 + factor / 2) for each in LAYER_MEASURES}
            if depth == len(names):
                values["pooled_change"] = 0.5 + slope * change / 2 + rng.normal(0, 0.02, n)
            about = {"operation": name, "kind": "convolution", "depth": depth, "stride": 2, "total_stride": 2**depth}
            p_top1_change = factor * change + rng.normal(0, 0.01, n)
            table = pd.DataFrame({"image_id": [f"{i}.png" for i in range(n)], "condition": condition, **values})
            tables.append(
                table.assign(**about, p_top1_change=p_top1_change if depth == 1 else tables[-1]["p_top1_change"])
            )
    return pd.concat(tables, ignore_index=True)


def maps_of(names=("stem", "blocks.1"), side=16):
    rng = np.random.default_rng(0)
    rows = []
    for depth, name in enumerate(names, 1):
        for part, size in (("before", side), ("after", side // 2)):
            row = {"image_id": "a.png", "condition": "original", "operation": name, "depth": depth, "stride": 2}
            row |= {"total_stride": 2**depth, "channel": 0, "part": part, "height": size, "width": size}
            rows.append(row | {"values": rng.normal(size=size * size)})
    return pd.DataFrame(rows)


def operations_of(names=("stem", "blocks.1"), reason=None):
    rows = [{"depth": depth, "operation": name, "kind": "convolution"} for depth, name in enumerate(names, 1)]
    if reason:
        rows.append({"operation": "head", "kind": "interpolation", "reason": reason})
    return pd.DataFrame(rows, columns=["depth", "operation", "kind", "stride", "total_stride", "reason"])


def measured(source, layers, reason=None):
    analysis = analyse_layers(layers, resamples=200, permutations=100)
    names = layers["operation"].unique()
    return dataclasses.replace(
        source,
        layers=layers,
        layer_analysis=analysis,
        layer_operations=operations_of(names, reason),
        layer_maps=maps_of(names),
    )


def findings(source, **drawn):
    return TOPIC.findings(TOPIC.gather(measured(source, draw(**drawn))))


def test_a_study_without_layers_names_the_command(source):
    contents = TOPIC.gather(source)
    assert TOPIC.findings(contents) == []
    section = TOPIC.section(contents, None)
    assert isinstance(section, Omitted)
    assert "`bias-toolkit layers`" in section.reason
    with pytest.raises(InputError, match="run `bias-toolkit layers` on it"):
        plot(source, "layers")


def test_filters_that_make_the_model_more_stable_are_an_effect(source):
    effect, association = findings(source)
    assert effect.kind is Kind.EFFECT
    assert (
        effect.claim == "Low-pass filters at the network’s subsampling make the model more stable on the same images."
    )
    assert effect.estimate.high < 0
    assert "They lower the shift error most at “" in effect.evidence
    assert association.kind is Kind.ASSOCIATION
    assert association.claim == "Images with a larger pooled change at “blocks.1” are less stable."
    assert association.estimate.low > 0
    for finding in (effect, association):
        assert finding.evidence.endswith(LIMIT)


def test_the_other_directions_are_said_too(source):
    effect, association = findings(source, filters=0.5, slope=-1.0)
    assert "make the model less stable" in effect.claim
    assert effect.evidence.startswith("At no operation were they found to lower the shift error.")
    assert association.claim == "Images with a larger pooled change at “blocks.1” are more stable."


def test_nothing_found_is_said(source):
    effect, association = findings(source, filters=0.0, slope=0.0)
    assert (effect.kind, association.kind) == (Kind.NONE, Kind.NONE)
    assert "were not found to change" in effect.claim
    assert "No measure of an operation" in association.claim
    assert effect.estimate.low < 0 < effect.estimate.high


@pytest.mark.parametrize("n", [12, 29, 30])
def test_fewer_than_thirty_images_are_too_few(source, n):
    effect, association = findings(source, n=n)
    kinds = {True: (Kind.CAUTION, Kind.CAUTION), False: (Kind.EFFECT, Kind.ASSOCIATION)}
    assert (effect.kind, association.kind) == kinds[n < 30]
    assert effect.claim.startswith("Too few images") == (n < 30)


def test_without_a_rebuilt_network_there_is_no_effect(source):
    layers = draw()
    contents = TOPIC.gather(measured(source, layers[layers["condition"].ne("low-pass")]))
    assert [finding.kind for finding in TOPIC.findings(contents)] == [Kind.ASSOCIATION]
    assert TOPIC.section(contents, None).title == "Where invariance is lost"


def test_the_section_shows_every_number_and_what_was_not_measured(source):
    layers = draw()
    contents = TOPIC.gather(measured(source, layers, reason="it has no result at stride 1"))
    blocks = TOPIC.section(contents, None).blocks
    figures = [block for block in blocks if isinstance(block, FigureBlock)]
    assert [block.name for block in figures] == ["layers", "layer-maps", "layer-correlations"]
    means, correlations = (block for block in blocks if isinstance(block, TableBlock))
    assert len(means.rows) == 2 * 3
    of_stem = layers[layers["condition"].eq("original") & layers["operation"].eq("stem")]
    assert float(means.rows[0][2].text) == pytest.approx(of_stem["aliased_energy"].mean(), rel=5e-3)
    assert [cell.marked for row in correlations.rows for cell in row[1:]] == [False] * 5 + [True]
    (listed,) = (block for block in blocks if isinstance(block, ListBlock))
    assert listed.items[0].text == "head (interpolation) is not measured: it has no result at stride 1."
    names = {table.name for table in TOPIC.tables(contents)}
    assert names == {"layer_summary", "layer_contrasts", "layer_correlations", "layers"}


def test_the_lines_of_the_figure_are_the_means(source):
    layers = draw()
    figure = plot(measured(source, layers), "layers")
    means = layers.groupby(["condition", "depth"])[[each.name for each in LAYER_MEASURES]].mean()
    for ax, measure in zip(figure.axes, LAYER_MEASURES, strict=True):
        assert ax.get_ylabel() == measure.label
        for line, condition in zip(ax.get_lines(), ("original", "low-pass", "blurred"), strict=True):
            np.testing.assert_allclose(line.get_ydata(), means.loc[condition, measure.name])
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["stem (2)", "blocks.1 (4)"]


def test_the_square_holds_what_the_grid_can_carry(source, tmp_path):
    source = measured(source, draw(names=("a", "b", "c", "d")))
    figure = maps_and_spectra(source.layer_maps, source.layer_analysis.summary)
    assert len(figure.axes) == 3 * 4
    (square,) = figure.axes[1].patches
    assert (square.get_xy(), square.get_width(), square.get_height()) == ((-0.25, -0.25), 0.5, 0.5)
    assert not figure.axes[3].patches
    # A wave of 4 cycles across 16 samples is at 1/4, on the border of the square.
    wave = np.cos(2 * np.pi * 4 * np.arange(16) / 16)
    maps = source.layer_maps.copy()
    maps["values"] = [np.tile(wave[: row.width], row.height) for row in maps.itertuples()]
    image = maps_and_spectra(maps, source.layer_analysis.summary).axes[1].images[0]
    spectrum, (left, right, bottom, top) = image.get_array(), image.get_extent()
    row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
    across, down = (left + (column + 0.5) * (right - left) / 16, top + (row + 0.5) * (bottom - top) / 16)
    assert (abs(across), down) == (pytest.approx(0.25), pytest.approx(0.0))


def test_many_operations_are_numbered(source, tmp_path):
    names = [f"stage.{k}.conv" for k in range(18)]
    analysis = analyse_layers(draw(20, names=names), resamples=100, permutations=100)
    figure = measures_by_depth(analysis.summary)
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == [str(k) for k in range(1, 19)]
    save_figure(correlations_by_depth(analysis.correlations), tmp_path / "c.png")


def test_undefined_values_are_dashes(source):
    layers = draw()
    layers.loc[layers["depth"].eq(1), "aliased_energy"] = np.nan
    contents = TOPIC.gather(measured(source, layers))
    assert isinstance(contents.analysis, LayerAnalysis)
    means = next(block for block in TOPIC.section(contents, None).blocks if isinstance(block, TableBlock))
    assert means.rows[0][2].text == "–"
    assert len(TOPIC.findings(contents)) == 2
