"""The demo's studies for the documentation's notebooks. They are computed once a build, with few resamples."""

from pathlib import Path

from bias_toolkit import Study

FOLDER = Path(__file__).parent / "_demo"
FEW = {"resamples": 300, "permutations": 200, "placements": 200, "noise_images": 64, "map_images": 20}


def demo_study(network: str, **settings: int) -> Study:
    """The analysed study of one of the demo's networks on the varied digits."""
    return Study(FOLDER / network, "demo:train", "demo:uniform", f"demo:{network}", **FEW, **settings).analyse()
