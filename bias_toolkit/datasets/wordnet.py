"""WordNet ids and their names."""

import re
from collections.abc import Iterable
from pathlib import Path

from bias_toolkit.datasets.annotation_text import read_lines

_NAME_FILES = ("LOC_synset_mapping.txt", "synset_words.txt", "words.txt")
_WNID = re.compile(r"n\d{8}")


def is_wnid(text: str) -> bool:
    """Whether a text is a WordNet id of a noun, such as n01443537."""
    return _WNID.fullmatch(text) is not None


def find_names(places: Iterable[Path]) -> tuple[dict[str, str], list[Path]]:
    """Names by WordNet id, from the first file of names in one of these folders; and that file, if any.

    Each line is an id, white space, and the names; other lines are ignored.
    """
    for place in places:
        for name in _NAME_FILES:
            if (file := place / name).is_file():
                pairs = (line.split(maxsplit=1) for _, line in read_lines(file))
                return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and is_wnid(pair[0])}, [file]
    return {}, []
