import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Model, Preprocessing, match_labels
from bias_toolkit.models.labels import chance_sentence
from bias_toolkit.models.pretrained import imagenet_classes


def make_model(n_classes, names=None, ids=None):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, n_classes))
    return Model("tiny", network, input_size=4, preprocessing=Preprocessing(), class_names=names, class_ids=ids)


IDS, NAMES = imagenet_classes(1000)
IMAGENET = make_model(1000, NAMES, IDS)
PETS = make_model(4, ["cat, house cat, puss", "dog, domestic dog", "guinea-pig, cavy", "wild boar, Sus scrofa, puss"])
NAMELESS = make_model(10)


def test_wordnet_ids():
    match = match_labels(["n02099601", "n01443537", "n02099601"], IMAGENET)
    assert match.indices == {"n02099601": 207, "n01443537": 1}
    assert match.how == "WordNet id"
    assert (match.n_labels, match.n_matched) == (2, 2)
    assert match.sentence == "2 of 2 labels matched the model's classes by WordNet id"


def test_ids_that_are_not_wordnets_are_called_class_ids():
    match = match_labels(["b", "a"], make_model(3, ids=["a", "b", "c"]))
    assert (match.indices, match.how) == ({"a": 0, "b": 1}, "class id")


def test_a_part_is_matched_and_the_rest_named():
    match = match_labels(["n01443537", "n99999999", "other"], IMAGENET)
    assert match.indices == {"n01443537": 1}
    assert match.sentence == (
        "1 of 3 labels matched the model's classes by WordNet id; not matched: n99999999, other (give "
        "their classes with --label-map)"
    )


def test_only_some_of_many_unmatched_labels_are_named():
    sentence = match_labels(["n01443537", *"abcdefgh"], IMAGENET).sentence
    assert sentence.endswith("not matched: a, b, c, d, e and 3 more (give their classes with --label-map)")


@pytest.mark.parametrize(
    ("label", "index"),
    [
        ("dog", 1),
        ("Domestic_Dog", 1),
        ("DOG, domestic dog", 1),
        ("guinea pig", 2),
        ("Guinea-Pig", 2),
        ("guinea_pig,cavy", 2),
        ("Sus scrofa", 3),
        ("house cat, felis catus", 0),
        ("puss", None),
        ("cat, dog", None),
        ("do", None),
        ("", None),
    ],
)
def test_class_names_and_synonyms(label, index):
    match = match_labels([label], PETS)
    assert match.indices == ({} if index is None else {label: index})
    assert match.how == ("none" if index is None else "class name")


def test_a_whole_name_comes_before_a_synonym():
    model = make_model(2, ["maillot, tank suit", "maillot"])
    assert match_labels(["maillot"], model).indices == {"maillot": 1}


def test_a_name_that_two_classes_have_is_not_matched():
    assert NAMES.count("crane") == 2
    match = match_labels(["crane", "goldfish"], IMAGENET)
    assert match.indices == {"goldfish": 1}


def test_the_datasets_own_names_are_tried_too():
    match = match_labels(["c7", "c8"], PETS, {"c7": "domestic dog", "c8": "Wild_Boar"})
    assert match.indices == {"c7": 1, "c8": 3}
    assert match.how == "class name"


def test_what_matches_more_labels_is_taken():
    model = make_model(3, names=["apple", "pear", "plum"], ids=["apple", "n1", "n2"])
    match = match_labels(["apple", "pear", "plum"], model)
    assert match.indices == {"apple": 0, "pear": 1, "plum": 2}
    assert match.how == "class name"


def test_integers_are_indices_where_no_name_matches():
    match = match_labels([*"0123456", "07", "8", "9", "x"], NAMELESS)
    assert match.indices == {**{str(index): index for index in (*range(7), 8, 9)}, "07": 7}
    assert match.how == "index"
    assert match.sentence == (
        "10 of 11 labels matched the model's classes by index; not matched: x (give their classes with --label-map)"
    )


def test_the_order_that_was_assumed_is_told_where_texts_have_another():
    match = match_labels([str(index) for index in range(12)], make_model(12))
    assert match.indices == {str(index): index for index in range(12)}
    assert match.sentence == (
        "12 of 12 labels matched the model's classes by index, in the order of the numbers (0, 1, 2, …); a model that "
        "was trained on these folders in the order of their names as text (0, 1, 10, …), as torchvision's ImageFolder "
        "has it, needs a file with the class of each label, with --label-map"
    )


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([str(index) for index in range(1, 11)], "10 labels are integers from 1 to 10"),
        ([str(index) for index in range(9)], "9 labels are integers from 0 to 8"),
        ([*map(str, range(10)), "07"], "11 labels are integers from 0 to 9"),
        ([*map(str, range(9)), "10"], "10 labels are integers from 0 to 10"),
        (["7"], "1 label is an integer from 7 to 7"),
    ],
)
def test_integers_that_are_not_all_indices_are_no_indices(labels, said):
    match = match_labels(labels, NAMELESS)
    assert (match.indices, match.how) == ({}, "none")
    assert (
        f". {said}, but not all of the indices from 0 to 9, so they were not taken as indices: give" in match.sentence
    )
    assert match.sentence.endswith("--label-map")


def test_a_number_of_thousands_of_digits_is_no_index():
    assert match_labels(["9" * 5000], NAMELESS).how == "none"


