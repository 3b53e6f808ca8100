"""Numbers and names in a form for readers."""

import inspect
import json
import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Real

Form = Callable[[Real | None], str]
"""A function that formats a value for readers."""

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
# A bootstrap mean of zeros may be 1e-18, which is shown as 0.
SMALLEST_SHARE = 5e-7
GAP = "\N{NO-BREAK SPACE}"
MOST_DIGITS = 9
_UNSEEN_RANGES = (
    # Control characters except tabs and line feeds, surrogates, and noncharacters.
    "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    # Marks that change the direction of text, and ends of lines and paragraphs.
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"
    # Joiners, fillers, selectors and others that have no width.
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_UNSEEN = re.compile(f"[{_UNSEEN_RANGES}]")
_UNSEEN_IN_NAMES = re.compile(f"[\t\n{_UNSEEN_RANGES}]")


def visible(text: str) -> str:
    r"""A text with an escape such as `\x1b` for each character that acts on the text instead of being visible.

    Such characters control a terminal, change the direction of the text after them, have no width, or are not allowed
    in XML and UTF-8. Line feeds and tabs are kept, as the program writes them. `visible_name`, for names of files and
    classes, escapes them too.
    """
    return _UNSEEN.sub(_escape, text)


def visible_name(name: str) -> str:
    r"""A name from a dataset or a study, on one line: as `visible`, with `\n` and `\t` for line feeds and tabs."""
    return _UNSEEN_IN_NAMES.sub(_escape, name)


def visible_json(text: str) -> str:
    """JSON text that means the same, and in which the characters that `visible` escapes are escaped as JSON does."""
    return _UNSEEN.sub(lambda match: json.dumps(match[0])[1:-1], text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def known(value: Real | None) -> bool:
    """Whether a value is known: neither None nor NaN, nor pandas' NA."""
    try:
        return value is not None and math.isfinite(value)
    except TypeError:
        return False


def number(value: Real | None, digits: int = 2) -> str:
    """A decimal number with `digits` digits after the point, a true minus sign and no negative zero."""
    if not known(value):
        return MISSING
    text = f"{abs(value):,.{digits}f}"
    negative = value < 0 and any(digit in text for digit in "123456789")
    return f"{MINUS}{text}" if negative else text


def significant(value: Real | None, digits: int = 3) -> str:
    """A number of unknown magnitude, with `digits` significant digits."""
    if not known(value):
        return MISSING
    if value == 0:
        return "0"
    mantissa, exponent = f"{abs(value):.{digits - 1}e}".split("e")
    if -4 <= int(exponent) < 6:
        return number(value, max(digits - 1 - int(exponent), 0))
    return f"{MINUS if value < 0 else ''}{mantissa}e{int(exponent)}".replace("e-", f"e{MINUS}")


def percent(value: Real | None, digits: int = 1) -> str:
    """A share as a percentage; a share too small for `digits` gets as many digits as it needs to differ from 0."""
    if not known(value):
        return MISSING
    if abs(value) < SMALLEST_SHARE:
        return "0%"
    while 0 < abs(value) * 100 < 0.5 * 10**-digits and digits < 4:
        digits += 1
    return f"{number(value * 100, digits)}%"


def below_all(share: float) -> str:
    """A share in percent, with as many digits as it needs; it is 100% only if the share is exactly 1."""
    digits = 0
    while share < 1 and digits < 4 and round(100 * share, digits) >= 100:
        digits += 1
    return percent(math.floor(share * 10**6) / 10**6, digits)


def count(value: Real | None, noun: str = "", plural: str | None = None) -> str:
    """A whole number with its noun in singular or plural: `1 image`, `1,000 images`."""
    if not known(value):
        return MISSING if not noun else f"{MISSING} {plural or noun + 's'}"
    text = f"{int(value):,}"
    if not noun:
        return text
    return f"{text} {noun if int(value) == 1 else plural or noun + 's'}"


def example(names: Sequence[str]) -> str:
    """After a number of files, one of them in brackets: `(a.png)` if it is the only one, else `(for example a.png)`."""
    return f"({'for example ' * (len(names) > 1)}{visible_name(names[0])})"


def p_value(value: Real | None) -> str:
    """`p = 0.034`, or `p < 0.001` if it is smaller, with spaces at which a line does not break."""
    if not known(value):
        return "p not computed"
    if value < 0.001:
        return f"p{GAP}<{GAP}0.001"
    return f"p{GAP}={GAP}{value:.{3 if value < 0.0995 else 2}f}"


def telling_apart(low: Real | None, high: Real | None, form: Form = number, nothing: Real | None = None) -> Form:
    """`form`, with as many more digits as it takes to see what an interval shows.

    Its two ends are written differently. If it leaves out 0, or `nothing`, no end is written as that value. A form
    without the option `digits` is returned as it is.
    """
    option = inspect.signature(form).parameters.get("digits")
    if option is None or not (known(low) and known(high)) or low == high:
        return form
    left_out = [each for each in (0.0, nothing) if known(each) and not low <= each <= high]
    finer = [form, *(partial(form, digits=option.default + more) for more in range(1, MOST_DIGITS))]
    apart = [each for each in finer if each(low) != each(high)]
    clear = (each for each in apart if not {each(low), each(high)} & {each(value) for value in left_out})
    return next(clear, apart[0] if apart else form)


def interval(low: Real | None, high: Real | None, form: Form = number, nothing: Real | None = None) -> str:
    """`0.39 to 0.43`, both ends written by `form`, with more digits if `telling_apart` asks for them."""
    if not (known(low) and known(high)):
        return "no interval"
    form = telling_apart(low, high, form, nothing)
    return f"{form(low)} to {form(high)}"


def estimate(value: Real | None, low: Real | None, high: Real | None, form: Form = number) -> str:
    """`0.41 (95% interval 0.39 to 0.43)`."""
    if not known(value):
        return "not defined"
    if not (known(low) and known(high)):
        return form(value)
    form = telling_apart(low, high, form)
    return f"{form(value)} (95% interval {interval(low, high, form)})"


def seconds(value: Real | None) -> str:
    """A duration: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`."""
    if not known(value):
        return MISSING
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
