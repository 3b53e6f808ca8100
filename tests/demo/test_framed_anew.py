"""What the demo says of its digits at other positions and scales."""

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.analysis import FramingMap
from bias_toolkit.demo.framed_anew import framed_anew_findings
from bias_toolkit.invariance import FramingGrid


def of_map(difference, rho=-0.5, mac=None, position=-0.4, recognised=True):
    """A map whose contrast of P(top-1 change), of MAC and whose ρ are these, each ± 0.1."""
    cells = pd.DataFrame(FramingGrid((0.3, 0.5, 0.7), (0.2, 0.4)).cells)
    cells["p_top1_change"] = 0.1 + 0.01 * np.arange(len(cells))
    cells = cells.assign(recognised=recognised, among_lowest=cells.index == 0)
    cells = cells.assign(p_top1_change_low=0.05, p_top1_change_high=0.4)
    rows = []
    for measure, value in (("p_top1_change", difference), ("mac", difference if mac is None else mac)):
        row = {"surroundings": "mean", "measure": measure, "kind": "recognised", "n_cells": 3, "n_images": 50}
        rows.append(row | {"difference": value, "difference_low": value - 0.1, "difference_high": value + 0.1})
    kinds = {"recognised": rho, "position": position}
    rhos = [
        {"surroundings": "mean", "measure": "p_top1_change", "kind": kind, "rho": value, "rho_observed": value}
        | {"low": value - 0.1, "high": value + 0.1, "n_cells": 18, "n_images": 50}
        for kind, value in kinds.items()
    ]
    return FramingMap(cells, pd.DataFrame(rhos), pd.DataFrame(rows))


FEWEST = "training digits are fewest"
CASES = {
    (0.3, 0.0): f"Where {FEWEST}, the same digits make the pooling network less stable than where they are most.",
    (-0.3, 0.0): f"Where {FEWEST}, the same digits make the pooling network more stable than where they are most.",
    (0.0, 0.0): f"The same digits were not found to make the pooling network less stable where {FEWEST}.",
    (0.0, -0.5): "The same digits make the pooling network the less stable, the fewer training digits there are there; "
    "between the fewest and the most no difference was found.",
}


@pytest.mark.parametrize(("difference", "rho"), CASES)
def test_the_claim_follows_from_the_contrast(difference, rho):
    (finding,) = framed_anew_findings({"global-pooling": of_map(difference, rho)}, 64)
    assert finding.claim == CASES[difference, rho]
    assert (finding.kind == "effect") == (finding.estimate.direction != 0)
    assert finding.rank == (26 if finding.kind == "effect" else 126)


def test_mac_and_position_are_said_first():
    (finding,) = framed_anew_findings({"fully-connected": of_map(0.3, mac=-0.3, position=np.nan)}, 64)
    assert finding.evidence.startswith(
        "By mean absolute change it is the other way round, −0.300 (−0.400 to −0.200); an effect of position alone "
        "could not be tested. P(top-1 change) is "
    )
    (finding,) = framed_anew_findings({"fully-connected": of_map(0.3)}, 64)
    assert finding.evidence.startswith("P(top-1 change) is ")
    assert ", and lowest, 10.0% (5.0% to 40.0%), at cx 0.3, cy 0.3, scale 0.2." in finding.evidence


def test_digits_that_are_nowhere_recognised():
    (finding,) = framed_anew_findings({"fully-connected": of_map(0.3, recognised=False)}, 64)
    assert (finding.kind, finding.estimate) == ("unknown", None)
    assert "the same digits make the fully connected network less stable" in finding.claim
