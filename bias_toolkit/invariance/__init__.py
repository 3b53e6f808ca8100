"""Views, sweeps, responses, measures: how invariant a model is on an image.

A is Azulay & Weiss, "Why do deep convolutional networks generalize so poorly to small image transformations?", JMLR
20(184), 2019, with the protocol of the authors' published script; Z is Zhang, "Making convolutional networks
shift-invariant again", ICML 2019.
"""

from bias_toolkit.invariance.framing_grid import SURROUNDINGS, FramingGrid, framing_views
from bias_toolkit.invariance.layer_list import AS_IT_IS, CONDITIONS, LAYER_MEASURES
from bias_toolkit.invariance.measures import HEADLINE, INVARIANCE_MEASURES, measure_of
from bias_toolkit.invariance.measures_table import measures_table
from bias_toolkit.invariance.noise import noise_floor
from bias_toolkit.invariance.protocols import PROTOCOLS, STEP_PROTOCOLS, protocol_of
from bias_toolkit.invariance.protocols.crop import centre_reduction, centre_view
from bias_toolkit.invariance.remedies import REMEDIES, remedy_of
from bias_toolkit.invariance.response import make_response
from bias_toolkit.invariance.run import load_measures, load_responses, sweep_shards
from bias_toolkit.invariance.run_grid import grid_shards, load_grid
from bias_toolkit.invariance.run_layers import LAYER_SWEEP, LayerProbe, layer_operations, layer_shards, load_layers
from bias_toolkit.invariance.run_remedies import RemedyRun, load_remedied, remedy_shards
from bias_toolkit.invariance.schema import (
    FRAMED,
    LAYER_MAPS,
    LAYERS,
    MEASURES,
    NOISE,
    OPERATIONS,
    REMEDIED,
    RESPONSES,
    SEQUENTIAL,
)
from bias_toolkit.invariance.sequential import StopWhenKnown, drawing_order
from bias_toolkit.invariance.sweep import (
    Sweep,
    boxes_in_view,
    expand_sweeps,
    make_views,
    size_curve_sweeps,
    sweep_picture,
    sweep_reduction,
    sweep_window,
)
from bias_toolkit.invariance.transforms import CENTRE, TRANSFORMS, transform_of
from bias_toolkit.invariance.views import Views
from bias_toolkit.invariance.window import Picture, Window, take_picture

__all__ = [
    "AS_IT_IS", "CENTRE", "CONDITIONS", "FRAMED", "HEADLINE", "INVARIANCE_MEASURES", "LAYERS", "LAYER_MAPS",
    "LAYER_MEASURES", "LAYER_SWEEP", "MEASURES", "NOISE", "OPERATIONS", "PROTOCOLS", "REMEDIED", "REMEDIES",
    "RESPONSES", "SEQUENTIAL", "STEP_PROTOCOLS", "SURROUNDINGS", "TRANSFORMS", "FramingGrid", "LayerProbe", "Picture",
    "RemedyRun", "StopWhenKnown", "Sweep", "Views", "Window", "boxes_in_view", "centre_reduction", "centre_view",
    "drawing_order", "expand_sweeps", "framing_views", "grid_shards", "layer_operations", "layer_shards",
    "load_grid", "load_layers", "load_measures", "load_remedied", "load_responses", "make_response", "make_views",
    "measure_of", "measures_table", "noise_floor", "protocol_of", "remedy_of", "remedy_shards", "size_curve_sweeps",
    "sweep_picture", "sweep_reduction", "sweep_shards", "sweep_window", "take_picture", "transform_of",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
