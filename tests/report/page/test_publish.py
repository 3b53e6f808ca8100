"""A page is put in its place whole, and nothing else is touched."""

from contextlib import suppress

import pytest

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.report import Finding, Page, write_page, write_report
from bias_toolkit.report.page import publish
from bias_toolkit.report.page.blocks import Cell, FigureBlock, ListBlock, Paragraph, Section
from bias_toolkit.report.page.page import rows_of
from bias_toolkit.report.page.publish import GENERATOR, published
from bias_toolkit.report.page.style import new_figure

NAMES = ["figures", "results.json"]


def put(folder, text, figures=True):
    """Publish a page that holds a text."""
    with published(folder, NAMES) as partial:
        (partial / "index.html").write_text(GENERATOR + text)
        (partial / "results.json").write_text(text)
        if figures:
            (partial / "figures").mkdir()
            (partial / "figures" / f"{text}.svg").write_text(text)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_an_earlier_page_is_replaced_and_other_files_stay(tmp_path):
    (tmp_path / "step.json").write_text("{}")
    put(tmp_path, "first")
    put(tmp_path, "second")
    assert files(tmp_path) == ["figures/second.svg", "index.html", "results.json", "step.json"]
    assert "second" in (tmp_path / "index.html").read_text()
    put(tmp_path, "third", figures=False)
    assert files(tmp_path) == ["index.html", "results.json", "step.json"]


def test_what_others_put_beside_the_files_of_a_page_stays(tmp_path):
    put(tmp_path, "first")
    (tmp_path / "figures" / "mine.svg").write_text("mine")
    put(tmp_path, "second")
    assert files(tmp_path) == ["figures/mine.svg", "figures/second.svg", "index.html", "results.json"]
    # Without its page, nobody knows which of the files it wrote.
    for name in ("index.html", "results.json"):
        (tmp_path / name).unlink()
    publish.claim(tmp_path)
    put(tmp_path, "third", figures=False)
    assert files(tmp_path) == ["figures/mine.svg", "figures/second.svg", "index.html", "results.json"]


def test_a_page_of_an_earlier_version_lists_nothing_and_has_its_linked_files_removed(tmp_path):
    put(tmp_path, "first")
    (tmp_path / "figures" / "map &.csv").write_text("of the page")
    (tmp_path / "figures" / "mine.svg").write_text("mine")
    (tmp_path / "mine.txt").write_text("mine")
    links = '<img src="figures/first.svg"><a href="figures/map &amp;.csv">CSV</a><a href="mine.txt"></a><a href="#a">'
    (tmp_path / "index.html").write_text(GENERATOR + links)
    put(tmp_path, "second")
    assert files(tmp_path) == ["figures/mine.svg", "figures/second.svg", "index.html", "mine.txt", "results.json"]


@pytest.mark.parametrize("link", ["../mine.txt", "/etc/hostname", "figures/../../mine.txt", "figures/out/mine.txt"])
def test_a_link_that_leads_elsewhere_gets_nothing_removed(tmp_path, link):
    folder, mine = tmp_path / "page", tmp_path / "mine.txt"
    put(folder, "first")
    mine.write_text("mine")
    (folder / "figures" / "out").symlink_to(tmp_path)
    (folder / "index.html").write_text(f'{GENERATOR}<a href="{link}"></a>')
    with suppress(InputError):
        put(folder, "second")
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    "listed",
    ["../mine.txt", "/etc/hostname", "mine.txt", "out/mine.txt", "figures/out/mine.txt", "figures/../mine.txt", 5],
)
def test_a_page_that_lists_other_files_gets_none_of_them_removed(tmp_path, listed):
    folder, mine = tmp_path / "page", tmp_path / "mine.txt"
    put(folder, "first")
    mine.write_text("mine")
    (folder / "mine.txt").write_text("mine")
    (folder / "out").symlink_to(tmp_path)
    (folder / "figures" / "out").symlink_to(tmp_path)
    page = (folder / "index.html").read_text()
    (folder / "index.html").write_text(publish._listing(page.replace('name="files"', 'name="x"'), [listed]))
    with suppress(InputError):
        put(folder, "second")
    assert mine.read_text() == (folder / "mine.txt").read_text() == "mine"