def test_accuracy_at_chance_is_told_for_indices_only():
    """Against the exact binomial tail, summed here."""
    match = match_labels([*"0123456789"], NAMELESS)
    for n_right in range(31):
        tail = sum(math.comb(30, k) * 0.1**k * 0.9 ** (30 - k) for k in range(n_right, 31))
        said = chance_sentence(match, n_right, 30, 10)
        assert (said is not None) == (tail > 0.05)
    assert chance_sentence(match, 3, 30, 10) == (
        "The model is right on 3 of 30 images, which is not more than chance can give (1 in 10). So the labels are "
        "probably no indices of its classes in this order: give a file with the class of each label, with --label-map"
    )
    assert chance_sentence(match_labels(["dog"], PETS), 0, 30, 4) is None


def test_integers_that_are_names_are_names():
    match = match_labels(["1", "2"], make_model(3, names=["1", "2", "3"]))
    assert match.indices == {"1": 0, "2": 1}
    assert match.how == "class name"


def test_none_match():
    match = match_labels(["x", "y"], IMAGENET)
    assert (match.indices, match.how, match.n_labels, match.n_matched) == ({}, "none", 2, 0)
    assert match.sentence == (
        "None of 2 labels matched the model's classes by WordNet id, class name or index: give a file with the class "
        "of each label, with --label-map"
    )
    assert match_labels(["x"], IMAGENET).sentence.startswith("The only label did not match the model's classes by ")


def test_null_labels_are_left_out():
    assert match_labels([None, float("nan"), np.nan, "dog"], PETS).n_labels == 1
    none = match_labels([None], PETS)
    assert (none.how, none.n_labels) == ("none", 0)
    assert "no labels" in none.sentence


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_spelling_does_not_matter(data):
    """Every ImageNet name that no other class has is found, whatever its case and separators."""
    index = data.draw(st.integers(0, 999))
    name = NAMES[index]
    spelt = "".join(
        data.draw(st.sampled_from(" _-")) if letter in " -_" else data.draw(st.sampled_from([letter, letter.upper()]))
        for letter in name
    )
    expected = {} if NAMES.count(name) > 1 else {spelt: index}
    assert match_labels([spelt], IMAGENET).indices == expected


def test_mapping_in_csv(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text('label,class\nmutt,n02099601\nfish,"goldfish, Carassius auratus"\nseven,7\n\nother, 8\n')
    match = match_labels(["mutt", "fish", "seven", "nothing"], IMAGENET, mapping=path)
    assert match.indices == {"mutt": 207, "fish": 1, "seven": 7}
    assert match.how == "the file of --label-map"
    assert match.sentence == (
        "3 of 4 labels matched the model's classes by the file of --label-map (for example mutt as golden retriever); "
        "not matched: nothing "
        "(give their classes with --label-map)"
    )


def test_mapping_in_json(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"mutt": "n02099601", "fish": "goldfish", "sieben": 7, "acht": "8"}))
    match = match_labels(["mutt", "fish", "sieben", "acht"], IMAGENET, mapping=path)
    assert match.indices == {"mutt": 207, "fish": 1, "sieben": 7, "acht": 8}


def test_in_a_mapping_a_number_is_an_index_and_a_text_a_name_first(tmp_path):
    model = make_model(3, names=["1", "2", "0"])
    (tmp_path / "map.json").write_text('{"a": 1, "b": "1"}')
    assert match_labels(["a", "b"], model, mapping=tmp_path / "map.json").indices == {"a": 1, "b": 0}


def test_a_mapping_comes_before_everything_else(tmp_path):
    (tmp_path / "map.csv").write_text("class,label\ncat,dog\n")
    assert match_labels(["dog", "cat"], PETS, mapping=tmp_path / "map.csv").indices == {"dog": 0}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("map.csv", "label,class\nx,dog\ny,unicorn\n", "map.csv, line 3: 'unicorn', given for the label 'y'"),
        ("map.csv", "label,class\nx,4\n", "line 2: '4'.* index from 0 to 3"),
        ("map.csv", "label,class\nx,puss\n", "line 2: 'puss'"),
        ("map.csv", "label,class\nx,dog\nx,cat\n", r"line 3: the label 'x' comes twice \(first in line 2\)"),
        ("map.csv", "label,class\nx\n", "line 2: a row must have a label and a class"),
        ("map.csv", "label,class\nx,dog, domestic dog\n", "line 2: .*double quotes"),
        ("map.csv", "label,class\nx,\n", "line 2: a row must have a label and a class"),
        ("map.csv", "x,dog\n", "line 1: the header must have the columns label and class"),
        ("map.csv", "", "line 1: the header must have"),
        ("map.json", '{"x": "dog",\n "y": "unicorn"}', "map.json, line 2: 'unicorn'"),
        ("map.json", '{"x": "dog",\n "dog": -1}', "map.json, line 2: -1"),
        ("map.json", '{"x": "dog",\n\n "ü": 1.5}', "line 3: the class of 'ü' must be an id, a name or an index"),
        ("map.json", '{"x": "dog",\n "y": {"x": 1}}', "line 2: the class of 'y' must be"),
        ("map.json", '{"x": true}', "line 1: the class of 'x' must be"),
        ("map.json", '{"x": 1,\n"x": 2}', r"line 2: the label 'x' comes twice \(first in line 1\)"),
        ("map.json", '{"x": 1,\n', "line 2: this is not JSON"),
        ("map.json", "[1, 2]", "line 1: the file must hold one JSON object"),
        ("map.csv", "label,class\nx,dog\n", "map.csv has none of the dataset's labels, which are w"),
    ],
)
def test_faults_in_a_mapping_are_told_with_file_and_line(name, content, said, tmp_path):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        match_labels(["w"], PETS, mapping=path)


def test_a_missing_mapping_is_told(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read"):
        match_labels(["dog"], PETS, mapping=tmp_path / "nowhere.csv")
