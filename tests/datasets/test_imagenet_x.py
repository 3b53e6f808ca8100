import json
import os

import pandas as pd
import pytest

from bias_toolkit.datasets import imagenet_x, imagenet_x_factors, imagenet_x_stamp
from bias_toolkit.datasets.imagenet_x import FACTORS, find_imagenet_x, read_imagenet_x
from bias_toolkit.foundation.errors import InputError

VAL, TRAIN = "imagenet_x_val_multi_factor.jsonl", "imagenet_x_train_multi_factor.jsonl"


def annotation(name, *factors, **changes):
    flags = {factor: int(factor in factors) for factor in FACTORS}
    return json.dumps({"file_name": name, "class": 3, **flags, "justification": "ö", "one_word": "x"} | changes)


@pytest.fixture
def annotations(tmp_path):
    """A folder with files named as in the package, deep inside; one set of annotations is not of every factor."""
    folder = tmp_path / "imagenet_x" / "annotations"
    folder.mkdir(parents=True)
    (folder / VAL).write_text(
        "\n".join(
            [
                annotation("ILSVRC2012_val_00000001.JPEG", "pose", "darker"),
                annotation("ILSVRC2012_val_00000002.JPEG"),
                annotation("ILSVRC2012_val_00000003.JPEG", "partial_view"),
            ]
        )
        + "\n",
        encoding="utf-8",
    )
    (folder / TRAIN).write_text(annotation("n01440764_18.JPEG", "style") + "\n\n", encoding="utf-8")
    (folder / "imagenet_x_val_top_factor.jsonl").write_text("{}", encoding="utf-8")
    return tmp_path


def test_images_are_matched_by_the_name_of_their_file(annotations):
    ids = ["val/n2/ILSVRC2012_val_00000003.png", "other.JPEG", "ILSVRC2012_val_00000001.JPEG", "a/n01440764_18.webp"]
    found = imagenet_x_factors(ids, "imagenet", annotations)
    assert found["image_id"].tolist() == [ids[0], ids[2], ids[3]]
    assert list(found.columns) == ["image_id", *FACTORS]
    has = {row["image_id"]: {name for name in FACTORS if row[name]} for row in found.to_dict("records")}
    assert has == {ids[0]: {"partial_view"}, ids[2]: {"pose", "darker"}, ids[3]: {"style"}}
    assert found["pose"].dtype == bool


def test_tiny_imagenet_gives_its_files_the_names_of_others(annotations):
    ids = ["n01440764/images/n01440764_18.JPEG"]
    assert len(imagenet_x_factors(ids, "class-folders", annotations)) == 1
    assert len(imagenet_x_factors(ids, "tiny-imagenet", annotations)) == 0


def test_nothing_matches(annotations, monkeypatch):
    """A table without rows where the user asked for annotations; nothing where nobody did."""
    found = imagenet_x_factors(["a.png"], "images", annotations)
    assert len(found) == 0
    assert list(found.columns) == ["image_id", *FACTORS]
    package = annotations / "imagenet_x"
    monkeypatch.syspath_prepend(annotations)
    (package / "__init__.py").write_text("raise ImportError('its code must not run')", encoding="utf-8")
    assert find_imagenet_x() == [package / "annotations" / name for name in (TRAIN, VAL)]
    assert imagenet_x_factors(["a.png"], "images") is None
    assert len(imagenet_x_factors(["ILSVRC2012_val_00000002.png"])) == 1


def test_no_package(monkeypatch):
    monkeypatch.setattr(imagenet_x, "find_spec", lambda name: None)
    assert find_imagenet_x() == []
    assert imagenet_x_factors(["ILSVRC2012_val_00000002.png"]) is None


def test_a_file_of_ones_own(annotations):
    file = annotations / "mine.jsonl"
    file.write_text(annotation("photo.jpg", "larger"), encoding="utf-8")
    assert imagenet_x_factors(["x/photo.png"], path=file)["larger"].tolist() == [True]


def test_stamp_changes_with_the_files(annotations):
    before = imagenet_x_stamp(annotations)
    assert before == imagenet_x_stamp(annotations)
    with open(annotations / "imagenet_x" / "annotations" / TRAIN, "a", encoding="utf-8") as file:
        file.write(annotation("n01440764_19.JPEG"))
    assert imagenet_x_stamp(annotations) != before


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[1]",
        '{"file_name": "a.JPEG"}',
        annotation("a.JPEG", pose=2),
        annotation(7),
        annotation("ILSVR\ud800C2012_val_00000001.JPEG"),
        annotation("ILSVRC2012_val_00000001.JPEG", "pose"),
    ],
)
def test_a_wrong_line_is_named(annotations, line):
    file = annotations / "imagenet_x" / "annotations" / VAL
    with open(file, "a", encoding="utf-8") as lines:
        lines.write(line + "\n")
    with pytest.raises(InputError, match=f"{VAL}, line 4"):
        imagenet_x_factors(["a.png"], path=annotations)


def test_an_image_that_is_annotated_twice_alike(annotations):
    files = find_imagenet_x(annotations)
    pd.testing.assert_frame_equal(read_imagenet_x(files), read_imagenet_x([*files, *files]))


def test_a_path_without_annotations(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match=r"--imagenet-x is .*imagenet_x_\*_multi_factor.jsonl"):
            find_imagenet_x(path)


def test_a_pipe_is_no_annotation(tmp_path):
    """Opening it would wait for ever."""
    os.mkfifo(tmp_path / VAL)
    with pytest.raises(InputError, match="holds no"):
        find_imagenet_x(tmp_path)
    with pytest.raises(InputError, match="has to be a regular file, and is a named pipe"):
        read_imagenet_x([tmp_path / VAL])
