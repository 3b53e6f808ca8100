"""The XML annotations of Pascal VOC, which ImageNet also uses: one file for each image."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException, ElementTree

from bias_toolkit.datasets.annotation_text import parse_edges
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress
from bias_toolkit.foundation.threads import map_in_parts

_FILES_A_TASK = 256
_MOST_BYTES = 2**26
_EDGES = ("xmin", "ymin", "xmax", "ymax")

XmlObject = tuple[str, float, float, float, float]
"""Category, xmin, ymin, xmax, ymax, as written in the file."""


def read_objects(file: Path) -> list[XmlObject]:
    """The objects of one file, in the file's order.

    Raises InputError if it is not a regular file, is malformed, is larger than `_MOST_BYTES`, or declares entities.
    Entities may refer to other files, or expand to more text than memory holds.
    """
    if not file.is_file():
        # Opening a named pipe would block.
        raise InputError(f"{file} is not a file that can be read; put an annotation in its place, or remove it")
    with open(file, "rb") as stream:
        content = stream.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise InputError(f"{file} has more than {_MOST_BYTES // 2**20} MB, too much for the annotation of one image")
    try:
        annotation = ElementTree.fromstring(content)
    except ParseError as error:
        line, column = error.position
        reason = str(error).partition(":")[0]
        raise InputError(f"{file}, line {line}: this is not well-formed XML: {reason} (column {column})") from error
    except DefusedXmlException as error:
        raise InputError(f"{file} declares XML entities, which no annotation needs; remove its DOCTYPE") from error
    except (ValueError, LookupError) as error:
        raise InputError(f"{file} is in an encoding that cannot be read ({error}): save it as UTF-8") from error
    objects = []
    for element in annotation.iterfind("object"):
        category = (element.findtext("name") or "").strip()
        if not category:
            raise InputError(f"{file}: every object needs a name")
        edges = [element.findtext(f"bndbox/{edge}", "nothing") for edge in _EDGES]
        objects.append((category, *parse_edges(edges, str(file))))
    return objects


def read_all_objects(files: Sequence[Path], progress: Progress) -> list[list[XmlObject]]:
    """`read_objects` of each file, read in threads."""
    return list(map_in_parts(read_objects, files, _FILES_A_TASK, progress, "Reading annotations"))
