"""Damages valid files at random and puts them through the command line: `python -m benchmarks.mutations`.

Images of every format and annotations of every kind are flipped in some bytes, cut, spliced, and edited in their
headers, by a seed. The images go through `bias-toolkit embed`, which decodes each, in a process of its own; the
annotations through their readers and `bias-toolkit objects`, in this process. A run
fails if it ends other than with exit code 0 or 2, shows a traceback or a warning, takes too long, or if images read and
images skipped are not the images found. Prints a summary and every distinct message in Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.valid_files import IMAGE_KINDS, KINDS, Kind, lay_out, photograph, read_all

SECONDS_A_FILE = 30
SECONDS_OF_IMAGES = 1800
QUICK = ("--resamples", "100", "--placements", "100", "--permutations", "100", "--json")
HOSTILE = (
    b"nan",
    b"1e999",
    b"-1",
    b"../../etc/passwd",
    b"/etc/passwd",
    b"9" * 40,
    b"",
    b"\x00",
    b"\xff",
    b'"',
    b"<",
    b"{",
)


class TooLongError(BaseException):
    """A file took too long. No OSError, as TimeoutError is: the command line makes sentences of these."""


def damaged(content: bytes, generator: np.random.Generator, is_text: bool) -> bytes:
    """One random damage, or several."""
    kinds = [_flip, _cut, _splice, _edit_header, _repeat, *([_replace_word] * 3 if is_text else [])]
    for _ in range(1 + int(generator.random() < 0.3)):
        if content:
            content = kinds[int(generator.integers(len(kinds)))](content, generator)
    return content


def _flip(content: bytes, generator: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for place in generator.integers(0, len(content), int(generator.integers(1, 9))):
        changed[place] ^= 1 << int(generator.integers(8))
    return bytes(changed)


def _cut(content: bytes, generator: np.random.Generator) -> bytes:
    return content[: int(generator.integers(0, len(content)))]


def _splice(content: bytes, generator: np.random.Generator) -> bytes:
    start, end, place = sorted(generator.integers(0, len(content), 3).tolist())
    return content[:place] + content[start:end] + content[place + int(generator.integers(0, 9)) :]


def _edit_header(content: bytes, generator: np.random.Generator) -> bytes:
    place = int(generator.integers(0, min(len(content), 64)))
    value = (b"\x00", b"\xff", b"\x7f", b"\x01")[int(generator.integers(4))]
    return content[:place] + value * int(generator.integers(1, 5)) + content[place + int(generator.integers(1, 5)) :]


def _repeat(content: bytes, generator: np.random.Generator) -> bytes:
    start, end = sorted(generator.integers(0, len(content), 2).tolist())
    return content[:end] + content[start:end] * int(generator.integers(1, 4)) + content[end:]


def _replace_word(content: bytes, generator: np.random.Generator) -> bytes:
    words = list(re.finditer(rb"[\w.]+", content))
    if not words:
        return content
    word = words[int(generator.integers(len(words)))]
    return content[: word.start()] + HOSTILE[int(generator.integers(len(HOSTILE)))] + content[word.end() :]


def write_images(folder: Path, count: int, generator: np.random.Generator) -> int:
    """Write damaged images of all kinds, and one that is whole; gives their number."""
    folder.mkdir(parents=True)
    photograph(generator).save(folder / "whole.png")
    for number in range(count):
        ending, save = IMAGE_KINDS[list(IMAGE_KINDS)[number % len(IMAGE_KINDS)]]
        content = damaged(save(photograph(generator)), generator, is_text=False)
        (folder / f"{number:05d}{ending}").write_bytes(content)
    return count + 1


def run_images(folder: Path, count: int, generator: np.random.Generator) -> tuple[Counter, list[str], dict]:
    """Messages with their numbers, what was wrong, and a summary, of damaged images in one study."""
    found = {"train": write_images(folder / "train", count // 2, generator)}
    found["test"] = write_images(folder / "test", count - count // 2, generator)
    study = folder / "study"
    command = [sys.executable, "-c", "from bias_toolkit_cli.main import main; main()", "embed", str(study)]
    command += ["--train", str(folder / "train"), "--test", str(folder / "test"), "--model", "demo"]
    command += ["--layout", "images", "--runtime", "torch"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_OF_IMAGES, errors="replace")
    except subprocess.TimeoutExpired:
        return Counter(), [f"images: no end after {SECONDS_OF_IMAGES} s"], {}
    wrong = _wrong_output("images", ended.returncode, ended.stdout + ended.stderr)
    if ended.returncode:
        return Counter(), [*wrong, f"images: {ended.stderr[-2000:]}"], {}

    from bias_toolkit import Study

    opened = Study(study)
    skipped = opened.skipped_images
    messages = Counter(normalised(reason, folder) for reason in skipped["reason"])
    decoded = 0
    for split, number in found.items():
        of_split = skipped[skipped["split"] == split]["image_id"]
        read = opened.features(split).image_ids
        decoded += len(read)
        if len(read) + len(of_split) != number or set(read) & set(of_split) or of_split.duplicated().any():
            wrong.append(f"images: {len(read)} read and {len(of_split)} skipped of {number} found in {split}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return messages, wrong, {"found": sum(found.values()), "read": decoded, "skipped": len(skipped), "peak": peak}


def run_annotations(
    folder: Path, count: int, generator: np.random.Generator
) -> tuple[Counter, list[str], dict[str, list[int]]]:
    """Messages with their numbers, what was wrong, and by kind the numbers of files read and refused."""
    messages, wrong, results = Counter(), [], {name: [0, 0] for name in KINDS}
    # All is imported before a file is timed: an import that is broken off fails ever after.
    _through_the_command("CSV", KINDS["CSV"], _whole(folder / "whole", KINDS["CSV"], generator), timed=False)
    for number in range(count):
        name = list(KINDS)[number % len(KINDS)]
        kind, place = KINDS[name], folder / name.replace(" ", "-")
        if not place.exists():
            lay_out(kind, place, generator)
        content = damaged(kind.contents(generator), generator, kind.is_text)
        (place / kind.file).write_bytes(content)
        code, output = _through_the_command(name, kind, place)
        troubles = _wrong_output(name, code, output)
        if code == 0 and kind.is_dataset:
            troubles += _wrong_counts(name, kind, place)
        if troubles:
            kept = folder / f"wrong-{number}"
            kept.write_bytes(content)
            wrong += [f"{trouble} ({kept}): {output[-400:]}" for trouble in troubles]
        results[name][code != 0] += 1
        if code:
            messages[normalised(output.partition("Error: ")[2] or output, place)] += 1
    return messages, wrong, results


def _whole(place: Path, kind: Kind, generator: np.random.Generator) -> Path:
    """A dataset that is not damaged."""
    lay_out(kind, place, generator)
    (place / kind.file).write_bytes(kind.contents(generator))
    return place


def _through_the_command(name: str, kind: Kind, place: Path, timed: bool = True) -> tuple[int | str, str]:
    """Exit code, and what was printed."""
    from bias_toolkit.foundation.errors import InputError
    from bias_toolkit_cli.main import main

    def give_up(*_: object) -> None:
        raise TooLongError(f"no end after {SECONDS_A_FILE} s")

    output, code = io.StringIO(), 0
    # Seconds of this process's own work, so that a busy machine is no fault.
    signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_A_FILE if timed else 0)
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            # The command reads no pixels, and ends this block.
            with contextlib.suppress(InputError) if kind.is_dataset else contextlib.nullcontext():
                read_all(name, place)
            if kind.is_dataset:
                main(["objects", str(place / kind.opened), *QUICK])
        except InputError as error:
            code, _ = 2, output.write(f"Error: {error}")
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            code, _ = "a traceback", output.write(f"{type(error).__name__}: {error}")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return code, output.getvalue()


def _wrong_output(name: str, code: int | str, output: str) -> list[str]:
    wrong = [] if code in (0, 2) else [f"{name}: ended with {code}"]
    shown = [line for line in output.splitlines() if "Traceback" in line or "Warning" in line]
    return wrong + [f"{name}: showed {line.strip()!r}" for line in shown]


def _wrong_counts(name: str, kind: Kind, place: Path) -> list[str]:
    """What is wrong if a dataset's images are not either read or skipped."""
    from bias_toolkit import load_dataset

    dataset = load_dataset(place / kind.opened)
    read, skipped = set(dataset.images["image_id"]), set(dataset.skipped["image_id"])
    wrong = [f"{name}: read and skipped"] if read & skipped else []
    if (place / kind.opened).is_dir():
        # Ids may be relative to a folder below it.
        missed = {os.path.realpath(place / image) for image in kind.images} - set(map(dataset.source, read | skipped))
        wrong += [f"{name}: {sorted(missed)} neither read nor skipped"] if missed else []
    return wrong


