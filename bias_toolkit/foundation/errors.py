"""Exceptions for faulty input."""


class InputError(ValueError):
    """Bad input. The message is one sentence that names the file or option and says what is right.

    The command line prints the sentence and exits with code 2. In Python, it is an ordinary ValueError.
    """


class UnreadableImageError(Exception):
    """One image that cannot be decoded. A run leaves it out and continues, so this is not an `InputError`.

    `reason` is the text for the image in `skipped.csv`. `transient` says whether the fault can pass without a change of
    the dataset, because the file is missing or access to it is denied. The next run tries such an image again.
    """

    def __init__(self, reason: str, transient: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient


def first_line(error: Exception) -> str:
    """The first line of an error's message, without the full stop; its type if the message is empty."""
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
