from contextlib import nullcontext

import pytest

from bias_toolkit.foundation.progress import named, silent


@pytest.mark.parametrize(
    ("before", "after", "description", "shown"),
    [
        ("3/9", "train", "Features", "3/9 Features, train"),
        ("", "test", "Reading image headers", "Reading image headers, test"),
        ("4/9", "black", "Map, black", "4/9 Map, black"),
        ("", "", "Regression", "Regression"),
    ],
)
def test_a_description_gets_its_step_and_its_set(before, after, description, shown):
    tasks = []

    def progress(*task):
        tasks.append(task)
        return nullcontext()

    with named(progress, before, after)(description, 7, done=2):
        pass
    assert tasks == [(shown, 7, 2)]


def test_names_may_be_put_around_names():
    with named(named(silent, "1/2"), after="train")("Position and scale", None) as advance:
        advance(3)
