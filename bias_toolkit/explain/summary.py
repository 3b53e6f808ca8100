"""A summary of several explanations: for each cause, the number of unstable images that have it."""

from collections.abc import Sequence

from pydantic.dataclasses import dataclass

from bias_toolkit.explain.record import INTERVENTIONS, Cause, CauseLine, ExplanationRecord, Verdict
from bias_toolkit.foundation.words import count


@dataclass(frozen=True)
class CauseShare:
    """One candidate cause among the unstable images, as far as interventions show it.

    It is a cause of `n_cause` images, and of `n_first` of these the only one, or the strongest. It was removed from
    `n_tried` images; those that cannot have it are not among these: usual framing, no fine detail in an enlarged image.
    On `n_not_calm` of them P(top-1 change) falls as it does for a cause, but the response does not calm: the verdict
    NOT_CALM. On `n_wrong` it falls only because the model then gives a wrong or an unrelated answer: WRONG and
    ELSEWHERE.
    """

    cause: Cause
    n_first: int
    n_cause: int
    n_tried: int
    n_not_calm: int
    n_wrong: int

    @property
    def name(self) -> str:
        """The cause in words."""
        return self.cause.text


@dataclass(frozen=True)
class Summary:
    """How many of the most unstable images have no cause, and how many have each cause.

    These images were chosen because they are the most unstable, so there is no population that an interval or a mean
    would be of: all numbers are counts. The most frequent cause comes first. `n_like_margin` of the `n_compared`
    unstable images were not found to change more often than other test images with their margin.
    """

    n_images: int
    n_unstable: int
    n_unexplained: int
    n_compared: int
    n_like_margin: int
    shares: list[CauseShare]

    @property
    def most(self) -> list[CauseShare]:
        """The causes of the most images, if any is one."""
        most = max((share.n_cause for share in self.shares), default=0)
        return [share for share in self.shares if most and share.n_cause == most]

    @property
    def images(self) -> str:
        """`the 20 most unstable test images, chosen for that`."""
        images = (
            "most unstable test image" if self.n_images == 1 else f"{count(self.n_images)} most unstable test images"
        )
        return f"the {images}, chosen for that"

    @property
    def sentence(self) -> str:
        """`Of the 20 most unstable test images, chosen for that, 18 are unstable over steps in all directions.`"""
        n = self.n_unstable
        over = "unstable over steps in all directions"
        if self.n_images == 1:
            return f"{self.images[0].upper()}{self.images[1:]}, is {'' if n else 'not '}{over}."
        unstable = {0: "none is", 1: "1 is", self.n_images: "all are"}.get(n, f"{count(n)} are")
        return f"Of {self.images}, {unstable} {over}."

    @property
    def margin_sentence(self) -> str:
        """How many of the unstable images change as often as others of their margin; empty if none was compared."""
        if not self.n_compared:
            return ""
        return (
            f"That the image changes more often than other test images of the same margin was not found for "
            f"{count(self.n_like_margin)} of {count(self.n_compared, 'unstable image')} (an association)."
        )

    @property
    def text(self) -> str:
        """The summary as short readable text, of several lines."""
        if not self.n_unstable:
            return self.sentence
        lines = [self.sentence, "Causes of these, of which an image can have several:"]
        lines += [f"  {share.n_cause:3d}  {share.name} (removed from {share.n_tried})" for share in self.shares]
        lines.append(f"  {self.n_unexplained:3d}  no cause was found")
        return "\n".join([*lines, *filter(None, [self.margin_sentence])])


def summarise(explanations: Sequence[ExplanationRecord]) -> Summary:
    """Summarise the explanations of the most unstable images, which are no sample of the test set."""
    unstable = [explanation for explanation in explanations if not explanation.is_stable]
    shares = [_share(cause, unstable) for cause in INTERVENTIONS]
    compared = [line.verdict for each in unstable for line in each.lines if line.expected is not None]
    return Summary(
        n_images=len(explanations),
        n_unstable=len(unstable),
        n_unexplained=sum(not explanation.causes for explanation in unstable),
        n_compared=len(compared),
        n_like_margin=compared.count(Verdict.LIKE_MARGIN),
        shares=sorted(shares, key=lambda share: (-share.n_cause, -share.n_first, -share.n_tried)),
    )


def _share(cause: Cause, unstable: Sequence[ExplanationRecord]) -> CauseShare:
    """The share of one cause; an image on which it was removed at several strengths counts once."""
    tried = [lines for explanation in unstable if (lines := _tried(explanation, cause))]
    verdicts = [_best(lines).verdict for lines in tried]
    return CauseShare(
        cause=cause,
        n_first=sum(explanation.first_cause == cause for explanation in unstable),
        n_cause=verdicts.count(Verdict.CAUSE),
        n_tried=len(tried),
        n_not_calm=verdicts.count(Verdict.NOT_CALM),
        n_wrong=verdicts.count(Verdict.WRONG) + verdicts.count(Verdict.ELSEWHERE),
    )


def _tried(explanation: ExplanationRecord, cause: Cause) -> list[CauseLine]:
    return [line for line in explanation.lines if line.cause == cause and line.after is not None]


def _best(lines: Sequence[CauseLine]) -> CauseLine:
    """The line whose verdict counts: a cause rather than no cause, then the one with the lowest P(top-1 change)."""
    return min(lines, key=lambda line: (line.verdict != Verdict.CAUSE, line.after.p_top1_change.value))
