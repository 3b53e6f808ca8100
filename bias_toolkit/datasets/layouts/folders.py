"""Folders of images without annotation files: with one folder per class, or without classes."""

from pathlib import Path

from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import escaped
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import Annotations
from bias_toolkit.datasets.walk import holds_image, visible_folders, walk_images
from bias_toolkit.foundation.errors import InputError

_SPLITS = {"train", "training", "val", "valid", "validation", "test"}


def _recognise_classes(path: Path, asked: bool) -> str | None:
    if not path.is_dir() or (holds_image(path, deep=False) and not asked):
        return None
    folders = [name for name in visible_folders(path) if holds_image(path / name)]
    if not folders or (folders == ["images"] and not asked):
        return None
    if len(folders) > 1 and _SPLITS.issuperset(folders) and not asked:
        raise InputError(
            f"{path} holds the splits {', '.join(folders)}: name one of them, for example {path / folders[0]}"
        )
    return f"{len(folders)} folder{'s' if len(folders) > 1 else ''} of images, taken as classes"


def _read_classes(path: Path, reason: str) -> Dataset:
    walk = walk_images(path)
    image_ids = [image_id for image_id in walk.image_ids if "/" in image_id]
    labels = [image_id.split("/", 1)[0] for image_id in image_ids]
    unlisted = [(name, why) for name, why in walk.unlisted if "/" in name]
    return CLASS_FOLDERS.dataset(path, reason, image_ids, lambda progress: Annotations(labels), unlisted=unlisted)


def _recognise_images(path: Path, asked: bool) -> str | None:
    if not path.is_dir() or not holds_image(path):
        return None
    tables = sorted(file.name for file in path.iterdir() if file.suffix.lower() in (".csv", ".parquet"))
    unread = ""
    if tables:
        unread = f"; {escaped(tables[0])} beside them was not read: name it, not its folder, if it is their table"
    return f"images without class folders or annotations{unread}"


def _read_images(path: Path, reason: str) -> Dataset:
    image_ids, unlisted = walk_images(path)
    labels = [None] * len(image_ids)
    return IMAGES_ONLY.dataset(path, reason, image_ids, lambda progress: Annotations(labels), unlisted=unlisted)


CLASS_FOLDERS = Layout(
    "class-folders", "a folder with a folder of images for each class", _recognise_classes, _read_classes
)
"""As torchvision's ImageFolder reads it: the label is the name of the folder, images may lie in folders below it, and
images beside the class folders are passed over."""

IMAGES_ONLY = Layout("images", "a folder that holds images", _recognise_images, _read_images)
"""Every image below the folder, without labels."""