def test_a_folder_that_leads_elsewhere_is_refused(tmp_path):
    (tmp_path / "page").mkdir()
    publish.claim(tmp_path / "page")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "page" / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"figures/first\.svg.*leads out"):
        put(tmp_path / "page", "first")
    assert files(tmp_path / "elsewhere") == []


def test_a_folder_in_a_files_place_is_named(tmp_path):
    put(tmp_path, "first")
    (tmp_path / "results.json").unlink()
    (tmp_path / "results.json").mkdir()
    with pytest.raises(InputError, match=r"results\.json has to be a file of the report, and is a folder"):
        put(tmp_path, "second")


def test_a_run_that_fails_leaves_the_earlier_page(tmp_path):
    put(tmp_path, "first")
    with pytest.raises(FileNotFoundError):
        put(tmp_path, "name/that/no/file/has")
    assert files(tmp_path) == ["figures/first.svg", "index.html", "results.json"]
    assert "first" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_run_that_is_killed_while_it_moves_files_leaves_no_half_page(tmp_path, monkeypatch, stop):
    put(tmp_path, "first")
    moves = []
    replace = publish.os.replace

    def killed(source, target):
        if publish.PARTIAL in str(source):
            moves.append(source)
            if len(moves) == stop:
                raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(publish.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            put(tmp_path, "second")
    assert len(moves) == stop
    assert "was not finished" in (tmp_path / "index.html").read_text()
    put(tmp_path, "third")
    assert files(tmp_path) == ["figures/third.svg", "index.html", "results.json"]


def test_leftovers_of_a_killed_run_are_cleared(tmp_path):
    (tmp_path / publish.PARTIAL / "figures").mkdir(parents=True)
    (tmp_path / publish.PARTIAL / "figures" / "half.svg").write_text("half")
    put(tmp_path, "first", figures=False)
    assert files(tmp_path) == ["index.html", "results.json"]


def test_a_folder_of_a_name_like_its_own_stays(tmp_path):
    mine = tmp_path / ".partial" / "mine"
    mine.parent.mkdir()
    mine.write_text("mine")
    put(tmp_path, "first")
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["index.html", "results.json"])
def test_foreign_files_are_not_overwritten(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=rf"{name}.*is no part of an earlier report"):
        put(tmp_path, "first")
    assert files(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_foreign_folders_are_not_overwritten(tmp_path, bare_source):
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=r"images.*is no part of an earlier report"):
        write_report(bare_source, tmp_path)


def test_a_file_in_the_folders_place(bare_source, tmp_path):
    (tmp_path / "report").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        write_report(bare_source, tmp_path / "report")


def figure_block(name, half=False):
    return FigureBlock(name, lambda: new_figure(1, 1), "A figure", "Its caption", half)


def test_a_page_of_its_own(tmp_path):
    page = Page(
        title="Two & more",
        of=[("Sets", "a, b", "both")],
        findings=[Finding("Topic", "none", "Nothing <found>.")],
        sections=[
            Section("one", "One", [Paragraph("Text."), figure_block("argument")]),
            Section("two", "Two", [ListBlock([Cell("there", "details", "study/report/index.html")])]),
        ],
    )
    path = write_page(page, tmp_path / "demo")
    assert files(tmp_path / "demo") == ["figures/argument.svg", "index.html"]
    html = path.read_text(encoding="utf-8")
    assert "Two &amp; more" in html
    assert "Nothing &lt;found&gt;." in html
    assert 'href="study/report/index.html"' in html


def test_halves_stand_in_pairs():
    a, b, c = (figure_block(name, half=True) for name in "abc")
    whole, text = figure_block("whole"), Paragraph("Text.")
    assert rows_of([a, b, c, text, a, whole, b]) == [[a, b], [c], [text], [a], [whole], [b]]
