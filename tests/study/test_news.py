"""What is said of the inputs before the long work begins."""

import itertools
import shutil

import numpy as np
import pandas as pd
import pytest
from torch import nn

from bias_toolkit import InputError, Study, load_model
from bias_toolkit.study import duration, steps
from bias_toolkit.study import news as news_module


@pytest.fixture
def told():
    return []


@pytest.fixture
def some(few, tmp_path):
    """A copy of the test set in which one image is cut off and two are empty."""
    data = shutil.copytree(few["test"].parent, tmp_path / "test")
    images = sorted(data.glob("*.png"))
    images[0].write_bytes(images[0].read_bytes()[:20])
    for image in images[1:3]:
        image.write_bytes(b"")
    return data / "images.csv"


def test_both_sets_what_was_left_out_and_the_labels_come_before_features(few, some, fast, tmp_path, told):
    steps = []

    def tell(sentences):
        told.append(sentences)
        steps.extend(study.computed)

    study = Study(tmp_path / "study", few["train"], some, "demo", when_read=tell, **fast)
    study.embed()
    assert steps == ["images/train", "images/test"]
    ((train, test, left_out, labels, training, time),) = told
    assert train == "Training set: 24 images, 9 labels, 24 boxes, read as table (a csv file)."
    assert test.startswith("Test set: 17 images, 9 labels, 17 boxes, read as table")
    assert left_out == (
        "3 images of the test set are left out: the file is empty (2: 00001.png.png, …); the file is cut off "
        "(1: 00000.png.png); see skipped.csv."
    )
    assert labels == "9 of 9 labels matched the model's classes by class name."
    assert training.startswith("Whether the model was trained on the training set is not known")
    assert time == "This will take about half a minute."


def test_settings_that_a_newly_named_input_loses_are_told(few, fast, tmp_path, told):
    sets = few["train"], few["test"]
    Study(tmp_path / "study", *sets, "demo", feature="4", trained_on="other", **fast).embed()

    def tell(sentences):
        told.extend(each for each in sentences if "named anew without" in each)

    Study(tmp_path / "study", when_read=tell, **fast).sweep()
    Study(tmp_path / "study", *sets, "demo", feature="4", trained_on="other", when_read=tell, **fast).embed()
    assert told == []
    Study(tmp_path / "study", *sets, "demo", when_read=tell, **fast).embed()
    assert told == [
        "This study had --trained-on and --feature. They are not used now, as the input was named anew without them."
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (20, "half a minute"),
        (50, "1 minute"),
        (89, "1 minute"),
        (170, "3 minutes"),
        (5000, "83 minutes"),
        (5400, "2 hours"),
        (36000, "10 hours"),
    ],
)
def test_durations_are_round(seconds, said):
    assert duration._rounded(seconds) == said


def test_duration_is_of_the_work_that_is_missing(few, fast, tmp_path, monkeypatch):
    """With a clock on which every image takes a minute, whatever the work."""
    clock = itertools.count(step=60 * duration.TRIED)
    monkeypatch.setattr(duration.time, "monotonic", lambda: next(clock))
    study = Study(tmp_path / "study", few["train"], few["test"], "demo", **fast).read_images()

    def said(*wanted):
        plan = study._workshop.plan
        tasks = [plan.task(step, member) for step in wanted for member in step.members(study.inputs)]
        return duration.duration_sentence(study._workshop, tasks)

    assert said(steps.features) == f"This will take about {24 + 20} minutes."
    assert said(steps.noise) is None
    assert said(steps.layer_analysis) is None
    study.embed()
    assert said(steps.features) is None
    assert said(steps.measures) == "This will take about 20 minutes."
    # Search and statistics of few images are short.
    assert said(steps.neighbours) is said(steps.noise) is None
    monkeypatch.setattr(duration, "PRODUCTS", 24 * 20 * 32 / 240)
    assert said(steps.neighbours) == "This will take about 4 minutes."
    monkeypatch.setattr(duration, "OF_AN_IMAGE", 600 / (24 + 20))
    assert said(steps.analysis) == f"This will take about {20 + 4 + 10} minutes."
    precise = Study(study.folder, precision=0.1)
    study = precise.read_images()
    assert said(steps.measures) == "This will take about 20 minutes, or less, as sweeps stop at --precision."


def test_nothing_is_said_where_nothing_has_to_be_done(finished, told):
    Study(finished.folder, when_read=told.append).analyse()
    assert told == []


def test_without_a_model_nothing_is_said_of_it(few, fast, tmp_path, told):
    of_objects = {name: value for name, value in fast.items() if name != "runtime"}
    study = Study(tmp_path / "study", few["train"], few["test"], when_read=told.append, **of_objects)
    study.measure_objects()
    ((train, test),) = told
    assert (train[:8], test[:4]) == ("Training", "Test")


def test_what_the_readers_note_is_told_kept_and_restored(few, fast, tmp_path, told, monkeypatch):
    from bias_toolkit.datasets import Note, annotation_table

    notes = [Note("1 column was passed over (such as 'x')."), Note("1 box may be wrong (of a.png).", warns=True)]
    made = annotation_table.Annotations
    monkeypatch.setattr(
        annotation_table, "Annotations", lambda *args, **others: made(*args, **others | {"notes": notes})
    )
    of_objects = {name: value for name, value in fast.items() if name != "runtime"}
    sets = few["train"], few["test"]
    Study(tmp_path / "study", *sets, when_read=told.append, **of_objects).measure_objects()
    assert told[0][2:] == [f"{name} set: {note.text}" for note in reversed(notes) for name in ("Training", "Test")]
    assert Study(tmp_path / "study").results.tables("test").notes == notes


