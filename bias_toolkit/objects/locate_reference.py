"""How good estimated boxes were on Tiny-ImageNet, for studies that have no boxes to measure it on themselves.

`reference/tiny_imagenet.json` is what `benchmarks/located_boxes.py` wrote; it says by which command.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import pandas as pd

from bias_toolkit.objects.locate_quality import LOCALISATION


@dataclass(frozen=True)
class ReferenceLocalisation:
    """What was measured elsewhere.

    Attributes
    ----------
    dataset, model : on which images, and with which model.
    command : that measured it.
    quality : table LOCALISATION.
    """

    dataset: str
    model: str
    command: str
    quality: pd.DataFrame


@lru_cache(maxsize=1)
def reference_localisation() -> ReferenceLocalisation:
    """The figures that are kept in the package."""
    text = (files("bias_toolkit.objects") / "reference" / "tiny_imagenet.json").read_text(encoding="utf-8")
    record = json.loads(text)
    quality = pd.DataFrame(record["quality"], columns=LOCALISATION.names)
    numbers = ["value", "low", "high", "gain", "gain_low", "gain_high"]
    return ReferenceLocalisation(
        record["dataset"], record["model"], record["command"], quality.astype(dict.fromkeys(numbers, "float64"))
    )
