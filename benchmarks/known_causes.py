"""Counts how often an explanation lists a known cause first: `python benchmarks/known_causes.py`, minutes on two cores.

Digits framed as the demo networks were trained, digits that were only moved, and digits that were only shrunk or
enlarged, explained to both networks.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bias_toolkit.demo.known_causes import KINDS, OUTCOMES, STABLE, confusion, explain_known_causes
from bias_toolkit.demo.run import NETWORKS

IMAGES = 200


def main(n: int = IMAGES) -> None:
    """Print the tables as Markdown."""
    print(f"The cause listed first for {n} images of each kind, or stable:\n")
    print(f"| network | kind | {' | '.join(OUTCOMES)} | no change on its own sweep: called stable |")
    print("| --- " * (len(OUTCOMES) + 3) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for network in NETWORKS:
            explained = explain_known_causes(network, n, Path(folder) / network)
            counts = confusion(explained)
            for kind in KINDS:
                still = explained[(explained["kind"] == kind) & (explained["p_top1_change"] == 0)]
                stable = f"{(still['outcome'] == STABLE).sum()} of {len(still)}"
                print(f"| {network} | {kind} | {' | '.join(map(str, counts.loc[kind]))} | {stable} |", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
