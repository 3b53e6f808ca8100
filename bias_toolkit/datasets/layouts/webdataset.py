"""WebDataset: tars in which the files of one sample have one name and different extensions.

`0001.jpg` is an image; `0001.cls` is its label, or `0001.json` with a field `label`, or `0001.txt`. If no sample has
one of these, the images' folders in the tar are their labels. `objects` in the JSON are boxes, as Hugging Face's
datasets have them. A dataset is one tar, a folder of tars, or a pattern such as `train-{000..012}.tar`.

The tars are not unpacked. Their headers are read once, when the dataset is opened; then each image is read at its
place. So the tars must not be compressed.
"""

import posixpath
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from bias_toolkit.datasets.annotation_text import parse_json
from bias_toolkit.datasets.contained import ContainedImages, check_size
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside, escaped, is_utf8, shortened
from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import Annotations, Listing
from bias_toolkit.datasets.records import LABELS, box_table, first_of, label_text, objects_in
from bias_toolkit.datasets.shard_files import place_of, shard_files
from bias_toolkit.datasets.walk import holds_image, is_image_name, why_not_read
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.words import count

_SUFFIX = ".tar"
_COMPRESSED = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst")
_NAME = re.compile(r"((?:.*/)?[^/.][^/.]*)\.([^/]+)")
"""The name of a sample and the extension of one of its files: all that follows the first dot."""
_LABEL_FILES = ("cls", "json", "txt")
_MOST_TEXT = 2**24
"""Bytes of a file of labels."""
_MOST_DISTINCT = 0.5
"""Share of distinct texts among the texts of images from which they are captions, not labels."""
_FEW = 2


class _Sample(NamedTuple):
    """Where an image lies: the number of its tar, its first byte in it, and its bytes; and what belongs to it."""

    tar: int
    start: int
    size: int
    cls: str | None
    text: str | None
    json_label: Any
    class_name: Any
    objects: Any


def _recognise(path: Path, asked: bool) -> str | None:
    names = [file.name for file in path.iterdir()] if path.is_dir() else [path.name]
    if path.exists() and not any(name.lower().endswith(_SUFFIX) for name in names):
        compressed = sorted(name for name in names if name.lower().endswith(_COMPRESSED))
        if compressed and (path.is_file() or not holds_image(path)):
            folder = path.parent if path.is_file() else path
            raise InputError(
                f"{folder} holds the compressed tar {escaped(compressed[0])}, in which no image can be read where it "
                "lies: uncompress it to .tar, or unpack it"
            )
        return None
    if path.is_dir() and not asked and holds_image(path, deep=False):
        return None
    n_tars = len(shard_files(path, _SUFFIX))
    return f"{n_tars:,} tar{'s' if n_tars > 1 else ''} of images" if n_tars else None


def _read(path: Path, reason: str) -> Dataset:
    files = shard_files(path, _SUFFIX)
    place, prefixes = place_of(path, files)
    samples: dict[str, _Sample] = {}
    unlisted: list[tuple[str, str]] = []
    repeated: list[str] = []
    for number, (file, prefix) in enumerate(zip(files, prefixes, strict=True)):
        samples.update(_samples(file, number, prefix, unlisted, repeated))
    if not samples:
        raise InputError(f"{path} holds no image: no file in its tars has the extension of an image")
    samples = dict(sorted(samples.items()))

    def content_of(image_id: str) -> bytes:
        sample = samples[image_id]
        check_size(sample.size)
        with open(files[sample.tar], "rb") as tar:
            tar.seek(sample.start)
            content = tar.read(sample.size)
        if len(content) < sample.size:
            raise UnreadableImageError("its tar is cut off", transient=True)
        return content

    pixels = ContainedImages(str(place), files, content_of)
    labels, names, source, notes = _labels(samples)
    if repeated:
        text = f"{count(len(repeated), 'file has', 'files have')} the name of an earlier file of the same tar"
        notes.append(Note(f"{text} (for example {repeated[0]}): the last is read, as tar does.", True))
    rows = [
        (image_id, label_text(category, (), image_id), box)
        for image_id, sample in samples.items()
        for box, category in objects_in(sample.objects)
    ]
    boxes, box_notes = box_table(rows, pixels.header)
    listing = Listing(
        root=str(path),
        layout=LAYOUT.name,
        layout_reason=f"{reason}, {source}",
        image_ids=list(samples),
        annotate=lambda progress: Annotations(labels, boxes),
        class_names=names,
        unlisted=unlisted,
        notes=notes + box_notes,
    )
    return Dataset(listing, pixels)


