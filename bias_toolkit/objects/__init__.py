"""Position and scale: their statistics, their null model, and how usual an object's framing is."""

from bias_toolkit.objects.divergence import corrected_divergence, divergence_bits
from bias_toolkit.objects.divergence_interval import ResampledDivergence, divergence_interval
from bias_toolkit.objects.framing_density import framing_log_density
from bias_toolkit.objects.maps import Maps, box_coverage, centre_histogram, null_histogram, object_maps
from bias_toolkit.objects.null_model import (
    Placements,
    mean_distance_from_centre,
    null_centre_distance,
    place_at_random,
    placement_p_value,
    relative_shortfall,
    room,
)
from bias_toolkit.objects.position_scale import image_framing, log_scale_deviation, position_and_scale
from bias_toolkit.objects.schema import FRAMING, FRAMING_SUMMARY, SUBJECTS
from bias_toolkit.objects.summary import framing_summary

__all__ = [
    "FRAMING",
    "FRAMING_SUMMARY",
    "SUBJECTS",
    "Maps",
    "Placements",
    "ResampledDivergence",
    "box_coverage",
    "centre_histogram",
    "corrected_divergence",
    "divergence_bits",
    "divergence_interval",
    "framing_log_density",
    "framing_summary",
    "image_framing",
    "log_scale_deviation",
    "mean_distance_from_centre",
    "null_centre_distance",
    "null_histogram",
    "object_maps",
    "place_at_random",
    "placement_p_value",
    "position_and_scale",
    "relative_shortfall",
    "room",
]
