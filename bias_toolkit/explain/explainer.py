"""Explaining one image: measure it, compare it with the training images, remove each candidate cause in turn."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import ValidationError

from bias_toolkit.explain.causes import expected_from_margin, in_order, judge, judge_coin_toss, stability_of
from bias_toolkit.explain.context import Context
from bias_toolkit.explain.explanation import Explanation
from bias_toolkit.explain.framing import TrainingObjects, compare_framing, training_objects
from bias_toolkit.explain.instability import make_shift_map, measure_response, own_sweep_changes
from bias_toolkit.explain.neighbourhood import MAP_RADIUS, RADIUS, Neighbourhood
from bias_toolkit.explain.record import PICTURES, CauseLine, Framing, Neighbour, Remedy, first_fault
from bias_toolkit.explain.request import Subject
from bias_toolkit.explain.trials import TRIALS, Trials
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.files import atomic_path
from bias_toolkit.foundation.words import count, percent
from bias_toolkit.invariance import Window, centre_view, sweep_picture, sweep_window
from bias_toolkit.invariance.transforms import shifts

REMEDY_RADII = (1, 4)
FEWEST_OBJECTS = 10
"""Of fewer training objects, the middle 90% is not known."""


def explain_image(context: Context, subject: Subject, folder: Path) -> Explanation:
    """Say why one image is unstable, or that it is not; InputError if the model's output on it is no number.

    `folder` gets the pictures that the page shows, in its folder `pictures`.
    """
    try:
        return _explain(context, subject, folder)
    except ValidationError as error:
        why = f"the model's output on it is not valid ({first_fault(error)})"
        raise InputError(f"{subject.image_id} cannot be explained, since {why}.") from error


def _explain(context: Context, subject: Subject, folder: Path) -> Explanation:
    save = partial(_save, folder)
    side = context.model.input_size
    height, width = subject.pixels.shape[:2]
    window = sweep_window(width, height, context.sweep, side, subject.image_id)
    picture = sweep_picture(subject.pixels, context.sweep, side, subject.image_id, MAP_RADIUS)

    response, standings = measure_response(context, subject, save)
    views = picture.views(shifts(MAP_RADIUS))
    around = Neighbourhood(context.evaluate(views)[0])
    before = around.averaged(0)
    stability = stability_of(before, context.names, subject.label_index, drawn=False)
    framing, framing_reason, training = _framing(context, subject, window)

    lines: list[CauseLine] = []
    controls = None
    if stability.p_top1_change.value >= context.unstable_from:
        trials = Trials(context, subject, window, picture, save)
        controls = stability_of(trials.controls, context.names, subject.label_index, context.seed)
        tried, skipped = trials.run(framing, framing_reason, training)
        classes = before.classes | trials.controls.classes
        judged = judge(trials.controls, controls.accuracy, tried, classes, context.seed)
        margin = next(standing.value for standing in standings if standing.name == "margin")
        lines = in_order([*judged, _coin_toss(context, subject, around, margin), *skipped])

    return Explanation(
        image_id=subject.image_id,
        in_test_set=subject.in_test_set,
        label=subject.label,
        label_name=context.label_name(subject.label),
        width=width,
        height=height,
        study=context.study,
        model=context.model.name,
        input_size=side,
        radius=RADIUS,
        unstable_from=context.unstable_from,
        before=stability,
        trials=TRIALS,
        controls=controls,
        standings=standings,
        response=response,
        shift_map=make_shift_map(
            context, around.probabilities, views, save("shifts", picture.pixels), subject.label_index
        ),
        neighbours=_neighbours(context, subject, save),
        distances=subject.distances,
        framing=framing,
        framing_reason=framing_reason,
        lines=lines,
        remedies=[_remedy(context, subject, around, before, radius) for radius in REMEDY_RADII],
        picture=save("view", picture.views(np.zeros((1, 2), int)).pixels[0]),
        notes=_notes(context, picture.fill, float(views.outside.mean())),
        folder=folder,
    )


def _save(folder: Path, name: str, pixels: np.ndarray) -> str:
    """Write uint8 pixels (height, width, 3) as PNG; gives the path relative to the explanation's folder."""
    file = f"{PICTURES}/{name}.png"
    with atomic_path(folder / file) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", compress_level=1)
    return file


