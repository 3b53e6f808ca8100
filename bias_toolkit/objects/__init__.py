"""Position and scale: their statistics, their null model, and how usual an object's framing is."""

from bias_toolkit.objects.comparison import FramingComparison, compare_framing
from bias_toolkit.objects.describe import FramingDescription, compare_described, describe_framing
from bias_toolkit.objects.divergence import (
    ResampledDivergence,
    corrected_divergence,
    divergence_bits,
    divergence_interval,
)
from bias_toolkit.objects.false_discovery import FALSE_DISCOVERY_RATE, q_values
from bias_toolkit.objects.framing_density import framing_log_density, kernel_log_density
from bias_toolkit.objects.framing_variables import FramedObjects
from bias_toolkit.objects.image_intervals import expanded_confidence, share_interval
from bias_toolkit.objects.maps import Maps, box_coverage, centre_histogram, null_histogram, object_maps
from bias_toolkit.objects.mean_images import MeanImages, mean_images
from bias_toolkit.objects.null_model import (
    mean_distance_from_centre,
    null_centre_distance,
    place_at_random,
    placement_p_value,
    relative_shortfall,
    room,
)
from bias_toolkit.objects.position_scale import (
    image_framing,
    log_scale_deviation,
    object_of_image,
    position_and_scale,
    typical_image,
)
from bias_toolkit.objects.ranking import rank_categories
from bias_toolkit.objects.schema import CATEGORY_RANKING, FRAMING, FRAMING_COMPARISON, FRAMING_SUMMARY, SUBJECTS
from bias_toolkit.objects.summary import OF_ALL_OBJECTS, OF_UNCUT_OBJECTS, Centring, centring, framing_summary
from bias_toolkit.objects.two_sample import TwoSampleTest, classifier_test

__all__ = [
    "CATEGORY_RANKING", "FALSE_DISCOVERY_RATE", "FRAMING", "FRAMING_COMPARISON", "FRAMING_SUMMARY", "OF_ALL_OBJECTS",
    "OF_UNCUT_OBJECTS", "SUBJECTS", "Centring", "FramedObjects", "FramingComparison", "FramingDescription", "Maps",
    "MeanImages", "ResampledDivergence", "TwoSampleTest", "box_coverage", "centre_histogram", "centring",
    "classifier_test", "compare_described", "compare_framing", "corrected_divergence", "describe_framing",
    "divergence_bits", "divergence_interval", "expanded_confidence", "framing_log_density", "framing_summary",
    "image_framing", "kernel_log_density", "log_scale_deviation", "mean_distance_from_centre", "mean_images",
    "null_centre_distance", "null_histogram", "object_maps", "object_of_image", "place_at_random",
    "placement_p_value", "position_and_scale", "q_values", "rank_categories", "relative_shortfall", "room",
    "share_interval", "typical_image",
]  # fmt: skip
