"""Changes annotations so that they stay valid: `python -m benchmarks.valid_changes --rounds 3 --seed 0`.

Each change comes with the tables that must come out of it: another encoding or end of lines gives the same tables,
rows in another order too, moved boxes are moved by as much, exchanged labels are exchanged, what two images have is
exchanged, a class that is renamed has its new name, and an object that is there twice is two objects. What a reader
does not take, it may refuse. Ends with exit code 1 if anything is read otherwise: accepted, and wrong.
"""

from __future__ import annotations

import argparse
import codecs
import csv
import io
import json
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.valid_files import CATEGORIES, KINDS, SIDE, lay_out, packed

MOVED = 1
RENAMED = "écureuil"
EXCHANGE = {CATEGORIES[0]: CATEGORIES[1], CATEGORIES[1]: CATEGORIES[0]}


class Tables(NamedTuple):
    """The images and objects of a dataset as sorted rows, so that the order of annotations does not count."""

    images: list[tuple]
    objects: list[tuple]


class Change(NamedTuple):
    """What is done to the bytes of a file, and to the tables of what it was before."""

    name: str
    edit: Callable[[bytes], bytes]
    expected: Callable[[Tables], Tables]
    may_be_refused: bool = False


def _same(tables: Tables) -> Tables:
    return tables


def _moved(tables: Tables) -> Tables:
    return tables._replace(
        objects=sorted(
            (image, category, x0 + MOVED, y0, x1 + MOVED, y1) for image, category, x0, y0, x1, y1 in tables.objects
        )
    )


def _renamed(tables: Tables) -> Tables:
    def new(name: str | None) -> str | None:
        return RENAMED if name == CATEGORIES[0] else name

    return Tables(
        sorted((image, new(label)) for image, label in tables.images),
        sorted((row[0], new(row[1]), *row[2:]) for row in tables.objects),
    )


def _exchanged(tables: Tables) -> Tables:
    return Tables(
        sorted((image, EXCHANGE.get(label, label)) for image, label in tables.images),
        sorted((row[0], EXCHANGE.get(row[1], row[1]), *row[2:]) for row in tables.objects),
    )


def _swapped(tables: Tables) -> Tables:
    """What the first two images have is exchanged."""
    first, second = (image for image, _ in tables.images[:2])
    other = {first: second, second: first}

    def exchanged(rows: list[tuple]) -> list[tuple]:
        return [(other.get(image, image), *rest) for image, *rest in rows]

    return Tables(exchanged(tables.images), exchanged(tables.objects))


def _doubled(tables: Tables) -> Tables:
    return tables._replace(objects=tables.objects * 2)


ENCODINGS = (
    Change("UTF-8 with a byte order mark", lambda content: codecs.BOM_UTF8 + content, _same, may_be_refused=True),
    Change("CRLF", lambda content: content.replace(b"\n", b"\r\n"), _same, may_be_refused=True),
    Change("UTF-16", lambda content: content.decode().encode("utf-16"), _same, may_be_refused=True),
    Change("no last line feed", lambda content: content.removesuffix(b"\n"), _same),
)


def _of_table(edit: Callable[[pd.DataFrame], pd.DataFrame], separator: str) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        table = pd.read_csv(io.BytesIO(content), sep=separator, dtype=str)
        return edit(table).to_csv(sep=separator, index=False).encode()

    return changed


def _of_columns(edit: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[bytes], bytes]:
    return lambda content: edit(pd.read_parquet(io.BytesIO(content))).to_parquet(index=False)


def _move(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{edge: table[edge].astype(int) + MOVED for edge in ("x0", "x1")})


def _twice(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table])


def _quoted(separator: str) -> Callable[[bytes], bytes]:
    return lambda content: (
        pd.read_csv(io.BytesIO(content), sep=separator, dtype=str)
        .to_csv(sep=separator, index=False, quoting=csv.QUOTE_ALL)
        .encode()
    )


ORDER = (
    ("rows reversed", lambda table: table[::-1], _same),
    ("columns reversed", lambda table: table[table.columns[::-1]], _same),
)
NAMES = (
    ("a class renamed", lambda table: table.replace({"label": {CATEGORIES[0]: RENAMED}}), _renamed),
    ("labels exchanged", lambda table: table.replace({"label": EXCHANGE}), _exchanged),
)
BOXES = (
    ("boxes moved", _move, _moved),
    ("images exchanged", lambda table: table.replace({"path": {"0.png": "1.png", "1.png": "0.png"}}), _swapped),
    ("each object twice", _twice, _doubled),
)


