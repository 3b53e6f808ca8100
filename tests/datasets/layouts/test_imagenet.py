"""ImageNet's folders, with the annotation files that are found near them."""

import re

import numpy as np
import pytest
from scipy.io import savemat

from bias_toolkit.datasets import load_dataset
from bias_toolkit.foundation.errors import InputError

TENCH, FISH, FOX = "n01440764", "n01443537", "n02119789"
SIZE = (500, 375)
VAL = [f"ILSVRC2012_val_{number:08d}" for number in (1, 2, 3)]


@pytest.fixture
def train(tmp_path, make_image):
    """Kaggle's tree: ILSVRC/Data/CLS-LOC/train."""
    for name in (f"{TENCH}/{TENCH}_5", f"{TENCH}/{TENCH}_10", f"{FISH}/{FISH}_3"):
        make_image(f"ILSVRC/Data/CLS-LOC/train/{name}.JPEG", SIZE)
    return tmp_path / "ILSVRC/Data/CLS-LOC/train"


@pytest.fixture
def val(tmp_path, make_image):
    """Kaggle's tree: ILSVRC/Data/CLS-LOC/val, flat."""
    for name in VAL:
        make_image(f"ILSVRC/Data/CLS-LOC/val/{name}.JPEG", SIZE)
    return tmp_path / "ILSVRC/Data/CLS-LOC/val"


def test_names_of_hugging_face_end_in_the_id(tmp_path, make_image, make_text, voc_xml, rows):
    """ILSVRC2012_val_00000001_n01440764.JPEG: a validation image, and its annotations have its name without the id."""
    make_image(f"val/{VAL[0]}_{TENCH}.JPEG", SIZE)
    make_image(f"val/{VAL[1]}_{FISH}.JPEG", SIZE)
    make_text(f"Annotations/CLS-LOC/val/{VAL[1]}.xml", voc_xml((FISH, 0, 0, 9, 9)))
    make_text(f"Annotations/CLS-LOC/train/{VAL[0]}.xml", voc_xml((FISH, 0, 0, 1, 1)))
    dataset = load_dataset(tmp_path / "val")
    assert rows(dataset.images)[0] == (f"{VAL[0]}_{TENCH}.JPEG", TENCH, *SIZE)
    assert rows(dataset.objects) == [(f"{VAL[1]}_{FISH}.JPEG", 0, FISH, 0, 0, 10, 10)]

    make_image(f"train_images_0/{TENCH}_5_{TENCH}.JPEG", SIZE)
    dataset = load_dataset(tmp_path / "train_images_0")
    assert rows(dataset.images) == [(f"{TENCH}_5_{TENCH}.JPEG", TENCH, *SIZE)]
    assert dataset.class_names == {}


def test_folders_of_classes_inside_other_folders(tmp_path, make_image, rows):
    make_image(f"part1/{TENCH}/{TENCH}_5.JPEG", SIZE)
    make_image(f"part2/{FISH}/{FISH}_3.JPEG", SIZE)
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "imagenet"
    assert "the folders in its folders are named by WordNet ids" in dataset.layout_reason
    assert [label for _, label, *_ in rows(dataset.images)] == [TENCH, FISH]


def test_the_root_of_two_splits_is_not_taken_as_one_set(tmp_path, make_image):
    make_image(f"train/{TENCH}/{TENCH}_5.JPEG", SIZE)
    make_image(f"val/{TENCH}/{VAL[0]}.JPEG", SIZE)
    with pytest.raises(InputError, match="holds the splits train, val"):
        load_dataset(tmp_path)


def test_a_validation_folder_is_never_called_train(tmp_path, make_image, make_text):
    """Neither by the names of its images nor by those of annotations near it."""
    make_image(f"val/{TENCH}/{TENCH}_5.JPEG", SIZE)
    make_text("LOC_train_solution.csv", f"ImageId,PredictionString\n{TENCH}_5,{TENCH} 0 0 1 1\n")
    dataset = load_dataset(tmp_path / "val")
    assert "train" not in dataset.layout_reason
    assert dataset.objects.empty