def normalised(message: str, folder: Path) -> str:
    """A message without the numbers, names and places that are of one file alone."""
    message = message.strip().replace(str(folder), "FOLDER")
    message = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|b'.*?'", "'…'", message)
    message = re.sub(r"not (?!\w+\b)[^;]*$", "not …", message)
    return re.sub(r"[-+]?\d[\d,.]*(?:e[-+]?\d+)?", "N", message)


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--annotations", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where the files are kept; a temporary folder by default")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mutations-") as temporary:
        out = options.out or Path(temporary)
        wrong: list[str] = []
        if options.images:
            generator = np.random.default_rng([options.seed, 0])
            messages, wrong, summary = run_images(out / "images", options.images, generator)
            _print_images(messages, summary)
        if options.annotations:
            generator = np.random.default_rng([options.seed, 1])
            messages, wrong_annotations, results = run_annotations(out / "annotations", options.annotations, generator)
            wrong += wrong_annotations
            _print_annotations(messages, results)
        print(f"\nRuns in which something was wrong: {len(wrong)}")
        for each in wrong:
            print(f"- {each}")
    return int(bool(wrong))


def _print_images(messages: Counter, summary: dict) -> None:
    if summary:
        print("| images found | read | skipped | peak memory |\n| ---: | ---: | ---: | ---: |")
        print("| {found:,} | {read:,} | {skipped:,} | {peak:.1f} GB |".format(**summary))
        _print_messages(messages)


def _print_annotations(messages: Counter, results: dict[str, list[int]]) -> None:
    print("\n| annotations | read | refused |\n| --- | ---: | ---: |")
    for name, (read, refused) in results.items():
        print(f"| {name} | {read} | {refused} |")
    _print_messages(messages)


def _print_messages(messages: Counter) -> None:
    print("\n| times | message |\n| ---: | --- |")
    for message, times in messages.most_common():
        print(f"| {times} | {json.dumps(message, ensure_ascii=False)[1:-1].replace('|', '¦')} |")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
