"""How unstable an image is: its measures compared with the test images, its response, and its map over all shifts."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from bias_toolkit.explain.context import Context
from bias_toolkit.explain.neighbourhood import MAP_RADIUS, RADIUS, Neighbourhood
from bias_toolkit.explain.record import Change, ClassCurve, Response, ShiftMap, Standing
from bias_toolkit.explain.request import Subject
from bias_toolkit.invariance import (
    CENTRE,
    INVARIANCE_MEASURES,
    Sweep,
    Views,
    make_response,
    make_views,
    measures_table,
    protocol_of,
    transform_of,
)
from bias_toolkit.invariance.protocols.protocol import Compared
from bias_toolkit.invariance.transforms import SHIFTS, shifts

MOST_LIKELY = 5
STANDINGS = (
    *(measure.name for measure in INVARIANCE_MEASURES if Compared.STEPS in measure.of and not measure.needs_label),
    "nn_distance",
)


def measure_response(
    context: Context, subject: Subject, save: Callable[[str, np.ndarray], str]
) -> tuple[Response, list[Standing]]:
    """The response along the study's own sweep, and the image's measures compared with the test images.

    A percentile is the share of the other test images whose value is smaller. `save` keeps a picture by its name.
    """
    sweep = context.sweep
    views = make_views(subject.pixels, sweep, context.model.input_size, subject.image_id)
    probabilities, features = context.evaluate(views)
    columns = make_response(probabilities, features, sweep, subject.label_index)
    row = {"image_id": subject.image_id, "protocol": sweep.protocol, "transform": sweep.transform, "size": sweep.size}
    measures = measures_table(pd.DataFrame([row | columns])).iloc[0].to_dict()
    if subject.distances is not None:
        measures["nn_distance"] = subject.distances.nn_distance
    others = context.other_images(subject)
    standings = [
        Standing(name, float(measures[name]), _percentile(measures[name], others[name].to_numpy(float)))
        for name in STANDINGS
        if measures.get(name) is not None
    ]
    top1 = columns["top1"].tolist()
    classes = [top1[len(top1) // 2], *top1, *([] if subject.label_index is None else [subject.label_index])]
    response = Response(
        sweep=f"{sweep.protocol}, {sweep.transform}, size {sweep.size:g}",
        top1=top1,
        names=[context.names[index] for index in top1],
        p_top1=columns["p_top1"].astype(float).tolist(),
        curves=[
            ClassCurve(index, context.names[index], probabilities[:, index].astype(float).tolist())
            for index in dict.fromkeys(classes)
        ],
        changes=_changes(context, views, probabilities, save),
    )
    return response, standings


def _percentile(value: float, others: np.ndarray) -> float | None:
    others = others[~np.isnan(others)]
    return float((others < value).mean()) if len(others) else None


def _changes(
    context: Context, views: Views, probabilities: np.ndarray, save: Callable[[str, np.ndarray], str]
) -> list[Change]:
    top1, highest = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return [
        Change(
            step=k,
            before=context.names[top1[k]],
            after=context.names[top1[k + 1]],
            p_before=float(highest[k]),
            p_after=float(highest[k + 1]),
            picture_before=save(f"sweep-{k}", views.pixels[k]),
            picture_after=save(f"sweep-{k + 1}", views.pixels[k + 1]),
        )
        for k in np.flatnonzero(top1[:-1] != top1[1:]).tolist()
    ]


def most_likely(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The five most probable classes of each view, int (V, 5), and their probabilities, rounded to four digits.

    The most probable class comes first. `probabilities` are (V, C).
    """
    likely = np.argsort(-probabilities, axis=1, kind="stable")[:, :MOST_LIKELY]
    return likely, np.take_along_axis(probabilities, likely, axis=1).astype(float).round(4)


def make_shift_map(
    context: Context, probabilities: np.ndarray, views: Views, picture: str, right: int | None
) -> ShiftMap:
    """The map over all shifts of up to 8 pixels, from the outputs (289, C) on the views of `shifts(MAP_RADIUS)`.

    `picture` is the file of the picture of which the views are slices, and `right` the right class if it is known.
    """
    side = 2 * MAP_RADIUS + 1
    likely, highest = most_likely(probabilities)
    top1 = likely[:, 0]
    reference = int(top1[len(top1) // 2])
    return ShiftMap(
        radius=MAP_RADIUS,
        reference=reference,
        right=right,
        top1=top1.reshape(side, side).tolist(),
        p_reference=probabilities[:, reference].astype(float).round(6).reshape(side, side).tolist(),
        likely=likely.reshape(side, side, -1).tolist(),
        probabilities=highest.reshape(side, side, -1).tolist(),
        names={int(index): context.names[index] for index in np.unique(likely)},
        made_up=float(views.outside.mean()),
        picture=picture,
        sweep=_path(context.sweep),
    )


def _path(sweep: Sweep) -> list[tuple[int, int]]:
    """How far each view of a sweep is moved right and down from the centre view; none if it is scaled or drawn."""
    transform = transform_of(sweep.transform)
    if transform not in SHIFTS:
        return []
    path = transform.path() - CENTRE
    # An image that moves right over a canvas is seen by a window that moves left.
    return list(map(tuple, (path[::-1] if protocol_of(sweep.protocol).has_canvas else path).tolist()))


def own_sweep_changes(context: Context, around: Neighbourhood) -> tuple[float, str]:
    """P(top-1 change) of the study's own sweep, begun at every place within 4 pixels, and the places in words.

    One sweep has only 8 steps, and the image may have been picked because exactly these steps change often. So the
    sweep is begun at other places too. A sweep that scales the image has no other places; the steps in all directions
    replace it.
    """
    transform = transform_of(context.sweep.transform)
    direction = np.array([transform.right, transform.down])
    if not direction.any():
        return float(around.averaged(0).changes.mean()), f"within {RADIUS} pixels"
    side = 2 * MAP_RADIUS + 1
    along = np.arange(-RADIUS, RADIUS + 1)[:, None] * direction
    places = shifts(RADIUS)[:, None, :] + along + MAP_RADIUS
    paths = places[..., 1] * side + places[..., 0]
    place = f"on the study's sweep, begun at each of the {len(paths)} places within {RADIUS} pixels,"
    return float(Neighbourhood(around.probabilities, paths).changes.mean()), place
