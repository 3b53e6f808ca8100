"""Fuzzes the readers of annotation files, guided by coverage: `python -m benchmarks.fuzz_annotations --seconds 600`.

Needs atheris, the extra `fuzz`. Each reader is fuzzed in a process of its own for its part of the time, from valid
files. Whatever a reader raises other than `InputError` ends its part; the input is kept and named. Prints a table of
the readers in Markdown.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.valid_files import KINDS, lay_out, read_all

SEEDS_A_READER = 4
SLOWEST_SECONDS = 20
MOST_MEMORY_MB = 4096
READERS = [name for name in KINDS if name not in ("ImageNet meta.mat", "video")]
"""Without those whose files SciPy, in a process of its own, and FFmpeg read, where no coverage is seen."""
WORDS = (
    "../",
    "/etc/passwd",
    "0.png",
    "nan",
    "NaN",
    "-inf",
    "1e999",
    "-1",
    "true",
    "null",
    r"\\ud800",
    r"\\u0000",
    r"\x00",
    r"\xef\xbb\xbf",
    r"\xff\xfe",
    r"\xe9",
    r"\x0c",
    r"\x1c",
    r"\xe2\x80\xa8",
    r"\"",
    "<!DOCTYPE a [<!ENTITY e 'x'>]>",
    "&e;",
    "n02119789",
    "99999999999999999999999999",
)
"""What libFuzzer would be long in finding."""


def fuzz(name: str, folder: Path, seconds: int, seed: int) -> None:
    """Fuzz one reader in this process; never returns."""
    import atheris

    with atheris.instrument_imports(include=["bias_toolkit", "json", "csv", "defusedxml", "xml"]):
        importlib.import_module("bias_toolkit.datasets.load")
        if name.startswith("label map"):
            importlib.import_module("bias_toolkit.models.label_mapping")
    # In threads no coverage is seen.
    importlib.import_module("bias_toolkit.foundation.threads").ordered_map = map
    from bias_toolkit.foundation.errors import InputError

    kind, generator = KINDS[name], np.random.default_rng(seed)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number in range(SEEDS_A_READER):
        (corpus / f"seed-{number}").write_bytes(kind.contents(generator))
    words = folder / "words.txt"
    words.write_text("".join(f'"{word}"\n' for word in WORDS), encoding="ascii")
    lay_out(kind, folder / "dataset", generator)
    file = folder / "dataset" / kind.file

    def read_one(content: bytes) -> None:
        file.write_bytes(content)
        try:
            read_all(name, folder / "dataset")
        except InputError:
            return

    arguments = [
        f"-max_total_time={seconds}",
        f"-seed={seed + 1}",
        f"-timeout={SLOWEST_SECONDS}",
        f"-rss_limit_mb={MOST_MEMORY_MB}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-max_len=20000",
        f"-dict={words}",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *arguments], read_one)
    atheris.Fuzz()


def main(arguments: list[str] | None = None) -> int:
    """Fuzz every reader, or those asked for; 1 if one of them raised something else than InputError."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=600, help="in all, shared among the readers")
    parser.add_argument("--readers", nargs="*", default=READERS, choices=READERS, metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where inputs are kept; a temporary folder by default")
    parser.add_argument("--in", dest="inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        parser.error("this needs atheris: pip install 'bias-toolkit[fuzz]'")
    seconds = max(1, options.seconds // len(options.readers))
    if options.inside is not None:
        fuzz(options.readers[0], options.inside, seconds, options.seed)
    out = options.out or Path(tempfile.mkdtemp(prefix="fuzz-"))
    print("| reader | inputs | paths found | raised something else |\n| --- | ---: | ---: | --- |")
    found = 0
    for name in options.readers:
        folder = out / name.replace(" ", "-")
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "benchmarks.fuzz_annotations", "--readers", name, "--seconds", str(seconds)]
        command += ["--seed", str(options.seed), "--in", str(folder)]
        with open(folder / "log.txt", "w", encoding="utf-8") as log:
            subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        text = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
        runs = re.findall(r"number_of_executed_units: (\d+)", text)
        kept = sorted(path.name for path in folder.glob("*-*") if path.is_file())
        trouble = "" if runs else "no end; see log.txt"
        if kept:
            trouble = ", ".join(kept)
        found += bool(trouble)
        paths = len(list((folder / "corpus").iterdir()))
        print(f"| {name} | {int(runs[-1]) if runs else 0:,} | {paths:,} | {trouble} |", flush=True)
    print(f"\nInputs and logs are in {out}.")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
