"""Small studies on real files, cut from the built-in dataset."""

import gc
import os
import shutil
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from types import SimpleNamespace

# Each process of the suite has one core. NumPy, Faiss and others look when they are imported.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from PIL import Image

from bias_toolkit import load_dataset
from bias_toolkit.invariance import size_curve_sweeps

# Looking for cycles among the objects of so many modules and tests takes a sixth of the time.
gc.set_threshold(100_000, 20, 20)

LONG = ("cli", "demo", "explain", "models", "page", "study")
"""The folders of files that take long. They come first: a process does a file, and none may begin a long one last."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.parent.name not in LONG)


def pytest_collection_finish():
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_core():
    # The process that hands out the tests does without PyTorch.
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """What a loss of power leaves is tested with a disk of its own, in tests/foundation/test_files.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda file: None)
        yield


def write_dataset(folder, name, image_ids, boxes=True, labels=True):
    """Write images of a built-in dataset as PNG files with a table of their boxes; gives the table's path."""
    dataset = load_dataset(f"demo:{name}")
    folder.mkdir(parents=True, exist_ok=True)
    table = dataset.images.merge(dataset.objects, on="image_id").set_index("image_id").loc[image_ids]
    rows = pd.DataFrame({"path": [f"{image_id.replace('/', '-')}.png" for image_id in image_ids]})
    if labels:
        rows["label"] = table["label"].to_numpy()
    if boxes:
        rows["category"] = table["category"].to_numpy()
        for column in ("x0", "y0", "x1", "y1"):
            rows[column] = table[column].to_numpy()
    for image_id, path in zip(image_ids, rows["path"], strict=True):
        Image.fromarray(dataset.read(image_id)).save(folder / path)
    rows.to_csv(folder / "images.csv", index=False)
    return folder / "images.csv"


@pytest.fixture(scope="module")
def own_ray(tmp_path_factory):
    """A study joins any cluster that runs on this machine, so only one module has one at a time."""
    with FileLock(tmp_path_factory.getbasetemp().parent / "ray.lock"):
        yield


@pytest.fixture(scope="session")
def fast():
    """Settings that make a study quick."""
    settings = {"resamples": 100, "permutations": 100, "placements": 100, "noise_images": 8, "bins": 4}
    # Compiling a network anew for each study takes longer than all its passes.
    return settings | {"runtime": "torch"}


class Undrawn:
    """The `draw` of figures that are not drawn, but for those whose name starts with `drawn`."""

    def __init__(self, drawn):
        self.drawn = drawn

    def __get__(self, block, _=None):
        if block is None:
            return self
        return block.__dict__["draw"] if self.drawn and block.name.startswith(self.drawn) else lambda: None

    def __set__(self, block, draw):
        block.__dict__["draw"] = draw


def save_nothing(figure, *paths):
    """Take the place of `save_figure`: pictures that show nothing."""
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>', encoding="utf-8")


@pytest.fixture(scope="session")
def no_figures():
    """A context in which pages get empty figures, but for those whose name starts with `drawn`.

    Drawing takes longer than all else. Of the most and of the least stable images, two each are shown.
    """

    from bias_toolkit.report.topics.images import stability_examples

    @contextmanager
    def drawing_nothing(drawn=""):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bias_toolkit.report.page.page.save_figure", save_nothing)
            patch.setattr("bias_toolkit.report.page.blocks.FigureBlock.draw", Undrawn(drawn), raising=False)
            patch.setattr("bias_toolkit.report.topics.images.stability_examples", partial(stability_examples, most=2))
            yield

    return drawing_nothing


@pytest.fixture(scope="module")
def pages_without_figures(no_figures):
    """Pages get empty figures in a module."""
    with no_figures():
        yield


@pytest.fixture(scope="session")
def without_layout():
    """A context in which figures are saved without being laid out: that takes longest, and is tested in test_style."""

    @contextmanager
    def saving():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bias_toolkit.report.page.style._lay_out", lambda figure: figure.set_layout_engine("none"))
            yield

    return saving


@pytest.fixture
def no_layout(without_layout):
    """Figures are not laid out in a test."""
    with without_layout():
        yield


@pytest.fixture(scope="session")
def two_folds():
    """A context in which the regression and the two-sample test have 2 folds, boosting 10 rounds, a jackknife 5 groups.

    Else they take longer than the rest.
    """

    @contextmanager
    def folding_in_two():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bias_toolkit.analysis.ceiling.FOLDS", 2)
            patch.setattr("bias_toolkit.analysis.ceiling.BOOSTING_ROUNDS", 10)
            patch.setattr("bias_toolkit.objects.two_sample.FOLDS", 2)
            patch.setattr("bias_toolkit.objects.two_sample.GROUPS", 5)
            yield

    return folding_in_two


@pytest.fixture(scope="module")
def folding_in_two(two_folds):
    """The regression has 2 folds in a module: it is tested in tests/analysis."""
    with two_folds():
        yield


@pytest.fixture(scope="session")
def few_trials():
    """A context in which explanations have 24 trials, and 8 images have random copies: both have tests of their own."""

    @contextmanager
    def trying_little():
        with pytest.MonkeyPatch.context() as patch:
            for name in ("trials", "explainer"):
                patch.setattr(import_module(f"bias_toolkit.explain.{name}"), "TRIALS", 24)
            patch.setattr(import_module("bias_toolkit.study.steps.reach"), "TRAINING_SAMPLE", 8)
            yield

    return trying_little


