"""Changes annotations so that they stay valid: `python -m benchmarks.valid_changes --rounds 3 --seed 0`.

Each change comes with the tables that must come out of it: another encoding or end of lines gives the same tables, rows
in another order too, moved boxes are moved by as much, exchanged labels are exchanged, and a class that is renamed has
its new name. What a reader does not take, it may refuse. Ends with exit code 1 if anything is read otherwise: accepted,
and wrong.
"""

from __future__ import annotations

import argparse
import codecs
import csv
import io
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.valid_files import CATEGORIES, KINDS, lay_out

MOVED = 2
RENAMED = "écureuil"
_BINARY = ("Parquet", "ImageNet meta.mat")
_NO_DATASET = ("ImageNet-X", "label map CSV", "label map JSON")


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
    exchange = {CATEGORIES[0]: CATEGORIES[1], CATEGORIES[1]: CATEGORIES[0]}
    return Tables(
        sorted((image, exchange.get(label, label)) for image, label in tables.images),
        sorted((row[0], exchange.get(row[1], row[1]), *row[2:]) for row in tables.objects),
    )


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


def _move(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{edge: (table[edge].astype(int) + MOVED).astype(str) for edge in ("x0", "x1")})


def _quoted(separator: str) -> Callable[[bytes], bytes]:
    return lambda content: (
        pd.read_csv(io.BytesIO(content), sep=separator, dtype=str)
        .to_csv(sep=separator, index=False, quoting=csv.QUOTE_ALL)
        .encode()
    )


def _table_changes(separator: str) -> tuple[Change, ...]:
    exchange = {CATEGORIES[0]: CATEGORIES[1], CATEGORIES[1]: CATEGORIES[0]}
    edits: tuple[tuple[str, Callable, Callable], ...] = (
        ("rows reversed", lambda table: table[::-1], _same),
        ("columns reversed", lambda table: table[table.columns[::-1]], _same),
        ("boxes moved", _move, _moved),
        ("a class renamed", lambda table: table.replace({"label": {CATEGORIES[0]: RENAMED}}), _renamed),
        ("labels exchanged", lambda table: table.replace({"label": exchange}), _exchanged),
    )
    changes = tuple(Change(name, _of_table(edit, separator), expected) for name, edit, expected in edits)
    return (*changes, Change("all quoted", _quoted(separator), _same))


def _of_coco(edit: Callable[[dict], None], **options) -> Callable[[bytes], bytes]:
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


def _exchange_coco(record: dict) -> None:
    first, second = record["categories"][:2]
    first["name"], second["name"] = second["name"], first["name"]


COCO_CHANGES = (
    Change("all lists reversed", _of_coco(_reverse), _same),
    Change("on one line", _of_coco(lambda record: None, separators=(",", ":")), _same),
    Change("keys sorted", _of_coco(lambda record: None, sort_keys=True), _same),
    Change("ids numbered anew", _of_coco(_number_anew), _same),
    Change("boxes moved", _of_coco(_move_coco), _moved),
    Change("a class renamed", _of_coco(_rename_coco), _renamed),
    Change("a class renamed, letters as they are", _of_coco(_rename_coco, ensure_ascii=False), _renamed),
    Change("labels exchanged", _of_coco(_exchange_coco), _exchanged),
)


def changes_of(name: str) -> tuple[Change, ...]:
    """The changes of a kind of annotation, none for one that is no text or no dataset's."""
    if name in _BINARY or name in _NO_DATASET:
        return ()
    of_kind = {"COCO": COCO_CHANGES, "CSV": _table_changes(","), "TSV": _table_changes("\t")}
    return (*ENCODINGS, *of_kind.get(name, ()))


def read_tables(path: Path) -> Tables:
    """The tables of a dataset; raises what its readers raise."""
    from bias_toolkit import load_dataset

    dataset = load_dataset(path)
    edges = ["image_id", "category", "x0", "y0", "x1", "y1"]
    images = dataset.images[["image_id", "label"]].astype(object).where(dataset.images["label"].notna(), None)
    return Tables(
        sorted(images.itertuples(index=False, name=None), key=repr),
        sorted(dataset.objects[edges].itertuples(index=False, name=None), key=repr),
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