@pytest.mark.parametrize(
    ("files", "source"),
    [
        (
            {"valprep.sh": "mkdir -p {0}\n" + "mv {2}.JPEG {0}/\nmv {3}.JPEG {1}/\nmv {4}.JPEG {0}/\n"},
            "labels from valprep.sh, no boxes",
        ),
        (
            {"meta/val.txt": "{2}.JPEG 1\n{3}.JPEG 0\n{4}.JPEG 1\n", "synset_words.txt": "{1} goldfish\n{0} tench\n"},
            "labels from val.txt by the lines of synset_words.txt, no boxes",
        ),
        (
            {"val.txt": "{2}.JPEG {0}\n{3}.JPEG {1}\n{4}.JPEG {0}\n"},
            "labels from val.txt, no boxes",
        ),
        (
            {"ImageSets/val.txt": "", "val.txt": "{2} 1\n{3} 2\n{4} 3\n", "synsets.txt": "{1}\n{0}\n"},
            "without labels: no annotation file was found near it",
        ),
    ],
)
def test_other_files_of_the_validation_labels(val, tmp_path, make_text, rows, files, source):
    for name, text in files.items():
        make_text(name, text.format(TENCH, FISH, *VAL))
    dataset = load_dataset(val)
    assert dataset.layout_reason.endswith(source)
    labels = [label for _, label, *_ in rows(dataset.images)]
    assert labels == ([None] * 3 if source.startswith("without") else [TENCH, FISH, TENCH])


def test_a_list_of_class_numbers_alone(val, make_text, rows):
    make_text("val.txt", f"{VAL[0]}.JPEG 65\n{VAL[1]}.JPEG 970\n{VAL[2]}.JPEG 65\n")
    dataset = load_dataset(val)
    assert [label for _, label, *_ in rows(dataset.images)] == ["65", "970", "65"]
    assert dataset.layout_reason.endswith(
        "labels from val.txt (class numbers, as none of synsets.txt, synset_words.txt, LOC_synset_mapping.txt is near "
        "it), no boxes"
    )
    make_text("val.txt", "".join(f"{name}.JPEG {number}\n" for number, name in enumerate(VAL, 1)))
    assert load_dataset(val).layout_reason.endswith("without labels: no annotation file was found near it")


def train_labels():
    return [
        (f"{TENCH}/{TENCH}_10.JPEG", TENCH, *SIZE),
        (f"{TENCH}/{TENCH}_5.JPEG", TENCH, *SIZE),
        (f"{FISH}/{FISH}_3.JPEG", FISH, *SIZE),
    ]


def test_train_without_annotations(train, rows):
    dataset = load_dataset(train)

    assert dataset.layout == "imagenet"
    assert dataset.layout_reason == (
        "its folders are named by WordNet ids, without boxes: no annotation file was found near it"
    )
    assert rows(dataset.images) == train_labels()
    assert rows(dataset.objects) == []
    assert dataset.class_names == {}


def test_train_with_xml(train, make_text, voc_xml, rows):
    make_text(
        f"ILSVRC/Annotations/CLS-LOC/train/{TENCH}/{TENCH}_5.xml",
        voc_xml((TENCH, 0, 0, 499, 374), (TENCH, 3, 4, 10, 20)),
    )
    make_text(f"ILSVRC/Annotations/CLS-LOC/train/{FISH}/{FISH}_99.xml", voc_xml((FISH, 0, 0, 1, 1)))
    dataset = load_dataset(train)

    assert dataset.layout_reason == (
        f"its folders are named by WordNet ids, labels and boxes from XML such as {TENCH}_5.xml"
    )
    assert rows(dataset.images) == train_labels()
    assert rows(dataset.objects) == [
        (f"{TENCH}/{TENCH}_5.JPEG", 0, TENCH, 0, 0, 500, 375),
        (f"{TENCH}/{TENCH}_5.JPEG", 1, TENCH, 3, 4, 11, 21),
    ]
    assert rows(dataset.skipped) == []


@pytest.mark.parametrize("place", ["Annotation", "ILSVRC2012_bbox_train_v2"])
def test_train_with_xml_as_first_distributed(tmp_path, make_image, make_text, voc_xml, rows, place):
    make_image(f"train/{FISH}/{FISH}_3.JPEG", SIZE)
    make_text(f"{place}/{FISH}/{FISH}_3.xml", voc_xml((FISH, 5, 6, 7, 8)))

    assert rows(load_dataset(tmp_path / "train").objects) == [(f"{FISH}/{FISH}_3.JPEG", 0, FISH, 5, 6, 8, 9)]


def test_train_with_kaggles_solution(tmp_path, train, make_text, rows):
    make_text(
        "LOC_train_solution.csv",
        f"ImageId,PredictionString\n{TENCH}_5,{TENCH} 1 2 3 4 {TENCH} 0 0 499 374 \n{FISH}_77,{FISH} 1 1 2 2 \n",
    )
    make_text("LOC_synset_mapping.txt", f"{TENCH} tench, Tinca tinca\n{FISH} goldfish, Carassius auratus\n")
    dataset = load_dataset(train)

    assert dataset.layout_reason.endswith("labels and boxes from LOC_train_solution.csv")
    assert rows(dataset.images) == train_labels()
    assert rows(dataset.objects) == [
        (f"{TENCH}/{TENCH}_5.JPEG", 0, TENCH, 1, 2, 4, 5),
        (f"{TENCH}/{TENCH}_5.JPEG", 1, TENCH, 0, 0, 500, 375),
    ]
    assert rows(dataset.skipped) == []
    assert dataset.class_names == {TENCH: "tench, Tinca tinca", FISH: "goldfish, Carassius auratus"}


