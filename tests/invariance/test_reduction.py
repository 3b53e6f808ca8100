"""What is decoded at reduced size shows what the whole image shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_images

from bias_toolkit import load_dataset
from bias_toolkit.datasets import ReducedImage
from bias_toolkit.invariance import Sweep, centre_reduction, centre_view, make_views, sweep_reduction
from bias_toolkit.invariance.views import largest_factor, resize_box

SIDE = 30
SWEEPS = [
    Sweep("crop", "diagonal", 1.0),
    Sweep("crop", "horizontal", 0.5, sampling="random", seed=3),
    Sweep("embed", "diagonal", 2.0),
    Sweep("embed", "scale", 1.5, fill="black"),
    Sweep("offsets", "random", 1.0, draws=2),
]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two photographs of 640 × 427 pixels enlarged to 1283 × 857 and saved as a camera would, one of them turned."""
    folder = tmp_path_factory.mktemp("large")
    for name, pixels, turned in zip(("upright", "turned"), load_sample_images().images, (None, 6), strict=True):
        size = (1283, 857) if turned is None else (1280, 856)
        exif = Image.Exif()
        if turned is not None:
            exif[0x0112] = turned
        photograph = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
        photograph.save(folder / f"{name}.jpg", quality=93, exif=exif)
    Image.fromarray(pixels).resize((1280, 856)).save(folder / "other.png")
    dataset = load_dataset(folder)
    dataset.scan()
    return dataset


@pytest.mark.parametrize("image_id", ["upright.jpg", "turned.jpg"])
@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.name)
def test_views_are_those_of_the_whole_image_but_for_rounding(photographs, sweep, image_id):
    whole = photographs.read(image_id)
    reduced = photographs.read_reduced(image_id, sweep_reduction(sweep, SIDE, image_id))
    assert reduced.factor >= 2
    assert (reduced.width, reduced.height) == whole.shape[1::-1]
    assert reduced.pixels.shape[:2] == tuple(-(-side // reduced.factor) for side in whole.shape[:2])
    expected = make_views(whole, sweep, SIDE, image_id)
    made = make_views(reduced, sweep, SIDE, image_id)
    seen = ... if expected.outside is None else ~expected.outside
    difference = np.abs(made.pixels.astype(int) - expected.pixels)[seen]
    assert difference.mean() < 0.4
    assert (difference > 1).mean() < 0.03
    # A window that is off by two pixels of the reduced image is another picture.
    shifted = make_views(ReducedImage(np.roll(reduced.pixels, 2, axis=1), *reduced[1:]), sweep, SIDE, image_id)
    assert np.abs(shifted.pixels.astype(int) - expected.pixels)[seen].mean() > 1


def test_the_centre_view_likewise(photographs):
    whole = photographs.read("upright.jpg")
    reduced = photographs.read_reduced("upright.jpg", centre_reduction(SIDE, 0.5))
    assert reduced.factor > 1
    difference = np.abs(centre_view(reduced, SIDE, 0.5).pixels.astype(int) - centre_view(whole, SIDE, 0.5).pixels)
    assert difference.mean() < 0.4


def test_what_is_not_large_enough_or_no_jpeg_is_read_whole(photographs):
    reduction = sweep_reduction(SWEEPS[0], 224, "upright.jpg")
    for image_id, chosen in (("upright.jpg", reduction), ("other.png", lambda width, height: 8)):
        image = photographs.read_reduced(image_id, chosen)
        assert image.factor == 1
        np.testing.assert_array_equal(image.pixels, photographs.read(image_id))


def test_a_turned_image_whose_blocks_the_border_cuts_is_read_whole(photographs, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(photographs.read("upright.jpg")).save(tmp_path / "cut.jpg", exif=exif)
    dataset = load_dataset(tmp_path)
    dataset.scan()
    assert dataset.read_reduced("cut.jpg", lambda width, height: 2).factor == 1


def test_a_photograph_of_24_megapixels_is_halved_for_an_input_of_224():
    sweep = Sweep("crop", "diagonal", 1.0)
    assert sweep_reduction(sweep, 224, "")(6000, 4000) == 4
    assert sweep_reduction(sweep, 224, "")(3000, 2000) == 2
    assert sweep_reduction(sweep, 224, "")(500, 375) == 1


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 300))
def test_the_factor_leaves_four_pixels_for_each_and_is_the_largest_that_does(width, height, side):
    factor = largest_factor((7, 9, 7 + width, 9 + height), side)
    assert factor == 1 or min(width, height) / factor >= 4 * side
    assert factor == 8 or min(width, height) / (2 * factor) < 4 * side


def test_a_box_of_a_reduced_image_is_where_it_is_in_the_whole_one():
    """A ramp, whose reduction is known exactly: the mean over each block."""
    height = width = 640
    ramp = np.repeat(np.linspace(0, 255, width)[None, :, None], height, axis=0).repeat(3, axis=2)
    factor = 4
    blocks = ramp.reshape(height // factor, factor, width // factor, factor, 3).mean(axis=(1, 3))
    reduced = ReducedImage(np.rint(blocks).astype(np.uint8), width, height, factor)
    for box in ((0, 0, 640, 640), (101, 50, 563, 512), (3, 7, 402, 406)):
        expected = resize_box(np.rint(ramp).astype(np.uint8), box, 24).astype(int)
        assert np.abs(resize_box(reduced, box, 24) - expected).max() <= 1
