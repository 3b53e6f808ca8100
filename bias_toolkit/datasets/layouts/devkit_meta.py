"""The classes in `meta.mat` of ImageNet's development kit.

SciPy's reader of MATLAB files can crash on a damaged file and end the process, so it runs in a separate one.
"""

import json
import subprocess
import sys
import warnings
from pathlib import Path

from bias_toolkit.datasets.decoding_apart import WAITING_SECONDS, set_limits
from bias_toolkit.datasets.wordnet import is_wnid
from bias_toolkit.foundation.errors import InputError

_FIELDS = ("ILSVRC2012_ID", "WNID", "words", "num_children")


def read_meta(file: Path) -> dict[str, tuple[str, str]]:
    """WordNet id and names by number, for the classes only; InputError if the file is another, or damaged."""
    command = [sys.executable, "-P", "-m", __name__, str(file)]
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=WAITING_SECONDS)
        answer = json.loads(ended.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        answer = None
    if not answer:
        raise InputError(f"{file} is not the development kit's meta.mat, or is damaged: unpack it anew")
    return {number: (wnid, words) for number, wnid, words in answer}


def _classes(path: str) -> list[tuple[str, str, str]]:
    """Number, WordNet id and names of each class; on other files, it raises whatever SciPy raises."""
    from scipy.io import loadmat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        synsets = loadmat(path, variable_names=["synsets"], squeeze_me=True)["synsets"]
    columns = [synsets[name].tolist() for name in _FIELDS]
    rows = [
        (str(int(number)), str(wnid), str(words))
        for number, wnid, words, children in zip(*columns, strict=True)
        if int(children) == 0
    ]
    if not all(is_wnid(wnid) for _, wnid, _ in rows):
        raise ValueError("WNID")
    return rows


if __name__ == "__main__":
    set_limits()
    sys.stdout.write(json.dumps(_classes(sys.argv[1])))
