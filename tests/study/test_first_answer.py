"""A first answer from a sample of both sets, and the full study that goes on from it."""

import io
import json
import shutil
from contextlib import redirect_stdout
from types import SimpleNamespace

import pandas as pd
import pytest

from bias_toolkit import InputError, Study, load_dataset
from bias_toolkit.datasets import Dataset
from bias_toolkit.pipeline.lock import LOCK
from bias_toolkit.study import settings
from bias_toolkit.study.duration import TRIED
from bias_toolkit.study.first_answer import first_answer_in
from bias_toolkit_cli.main import main

TRAIN, TEST = 12, 10
SAID = "first answer from 10 of 20 test images and 12 of 24 training images"


@pytest.fixture(scope="module", autouse=True)
def small_samples(pages_without_figures, folding_in_two):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(settings.QUICK, "train_sample", TRAIN)
        patch.setitem(settings.QUICK, "test_sample", TEST)
        yield


def recorded_by(patch):
    """The images that are decoded for the model from now on, in order: for its features, and for its sweeps."""
    images, decode = [], Dataset.read_reduced

    def recorded(self, image_id, reduction):
        images.append(image_id)
        return decode(self, image_id, reduction)

    patch.setattr(Dataset, "read_reduced", recorded)
    return images


@pytest.fixture
def read(monkeypatch):
    return recorded_by(monkeypatch)


@pytest.fixture
def study(few, fast, tmp_path):
    return Study(tmp_path / "study", few["train"], few["test"], "demo", **fast)


@pytest.fixture
def features_alone(monkeypatch):
    """A first answer ends with its features: its page is looked at by two tests."""
    monkeypatch.setattr(Study, "run", Study.embed)


def reported(folder, *more):
    """What `report` prints."""
    with redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit) as end:
        main(["report", f"--out={folder}", *more])
    assert not end.value.code
    return printed.getvalue()


@pytest.fixture(scope="module")
def answered(few, fast, small_samples, tmp_path_factory):
    """A study after its first answer, and then its full report: what both printed, the files after the first, and the
    images that the second read. Tests must not change it."""
    folder = tmp_path_factory.mktemp("answered") / "study"
    options = [f"--{name.replace('_', '-')}={value}" for name, value in fast.items()]
    inputs = [f"--train={few['train']}", f"--test={few['test']}", "--model=demo"]
    first = reported(folder, "--quick", *inputs, *options)
    names = {path.name for path in folder.iterdir()}
    with pytest.MonkeyPatch.context() as patch:
        read = recorded_by(patch)
        full = reported(folder)
    return SimpleNamespace(study=Study(folder), folder=folder, first=first, names=names, full=full, read=read)


def test_full_study_takes_the_rows_over_and_equals_one_without_a_first_answer(answered, small, tables):
    first, study = Study(answered.folder / "quick"), answered.study
    assert (len(first.results.images("train")), len(first.results.images("test"))) == (TRAIN, TEST)
    in_features_and_sweep, noise = (24 - TRAIN) + 2 * (20 - TEST), 8
    # To say how long it takes, both features and the sweep are tried.
    assert len(answered.read) == in_features_and_sweep + noise + 3 * TRIED
    own, whole = tables(study), tables(small)
    for name in ("features.train", "features.test", "measures", "distances"):
        # In another batch, a result may differ by rounding.
        pd.testing.assert_frame_equal(own[name], whole[name], check_exact=False, rtol=1e-4, atol=1e-4)
    assert own["neighbours"]["neighbour_id"].equals(whole["neighbours"]["neighbour_id"])
    assert own["features.train"].shape == (24, 32)
    assert study.results.skipped_images.empty


@pytest.mark.usefixtures("features_alone")
def test_a_worker_of_an_executor_takes_the_rows_over(study, read, apart):
    study.quick()
    read.clear()
    Study(study.folder, executor=apart()).embed()
    assert len(read) == (24 - TRAIN) + (20 - TEST)


