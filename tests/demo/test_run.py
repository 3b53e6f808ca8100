import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from bias_toolkit.datasets import demo
from bias_toolkit.demo import framed_anew
from bias_toolkit.report import write_report
from bias_toolkit.report.page.blocks import FigureBlock
from bias_toolkit.report.page.files import RESULTS
from bias_toolkit.report.page.page import write_into
from bias_toolkit.report.page.publish import PAGE
from bias_toolkit_cli.main import main

IMAGES = {"train": 120, "train-uniform": 120, "photographer": 60, "uniform": 300}
SETTINGS = {"map_images": 8, "map_positions": (0.2, 0.5, 0.8), "map_scales": (0.2, 0.36, 0.64)}
# The page joins what the studies' own sweep says.
SETTINGS |= {"protocols": ("crop",), "sizes": (1.0,)}
WRITTEN = "fully-connected-on-photographer"


@pytest.fixture
def small(monkeypatch, fast):
    """Fewer pictures under the same laws, quick settings, and of the four studies' reports one, without its figures."""
    for name, images in IMAGES.items():
        monkeypatch.setitem(demo._RECIPES, name, replace(demo._RECIPES[name], images=images))
    for name, value in (fast | SETTINGS).items():
        monkeypatch.setitem(framed_anew.SETTINGS, name, value)

    def without_figures(page, *arguments):
        sections = [
            replace(section, blocks=[block for block in section.blocks if not isinstance(block, FigureBlock)])
            for section in page.sections
            if hasattr(section, "blocks")
        ]
        write_into(replace(page, sections=sections), *arguments)

    def write_one(source, folder, *arguments):
        if folder.parent.name == WRITTEN:
            return write_report(source, folder, *arguments)
        (folder / RESULTS).write_text("{}", encoding="utf-8")
        (folder / PAGE).write_text("", encoding="utf-8")
        return folder / PAGE

    monkeypatch.setattr("bias_toolkit.report.write.write_into", without_figures)
    monkeypatch.setattr("bias_toolkit.report.write_report", write_one)


@pytest.mark.usefixtures("pages_without_figures", "small", "folding_in_two")
def test_demo_shows_the_whole_argument(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["demo", "--out", str(tmp_path / "demo")])
    assert not end.value.code
    out, err = capsys.readouterr()
    assert f"First report: {tmp_path / 'demo' / 'fully-connected-on-uniform' / 'report' / 'index.html'}" in err
    # The three answers, and where the rest is.
    said = [
        "The fully connected network is less stable on varied digits than on digits framed as in training.",
        "The pooling network is less stable on varied digits than on digits framed as in training.",
        "Trained on varied digits, the fully connected network is more stable on the same images than trained on "
        "centred ones.",
    ]
    paragraph, place = " ".join(out.split()).split(" Report: ")
    assert all(sentence in paragraph for sentence in said)
    assert paragraph.count("95% interval") == 3
    page = Path(place.strip())
    text = page.read_text(encoding="utf-8")
    for claim in (
        *said,
        "No difference between the boxes of demo:train and the law that placed them was found.",
        "makes the fully connected network less stable.",
        "Trained on varied digits, the pooling network is more stable on the same images than trained on centred ones.",
    ):
        assert claim in text
    assert re.search("smaller .*than in training makes the pooling network less stable", text)
    assert "raining digits are fewest" in text
    assert re.search("(Trained with more augmentation|too few images or trainings)", text)
    assert text.index("The claim") < text.index('id="answers"') < text.index('id="findings"')
    assert text.count('<li class="effect">') >= 4
    links = [unquote(link) for link in re.findall(r'(?:href|src)="([^"#]+)"', text)]
    assert sum(link.endswith("report/index.html") for link in links) == 4
    assert not [link for link in links if not link.startswith("https://") and not (page.parent / link).exists()]
    assert not re.search(r'(?:src|<link[^>]*href)="https?://', text)
