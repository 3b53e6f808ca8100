"""Every sentence on the flag, on tables of known truth."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.analysis.flag import COMBINATION, FLAG_SCORES, MARGIN, OUTPUTS
from bias_toolkit.analysis.schema import FLAG_CALIBRATION, FLAG_EVALUATION, FLAG_IMAGES
from bias_toolkit.report.page.blocks import Omitted
from bias_toolkit.report.topics.flag import SCORES, Flagged, evaluation_findings, findings, section
from bias_toolkit.report.topics.flag.figures import calibration_figure, caught_figure, scores_figure
from bias_toolkit.report.words.finding import Kind

NO_INTERVAL = (np.nan, np.nan)


def evaluation(auroc=(0.9, 0.88, 0.92), gain=(0.01, -0.01, 0.03), outputs=(0.002, -0.001, 0.005)):
    """FLAG_EVALUATION in which every score has the same AUROC, and the combination and the outputs have these gains."""
    gains = dict.fromkeys(FLAG_SCORES, (-0.1, -0.12, -0.08)) | {MARGIN: (np.nan,) * 3}
    gains |= {COMBINATION: gain, OUTPUTS: outputs}
    rows = [
        (name, *auroc, *gains[name], 0.1, 0.09, 0.11, *gains[name], 0.2, 0.18, 0.22, 0.5, 0.45, 0.55, 400, 100)
        for name in FLAG_SCORES
    ]
    return pd.DataFrame(rows, columns=FLAG_EVALUATION.names)


def contents(shipped=MARGIN, n_unstable=100, brier=(0.12, 0.1, 0.14), by_class=True, **tables):
    rng = np.random.default_rng(0)
    images = pd.DataFrame({name: rng.random(400) for name in FLAG_IMAGES.names[2:]})
    images["any_change"] = (np.arange(400) < 100).astype(float)
    bins = [(place, place / 10, place / 10 + 0.1, place / 10, place / 10, 0.0, 1.0, 40) for place in range(10)]
    values = {
        "shipped": shipped,
        "share": 0.2,
        "n": 400,
        "n_unstable": n_unstable,
        "brier": brier,
        "by_class": by_class,
    }
    calibration = pd.DataFrame(bins, columns=FLAG_CALIBRATION.names)
    return Flagged(evaluation(**tables), calibration, images, values)


@pytest.mark.parametrize(
    ("auroc", "kind", "claim"),
    [
        ((0.9, 0.88, 0.92), Kind.ASSOCIATION, "The margin tells unstable images from stable ones better than chance."),
        ((0.52, 0.5, 0.54), Kind.NONE, "The margin was not found to tell unstable images from stable ones."),
        ((0.4, 0.3, 0.49), Kind.ASSOCIATION, "The margin orders unstable and stable images the wrong way round."),
        (
            (0.9, *NO_INTERVAL),
            Kind.UNKNOWN,
            "Too few images are unstable, or stable, to say how well the margin finds them.",
        ),
    ],
)
def test_how_well_the_flag_finds_unstable_images_follows_from_the_interval(auroc, kind, claim):
    found, _ = evaluation_findings(evaluation(auroc), MARGIN)
    assert (found.kind, found.claim) == (kind, claim)
    assert found.estimate.label == "AUROC of 1 − margin"
    assert found.estimate.nothing == 0.5
    assert found.evidence == (
        "Its threshold, which was set on other images, flags 20.0% (95% interval 18.0% to 22.0%) of the images. "
        "Among the unstable images, it flags 50.0% (95% interval 45.0% to 55.0%)."
    )


@pytest.mark.parametrize(
    ("gain", "kind", "claim"),
    [
        (
            (0.03, 0.01, 0.05),
            Kind.ASSOCIATION,
            "Distances and confidence together with the margin find unstable images better than the margin alone.",
        ),
        (
            (0.03, 0.0, 0.05),
            Kind.NONE,
            "The combination of scores was not found to be better or worse than the margin at finding unstable images.",
        ),
        (
            (-0.03, -0.05, -0.01),
            Kind.ASSOCIATION,
            "The combination of scores is worse than the margin at finding unstable images.",
        ),
        (
            (0.03, *NO_INTERVAL),
            Kind.UNKNOWN,
            "Too few images are unstable, or stable, to compare the combination of scores with the margin.",
        ),
    ],
)
def test_the_gain_follows_from_the_interval(gain, kind, claim):
    shipped = COMBINATION if gain[1] > 0 else MARGIN
    how_good, found = evaluation_findings(evaluation(gain=gain), shipped)
    assert (found.kind, found.claim) == (kind, claim)
    assert found.estimate.value == gain[0]
    assert found.evidence.startswith(
        "The flag uses the combination." if shipped == COMBINATION else "The flag uses the margin alone."
    )
    assert ("0.002 (95% interval −0.001 to 0.005)" in found.evidence) == (kind != Kind.UNKNOWN)
    assert (how_good.claim[:15] == "The combination") == (shipped == COMBINATION)


def test_what_was_found_comes_before_what_was_not():
    ranks = [each.rank for each in evaluation_findings(evaluation(), MARGIN)]
    assert ranks[0] < 100 < ranks[1]


def test_too_few_images_are_said_to_be_too_few():
    (only,) = findings(contents(shipped=None, n_unstable=3))
    assert only.kind == Kind.UNKNOWN
    assert only.claim == "Too few test images are unstable, or stable, to say which images will be unstable."
    assert only.evidence == "Of 400 images, 3 are unstable; 10 unstable and 10 stable ones are needed."
    assert isinstance(section(contents(shipped=None)), Omitted)


@pytest.mark.parametrize(("by_class", "words"), [(True, "hold whole classes out"), (False, "hold images out")])
@pytest.mark.parametrize(("shipped", "here"), [(MARGIN, "the margin alone"), (COMBINATION, "the combination")])
def test_the_section_says_how_it_was_fitted_and_what_is_used(by_class, words, shipped, here):
    shown = section(contents(shipped, by_class=by_class))
    text = shown.blocks[0].text
    assert "100 of 400 test images are." in text
    assert words in text
    assert text.endswith(f"Here it is {here}.")
    assert "The Brier score is 0.120 (0.100 to 0.140)." in shown.blocks[-1].caption
    assert "it would be 0.188." in shown.blocks[-1].caption
    assert "Brier" not in section(contents(brier=None)).blocks[-1].caption
    table = shown.blocks[3]
    assert [row[0] for row in table.rows] == [SCORES[name].label for name in FLAG_SCORES]
    assert table.rows[0][2].text == "–"
    assert table.rows[-1][2].text == "0.010"


def test_figures_are_drawn():
    shown = contents()
    assert isinstance(scores_figure(shown.evaluation, SCORES), Axes)
    figure = caught_figure(shown.images)
    margin, combination, chance = figure.axes[0].lines
    for line in (margin, combination, chance):
        assert (line.get_ydata()[0], line.get_ydata()[-1]) == (0, 1)
    assert isinstance(calibration_figure(shown.calibration), Figure)


def test_the_curve_of_what_is_caught_is_that_of_the_score():
    images = contents().images
    images[MARGIN] = images["any_change"]
    line = caught_figure(images).axes[0].lines[0]
    assert line.get_ydata()[100] == 1
    assert line.get_xdata()[100] == 0.25
