"""One image's explanation for a user: its record, its folder, its answer in words, and its view in a notebook."""

import base64
import dataclasses
import functools
import json
import re
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bias_toolkit.explain.record import ExplanationRecord, Stability, first_fault
from bias_toolkit.explain.sentences import answer, text, two_digits
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_text
from bias_toolkit.foundation.untrusted import inside, read_regular
from bias_toolkit.foundation.words import percent, visible

if TYPE_CHECKING:
    from jinja2 import Environment

FILE, PAGE = "explanation.json", "index.html"
LARGEST_FILE = 16 * 2**20
_ADAPTER = TypeAdapter(ExplanationRecord)
_NUMBERS = re.compile(r"\[\n[\d\s.,eE+-]+\]")


@dataclass(frozen=True)
class Explanation(ExplanationRecord):
    """Why an image is unstable, or that it is stable: `ExplanationRecord` with its folder.

    `folder` has its page, its pictures and its JSON. Comparing two explanations ignores it.
    """

    folder: Path | None = field(default=None, compare=False)

    @property
    def answer(self) -> str:
        """The answer in a few sentences: whether the image is unstable, and its causes."""
        return answer(self)

    @property
    def text(self) -> str:
        """The whole answer as short readable text, of several lines."""
        return text(self)

    def _repr_html_(self) -> str:
        return notebook_html(self, self.folder, self.page)

    @property
    def page(self) -> Path | None:
        """The path of its page; None if the page was not written."""
        page = None if self.folder is None else self.folder / PAGE
        return page if page is not None and page.exists() else None

    def to_dict(self) -> dict[str, object]:
        """The record as JSON values, with the derived values is_stable, first_cause and answer."""
        return _ADAPTER.dump_python(self, mode="json") | {
            "is_stable": self.is_stable,
            "first_cause": self.first_cause,
            "answer": self.answer,
        }

    def save(self, folder: Path) -> None:
        """Write the explanation as JSON into a folder, which is made if it does not exist."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        # A list of numbers is one line. A line feed is never inside a string of JSON.
        text = _NUMBERS.sub(lambda found: "[" + " ".join(found[0][1:-1].split()) + "]", text)
        write_text(text + "\n", folder / FILE)


def load_explanation(folder: Path) -> Explanation:
    """Read what `Explanation.save` wrote.

    InputError if explanation.json is missing, is no regular file, is larger than 16 MiB, or holds no whole record.
    """
    path = folder / FILE
    again = "run `bias-toolkit explain` again"
    try:
        record = _ADAPTER.validate_json(read_regular(path, LARGEST_FILE), strict=True)
    except InputError as error:
        raise InputError(f"{str(error).rstrip('.')}; {again}.") from error
    except ValidationError as error:
        raise InputError(f"{path} holds no whole explanation ({first_fault(error)}); {again}.") from error
    values = {each.name: getattr(record, each.name) for each in dataclasses.fields(record)}
    return Explanation(**values, folder=folder)


@functools.cache
def _environment() -> "Environment":
    """The template, which is compiled once."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("bias_toolkit.explain"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if isinstance(value, str) else value,
        trim_blocks=True,
    )


def notebook_html(explanation: ExplanationRecord, folder: Path | None = None, page: Path | None = None) -> str:
    """HTML that needs no other file: it contains the pictures that `folder` has, and `page`, a path, as text."""
    lines = []
    for line in explanation.lines:
        measured = ("", "") if line.after is None else _measured(line.after)
        lines.append((line, *measured, _data_address(folder, line.picture)))
    return (
        _environment()
        .get_template("notebook.html")
        .render(
            explanation=explanation,
            answer=answer(explanation),
            page=page,
            picture=_data_address(folder, explanation.picture),
            before=_measured(explanation.before),
            controls=None if explanation.controls is None else _measured(explanation.controls),
            lines=lines,
        )
    )


def _measured(stability: Stability) -> tuple[str, ...]:
    measures = (stability.p_top1_change, percent), (stability.mac, two_digits)
    return tuple(each.text(form) for each, form in measures)


def _data_address(folder: Path | None, picture: str | None) -> str | None:
    """The picture as an address that contains it; None if the folder has no such picture."""
    if folder is None or picture is None:
        return None
    with suppress(InputError):
        content = read_regular(inside(folder, picture), LARGEST_FILE)
        return f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return None
