"""Every line of an explanation against the same intervention made by hand, measured view by view."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from bias_toolkit.analysis import mean_interval
from bias_toolkit.datasets import BOX_EDGES
from bias_toolkit.explain import Request, explain_image, trials
from bias_toolkit.explain.framing import training_objects
from bias_toolkit.explain.instability import measure_response
from bias_toolkit.explain.interventions import reframings, toned, with_object_of
from bias_toolkit.explain.record import Verdict
from bias_toolkit.explain.trials import USUAL_FRAMING, draw_trials
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import silent
from bias_toolkit.invariance import sweep_picture, sweep_window, take_picture
from bias_toolkit.invariance.remedies.blur import blurred
from bias_toolkit.models import low_pass
from bias_toolkit.pipeline.step import Job
from bias_toolkit.study.steps.explanation import context_of, subject_of

STEPS = range(-4, 5)
ROWS = [[(x, y) for x in STEPS] for y in STEPS]
COLUMNS = [[(x, y) for y in STEPS] for x in STEPS]
DIAGONALS = [[(k, k) for k in STEPS], [(-k, k) for k in STEPS]]


def job_of(study):
    return Job(study.folder, study.inputs, study.results, silent)


def known_subject(study, image_id):
    return subject_of(job_of(study), Request(image_id))


@pytest.fixture(scope="module", autouse=True)
def with_few_trials():
    """As many as show every picture of three and every kind of sweep."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "TRIALS", 60)
        yield


@pytest.fixture(scope="module")
def context(finished):
    return context_of(job_of(finished))


@pytest.fixture(scope="module", params=[0, 1])
def case(request, finished, context, tmp_path_factory):
    """One of the least stable images: its subject, its explanation, and the picture around its centre view."""
    ordered = finished.results.per_image.sort_values(["p_top1_change", "mac"], ascending=False)["image_id"]
    subject = known_subject(finished, ordered.iloc[request.param])
    explanation = explain_image(context, subject, tmp_path_factory.mktemp("case"))
    assert not explanation.is_stable
    return subject, explanation, sweep_picture(subject.pixels, context.sweep, 64, subject.image_id, 8)


def probabilities_at(model, picture, shifts):
    """The class probabilities of the view at each shift."""
    views = np.concatenate([picture.views([shift]).pixels for shift in shifts])
    return dict(zip(shifts, model.evaluate(views).probabilities, strict=True))


def measured(model, picture):
    """P(top-1 change) and MAC over all sweeps, and the probabilities at every shift."""
    sweeps = ROWS + COLUMNS + DIAGONALS
    probabilities = probabilities_at(model, picture, list(dict.fromkeys(shift for sweep in sweeps for shift in sweep)))
    changed, moved = [], []
    for sweep in sweeps:
        for one, other in pairwise(sweep):
            top = int(np.argmax(probabilities[one]))
            changed.append(top != int(np.argmax(probabilities[other])))
            moved.append(abs(float(probabilities[one][top]) - float(probabilities[other][top])))
    return np.mean(changed), np.mean(moved), np.stack(list(probabilities.values()))


def trials_of(model, pictures):
    """Whether the top-1 class changes in each random trial, how far its probability moves, and all probabilities."""
    draws = draw_trials(0)
    sweeps = ROWS + COLUMNS + DIAGONALS
    views = []
    for number in range(trials.TRIALS):
        picture = pictures[int(draws.content[number] * len(pictures))]
        shown = toned(picture, draws.brightness[number], draws.contrast[number])
        step = draws.step[number]
        views.append(shown.views(sweeps[draws.sweep[number]][step : step + 2]).pixels)
    probabilities = model.evaluate(np.concatenate(views)).probabilities
    pairs = [(before, after, before.argmax()) for before, after in probabilities.reshape(len(views), 2, -1)]
    changes = [float(after.argmax() != top) for _, after, top in pairs]
    macs = [abs(float(before[top]) - float(after[top])) for before, after, top in pairs]
    return np.array(changes), np.array(macs), probabilities


