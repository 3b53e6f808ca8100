"""Every intervention on one image, in the same random trials.

A trial is one of the 160 one-pixel steps of the sweeps within 4 pixels, a factor of brightness and one of contrast, all
drawn at random. So P(top-1 change) is a share of independent trials, and its interval can be exact.
These are what varies at random: an interval is over trials. The controls are the trials without an intervention. An
intervention itself is the same in every trial, but for the replaced object: that is drawn from three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bias_toolkit.explain.causes import Trial, stability_of
from bias_toolkit.explain.context import Context
from bias_toolkit.explain.framing import TrainingObjects
from bias_toolkit.explain.interventions import BLURS, BRIGHTNESS, CONTRAST, reframings, toned, with_object_of
from bias_toolkit.explain.neighbourhood import RADIUS, Neighbourhood, sweeps
from bias_toolkit.explain.record import Cause, CauseLine, Framing, Verdict
from bias_toolkit.explain.request import Subject
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.resampling import named_generator
from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import Picture, Views, Window, sweep_picture, take_picture
from bias_toolkit.invariance.remedies.blur import blurred
from bias_toolkit.invariance.transforms import shifts

if TYPE_CHECKING:
    from bias_toolkit.models import Model

TRIALS = 180
"""With this many, 0 changes are at most 2% (Clopper & Pearson). They take as many views as 40 sweeps."""
USUAL_FRAMING = {
    Cause.OFF_CENTRE: "Its position is like that of 90% of the training objects, so it is not off centre.",
    Cause.SCALE: "Its scale is like that of 90% of the training objects, so it is neither too small nor too large.",
    Cause.FRAMING: "Its position and its scale are both like those of 90% of the training objects.",
}
ENLARGED = "The view shows the image enlarged, so it has no detail as fine as its pixels, and nothing is blurred."
CONTENT_NEIGHBOURS = 3
CENTRE = np.zeros((1, 2), dtype=int)
# Image pixels per view pixel are computed in floating point.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Draws:
    """What is drawn at random for each of `TRIALS` trials, arrays (trials,); the same for all interventions."""

    sweep: np.ndarray  # the row of `sweeps()`
    step: np.ndarray  # of this sweep, from 0
    brightness: np.ndarray  # factors, uniform in their logarithm
    contrast: np.ndarray
    content: np.ndarray  # which of several other objects is shown, in [0, 1)


def draw_trials(seed: int) -> Draws:
    """The draws, which are the same for every image, wherever its file is."""
    generator = named_generator(seed, "explain")
    factors = [np.exp(generator.uniform(*np.log(limits), TRIALS)) for limits in (BRIGHTNESS, CONTRAST)]
    sweep, step = (generator.integers(0, n, TRIALS) for n in (len(sweeps()), 2 * RADIUS))
    return Draws(sweep, step, *factors, generator.random(TRIALS))


@dataclass(frozen=True)
class Trials:
    """Runs the interventions on one image, which the model sees through `window`.

    `picture` is the image around the centre view, with a margin of at least 4 pixels. `save` keeps the centre view
    under each intervention by a name, and gives its path.
    """

    context: Context
    subject: Subject
    window: Window
    picture: Picture
    save: Callable[[str, np.ndarray], str]

    @cached_property
    def _draws(self) -> Draws:
        return draw_trials(self.context.seed)

    @cached_property
    def controls(self) -> Neighbourhood:
        """The outputs in the trials without an intervention."""
        return self._measure([self.picture])[0]

    def run(
        self, framing: Framing | None, framing_reason: str, training: TrainingObjects | None
    ) -> tuple[list[Trial], list[CauseLine]]:
        """A trial for every possible intervention, and a line for each candidate cause that has none."""
        if framing is None:
            results = [
                CauseLine(cause, "the object reframed", Verdict.NOT_TRIED, framing_reason)
                for cause in (Cause.OFF_CENTRE, Cause.SCALE, Cause.FRAMING)
            ]
        else:
            results = list(self._reframed(framing, training))
        results += [self._content(), self._undersampling(), *self._fine_detail()]
        trials = [each for each in results if isinstance(each, Trial)]
        return trials, [each for each in results if isinstance(each, CauseLine)]

    def _reframed(self, framing: Framing, training: TrainingObjects) -> Iterator[Trial | CauseLine]:
        is_usual = {
            Cause.OFF_CENTRE: framing.usual_position,
            Cause.SCALE: framing.usual_scale,
            Cause.FRAMING: framing.usual_position and framing.usual_scale,
        }
        for cause, (window, words) in reframings(framing.box, self.window, training).items():
            if is_usual[cause]:
                yield CauseLine(cause, "not reframed", Verdict.USUAL, USUAL_FRAMING[cause])
            else:
                picture = take_picture(self.subject.pixels, window, RADIUS, self.picture.fill)
                yield self._trial(cause, words, [picture])

    def _content(self) -> Trial | CauseLine:
        subject, context = self.subject, self.context
        swap = subject.box is not None
        shown: list[Picture] = []
        for neighbour_id in subject.neighbours["neighbour_id"]:
            if len(shown) == CONTENT_NEIGHBOURS:
                break
            box = context.training_box(neighbour_id)
            if swap and box is None:
                continue
            try:
                pixels = context.read_train(neighbour_id)
            except UnreadableImageError:
                continue
            if swap:
                pixels = with_object_of(subject.pixels, subject.box, pixels, box)
            side = context.model.input_size
            shown.append(sweep_picture(pixels, context.sweep, side, subject.image_id, self.picture.margin))
        if not shown:
            reason = (
                "None of its nearest training images has an object box." if swap else "No training image could be read."
            )
            return CauseLine(Cause.CONTENT, "the object replaced", Verdict.NOT_TRIED, reason)
        n = len(shown)
        nearest = "its nearest training image" if n == 1 else f"one of its {n} nearest training images at random"
        replaced = f"its object replaced by that of {nearest}, in the same place"
        words = replaced if swap else f"{nearest} shown whole in its place"
        return self._trial(Cause.CONTENT, words, shown, mixed=not swap)

    def _undersampling(self) -> Trial | CauseLine:
        try:
            model, words = self.context.low_passed
        except InputError as error:
            return CauseLine(Cause.UNDERSAMPLING, "low-pass filters in the network", Verdict.NOT_TRIED, str(error))
        return self._trial(Cause.UNDERSAMPLING, words, [self.picture], model=model)

    def _fine_detail(self) -> Iterator[Trial | CauseLine]:
        if max(self.window.step_x, self.window.step_y) < 1 - ROUNDING:
            yield CauseLine(Cause.FINE_DETAIL, "not blurred", Verdict.ENLARGED, ENLARGED)
            return
        for deviation in BLURS:
            words = f"the image blurred by a Gaussian of standard deviation {count(deviation, 'pixel')}"
            shown = [blurred(self.picture, deviation)]
            yield self._trial(Cause.FINE_DETAIL, words, shown, name=f"fine_detail-{deviation:g}")

    def _trial(
        self,
        cause: Cause,
        words: str,
        shown: Sequence[Picture],
        *,
        model: Model | None = None,
        mixed: bool = False,
        name: str | None = None,
    ) -> Trial:
        """Measure an intervention; where it gives several pictures, each trial shows one of them at random.

        What is shown in place of the object has no right class.
        """
        outputs, made_up = self._measure(shown, model)
        right = None if cause == Cause.CONTENT else self.subject.label_index
        return Trial(
            cause=cause,
            words=words,
            outputs=outputs,
            stability=stability_of(outputs, self.context.names, right, self.context.seed),
            made_up=made_up,
            fill=shown[0].fill if made_up else None,
            picture=self.save(f"cause-{name or cause}", shown[0].views(CENTRE).pixels[0]),
            mixed=mixed,
        )

    def _measure(self, shown: Sequence[Picture], model: Model | None = None) -> tuple[Neighbourhood, float]:
        """The outputs in every trial, and the share of made-up pixels."""
        draws, around = self._draws, shifts(RADIUS)
        chosen = (draws.content * len(shown)).astype(int)
        views: list[Views] = [shown[0].views(CENTRE)]
        for trial in range(TRIALS):
            step = draws.step[trial]
            toned_picture = toned(shown[chosen[trial]], draws.brightness[trial], draws.contrast[trial])
            views.append(toned_picture.views(around[sweeps()[draws.sweep[trial]]][step : step + 2]))
        pixels, outside = (np.concatenate([getattr(each, name) for each in views]) for name in ("pixels", "outside"))
        probabilities, _ = self.context.evaluate(Views(pixels, outside, shown[0].fill), model)
        paths = np.arange(len(probabilities) - 1).reshape(TRIALS, -1)
        return Neighbourhood(probabilities[1:], paths, probabilities[0]), float(outside[1:].mean())