def test_a_flat_folder_of_training_images(tmp_path, make_image, rows):
    make_image(f"{TENCH}_tench.JPEG", SIZE)
    make_image("n01601694_water_ouzel.JPEG", SIZE)
    make_image(f"{FOX}_10026.JPEG", SIZE)
    dataset = load_dataset(tmp_path)

    assert dataset.layout == "imagenet"
    assert dataset.layout_reason.startswith("its file names begin with WordNet ids")
    assert [row[1] for row in rows(dataset.images)] == [TENCH, "n01601694", FOX]
    assert dataset.class_names == {TENCH: "tench", "n01601694": "water ouzel"}


def test_val_with_xml(val, make_text, voc_xml, rows):
    for name, wnid in zip(VAL[:2], (FISH, FOX), strict=True):
        make_text(f"ILSVRC/Annotations/CLS-LOC/val/{name}.xml", voc_xml((wnid, 111, 108, 441, 193)))
    dataset = load_dataset(val)

    assert dataset.layout_reason == (
        f"its files are named and numbered as ILSVRC2012's, labels and boxes from XML such as {VAL[0]}.xml"
    )
    assert [row[1] for row in rows(dataset.images)] == [FISH, FOX, None]
    assert rows(dataset.objects) == [
        (f"{VAL[0]}.JPEG", 0, FISH, 111, 108, 442, 194),
        (f"{VAL[1]}.JPEG", 0, FOX, 111, 108, 442, 194),
    ]


@pytest.mark.parametrize("boxes", [True, False])
def test_val_with_kaggles_solution(val, make_text, rows, boxes):
    box = " 0 6 373 498 " if boxes else ""
    lines = [f"{VAL[1]},{FOX}{box}", f"{VAL[0]},{FISH}{box}", f"ILSVRC2012_val_00050000,{FOX}{box}"]
    make_text("LOC_val_solution.csv", "\n".join(["ImageId,PredictionString", *lines]))
    dataset = load_dataset(val)

    assert [row[1] for row in rows(dataset.images)] == [FISH, FOX, None]
    assert len(dataset.objects) == (2 if boxes else 0)
    assert rows(dataset.skipped) == []


def devkit_meta(path):
    """A development kit's meta.mat, with one inner node and with numbers in another order than the ids."""
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    synsets = np.array(
        [(1, FOX, "kit fox, Vulpes macrotis", 0), (2, FISH, "goldfish", 0), (3, "n00001740", "entity", 9)], kinds
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"synsets": synsets.reshape(-1, 1)})


@pytest.mark.parametrize(
    ("place", "meaning"),
    [
        ("ILSVRC2012_devkit_t12/data", "meta.mat"),
        ("ILSVRC2012_devkit_t12/data", "map_clsloc.txt"),
        ("data", "map_clsloc.txt"),
        ("", "map_clsloc.txt"),
    ],
)
def test_val_with_the_development_kit(tmp_path, val, make_text, rows, place, meaning):
    ground_truth = f"{place}/ILSVRC2012_validation_ground_truth.txt".lstrip("/")
    make_text(ground_truth, "2\n1\n1\n")
    make_text("LOC_synset_mapping.txt", f"{FISH} goldfish, Carassius auratus\n{FOX} kit fox\n")
    if meaning == "meta.mat":
        devkit_meta(tmp_path / place / meaning)
    else:
        make_text(f"{place}/{meaning}".lstrip("/"), f"{FOX} 1 kit_fox\n{FISH} 2 goldfish\n")
    dataset = load_dataset(val)

    assert dataset.layout_reason.endswith("labels from ILSVRC2012_validation_ground_truth.txt, no boxes")
    assert [row[1] for row in rows(dataset.images)] == [FISH, FOX, FOX]
    assert rows(dataset.objects) == []
    assert dataset.class_names[FISH] == "goldfish, Carassius auratus"

    (tmp_path / "LOC_synset_mapping.txt").unlink()
    name = "kit fox, Vulpes macrotis" if meaning == "meta.mat" else "kit fox"
    assert load_dataset(val).class_names == {FOX: name, FISH: "goldfish"}


def test_a_part_of_val_keeps_the_labels_of_its_numbers(tmp_path, val, make_text, rows):
    (val / f"{VAL[0]}.JPEG").unlink()
    make_text("imagenet_2012_validation_synset_labels.txt", f"{TENCH}\n{FISH}\n{FOX}\n{FOX}\n")
    dataset = load_dataset(val)

    assert [row[:2] for row in rows(dataset.images)] == [(f"{VAL[1]}.JPEG", FISH), (f"{VAL[2]}.JPEG", FOX)]
    assert rows(dataset.skipped) == []


