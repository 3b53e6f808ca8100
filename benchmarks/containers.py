"""Reading images from WebDataset tars and from Parquet, against files on disk: rates, and peak memory.

`python -m benchmarks.containers` makes the same small JPEG images in three forms. It opens each in its own process,
scans it, and reads every image in order.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from PIL import Image

SIDE, LABELS = 64, 100
SHARD, ROW_GROUP = 10_000, 1_000
"""Images in a file, and rows in a row group."""
CONTENTS = 64
"""Different pictures; the files repeat them, for drawing so many takes longer than all else."""
FORMS = ("files", "tars", "parquet")

READER = """
import json, re, sys, time
from bias_toolkit import load_dataset
from bias_toolkit.foundation.threads import ordered_map

def peak():
    # Not ru_maxrss, which begins with the memory of the process that started this one.
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024

start = time.perf_counter()
dataset = load_dataset(sys.argv[1])
fingerprint = dataset.fingerprint
opened = time.perf_counter()
images = dataset.images
scanned = time.perf_counter()
at_scan = peak()
total = sum(int(pixels.shape[0]) for pixels in ordered_map(dataset.read, images["image_id"]))
read = time.perf_counter()
seconds = {"open": opened - start, "scan": scanned - opened, "read": read - scanned}
print(json.dumps({"images": len(images), "rows": total, **seconds, "scanned": at_scan, "peak": peak()}))
"""


def contents() -> list[bytes]:
    """JPEG files of smooth noise, of about 2 kB each."""
    rng, files = np.random.default_rng(0), []
    for _ in range(CONTENTS):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        buffer = io.BytesIO()
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


def write(form: str, folder: Path, n: int) -> None:
    """Write n images in one of `FORMS`."""
    for start in range(0, n, SHARD):
        numbers = range(start, min(start + SHARD, n))
        if form == "files":
            for number, content in _pictures(numbers):
                path = folder / f"{number % LABELS:03}" / f"{number:08}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        elif form == "tars":
            folder.mkdir(exist_ok=True)
            with tarfile.open(folder / f"images-{start // SHARD:03}.tar", "w") as tar:
                for number, content in _pictures(numbers):
                    _add(tar, f"{number:08}.jpg", content)
                    _add(tar, f"{number:08}.cls", str(number % LABELS).encode())
        else:
            folder.mkdir(exist_ok=True)
            images = [{"bytes": content, "path": f"{number:08}.jpg"} for number, content in _pictures(numbers)]
            table = pa.table({"image": images, "label": [number % LABELS for number in numbers]})
            pq.write_table(table, folder / f"images-{start // SHARD:03}.parquet", row_group_size=ROW_GROUP)


def _pictures(numbers: range) -> Iterator[tuple[int, bytes]]:
    files = contents()
    return ((number, files[number % len(files)]) for number in numbers)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def measure(folder: Path) -> dict[str, float]:
    """Seconds to open, scan and read a dataset in a process of its own, and its peak memory in MiB."""
    done = subprocess.run([sys.executable, "-c", READER, folder], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main(
    images: Annotated[int, typer.Option(help="Images of the larger set; the smaller has a fifth.")] = 100_000,
) -> None:
    """Measure, and print a table."""
    print("| form | images | open, s | scan, images/s | read, images/s | memory at scan, MiB | peak, MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for n in (images // 5, images):
        for form in FORMS:
            with tempfile.TemporaryDirectory() as temporary:
                write(form, Path(temporary) / "set", n)
                found = measure(Path(temporary) / "set")
            scan, read = n / found["scan"], n / found["read"]
            memory = f"{found['scanned']:,.0f} | {found['peak']:,.0f}"
            print(f"| {form} | {n:,} | {found['open']:.1f} | {scan:,.0f} | {read:,.0f} | {memory} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
