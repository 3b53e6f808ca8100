"""Make README's pictures: `python docs/pictures/make.py`, in the root of the repository.

`one-pixel.png` shows three views of a photograph that ships with scikit-learn (china.jpg by danielbuechele, CC BY 2.0),
each one pixel from the last, with the classes that efficientnet-lite0 gives them. The part of the photograph was chosen
because its class changes. `report.png` is the first screen of the example report; it needs Chromium.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_sample_image

from bias_toolkit import load_model
from bias_toolkit.invariance import Sweep, make_views
from bias_toolkit.report.page.style import BLUE, VERMILLION, new_figure, save_figure, styled

FOLDER = Path(__file__).parent
REPORT = FOLDER.parents[1] / "reports" / "demo" / "fully-connected-on-uniform" / "report" / "index.html"
LEFT, SIDE = 53, 427
VIEWS = (0, 1, 2)
WIDTH, HEIGHT = 1100, 890
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@styled
def one_pixel() -> Figure:
    """Three views of a photograph, with the class and the probability that a network gives to each."""
    photograph = np.ascontiguousarray(load_sample_image("china.jpg")[:SIDE, LEFT : LEFT + SIDE])
    model = load_model("efficientnet-lite0")
    views = make_views(photograph, Sweep("crop", "diagonal", 1.0), model.input_size, "china.jpg").pixels
    probabilities = model.evaluate(views).probabilities
    figure = new_figure(7.2, 2.9)
    for axes, view in zip(figure.subplots(1, len(VIEWS)), VIEWS, strict=True):
        top1 = int(probabilities[view].argmax())
        colour = BLUE if top1 == int(probabilities[VIEWS[0]].argmax()) else VERMILLION
        name = model.class_names[top1].split(",")[0]
        axes.imshow(views[view])
        axes.set_title(f"“{name}”, {probabilities[view, top1]:.0%}", color=colour, fontweight="bold")
        axes.set(xlabel="one pixel further, right and down" if view else "", xticks=[], yticks=[])
    return figure


def first_screen(page: Path, picture: Path) -> None:
    """Write what a browser shows of a page before anything is scrolled; raises FileNotFoundError without a browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise FileNotFoundError(f"none of {', '.join(BROWSERS)} is installed")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-background-networking",
    ]
    command += [f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True)


def reduce_colours(picture: Path) -> None:
    """Give a PNG file a palette of 256 colours, which makes it a third as large."""
    with Image.open(picture) as pixels:
        pixels.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)


def main() -> None:
    """Make both pictures."""
    save_figure(one_pixel(), FOLDER / "one-pixel.png")
    first_screen(REPORT, FOLDER / "report.png")
    for name in ("one-pixel.png", "report.png"):
        reduce_colours(FOLDER / name)


if __name__ == "__main__":
    main()
