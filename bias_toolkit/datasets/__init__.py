"""Readers of image datasets: a path in, tables of images and objects and their pixels out."""

from bias_toolkit.foundation.lazy import lazy_names

_HOMES = {
    "BOX_COLUMNS": "listing",
    "BOX_EDGES": "schema",
    "IMAGES": "schema",
    "LAYOUTS": "load",
    "OBJECTS": "schema",
    "REACH": "layouts.clips",
    "SKIPPED": "schema",
    "Annotations": "listing",
    "Dataset": "dataset",
    "Header": "image_facts",
    "Listing": "listing",
    "Note": "image_facts",
    "ReducedImage": "image_facts",
    "Reduction": "image_facts",
    "Tables": "schema",
    "clip_of": "layouts.clips",
    "dataset_away": "in_memory",
    "imagenet_x_factors": "imagenet_x",
    "imagenet_x_stamp": "imagenet_x",
    "is_held": "in_memory",
    "load_dataset": "load",
    "read_pixels": "pixels",
    "skipped_table": "schema",
}

__all__ = list(_HOMES)

# The process that decodes one image apart is there in a fifth of the time without pandas and the layouts.
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
