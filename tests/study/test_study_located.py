"""Studies of datasets without boxes."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bias_toolkit import Study, load_dataset
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import read_table
from bias_toolkit.objects.locate import load_located
from bias_toolkit.report import Finding
from bias_toolkit.study import steps
from bias_toolkit_cli.main import main

MODEL = "demo:global-pooling"
OF_OBJECTS = ("resamples", "permutations", "placements", "runtime")


def run(*arguments):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as end:
        main([str(each) for each in arguments])
    return end.value.code or 0


def write_images(folder, name, n):
    """Images of a built-in dataset in class folders, which have no boxes."""
    dataset = load_dataset(f"demo:{name}")
    for image_id, label in dataset.images[["image_id", "label"]].head(n).itertuples(index=False):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(dataset.read(image_id)).save(folder / label / image_id)
    return folder


@pytest.fixture(scope="module")
def unboxed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unboxed")
    return {"train": write_images(folder / "train", "train", 32), "test": write_images(folder / "test", "uniform", 24)}


@pytest.fixture(scope="module")
def located(unboxed, fast, tmp_path_factory):
    """A finished study of two sets without boxes; tests must not change it."""
    folder = tmp_path_factory.mktemp("located") / "study"
    return Study(folder, unboxed["train"], unboxed["test"], MODEL, **fast).run()


@pytest.fixture(scope="module")
def measured(unboxed, few, fast, tmp_path_factory):
    """A study whose training set has no boxes and whose test set has; its objects are measured."""
    folder = tmp_path_factory.mktemp("measured") / "study"
    return Study(folder, unboxed["train"], few["test"], MODEL, **fast).measure_objects()


def test_sets_without_boxes_get_one_an_image(located):
    for split, n in (("train", 32), ("test", 24)):
        assert located.is_estimated(split)
        assert located.objects(split).empty
        table = located.located(split)
        assert len(table) == n
        assert table["located_by"].eq("label").all()
        framing = located.framing(split)
        assert len(framing) == table["x0"].notna().sum() > 0.9 * n
        assert framing["estimated"].all()
        first = table.dropna(subset=["x0"]).iloc[0]
        own = framing[framing["image_id"] == first["image_id"]].iloc[0]
        assert own["cx"] == pytest.approx((first["x0"] + first["x1"]) / 2 / 74)
        assert own["category"] == located.images(split).set_index("image_id")["label"][first["image_id"]]
    assert located.results.per_image["estimated"].all()
    assert located.results.per_image["centre_distance"].notna().any()
    assert located.framing_summary("train")["estimated"].all()


def test_estimate_is_near_the_object(located):
    truth = load_dataset("demo:uniform").objects.set_index("image_id")
    table = located.located("test").dropna(subset=["x0"])
    own = truth.loc[[image_id.split("/")[1] for image_id in table["image_id"]]]
    for low, high in (("x0", "x1"), ("y0", "y1")):
        middles = [(each[low] + each[high]).to_numpy() / 2 for each in (table, own)]
        assert np.corrcoef(*middles)[0, 1] > 0.6


def test_report_says_everywhere_that_boxes_are_estimated(located):
    folder = located.folder / "report"
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "The estimated boxes" in text
    assert "nobody drew them" in text
    assert "has no object boxes" not in text
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert results["localisation"]["sets"]["train"]["n_images"] == 32
    assert not results["localisation"]["measured_here"]
    assert all(row["estimated"] for split in ("train", "test") for row in results["framing"][split])
    for finding in results["findings"]:
        if finding["topic"] in ("Framing and stability",) and finding["kind"] != "unknown":
            assert finding["claim"].startswith("By estimated boxes: "), finding
    about_framing = [each for each in results["findings"] if each["topic"] == "Framing of the subjects"]
    assert about_framing[0]["claim"].startswith("By estimated boxes: ")
    assert any("are estimated: the model located" in each["claim"] for each in about_framing)
    for name in ("framing_train", "framing_test", "per_image", "framing_summary_train", "framing_summary_test"):
        assert pd.read_csv(folder / "tables" / f"{name}.csv")["estimated"].all(), name
    quoted = pd.read_csv(folder / "tables" / "localisation.csv")
    assert quoted["n_images"].eq(1000).all()
    assert "benchmarks/located_boxes.py" in text
    assert "Tiny-ImageNet" in text


def test_figures_of_boxes_say_so_and_others_do_not(located):
    def words(name):
        figure = located.plot(name).figure
        return figure.get_suptitle()

    assert words("centres") == words("centre-distance") == words("coverage") == "Estimated boxes"
    assert words("invariance-vs-scale") == words("scale") == "Estimated boxes"
    assert words("distance-vs-invariance") == ""


def test_figures_of_given_boxes_do_not_say_so(finished):
    assert finished.plot("centres").figure.get_suptitle() == ""
    assert not finished.framing("train")["estimated"].any()
    text = (finished.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "estimated boxes" not in text.lower()
    assert not (finished.folder / "located").exists()


def test_quality_is_measured_where_a_set_has_boxes(measured):
    assert measured.is_estimated("train")
    assert not measured.is_estimated("test")
    split, quality = measured.localisation
    assert split == "test"
    accuracy = quality[quality["criterion"].eq("localisation_accuracy")].set_index("estimator")
    assert (accuracy["n_images"] == 20).all()
    assert accuracy.loc["estimated", "value"] > accuracy.loc["centred", "value"]
    assert measured.framing("train")["estimated"].all()
    assert not measured.framing("test")["estimated"].any()


def test_quality_is_measured_on_a_sample_of_many(measured, monkeypatch, tmp_path):
    # The package has the step under the module's name.
    monkeypatch.setattr(sys.modules["bias_toolkit.study.steps.located"], "SAMPLE", 12)
    folder = tmp_path / "study"
    shutil.copytree(measured.folder, folder)
    study = Study(folder, resamples=101)
    study.measure_objects()
    _, quality = study.localisation
    assert (quality["n_images"] <= 12).all()
    assert quality["n_images"].max() == 12


def test_given_boxes_are_kept_unless_estimated_ones_are_asked_for(small, tmp_path):
    study = Study(shutil.copytree(small.folder, tmp_path / "study"), model=MODEL).measure_objects()
    given = study.framing("test")
    assert not study.is_estimated("test")
    assert not (study.folder / "located").exists()
    asked = Study(tmp_path / "study", boxes="estimated").measure_objects()
    assert asked.is_estimated("test")
    assert asked.framing("test")["estimated"].all()
    assert asked.localisation[0] == "test"
    # The boxes of the dataset itself stay what explanations use.
    pd.testing.assert_frame_equal(asked.given_framing("test"), given.drop(columns="estimated"))
    assert len(asked.subjects("test")) == len(given)
    with pytest.raises(InputError, match="computed with other inputs or settings"):
        Study(tmp_path / "study", boxes="given").framing("test")
    back = Study(tmp_path / "study", boxes="given").measure_objects()
    pd.testing.assert_frame_equal(back.framing("test"), given)


def test_boxes_that_are_to_be_given_are_not_estimated(unboxed, fast, tmp_path):
    study = Study(tmp_path / "study", unboxed["train"], unboxed["test"], MODEL, boxes="given", **fast)
    assert study.measure_objects().framing("train").empty
    assert not (study.folder / "located").exists()


def test_without_a_model_it_is_said_what_to_name(unboxed, fast, tmp_path, capsys):
    folder = tmp_path / "study"
    quick = [each for name in OF_OBJECTS for each in (f"--{name}", fast[name])]
    assert run("objects", folder, "--train", unboxed["train"], "--test", unboxed["test"], *quick) == 0
    printed = capsys.readouterr().out
    assert "The training set has no object boxes, so position and scale of its objects are left out." in printed
    assert printed.count("Name a model with --model to have its objects located.") == 1
    assert run("objects", folder, "--boxes", "estimated") == 2
    assert "has no model; name --model." in capsys.readouterr().err
    assert run("objects", folder, "--boxes", "auto", "--model", MODEL) == 0
    printed = capsys.readouterr().out
    assert "The boxes of the training set are estimated by the model" in printed
    assert "Framing of the training set, estimated boxes" in printed
    assert "By estimated boxes: " in printed
    assert "measured on 1,000 validation images" in printed
    assert "has no object boxes" not in printed


def test_command_refuses_another_kind_of_boxes(tmp_path, capsys, unboxed):
    assert run("objects", tmp_path / "study", "--train", unboxed["train"], "--boxes", "drawn") == 2
    assert "--boxes is 'drawn', but must be one of auto, given, estimated." in capsys.readouterr().err


def test_a_model_that_cannot_locate_leaves_the_study_as_it_was(unboxed, fast, tmp_path):
    from torch import nn

    from bias_toolkit.models import Model, Preprocessing

    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
    model = Model("flat", network, input_size=32, preprocessing=Preprocessing((0, 0, 0), (1, 1, 1)))
    study = Study(tmp_path / "study", unboxed["train"], unboxed["test"], **fast).measure_objects()
    assert "Name a model" in study.boxes_record("train")["reason"]
    study = Study(tmp_path / "study", model=model)
    with pytest.raises(InputError, match="bias-toolkit objects"):
        study.framing("train")
    study.measure_objects()
    assert study.framing("train").empty
    assert not study.is_estimated("train")
    assert "no activation map" in study.boxes_record("train")["reason"]
    with pytest.raises(InputError, match="no activation map"):
        Study(tmp_path / "study", model=model, boxes="estimated").measure_objects()


def test_an_image_without_labels_is_located_by_its_most_probable_class(unboxed, fast, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in sorted(unboxed["test"].rglob("*.png"))[:20]:
        shutil.copy(path, flat)
    study = Study(tmp_path / "study", unboxed["train"], flat, MODEL, **fast).measure_objects()
    assert study.located("test")["located_by"].eq("top-1").all()
    names = study.framing("test")["category"]
    top1 = study.located("test").dropna(subset=["x0"])["class_index"].astype(str)
    assert names.tolist() == top1.tolist()


def test_a_stopped_run_goes_on_and_gives_the_same_tables(unboxed, fast, tmp_path, located, monkeypatch):
    from bias_toolkit.objects import locate

    monkeypatch.setitem(vars(steps.located), "sharding", dataclasses.replace(steps.located.sharding, size=12))
    study = Study(tmp_path / "study", unboxed["train"], unboxed["test"], MODEL, **fast)
    done = locate._locate_batch
    calls = []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return done(*arguments)

    monkeypatch.setattr(locate, "_locate_batch", stopping)
    with pytest.raises(KeyboardInterrupt):
        study.measure_objects()
    kept = sorted((study.folder / "located" / "train").glob("located-*.parquet"))
    assert len(kept) == 2
    times = [path.stat().st_mtime_ns for path in kept]
    again = Study(study.folder).measure_objects()
    assert [path.stat().st_mtime_ns for path in kept] == times
    pd.testing.assert_frame_equal(again.located("train"), load_located(study.folder / "located" / "train"))
    # Other shards are other batches, which change an estimate by rounding only.
    names = ["x0", "y0", "x1", "y1", "score"]
    pd.testing.assert_frame_equal(again.located("train")[names], located.located("train")[names], rtol=1e-4)


def test_same_study_same_bits(unboxed, fast, tmp_path, located):
    again = Study(tmp_path / "study", unboxed["train"], unboxed["test"], MODEL, **fast).measure_objects()
    for split in ("train", "test"):
        pd.testing.assert_frame_equal(again.located(split), located.located(split), check_exact=True)
        pd.testing.assert_frame_equal(again.framing(split), located.framing(split), check_exact=True)


def test_another_model_or_setting_locates_anew(located, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(located.folder, folder)
    before = read_table(next((folder / "located" / "test").glob("*.parquet")))
    Study(folder, model="demo").measure_objects()
    after = read_table(next((folder / "located" / "test").glob("*.parquet")))
    assert (before["score"] != after["score"]).any()


def test_explanations_keep_to_given_boxes(located, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(located.folder, folder)
    study = Study(folder)
    assert study.subjects("train").empty
    assert study.subjects("test").empty
    explanation = study.explain(study.results.per_image.sort_values("p_top1_change")["image_id"].iloc[-1])
    told = explanation.to_dict()
    assert "estimated" not in json.dumps(told)
    assert told["image_id"] in set(study.results.per_image["image_id"])


def test_findings_are_a_table(located):
    findings = located.findings()
    assert findings.columns.tolist() == ["topic", "kind", "claim", "evidence", "estimate", "figure"]
    assert all(Finding(**row).claim for row in findings.to_dict("records"))


def test_boxes_are_located_anew_where_labels_are_matched_with_other_classes(located, tmp_path):
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"0": "1"}))
    other = Study(located.folder, label_map=mapping)
    for split in ("train", "test"):
        assert located.results.stored.is_current(steps.located, split)
        with pytest.raises(InputError, match=r"computed with other inputs or settings.*bias-toolkit objects"):
            other.located(split)


def test_subjects_are_of_the_given_boxes_whatever_the_framing_is_of(few, fast, tmp_path):
    pictures = shutil.copytree(few["test"].parent, tmp_path / "pictures")
    table = pd.read_csv(pictures / "images.csv")
    # Each image's second box is the larger one, and of no category that is its label.
    second = table.assign(category="other", x0=0, y0=0, x1=74, y1=74)
    pd.concat([table, second]).to_csv(pictures / "images.csv", index=False)
    study = Study(
        tmp_path / "study", pictures / "images.csv", pictures / "images.csv", MODEL, boxes="estimated", **fast
    )
    study.measure_objects()
    assert study.framing("test")["estimated"].all()
    subjects = study.subjects("test").set_index("image_id")
    assert len(subjects) == 20
    given = table.set_index("path").loc[subjects.index]
    np.testing.assert_allclose(subjects[["x0", "y0", "x1", "y1"]], given[["x0", "y0", "x1", "y1"]], atol=1e-4)
