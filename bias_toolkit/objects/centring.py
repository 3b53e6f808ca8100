"""Which columns of a framing summary tell whether objects are centred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bias_toolkit.foundation.words import known

OFTEN_TRUNCATED = 0.1


@dataclass(frozen=True)
class Centring:
    """The columns of FRAMING_SUMMARY that belong to one estimate of centring.

    Parameters
    ----------
    column : {"centre_bias", "untruncated_centre_bias"}
    p_value, q_value : its p-value against random placements, and the same corrected for the number of categories.
    n_objects : the number of objects that it is computed from.
    """

    column: str
    p_value: str
    q_value: str
    n_objects: str


OF_ALL_OBJECTS = Centring("centre_bias", "p_value", "q_value", "n_objects")
OF_UNCUT_OBJECTS = Centring("untruncated_centre_bias", "untruncated_p_value", "untruncated_q_value", "n_untruncated")


def centring(row: Mapping[str, Any]) -> Centring:
    """The estimate of centring to report for a FRAMING_SUMMARY row.

    A box that the image's border cuts lies at the end of the places where it fits. It counts against centring, but says
    nothing about it. Where such boxes are frequent, the estimate of the other objects is the one to report.
    """
    often = known(row.get("truncated_share")) and row["truncated_share"] >= OFTEN_TRUNCATED
    return OF_UNCUT_OBJECTS if often and known(row.get("untruncated_centre_bias")) else OF_ALL_OBJECTS
