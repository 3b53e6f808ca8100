"""Remedies at test time, each one object. A new one is a module and an entry of the list."""

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance.remedies.blur import Blur
from bias_toolkit.invariance.remedies.low_pass import LowPass
from bias_toolkit.invariance.remedies.remedy import Remedy, Untouched
from bias_toolkit.invariance.remedies.shift_mean import ShiftMean
from bias_toolkit.invariance.remedies.stable_crop import StableCrop
from bias_toolkit.invariance.remedies.trained import Trained
from bias_toolkit.models.training.arms import ARMS

UNTOUCHED = Untouched()

REMEDIES: tuple[Remedy, ...] = (
    UNTOUCHED,
    ShiftMean(1),
    ShiftMean(2),
    ShiftMean(4),
    Blur(1),
    Blur(2),
    LowPass(3),
    LowPass(5),
    StableCrop(),
)
"""The model as it is, and every remedy at test time, in the order of tables and pages."""
TRAINED: tuple[Remedy, ...] = tuple(Trained(arm) for arm in ARMS)


def remedy_of(name: str) -> Remedy:
    """The remedy with this name; raises InputError if there is none."""
    by_name = {remedy.name: remedy for remedy in (*REMEDIES, *TRAINED)}
    if name not in by_name:
        raise InputError(f"{name} is no remedy; it has to be one of {', '.join(by_name)}.")
    return by_name[name]


__all__ = ["REMEDIES", "TRAINED", "UNTOUCHED", "Remedy", "remedy_of"]
