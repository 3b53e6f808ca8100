import json
import unicodedata
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bias_toolkit.foundation.words import (
    below_all,
    count,
    estimate,
    interval,
    known,
    number,
    p_value,
    percent,
    significant,
    telling_apart,
    visible,
    visible_json,
    visible_name,
)
from bias_toolkit.foundation.words import seconds as duration


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.414, 2, "0.41"),
        (-0.414, 2, "−0.41"),
        (-0.0001, 2, "0.00"),
        (0.0, 2, "0.00"),
        (12345.678, 1, "12,345.7"),
        (np.float32(0.15), 2, "0.15"),
        (None, 2, "–"),
        (float("nan"), 2, "–"),
        (float("inf"), 2, "–"),
        (pd.NA, 2, "–"),
    ],
)
def test_number(value, digits, text):
    assert number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.15, "15.0%"),
        (1.0, "100.0%"),
        (0, "0%"),
        (1e-18, "0%"),
        (0.00042, "0.04%"),
        (0.0000042, "0.0004%"),
        (-0.05, "−5.0%"),
    ],
)
def test_percent_never_rounds_a_small_share_to_nothing(value, text):
    assert percent(value) == text


def test_percent_of_nothing():
    assert percent(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.057123, "0.0571"),
        (12.3456, "12.3"),
        (9.998, "10.0"),
        (123456.0, "123,456"),
        (-1.5, "−1.50"),
        (0.0, "0"),
        (3.2e-7, "3.20e−7"),
        (2.5e9, "2.50e9"),
    ],
)
def test_significant(value, text):
    assert significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0004, "p < 0.001"),
        (0.001, "p = 0.001"),
        (0.0342, "p = 0.034"),
        (0.53, "p = 0.53"),
        (0.0998, "p = 0.10"),
        (None, "p not computed"),
    ],
)
def test_p_value(value, text):
    assert p_value(value).replace("\N{NO-BREAK SPACE}", " ") == text


def test_a_line_does_not_break_inside_a_p_value():
    assert " " not in p_value(0.2)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1 box"), (0, "0 boxes"), (1000, "1,000 boxes"), (np.int64(2), "2 boxes"), (None, "– boxes")],
)
def test_count(value, text):
    assert count(value, "box", "boxes") == text


def test_count_without_a_noun():
    assert count(12345) == "12,345"


def test_estimate_and_interval():
    assert estimate(0.414, 0.39, 0.43) == "0.41 (95% interval 0.39 to 0.43)"
    assert estimate(0.414, None, None) == "0.41"
    assert estimate(float("nan"), 0, 1) == "not defined"
    assert interval(-0.1, 0.1, percent) == "−10.0% to 10.0%"
    assert interval(None, 0.1) == "no interval"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.42, "0.4 s"), (42.4, "42 s"), (59.7, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (None, "–")],
)
def test_duration(value, text):
    assert duration(value) == text


def test_known():
    assert known(0)
    assert known(np.float32(1))
    assert not known(None)
    assert not known(float("nan"))
    assert not known("text")


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (1.0, "100%"),
        (0.9966, "99.7%"),
        (0.99996, "99.996%"),
        (0.995, "99.5%"),
        (0.97, "97%"),
        (0.0, "0%"),
        (0.002, "0.2%"),
    ],
)
def test_a_percentile_is_rounded_to_all_only_if_it_is(share, told):
    assert below_all(share) == told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jowl\r\x9b1m", r"\x1b[2Jowl\r\x9b1m"),
        ("a \u202egnp.exe\u2066", r"a \u202egnp.exe\u2066"),
        ("caf\udce9 \x00 \uffff", r"caf\udce9 \x00 \uffff"),
        ("two\nlines\tand a café, 写真 😀 עברית – ❤\ufe0f <b>", "two\nlines\tand a café, 写真 😀 עברית – ❤\ufe0f <b>"),
        ("a\u200eb\u200fc\u061cd", r"a\u200eb\u200fc\u061cd"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("a\u200bb\u200cc\u200dd\u2060\ufeff\xad", r"a\u200bb\u200cc\u200dd\u2060\ufeff\xad"),
        ("\ufff9a\ufffa\ufffb\u3164\u115f", r"\ufff9a\ufffa\ufffb\u3164\u115f"),
        ("a\U000e0041\U000e007f\U000e0100", r"a\U000e0041\U000e007f\U000e0100"),
    ],
)
def test_what_would_act_instead_of_being_seen_is_escaped(text, shown):
    assert visible(text) == shown


