"""The steps of a study. Each step has a module of the same name; in this package, the name is the step itself."""

from bias_toolkit.study.steps.analysis import TABLES as ANALYSIS_TABLES
from bias_toolkit.study.steps.analysis import analysis
from bias_toolkit.study.steps.explanation import EXPLANATIONS, explanation
from bias_toolkit.study.steps.features import features
from bias_toolkit.study.steps.flag import flag
from bias_toolkit.study.steps.framing_map import TABLES as MAP_TABLES
from bias_toolkit.study.steps.framing_map import framed, framing_map
from bias_toolkit.study.steps.images import images
from bias_toolkit.study.steps.index import index
from bias_toolkit.study.steps.layers import TABLES as LAYER_TABLES
from bias_toolkit.study.steps.layers import layer_analysis, layers
from bias_toolkit.study.steps.located import localisation, located
from bias_toolkit.study.steps.mean_images import mean_images
from bias_toolkit.study.steps.neighbours import neighbours
from bias_toolkit.study.steps.noise import noise
from bias_toolkit.study.steps.objects import BOXES, TWO_SAMPLE, objects
from bias_toolkit.study.steps.reach import copies, reach
from bias_toolkit.study.steps.remedies import remedied, remedies
from bias_toolkit.study.steps.report import Shown, report
from bias_toolkit.study.steps.responses import RUNTIME, measures, responses
from bias_toolkit.study.steps.size_curve import size_curve, sized
from bias_toolkit.study.steps.training import training

STEPS = (
    images,
    features,
    index,
    neighbours,
    responses,
    measures,
    noise,
    located,
    localisation,
    objects,
    mean_images,
    analysis,
    framed,
    framing_map,
    sized,
    size_curve,
    layers,
    layer_analysis,
    training,
    remedied,
    copies,
    reach,
    remedies,
    flag,
    explanation,
    report,
)
"""All steps, in the order in which they are listed."""

ANALYSED = (neighbours, measures, noise, objects, mean_images, analysis)
"""What is done of a study before its report is written."""

__all__ = [
    "ANALYSED",
    "ANALYSIS_TABLES",
    "BOXES",
    "EXPLANATIONS",
    "LAYER_TABLES",
    "MAP_TABLES",
    "RUNTIME",
    "STEPS",
    "TWO_SAMPLE",
    "Shown",
    "analysis",
    "copies",
    "explanation",
    "features",
    "flag",
    "framed",
    "framing_map",
    "images",
    "index",
    "layer_analysis",
    "layers",
    "localisation",
    "located",
    "mean_images",
    "measures",
    "neighbours",
    "noise",
    "objects",
    "reach",
    "remedied",
    "remedies",
    "report",
    "responses",
    "size_curve",
    "sized",
    "training",
]
