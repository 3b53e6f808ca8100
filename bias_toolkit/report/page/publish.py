"""Putting a page into a folder, so that a killed run leaves a complete page or one that says it is unfinished."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_text

PAGE = "index.html"
PARTIAL = ".partial"
GENERATOR = '<meta name="generator" content="bias-toolkit">'
_UNFINISHED = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8">{GENERATOR}<title>Unfinished report</title></head>
<body><p>This report was not finished. The command that writes it will write it anew.</p></body>
</html>
"""


@contextmanager
def published(folder: str | os.PathLike, names: Sequence[str]) -> Iterator[Path]:
    """Give an empty folder for index.html and `names`, and move them into `folder` when the block ends.

    Files of `folder` with these names are replaced, or removed if the block did not write them; its other files are not
    changed. An error in the block leaves `folder` unchanged. Raises InputError if a name is taken by anything but an
    earlier page.
    """
    folder = Path(folder)
    _refuse_foreign(folder, names)
    partial = folder / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        write_text(_UNFINISHED, folder / PAGE)
        for name in names:
            _remove(folder / name)
            if (partial / name).exists():
                os.replace(partial / name, folder / name)
        os.replace(partial / PAGE, folder / PAGE)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def claim(folder: str | os.PathLike) -> None:
    """Mark a folder as a report's if its page is damaged and does not say so, so that it may be written again."""
    folder = Path(folder)
    if not is_own_page(folder / PAGE):
        write_text(_UNFINISHED, folder / PAGE)


def is_own_page(page: Path) -> bool:
    """Whether a file is a page that the toolkit wrote."""
    return page.is_file() and GENERATOR in page.read_text(encoding="utf-8", errors="replace")[:2000]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _refuse_foreign(folder: Path, names: Sequence[str]) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"The report's folder {str(folder)!r} is a file; a folder would be right.")
    taken = [name for name in (PAGE, *names) if (folder / name).exists()]
    if taken and not is_own_page(folder / PAGE):
        raise InputError(
            f"{str(folder / taken[0])!r} is no part of an earlier report and would be overwritten; "
            "a new or an empty folder would be right."
        )