def _framing(context: Context, subject: Subject, window: Window) -> tuple[Framing | None, str, TrainingObjects | None]:
    """The framing of the image's object, or why it is not compared; and the training objects."""
    if subject.box is None:
        reason = "The place of its object is not known, so its framing is not compared with the training objects'."
        return None, reason if subject.in_test_set else f"{reason} Give its box with --box.", None
    category, side = subject.category or subject.label, context.model.input_size
    training = training_objects(context.training_subjects, category, side, context.feature_size, context.seed)
    if training is None:
        return None, "The training set has no object boxes to compare its framing with.", None
    if len(training.boxes) < FEWEST_OBJECTS:
        n = count(len(training.boxes), "object box", "object boxes")
        return None, f"The training set has only {n}, too few to say what framing is usual.", None
    return compare_framing(subject.box, window, training, context.seed), "", training


def _coin_toss(context: Context, subject: Subject, around: Neighbourhood, margin: float) -> CauseLine:
    margins, changes = context.other_images(subject)[["margin", "p_top1_change"]].to_numpy(float).T
    expected = expected_from_margin(margin, margins, changes)
    own, place = own_sweep_changes(context, around)
    return judge_coin_toss(expected, own, margin, place)


def _neighbours(context: Context, subject: Subject, save: Callable[[str, np.ndarray], str]) -> list[Neighbour]:
    neighbours = []
    for number, row in enumerate(subject.neighbours.itertuples(), start=1):
        picture = None
        with suppress(UnreadableImageError):
            view = centre_view(context.read_train(row.neighbour_id), context.model.input_size)
            picture = save(f"neighbour-{number}", view.pixels[0])
        label = context.training_labels.get(row.neighbour_id)
        neighbours.append(Neighbour(row.neighbour_id, label, context.label_name(label), float(row.distance), picture))
    return neighbours


def _remedy(context: Context, subject: Subject, around: Neighbourhood, before: Neighbourhood, radius: int) -> Remedy:
    averaged = around.averaged(radius)
    stability = stability_of(averaged, context.names, subject.label_index, drawn=False)
    fall = float(before.changes.mean() - averaged.changes.mean())
    return Remedy(radius, (2 * radius + 1) ** 2, stability, fall)


def _notes(context: Context, fill: str, made_up: float) -> list[str]:
    notes = [
        "P(top-1 change) and MAC of the image as it is are means over 20 sweeps of 8 one-pixel steps: all 9 rows, all "
        f"9 columns and both diagonals of the shifts of up to {RADIUS} pixels. All of these steps were measured and "
        "none was drawn, so these numbers have no interval. The same holds for predictions averaged over shifts.",
        f"Each intervention was measured in {TRIALS} random trials. A trial is one of these steps, a factor of "
        "brightness and a factor of contrast, drawn at random. The controls are the same trials without an "
        "intervention. Intervals are over trials. They say nothing about other images.",
        "Only these vary at random, and the training image whose object replaces this one. Position, scale, filters "
        "and blur are the same in every trial.",
        "The interval of a fall is over the differences in the same trials. Where nearly all trials of one side are "
        "equal, it follows from the intervals of both sides. Those of one image's falls hold together.",
        "The class at the centre view is that of one view. The class over all shifts is the most probable one of the "
        "mean output over the shifted views. The two can differ on an unstable image.",
        f"An image is called unstable from a P(top-1 change) of {percent(context.unstable_from, 0)}. One straight "
        "boundary between two classes through the middle of these shifts gives 7% or more.",
        "Near such a boundary almost any change lowers P(top-1 change). So an intervention is compared with the "
        "controls. It shows a cause only if the interval of the fall is above 0, and the fall is at least half.",
        "MAC has to fall too. If it does not, the top class may only be farther ahead of the others.",
        "Framing is changed only if it is not like that of 90% of the training objects. The image is blurred only if "
        "it is not enlarged. What makes the model wrong more often is no cause. Filters and blur are no cause if the "
        "model then says a class that it gave to none of the views. A replaced object has no right class.",
        "A cause is called the strongest only if its interval lies below those of all others, by the interval of the "
        "difference. Otherwise causes have no order.",
        "Interventions show effects on this image. Comparisons with other images (margin, distance, framing) are "
        "associations: nothing was changed.",
        "Framing is that of the object in the centre view, in shares of the view. Training objects are taken as seen "
        f"in the centre view of the crop of size {context.feature_size:g}.",
        "To change position, the view is moved without a zoom. To change scale, it is zoomed about the object's centre "
        "without a move, which can cut an object that is near the view's border.",
        "The network with low-pass filters keeps its weights, which were learnt without them. So it shows what the "
        "filters do, not what a network that was trained with them would do.",
    ]
    if made_up:
        outside = f"{percent(made_up)} of the pixels lie outside the image and were made up ({fill})"
        notes.append(f"On the map of all shifts, {outside}.")
    return notes
