"""Putting a page into a folder, so that a killed run leaves a complete page or one that says it is unfinished."""

import html
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_text
from bias_toolkit.foundation.untrusted import inside, parse_json, read_regular_text

PAGE = "index.html"
PARTIAL = ".bias-toolkit-partial"
"""A name that no other program uses, as the folder is removed."""
GENERATOR = '<meta name="generator" content="bias-toolkit">'
LARGEST_PAGE = 10**8
_FILES = re.compile('<meta name="files" content="([^"]*)">')
_LINK = re.compile(r'\b(?:href|src)="([^"#:?]+)"')
_UNFINISHED = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8">{GENERATOR}<title>Unfinished report</title></head>
<body><p>This report was not finished. The command that writes it will write it anew.</p></body>
</html>
"""


@contextmanager
def published(folder: str | os.PathLike, names: Sequence[str]) -> Iterator[Path]:
    """Give an empty folder for index.html and `names`, and move them into `folder` when the block ends.

    The page lists its files, so that the next page can replace or remove exactly these; other files of `folder` are not
    changed. An error in the block leaves `folder` unchanged. Raises InputError if a name is taken by anything but an
    earlier page, or by a link that leads out of the folder.
    """
    folder = Path(folder)
    _refuse_foreign(folder, names)
    partial = folder / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        written = {path.relative_to(partial).as_posix() for path in partial.rglob("*") if path.is_file()} - {PAGE}
        earlier = {name for name in _listed(folder / PAGE) if name.partition("/")[0] in names}
        places = {name: inside(folder, name) for name in sorted(written | earlier)}
        write_text(_listing(_UNFINISHED, places), folder / PAGE)
        for name, place in places.items():
            if name in written:
                _move(partial / name, place)
            else:
                _remove(place, folder)
        page = (partial / PAGE).read_text(encoding="utf-8")
        write_text(_listing(page, written), partial / PAGE)
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
    if not page.is_file():
        return False
    with page.open(encoding="utf-8", errors="replace") as file:
        return GENERATOR in file.read(2000)


def _listing(page: str, names: Collection[str]) -> str:
    """The page with a list of its files."""
    content = html.escape(json.dumps(sorted(names)))
    return page.replace(GENERATOR, f'{GENERATOR}<meta name="files" content="{content}">', 1)


def _listed(page: Path) -> set[str]:
    """The files that a page lists; none if it is missing or damaged.

    Pages of earlier versions have no list, but link all of their files.
    """
    try:
        text = read_regular_text(page, LARGEST_PAGE)
        if (found := _FILES.search(text)) is None:
            return {html.unescape(link) for link in _LINK.findall(text)} if GENERATOR in text else set()
        names = parse_json(html.unescape(found[1]), page)
    except InputError:
        return set()
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.is_dir():
        raise InputError(f"{target} has to be a file of the report, and is a folder; remove it.")
    os.replace(source, target)


def _remove(path: Path, folder: Path) -> None:
    """Remove a file, and the folder that it leaves empty."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    if path.parent != folder:
        with suppress(OSError):
            path.parent.rmdir()


def _refuse_foreign(folder: Path, names: Sequence[str]) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"The report's folder {str(folder)!r} is a file; a folder would be right.")
    taken = [name for name in (PAGE, *names) if (folder / name).exists()]
    if taken and not is_own_page(folder / PAGE):
        raise InputError(
            f"{str(folder / taken[0])!r} is no part of an earlier report and would be overwritten; "
            "a new or an empty folder would be right."
        )
