"""The XML annotations of Pascal VOC, which ImageNet also uses: one file for each image."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException, ElementTree

from bias_toolkit.datasets.annotation_text import parse_edges, parse_size
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress
from bias_toolkit.foundation.threads import map_in_parts

_FILES_A_TASK = 256
_MOST_BYTES = 2**26
_EDGES = ("xmin", "ymin", "xmax", "ymax")

XmlObject = tuple[str, float, float, float, float]
"""Category, xmin, ymin, xmax, ymax, as written in the file."""


class XmlAnnotation(NamedTuple):
    """The annotation of one image."""

    objects: list[XmlObject]  # in the file's order
    without_box: list[str]  # categories of the objects that have no box, such as those with a polygon only
    size: tuple[float, float]  # width and height that it states for the image; 0 if none
    filename: str  # that it states for the image; empty if none


def read_annotation(file: Path) -> XmlAnnotation:
    """The annotation in one file.

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
    objects, without_box = [], []
    for element in annotation.iterfind("object"):
        category = (element.findtext("name") or "").strip()
        if not category:
            raise InputError(f"{file}: every object needs a name")
        if element.find("bndbox") is None:
            without_box.append(category)
            continue
        edges = [element.findtext(f"bndbox/{edge}", "nothing") for edge in _EDGES]
        objects.append((category, *parse_edges(edges, str(file))))
    size = parse_size(annotation.findtext("size/width"), annotation.findtext("size/height"))
    return XmlAnnotation(objects, without_box, size, (annotation.findtext("filename") or "").strip())


def read_annotations(files: Sequence[Path], progress: Progress) -> list[XmlAnnotation]:
    """`read_annotation` of each file, read in threads."""
    return list(map_in_parts(read_annotation, files, _FILES_A_TASK, progress, "Reading annotations"))