def _table_changes(separator: str, edits: tuple = (*ORDER, *NAMES, *BOXES)) -> tuple[Change, ...]:
    changes = tuple(Change(name, _of_table(edit, separator), expected) for name, edit, expected in edits)
    return (*changes, Change("all quoted", _quoted(separator), _same))


def _move_shares(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{edge: table[edge].astype(float) + MOVED / SIDE for edge in ("XMin", "XMax")})


OPEN_IMAGES = (*ORDER, ("boxes moved", _move_shares, _moved), ("each object twice", _twice, _doubled))


def _of_lines(edit: Callable[[list[str]], list[str]]) -> Callable[[bytes], bytes]:
    return lambda content: "".join(f"{line}\n" for line in edit(content.decode().splitlines())).encode()


def _of_each_line(edit: Callable[[str], str]) -> Callable[[bytes], bytes]:
    return _of_lines(lambda lines: list(map(edit, lines)))


def _move_yolo(line: str) -> str:
    number, *values = line.split()
    # A box has its middle and its size, a polygon the places of its corners.
    moved = {0} if len(values) == 4 else {*range(0, len(values), 2)}
    return " ".join([number, *(str(float(v) + (n in moved) * MOVED / SIDE) for n, v in enumerate(values))])


def _move_tabs(line: str) -> str:
    *names, x0, y0, x1, y1 = line.split("\t")
    return "\t".join([*names, str(int(x0) + MOVED), y0, str(int(x1) + MOVED), y1])


LINES = (
    Change("rows reversed", _of_lines(lambda lines: lines[::-1]), _same),
    Change("each object twice", _of_lines(lambda lines: lines * 2), _doubled),
)
TABS = (LINES[0], Change("boxes moved", _of_each_line(_move_tabs), _moved))