def assert_is(after, model, pictures, right):
    """The measurement is that of the pictures in the random trials; `right` is the right class."""
    changes, macs, probabilities = trials_of(model, pictures)
    assert after.p_top1_change.value == pytest.approx(np.mean(changes), abs=1e-9)
    assert after.mac.value == pytest.approx(np.mean(macs), abs=1e-5)
    assert after.accuracy == (None if right is None else pytest.approx((probabilities.argmax(axis=1) == right).mean()))
    assert after.over_shifts.probability == pytest.approx(probabilities.mean(axis=0).max(), abs=1e-5)
    centre = probabilities_at(model, pictures[0], [(0, 0)])[0, 0]
    assert after.centre_view.class_index == centre.argmax()
    assert after.centre_view.probability == pytest.approx(centre.max(), abs=1e-5)
    # Each trial changes or does not: where few of either kind are left, the interval is exact.
    assert set(changes) <= {0, 1}
    expected = mean_interval(changes, limits=(0, 1))
    assert (after.p_top1_change.low, after.p_top1_change.high) == pytest.approx(expected[1:3])


# What does not differ from image to image is looked at in one.
first_case = pytest.mark.parametrize("case", [0], indirect=True)


def lines_of(explanation, cause):
    return [line for line in explanation.lines if line.cause == cause]


def test_framing(finished, context, case):
    subject, explanation, _ = case
    window = sweep_window(*subject.pixels.shape[1::-1], context.sweep, 64, subject.image_id)
    training = training_objects(context.training_subjects, subject.category, 64)
    usual = {"off_centre": explanation.framing.usual_position, "scale": explanation.framing.usual_scale}
    usual["framing"] = all(usual.values())
    for cause, (reframed, words) in reframings(subject.box, window, training).items():
        (line,) = lines_of(explanation, cause)
        if usual[cause]:
            assert (line.verdict, line.after, line.intervention) == ("usual framing", None, "not reframed")
            assert line.reason == USUAL_FRAMING[cause]
            continue
        picture = take_picture(subject.pixels, reframed, 4)
        assert_is(line.after, finished.model, [picture], subject.label_index)
        assert line.intervention == words


def test_usual_and_unusual_framing_are_both_among_the_cases(finished, context):
    flags = set()
    for image_id in finished.results.per_image["image_id"].head(20):
        subject = known_subject(finished, image_id)
        window = sweep_window(*subject.pixels.shape[1::-1], context.sweep, 64, image_id)
        training = training_objects(context.training_subjects, subject.category, 64)
        centre = reframings(subject.box, window, training)["off_centre"][0]
        flags.add(np.hypot(centre.left - window.left, centre.top - window.top) > 15)
    assert flags == {True, False}


def test_content(finished, context, case):
    subject, explanation, _ = case
    objects = finished.objects("train").set_index("image_id")
    nearest = finished.neighbours_of(subject.image_id)["neighbour_id"].head(3)
    pictures = [
        sweep_picture(
            with_object_of(
                subject.pixels, subject.box, finished.train.read(neighbour), objects.loc[neighbour, BOX_EDGES].tolist()
            ),
            context.sweep,
            64,
            subject.image_id,
            8,
        )
        for neighbour in nearest
    ]
    (line,) = lines_of(explanation, "content")
    # What stands in the object's place has another class, or none that the image's label names: it is not scored.
    assert_is(line.after, finished.model, pictures, None)
    assert line.after.over_shifts.is_right is None
    assert "3 nearest training images at random" in line.intervention
    assert len(set((draw_trials(0).content * 3).astype(int))) == 3


@first_case
def test_undersampling(finished, case):
    subject, explanation, picture = case
    model = finished.model.with_module(low_pass(finished.model.module, 3, input_size=64), "low-passed")
    (line,) = lines_of(explanation, "undersampling")
    assert_is(line.after, model, [picture], subject.label_index)
    assert line.made_up == 0


@first_case
def test_fine_detail(finished, case):
    subject, explanation, picture = case
    lines = {line.intervention[-9:]: line for line in lines_of(explanation, "fine_detail")}
    for deviation, ending in ((1.0, " 1 pixel"), (2.0, " 2 pixels")):
        line = next(line for name, line in lines.items() if name.endswith(ending))
        assert_is(line.after, finished.model, [blurred(picture, deviation)], subject.label_index)
        # The images have as many pixels as what the model sees of them, so blur can take fine detail away.
        assert line.verdict != Verdict.ENLARGED


