"""What the toolkit raises when its input is at fault."""


class InputError(ValueError):
    """Bad input, told in one sentence that names the file or option and says what would be right.

    The command line prints the sentence and exits with code 2; from Python it is an ordinary ValueError.
    """


class UnreadableImageError(Exception):
    """One image that cannot be decoded; the message is the reason that `skipped.csv` gives.

    A run leaves such an image out and goes on, which is why this is not an `InputError`.
    """
