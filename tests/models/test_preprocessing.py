import numpy as np
import pytest

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import Preprocessing


def test_values_become_tuples_of_floats():
    preprocessing = Preprocessing(mean=[0, 1, 0], std=np.ones(3, np.float32), crop_fraction=1)
    assert preprocessing.mean == (0.0, 1.0, 0.0)
    assert preprocessing.std == (1.0, 1.0, 1.0)
    assert all(type(value) is float for value in (*preprocessing.mean, *preprocessing.std))
    assert type(preprocessing.crop_fraction) is float


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mean": (0.5, 0.5)}, "mean must be three numbers"),
        ({"mean": 0.5}, "mean must be three numbers"),
        ({"std": ("a", "b", "c")}, "std must be three numbers"),
        ({"std": (0.2, 0, 0.2)}, "std must be positive"),
        ({"interpolation": "cubic"}, "interpolation must be one of"),
        ({"crop_fraction": 0}, "crop_fraction"),
        ({"crop_fraction": 1.5}, "crop_fraction"),
        ({"crop_fraction": "most"}, "crop_fraction"),
    ],
)
def test_values_out_of_range_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        Preprocessing(**given)
