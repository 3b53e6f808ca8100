"""Views, sweeps, responses, measures: how invariant a model is on an image.

A is Azulay & Weiss, "Why do deep convolutional networks generalize so poorly to small image
transformations?", JMLR 20(184), 2019, with the protocol of the script that its authors published; Z is Zhang,
"Making convolutional networks shift-invariant again", ICML 2019.
"""

from bias_toolkit.invariance.crop import centre_view
from bias_toolkit.invariance.measures import measures_table
from bias_toolkit.invariance.noise import NoiseFloor, noise_floor
from bias_toolkit.invariance.protocol import make_views
from bias_toolkit.invariance.response import make_response
from bias_toolkit.invariance.run import load_measures, load_responses, load_skipped, run_sweep
from bias_toolkit.invariance.schema import MEASURES, RESPONSES
from bias_toolkit.invariance.sweep import FILLS, PROTOCOLS, SAMPLINGS, TRANSFORMS, Sweep, expand_sweeps
from bias_toolkit.invariance.views import Views
from bias_toolkit.invariance.window import Picture, Window, sweep_picture, sweep_window, take_picture

__all__ = [
    "FILLS",
    "MEASURES",
    "PROTOCOLS",
    "RESPONSES",
    "SAMPLINGS",
    "TRANSFORMS",
    "NoiseFloor",
    "Picture",
    "Sweep",
    "Views",
    "Window",
    "centre_view",
    "expand_sweeps",
    "load_measures",
    "load_responses",
    "load_skipped",
    "make_response",
    "make_views",
    "measures_table",
    "noise_floor",
    "run_sweep",
    "sweep_picture",
    "sweep_window",
    "take_picture",
]
