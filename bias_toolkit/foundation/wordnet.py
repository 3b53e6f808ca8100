"""WordNet ids, by which datasets and models name the classes of ImageNet."""

import re

_WNID = re.compile(r"n\d{8}")


def is_wnid(text: str) -> bool:
    """Whether a text is a WordNet id of a noun, such as n01443537."""
    return _WNID.fullmatch(text) is not None
