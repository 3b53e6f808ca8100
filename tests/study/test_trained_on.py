"""What is known of a model's training set, and what it changes of a study."""

import shutil

import pytest

from bias_toolkit import InputError, Study
from bias_toolkit.study.settings import Settings
from bias_toolkit.study.trained_on import trained_on

IMAGENET = ("tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark, white shark")
DIGITS = tuple("0123456789")


def answer(model, train="/photos", labels=("goldfish",), names=None, classes=IMAGENET, **settings):
    return trained_on(Settings(**settings), model, train, labels, names or {}, classes)


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ({"model": "demo", "train": "demo:train", "classes": DIGITS}, "train"),
        ({"model": "demo:global-pooling", "train": "demo:train", "classes": DIGITS}, "train"),
        ({"model": "demo", "train": "demo:uniform", "classes": DIGITS}, "other"),
        ({"model": "demo:global-pooling-uniform", "train": "demo:train-uniform", "classes": DIGITS}, "train"),
        ({"model": "demo:global-pooling-uniform", "train": "demo:train", "classes": DIGITS}, "other"),
        ({"model": "demo:global-pooling", "train": "demo:train-uniform", "classes": DIGITS}, "other"),
        ({"model": "efficientnet-lite0", "train": "demo:train", "labels": DIGITS}, "other"),
        # Digits elsewhere may be the demo's.
        ({"model": "demo", "train": "/digits", "labels": DIGITS, "classes": DIGITS}, None),
        ({"model": "demo", "train": "/owls", "labels": ["owl"], "classes": DIGITS}, "other"),
        ({"model": "efficientnet-lite0", "labels": ["kangaroo"]}, "probably other"),
        ({"model": "torchvision:resnet50", "labels": ["goldfish", "kangaroo", "emu"]}, "probably other"),
        ({"model": "torchvision:resnet50", "labels": ["goldfish", "kangaroo"]}, None),
        ({"model": "timm:resnet18", "labels": ["kangaroo"]}, "probably other"),
        # Its classes' names and ids, and no labels, are those of ImageNet, of a part of it, and of others.
        ({"model": "efficientnet-lite0", "labels": ["goldfish", "white shark"]}, None),
        ({"model": "efficientnet-lite0", "labels": ["n01443537", "n01440764"]}, None),
        ({"model": "efficientnet-lite0", "labels": ["a"], "names": {"a": "Goldfish"}}, None),
        ({"model": "efficientnet-lite0", "labels": []}, None),
        ({"model": "timm:unnamed", "labels": ["kangaroo"], "classes": None}, None),
        # Weights and code of the user may have learnt from anything.
        ({"model": "efficientnet-lite0", "labels": ["kangaroo"], "weights": "mine.pt"}, None),
        ({"model": "mine.networks:make", "labels": ["kangaroo"]}, None),
        ({"model": "efficientnet-lite0 (mine.pt)", "labels": ["kangaroo"]}, None),
        ({"model": None}, None),
        # The user's answer counts first.
        ({"model": "efficientnet-lite0", "labels": ["kangaroo"], "trained_on": "train"}, "train"),
        ({"model": "demo", "train": "demo:train", "trained_on": "other"}, "other"),
    ],
)
def test_what_is_known(given, known):
    assert answer(**given) == known


def test_another_word_is_refused():
    with pytest.raises(InputError, match="--trained-on is 'imagenet', but must be one of train, other"):
        Settings(trained_on="imagenet")


def test_only_the_report_is_written_again_and_it_says_so(finished, tmp_path, no_figures):
    folder = shutil.copytree(finished.folder, tmp_path / "study")
    assert finished.trained_on is None
    unknown = "Whether the model was trained on the training set is not known"
    assert unknown in finished.answers()[-1]["evidence"]
    assert Study(folder, trained_on="train").trained_on == "train"
    with no_figures():
        again = Study(folder, trained_on="other").run()
    assert again.computed == ["report"]
    assert "The model was not trained on the training set, so" in again.answers()[-1]["evidence"]
    # It is said once.
    assert not again.findings()["claim"].str.contains("trained on").any()
    assert Study(folder).settings.trained_on == "other"
    # Of another model or training set, it is asked again.
    assert Study(folder, model="demo").settings.trained_on is None
    assert Study(folder, train="demo:train").settings.trained_on is None


def test_a_study_of_an_earlier_version_gets_the_classes_names_from_its_model(finished, monkeypatch):
    results = Study(finished.folder).results
    record = results.label_record
    without = {name: value for name, value in record.items() if name != "classes"}
    monkeypatch.setattr(type(results.stored), "json", lambda *arguments: dict(without))
    assert list(results.label_record["classes"]) == list(record["classes"])
    # A model that may have to be downloaded, or whose code would run, is not opened for that.
    monkeypatch.setattr(type(results._inputs), "spec", lambda *arguments: "mine.networks:make")
    monkeypatch.setattr(type(results._inputs), "has_open_model", False)
    assert results.label_record["classes"] is None
