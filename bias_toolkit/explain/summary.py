"""A summary of several explanations: for each cause, the number of unstable images that have it."""

from collections.abc import Sequence

from pydantic.dataclasses import dataclass

from bias_toolkit.analysis import mean_interval
from bias_toolkit.explain.record import Cause, CauseLine, Estimate, ExplanationRecord, Verdict
from bias_toolkit.foundation.words import count


@dataclass(frozen=True)
class CauseShare:
    """One cause among the unstable images.

    It is the first cause of `n_first` images and a cause of `n_cause`. Its removal was measured on `n_tried`; for the
    coin toss, the margin was compared on these. On `n_wrong` of them its removal stops the changes only because the
    model then gives a wrong or an unrelated answer: the verdicts WRONG and ELSEWHERE. `after` is the mean P(top-1
    change) after its removal, with the interval over images; for the coin toss, that of images with the same margin.
    """

    cause: Cause
    n_first: int
    n_cause: int
    n_tried: int
    n_wrong: int
    after: Estimate

    @property
    def name(self) -> str:
        """The cause in words."""
        return self.cause.text


@dataclass(frozen=True)
class Summary:
    """How many of the explained images are unstable, how many of these have no cause, and how many have each cause.

    `before` and `controls` are the mean P(top-1 change) of the unstable images as they are, and after changes that
    remove no cause. The most frequent first cause comes first.
    """

    n_images: int
    n_unstable: int
    n_unexplained: int
    before: Estimate
    controls: Estimate
    shares: list[CauseShare]

    @property
    def text(self) -> str:
        """The summary as short readable text, of several lines."""
        if not self.n_unstable:
            return f"Of {count(self.n_images, 'image')}, none is unstable."
        are = "is" if self.n_unstable == 1 else "are"
        changes = f"{self.before.text()} on average, {self.controls.text()} after changes that remove nothing"
        images = f"Of {count(self.n_images, 'image')}, {self.n_unstable} {are} unstable"
        lines = [f"{images}: P(top-1 change) {changes}. What causes it first:"]
        for share in self.shares:
            wrong = f"; on {share.n_wrong} only by a wrong or unrelated answer" if share.n_wrong else ""
            tried = f"a cause of {share.n_cause}, tried on {share.n_tried}{wrong}"
            lines.append(f"  {share.n_first:3d}  {share.name} ({tried})")
        return "\n".join([*lines, f"  {self.n_unexplained:3d}  nothing that was tried"])


def summarise(explanations: Sequence[ExplanationRecord]) -> Summary:
    """Summarise explanations. The images were picked by the user, so they are not a sample of the test set."""
    unstable = [explanation for explanation in explanations if not explanation.is_stable]
    shares = [_share(cause, unstable) for cause in Cause]
    return Summary(
        n_images=len(explanations),
        n_unstable=len(unstable),
        n_unexplained=sum(explanation.first_cause is None for explanation in unstable),
        before=_mean([explanation.before.p_top1_change.value for explanation in unstable]),
        controls=_mean([each.controls.value for each in unstable if each.controls and each.controls.value is not None]),
        shares=sorted(shares, key=lambda share: (-share.n_first, -share.n_cause)),
    )


def _share(cause: Cause, unstable: Sequence[ExplanationRecord]) -> CauseShare:
    # A cause that was removed at several strengths counts once per image, at its most effective strength.
    lines = [_best([line for line in explanation.lines if line.cause == cause]) for explanation in unstable]
    measured = [line for line in lines if line is not None and _remaining(line) is not None]
    return CauseShare(
        cause=cause,
        n_first=sum(explanation.first_cause == cause for explanation in unstable),
        n_cause=sum(line.verdict == Verdict.CAUSE for line in measured),
        n_tried=len(measured),
        n_wrong=sum(line.verdict in (Verdict.WRONG, Verdict.ELSEWHERE) for line in measured),
        after=_mean([_remaining(line) for line in measured]),
    )


def _best(lines: Sequence[CauseLine]) -> CauseLine | None:
    """The line that counts: a cause rather than no cause, then the one with the lowest P(top-1 change)."""
    measured = [line for line in lines if _remaining(line) is not None]
    return min(measured, key=lambda line: (line.verdict != Verdict.CAUSE, _remaining(line)), default=None)


def _remaining(line: CauseLine) -> float | None:
    if line.after is not None:
        return line.after.p_top1_change.value
    return None if line.expected is None else line.expected.value


def _mean(values: Sequence[float]) -> Estimate:
    if len(values) < 2:
        return Estimate(*values or [None])
    return Estimate(*mean_interval(values)[:3])
