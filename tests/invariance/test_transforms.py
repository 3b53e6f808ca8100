"""The paths of windows."""

import numpy as np
import pytest

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import transform_of
from bias_toolkit.invariance.transforms import TRANSFORMS


@pytest.mark.parametrize(
    ("name", "corner"),
    [
        ("diagonal", lambda k: (k, k)),
        ("horizontal", lambda k: (k, 4)),
        ("vertical", lambda k: (4, k)),
        ("scale", lambda k: (4, 4)),
    ],
)
def test_the_path_of_each_transform(name, corner):
    np.testing.assert_array_equal(transform_of(name).path(), [corner(k) for k in range(9)])


def test_scale_alone_lengthens_the_image_s_side():
    np.testing.assert_array_equal(transform_of("scale").growths(), range(-4, 5))
    for transform in TRANSFORMS:
        if transform.name != "scale":
            assert not transform.growths().any()


def test_an_unknown_transform_is_refused_and_not_taken_for_the_diagonal():
    known = "diagonal, horizontal, vertical, scale, random"
    with pytest.raises(InputError, match=f"--transform diagnal is not known; it has to be one of {known}"):
        transform_of("diagnal")