@pytest.mark.parametrize(("side", "is_enlarged"), [(74, False), (73, True), (148, False)])
def test_an_enlarged_image_has_no_fine_detail(finished, context, tmp_path, monkeypatch, side, is_enlarged):
    """The model sees 74 × 74 pixels of the image, of which the window is 64 × 64."""
    image_id = finished.results.per_image.sort_values("p_top1_change")["image_id"].iloc[-1]
    subject = known_subject(finished, image_id)
    resized = Image.fromarray(subject.pixels).resize((side, side), Image.Resampling.BICUBIC)
    subject = dataclasses.replace(subject, pixels=np.asarray(resized), box=None)
    monkeypatch.setattr(trials, "TRIALS", 6)
    explanation = explain_image(dataclasses.replace(context, unstable_from=0.0), subject, tmp_path)
    lines = lines_of(explanation, "fine_detail")
    assert [line.verdict == Verdict.ENLARGED for line in lines] == ([True] if is_enlarged else [False] * 2)
    if is_enlarged:
        assert (lines[0].after, lines[0].intervention) == (None, "not blurred")
        assert "shows the image enlarged" in lines[0].reason


@pytest.mark.parametrize(("objects", "is_compared"), [(9, False), (10, True)])
def test_framing_needs_ten_training_objects(finished, context, tmp_path, objects, is_compared):
    few = dataclasses.replace(context, training_subjects=context.training_subjects.head(objects), unstable_from=1.0)
    image_id = finished.results.per_image["image_id"].iloc[0]
    explanation = explain_image(few, known_subject(finished, image_id), tmp_path)
    assert (explanation.framing is not None) == is_compared
    reason = "The training set has only 9 object boxes, too few to say what framing is usual."
    assert explanation.framing_reason == ("" if is_compared else reason)


@first_case
def test_the_answer_has_the_class_of_the_picture_that_is_shown(finished, case):
    """The centre view's class is that of the saved picture, shown to the model again."""
    _, explanation, picture = case
    shown = np.asarray(Image.open(explanation.folder / explanation.picture))
    again = finished.model.evaluate(shown[None]).probabilities[0]
    centre = explanation.before.centre_view
    assert centre.class_index == again.argmax() == explanation.shift_map.reference
    assert centre.probability == pytest.approx(again.max(), abs=1e-5)
    assert centre.is_right == (again.argmax() == int(explanation.label))
    around = np.stack([*probabilities_at(finished.model, picture, [(x, y) for x in STEPS for y in STEPS]).values()])
    over = explanation.before.over_shifts
    assert over.class_index == around.mean(axis=0).argmax()
    assert over.probability == pytest.approx(around.mean(axis=0).max(), abs=1e-5)


@first_case
def test_controls(finished, case):
    """The trials without an intervention; a fall is from them, and the image as it is has no interval."""
    subject, explanation, picture = case
    assert_is(explanation.controls, finished.model, [picture], subject.label_index)
    line = lines_of(explanation, "undersampling")[0]
    controls, after = explanation.controls, line.after
    assert line.fall.value == pytest.approx(controls.p_top1_change.value - after.p_top1_change.value)
    assert line.mac_fall.value == pytest.approx(controls.mac.value - after.mac.value, abs=1e-7)
    changes, mac, _ = measured(finished.model, picture)
    before = explanation.before
    assert (before.p_top1_change.value, before.p_top1_change.low) == (pytest.approx(changes), None)
    assert (before.mac.value, before.mac.low) == (pytest.approx(mac, abs=1e-5), None)


