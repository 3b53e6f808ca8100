"""Position and scale: their statistics, their null model, and how typical an object's framing is."""

from bias_toolkit.foundation.false_discovery import FALSE_DISCOVERY_RATE, q_values
from bias_toolkit.objects.box_overlap import class_box_overlap
from bias_toolkit.objects.comparison import COMPARED_BY_MEDIANS, FramingComparison, compare_framing
from bias_toolkit.objects.describe import FramingDescription, compare_described, describe_framing
from bias_toolkit.objects.framing_density import framing_log_density, kernel_log_density
from bias_toolkit.objects.maps import Maps, null_histogram, object_maps
from bias_toolkit.objects.mean_images import MeanImages, Summed, draw_images, mean_images, means_of_sums, summed_shards
from bias_toolkit.objects.null_model import objects_that_count
from bias_toolkit.objects.position_scale import (
    CORNER_DISTANCE,
    image_framing,
    image_rows,
    log_scale_deviation,
    object_of_image,
    position_and_scale,
    subject_rows,
    typical_image,
)
from bias_toolkit.objects.ranking import rank_categories
from bias_toolkit.objects.schema import FRAMING, FRAMING_COMPARISON, FRAMING_SUMMARY, SUBJECTS, SUMMED
from bias_toolkit.objects.summary import OF_ALL_OBJECTS, OF_UNCUT_OBJECTS, Centring, centring, framing_summary
from bias_toolkit.objects.two_sample import TwoSampleTest

__all__ = [
    "COMPARED_BY_MEDIANS", "CORNER_DISTANCE", "FALSE_DISCOVERY_RATE", "FRAMING", "FRAMING_COMPARISON",
    "FRAMING_SUMMARY", "OF_ALL_OBJECTS", "OF_UNCUT_OBJECTS", "SUBJECTS", "SUMMED", "Centring", "FramingComparison",
    "FramingDescription", "Maps", "MeanImages", "Summed", "TwoSampleTest", "centring", "class_box_overlap",
    "compare_described", "compare_framing", "describe_framing", "draw_images", "framing_log_density",
    "framing_summary", "image_framing", "image_rows", "kernel_log_density", "log_scale_deviation", "mean_images",
    "means_of_sums", "null_histogram", "object_maps", "object_of_image", "objects_that_count", "position_and_scale",
    "q_values", "rank_categories", "subject_rows", "summed_shards", "typical_image",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
