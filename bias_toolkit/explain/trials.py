"""Every intervention on one image: the same steps are measured again, with one candidate cause removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bias_toolkit.explain.causes import Trial, stability_of
from bias_toolkit.explain.context import Context
from bias_toolkit.explain.framing import TrainingObjects
from bias_toolkit.explain.interventions import BLURS, blurred, controls, reframings, with_object_of
from bias_toolkit.explain.neighbourhood import RADIUS, Neighbourhood, shifts
from bias_toolkit.explain.record import Cause, CauseLine, Framing, Verdict
from bias_toolkit.explain.request import Subject
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import Picture, Views, Window, sweep_picture, take_picture

if TYPE_CHECKING:
    from bias_toolkit.models import Model

CONTENT_NEIGHBOURS = 3
CENTRE = np.zeros((1, 2), dtype=int)
# Image pixels per view pixel are computed in floating point.
ROUNDING = 1e-6


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

    def controls(self) -> list[Neighbourhood]:
        """The outputs under each change that removes no cause."""
        changed = controls(self.picture)
        return [Neighbourhood(self.context.evaluate(each.views(shifts(RADIUS)))[0]) for each in changed]

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

    def _reframed(self, framing: Framing, training: TrainingObjects) -> Iterator[Trial]:
        is_usual = {
            Cause.OFF_CENTRE: framing.usual_position,
            Cause.SCALE: framing.usual_scale,
            Cause.FRAMING: framing.usual_position and framing.usual_scale,
        }
        for cause, (window, words) in reframings(framing.box, self.window, training).items():
            picture = take_picture(self.subject.pixels, window, RADIUS, self.picture.fill)
            yield self._trial(cause, words, [picture], excluded=Verdict.USUAL if is_usual[cause] else None)

    def _content(self) -> Trial | CauseLine:
        subject, context = self.subject, self.context
        swap = subject.box is not None
        shown: list[tuple[Picture, int | None]] = []
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
            picture = sweep_picture(pixels, context.sweep, side, subject.image_id, self.picture.margin)
            shown.append((picture, context.training_class(neighbour_id)))
        if not shown:
            reason = (
                "None of its nearest training images has an object box." if swap else "No training image could be read."
            )
            return CauseLine(Cause.CONTENT, "the object replaced", Verdict.NOT_TRIED, reason)
        n = len(shown)
        nearest = "its nearest training image" if n == 1 else f"each of its {n} nearest training images"
        replaced = f"its object replaced by that of {nearest}, in the same place"
        words = replaced if swap else f"{nearest} shown whole in its place"
        pictures, classes = zip(*shown, strict=True)
        return self._trial(Cause.CONTENT, words, pictures, classes=classes, mixed=not swap)

    def _undersampling(self) -> Trial | CauseLine:
        try:
            model, words = self.context.low_passed
        except InputError as error:
            return CauseLine(Cause.UNDERSAMPLING, "low-pass filters in the network", Verdict.NOT_TRIED, str(error))
        return self._trial(Cause.UNDERSAMPLING, words, [self.picture], model=model)

    def _fine_detail(self) -> Iterator[Trial]:
        is_enlarged = max(self.window.step_x, self.window.step_y) < 1 - ROUNDING
        excluded = Verdict.ENLARGED if is_enlarged else None
        for deviation in BLURS:
            words = f"the image blurred by a Gaussian of standard deviation {count(deviation, 'pixel')}"
            shown = [blurred(self.picture, deviation)]
            yield self._trial(Cause.FINE_DETAIL, words, shown, excluded=excluded, name=f"fine_detail-{deviation:g}")

    def _trial(
        self,
        cause: Cause,
        words: str,
        shown: Sequence[Picture],
        *,
        classes: Sequence[int | None] | None = None,
        model: Model | None = None,
        excluded: Verdict | None = None,
        mixed: bool = False,
        name: str | None = None,
    ) -> Trial:
        """Measure the steps around the centre view of each picture; by default, their right class is the image's."""
        context = self.context
        views: list[Views] = [picture.views(shifts(RADIUS)) for picture in shown]
        neighbourhoods = [Neighbourhood(context.evaluate(each, model)[0]) for each in views]
        rights = [self.subject.label_index] * len(shown) if classes is None else classes
        made_up = float(np.mean([each.outside.mean() for each in views]))
        return Trial(
            cause=cause,
            words=words,
            neighbourhoods=neighbourhoods,
            stability=stability_of(neighbourhoods, context.names, rights, context.seed),
            made_up=made_up,
            fill=shown[0].fill if made_up else None,
            picture=self.save(f"cause-{name or cause}", shown[0].views(CENTRE).pixels[0]),
            excluded=excluded,
            mixed=mixed,
        )
