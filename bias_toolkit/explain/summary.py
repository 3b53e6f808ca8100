"""A summary of several explanations: for each cause, the number of unstable images that have it."""

from collections.abc import Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from bias_toolkit.analysis import mean_interval
from bias_toolkit.explain.record import INTERVENTIONS, Cause, CauseLine, Estimate, ExplanationRecord, Verdict
from bias_toolkit.foundation.intervals import SHARE
from bias_toolkit.foundation.resampling import CONFIDENCE
from bias_toolkit.foundation.words import count, known


@dataclass(frozen=True)
class CauseShare:
    """One candidate cause among the unstable images, as far as interventions show it.

    It is the first cause of `n_first` images and a cause of `n_cause`. It was removed from `n_tried` images; those that
    cannot have it are not among these: usual framing, no fine detail in an enlarged image. On `n_not_calm` of them
    P(top-1 change) falls as it does for a cause, but the response does not calm: the verdict NOT_CALM. On `n_wrong` it
    falls only because the model then gives a wrong or an unrelated answer: WRONG and ELSEWHERE. `after` is the mean
    P(top-1 change) after its removal. `beyond` is the mean of how much lower that is than after changes that remove no
    cause, image by image. Both have the interval over images; None for fewer than 5.
    """

    cause: Cause
    n_first: int
    n_cause: int
    n_tried: int
    n_not_calm: int
    n_wrong: int
    after: Estimate
    beyond: Estimate

    @property
    def name(self) -> str:
        """The cause in words."""
        return self.cause.text


@dataclass(frozen=True)
class Summary:
    """How many of the least stable images are unstable, how many of these have no cause, and how many have each cause.

    `before` and `controls` are the mean P(top-1 change) of the unstable images as they are, and after changes that
    remove no cause. The most frequent first cause comes first. `n_like_margin` of the `n_compared` unstable images do
    not clearly change more often than other test images with their margin.

    The intervals of `CauseShare` are a family, of which readers pick one: each has the confidence 1 − 0.05 / m for m
    causes (Bonferroni), so that all of them hold together in 95%.
    """

    n_images: int
    n_unstable: int
    n_unexplained: int
    n_compared: int
    n_like_margin: int
    before: Estimate
    controls: Estimate
    shares: list[CauseShare]

    @property
    def first(self) -> list[CauseShare]:
        """The causes that are first most often, if any is."""
        most = max((share.n_first for share in self.shares), default=0)
        return [share for share in self.shares if most and share.n_first == most]

    @property
    def images(self) -> str:
        """What was explained: `20 least stable images`."""
        return "least stable image" if self.n_images == 1 else f"{count(self.n_images)} least stable images"

    @property
    def sentence(self) -> str:
        """`The 20 least stable images were explained; 18 are unstable.`"""
        n = self.n_unstable
        if self.n_images == 1:
            return f"The least stable image was explained; it is {'' if n else 'not '}unstable."
        unstable = {0: "none is", 1: "1 is", self.n_images: "all are"}.get(n, f"{count(n)} are")
        return f"The {self.images} were explained; {unstable} unstable."

    @property
    def margin_sentence(self) -> str:
        """How many of the unstable images change as often as others of their margin; empty if none was compared."""
        if not self.n_compared:
            return ""
        do = "does" if self.n_like_margin == 1 else "do"
        return (
            f"{count(self.n_like_margin)} of {count(self.n_compared, 'unstable image')} {do} not clearly change more "
            "often than other test images of the same margin (an association)."
        )

    @property
    def text(self) -> str:
        """The summary as short readable text, of several lines."""
        if not self.n_unstable:
            return self.sentence
        lines = [
            self.sentence,
            f"The mean P(top-1 change) of the unstable ones is {self.before.text()}.",
            f"After changes that remove no cause it is {self.controls.text()}.",
            "First cause:",
        ]
        for share in self.shares:
            of = f"a cause of {share.n_cause}, removed from {share.n_tried}"
            lines.append(f"  {share.n_first:3d}  {share.name} ({of})")
        lines.append(f"  {self.n_unexplained:3d}  no cause was found")
        return "\n".join([*lines, *filter(None, [self.margin_sentence])])


def summarise(explanations: Sequence[ExplanationRecord]) -> Summary:
    """Summarise the explanations of the least stable images, which are no sample of the test set."""
    unstable = [explanation for explanation in explanations if not explanation.is_stable]
    shares = [_share(cause, unstable) for cause in INTERVENTIONS]
    compared = [line.verdict for each in unstable for line in each.lines if line.expected is not None]
    return Summary(
        n_images=len(explanations),
        n_unstable=len(unstable),
        n_unexplained=sum(explanation.first_cause is None for explanation in unstable),
        n_compared=len(compared),
        n_like_margin=compared.count(Verdict.LIKE_MARGIN),
        before=_mean([explanation.before.p_top1_change.value for explanation in unstable]),
        controls=_mean([each.controls.value for each in unstable if each.controls and each.controls.value is not None]),
        shares=sorted(shares, key=lambda share: (-share.n_first, -share.n_cause, -share.n_tried)),
    )


def _share(cause: Cause, unstable: Sequence[ExplanationRecord]) -> CauseShare:
    """The share of one cause; an image on which it was removed at several strengths counts once, with their mean."""
    tried = [lines for explanation in unstable if (lines := _tried(explanation, cause))]
    verdicts = [_best(lines).verdict for lines in tried]
    after = [float(np.mean([line.after.p_top1_change.value for line in lines])) for lines in tried]
    controls = [explanation.controls for explanation in unstable if _tried(explanation, cause)]
    pairs = zip(controls, after, strict=True)
    beyond = [control.value - left for control, left in pairs if control is not None and control.value is not None]
    confidence = 1 - (1 - CONFIDENCE) / len(INTERVENTIONS)
    return CauseShare(
        cause=cause,
        n_first=sum(explanation.first_cause == cause for explanation in unstable),
        n_cause=verdicts.count(Verdict.CAUSE),
        n_tried=len(tried),
        n_not_calm=verdicts.count(Verdict.NOT_CALM),
        n_wrong=verdicts.count(Verdict.WRONG) + verdicts.count(Verdict.ELSEWHERE),
        after=_mean(after, confidence),
        beyond=_mean(beyond, confidence),
    )


def _tried(explanation: ExplanationRecord, cause: Cause) -> list[CauseLine]:
    """The lines on which the cause was removed from an image that can have it."""
    lines = [line for line in explanation.lines if line.cause == cause and line.after is not None]
    return [line for line in lines if line.verdict not in (Verdict.USUAL, Verdict.ENLARGED)]


def _best(lines: Sequence[CauseLine]) -> CauseLine:
    """The line whose verdict counts: a cause rather than no cause, then the one with the lowest P(top-1 change)."""
    return min(lines, key=lambda line: (line.verdict != Verdict.CAUSE, line.after.p_top1_change.value))


def _mean(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    ends = mean_interval(values, confidence=confidence, limits=SHARE)[:3]
    return Estimate(*(end if known(end) else None for end in ends))
