"""Keep a small copy of the demo: its page, one study's report and some explanations.

`python reports/keep.py bias-toolkit-demo reports/demo fully-connected-on-uniform` copies pages and pictures. Links
to files that are not copied (tables, other studies) are removed. The folder of the copy is emptied first.
"""

import argparse
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.report.page.publish import PAGE, is_own_page

_LINK = re.compile(r'<a href="([^"#]+)[^"]*"[^>]*>(.*?)</a>', re.DOTALL)
_PICTURE = re.compile(r'(?:<img src=|"sheet":)"([^"]+)"')
_DOT_LINK = re.compile(r',"(\.\./[^"]+)"\]')
"""The address of an explanation at the end of a dot's data."""
_LINKS_ALONE = ("CSV", "SVG", "PNG", "PDF", "why?")
"""Texts that say nothing without their link."""


def keep(demo: Path, out: Path, study: str, explanations: int = 1) -> list[Path]:
    """Copy the page of a demo, the report of one of its studies, and its first explanations; returns the new files.

    Raises InputError if `out` exists and is not an earlier copy.
    """
    report = demo / study / "report"
    pages = [demo / PAGE, report / PAGE]
    pages += sorted(demo.glob(f"{study}/explanations/*/{PAGE}"), key=lambda page: _place(page, report))[:explanations]
    if out.exists() and not is_own_page(out / PAGE):
        raise InputError(f"{out} is not an earlier copy of a demo; name a new folder.")
    shutil.rmtree(out, ignore_errors=True)
    files = [file for page in pages for file in _pictures(page)]
    for file in files:
        _copy(file, out / file.relative_to(demo))
    kept = {file.resolve() for file in (*files, *pages)}
    for page in pages:
        target = out / page.relative_to(demo)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_reduced(page, kept), encoding="utf-8")
    return [out / file.relative_to(demo) for file in (*pages, *files)]


def _place(page: Path, report: Path) -> int:
    """Where an explanation is first mentioned in the report; the end if nowhere."""
    text = (report / PAGE).read_text(encoding="utf-8")
    found = text.find(f"explanations/{page.parent.name}/")
    return found if found >= 0 else len(text)


def _pictures(page: Path) -> Iterable[Path]:
    """The pictures that a page shows."""
    return (page.parent / found for found in _PICTURE.findall(page.read_text(encoding="utf-8")))


def _reduced(page: Path, kept: set[Path]) -> str:
    """A page without the links to files that are not kept."""

    def linked(found: re.Match[str]) -> str:
        target, text = found.groups()
        if "://" in target or (page.parent / target).resolve() in kept:
            return found[0]
        return "" if text in _LINKS_ALONE else text

    def dot_linked(found: re.Match[str]) -> str:
        return found[0] if (page.parent / found[1]).resolve() in kept else ",null]"

    return _DOT_LINK.sub(dot_linked, _LINK.sub(linked, page.read_text(encoding="utf-8")))


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)


def main() -> None:
    """Keep a copy as the command line says, and print its size."""
    parser = argparse.ArgumentParser(prog="python reports/keep.py", description=__doc__.partition("\n")[0])
    parser.add_argument("demo", type=Path, metavar="DEMO", help="the folder that `bias-toolkit demo` made")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder of the copy")
    parser.add_argument("study", metavar="STUDY", help="the name of the study whose report is kept")
    parser.add_argument("--explanations", type=int, default=1, metavar="N", help="how many explanations are kept")
    options = parser.parse_args()
    files = keep(options.demo, options.out, options.study, options.explanations)
    size = sum(file.stat().st_size for file in set(files))
    print(f"{len(set(files))} files, {size / 1e6:.1f} MB, in {options.out}")


if __name__ == "__main__":
    main()
