"""Interventions change what they say, by as much as they say, and nothing else."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from bias_toolkit.explain.framing import TrainingObjects, framing_quantities
from bias_toolkit.explain.interventions import reframings, toned, with_object_of
from bias_toolkit.invariance import Picture, Sweep, Window, sweep_window, take_picture
from bias_toolkit.invariance.remedies.blur import blurred

W = 48
CROP, EMBED = Sweep("crop", "diagonal", 1.0), Sweep("embed", "diagonal", 2.0)
VIEW = Window(0, 0, 1, 1, 100)


@st.composite
def boxes(draw, side=200):
    """A box of at least 5 pixels in an image of 200 × 200 pixels."""
    x0, y0 = draw(st.floats(0, side - 5)), draw(st.floats(0, side - 5))
    return [x0, y0, draw(st.floats(x0 + 5, side)), draw(st.floats(y0 + 5, side))]


@settings(max_examples=100, deadline=None)
@given(
    box=boxes(),
    others=st.lists(boxes(), min_size=1, max_size=6),
    sweep=st.sampled_from([CROP, EMBED]),
    size=st.sampled_from([(200, 200), (300, 200), (200, 450)]),
)
def test_objects_come_to_the_training_medians(box, others, sweep, size):
    """Each window gives the object the training objects' place, or scale, or both, and leaves the other alone."""
    window = sweep_window(*size, sweep, W, "")
    training = TrainingObjects(np.array(others) / 200, "")
    x0, y0, x1, y1 = (np.array(others) / 200).T
    place = np.median((x0 + x1) / 2), np.median((y0 + y1) / 2)
    scale = np.median(np.sqrt((x1 - x0) * (y1 - y0)))
    own = framing_quantities(window.to_view(box))
    expected = {
        "off_centre": (*place, own["scale"]),
        "scale": (own["cx"], own["cy"], scale),
        "framing": (*place, scale),
    }
    found = reframings(box, window, training)
    assert found.keys() == expected.keys()
    for cause, values in expected.items():
        framing = framing_quantities(found[cause][0].to_view(box))
        assert [framing[name] for name in ("cx", "cy", "scale")] == pytest.approx(values, abs=1e-9), cause
        assert framing["aspect"] == pytest.approx(own["aspect"])
        assert found[cause][0].side == W


@pytest.mark.parametrize(
    ("cx", "cy", "scale", "words"),
    [
        (19, 54, 20, ("moved by 31 pixels left and 4 pixels down", "zoomed in 1.50 times")),
        (81, 46, 60, ("moved by 31 pixels right and 4 pixels up", "zoomed out 2.00 times")),
        (49, 51, 30, ("moved by 1 pixel left and 1 pixel down", "zoomed in 1.00 times")),
        (53.4, 50.4, 24, ("moved by 3 pixels right", "zoomed in 1.25 times")),
        (50.3, 43, 10, ("moved by 7 pixels up", "zoomed in 3.00 times")),
        (50.4, 49.6, 45, ("moved by less than a pixel", "zoomed out 1.50 times")),
    ],
)
def test_words_by_hand(boxes_at, training_at, cx, cy, scale, words):
    """A view of 100 pixels, and training objects of 30% in its centre."""
    found = reframings(boxes_at(cx, cy, scale, scale), VIEW, training_at(0.5, 0.5, 0.3))
    moved, zoomed = words
    assert found["off_centre"][1] == f"the view {moved}"
    assert found["scale"][1] == f"the view {zoomed}"
    assert found["framing"][1] == f"the view {moved}, and {zoomed}"


def movement(words):
    """What words say that the view does: pixels to the right, pixels down, magnification."""
    x = y = 0
    for pixels, direction in re.findall(r"(\d+) pixels? (right|left|down|up)", words):
        x += int(pixels) * {"right": 1, "left": -1}.get(direction, 0)
        y += int(pixels) * {"down": 1, "up": -1}.get(direction, 0)
    zoom = re.search(r"zoomed (in|out) (\d+\.\d\d) times", words)
    factor = 1.0 if zoom is None else float(zoom[2]) if zoom[1] == "in" else 1 / float(zoom[2])
    return x, y, factor


@settings(max_examples=40, deadline=None)
@given(
    cx=st.floats(35, 85),
    cy=st.floats(35, 85),
    radius=st.floats(12, 25),
    target=st.tuples(st.floats(0.35, 0.65), st.floats(0.35, 0.65), st.floats(0.25, 0.5)),
)
def test_a_disc_lands_where_the_words_say(disc, find_disc, training_at, cx, cy, radius, target):
    """In the pixels of the picture: a view that moves right by so many pixels shows the disc as much farther left."""
    image, box = disc(cx, cy, radius), [cx - radius, cy - radius, cx + radius, cy + radius]
    window = sweep_window(120, 120, CROP, W, "")
    x0, y0, x1, _ = window.to_view(box) * W
    assume(x0 > -radius / 2 and x1 < W + radius / 2)
    here = np.array([(x0 + x1) / 2, y0 + (x1 - x0) / 2, x1 - x0])
    for cause, (reframed, words) in reframings(box, window, training_at(*target)).items():
        right, down, factor = movement(words)
        found = find_disc(take_picture(image, reframed, 0).pixels)
        said = here * [1, 1, factor] - [right, down, 0]
        # Whole pixels are told, and a disc is found to about a pixel.
        np.testing.assert_allclose(found, said, atol=1.6, err_msg=f"{cause}: {words}")
        aimed = {"off_centre": [1, 1, 0], "scale": [0, 0, 1], "framing": [1, 1, 1]}[cause]
        np.testing.assert_allclose(found, np.where(aimed, np.array(target) * W, here), atol=1.1, err_msg=cause)


