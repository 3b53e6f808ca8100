"""12-bit data in 16-bit files are told, and scaled by their largest value if that is asked for."""

import tarfile

import numpy as np
import pytest
from PIL import Image

from bias_toolkit import InputError, Study, load_dataset
from bias_toolkit.datasets import Dataset, Listing
from bias_toolkit.explain.request import _read_image
from bias_toolkit.study.explaining import request_for
from bias_toolkit.study.flagging import _of_any


def of_values(folder, tops, ending="png"):
    """16-bit greyscale images, each a ramp from 0 to one of `tops`."""
    folder.mkdir()
    for number, top in enumerate(tops):
        ramp = np.linspace(0, top, 64).round().astype(np.uint16).reshape(8, 8)
        Image.fromarray(ramp).save(folder / f"{number}.{ending}")
    return folder


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_data_of_12_bits_are_told_and_scaled_only_if_asked(ending, tmp_path):
    dataset = load_dataset(of_values(tmp_path / "scans", [4095, 2000], ending))
    first = f"0.{ending}"
    (note,) = dataset.notes
    assert note.text == (
        f"Of the 16-bit greyscale images, 2 were looked at, such as {first}: their values reach 4,095 of 65,535 only, "
        "so they are shown dark. --deep-grey maximum scales each by its own largest value."
    )
    assert dataset.read(first).max() == round(4095 * 255 / 65535)
    scaled = dataset.scaled("maximum")
    assert scaled.fingerprint != dataset.fingerprint
    assert dataset.scaled("full").fingerprint == dataset.fingerprint
    for name, top in ((first, 4095), (f"1.{ending}", 2000)):
        expected = np.rint(np.linspace(0, top, 64).round() * 255 / top).reshape(8, 8)
        assert (scaled.read(name)[..., 1] == expected).all()
    assert scaled.notes[0].text.endswith("reach 4,095. Each is scaled by its own largest value.")


@pytest.mark.parametrize("tops", [[4095, 40000], [65535], [0]])
def test_data_that_use_their_range_or_are_black_are_not_told(tops, tmp_path):
    dataset = load_dataset(of_values(tmp_path / "scans", tops))
    assert dataset.notes == []
    assert dataset.scaled("maximum").read("0.png").max() == (255 if tops[0] else 0)


def test_files_of_8_bits_and_files_that_cannot_be_read_are_not_told(tmp_path):
    folder = of_values(tmp_path / "scans", [4095])
    (folder / "0.png").write_bytes((folder / "0.png").read_bytes()[:60])
    Image.new("L", (8, 8), 3).save(folder / "8.png")
    assert load_dataset(folder).notes == []


def test_images_in_tars_are_told_and_scaled_too(tmp_path):
    folder = of_values(tmp_path / "scans", [4095, 2000])
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(folder, "scans")
    dataset = load_dataset(tmp_path / "a.tar")
    assert [note.text for note in dataset.notes] == [
        "Of the 16-bit greyscale images, 2 were looked at, such as scans/0.png: their values reach 4,095 of 65,535 "
        "only, so they are shown dark. --deep-grey maximum scales each by its own largest value."
    ]
    scaled = dataset.scaled("maximum")
    assert scaled.fingerprint != dataset.fingerprint
    assert (scaled.read("scans/1.png") == load_dataset(folder).scaled("maximum").read("1.png")).all()
    assert scaled.read("scans/1.png").max() == 255


def test_a_file_that_is_explained_or_flagged_is_scaled_as_the_study(tmp_path):
    """Ramps to 4095: the study's images are scaled to 255, and other files are as well."""
    sets = {name: of_values(tmp_path / name, [4095] * 24) for name in ("train", "test")}
    (other,) = of_values(tmp_path / "new", [4000]).iterdir()
    for scaling, top in ((None, round(4000 * 255 / 65535)), ("maximum", 255)):
        study = Study(tmp_path / f"study-{scaling}", **sets, deep_grey=scaling).read_images()
        request = request_for(study.inputs, study.results, other, None, None)
        assert _read_image(request.file, request.deep_grey).max() == top
        assert ("deep_grey" in request.key_values()) is (scaling is not None)
        read = _of_any(0, other, request.deep_grey).read(lambda width, height: 1)
        assert read.pixels.max() == top


def test_the_option_is_for_files():
    class Pixels:
        """None that are files."""

    listing = Listing(root="mine", layout="mine", layout_reason="", image_ids=["a"], annotate=lambda progress: None)
    with pytest.raises(InputError, match="--deep-grey is for image files, and mine has none"):
        Dataset(listing, Pixels()).scaled("maximum")


def test_the_option_reaches_both_sets_of_a_study(tmp_path):
    sets = {name: of_values(tmp_path / name, [1000]) for name in ("train", "test")}
    for values in ({}, {"deep_grey": "maximum"}):
        study = Study(tmp_path / "study", **sets, **values).read_images()
        assert study.computed == ["images/train", "images/test"]
        brightest = 255 if values else round(1000 * 255 / 65535)
        assert study.train.read("0.png").max() == study.test.read("0.png").max() == brightest
