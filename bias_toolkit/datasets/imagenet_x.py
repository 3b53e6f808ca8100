"""ImageNet-X: annotations by people of how an ImageNet image differs from the typical images of its class.

Source: B. Y. Idrissi et al., "ImageNet-X: understanding model mistakes with factor of variation annotations", ICLR
2023. The annotations are in the PyPI package imagenet-x; its files are read, and none of its code is run. Of its two
sets of annotations, "multi factor" is used, in which an image has every factor that was chosen for it.
"""

import os
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import pandas as pd

from bias_toolkit.datasets.annotation_text import parse_json, read_lines
from bias_toolkit.datasets.file_names import is_utf8, shortened
from bias_toolkit.datasets.stamps import file_stamps
from bias_toolkit.foundation.errors import InputError

FACTORS = (
    *("pose", "background", "pattern", "color", "smaller", "shape", "partial_view", "subcategory", "texture"),
    *("larger", "darker", "object_blocking", "person_blocking", "style", "brighter", "multiple_objects"),
)
FILES = "imagenet_x_*_multi_factor.jsonl"
PACKAGE = "imagenet_x"
# Their files have the names of ImageNet's training files, but show other images.
RENUMBERED_LAYOUTS = ("tiny-imagenet",)


def find_imagenet_x(path: str | os.PathLike | None = None) -> list[Path]:
    """The annotation files at a path, or in the package imagenet-x; none if there are none.

    The path is a .jsonl file, or a folder that holds files named as in the package, at any depth. Raises InputError if
    it does not exist, or is a folder without annotations.
    """
    if path is None:
        spec = find_spec(PACKAGE)
        folders = list(spec.submodule_search_locations or []) if spec else []
        return sorted(file for folder in folders for file in Path(folder).rglob(FILES))
    path = Path(path)
    if path.is_file():
        return [path]
    files = sorted(file for file in path.rglob(FILES) if file.is_file()) if path.is_dir() else []
    if not files:
        raise InputError(
            f"--imagenet-x is {str(path)!r}, which {'holds no' if path.is_dir() else 'is not there; it must hold'} "
            f"{FILES}; name such a file, or the folder of the package imagenet-x."
        )
    return files


def read_imagenet_x(files: Sequence[Path]) -> pd.DataFrame:
    """The factors of every annotated image, from files of JSON lines with `file_name` and 0 or 1 for every factor.

    One row per image, indexed by the file's name without folder and extension; one bool column per factor. Raises
    InputError if a line is anything else, or if two lines for one image differ.
    """
    rows: dict[str, tuple[bool, ...]] = {}
    for file in files:
        for number, line in read_lines(file):
            place = f"{file}, line {number}"
            name, factors = _image(line, place)
            if rows.setdefault(name, factors) != factors:
                raise InputError(f"{place}: {shortened(name)} was annotated before, and otherwise.")
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(FACTORS)).astype(bool)


def _image(line: str, place: str) -> tuple[str, tuple[bool, ...]]:
    row = parse_json(line, place)
    lacking = [name for name in ("file_name", *FACTORS) if not isinstance(row, dict) or name not in row]
    if lacking:
        raise InputError(
            f"{place} is no annotation of ImageNet-X: it must have file_name and all factors, and lacks {lacking[0]}."
        )
    name, factors = row["file_name"], tuple(row[factor] for factor in FACTORS)
    if not isinstance(name, str) or not all(value in (0, 1) for value in factors):
        raise InputError(f"{place} is no annotation of ImageNet-X: every factor must be 0 or 1.")
    if not is_utf8(name):
        raise InputError(f"{place}: {shortened(name)} is no name that a file can have.")
    return image_name(name), tuple(map(bool, factors))


def image_name(image_id: str) -> str:
    """The name that identifies an ImageNet image, whatever its folder and format."""
    return PurePosixPath(image_id).stem


def imagenet_x_stamp(path: str | os.PathLike | None = None) -> str:
    """The identity of the available annotation files, without opening them; see `find_imagenet_x`."""
    return file_stamps(find_imagenet_x(path)).hex()


def imagenet_x_factors(
    image_ids: Iterable[str], layout: str = "", path: str | os.PathLike | None = None
) -> pd.DataFrame | None:
    """The factors of the images whose file names are those of annotated images, whatever their folder and format.

    Returns `image_id` and one bool column per factor, one row per annotated image; None if no image is annotated and no
    path (see `find_imagenet_x`) was given. In the layout Tiny-ImageNet no image matches: its files are numbered anew,
    so their names refer to other images.
    """
    files = find_imagenet_x(path)
    image_ids = [] if layout in RENUMBERED_LAYOUTS else list(image_ids)
    annotations = read_imagenet_x(files)
    names = pd.Series([image_name(image_id) for image_id in image_ids], dtype=object)
    annotated = names.isin(annotations.index).to_numpy()
    if path is None and not annotated.any():
        return None
    matched = annotations.loc[names[annotated]].reset_index(drop=True)
    matched.insert(0, "image_id", [name for name, here in zip(image_ids, annotated, strict=True) if here])
    return matched
