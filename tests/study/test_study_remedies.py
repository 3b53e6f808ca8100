"""Remedies in a study: at test time, and by training the model further."""

import importlib.util
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from bias_toolkit import Study, load_model
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance.remedies import REMEDIES, TRAINED
from bias_toolkit.models import Model, Preprocessing
from bias_toolkit.report.topics.remedies import study_findings
from bias_toolkit.study import steps

SETTINGS = {"remedy_images": 2, "train_epochs": 2, "train_rate": 0.001}
MODEL = "demo:global-pooling"


@pytest.fixture(scope="module")
def remedied(few, fast, tmp_path_factory):
    """A study of the few with all remedies; tests must not change it."""
    folder = tmp_path_factory.mktemp("remedied") / "study"
    return Study(folder, few["train"], few["test"], MODEL, **fast | SETTINGS).measure_remedies()


@pytest.fixture
def copy(remedied, tmp_path):
    return shutil.copytree(remedied.folder, tmp_path / "study")


def test_every_remedy_and_every_arm_is_tried_on_the_same_images(remedied):
    table = remedied.remedied
    images = table.groupby("remedy", sort=False)["image_id"].agg(list)
    assert list(images.index) == [remedy.name for remedy in (*REMEDIES, *TRAINED)]
    assert all(some == images.iloc[0] and len(some) == 2 for some in images)


def test_the_untouched_model_has_the_measures_of_the_sweep(remedied, few, fast, tmp_path):
    study = Study(tmp_path / "swept", few["train"], few["test"], MODEL, **fast).sweep()
    own = remedied.remedied.query("remedy == 'untouched'").set_index("image_id")
    swept = study.measures.set_index("image_id").loc[own.index]
    for name in ("p_top1_change", "mac", "accuracy", "any_change", "confidence", "margin"):
        np.testing.assert_allclose(own[name], swept[name], atol=1e-6, err_msg=name)


def test_a_second_run_computes_nothing_and_one_without_training_only_the_comparison(copy):
    study = Study(copy)
    study.measure_remedies()
    assert study.computed == []
    without = Study(copy, train_epochs=0).measure_remedies()
    assert without.computed == ["remedies/comparison"]
    assert set(without.remedied["remedy"]) == {remedy.name for remedy in REMEDIES}


def test_a_training_that_was_stopped_ends_in_the_same_weights(remedied, few, fast, tmp_path, monkeypatch):
    from bias_toolkit.models.training import epoch

    first, calls = epoch.train_epoch, []

    def stop_in_the_second(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return first(*arguments, **options)

    folder = tmp_path / "stopped"
    study = Study(folder, few["train"], few["test"], MODEL, **fast | SETTINGS)
    with monkeypatch.context() as patch:
        patch.setattr(epoch, "train_epoch", stop_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            study._do([steps.training], None)
    assert not (folder / "training/trained/network.safetensors").exists()
    Study(folder)._do([steps.training], None)
    for arm in TRAINED:
        name = f"training/{arm.name}/network.safetensors"
        assert (folder / name).read_bytes() == (remedied.folder / name).read_bytes()


@pytest.mark.parametrize("made", ["training/augmented", "training/both", "remedies/low-pass-3"])
def test_the_network_is_given_back_as_files(remedied, made):
    folder = remedied.folder / made
    spec = importlib.util.spec_from_file_location("given_back", folder / "network.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.model()
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    network = module.network()
    assert network(images).shape == (3, 10)
    untrained = load_model(MODEL, runtime="torch").module
    with torch.no_grad():
        assert not torch.allclose(network(images), untrained(images), atol=1e-3)
    # The measured network is the same: its top-1 classes at the centre views.
    rows = remedied.remedied[remedied.remedied["remedy"] == folder.name]
    views = np.stack([remedied.sweep_views(image_id)[4] for image_id in rows["image_id"]])
    assert model.evaluate(views).probabilities.argmax(axis=1).tolist() == rows["top1"].tolist()


def test_a_model_of_other_classes_gets_a_new_head(few, fast, tmp_path):
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 5, stride=4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    ).append(torch.nn.Linear(4, 3))
    model = Model("other", network, input_size=32, preprocessing=Preprocessing(), class_names=["cat", "dog", "owl"])
    tables = {}
    for split in ("train", "test"):
        table = pd.read_csv(few[split])
        tables[split] = few[split].with_name("named.csv")
        table.assign(label="digit " + table["label"].astype(str)).to_csv(tables[split], index=False)
    settings = fast | SETTINGS | {"train_epochs": 1}
    study = Study(tmp_path / "study", *tables.values(), model, **settings).measure_remedies()
    assert (study.folder / "training/both/network.safetensors").exists()
    assert not (study.folder / "training/both/network.py").exists()
    effects = study.remedy_effects
    labelled = set(effects.loc[effects["measure"] == "accuracy", "remedy"])
    assert labelled == {arm.name for arm in TRAINED}


def test_a_network_that_does_not_subsample_has_the_other_remedies(few, fast, tmp_path):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1))
    network.append(torch.nn.Flatten()).append(torch.nn.Linear(4, 10))
    model = Model("dense", network, input_size=32, preprocessing=Preprocessing())
    study = Study(tmp_path / "study", few["train"], few["test"], model, **fast, remedy_images=2).measure_remedies()
    names = {remedy.name for remedy in REMEDIES}
    assert set(study.remedied["remedy"]) == names - {"low-pass-3", "low-pass-5"}
    with pytest.raises(InputError, match="has no strided convolution"):
        Study(study.folder, model=model, train_epochs=1).measure_remedies()


def test_findings_and_the_report_show_what_helps(complete):
    study = Study(complete.folder)
    found = study_findings(study)
    assert found
    assert (study.folder / "report" / "tables" / "remedy_effects.csv").exists()
    page = (study.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "What helps" in page
    assert "Mean over 81 shifts" in page


def test_a_training_that_cannot_be_done_is_refused_before_anything_is_computed(few, fast, tmp_path):
    with pytest.raises(InputError, match="--train-rate is 0, but must be above 0"):
        Study(
            tmp_path / "a", few["train"], few["test"], MODEL, **fast | SETTINGS | {"train_rate": 0.0}
        ).measure_remedies()
    with pytest.raises(InputError, match="--train-epochs is -1, but must be at least 0"):
        Study(tmp_path / "b", few["train"], few["test"], MODEL, **fast | {"train_epochs": -1})
    with pytest.raises(InputError, match="Remedies are tried on one-pixel shifts"):
        Study(
            tmp_path / "c", few["train"], few["test"], MODEL, **fast, protocols=("embed",), transforms=("scale",)
        ).measure_remedies()
    assert not (tmp_path / "a" / "features").exists()
