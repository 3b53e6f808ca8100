"""The example report of the repository, and the script that makes it small."""

import importlib.util
import re
from pathlib import Path

import pytest

from bias_toolkit import InputError
from bias_toolkit.report.page.publish import GENERATOR

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "reports"


@pytest.fixture(scope="module")
def keep():
    spec = importlib.util.spec_from_file_location("keep", REPORTS / "keep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.keep


@pytest.fixture
def demo(tmp_path):
    """A demo of two studies, the first of which has two explanations."""
    folder = tmp_path / "demo"

    def write(place, body, *files):
        page = folder / place / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<html><head>{GENERATOR}</head><body>{body}</body></html>", encoding="utf-8")
        for file in files:
            (page.parent / file).parent.mkdir(exist_ok=True)
            (page.parent / file).write_text(file)

    write(
        ".",
        '<a href="first/report/index.html">one</a> <a href="second/report/index.html">two</a>'
        '<img src="figures/argument.svg" alt="">',
        *(f"figures/argument.{ending}" for ending in ("svg", "png", "pdf")),
    )
    write(
        "first/report",
        '<img src="figures/curve.svg" alt="a curve"><a href="figures/curve.pdf">PDF</a>'
        '<a href="#top">top</a><a href="https://example.org">out</a><a href="tables/all.csv">CSV</a>'
        '<img src="images/a.jpg"> · <a href="../explanations/b/index.html">why?</a>'
        '<a href="../explanations/a/index.html#why">why?</a>'
        '<div data-photographs=\'{"sheet":"figures/curve.jpg","dots":'
        '[[1,2,"a",["a.png"],"../explanations/a/index.html"],'
        '[3,4,"b",["b.png"],"../explanations/b/index.html"]]}\'></div>',
        "figures/curve.jpg",
        *("figures/curve.svg", "figures/curve.png", "figures/curve.pdf", "tables/all.csv", "images/a.jpg"),
    )
    for name in "ab":
        write(f"first/explanations/{name}", '<img src="figures/shifts.svg">', "figures/shifts.svg", "record.json")
    write("second/report", "", "figures/curve.png")
    return folder


def test_a_copy_has_pages_and_pictures_only_and_no_link_to_what_is_not_there(keep, demo, tmp_path):
    out = tmp_path / "copy"
    files = keep(demo, out, "first")
    assert sorted(file.relative_to(out).as_posix() for file in files) == [
        "figures/argument.svg",
        "first/explanations/b/figures/shifts.svg",
        "first/explanations/b/index.html",
        "first/report/figures/curve.jpg",
        "first/report/figures/curve.svg",
        "first/report/images/a.jpg",
        "first/report/index.html",
        "index.html",
    ]
    first = (out / "index.html").read_text()
    assert '<a href="first/report/index.html">one</a> two<img src="figures/argument.svg" alt="">' in first
    report = (out / "first/report/index.html").read_text()
    assert '<img src="figures/curve.svg" alt="a curve"><a href="#top">' in report
    assert '<a href="https://example.org">out</a><img' in report
    assert report.count("why?") == 1
    assert '["a.png"],null],[3,4,"b",["b.png"],"../explanations/b/index.html"]' in report
    assert '<a href="../explanations/b/index.html">why?</a>' in report
    explained = (out / "first/explanations/b/index.html").read_text()
    assert '<img src="figures/shifts.svg">' in explained


def test_an_earlier_copy_is_replaced_and_another_folder_is_not(keep, demo, tmp_path):
    out = tmp_path / "copy"
    keep(demo, out, "first")
    (out / "old.txt").write_text("old")
    keep(demo, out, "first", explanations=0)
    assert not (out / "old.txt").exists()
    assert not (out / "first/explanations").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("words")
    with pytest.raises(InputError, match="not an earlier copy"):
        keep(demo, mine, "first")
    assert (mine / "thesis.txt").read_text() == "words"


def test_the_example_report_is_small_and_whole():
    files = [file for file in (REPORTS / "demo").rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 5e6
    assert {file.suffix for file in files} <= {".html", ".png", ".jpg", ".svg"}
    pages = [file for file in files if file.suffix == ".html"]
    assert len(pages) >= 2
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r'(?:<a href|<img src)="([^"#]+)', text):
            assert "://" in name or (page.parent / name).exists(), f"{page} names {name}"
