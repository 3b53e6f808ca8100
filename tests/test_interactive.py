"""What a person sees in an interpreter and in a notebook."""

import io
import sys
from importlib import import_module

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import bias_toolkit
from bias_toolkit import InputError, Study, load_dataset
from bias_toolkit.foundation.bars import ConsoleProgress, shown
from bias_toolkit.foundation.progress import silent

BOXES = ["x0", "y0", "x1", "y1"]


@pytest.fixture
def dataset():
    images = list(np.random.default_rng(0).integers(0, 256, (3, 6, 8, 3), np.uint8))
    frame = pd.DataFrame({"image": images, "label": ["<cat>", None, "dog"]})
    frame[BOXES] = [[0, 0, 4, 4], [np.nan] * 4, [1, 1, 3, 3]]
    return load_dataset(frame), images


def test_a_dataset_is_a_sequence_of_examples(dataset):
    dataset, images = dataset
    assert len(dataset) == 3
    for place, example in enumerate(dataset):
        np.testing.assert_array_equal(example.pixels, images[place])
        np.testing.assert_array_equal(dataset[example.image_id].pixels, images[place])
    assert [example.label for example in dataset] == ["<cat>", None, "dog"]
    assert dataset[-1].objects[BOXES].to_numpy().tolist() == [[1, 1, 3, 3]]
    assert dataset[1].objects.empty
    assert [example.image_id for example in dataset[1:]] == ["1", "2"]
    assert [image in dataset for image in ("1", "gone", dataset[0])] == [True, False, False]
    for error, image in ((IndexError, 3), (KeyError, "gone"), (TypeError, [0, 1])):
        with pytest.raises(error):
            dataset[image]


def test_a_dataset_shows_what_it_holds(dataset):
    dataset, _ = dataset
    assert repr(dataset) == "Dataset('memory: a DataFrame of 3 rows', layout='memory', 3 images)"
    dataset.scan()
    assert repr(dataset).endswith("3 images, 2 labels, 2 boxes)")
    assert "<td style='text-align: left'>3 images, 2 labels, 2 boxes</td>" in dataset._repr_html_()


def test_a_study_shows_its_inputs(finished):
    assert repr(finished).startswith(f"Study('{finished.folder}', train='")
    assert repr(finished).endswith("model='demo')")
    page = finished._repr_html_()
    assert "measures" in page
    assert "index.html" in page


def test_names_in_html_are_escaped(tmp_path):
    assert "<script>" not in Study(tmp_path / "<script>", "demo:train", "demo:uniform", "demo")._repr_html_()


def test_completion_offers_public_names_only(finished, dataset):
    for shown_to_all in (
        finished,
        finished.model,
        dataset[0],
        bias_toolkit,
        *map(import_module, ("bias_toolkit.datasets", "bias_toolkit.report")),
    ):
        names = dir(shown_to_all)
        assert names
        assert not [name for name in names if name.startswith("_") and name != "__version__"]
    assert {"run", "per_image", "plot", "folder"} <= set(dir(finished))
    assert sorted(bias_toolkit.__all__) == dir(bias_toolkit)


def test_per_image_is_by_image_and_names_the_classes(finished):
    table = finished.per_image
    plain = finished.results.per_image
    assert table.index.tolist() == plain["image_id"].tolist()
    for image_id in table.index[:10]:
        views = finished.sweep_views(image_id)
        outputs = finished.model.evaluate(views[len(views) // 2][None]).probabilities[0]
        assert table.loc[image_id, "predicted"] == outputs.argmax()
    names = finished.label_record["classes"]
    assert table["predicted_name"].tolist() == [names[index] for index in table["predicted"]]
    pd.testing.assert_frame_equal(table[plain.columns.drop("image_id")], plain.set_index("image_id"))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bars_appear_in_a_terminal_only(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(shown(None), ConsoleProgress)
    assert shown(False) is silent
    given = ConsoleProgress(Console())
    assert shown(given) is given
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert shown(None) is silent
    assert isinstance(shown(True), ConsoleProgress)


def test_a_study_draws_bars_unless_told_not_to(monkeypatch, tmp_path):
    monkeypatch.setenv("TERM", "xterm")
    for number, (of_study, of_call, drawn) in enumerate(
        [(None, None, True), (None, False, False), (False, None, False), (False, True, True)]
    ):
        monkeypatch.setattr(sys, "stderr", Terminal())
        study = Study(tmp_path / str(number), "demo:train", "demo:uniform", progress=of_study)
        study.read_images(progress=of_call)
        assert ("Reading image headers" in sys.stderr.getvalue()) == drawn


def test_a_plot_goes_on_the_users_axes(finished):
    left, right = matplotlib.figure.Figure().subplots(1, 2)
    assert finished.plot("distance-vs-invariance", ax=right) is right
    assert finished.plot("scale", ax=left) is left
    assert right.collections
    assert right.get_xlabel()
    assert len(right.figure.axes) == 2
    alone = finished.plot("distance-vs-invariance")
    np.testing.assert_array_equal(alone.collections[0].get_offsets(), right.collections[0].get_offsets())
    with pytest.raises(InputError, match="several panels"):
        finished.plot("distance-vs-invariance", by_class=True, ax=left)
