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

IMAGES = {"train": 120, "train-uniform": 120, "photographer": 60, "uniform": 500}
SETTINGS = {"map_images": 12, "map_positions": (0.2, 0.5, 0.8), "map_scales": (0.2, 0.36, 0.64)}
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
    out = capsys.readouterr().out
    assert "The boxes of demo:train give back the law that placed them." in out
    assert "fully-connected: an object off centre makes it less stable." in out
    assert "global-pooling: an object smaller than in training makes it less stable." in out
    for network in ("fully-connected", "global-pooling"):
        assert f"{network}: A network with" in out
        assert f"{network}-uniform: Trained on varied digits, a network with" in out
        assert re.search(f"{network}: .*where training digits are rare", out)
    # The controls are more stable on the same images.
    assert out.count("is more stable on the same images than trained on centred ones.") == 2
    page = Path(out.rsplit("Report: ", 1)[1].strip())
    text = page.read_text(encoding="utf-8")
    assert text.index("The claim") < text.index('id="answers"') < text.index('id="findings"')
    assert text.count('<li class="effect">') >= 4
    links = [unquote(link) for link in re.findall(r'(?:href|src)="([^"#]+)"', text)]
    assert sum(link.endswith("report/index.html") for link in links) == 4
    assert not [link for link in links if not link.startswith("https://") and not (page.parent / link).exists()]
    assert not re.search(r'(?:src|<link[^>]*href)="https?://', text)
