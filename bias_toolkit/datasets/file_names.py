"""File names in a folder or in an annotation."""

import errno
import os
import posixpath
from collections.abc import Iterable

from bias_toolkit.foundation.errors import InputError

NOT_UTF8 = "its name is not valid UTF-8, which the tables cannot hold; rename it"


def escaped(name: str) -> str:
    r"""A name as UTF-8, with `\xe9` for a byte that is not UTF-8."""
    return name if is_utf8(name) else os.fsencode(name).decode("utf-8", "backslashreplace")


def is_utf8(name: str) -> bool:
    """Whether a name can be written as UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def from_system(name: str) -> str | None:
    """The form that the tables use for a name from the system; None if its bytes are not UTF-8.

    In a locale of another encoding, such as ASCII, Python reads valid UTF-8 as surrogates.
    """
    try:
        return name if is_utf8(name) else os.fsencode(name).decode("utf-8")
    except UnicodeError:
        return None


def to_system(name: str) -> str:
    """The form that Python opens in this locale for a name of the tables; the inverse of `from_system`."""
    # An ASCII name is the same in every locale.
    return name if name.isascii() else os.fsdecode(name.encode("utf-8", "surrogateescape"))


def check_path(path: os.PathLike) -> None:
    """Raise InputError if a path from the user is not UTF-8, is too long, or has a link that leads back to itself."""
    name = os.fspath(path)
    if from_system(name) is None:
        raise InputError(f"{escaped(name)} is a path that is not valid UTF-8: rename it, or name a link to it")
    try:
        os.stat(name)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(f"{escaped(name)} is a link that leads back to itself; name a file or folder") from error
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"{escaped(name[:100])}… is longer than a path can be; name a shorter one") from error


def check_inside(name: object, where: str) -> str:
    """A file name from an annotation, without `.`, `..` and double `/`, if it stays in the dataset's folder.

    The name is relative to that folder. Errors begin with `where`, a file and its line or entry. Raises InputError if
    it is not text, is empty, leads out of the folder, or is not a valid file name.
    """
    if not isinstance(name, str) or not name:
        raise InputError(f"{where}: a file name has to be a text, not {shortened(name)}")
    if "\0" in name or not is_utf8(name):
        raise InputError(f"{where}: {shortened(name)} is no name that a file can have")
    plain = posixpath.normpath(name.replace(os.sep, "/"))
    if os.path.isabs(name) or plain.split("/")[0] == "..":
        raise InputError(
            f"{where}: {shortened(name)} leads out of the dataset's folder; give the path of an image in the folder "
            "(a link in the folder may lead to images elsewhere)"
        )
    return plain


def shortened(value: object, most: int = 100) -> str:
    """A value as an error shows it: quoted if it is text, control characters escaped, cut to a limited length."""
    text = repr(value[: most + 1] if isinstance(value, str) else value)
    return text if len(text) <= most + 2 else f"{text[:most]}…"


def listed(names: Iterable[object], most: int = 200) -> str:
    """Names as an error lists them: separated by commas, control characters escaped, cut to a limited length."""
    text = ", ".join(repr(str(name)[:most])[1:-1] for name in names)
    return text if len(text) <= most else f"{text[:most]}…"