def test_val_sorted_into_class_folders(tmp_path, make_image, make_text, voc_xml, rows):
    make_image(f"Data/CLS-LOC/val/{FISH}/{VAL[0]}.JPEG", SIZE)
    make_text(f"Annotations/CLS-LOC/val/{VAL[0]}.xml", voc_xml((FISH, 1, 2, 3, 4)))
    dataset = load_dataset(tmp_path / "Data/CLS-LOC/val")

    assert rows(dataset.images) == [(f"{FISH}/{VAL[0]}.JPEG", FISH, *SIZE)]
    assert rows(dataset.objects) == [(f"{FISH}/{VAL[0]}.JPEG", 0, FISH, 1, 2, 4, 5)]


def test_val_or_test_without_annotations_has_no_labels(tmp_path, make_image, val):
    make_image("plain/ILSVRC2012_test_00000001.JPEG")
    for folder in (val, tmp_path / "plain"):
        dataset = load_dataset(folder)
        assert dataset.layout_reason.endswith("without labels: no annotation file was found near it")
        assert dataset.images["label"].isna().all()


def test_annotations_of_another_split_are_not_taken(val, train, make_text, voc_xml):
    make_text("LOC_train_solution.csv", f"ImageId,PredictionString\n{TENCH}_5,{TENCH} 1 2 3 4\n")
    make_text(f"ILSVRC/Annotations/CLS-LOC/train/{TENCH}/{TENCH}_5.xml", voc_xml((TENCH, 0, 0, 1, 1)))
    assert load_dataset(val).layout_reason.endswith("no annotation file was found near it")


@pytest.mark.parametrize("part", ["", "ILSVRC"])
def test_the_root_has_to_be_named_more_closely(tmp_path, val, part):
    with pytest.raises(InputError, match=f"is the root of ImageNet: name .*/CLS-LOC/train or {val}"):
        load_dataset(tmp_path / part)


def test_the_parent_of_the_splits_has_to_be_named_more_closely(val, train):
    with pytest.raises(InputError, match="holds the splits train, val"):
        load_dataset(val.parent)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("LOC_val_solution.csv", "a,b\n", "has to begin with the line ImageId,PredictionString"),
        ("LOC_val_solution.csv", "", "has to begin with the line ImageId,PredictionString"),
        ("LOC_val_solution.csv", f"ImageId,PredictionString\n{VAL[0]}\n", "line 2: expected an image, and a WordNet"),
        ("LOC_val_solution.csv", f"ImageId,PredictionString\n\n{VAL[0]},fox\n", "line 3: expected an image, and"),
        ("LOC_val_solution.csv", f"ImageId,PredictionString\n{VAL[0]},{FOX} 1 2 3\n", "line 2: expected an image"),
        ("LOC_val_solution.csv", f"ImageId,PredictionString\n{VAL[0]},{FOX} 1 2 3 x\n", "line 2: a box has to be"),
        (f"ILSVRC/Annotations/CLS-LOC/val/{VAL[0]}.xml", "<annotation>", "is not well-formed XML"),
        (
            f"ILSVRC/Annotations/CLS-LOC/val/{VAL[0]}.xml",
            "<annotation><object><name>n01440764</name><bndbox/></object></annotation>",
            "a box has to be four finite numbers",
        ),
        (
            f"ILSVRC/Annotations/CLS-LOC/val/{VAL[0]}.xml",
            "<annotation><object/></annotation>",
            "every object needs a name",
        ),
        ("ILSVRC2012_validation_ground_truth.txt", "1\n", "neither meta.mat nor map_clsloc.txt"),
    ],
)
def test_a_malformed_annotation_is_named(tmp_path, val, make_text, name, content, message):
    file = make_text(name, content)
    with pytest.raises(InputError, match=f"{re.escape(str(file))}.*{message}"):
        load_dataset(val).scan()


@pytest.mark.parametrize(
    ("ground_truth", "name", "content", "message"),
    [
        (
            "7\n",
            "map_clsloc.txt",
            f"{FOX} 1 kit_fox\n",
            "line 1: expected a class number that .*map_clsloc.txt has, not '7'",
        ),
        ("1\n", "map_clsloc.txt", f"{FOX} 1\n", "map_clsloc.txt, line 1: expected a WordNet id, a number and a name"),
        ("1\n", "meta.mat", "no MATLAB", "meta.mat is not the development kit's meta.mat"),
    ],
)
def test_a_development_kit_that_does_not_fit_is_named(val, make_text, ground_truth, name, content, message):
    make_text("ILSVRC2012_validation_ground_truth.txt", ground_truth)
    make_text(name, content)
    with pytest.raises(InputError, match=message):
        load_dataset(val)