def _of_xml(edit: Callable[[ElementTree.Element], None]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        root = ElementTree.fromstring(content)
        edit(root)
        return ElementTree.tostring(root)

    return changed


def _move_xml(root: ElementTree.Element) -> None:
    for edge in (*root.iter("xmin"), *root.iter("xmax")):
        edge.text = str(int(edge.text) + MOVED)


def _rename_xml(root: ElementTree.Element) -> None:
    for name in root.iter("name"):
        name.text = RENAMED if name.text == CATEGORIES[0] else name.text


XML_CHANGES = (
    Change("rows reversed", _of_xml(lambda root: root.__setitem__(slice(None), root[::-1])), _same),
    Change("boxes moved", _of_xml(_move_xml), _moved),
    Change("a class renamed", _of_xml(_rename_xml), _renamed),
    Change("each object twice", _of_xml(lambda root: root.extend(root.findall("object"))), _doubled),
)


def _of_json_file(edit: Callable[[dict], None], **options) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        record = json.loads(content)
        edit(record)
        return json.dumps(record, **options).encode()

    return changed


def _reverse(record: dict) -> None:
    for name in ("images", "annotations", "categories"):
        record[name].reverse()


def _number_anew(record: dict) -> None:
    for image in record["images"]:
        image["id"] += 1000
    for annotation in record["annotations"]:
        annotation["image_id"] += 1000
        annotation["category_id"] += 50
    for category in record["categories"]:
        category["id"] += 50


def _move_coco(record: dict) -> None:
    for annotation in record["annotations"]:
        annotation["bbox"][0] += MOVED


def _rename_coco(record: dict) -> None:
    record["categories"][0]["name"] = RENAMED


def _swap_coco(record: dict) -> None:
    first, second = record["images"][:2]
    first["file_name"], second["file_name"] = second["file_name"], first["file_name"]


def _double_coco(record: dict) -> None:
    twice = [each | {"id": each["id"] + 100} for each in record["annotations"]]
    record["annotations"] += twice


def _exchange_coco(record: dict) -> None:
    first, second = record["categories"][:2]
    first["name"], second["name"] = second["name"], first["name"]


COCO_CHANGES = (
    Change("all lists reversed", _of_json_file(_reverse), _same),
    Change("on one line", _of_json_file(lambda record: None, separators=(",", ":")), _same),
    Change("keys sorted", _of_json_file(lambda record: None, sort_keys=True), _same),
    Change("ids numbered anew", _of_json_file(_number_anew), _same),
    Change("boxes moved", _of_json_file(_move_coco), _moved),
    Change("a class renamed", _of_json_file(_rename_coco), _renamed),
    Change("a class renamed, letters as they are", _of_json_file(_rename_coco, ensure_ascii=False), _renamed),
    Change("labels exchanged", _of_json_file(_exchange_coco), _exchanged),
    Change("images exchanged", _of_json_file(_swap_coco), _swapped),
    Change("each object twice", _of_json_file(_double_coco), _doubled),
)


def _move_record(record: dict) -> dict:
    boxes = [[x + MOVED, *rest] for x, *rest in record["objects"]["bbox"]]
    return record | {"objects": record["objects"] | {"bbox": boxes}}


def _rename_record(record: dict) -> dict:
    def new(name: str) -> str:
        return RENAMED if name == CATEGORIES[0] else name

    categories = list(map(new, record["objects"]["category"]))
    return record | {"label": new(record["label"]), "objects": record["objects"] | {"category": categories}}


def _double_record(record: dict) -> dict:
    return record | {"objects": {name: each * 2 for name, each in record["objects"].items()}}


def _of_json_lines(edit: Callable[[dict], dict]) -> Callable[[bytes], bytes]:
    return _of_each_line(lambda line: json.dumps(edit(json.loads(line))))


JSON_LINES = (
    LINES[0],
    Change("boxes moved", _of_json_lines(_move_record), _moved),
    Change("a class renamed", _of_json_lines(_rename_record), _renamed),
    Change("each object twice", _of_json_lines(_double_record), _doubled),
)


def _of_samples(edit: Callable[[dict], None]) -> Callable[[bytes], bytes]:
    def each(record: dict) -> None:
        for sample in record["samples"]:
            edit(sample)

    return _of_json_file(each)


def _move_sample(sample: dict) -> None:
    # Both of its detections were one object of Python, and are two in JSON.
    for detection in sample["ground_truth"]["detections"]:
        detection["bounding_box"][0] += MOVED / SIDE


def _double_sample(sample: dict) -> None:
    sample["ground_truth"]["detections"] *= 2


SAMPLES = (
    Change("rows reversed", _of_json_file(lambda record: record["samples"].reverse()), _same),
    Change("boxes moved", _of_samples(_move_sample), _moved),
    Change("each object twice", _of_samples(_double_sample), _doubled),
)


def _of_tar(edit: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]], **options) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            members = [(member.name, tar.extractfile(member).read()) for member in tar]
        return packed(edit(members), **options)

    return changed


def _of_json(edit: Callable[[dict], dict]) -> Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]:
    return lambda members: [
        (name, json.dumps(edit(json.loads(content))).encode() if name.endswith(".json") else content)
        for name, content in members
    ]


TAR_CHANGES = (
    Change("members reversed", _of_tar(lambda members: members[::-1]), _same),
    Change("images first", _of_tar(lambda members: sorted(members, key=lambda each: each[0][-3:])[::-1]), _same),
    *(
        Change(name, _of_tar(list, format=kind), _same)
        for name, kind in (("ustar", tarfile.USTAR_FORMAT), ("GNU", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT))
    ),
    Change("names begin with ./", _of_tar(lambda members: [(f"./{name}", each) for name, each in members]), _same),
    Change("boxes moved", _of_tar(_of_json(_move_record)), _moved),
    Change("each object twice", _of_tar(_of_json(_double_record)), _doubled),
    Change("a class renamed", _of_tar(_of_json(_rename_record)), _renamed),
)


def _of_parquet(edit: Callable[[dict], dict], **options) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        file = io.BytesIO()
        rows = pq.read_table(io.BytesIO(content)).to_pylist()
        pq.write_table(pa.Table.from_pylist(list(map(edit, rows))), file, **options)
        return file.getvalue()

    return changed


def _of_arrow(edit: Callable[[dict], dict], rows_a_part: int = 1) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        table = pa.Table.from_pylist(list(map(edit, pa.ipc.open_stream(content).read_all().to_pylist())))
        file = io.BytesIO()
        with pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table, max_chunksize=rows_a_part)
        return file.getvalue()

    return changed