def _samples(
    file: Path, number: int, prefix: str, unlisted: list[tuple[str, str]], repeated: list[str]
) -> Iterator[tuple[str, _Sample]]:
    """The image id and the sample of each image of a tar, in its order.

    What is not read is put into `unlisted`, and each name that a file has after another into `repeated`.
    """
    groups: dict[str, dict[str, tarfile.TarInfo]] = {}
    for member in _members(file):
        match = _NAME.fullmatch(member.name)
        if match and not member.isdir() and not Path(match[1]).name.startswith("__"):
            # The webdataset library takes extensions in small letters too.
            members, extension = groups.setdefault(posixpath.normpath(match[1]), {}), match[2].lower()
            if extension in members:
                repeated.append(prefix + escaped(member.name))
            members[extension] = member
    with open(file, "rb") as content:
        for members in groups.values():
            image = None
            for member in members.values():
                if reason := _why_left_out(member, image):
                    unlisted.append((prefix + escaped(member.name), reason))
                elif is_image_name(member.name.rpartition("/")[2]):
                    image = member
            if image is not None:
                cls, json, text = (_label_file(content, file, members.get(name), name) for name in _LABEL_FILES)
                json = json or {}
                fields = first_of(json, LABELS), json.get("class_name"), json.get("objects")
                sample = _Sample(number, image.offset_data, image.size, cls, text, *fields)
                yield prefix + check_inside(image.name, str(file)), sample


def _members(file: Path) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.open(file, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # of which it keeps all otherwise
                yield member
            # tarfile takes a header that is cut off for the end too, which is a block of zeros.
            tar.fileobj.seek(tar.offset)
            if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("it lacks the block of zeros at its end")
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} is no tar, or is damaged or cut off ({error}); get it again") from error


def _why_left_out(member: tarfile.TarInfo, image: tarfile.TarInfo | None) -> str | None:
    """Why a file that is an image, by its name, is not read; None for other files, and for an image that is read."""
    name = member.name.rpartition("/")[2]
    if not is_image_name(name):
        return why_not_read(name)
    if not member.isreg() or member.issparse():
        return "it is a link or has holes in its tar, which is not followed"
    if not is_utf8(member.name):
        return "its name is not valid UTF-8, which the tables cannot hold"
    if member.name.startswith("/") or ".." in member.name.split("/"):
        return "its name leads out of the dataset"
    return f"its sample has another image, {image.name}" if image else None


def _label_file(content: BinaryIO, file: Path, member: tarfile.TarInfo | None, extension: str) -> Any:
    """The text of a file of labels, or the object in a JSON file; None if there is none."""
    if member is None or not member.isreg() or member.issparse():
        return None
    where = f"{file}, {escaped(member.name)}"
    if member.size > _MOST_TEXT:
        raise InputError(f"{where} has {member.size / 2**20:,.0f} MB, too many for the label of one image")
    content.seek(member.offset_data)
    try:
        text = content.read(member.size).decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not a text in UTF-8") from error
    if extension != "json":
        return text
    value = parse_json(text, where)
    if not isinstance(value, dict):
        raise InputError(f"{where} has to be a JSON object, not {shortened(value)}")
    return value


def _labels(samples: dict[str, _Sample]) -> tuple[list[str | None], dict[str, str], str, list[Note]]:
    """The label of each image, class names by label, one clause on where they are from, and notes."""
    texts = [sample.text for sample in samples.values() if sample.text is not None]
    are_captions = len(set(texts)) > max(_FEW, _MOST_DISTINCT * len(texts))
    for source, field in (("cls", "cls"), ("json", "json_label"), ("txt", "text")):
        values = [getattr(sample, field) for sample in samples.values()]
        if all(value is None for value in values) or (source == "txt" and are_captions):
            continue
        labels = [label_text(value, (), image_id) for image_id, value in zip(samples, values, strict=True)]
        named = zip(labels, samples.values(), strict=True)
        names = {label: sample.class_name for label, sample in named if label and isinstance(sample.class_name, str)}
        return labels, names, f"labels from .{source} files", []
    notes = []
    if texts:
        which = f"The texts of {count(len(texts), 'image')} in .txt files are taken as captions, and not as labels"
        notes.append(Note(f"{which}, for most of them differ (the first is {shortened(texts[0])})."))
    folders = [image_id.rpartition("/")[0].rpartition("/")[2] for image_id in samples]
    if any(not folder or folder.lower().endswith(_SUFFIX) for folder in folders):
        return [None] * len(samples), {}, "without labels", notes
    return folders, {}, "labels from the folders in the tars", notes


LAYOUT = Layout(
    "webdataset",
    f"a {_SUFFIX} file, a folder of them, or a pattern such as train-{{000..012}}.tar",
    _recognise,
    _read,
)
