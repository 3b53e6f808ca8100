"""What the toolkit raises when its input is at fault."""


class InputError(ValueError):
    """Bad input. The message is one sentence that names the file or option and says what would be right.

    The command line prints the sentence and exits with code 2. From Python it is an ordinary ValueError.
    """


class UnreadableImageError(Exception):
    """One image that cannot be decoded. A run leaves such an image out and goes on, so this is not an `InputError`.

    `reason` is what `skipped.csv` says of the image. `transient` says whether it can pass without a change of the
    dataset: the file is missing, or may not be read. The next run tries such an image again.
    """

    def __init__(self, reason: str, transient: bool = False):
        super().__init__(reason)
        self.transient = transient


def first_line(error: Exception) -> str:
    """What an error says, in its first line and without its stop; its kind where it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