def test_page_and_terminal_say_what_it_is_from_and_the_full_page_does_not(answered):
    folder = answered.folder
    assert f"A {SAID}." in answered.first
    page = (folder / "quick" / "report" / "index.html").read_text(encoding="utf-8")
    assert f"bias-toolkit · a {SAID}" in page
    assert "This is a first answer: it is from a sample of the images." in page
    assert "It uses 12 of 24 training images. It uses 10 of 20 test images." in page
    assert "Distances to a sample are larger than distances to all training images." in page
    assert "Only the figures of the first screen are drawn" in page
    opening = page[page.index('id="answers"') : page.index('id="findings"')]
    assert page.count("<figure") == 2 * opening.count("<figure") > 0
    results = json.loads((folder / "quick" / "report" / "results.json").read_text(encoding="utf-8"))
    figures = {path.stem for path in (folder / "quick" / "report" / "figures").glob("*.svg")}
    assert {each["figure"] for each in [*results["answers"], *results["findings"]]} <= figures | {None}
    # The inputs are recorded, and nothing else.
    assert answered.names == {"quick", "study.json", "skipped.csv", LOCK}
    assert "first answer" not in answered.full
    assert "first answer" not in (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert json.loads((folder / "report" / "results.json").read_text(encoding="utf-8"))["test"]["n_images"] == 20
    assert f"A {SAID}." in reported(folder, "--quick")
    assert json.loads(reported(folder, "--quick", "--json"))["sample"] == f"a {SAID}"


def test_the_sample_follows_from_the_seed(few, fast, tmp_path):
    def sample(folder, **options):
        study = Study(tmp_path / folder, few["train"], few["test"], test_sample=10, **options)
        return study.read_images().results.images("test")["image_id"].tolist()

    one = sample("one")
    assert one == sorted(one)
    assert one == sample("two") != sample("three", seed=1)


@pytest.mark.usefixtures("features_alone")
@pytest.mark.parametrize("changed", ["setting", "damage", "image", "environment"])
def test_nothing_else_is_taken_over(study, few, fast, read, tmp_path, monkeypatch, changed):
    if changed == "image":
        for split in few:
            shutil.copytree(few[split].parent, tmp_path / split)
        files = {split: tmp_path / split / "images.csv" for split in few}
        study = Study(tmp_path / "other", files["train"], files["test"], "demo", **fast)
    study.quick()
    if changed == "setting":
        study = Study(study.folder, feature_dtype="float16")
    elif changed == "damage":
        (study.folder / "quick" / "features" / "train" / "features-00000.npy").write_bytes(b"cut")
    elif changed == "image":
        shutil.copyfile(tmp_path / "train" / "00001.png.png", tmp_path / "train" / "00000.png.png")
        study = Study(study.folder)
    else:
        monkeypatch.setattr("bias_toolkit.study.study.ROUNDING_PACKAGES", ("numpy",))
    read.clear()
    study.embed()
    assert len(read) == {"damage": 24 + 20 - TEST, "image": 24 + 20 - TEST}.get(changed, 24 + 20)


@pytest.mark.usefixtures("features_alone")
def test_sample_that_is_all_of_a_set_is_that_set(study, monkeypatch, read):
    monkeypatch.setitem(settings.QUICK, "train_sample", 24)
    study.quick()
    read.clear()
    # Not its rows alone, but its steps.
    assert Study(study.folder).embed().computed == ["images/test", "features/test"]
    assert len(read) == 20 - TEST


def test_first_answer_of_a_study_is_of_its_present_inputs(study, few, monkeypatch):
    monkeypatch.setattr(Study, "run", Study.read_images)
    study.quick()
    other = Study(study.folder, train=few["test"]).quick()
    assert other.results.dataset_record("train")["root"] == str(few["test"])
    assert Study(study.folder, neighbours=3).quick().settings.neighbours == 3
    assert Study(study.folder / "quick").results.dataset_record("train")["sample_of"] == 20
    # What was named meanwhile, the study's record alone has.
    Study(study.folder, train=few["train"]).read_images()
    assert Study(study.folder).quick().results.dataset_record("train")["root"] == str(few["train"])


def test_a_link_in_its_place_that_leads_out_is_not_followed(study, few, fast, tmp_path):
    other = Study(tmp_path / "other", few["train"], few["test"], "demo", seed=3, **fast)
    other.read_images()
    record = (other.folder / "study.json").read_bytes()
    study.read_images()
    (study.folder / "quick").symlink_to(other.folder)
    with pytest.raises(InputError, match="'quick' is not valid: a link on its way leads out"):
        study.quick()
    assert (other.folder / "study.json").read_bytes() == record
    assert not (other.folder / "features").exists()
    assert first_answer_in(study.folder) is None


def test_sample_of_a_dataset():
    whole = load_dataset("demo:uniform")
    sample = whole.sampled(30, seed=0)
    assert sample.n_listed == len(sample.images) == 30
    assert sample.sample_of == 2000
    assert sample.fingerprint not in (whole.fingerprint, whole.sampled(30, seed=1).fingerprint)
    assert sample.fingerprint == whole.sampled(30, seed=0).fingerprint
    chosen = whole.images[whole.images["image_id"].isin(sample.images["image_id"])]
    assert sample.images.equals(chosen.reset_index(drop=True))
    of_chosen = whole.objects[whole.objects["image_id"].isin(chosen["image_id"])]
    assert sample.objects.equals(of_chosen.reset_index(drop=True))
    assert sample.skipped.empty
    assert whole.sampled(2000, seed=0) is whole


def test_verify_reads_its_files_too(answered, tmp_path):
    study = Study(shutil.copytree(answered.folder, tmp_path / "study"))
    assert study.verify().empty
    path = study.folder / "quick" / "features" / "train" / "features-00000.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 8
    path.write_bytes(content)
    (found,) = study.verify()[["step", "file", "command"]].itertuples(index=False, name=None)
    assert found == ("quick/features/train", path.name, "report --quick")
    reported(study.folder, "--quick")
    assert study.verify().empty


def test_a_first_answer_that_is_there_opens_no_model(answered, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the model was opened")

    monkeypatch.setattr("bias_toolkit.models.load_model", refuse, raising=False)
    first = Study(answered.folder).quick()
    assert first.folder == answered.folder / "quick"
