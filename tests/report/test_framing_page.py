"""The page about a dataset that is no study."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bias_toolkit import load_dataset
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.objects import compare_described, describe_framing
from bias_toolkit.report.framing_page import DatasetFraming, write_framing_report
from bias_toolkit.report.topics.framing.mean_images import write_mean_images

FAST = {"resamples": 100, "seed": 3}


def write_images(folder, n, smaller=1.0, seed=0):
    """A dataset of images of two classes with a bright object near the middle, and a table of its boxes."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    rows = []
    for i in range(n):
        side = rng.uniform(10, 16) * smaller
        x0, y0 = np.clip(20 - side / 2 + 3 * rng.normal(size=2), 0, 40 - side)
        pixels = np.zeros((40, 40, 3), np.uint8)
        pixels[int(y0) : int(y0 + side), int(x0) : int(x0 + side)] = (200, 100, 0)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        label = ("<b>owl</b>", "cat")[i % 2]
        rows.append({"path": f"{i}.png", "label": label, "category": label, "x0": x0, "y0": y0})
        rows[-1] |= {"x1": x0 + side, "y1": y0 + side}
    pd.DataFrame(rows).to_csv(folder / "images.csv", index=False)
    return folder / "images.csv"


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    paths = write_images(folder / "one", 60), write_images(folder / "other", 40, smaller=0.5, seed=1)
    sets = [describe_framing(load_dataset(path), placements=100, **FAST) for path in paths]
    return DatasetFraming(sets, compare_described(*sets, permutations=100, **FAST), FAST["seed"])


@pytest.fixture(scope="module")
def page(described, tmp_path_factory, no_figures):
    """The page's folder; each figure is drawn, and none saved."""
    folder = tmp_path_factory.mktemp("page") / "out"
    with no_figures(drawn=("",)):
        write_framing_report(described, folder, FAST)
    return folder


def test_the_page_has_all_it_names(page):
    html = (page / "index.html").read_text(encoding="utf-8")
    named = set(re.findall(r'(?:src|href)="([^"#]+)"', html))
    assert {
        "tables/framing_comparison.csv",
        "tables/framing_ranking_dataset.csv",
        "figures/scale.svg",
        "results.json",
    } <= named
    for address in named:
        assert (page / address).exists(), address
    assert "<b>owl</b>" not in html
    assert "&lt;b&gt;owl" in html
    assert re.findall(r"<h2>(.*?)</h2>", html) == [
        "Findings",
        "The photographers’ bias: framing of the dataset",
        "Are both sets framed alike?",
        "How this was made",
        "Files",
    ]
    assert "training" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert "smaller" in html


def test_tables_and_results_are_the_numbers(page, described):
    first, comparison = described.described[0], described.comparison
    pd.testing.assert_frame_equal(
        pd.read_csv(page / "tables" / "framing_comparison.csv"), comparison.variables, check_exact=False
    )
    assert len(pd.read_csv(page / "tables" / "framing_dataset.csv")) == 60
    assert len(pd.read_csv(page / "tables" / "framing_summary_other.csv")) == 3
    results = json.loads((page / "results.json").read_text(encoding="utf-8"))
    assert results["comparison"]["test"]["auc"] == pytest.approx(comparison.test.auc)
    assert results["summary"][0]["centre_bias"] == pytest.approx(first.summary["centre_bias"].iloc[0])
    assert results["dataset"]["boxes"] == 60
    assert results["settings"] == FAST
    claim = "Objects of the other dataset are smaller than those of the dataset."
    assert any(finding["claim"] == claim for finding in results["findings"])
    answers = results["answers"]
    assert [answer["estimate"]["name"] for answer in answers] == ["centre_bias"] * 2
    assert answers[0]["claim"].startswith("The objects of the dataset are centred")
    assert answers[0]["claim"] in (page / "index.html").read_text(encoding="utf-8")


def test_mean_images_show_where_the_objects_are(page):
    files = sorted((page / "images").iterdir())
    assert len(files) == 6
    whole = np.asarray(Image.open(page / "images" / "mean-dataset-0000-all.png")).astype(float)
    side = len(whole)
    middle = whole[side * 3 // 8 : side * 5 // 8, side * 3 // 8 : side * 5 // 8, 0].mean()
    assert middle > 5 * whole[: side // 8, : side // 8, 0].mean() + 20


@pytest.mark.usefixtures("empty_figures")
def test_twice_is_the_same(described, page, tmp_path):
    """But for figures, of which test_write.py sees that they are."""
    write_framing_report(described, tmp_path / "again", FAST)
    for path in page.rglob("*"):
        if path.is_file() and path.parent.name != "figures":
            assert path.read_bytes() == (tmp_path / "again" / path.relative_to(page)).read_bytes(), path


@pytest.mark.usefixtures("empty_figures")
def test_one_dataset_alone(described, tmp_path):
    path = write_framing_report(DatasetFraming(described.described[:1]), tmp_path / "alone", FAST)
    html = path.read_text(encoding="utf-8")
    assert "other dataset" not in html
    assert "Are both sets framed alike?" not in html


def test_a_folder_with_other_files_is_refused(described, tmp_path):
    (tmp_path / "tables").mkdir()
    with pytest.raises(InputError, match="tables"):
        write_framing_report(described, tmp_path, FAST)
    assert list(tmp_path.iterdir()) == [tmp_path / "tables"]


def test_what_was_left_out_is_said(tmp_path):
    path = write_images(tmp_path / "data", 12)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path.parent / "bare.png")
    broken = path.parent / "11.png"
    broken.write_bytes(broken.read_bytes()[:60])
    table = pd.read_csv(path)
    pd.concat([table.assign(depth=3), pd.DataFrame([{"path": "bare.png", "label": "cat"}])]).to_csv(path, index=False)
    found = describe_framing(load_dataset(path), placements=100, **FAST)
    text = " ".join(finding.text for finding in DatasetFraming([found]).findings)
    assert "1 image of the dataset has no box, and tells nothing here (bare.png)." in text
    assert "Dataset: 1 column is passed over: depth." in text
    assert "1 image of the dataset could not be decoded for the mean images (11.png)." in text


def test_a_dataset_without_boxes_says_what_to_do(tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"no object boxes .*--layout"):
        describe_framing(load_dataset(tmp_path))


def test_names_of_classes_make_files_that_any_disk_takes(described, tmp_path):
    files = write_mean_images(described.contents.first, tmp_path)
    assert sorted(files) == ["", "<b>owl</b>", "cat"]
    for file in files.values():
        assert re.fullmatch(r"images/mean-dataset-\d{4}-[\w-]+\.png", file)
        assert (tmp_path / file).exists()


def test_a_mean_image_is_shown_with_the_centre_bias_of_its_class(page, described):
    summary = described.described[0].summary.set_index("category").loc["cat"]
    html = (page / "index.html").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    (lines,) = re.findall(r"src=\"images/mean-dataset-\d+-cat\.png.*?<p>(.*?)</p>", html, re.DOTALL)
    numbers = [summary[f"centre_bias{end}"] for end in ("", "_low", "_high")]
    expected = "centre bias {:.2f} ({:.2f} to {:.2f}) of 30 objects".format(*numbers)
    assert lines == f"<b>cat</b><span>mean of 30 images</span><span>{expected}</span>"
