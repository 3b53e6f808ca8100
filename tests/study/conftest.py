"""A small study in which every step was done, and copies of it."""

import hashlib
import pickle
import shutil
from contextlib import suppress
from types import SimpleNamespace

import pandas as pd
import pytest
from PIL import Image

from bias_toolkit import Study, load_dataset

MODEL = "demo:global-pooling"
SMALL = {
    "protocols": ("crop", "embed", "offsets"),
    "map_positions": (0.5,),
    "map_scales": (0.36, 0.48),
    "map_images": 4,
    "map_surroundings": ("mean", "real"),
    "size_images": 3,
    "layer_images": 4,
    "remedy_images": 2,
    "train_epochs": 1,
    "neighbours": 3,
    # How much memory is free stands in a sentence on the index.
    "memory": "1GB",
}


@pytest.fixture(scope="module", autouse=True)
def looking_at_no_figure(pages_without_figures, folding_in_two, trying_little, sizing_little):
    """Figures are looked at by the tests of the report, the regression by those of analysis, trials by explain's."""


class Apart:
    """An executor whose workers know the study from what is pickled alone; `told` has what else it was told."""

    def __init__(self):
        self.told = []

    def environment(self):
        return {}

    def prepare(self, study, opening):
        study, opening = pickle.loads(pickle.dumps((study, opening)))
        with suppress(Exception):
            opening(study)
        self.told.append("prepared")

    def close(self):
        self.told.append("closed")

    def shards(self, job, advance):
        job = pickle.loads(pickle.dumps(job))
        return job.open(job.study).shards(job, advance)


@pytest.fixture
def apart():
    return Apart


@pytest.fixture(scope="session")
def few(photographs, made_once):
    """Tables of 24 training and 20 test images, in folders of their own."""

    def make(folder):
        for split, n in (("train", 24), ("test", 20)):
            (folder / split).mkdir()
            table = pd.read_csv(photographs[split]).head(n)
            for name in table["path"]:
                (folder / split / name).hardlink_to(photographs[split].parent / name)
            table.to_csv(folder / split / "images.csv", index=False)

    folder = made_once("few", make)
    return {split: folder / split / "images.csv" for split in ("train", "test")}


@pytest.fixture(scope="session")
def small(few, fast, made_once, two_folds):
    """An analysed study of the few; tests must not change it."""

    def make(folder):
        with two_folds():
            Study(folder / "study", few["train"], few["test"], "demo", **fast).analyse()

    return Study(made_once("small", make) / "study")


def in_class_folders(folder, n):
    """Training images of the built-in dataset in folders of their classes, which have no boxes."""
    dataset = load_dataset("demo:train")
    for image_id, label in dataset.images[["image_id", "label"]].head(n).itertuples(index=False):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(dataset.read(image_id)).save(folder / label / image_id)
    return folder


def as_tiny_imagenet(folder, n):
    """Test images of the built-in dataset with boxes, as in Tiny-ImageNet's `val`."""
    dataset, lines = load_dataset("demo:uniform"), []
    (folder / "images").mkdir(parents=True)
    objects = dataset.objects.set_index("image_id")
    for image_id, label in dataset.images[["image_id", "label"]].head(n).itertuples(index=False):
        Image.fromarray(dataset.read(image_id)).save(folder / "images" / image_id)
        box = [round(objects.loc[image_id, edge]) for edge in ("x0", "y0", "x1", "y1")]
        lines.append("\t".join(map(str, [image_id, label, *box[:2], box[2] - 1, box[3] - 1])))
    (folder / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def complete(fast, made_once, no_figures, two_folds, few_trials, few_sizes):
    """A finished study in which every step was done: `folder`, `train`, `test`, and the `explained` image's id; `make`
    makes a study of these inputs, with further options, in a folder.

    The training set has no boxes, so that they were estimated, and measured on the test set, which has. Tests must not
    change it.
    """

    def make(folder):
        train, test = in_class_folders(folder / "data" / "train", 32), as_tiny_imagenet(folder / "data" / "test", 20)
        with no_figures(), two_folds(), few_trials(), few_sizes():
            study = Study(folder / "study", train, test, MODEL, **fast | SMALL)
            study.measure_map().measure_sizes().measure_layers().measure_remedies().fit_flag().analyse()
            study.explain(study.results.per_image.sort_values(["p_top1_change", "image_id"])["image_id"].iloc[-1])
            study.write_report()

    folder = made_once("complete", make)
    (explained,) = Study(folder / "study").explanations
    data = folder / "data"
    train, test = data / "train", data / "test"

    def anew(place, **more):
        return Study(place, train, test, MODEL, **fast | SMALL | more)

    return SimpleNamespace(folder=folder / "study", train=train, test=test, explained=explained, make=anew)


@pytest.fixture
def copy_of_complete(complete, tmp_path):
    """The folder of a copy of it, to change."""
    return shutil.copytree(complete.folder, tmp_path / "study")


@pytest.fixture
def digests():
    """A function that gives what every file below a folder is: its digest, or of a link where it leads."""

    def read(folder):
        found = {}
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink():
                found[name] = f"link to {path.readlink()}"
            elif path.is_file():
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    return read
