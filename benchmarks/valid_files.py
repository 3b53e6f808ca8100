"""Small valid datasets, drawn by code: what the campaigns of damaged files damage.

Every kind of annotation is a folder of its own with a few images, of which one file is the annotation.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

CATEGORIES = ("cat", "dog", "red fox")
WNIDS = ("n02119789", "n02084071", "n02121620")
SIDE = 48


@dataclass(frozen=True)
class Kind:
    """One kind of annotation file.

    Attributes
    ----------
    file : str
        The annotation file, below the dataset's folder.
    opened : str
        What is given to `load_dataset`, below the dataset's folder.
    images : tuple of str
        Image files below the dataset's folder.
    contents : callable
        Takes a random generator and returns the valid bytes of `file`.
    others : tuple of (str, str or bytes)
        Further files and their content.
    is_text : bool
        Whether `file` is text.
    is_dataset : bool
        Whether `load_dataset` reads it.
    """

    file: str
    opened: str
    images: tuple[str, ...]
    contents: Callable[[np.random.Generator], bytes]
    others: tuple[tuple[str, str | bytes], ...] = ()
    is_text: bool = True
    is_dataset: bool = True


def photograph(generator: np.random.Generator, side: int = SIDE) -> Image.Image:
    """A blurred scene with an object: compresses as a photograph does."""
    coarse = generator.integers(0, 256, (6, 6, 3), np.uint8)
    image = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)).copy()
    x, y = generator.integers(0, side // 2, 2)
    image[y : y + side // 3, x : x + side // 3] = generator.integers(0, 256, 3, np.uint8)
    return Image.fromarray(image)


def _saved(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _with_exif(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "described"
    return _saved(image, "JPEG", exif=exif, quality=90)


def _sixteen_bit(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


IMAGE_KINDS: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    "JPEG baseline": (".jpg", lambda image: _saved(image, "JPEG", quality=90)),
    "JPEG progressive": (".jpg", lambda image: _saved(image, "JPEG", progressive=True)),
    "JPEG CMYK": (".jpg", lambda image: _saved(image.convert("CMYK"), "JPEG")),
    "JPEG with EXIF": (".jpg", _with_exif),
    "PNG 8 bits": (".png", lambda image: _saved(image, "PNG")),
    "PNG 16 bits": (".png", lambda image: _saved(_sixteen_bit(image), "PNG")),
    "PNG palette": (".png", lambda image: _saved(image.quantize(16), "PNG", transparency=3)),
    "WebP lossy": (".webp", lambda image: _saved(image, "WEBP")),
    "WebP lossless": (".webp", lambda image: _saved(image.convert("RGBA"), "WEBP", lossless=True)),
    "WebP animated": (".webp", lambda image: _saved(image, "WEBP", save_all=True, append_images=[image.rotate(9)])),
    "BMP": (".bmp", lambda image: _saved(image, "BMP")),
    "TIFF": (".tif", lambda image: _saved(image, "TIFF")),
    "TIFF LZW": (".tif", lambda image: _saved(image, "TIFF", compression="tiff_lzw")),
    "TIFF JPEG": (".tif", lambda image: _saved(image, "TIFF", compression="jpeg")),
    "TIFF deflate, 16 bits": (".tif", lambda image: _saved(_sixteen_bit(image), "TIFF", compression="tiff_deflate")),
    "PPM": (".ppm", lambda image: _saved(image, "PPM")),
    "GIF": (".png", lambda image: _saved(image, "GIF")),
}
"""By name: the file's ending, and how an image is saved. A GIF has another's ending, as GIF is in no folder dataset."""


def _box(generator: np.random.Generator) -> list[int]:
    x, y = generator.integers(0, SIDE - 12, 2).tolist()
    width, height = generator.integers(4, 12, 2).tolist()
    return [x, y, x + width, y + height]


def _coco(generator: np.random.Generator) -> bytes:
    annotations = []
    for number in range(9):
        x0, y0, x1, y1 = _box(generator)
        annotations.append(
            {"id": number, "image_id": number % 3 + 1, "category_id": number % 3, "bbox": [x0, y0, x1 - x0, y1 - y0]}
        )
    content = {
        "images": [{"id": number + 1, "file_name": f"{number}.png"} for number in range(3)],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(CATEGORIES)],
    }
    return json.dumps(content, indent=1).encode()


def _rows(generator: np.random.Generator) -> list[list]:
    return [[f"{number % 3}.png", CATEGORIES[number % 3], *_box(generator)] for number in range(9)]


def _text_table(separator: str) -> Callable[[np.random.Generator], bytes]:
    def contents(generator: np.random.Generator) -> bytes:
        lines = [["path", "label", "x0", "y0", "x1", "y1"], *_rows(generator)]
        return "".join(separator.join(map(str, line)) + "\n" for line in lines).encode()

    return contents


def _parquet(generator: np.random.Generator) -> bytes:
    import pandas as pd

    file = io.BytesIO()
    pd.DataFrame(_rows(generator), columns=["path", "label", "x0", "y0", "x1", "y1"]).to_parquet(file)
    return file.getvalue()


def _records(generator: np.random.Generator) -> list[dict]:
    """Three images with labels and objects, as Hugging Face's datasets have them: the boxes are x, y, width, height."""
    records = []
    for number, category in enumerate(CATEGORIES):
        boxes = [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in (_box(generator), _box(generator))]
        content = _saved(photograph(generator), "PNG")
        objects = {"bbox": boxes, "category": [category, category]}
        records.append({"image": {"bytes": content, "path": f"{number}.png"}, "label": category, "objects": objects})
    return records