def noise(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 200, (height, width, 3), np.uint8)


def with_rectangle(box, width=100, height=100):
    """A green image with a red object that fills its box."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 1] = 255
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = (255, 0, 0)
    return image


@settings(max_examples=60, deadline=None)
@given(box=boxes(100), width=st.integers(100, 140), other_box=boxes(100))
def test_outside_the_box_nothing_changes_and_inside_it_is_the_other_image(box, width, other_box):
    image, other = noise(width, 100), np.full((100, 100, 3), (210, 230, 250), np.uint8)
    before = image.copy()
    result = with_object_of(image, box, other, other_box)
    x0, y0, x1, y1 = int(box[0]), int(box[1]), int(np.ceil(box[2])), int(np.ceil(box[3]))
    inside = np.zeros(image.shape[:2], bool)
    inside[y0:y1, x0:x1] = True
    assert (result[inside] == (210, 230, 250)).all()
    np.testing.assert_array_equal(result[~inside], image[~inside])
    np.testing.assert_array_equal(image, before)
    assert result.dtype == np.uint8


def test_a_box_beyond_the_image_is_cut():
    image, other = noise(60, 40), np.full((50, 50, 3), 255, np.uint8)
    result = with_object_of(image, [-7.5, 30.2, 12.5, 46], other, [10, 10, 20, 20])
    assert result.shape == image.shape
    assert (result[30:, :13] == 255).all()
    assert (result[:30] < 255).all()
    assert (result[:, 13:] < 255).all()


@pytest.mark.parametrize(
    ("box", "part"),
    [
        ([10, 20, 50, 40], (slice(50, 70), slice(40, 80))),
        ([10, 20, 30, 80], (slice(30, 90), slice(50, 70))),
        ([10, 20, 30, 40], (slice(50, 70), slice(50, 70))),
    ],
    ids=["wider", "taller", "same aspect"],
)
def test_the_other_object_brings_its_surroundings(box, part):
    """A box of 20 × 20 at (50, 50) is widened about its centre to the aspect; at the same size pixels are copied."""
    image, other = noise(100, 100), noise(100, 100, seed=1)
    x0, y0, x1, y1 = box
    result = with_object_of(image, box, other, [50, 50, 70, 70])
    np.testing.assert_array_equal(result[y0:y1, x0:x1], other[part])


@pytest.mark.parametrize("box", [[0, 0, 80, 40], [10, 5, 50, 95], [20, 20, 80, 80], [3, 4, 93, 24]], ids=str)
@pytest.mark.parametrize("other_box", [(45, 40, 61, 56), (40, 46, 64, 54), (47, 40, 53, 58)], ids=str)
def test_the_other_object_keeps_its_proportions(box, other_box):
    result = with_object_of(noise(100, 100), box, with_rectangle(other_box, 400, 400), other_box)
    x0, y0, x1, y1 = box
    red = result[y0:y1, x0:x1, 0].astype(float) / 255
    width, height = red.sum(axis=1).max(), red.sum(axis=0).max()
    scale = min((x1 - x0) / (other_box[2] - other_box[0]), (y1 - y0) / (other_box[3] - other_box[1]))
    expected = (other_box[2] - other_box[0]) * scale, (other_box[3] - other_box[1]) * scale
    np.testing.assert_allclose((width, height), expected, rtol=0.05, atol=0.6)
    y, x = np.mgrid[: y1 - y0, : x1 - x0] + 0.5
    middle = (red * x).sum() / red.sum(), (red * y).sum() / red.sum()
    np.testing.assert_allclose(middle, ((x1 - x0) / 2, (y1 - y0) / 2), atol=0.6)


@pytest.mark.parametrize(("other_box", "start", "end"), [((0, 40, 20, 60), 0, 30), ((85, 40, 95, 60), 70, 100)])
@pytest.mark.parametrize("turned", [False, True], ids=["across", "down"])
def test_surroundings_end_with_the_other_image(other_box, start, end, turned):
    """A ramp from 0 to 250 over 100 pixels says which part is shown: half of the missing width is not there."""
    ramp = np.repeat((2.5 * (np.arange(100) + 0.5)).astype(np.uint8)[None, :, None], 70, axis=0).repeat(3, axis=2)
    image, box, other_box = noise(100, 100), [10, 10, 50, 30], list(other_box)
    if turned:
        ramp, box = ramp.transpose(1, 0, 2), [10, 10, 30, 50]
        other_box = [other_box[1], other_box[0], other_box[3], other_box[2]]
    patch = with_object_of(image, box, ramp, other_box)[box[1] : box[3], box[0] : box[2], 0]
    shown = (patch.T if turned else patch).astype(float)
    expected = 2.5 * (start + (np.arange(40) + 0.5) * (end - start) / 40)
    np.testing.assert_allclose(shown, np.tile(expected, (20, 1)), atol=2.5)


def test_the_other_object_is_resized_by_bicubic_with_antialiasing():
    image, other = noise(100, 100), noise(80, 80, seed=1)
    result = with_object_of(image, [10, 10, 40, 40], other, [0, 0, 80, 80])
    expected = Image.fromarray(other).resize((30, 30), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(result[10:40, 10:40], expected)


def picture_of(pixels, margin=4, fill="black"):
    outside = np.zeros(pixels.shape[:2], bool)
    outside[:, :3] = True
    return Picture(pixels, outside, fill, margin)


def assert_same_frame(one, other):
    np.testing.assert_array_equal(one.outside, other.outside)
    assert (one.fill, one.margin) == (other.fill, other.margin)
    assert one.pixels.shape == other.pixels.shape
    assert one.pixels.dtype == np.uint8


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("period", [4, 8])
@pytest.mark.parametrize("deviation", [1.0, 2.0])
def test_a_blur_damps_a_sinusoid_by_its_formula(axis, period, deviation):
    """By exp(−2π²σ²f²): at a quarter of a cycle to 29% and 0.7%."""
    wave = np.cos(2 * np.pi * np.arange(64) / period)
    pixels = np.rint(128 + 100 * np.broadcast_to(wave if axis else wave[:, None], (64, 64)))
    picture = picture_of(np.repeat(pixels.astype(np.uint8)[..., None], 3, axis=2))
    found = blurred(picture, deviation)
    assert_same_frame(found, picture)
    expected = 128 + 100 * np.exp(-2 * np.pi**2 * deviation**2 / period**2) * wave[16:48]
    inner = found.pixels[16:48, 16:48].astype(float)
    np.testing.assert_allclose(
        inner, np.broadcast_to((expected if axis else expected[:, None])[..., None], inner.shape), atol=1
    )


def test_a_blur_leaves_what_has_no_detail():
    """A constant, up to the border, and of each colour by itself."""
    pixels = np.broadcast_to(np.array([10, 100, 250], np.uint8), (40, 40, 3)).copy()
    np.testing.assert_array_equal(blurred(picture_of(pixels), 2.0).pixels, pixels)


def test_a_blur_is_rounded_to_the_nearest():
    """One bright pixel, spread by a Gaussian of 1 pixel: 0.1592 of it stays in the middle, 0.0966 beside."""
    pixels = np.zeros((31, 31, 3), np.uint8)
    pixels[15, 15] = 250
    found = blurred(picture_of(pixels), 1.0).pixels[..., 0]
    assert found[15, 14:17].tolist() == [24, 40, 24]
    assert found[14, 14:17].tolist() == [15, 24, 15]


FACTORS = ((0.8, 1.0), (1.25, 1.0), (1.0, 0.75), (1.0, 1.33))


def test_controls_are_of_brightness_and_contrast():
    """Half of the pixels at 80, half at 120: their mean of 100 is what contrast is about."""
    pixels = np.full((40, 40, 3), 80, np.uint8)
    pixels[20:] = 120
    picture = picture_of(pixels)
    found = [toned(picture, *factors) for factors in FACTORS]
    for changed in found:
        assert_same_frame(changed, picture)
    levels = [(int(changed.pixels[0, 0, 0]), int(changed.pixels[-1, -1, 0])) for changed in found]
    expected = [(64, 96), (100, 150), (85, 115), (73.4, 126.6)]
    np.testing.assert_allclose(levels, expected, atol=1)
    np.testing.assert_array_equal(toned(picture, 1.0, 1.0).pixels, pixels)


@pytest.mark.parametrize("fill", ["inpaint", "mean"])
def test_controls_leave_an_object_where_it_is(disc, find_disc, fill):
    """A disc has the same outline to the pixel."""
    pixels = disc(20.3, 26.1, 9, 50, 50) // 2 + 60
    picture = picture_of(pixels, 4, fill)
    outline = pixels[..., 0] > 127
    for factors in FACTORS:
        changed = toned(picture, *factors)
        assert_same_frame(changed, picture)
        level = changed.pixels[..., 0].astype(int)
        np.testing.assert_array_equal(level > (level.min() + level.max()) / 2, outline)
        assert not np.array_equal(changed.pixels, pixels)
        assert find_disc(np.where(changed.pixels > level.mean(), 255, 0)) == find_disc(np.where(pixels > 127, 255, 0))
