"""What explanation.json may hold: every record that can be made is read again, and everything else is refused."""

import dataclasses
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bias_toolkit.explain.explanation import FILE, LARGEST_FILE, Explanation, load_explanation, notebook_html
from bias_toolkit.explain.record import Estimate, ExplanationRecord
from bias_toolkit.foundation.errors import InputError

numbers = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)
texts = st.text(st.characters(exclude_categories=["Cs"]))
differences = st.none() | st.floats(-1, 1)
estimates = st.builds(Estimate, differences, differences, differences)


@pytest.fixture
def written(full_explanation, tmp_path):
    """A function that writes explanation.json after a change of its values, and gives its folder."""

    def write(*place, value):
        full_explanation.save(tmp_path)
        values = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
        *way, last = place
        inner = values
        for step in way:
            inner = inner[step]
        inner[last] = value
        (tmp_path / FILE).write_text(json.dumps(values), encoding="utf-8")
        return tmp_path

    return write


def refusal(folder):
    """The one sentence with which a folder's explanation is refused."""
    with pytest.raises(InputError) as raised:
        load_explanation(folder)
    told = str(raised.value)
    assert str(folder / FILE) in told
    assert told.endswith("run `bias-toolkit explain` again.")
    assert "\n" not in told
    assert len(told) < 600 + len(str(folder))
    return told


@given(image_id=texts.filter(bool), name=texts, value=numbers, fall=st.none() | estimates, share=shares, label=texts)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_record_is_read_as_it_was_written(full_explanation, tmp_path, image_id, name, value, fall, share, label):
    standing = dataclasses.replace(full_explanation.standings[0], value=value, percentile=share)
    line = dataclasses.replace(full_explanation.lines[0], reason=name, made_up=share, fall=fall)
    explanation = dataclasses.replace(
        full_explanation,
        image_id=image_id,
        label=label,
        model=name,
        unstable_from=share,
        standings=[standing],
        lines=[line, *full_explanation.lines[1:]],
    )
    explanation.save(tmp_path)
    assert load_explanation(tmp_path) == explanation


@given(
    place=st.sampled_from(
        [
            ("width",),
            ("before",),
            ("before", "mac", "low"),
            ("lines",),
            ("lines", 0),
            ("lines", 0, "cause"),
            ("lines", 0, "verdict"),
            ("lines", 0, "picture"),
            ("lines", 0, "rank"),
            ("response", "top1"),
            ("response", "curves", 0),
            ("shift_map", "names"),
            ("shift_map", "p_reference"),
            ("shift_map", "likely"),
            ("shift_map", "probabilities", 1),
            ("framing", "training"),
            ("framing", "standings"),
            ("neighbours", 0, "picture"),
            ("in_test_set",),
        ]
    ),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    ),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120)
