"""Every intervention on one image: the same steps are measured again, with one candidate cause removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bias_toolkit.explain.causes import Trial, stability_of
from bias_toolkit.explain.context import Context
from bias_toolkit.explain.framing import TrainingObjects
from bias_toolkit.explain.interventions import BLURS, blurred, controls, reframings, with_object_of
from bias_toolkit.explain.neighbourhood import RADIUS, Neighbourhood, cross, shifts
from bias_toolkit.explain.pictures import PictureFolder
from bias_toolkit.explain.record import Cause, CauseLine, Framing, Verdict
from bias_toolkit.explain.subject import Subject
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import Picture, Views, Window, sweep_picture, take_picture

if TYPE_CHECKING:
    from bias_toolkit.models import Model

CONTENT_NEIGHBOURS = 3
CENTRE = np.zeros((1, 2), dtype=int)


class Trials:
    """Runs the interventions on one image.

    Parameters
    ----------
    context : Context
    subject : Subject
    window : Window
        Through which the model sees the image.
    picture : Picture
        The image around the centre view, with a margin of at least 4 pixels.
    pictures : PictureFolder
        Gets the centre view under each intervention.
    """

    def __init__(self, context: Context, subject: Subject, window: Window, picture: Picture, pictures: PictureFolder):
        self._context = context
        self._subject = subject
        self._window = window
        self._picture = picture
        self._pictures = pictures

    def controls(self) -> list[Neighbourhood]:
        """The outputs on the horizontal, vertical and diagonal sweep, under each change that removes no cause."""
        passed, paths = np.unique(cross(), return_inverse=True)
        where = shifts(RADIUS)[passed]
        return [
            Neighbourhood(self._context.evaluate(changed.views(where))[0], paths.reshape(cross().shape))
            for changed in controls(self._picture)
        ]

    def run(
        self, framing: Framing | None, framing_reason: str, training: TrainingObjects | None
    ) -> tuple[list[Trial], list[CauseLine]]:
        """A trial for every possible intervention, and a line for each candidate cause that has none."""
        trials: list[Trial] = []
        skipped: list[CauseLine] = []
        if framing is None:
            skipped += [
                CauseLine(cause, "the object reframed", Verdict.NOT_TRIED, framing_reason)
                for cause in (Cause.OFF_CENTRE, Cause.SCALE, Cause.FRAMING)
            ]
        else:
            trials += self._reframed(framing, training)
        content = self._content()
        if isinstance(content, Trial):
            trials.append(content)
        else:
            skipped.append(content)
        undersampling = self._undersampling()
        if isinstance(undersampling, Trial):
            trials.append(undersampling)
        else:
            skipped.append(undersampling)
        trials += self._fine_detail()
        return trials, skipped

    def _reframed(self, framing: Framing, training: TrainingObjects) -> Iterator[Trial]:
        usual = {
            Cause.OFF_CENTRE: framing.usual_position,
            Cause.SCALE: framing.usual_scale,
            Cause.FRAMING: framing.usual_position and framing.usual_scale,
        }
        for cause, reframed in reframings(framing.box, self._window, training).items():
            picture = take_picture(self._subject.pixels, reframed.window, RADIUS, self._picture.fill)
            yield self._trial(cause, reframed.words, [picture], usual=usual[cause])

    def _content(self) -> Trial | CauseLine:
        subject, context = self._subject, self._context
        swap = subject.box is not None
        found: list[tuple[Picture, int | None]] = []
        for neighbour_id in subject.neighbours["neighbour_id"]:
            if len(found) == CONTENT_NEIGHBOURS:
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
            picture = sweep_picture(
                pixels, context.sweep, context.model.input_size, subject.image_id, self._picture.margin
            )
            found.append((picture, context.training_class(neighbour_id)))
        if not found:
            reason = (
                "None of its nearest training images has an object box." if swap else "No training image could be read."
            )
            return CauseLine(Cause.CONTENT, "the object replaced", Verdict.NOT_TRIED, reason)
        if swap:
            words = f"its object replaced by that of {_nearest(len(found))}, in the same place"
        else:
            words = f"{_nearest(len(found))} shown whole in its place"
        pictures, classes = zip(*found, strict=True)
        return self._trial(Cause.CONTENT, words, pictures, classes=classes, mixed=not swap)

    def _undersampling(self) -> Trial | CauseLine:
        try:
            model, words = self._context.low_passed
        except InputError as error:
            return CauseLine(Cause.UNDERSAMPLING, "low-pass filters in the network", Verdict.NOT_TRIED, str(error))
        return self._trial(Cause.UNDERSAMPLING, words, [self._picture], model=model)

    def _fine_detail(self) -> Iterator[Trial]:
        for deviation in BLURS:
            words = f"the image blurred by a Gaussian of standard deviation {count(deviation, 'pixel')}"
            yield self._trial(
                Cause.FINE_DETAIL, words, [blurred(self._picture, deviation)], name=f"fine_detail-{deviation:g}"
            )

    def _trial(
        self,
        cause: Cause,
        words: str,
        shown: Sequence[Picture],
        *,
        classes: Sequence[int | None] | None = None,
        model: Model | None = None,
        usual: bool = False,
        mixed: bool = False,
        name: str | None = None,
    ) -> Trial:
        """Measure the steps around the centre view of each picture. By default, their right class is the image's."""
        context = self._context
        views: list[Views] = [picture.views(shifts(RADIUS)) for picture in shown]
        neighbourhoods = [Neighbourhood(context.evaluate(each, model)[0]) for each in views]
        rights = [self._subject.label_index] * len(shown) if classes is None else classes
        made_up = float(np.mean([each.outside.mean() for each in views]))
        return Trial(
            cause=cause,
            words=words,
            neighbourhoods=neighbourhoods,
            stability=stability_of(neighbourhoods, context.names, rights, context.seed),
            made_up=made_up,
            fill=shown[0].fill if made_up else None,
            picture=self._pictures.save(f"cause-{name or cause}", shown[0].views(CENTRE).pixels[0]),
            usual=usual,
            mixed=mixed,
        )


def _nearest(n: int) -> str:
    return "its nearest training image" if n == 1 else f"each of its {n} nearest training images"