def test_a_name_stays_on_its_line():
    assert visible_name("owl\nError: none\t\u2028\r.png") == r"owl\nError: none\t\u2028\r.png"
    assert visible_name("写真 café/😀.png") == "写真 café/😀.png"


def test_all_of_unicode_that_is_unseen_is_escaped():
    seen = {chr(code) for code in (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD)}
    seen |= {chr(code) for code in range(0x13430, 0x13440)}
    for character in map(chr, range(0x110000)):
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in seen:
            assert visible_name(character) != character, hex(ord(character))


@given(st.text() | st.text(st.sampled_from("\u202e\u200e\u2028\x7f\x85\U000e0001\ud800\n\tü")))
def test_json_keeps_its_meaning_and_shows_every_character(text):
    shown = visible_json(json.dumps({text: [text]}, ensure_ascii=False, indent=1))
    assert json.loads(shown) == {text: [text]}
    assert visible(shown) == shown


@pytest.mark.parametrize(
    ("low", "high", "form", "text"),
    [
        (0.021, 0.0213, number, "0.0210 to 0.0213"),
        (0.048, 0.052, number, "0.048 to 0.052"),
        (0.021, 0.034, number, "0.02 to 0.03"),
        (0.0, 0.0004, partial(number, digits=3), "0.0000 to 0.0004"),
        (0.151, 0.1514, percent, "15.10% to 15.14%"),
        (0.151, 0.1514, partial(percent, digits=0), "15.10% to 15.14%"),
        (1.2341, 1.2342, significant, "1.2341 to 1.2342"),
        (2, 2, count, "2 to 2"),
        (1.0, 1.2, lambda value: f"{value:.0f}", "1 to 1"),
        # An interval that leaves out 0 does not end at it, and one that ends at 0 does.
        (0.004, 0.14, number, "0.004 to 0.140"),
        (-0.14, -0.004, number, "−0.140 to −0.004"),
        (0.0, 0.14, number, "0.00 to 0.14"),
        (-0.004, 0.14, number, "0.00 to 0.14"),
        (0.006, 0.14, number, "0.01 to 0.14"),
        (1e-12, 0.14, number, "0.00 to 0.14"),
    ],
)
def test_the_ends_of_an_interval_are_written_differently(low, high, form, text):
    assert interval(low, high, form) == text


@pytest.mark.parametrize(
    ("low", "high", "nothing", "text"),
    [
        (1.004, 1.45, 1.0, "1.004 to 1.450"),
        (0.5, 0.996, 1.0, "0.500 to 0.996"),
        (1.0, 1.45, 1.0, "1.00 to 1.45"),
        (0.996, 1.45, 1.0, "1.00 to 1.45"),
        (1.004, 1.45, None, "1.00 to 1.45"),
        (0.05, 0.16641, 0.16649, "0.0500 to 0.1664"),
    ],
)
def test_an_interval_that_leaves_out_no_difference_does_not_end_at_it(low, high, nothing, text):
    assert interval(low, high, number, nothing) == text


@given(st.floats(-1, 1), st.floats(1e-6, 1), st.floats(-1, 1), st.sampled_from([number, percent, significant]))
def test_what_is_found_is_read_from_the_interval(low, width, nothing, form):
    high = low + width
    finer = telling_apart(low, high, form, nothing)
    assume(min(abs(end - other) for end in (low, high) for other in (0.0, nothing)) > 1e-6)
    read = [float(finer(each).replace("−", "-").rstrip("%")) for each in (low, high, nothing)]
    assert (low > nothing) == (read[0] > read[2])
    assert (high < nothing) == (read[1] < read[2])
    assert (low > 0) == (read[0] > 0) or low <= 0


def test_a_value_has_as_many_digits_as_its_interval():
    assert estimate(0.0212, 0.0210, 0.0213) == "0.0212 (95% interval 0.0210 to 0.0213)"


@given(st.floats(-1, 1), st.floats(1e-6, 1), st.sampled_from([number, percent, significant, partial(number, digits=0)]))
def test_the_ends_of_an_interval_never_read_the_same(low, width, form):
    finer = telling_apart(low, low + width, form)
    assert finer(low) != finer(low + width)
