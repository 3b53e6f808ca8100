"""The page of a comparison, from real studies: paired, unpaired, two and twenty of them."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from bias_toolkit import InputError, Study, compare
from bias_toolkit.comparison.contents import Comparison
from bias_toolkit.comparison.figures import distance_figure
from bias_toolkit.comparison.page import _sections, write_comparison
from bias_toolkit.comparison.strips import most_different, strips
from bias_toolkit.comparison.studies import Pair, pair_with_first
from bias_toolkit.foundation.words import percent
from bias_toolkit.report.page.blocks import ListBlock
from bias_toolkit.report.words.finding import Kind
from bias_toolkit.report.words.sentences import three_digits


@pytest.fixture(scope="module", autouse=True)
def drawing_nothing(pages_without_figures):
    """Figures have tests of their own."""


def test_a_study_of_another_seed_and_batch_size_differs_in_nothing(finished, photographs, fast, tmp_path, two_folds):
    with two_folds():
        other = Study(
            tmp_path / "study", photographs["train"], photographs["test"], "demo", **fast, seed=5, batch_size=7
        ).analyse()
    comparison = compare([finished, other], resamples=100)
    assert not ((comparison.differences["difference_low"] > 0) | (comparison.differences["difference_high"] < 0)).any()
    assert {finding.kind for finding in comparison.findings} <= {Kind.NONE, Kind.CAUTION}
    assert [study.name.rpartition("/")[2] for study in comparison.studies] == ["study", "study"]


def test_twenty_studies_stay_readable(finished, pooled, tmp_path):
    for number in range(20):
        (tmp_path / f"study-{number:02}").symlink_to((finished, pooled)[number % 2].folder)
    comparison = compare(sorted(tmp_path.glob("study-*")), tmp_path / "out", resamples=100)
    assert [study.name for study in comparison.studies] == [f"study-{number:02}" for number in range(20)]
    assert len(comparison.pairs) == 19
    assert len(comparison.answers) == 2
    changes = comparison.differences.query("measure == 'p_top1_change'")["difference"]
    assert [answer.estimate.value for answer in comparison.answers] == [changes.min(), changes.max()]
    page = comparison.page.read_text(encoding="utf-8")
    assert "study-00 against 19 others" in page
    assert page.count('class="picture') <= 2 * 2 * 2 * 9
    # MAC is shown in its own unit, the others in percent.
    means, changes = (
        table.set_index(["study", "measure"])[column]
        for table, column in ((comparison.means, "value"), (comparison.differences, "difference"))
    )
    assert three_digits(means["study-00", "mac"]) in page
    assert percent(means["study-00", "p_top1_change"]) in page
    assert three_digits(changes["study-01", "mac"]) in page


def test_other_test_images_are_compared_by_means_and_said_so(finished, pooled, tmp_path):
    first, second = compare([finished, pooled], resamples=100).studies
    other = replace(second, sets=second.sets | {"test": {"fingerprint": "other"}})
    comparison = Comparison([first, other], [Pair(first, other, None)], 100, 0)
    write_comparison(comparison, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "each on its own test images" in page
    assert "The test images of demo:global-pooling are not those of demo, or could not be read" in page
    assert not (tmp_path / "out" / "images").exists()
    assert not comparison.differences["paired"].any()
    assert Kind.EFFECT not in {finding.kind for finding in comparison.findings}


def test_without_the_photographs_there_are_no_strips(pooled, photographs, fast, finished, tmp_path):
    studies = []
    for number, study in enumerate((finished, pooled)):
        folder = shutil.copytree(study.folder, tmp_path / f"study-{number}")
        studies.append(Study(folder))
    comparison = compare(studies, resamples=100)
    for each in comparison.studies:
        each.study.inputs.__dict__["_test"] = _Gone()
    assert strips(comparison.shown, tmp_path) == []


class _Gone:
    is_scanned = True

    def read(self, image_id):
        raise InputError("gone")


def test_another_file_in_the_folder_is_kept(finished, pooled, tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(InputError, match=r"index\.html' is no part of an earlier report"):
        compare([finished, pooled], tmp_path, resamples=100)


def test_two_training_sets_stand_side_by_side(finished, pooled):
    first, second = compare([finished, pooled], resamples=100).studies
    assert Comparison([first, second], []).training.empty
    other = replace(second, sets=second.sets | {"train": {"fingerprint": "other"}})
    table = Comparison([first, other], []).training
    assert table["study"].tolist() == ["demo", "demo:global-pooling"]
    assert table["centre_bias"].notna().all()


def test_the_images_have_a_section_where_there_are_pictures(finished, pooled):
    comparison = compare([finished, pooled], resamples=100)
    for pictures in ([], [ListBlock(["a strip"])]):
        sections = {section.anchor: section.blocks for section in _sections(comparison, pictures, [])}
        assert sections.get("images", []) == pictures


def test_all_images_of_a_small_set_are_enough_for_a_pair(make_compared, monkeypatch):
    images = pd.DataFrame({"p_top1_change": [0.5] * 8})
    studies = [make_compared(name, images) for name in "ab"]
    for shared, is_paired in ((8, True), (7, False)):
        monkeypatch.setattr(
            "bias_toolkit.comparison.studies.shared_images", lambda *_, shared=shared: images.index[:shared]
        )
        (pair,) = pair_with_first(studies)
        assert pair.is_paired == is_paired


def test_the_front_has_every_study_that_no_other_beats(make_compared):
    values = {"a": (0.2, 0.5), "b": (0.1, 0.5), "c": (0.3, 0.9), "d": (0.3, 0.8), "e": (0.1, 0.5)}
    studies = []
    for name, (change, accuracy) in values.items():
        columns = dict.fromkeys(("mac", "any_change", "worst_accuracy"), 0.5)
        images = pd.DataFrame({"p_top1_change": [change] * 8, "accuracy": [accuracy] * 8} | columns)
        studies.append(make_compared(name, images))
    assert Comparison(studies, [], 50).front == ["b", "c", "e"]


def test_images_are_ordered_by_change_and_then_by_mac(make_pair):
    first = pd.DataFrame({"p_top1_change": [0.0] * 4, "mac": [0.1] * 4}, pd.Index(list("abcd"), name="image_id"))
    second = first.assign(p_top1_change=[0.5, -0.25, 0.5, 0.0], mac=[0.3, 0.1, 0.2, 0.1])
    assert most_different(make_pair(second, first)).index.tolist() == ["b", "d", "c", "a"]


@pytest.mark.parametrize("n", [2, 20])
def test_the_figure_has_a_line_for_each_study_and_bands_for_few(n):
    rng = np.random.default_rng(0)
    rows = [(f"study {k}", 0.1, 0.05, 0.2, 20 + rng.integers(5)) for k in range(n) for _ in range(10)]
    figure = distance_figure(pd.DataFrame(rows, columns=["study", "value", "low", "high", "n"]))
    assert isinstance(figure, Figure)
    (ax,) = figure.axes
    assert (len(ax.lines), len(ax.collections)) == (n, 2 if n == 2 else 0)
    assert all(0 < x < 1 for line in ax.lines for x in line.get_xdata())