def _tar(generator: np.random.Generator) -> bytes:
    members = []
    for number, record in enumerate(_records(generator)):
        members.append((f"{number}.png", record.pop("image")["bytes"]))
        members.append((f"{number}.json", json.dumps(record).encode()))
    return packed(members)


def packed(members: list[tuple[str, bytes]], **options) -> bytes:
    """A tar of files, by name and content."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", **options) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _image_parquet(generator: np.random.Generator) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(_records(generator)), file, row_group_size=2)
    return file.getvalue()


def _arrow(generator: np.random.Generator) -> bytes:
    import pyarrow as pa

    table, file = pa.Table.from_pylist(_records(generator)), io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=2)
    return file.getvalue()


def _metadata_line(generator: np.random.Generator, number: int) -> str:
    record = _records(generator)[number]
    return json.dumps({"file_name": record.pop("image")["path"]} | record)


def _video(generator: np.random.Generator) -> bytes:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=30, width=SIDE, height=SIDE, pix_fmt="yuv420p")
        scene = np.asarray(photograph(generator))
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(np.roll(scene, number, 1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def _xml(generator: np.random.Generator) -> bytes:
    objects = ""
    for name in CATEGORIES:
        edges = zip(("xmin", "ymin", "xmax", "ymax"), _box(generator), strict=True)
        parts = "".join(f"<{edge}>{value}</{edge}>" for edge, value in edges)
        objects += f"\n <object>\n  <name>{name}</name>\n  <bndbox>{parts}</bndbox>\n </object>"
    return f'<?xml version="1.0"?>\n<annotation><filename>0.png</filename>{objects}\n</annotation>\n'.encode()


def _lines(line: Callable[[np.random.Generator, int], str], first: str = "") -> Callable[[np.random.Generator], bytes]:
    return lambda generator: (first + "".join(line(generator, number) + "\n" for number in range(3))).encode()


def _edges(generator: np.random.Generator, separator: str = "\t") -> str:
    return separator.join(map(str, _box(generator)))


def _yolo_row(generator: np.random.Generator, number: int) -> str:
    x0, y0, x1, y1 = (value / SIDE for value in _box(generator))
    polygon = f"{x0} {y0} {x1} {y0} {x1} {y1} {x0} {y1}"
    return f"{number} {polygon if number else f'{(x0 + x1) / 2} {(y0 + y1) / 2} {x1 - x0} {y1 - y0}'}"


def _data_yaml(generator: np.random.Generator) -> bytes:
    names = "".join(f"  {number}: {name} {generator.integers(99)}\n" for number, name in enumerate(CATEGORIES))
    return f"path: .\ntrain: images\nval: [images]\nnc: 3  # classes\nnames:\n{names}".encode()


def _open_images_row(generator: np.random.Generator, number: int) -> str:
    x0, y0, x1, y1 = (value / SIDE for value in _box(generator))
    return f"{number},xclick,/m/{number},1,{x0},{x1},{y0},{y1},0,0,{generator.integers(2)},0,0"


def _fiftyone(generator: np.random.Generator) -> bytes:
    samples = []
    for number in range(3):
        x0, y0, x1, y1 = (value / SIDE for value in _box(generator))
        detection = {"_cls": "Detection", "label": CATEGORIES[number], "bounding_box": [x0, y0, x1 - x0, y1 - y0]}
        scene = {"_cls": "Classification", "label": CATEGORIES[number]}
        found = {"_cls": "Detections", "detections": [detection, detection]}
        samples.append({"filepath": f"data/{number}.png", "tags": [], "ground_truth": found, "scene": scene})
    return json.dumps({"samples": samples}).encode()


def _meta(generator: np.random.Generator) -> bytes:
    from scipy.io import savemat

    kinds = [("ILSVRC2012_ID", "f8"), ("WNID", "O"), ("words", "O"), ("num_children", "f8")]
    synsets = np.array([(n + 1, wnid, CATEGORIES[n], 0) for n, wnid in enumerate(WNIDS)], dtype=kinds)
    file = io.BytesIO()
    savemat(file, {"synsets": synsets})
    return file.getvalue()


def _factors(generator: np.random.Generator, number: int) -> str:
    from bias_toolkit.datasets.imagenet_x import FACTORS

    values = {name: int(value) for name, value in zip(FACTORS, generator.integers(0, 2, len(FACTORS)), strict=True)}
    return json.dumps({"file_name": f"ILSVRC2012_val_{number + 1:08d}.JPEG", **values})


_THREE = ("0.png", "1.png", "2.png")
_VAL = tuple(f"ILSVRC2012_val_{number:08d}.png" for number in (1, 2, 3))
_SORTED = tuple(f"train/{wnid}/{wnid}_{number}.png" for number, wnid in enumerate(WNIDS))
_SMALL_VAL = tuple(f"val/images/val_{number}.png" for number in range(3))
_SMALL_TRAIN = tuple(f"train/{wnid}/images/{wnid}_{number}.png" for number, wnid in enumerate(WNIDS))
_VOC = tuple(f"JPEGImages/{number}.png" for number in range(3))
_IMAGES = tuple(f"images/{name}" for name in _THREE)
_OPEN_IMAGES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)
_SHARD = "data-00000-of-00001.arrow"
_STATE = json.dumps({"_data_files": [{"filename": _SHARD}], "_split": "train"})
_NUMBERS = "".join(f"{wnid} {number + 1} a_name\n" for number, wnid in enumerate(WNIDS))

KINDS: dict[str, Kind] = {
    "COCO": Kind("all.json", "all.json", _THREE, _coco),
    "CSV": Kind("all.csv", "all.csv", _THREE, _text_table(",")),
    "TSV": Kind("all.tsv", "all.tsv", _THREE, _text_table("\t")),
    "Parquet": Kind("all.parquet", "all.parquet", _THREE, _parquet, is_text=False),
    "WebDataset": Kind("all.tar", "all.tar", (), _tar, is_text=False),
    "Hugging Face Parquet": Kind("all.parquet", "all.parquet", (), _image_parquet, is_text=False),
    "Hugging Face Arrow": Kind(_SHARD, "", (), _arrow, (("state.json", _STATE),), is_text=False),
    "Hugging Face state": Kind(
        "state.json",
        "",
        (),
        lambda generator: json.dumps(json.loads(_STATE) | {"_fingerprint": f"{generator.integers(2**32):x}"}).encode(),
        ((_SHARD, _arrow(np.random.default_rng(0))),),
    ),
    "image folder CSV": Kind(
        "metadata.csv",
        "",
        _THREE,
        _lines(lambda generator, number: f"{number}.png,{generator.choice(CATEGORIES)}", "file_name,label\n"),
    ),
    "image folder JSON": Kind("metadata.jsonl", "", _THREE, _lines(_metadata_line)),
    "video": Kind("walk.mp4", "walk.mp4", (), _video, is_text=False),
    "VOC XML": Kind("Annotations/0.xml", "", _VOC, _xml),
    "VOC image set": Kind(
        "ImageSets/Main/train.txt",
        "ImageSets/Main/train.txt",
        _VOC,
        _lines(lambda generator, number: f"{number} {generator.choice([1, -1, 0]) if number else 1}"),
        (("Annotations/0.xml", "<annotation/>"),),
    ),
    "YOLO labels": Kind(
        "labels/0.txt", "images", _IMAGES, _lines(_yolo_row), (("data.yaml", f"names: [{', '.join(CATEGORIES)}]"),)
    ),
    "YOLO data.yaml": Kind("data.yaml", "", _IMAGES, _data_yaml, (("labels/0.txt", "0 0.5 0.5 0.2 0.4\n"),)),
    "Open Images": Kind("boxes.csv", "boxes.csv", _IMAGES, _lines(_open_images_row, f"{_OPEN_IMAGES}\n")),
    "FiftyOne": Kind(
        "samples.json", "", tuple(f"data/{name}" for name in _THREE), _fiftyone, (("metadata.json", "{}"),)
    ),
    "Tiny-ImageNet val": Kind(
        "val/val_annotations.txt",
        "val",
        _SMALL_VAL,
        _lines(lambda generator, number: f"val_{number}.png\t{WNIDS[number]}\t{_edges(generator)}"),
        (("wnids.txt", "\n".join(WNIDS)), ("words.txt", f"{WNIDS[0]}\tkit fox, fox\n")),
    ),
    "Tiny-ImageNet train": Kind(
        f"train/{WNIDS[0]}/{WNIDS[0]}_boxes.txt",
        "train",
        _SMALL_TRAIN,
        _lines(lambda generator, number: f"{WNIDS[0]}_{number}.png\t{_edges(generator)}"),
    ),
    "Tiny-ImageNet words": Kind(
        "words.txt",
        "val",
        _SMALL_VAL,
        _lines(lambda generator, number: f"{WNIDS[number]}\t{CATEGORIES[number]}, animal {generator.integers(99)}"),
        (("val/val_annotations.txt", f"val_0.png\t{WNIDS[0]}\t0\t0\t5\t5\n"),),
    ),
    "ImageNet Kaggle": Kind(
        "LOC_val_solution.csv",
        "val",
        tuple(f"val/{name}" for name in _VAL),
        _lines(
            lambda generator, number: (
                f"ILSVRC2012_val_{number + 1:08d},{WNIDS[number]} {_edges(generator, ' ')} "
                f"{WNIDS[number]} {_edges(generator, ' ')} "
            ),
            "ImageId,PredictionString\n",
        ),
    ),
    "ImageNet names": Kind(
        "LOC_synset_mapping.txt",
        "train",
        _SORTED,
        _lines(lambda generator, number: f"{WNIDS[number]} {CATEGORIES[number]}, animal {generator.integers(99)}"),
    ),
    "ImageNet XML": Kind(
        f"Annotations/CLS-LOC/train/{WNIDS[0]}/{WNIDS[0]}_0.xml",
        "train",
        _SORTED,
        _xml,
    ),
    "ImageNet synset labels": Kind(
        "imagenet_2012_validation_synset_labels.txt",
        "val",
        tuple(f"val/{name}" for name in _VAL),
        _lines(lambda generator, number: str(generator.choice(WNIDS))),
    ),
    "ImageNet ground truth": Kind(
        "ILSVRC2012_validation_ground_truth.txt",
        "val",
        tuple(f"val/{name}" for name in _VAL),
        _lines(lambda generator, number: str(generator.integers(1, 4))),
        (("map_clsloc.txt", _NUMBERS),),
    ),
    "ImageNet class numbers": Kind(
        "map_clsloc.txt",
        "val",
        tuple(f"val/{name}" for name in _VAL),
        _lines(lambda generator, number: f"{WNIDS[number]} {number + 1} {CATEGORIES[number].replace(' ', '_')}"),
        (("ILSVRC2012_validation_ground_truth.txt", "1\n2\n3\n"),),
    ),
    "ImageNet meta.mat": Kind(
        "meta.mat",
        "val",
        tuple(f"val/{name}" for name in _VAL),
        _meta,
        (("ILSVRC2012_validation_ground_truth.txt", "1\n2\n3\n"),),
        is_text=False,
    ),
    "ImageNet-X": Kind(
        "factors.jsonl", "val", tuple(f"val/{name}" for name in _VAL), _lines(_factors), is_dataset=False
    ),
    "label map CSV": Kind(
        "labels.csv",
        "train",
        _SORTED,
        _lines(lambda generator, number: f"{WNIDS[number]},{number}", "label,class\n"),
        is_dataset=False,
    ),
    "label map JSON": Kind(
        "labels.json",
        "train",
        _SORTED,
        lambda generator: json.dumps(dict(zip(WNIDS, generator.integers(0, 3, 3).tolist(), strict=True))).encode(),
        is_dataset=False,
    ),
}
"""The kinds of annotation by name; a video needs the extra `video`."""
if find_spec("av") is None:
    del KINDS["video"]


def lay_out(kind: Kind, folder: Path, generator: np.random.Generator) -> None:
    """Write the images and the further files of a kind's dataset; `kind.file` itself is left to be written."""
    for name in (*kind.images, kind.file, *(name for name, _ in kind.others)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for name in kind.images:
        photograph(generator).save(folder / name)
    for name, content in kind.others:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def read_all(name: str, folder: Path) -> None:
    """Read a dataset of a kind with the toolkit's readers, to the last row and pixel; raises whatever they raise."""
    from bias_toolkit.foundation.errors import UnreadableImageError

    kind = KINDS[name]
    if kind.is_dataset:
        from bias_toolkit.datasets import load_dataset

        dataset = load_dataset(folder / kind.opened)
        for image_id in dataset.scan().images["image_id"]:
            with suppress(UnreadableImageError):
                dataset.read(image_id)
        _ = dataset.fingerprint
    elif name == "ImageNet-X":
        from bias_toolkit.datasets import imagenet_x_factors

        imagenet_x_factors(kind.images, "imagenet", folder / kind.file)
    else:
        from bias_toolkit.models.label_mapping import read_mapping

        read_mapping(folder / kind.file)
