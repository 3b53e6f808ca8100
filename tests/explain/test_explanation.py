"""Explanations as JSON, and what follows from their fields."""

import dataclasses
import json
from pathlib import Path

import pytest

from bias_toolkit.explain.explanation import FILE, PAGE, load_explanation
from bias_toolkit.explain.record import Cause, Estimate, Verdict
from bias_toolkit.foundation.errors import InputError


def test_what_was_saved_is_loaded(full_explanation, tmp_path):
    full_explanation.save(tmp_path)
    loaded = load_explanation(tmp_path)
    assert loaded == full_explanation
    assert loaded.folder == tmp_path
    assert loaded.shift_map.names == {0: "owl", 2: "cat"}
    assert loaded.shift_map.top1 == [[0, 0, 2], [0, 0, 0], [0, 0, 0]]
    assert loaded.remedies[1].fall == 0.21875
    assert loaded.distances.class_nn_distance is None
    assert loaded.text == full_explanation.text


def test_numbers_are_on_one_line_and_names_as_they_are(full_explanation, tmp_path):
    named = dataclasses.replace(full_explanation, image_id="[1,  2]", notes=["[\n1,\n 2]"])
    named.save(tmp_path)
    assert "[0.5, 0.25]" in (tmp_path / FILE).read_text(encoding="utf-8")
    assert load_explanation(tmp_path) == named


def test_every_field_counts_in_the_comparison(full_explanation, tmp_path):
    """Nothing but the folder is lost on the way, or left out of what is compared."""
    full_explanation.save(tmp_path)
    values = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    fields = {field.name for field in dataclasses.fields(full_explanation)}
    assert values.keys() == fields - {"folder"} | {"is_stable", "first_cause", "answer"}
    assert values["shift_map"]["names"] == {"0": "owl", "2": "cat"}
    assert values["lines"][1]["expected"] == {"value": 0.25, "low": 0.125, "high": 0.375}
    for name, value in (
        ("standings", full_explanation.standings[:1]),
        ("controls", None),
        ("framing_reason", "none"),
        ("radius", 5),
    ):
        changed = dataclasses.replace(full_explanation, **{name: value})
        changed.save(tmp_path)
        assert load_explanation(tmp_path) == changed != full_explanation


def test_what_can_be_missing(explanation_of, tmp_path):
    missing = dict.fromkeys(["label", "controls", "distances", "framing"])
    bare = explanation_of(0.0, **missing, standings=[], neighbours=[], remedies=[], notes=[], label_name="")
    bare.save(tmp_path / "folder" / "of its own")
    assert load_explanation(tmp_path / "folder" / "of its own") == bare


def test_a_dictionary_is_json(full_explanation, explanation_of):
    for explanation in (full_explanation, explanation_of(0.0), explanation_of(0.5)):
        values = explanation.to_dict()
        assert json.loads(json.dumps(values, allow_nan=False)) == json.loads(json.dumps(values))
        assert values["is_stable"] is explanation.is_stable
        assert values["first_cause"] == explanation.first_cause
        assert values["answer"] == explanation.answer
        assert "folder" not in values


def test_the_folder_is_not_part_of_it(full_explanation):
    moved = dataclasses.replace(full_explanation, folder=Path("elsewhere"))
    assert moved == full_explanation
    assert moved.to_dict() == full_explanation.to_dict()


def test_names_are_written_as_they_are(full_explanation, tmp_path):
    full_explanation.save(tmp_path)
    written = (tmp_path / FILE).read_bytes().decode("utf-8")
    assert full_explanation.image_id in written
    assert written.endswith("}\n")


@pytest.mark.parametrize("damage", ["cut", "empty", "field", "type", "missing"])
def test_a_damaged_file_is_named(full_explanation, tmp_path, damage):
    full_explanation.save(tmp_path)
    path = tmp_path / FILE
    values = json.loads(path.read_text(encoding="utf-8"))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "missing":
        path.unlink()
    else:
        if damage == "field":
            del values["before"]["mac"]
        else:
            values["shift_map"]["top1"] = "none"
        path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(InputError, match=FILE) as raised:
        load_explanation(tmp_path)
    assert str(path) in str(raised.value)
    assert "bias-toolkit explain" in str(raised.value)


@pytest.mark.parametrize(("p", "stable"), [(0.0, True), (0.049, True), (0.05, False), (0.5, False)])
def test_stable_is_below_the_limit(explanation_of, p, stable):
    assert explanation_of(p).is_stable is stable
    assert explanation_of(p, unstable_from=0.6).is_stable is True


def test_causes_are_the_lines_that_were_shown(explanation_of, line_of):
    none = explanation_of(0.25, [line_of("content", Verdict.NOT_FOUND)])
    assert (none.causes, none.first_cause) == ([], None)
    lines = [
        line_of("scale", rank=1),
        line_of("content", rank=2),
        line_of("coin_toss", Verdict.LIKE_MARGIN, after=None, expected=Estimate(0.25)),
        line_of("fine_detail", Verdict.NOT_CALM),
    ]
    some = explanation_of(0.25, lines)
    assert some.causes == lines[:2]
    assert some.first_cause == "scale"
    assert explanation_of(0.25).first_cause is None
    tied = explanation_of(0.25, [lines[0], line_of("content", rank=1)])
    assert tied.first_cause is None
    strengths = explanation_of(0.25, [line_of("fine_detail", rank=1), line_of("fine_detail", rank=1)])
    assert strengths.first_cause == "fine_detail"


def test_steps_are_counted(explanation_of):
    """Of 20 sweeps of 8 steps."""
    assert explanation_of(0.25).steps == 160


def test_a_line_has_its_causes_name(line_of):
    assert len({line_of(cause).name for cause in Cause}) == len(Cause)
    assert line_of("scale").name == Cause.SCALE.text == "framed too small or too large"


def test_the_page_is_there_once_it_was_written(full_explanation, tmp_path):
    assert full_explanation.page is None
    placed = dataclasses.replace(full_explanation, folder=tmp_path)
    assert placed.page is None
    (tmp_path / PAGE).write_text("a page", encoding="utf-8")
    assert placed.page == tmp_path / PAGE