@pytest.fixture(scope="module")
def trying_little(few_trials):
    """Explanations have few trials in a module."""
    with few_trials():
        yield


@pytest.fixture(scope="session")
def few_sizes():
    """A context in which a size curve has 4 of its 20 sizes, 2 of crop and 2 of embed."""

    @contextmanager
    def sizing_little():
        sweeps = [each for each in size_curve_sweeps() if each.size in (0.5, 1, 1.4)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bias_toolkit.invariance.size_curve_sweeps", lambda: sweeps)
            yield

    return sizing_little


@pytest.fixture(scope="module")
def sizing_little(few_sizes):
    """A size curve has few sizes in a module."""
    with few_sizes():
        yield


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A function that gives a folder by its name, made by the process of the suite that is the first to need it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder_of(name, make):
        # A study knows its place, so it cannot be moved when it is whole.
        folder, whole = shared / f"shared-{name}", shared / f"{name}.whole"
        with FileLock(shared / f"{name}.lock"):
            if not whole.exists():
                folder.mkdir()
                make(folder)
                whole.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def photographs(made_once):
    """Tables of 60 training and 70 test images on disk."""

    def make(folder):
        for split, name, n in (("train", "train", 60), ("test", "uniform", 70)):
            write_dataset(folder / split, name, load_dataset(f"demo:{name}").images["image_id"].tolist()[:n])

    folder = made_once("photographs", make)
    return {split: folder / split / "images.csv" for split in ("train", "test")}


@pytest.fixture(scope="session")
def finished(photographs, fast, made_once, no_figures, two_folds):
    """A finished study, its figures empty, its regression of two folds; tests must not change it."""
    from bias_toolkit import Study

    def make(folder):
        with no_figures(), two_folds():
            Study(folder / "study", photographs["train"], photographs["test"], "demo", **fast).run()

    return Study(made_once("finished", make) / "study")


@pytest.fixture(scope="session")
def pooled(finished, made_once, two_folds):
    """An analysed study of the same photographs and another model; tests must not change it."""
    from bias_toolkit import Study

    def make(folder):
        # What does not depend on the model is there.
        shutil.copytree(finished.folder, folder / "study", ignore=lambda *_: ["report"])
        with two_folds():
            Study(folder / "study", model="demo:global-pooling").analyse()

    return Study(made_once("pooled", make) / "study")


@pytest.fixture(scope="session")
def two_flagged(finished, photographs, fast, made_once, two_folds):
    """Two studies with flags, of the same photographs and of 70 other test images; tests must not change them."""
    from bias_toolkit import Study

    def make(folder):
        others = write_dataset(
            folder / "test", "uniform", load_dataset("demo:uniform").images["image_id"][70:140].tolist()
        )
        with two_folds():
            for name, test in (("study", photographs["test"]), ("other", others)):
                inputs = photographs["train"], test, "demo:fully-connected"
                Study(folder / name, *inputs, reuse=[finished.folder], **fast).fit_flag()

    folder = made_once("flagged", make)
    return Study(folder / "study"), Study(folder / "other")


@pytest.fixture
def tables():
    """A function that gives every table of a study, by name."""

    def read(study):
        named = {
            name: getattr(study, name) for name in ("neighbours", "distances", "responses", "measures", "per_image")
        }
        named |= {f"analysis.{name}": getattr(study.analysis, name) for name in ("correlations", "curves", "summary")}
        named |= {f"features.{split}": pd.DataFrame(study.features(split).load()[1]) for split in ("train", "test")}
        named |= {f"framing.{split}": study.framing_summary(split) for split in ("train", "test")}
        return named

    return read


@pytest.fixture
def assert_same_tables():
    """A function that compares two sets of tables to the last bit."""

    def compare(one, other):
        assert one.keys() == other.keys()
        for name, table in one.items():
            pd.testing.assert_frame_equal(table, other[name], check_exact=True, obj=name)

    return compare


@pytest.fixture
def random_image():
    """A function that gives noise of a size, uint8 (height, width, 3)."""
    return lambda width, height, seed=0: np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def browser():
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("there is no Chromium or Chrome on PATH")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def look(browser):
    """A function that opens a page in a browser for the time of a block, and gives what a reader sees of it.

    It gives `first`, the text that is visible before anything is opened; `text`, with the folded parts opened; `images`
    and `missing`, the addresses of the pictures that did and did not load; and `page`, Playwright's page.
    """

    @contextmanager
    def looking(path):
        with browser.new_context(viewport={"width": 1280, "height": 900}, offline=True) as context:
            page = context.new_page()
            page.goto(path.as_uri())
            first = page.inner_text("body")
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            # A picture that is loaded lazily never is where nobody scrolls.
            page.evaluate("document.querySelectorAll('img').forEach(each => each.loading = 'eager')")
            found = page.evaluate(
                "Promise.all([...document.images].map(each => each.decode().then(() => true, () => false)"
                ".then(loaded => [each.getAttribute('src'), loaded])))"
            )
            images, missing = ([src for src, loaded in found if loaded is good] for good in (True, False))
            text = page.inner_text("body")
            yield SimpleNamespace(first=first, text=text, images=images, missing=missing, page=page)

    return looking


@pytest.fixture
def open_in_browser(look):
    """A function that opens a page in a browser, and gives what a reader sees of it, as `look`."""
    with ExitStack() as opened:
        yield lambda path: opened.enter_context(look(path))