def test_draws_are_of_one_seed():
    one, again, seeded = (draw_trials(seed) for seed in (0, 0, 1))
    for name in ("sweep", "step", "brightness", "contrast", "content"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
        assert not np.array_equal(getattr(one, name), getattr(seeded, name))
    many = [draw_trials(seed) for seed in range(50)]
    for name, low, high in (("brightness", 0.8, 1.25), ("contrast", 0.75, 1.33)):
        values = np.concatenate([getattr(draws, name) for draws in many])
        assert low <= values.min() < low + 0.01
        assert high - 0.01 < values.max() <= high
    assert set(np.concatenate([draws.sweep for draws in many])) == set(range(20))
    assert set(np.concatenate([draws.step for draws in many])) == set(range(8))


@first_case
def test_remedies(finished, case):
    """The prediction at each shift is the mean over the shifts around it."""
    _, explanation, picture = case
    shifts = [(x, y) for x in range(-8, 9) for y in range(-8, 9)]
    around = {shift: p.astype(float) for shift, p in probabilities_at(finished.model, picture, shifts).items()}
    assert [remedy.radius for remedy in explanation.remedies] == [1, 4]
    for remedy in explanation.remedies:
        r = remedy.radius
        means = {
            (x, y): np.mean([around[x + i, y + j] for i in range(-r, r + 1) for j in range(-r, r + 1)], axis=0)
            for x in STEPS
            for y in STEPS
        }
        changed = [
            np.argmax(means[one]) != np.argmax(means[other])
            for sweep in ROWS + COLUMNS + DIAGONALS
            for one, other in pairwise(sweep)
        ]
        assert remedy.after.p_top1_change.value == pytest.approx(np.mean(changed), abs=0.5 / 160)
        assert remedy.views == (2 * r + 1) ** 2
        fall = explanation.before.p_top1_change.value - remedy.after.p_top1_change.value
        assert remedy.fall == pytest.approx(fall)
        assert remedy.after.p_top1_change.low is None
        # The class that the remedy gives to the centre view is that of the average around it.
        assert remedy.after.centre_view.class_index == means[0, 0].argmax()
        assert remedy.after.centre_view.probability == pytest.approx(means[0, 0].max(), abs=1e-5)


@first_case
def test_map_and_pairs_of_views(finished, case):
    _, explanation, picture = case
    reference = explanation.shift_map.reference
    for x, y in ((-8, -8), (3, -5), (0, 0), (-2, 7), (8, 8)):
        probabilities = finished.model.evaluate(picture.views([(x, y)]).pixels).probabilities[0]
        assert explanation.shift_map.top1[8 + y][8 + x] == int(probabilities.argmax())
        assert explanation.shift_map.p_reference[8 + y][8 + x] == pytest.approx(
            float(probabilities[reference]), abs=1e-5
        )
    assert explanation.response.changes
    for change in explanation.response.changes:
        for file, k in ((change.picture_before, change.step), (change.picture_after, change.step + 1)):
            shown = np.asarray(Image.open(explanation.folder / file))
            np.testing.assert_array_equal(shown, picture.views([(k - 4, k - 4)]).pixels[0])


def test_standings_count_the_images_that_are_below(finished, context):
    """Steps make ties, which do not count as below."""
    changes = finished.results.per_image.set_index("image_id")["p_top1_change"]
    image_id = changes[changes == 0.25].index[0]
    others = changes.drop(image_id)
    assert (others == 0.25).any()
    _, standings = measure_response(
        context, known_subject(finished, image_id), lambda name, pixels: f"pictures/{name}.png"
    )
    standing = next(each for each in standings if each.name == "p_top1_change")
    assert (standing.value, standing.percentile) == (0.25, (others < 0.25).mean())


@first_case
def test_unstable_from_is_where_causes_are_looked_for(context, case, tmp_path, monkeypatch):
    subject, explanation, _ = case
    changes = explanation.before.p_top1_change.value
    monkeypatch.setattr(trials, "TRIALS", 6)
    for limit, is_stable in ((changes, False), (changes + 0.001, True)):
        found = explain_image(dataclasses.replace(context, unstable_from=limit), subject, tmp_path)
        assert found.is_stable == is_stable
        assert bool(found.lines) != is_stable


def test_outputs_that_are_no_numbers_are_refused(context, finished, tmp_path, monkeypatch):
    evaluate = context.evaluate

    def broken(views, model=None):
        probabilities, features = evaluate(views, model)
        return np.full_like(probabilities, np.nan), features

    monkeypatch.setattr(context, "evaluate", broken)
    image_id = finished.images("test")["image_id"].iloc[0]
    with pytest.raises(InputError, match=f"{image_id} cannot be explained, .*finite number"):
        explain_image(context, known_subject(finished, image_id), tmp_path)