PARQUET_CHANGES = (
    Change("a row a group", _of_parquet(dict, row_group_size=1), _same),
    Change("one group, zstd", _of_parquet(dict, compression="zstd"), _same),
    Change("no dictionaries", _of_parquet(dict, use_dictionary=False, data_page_version="2.0"), _same),
    Change("boxes moved", _of_parquet(_move_record), _moved),
    Change("a class renamed", _of_parquet(_rename_record), _renamed),
)
ARROW_CHANGES = (
    Change("a row a part", _of_arrow(dict), _same),
    Change("one part", _of_arrow(dict, 10), _same),
    Change("boxes moved", _of_arrow(_move_record), _moved),
    Change("a class renamed", _of_arrow(_rename_record), _renamed),
)
OF_KIND = {
    "COCO": COCO_CHANGES,
    "CSV": _table_changes(","),
    "TSV": _table_changes("\t"),
    "Parquet": tuple(Change(name, _of_columns(edit), table) for name, edit, table in (*ORDER, *NAMES, *BOXES)),
    "image folder CSV": _table_changes(",", (*ORDER, *NAMES)),
    "image folder JSON": JSON_LINES,
    "Open Images": _table_changes(",", OPEN_IMAGES),
    "VOC XML": XML_CHANGES,
    "ImageNet XML": XML_CHANGES,
    "YOLO labels": (*LINES, Change("boxes moved", _of_each_line(_move_yolo), _moved)),
    "FiftyOne": SAMPLES,
    "Tiny-ImageNet val": TABS,
    "Tiny-ImageNet train": TABS,
    "WebDataset": TAR_CHANGES,
    "Hugging Face Parquet": PARQUET_CHANGES,
    "Hugging Face Arrow": ARROW_CHANGES,
}


def changes_of(name: str) -> tuple[Change, ...]:
    """The changes of a kind of annotation, none for one that is no dataset's."""
    if not KINDS[name].is_dataset:
        return ()
    return (*(ENCODINGS if KINDS[name].is_text else ()), *OF_KIND.get(name, ()))


def read_tables(path: Path) -> Tables:
    """The tables of a dataset; raises what its readers raise."""
    from bias_toolkit import load_dataset

    dataset = load_dataset(path)
    edges = ["image_id", "category", "x0", "y0", "x1", "y1"]
    # Boxes in shares of the image have other last bits after a change.
    objects = dataset.objects[edges].round(6)
    labels = dataset.images["label"].astype(object).where(dataset.images["label"].notna(), None)
    return Tables(
        sorted(zip(dataset.images["image_id"], labels, strict=True), key=repr),
        sorted(objects.itertuples(index=False, name=None), key=repr),
    )


def campaign(folder: Path, rounds: int, seed: int) -> tuple[Counter, list[str]]:
    """How often each change was read as it must be or refused, and what was wrong."""
    from bias_toolkit import InputError

    generator = np.random.default_rng(seed)
    outcomes, wrong = Counter(), []
    for number in range(rounds):
        for name, kind in KINDS.items():
            changes = changes_of(name)
            if not changes:
                continue
            place = folder / f"{number}-{name.replace(' ', '-')}"
            lay_out(kind, place, generator)
            content = kind.contents(generator)
            (place / kind.file).write_bytes(content)
            before = read_tables(place / kind.opened)
            for change in changes:
                (place / kind.file).write_bytes(change.edit(content))
                expected = Tables(*(sorted(rows, key=repr) for rows in change.expected(before)))
                try:
                    found = read_tables(place / kind.opened)
                except InputError as error:
                    outcomes[change.name, "refused"] += 1
                    if not change.may_be_refused:
                        wrong.append(f"{name}, {change.name}: refused ({error})")
                    continue
                outcomes[change.name, "as it must be" if found == expected else "wrong"] += 1
                if found != expected:
                    wrong.append(f"{name}, {change.name}: {found} and not {expected}")
    return outcomes, wrong


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; 1 if anything was read otherwise than it must be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="valid-changes-") as folder:
        outcomes, wrong = campaign(Path(folder), options.rounds, options.seed)
    print("| change | read | files |\n| --- | --- | ---: |")
    for (name, outcome), count in sorted(outcomes.items()):
        print(f"| {name} | {outcome} | {count} |")
    print(f"\nAccepted and wrong, or refused without reason: {len(wrong)}")
    for each in wrong:
        print(f"- {each[:600]}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
