"""Opening a dataset from a path: recognising its layout."""

import os
from pathlib import Path
from typing import Any

from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_path, escaped
from bias_toolkit.datasets.in_memory import away, held_dataset, is_held
from bias_toolkit.datasets.layouts import (
    clips,
    coco,
    fiftyone,
    hugging_face,
    image_folder,
    imagenet,
    open_images,
    table_file,
    tiny_imagenet,
    voc,
    webdataset,
    yolo,
)
from bias_toolkit.datasets.layouts.folders import CLASS_FOLDERS, IMAGES_ONLY
from bias_toolkit.datasets.layouts.layout import ASKED, Layout
from bias_toolkit.datasets.shard_files import is_pattern
from bias_toolkit.datasets.walk import IMAGE_EXTENSIONS
from bias_toolkit.foundation.errors import InputError

_DEMO_PREFIX = "demo:"
_BY_PREFERENCE = (
    open_images.LAYOUT,
    webdataset.LAYOUT,
    hugging_face.LAYOUT,
    image_folder.LAYOUT,
    table_file.LAYOUT,
    fiftyone.LAYOUT,
    voc.LAYOUT,
    coco.LAYOUT,
    yolo.LAYOUT,
    clips.LAYOUT,
    tiny_imagenet.LAYOUT,
    imagenet.LAYOUT,
    CLASS_FOLDERS,
    IMAGES_ONLY,
)

LAYOUTS: tuple[str, ...] = tuple(layout.name for layout in _BY_PREFERENCE)
"""Names that `load_dataset` takes as `layout`, in the order in which they are tried."""


def load_dataset(
    path: str | os.PathLike | Any, layout: str | None = None, images: str | os.PathLike | None = None
) -> Dataset:
    """Open a dataset, without reading its images yet.

    Raises InputError if the path does not exist, holds no image, has none of the layouts, or does not have the layout
    that was asked for; if there is no such layout or built-in dataset; or if an annotation file that has to be read
    first is malformed.

    Parameters
    ----------
    path : str, path or object
        A folder, an annotation file or a table, as the layouts' modules say; or `demo:train`, `demo:photographer` or
        `demo:uniform` for the built-in datasets; or a dataset in memory: a DataFrame with the columns of
        `layouts.table_file`, or with a column `image` in place of `path`; a torch Dataset of (image, label), as
        `in_memory.pixels_in` takes images; a `datasets.Dataset`.
    layout : str, optional
        One of `LAYOUTS`; by default, the layout is recognised. The dataset's `layout` and `layout_reason` say which
        layout was used, and why.
    images : str or path, optional
        The folder to which the file names in the annotations are relative, for the layouts `coco`, `open-images`,
        `table` and `voc`. By default, that is the folder of a table, and a folder near other annotations that holds the
        images.

    Examples
    --------
    >>> dataset = load_dataset("photos/images.csv")
    >>> len(dataset), len(dataset.objects)
    (60, 60)
    >>> dataset[0].pixels.shape
    (74, 74, 3)
    """
    if isinstance(path, Dataset):
        return path
    if not isinstance(path, str | os.PathLike):
        if layout is not None:
            raise InputError(f"a dataset in memory takes no layout: leave out {layout!r}")
        return held_dataset(path)
    name = os.fspath(path)
    if layout is not None and layout not in LAYOUTS:
        raise InputError(f"there is no layout {layout!r}: use one of {', '.join(LAYOUTS)}")
    if name.startswith(_DEMO_PREFIX):
        if layout is not None or images is not None:
            what, given = ("layout", layout) if layout is not None else ("folder of images", os.fspath(images))
            raise InputError(f"{name} is built in and takes no {what}: leave out {given!r}")
        from bias_toolkit.datasets.demo import load_demo_dataset

        return load_demo_dataset(name.removeprefix(_DEMO_PREFIX))
    if is_held(name):
        raise away(name)
    absolute = Path(os.path.abspath(os.path.expanduser(name)))
    if "\0" not in name:
        check_path(absolute)
    if "\0" in name or not (os.path.exists(absolute) or is_pattern(name)):
        raise InputError(f"there is no file or folder {escaped(str(absolute))}")
    try:
        taken, reason = _choose(absolute, layout)
        if images is None:
            return taken.read(absolute, reason)
        folder = Path(os.path.abspath(os.path.expanduser(images)))
        check_path(folder)
        if not folder.is_dir():
            raise InputError(f"there is no folder {escaped(str(folder))} of the images of {absolute}")
        if not taken.takes_images:
            raise InputError(f"{absolute} is read as {taken.name}, which names its images itself: leave out {folder}")
        return taken.read(absolute, reason, folder)
    except OSError as error:
        raise InputError(f"{error.filename or absolute} cannot be read: {error.strerror or error}") from error


def _choose(path: Path, name: str | None) -> tuple[Layout, str]:
    for layout in _BY_PREFERENCE:
        if name in (None, layout.name) and (reason := layout.recognise(path, name is not None)):
            return layout, f"{ASKED}{reason}" if name else reason
    if name is not None:
        expects = next(layout.expects for layout in _BY_PREFERENCE if layout.name == name)
        raise InputError(f"{path} is not of the layout {name!r}: that is {expects}")
    if path.is_dir():
        raise InputError(f"{path} holds no image: no file below it ends in {', '.join(IMAGE_EXTENSIONS)}")
    raise InputError(f"{path} is of no known layout: name a folder of images, a COCO .json file, or a .csv table")