def test_any_value_in_any_place_is_shown_or_refused(written, place, value):
    """Where it fits, the answer, the whole text and the notebook can be made of it."""
    folder = written(*place, value=value)
    try:
        loaded = load_explanation(folder)
    except InputError:
        refusal(folder)
    else:
        assert loaded.text
        assert loaded._repr_html_()


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (["width"], "90", "width: Input should be a valid integer"),
        (["width"], 90.0, "width"),
        (["width"], True, "width"),
        (["width"], 0, "width: Input should be greater than or equal to 1"),
        (["width"], 10**12, "width: Input should be less than or equal to"),
        (["width"], 10**400, "width"),
        (["radius"], 10**6, "radius"),
        (["in_test_set"], 1, "in_test_set: Input should be a valid boolean"),
        (["image_id"], "", "image_id"),
        (["before", "mac", "value"], float("nan"), "before.mac.value: Input should be a finite number"),
        (["before", "mac", "low"], float("-inf"), "before.mac.low: Input should be a finite number"),
        (["before", "p_top1_change", "value"], None, "before.p_top1_change: the value must be known"),
        (["before", "p_top1_change", "value"], 1.5, "before.p_top1_change: a share"),
        (["before", "centre_view", "probability"], 1.5, "before.centre_view.probability"),
        (["before", "over_shifts", "class_index"], -1, "before.over_shifts.class_index"),
        (["lines", 0, "cause"], "the weather", "lines.0.cause"),
        (["lines", 0, "verdict"], "guilty", "lines.0.verdict"),
        (["lines", 0, "after"], None, "lines.0: a cause must have a measurement"),
        (["lines", 1, "expected"], None, "lines.1: images of the same margin must be expected"),
        (["lines", 1, "verdict"], "no fall found", "lines.1: images of the same margin must be expected"),
        (["response", "p_top1"], [0.5], "response: top1, names, p_top1 and every curve"),
        (["response", "curves", 0, "probabilities"], [], "response: top1, names, p_top1 and every curve"),
        (["response", "changes", 0, "step"], 1, "response: a change is at a step that the sweep does not have"),
        (["shift_map", "top1"], [[0]], "shift_map: top1, p_reference, likely and probabilities must have 3 rows"),
        (["shift_map", "radius"], 2, "probabilities must have 5 rows and columns"),
        (["shift_map", "likely", 0, 0], [0], "shift_map: likely and probabilities must have as many classes"),
        (["shift_map", "likely", 0, 0], [2, 0], "shift_map: the first of the likely classes must be top1"),
        (["shift_map", "likely", 0, 0], [0, 1], "shift_map: a class has no name"),
        (["shift_map", "sweep", 0, 0], -2, "shift_map: the sweep leaves the map"),
        (["shift_map", "reference"], 7, "shift_map: a class has no name"),
        (["shift_map", "names"], {"zero": "owl"}, "shift_map.names.zero"),
        (["framing", "box"], [1, 2, 3], "framing.box"),
        (["framing", "standings"], [], "framing: standings must be of cx, cy"),
        (["framing", "training"], {"cx": [1]}, "framing: training must have as many values of each"),
        (["framing", "training", "aspect"], [0.0, 1.0], "framing: scale and aspect must be above 0"),
    ],
)
def test_a_value_that_does_not_fit_is_named(written, place, value, words):
    assert words in refusal(written(*place, value=value))


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "pictures/../../../etc/passwd.png",
        "../view.png",
        "pictures/a/b.png",
        "pictures\\view.png",
        "C:/pictures/view.png",
        "https://example.org/view.png",
        "javascript:alert(1)//.png",
        "pictures/.png",
        "pictures/..png",
        "pictures/view.png\n",
        "pictures/view.png?x",
        "pictures/view.svg",
        "pictures/" + "a" * 300 + ".png",
    ],
)
@pytest.mark.parametrize("place", [["picture"], ["lines", 0, "picture"], ["response", "changes", 0, "picture_after"]])
def test_a_picture_is_only_in_the_folder_of_pictures(written, place, name):
    assert "picture" in refusal(written(*place, value=name))


@pytest.mark.parametrize("nested", ["[" * 200_000, '{"a":' * 200_000, '{"lines":' + "[" * 200_000])
def test_endless_nesting_is_refused(tmp_path, nested):
    (tmp_path / FILE).write_text(nested)
    assert "recursion limit" in refusal(tmp_path)


def test_a_file_of_any_size_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b" " * (LARGEST_FILE + 1))
    assert "is larger" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"null", b"[]", b"{}", b'"\\ud800"'])
def test_what_is_no_record_is_refused(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / FILE)
    assert "is a named pipe" in refusal(tmp_path)


def test_only_a_regular_file_is_read(tmp_path):
    (tmp_path / "folder" / FILE).mkdir(parents=True)
    assert "is a folder" in refusal(tmp_path / "folder")
    (tmp_path / FILE).symlink_to("/dev/zero")
    assert "regular file" in refusal(tmp_path)


def test_a_picture_that_leads_out_is_not_shown(full_explanation, tmp_path):
    """A link to another file and a pipe, in the folder of pictures."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    folder = tmp_path / "explanation"
    (folder / "pictures").mkdir(parents=True)
    own = folder / full_explanation.picture
    own.write_bytes(b"picture")
    assert notebook_html(full_explanation, folder).count("data:image/png") == 1
    own.unlink()
    own.symlink_to(secret)
    assert "data:image/png" not in notebook_html(full_explanation, folder)
    own.unlink()
    os.mkfifo(own)
    assert "data:image/png" not in notebook_html(full_explanation, folder)


def test_what_is_measured_is_checked_too(full_explanation):
    with pytest.raises(ValidationError, match="finite"):
        dataclasses.replace(full_explanation.before.over_shifts, probability=float("nan"))
    with pytest.raises(ValidationError, match="pattern"):
        dataclasses.replace(full_explanation, picture="../view.png")


def test_a_record_knows_its_conclusion_without_a_folder(full_explanation):
    values = {field.name: getattr(full_explanation, field.name) for field in dataclasses.fields(ExplanationRecord)}
    record = ExplanationRecord(**values)
    assert (record.is_stable, record.first_cause) == (False, "off_centre")
    assert Explanation(**values) == full_explanation
