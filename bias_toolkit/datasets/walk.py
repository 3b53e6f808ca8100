"""Finding the image files below a folder."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from bias_toolkit.datasets.file_names import NOT_UTF8, escaped, from_system
from bias_toolkit.foundation.errors import InputError

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Those that torchvision's ImageFolder takes. Other files are no images of a folder dataset."""

_SYSTEM_FOLDERS = {"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"}
"""Folders of archives, network disks and systems, in small letters. Their images are copies, thumbnails or deleted."""

_OTHER_EXTENSIONS = (".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".jfif", ".jpe", ".dng")
"""Those of images too, which are not read, and would be missed if nothing were said of them."""


class Walk(NamedTuple):
    """The content of a folder: images, and files and folders that cannot be listed as images, with the reason."""

    image_ids: list[str]
    unlisted: list[tuple[str, str]]


def is_image_name(name: str) -> bool:
    """Whether a file of this name counts as an image: a known extension, and not hidden."""
    return name.lower().endswith(IMAGE_EXTENSIONS) and not name.startswith(".")


def why_not_read(name: str) -> str | None:
    """Why a file that is an image, by its name, is not read; None if it is read, or is no image."""
    if not name.lower().endswith(_OTHER_EXTENSIONS):
        return None
    return f"files that end in .{name.rpartition('.')[2]} are not read; save it as .jpg or .png"


def walk_images(root: str | os.PathLike) -> Walk:
    """Paths of the images below a folder, relative to it, with `/`, sorted.

    Symbolic links are followed, also out of the folder, except a link to a folder that contains it. Hidden files and
    folders, and those of `_SYSTEM_FOLDERS`, are ignored. An image whose name is not UTF-8 or has an
    extension of `_OTHER_EXTENSIONS`, and a folder that cannot be opened, are `unlisted`. Raises InputError if there is
    no image.
    """
    image_ids, unlisted = [], []
    for path, reason in sorted(_images_below(os.fspath(root))):
        name = from_system(path)
        if reason is None and name is not None:
            image_ids.append(name)
        else:
            unlisted.append((escaped(path), reason or NOT_UTF8))
    if not image_ids:
        also = f"; it holds {unlisted[0][0]}, but {unlisted[0][1]}" if unlisted else ""
        raise InputError(f"{root} holds no image: no file below it ends in {', '.join(IMAGE_EXTENSIONS)}{also}")
    return Walk(sorted(image_ids), unlisted)


def visible_folders(root: str | os.PathLike) -> list[str]:
    """Names of the folders directly in a folder that `walk_images` would enter, sorted; none if it cannot be opened."""
    try:
        entries = os.scandir(root)
    except PermissionError:
        # `walk_images` lists such a folder.
        return []
    with entries:
        return sorted(entry.name for entry in entries if _is_visible(entry) and _is_folder(entry))


def holds_image(folder: str | os.PathLike, deep: bool = True) -> bool:
    """Whether there is an image directly in a folder, or (deep) anywhere below it."""
    if deep:
        return any(reason is None for _, reason in _images_below(os.fspath(folder)))
    with os.scandir(folder) as entries:
        return any(is_image_name(entry.name) and not _is_folder(entry) for entry in entries)


def first_images(folder: str | os.PathLike, most: int) -> list[str]:
    """Relative paths of at most that many images below a folder, in any order; the rest is not searched."""
    images = (path for path, reason in _images_below(os.fspath(folder)) if reason is None)
    return [path for _, path in zip(range(most), images, strict=False)]


def _is_visible(entry: os.DirEntry) -> bool:
    return not entry.name.startswith(".") and entry.name.lower() not in _SYSTEM_FOLDERS


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself.
        return False


def files_below(root: str | os.PathLike, *extensions: str) -> list[str]:
    """Paths of the visible files below a folder that end in one of the extensions, in any case; as `walk_images`."""
    found = (path for path, reason in _files_below(os.fspath(root)) if reason is None)
    return sorted(path for path in found if path.lower().endswith(extensions))


def _images_below(root: str) -> Iterator[tuple[str, str | None]]:
    """Relative path of each image, with None, and of all that cannot be listed as an image, with the reason."""
    for path, reason in _files_below(root):
        if reason is not None or is_image_name(path.rpartition("/")[2]) or (reason := why_not_read(path)):
            yield path, reason


def _files_below(root: str) -> Iterator[tuple[str, str | None]]:
    """Relative path of each visible file, with None, and of each folder that cannot be opened, with the reason."""
    folders = [(root, "", (os.path.realpath(root),))]
    while folders:
        folder, prefix, enclosing = folders.pop()
        try:
            entries = os.scandir(folder)
        except OSError as error:
            if not prefix:
                raise
            yield prefix, f"the folder cannot be opened: {error.strerror}"
            continue
        with entries:
            for entry in filter(_is_visible, entries):
                if not _is_folder(entry):
                    yield prefix + entry.name, None
                    continue
                real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(enclosing[-1], entry.name)
                if real not in enclosing:
                    folders.append((entry.path, f"{prefix}{entry.name}/", (*enclosing, real)))