def test_labels_that_match_nothing_name_the_option(few, fast, tmp_path, told):
    table = few["test"].read_text().replace(",", ",zoo ", 1)
    lines = table.splitlines()
    header = lines[0].replace("zoo ", "")
    at = header.split(",").index("label")
    rows = [line.split(",") for line in lines[1:]]
    data = shutil.copytree(few["test"].parent, tmp_path / "zoo")
    marked = [",".join([*row[:at], f"animal {row[at]}", *row[at + 1 :]]) for row in rows]
    (data / "images.csv").write_text("\n".join([header, *marked]))
    study = Study(tmp_path / "study", few["train"], data / "images.csv", "demo", when_read=told.append, **fast)
    study.embed()
    assert "None of 9 labels matched the model's classes" in told[0][2]
    assert "give a file with the class of each label, with --label-map." in told[0][2]


def test_only_the_most_frequent_reasons_are_shown():
    reasons = ["empty"] * 4 + ["cut"] * 3 + ["a"] + ["b", "c"]
    skipped = pd.DataFrame({"image_id": [f"{row}.png" for row in range(10)], "reason": reasons})
    assert news_module._reasons(skipped) == "empty (4: 0.png, …); cut (3: 4.png, …); a (1: 7.png); other reasons (2)"


class Dropping(nn.Module):
    """A network whose dropout is never off."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(nn.functional.dropout(images, 0.2))


def test_a_model_that_is_not_deterministic_is_refused_before_features(few, fast, tmp_path):
    plain = load_model("demo", runtime="torch")
    study = Study(
        tmp_path / "study",
        few["train"],
        few["test"],
        plain.with_module(Dropping(plain.module), "dropping"),
        **fast,
    )
    with pytest.raises(InputError, match="The model dropping gives other outputs when the same images"):
        study.run()
    assert not (study.folder / "features").exists()


def test_a_finished_study_does_not_try_its_model(finished, monkeypatch):
    def refuse(model):
        raise AssertionError("tried")

    monkeypatch.setattr("bias_toolkit.models.model.Model.check_deterministic", refuse)
    assert Study(finished.folder).analyse().computed == []


def test_bars_say_the_step_of_how_many_and_the_set(few, fast, tmp_path):
    from contextlib import contextmanager

    bars = []

    @contextmanager
    def progress(description, total, done=0):
        bars.append((description, total))
        yield lambda count, note="": None

    Study(tmp_path / "study", few["train"], few["test"], "demo", **fast).sweep(progress)
    assert ("Reading image headers, train", 24) in bars
    assert ("Opening the model", None) in bars
    assert ("1/3 Sweep crop-1-diagonal", 20) in bars
    assert ("2/3 Measures", None) in bars
    assert ("3/3 Noise floor", 16) in bars
    Study(tmp_path / "study").embed(progress)
    assert ("1/2 Features, train", 24) in bars
    assert ("2/2 Features, test", 20) in bars
    # Opening and trying the model is no part of a bar's time.
    shown = [description for description, total in bars]
    assert shown.index("Trying the model") < shown.index("1/3 Sweep crop-1-diagonal")


class Told(Exception):
    """Ends a command once its news is told."""


@pytest.fixture
def said_of_training(photographs, fast, tmp_path):
    """A function that gives the last sentences before a training on changed tables, in which nothing is computed."""

    def said(model, count, train_images=None, **changes):
        def tell(sentences):
            raise Told(sentences)

        tables = {}
        for split in ("train", "test"):
            table = pd.read_csv(photographs[split])
            tables[split] = photographs[split].with_name(f"{tmp_path.name}.csv")
            changes.get(split, lambda each: each)(table).to_csv(tables[split], index=False)
        options = fast | {"train_epochs": 1, "remedy_images": 4, "train_images": train_images}
        study = Study(tmp_path / "study", *tables.values(), model, when_read=tell, **options)
        try:
            with pytest.raises(Told) as told:
                study.measure_remedies()
        finally:
            for table in tables.values():
                table.unlink()
        assert study.computed == ["images/train", "images/test"]
        return told.value.args[0][-count:]

    return said


def test_labels_that_do_not_match_get_a_new_last_layer(said_of_training):
    def other(table):
        return table.assign(label="shape " + table["label"].astype(str))

    (head,) = said_of_training("demo", 1, train=other, test=other)
    assert head == (
        "No label of the training set is a class of the model. So the trained copies get a new last layer, for "
        "10 labels."
    )


def test_labels_that_the_training_cannot_teach_are_named(said_of_training):
    def one_other(table):
        return table.assign(label=table["label"].astype(str).replace("3", "blob"))

    others, missing = said_of_training("demo", 2, train=one_other)
    assert others == (
        "1 label of the training set is not among the model's classes. Images with such a label are left out of the "
        "training."
    )
    assert missing == "The training cannot teach 1 label (3), as no training image of it can be read."


def test_labels_that_are_not_among_the_drawn_images_are_named(said_of_training, photographs):
    labels = pd.read_csv(photographs["train"])["label"].astype(str)
    drawn = labels.iloc[np.random.default_rng(0).permutation(len(labels))[:5]]
    missing = sorted(set(labels) - set(drawn))
    (sentence,) = said_of_training("demo", 1, train_images=5)
    assert sentence == (
        f"The training cannot teach {len(missing)} labels ({', '.join(missing[:3])}, …), as no training image of them "
        "is among the 5 that were drawn."
    )


def test_without_a_mismatch_nothing_is_said_of_the_training(said_of_training):
    assert "training image" not in said_of_training("demo", 1)[0]
