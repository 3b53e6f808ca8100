"""Finding the image files below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bias_toolkit.errors import InputError

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Those that torchvision's ImageFolder takes. Other files are no images of a folder dataset."""


def is_image_name(name: str) -> bool:
    """Whether a file of this name counts as an image: a known extension, and not hidden."""
    return name.lower().endswith(IMAGE_EXTENSIONS) and not name.startswith(".")


def walk_images(root: str | os.PathLike) -> list[str]:
    """Paths of the images below a folder, relative to it, with `/`, sorted.

    Symbolic links are followed, except one that leads back to a folder it lies in. Hidden files and folders, and the
    `__MACOSX` folders of unpacked archives, are passed over.

    Raises
    ------
    InputError
        If there is no image, or a name cannot be written as UTF-8.
    """
    found = sorted(_images_below(os.fspath(root), "", (os.path.realpath(root),)))
    if not found:
        raise InputError(f"{root} holds no image: no file below it ends in {', '.join(IMAGE_EXTENSIONS)}")
    try:
        "\n".join(found).encode()
    except UnicodeEncodeError as error:
        line = error.object.count("\n", 0, error.start)
        raise InputError(f"{root}: rename {found[line]!r}, whose name is not valid UTF-8") from error
    return found


def visible_folders(root: str | os.PathLike) -> list[str]:
    """Names of the folders directly in a folder that a walk enters, sorted."""
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if _is_visible(entry) and entry.is_dir())


def holds_image(folder: str | os.PathLike, deep: bool = True) -> bool:
    """Whether there is an image directly in a folder, or (deep) anywhere below it."""
    if deep:
        return next(_images_below(os.fspath(folder), "", (os.path.realpath(folder),)), None) is not None
    with os.scandir(folder) as entries:
        return any(is_image_name(entry.name) and not entry.is_dir() for entry in entries)


def _is_visible(entry: os.DirEntry) -> bool:
    return not entry.name.startswith(".") and entry.name != "__MACOSX"


def _images_below(folder: str, prefix: str, enclosing: tuple[str, ...]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _is_visible(entry):
                continue
            if not entry.is_dir():
                if is_image_name(entry.name):
                    yield prefix + entry.name
                continue
            real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(enclosing[-1], entry.name)
            if real not in enclosing:
                yield from _images_below(entry.path, f"{prefix}{entry.name}/", (*enclosing, real))
