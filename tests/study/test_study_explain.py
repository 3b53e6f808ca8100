"""Explaining images of a study: against an independent measurement, outside images, going on, and what is refused."""

import json
import os
import re
import shutil
from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from bias_toolkit import InputError, Model, Study, load_dataset
from bias_toolkit.datasets import BOX_EDGES
from bias_toolkit.explain import Cause, load_explanation, summarise
from bias_toolkit.explain.sentences import answer_sentences


@pytest.fixture(scope="module")
def explained(finished, tmp_path_factory):
    """A copy of the finished study with its two least stable images explained, and the explanations."""
    study = Study(shutil.copytree(finished.folder, tmp_path_factory.mktemp("explained") / "study"))
    return study, study.explain_worst(2)


@pytest.fixture
def outside(explained, photographs, tmp_path):
    """A copy, elsewhere, of the image file of the least stable test image; with its label and box."""
    study, explanations = explained
    image_id = explanations[0].image_id
    path = shutil.copy(photographs["test"].parent / image_id, tmp_path / "elsewhere.png")
    label = study.images("test").set_index("image_id")["label"][image_id]
    box = study.objects("test").set_index("image_id").loc[image_id, BOX_EDGES].tolist()
    return path, label, box


def least_stable(study):
    """The id of the least stable test image of an analysed study."""
    return study.results.per_image.sort_values(["p_top1_change", "mac"], ascending=False)["image_id"].iloc[0]


def slow_stability(model, image, label):
    """P(top-1 change), MAC and accuracy over the 20 sweeps within 4 pixels, one view at a time, from 74 × 74 pixels."""

    def probabilities(x, y):
        return model.evaluate(image[None, 4 + y : 68 + y, 4 + x : 68 + x]).probabilities[0]

    views = {(x, y): probabilities(x, y) for x in range(-4, 5) for y in range(-4, 5)}
    steps = range(-4, 5)
    sweeps = [[(x, y) for x in steps] for y in steps] + [[(x, y) for y in steps] for x in steps]
    sweeps += [[(k, k) for k in steps], [(-k, k) for k in steps]]
    changed, moved = [], []
    for sweep in sweeps:
        for one, other in pairwise(sweep):
            top = int(np.argmax(views[one]))
            changed.append(top != int(np.argmax(views[other])))
            moved.append(abs(float(views[one][top]) - float(views[other][top])))
    right = [int(np.argmax(view)) == label for view in views.values()]
    return np.mean(changed), np.mean(moved), np.mean(right)


def test_the_worst_are_the_least_stable(explained):
    study, explanations = explained
    ordered = study.results.per_image.sort_values(["p_top1_change", "mac"], ascending=False)["image_id"]
    assert [explanation.image_id for explanation in explanations] == ordered.head(2).tolist()


def test_stability_agrees_with_a_slow_independent_measurement(explained):
    study, explanations = explained
    for explanation in explanations:
        image = study.test.read(explanation.image_id)
        changes, mac, accuracy = slow_stability(study.model, image, int(explanation.label))
        assert explanation.before.p_top1_change.value == pytest.approx(changes, abs=1e-9)
        assert explanation.before.mac.value == pytest.approx(mac, abs=1e-5)
        assert explanation.before.accuracy == pytest.approx(accuracy)


def test_measures_and_response_are_those_of_the_study(explained):
    study, explanations = explained
    explanation = explanations[0]
    own = study.results.per_image.set_index("image_id").loc[explanation.image_id]
    others = study.results.per_image[study.results.per_image["image_id"] != explanation.image_id]
    for standing in explanation.standings:
        assert standing.value == pytest.approx(own[standing.name], abs=1e-5)
        below = (others[standing.name] < own[standing.name]).mean()
        assert standing.percentile == pytest.approx(below, abs=1 / len(others))
    response = study.responses.set_index("image_id").loc[explanation.image_id]
    # The same views in other batches: rounding may exchange two classes that are all but equally probable.
    clear = response["p_top1"] - response["p_second"] > 1e-5
    np.testing.assert_array_equal(np.array(explanation.response.top1)[clear], response["top1"][clear])
    np.testing.assert_allclose(explanation.response.p_top1, response["p_top1"], atol=1e-5)
    changed = np.flatnonzero(np.diff(explanation.response.top1))
    assert [change.step for change in explanation.response.changes] == changed.tolist()
    # The sweep runs along the diagonal of the map.
    grid = np.array(explanation.shift_map.top1)
    assert np.diag(grid)[4:13].tolist() == explanation.response.top1
    distances = study.distances.set_index("image_id").loc[explanation.image_id]
    assert explanation.distances.nn_distance == pytest.approx(distances["nn_distance"])
    assert explanation.distances.distance_percentile == pytest.approx(distances["distance_percentile"])
    neighbours = study.neighbours_of(explanation.image_id)
    assert [each.image_id for each in explanation.neighbours] == neighbours["neighbour_id"].tolist()


def test_every_candidate_cause_is_in_the_lines_with_before_and_after(explained):
    _, explanations = explained
    for explanation in explanations:
        assert not explanation.is_stable
        assert {line.cause for line in explanation.lines} == set(Cause)
        assert [line.cause for line in explanation.lines].count("fine_detail") == 2
        controls = explanation.controls
        for line in explanation.lines:
            if line.after is not None:
                fall = controls.p_top1_change.value - line.after.p_top1_change.value
                assert line.fall.value == pytest.approx(fall)
                assert line.fall.low <= line.fall.value <= line.fall.high
                assert line.after.mac.low <= line.after.mac.value <= line.after.mac.high
            else:
                assert line.verdict in ("usual framing", "not tried") or line.cause == "coin_toss"


def test_a_moved_view_makes_up_what_the_image_does_not_have(explained):
    """Moving the view by x and y pixels leaves the image by what a slow count over the shifted views gives."""
    _, explanations = explained
    for explanation in explanations:
        line = next(line for line in explanation.lines if line.cause == "off_centre")
        if line.after is None:
            continue
        words = re.findall(r"(\d+) pixels? (right|left|down|up)", line.intervention)
        x, y = (
            sum(int(n) * sign for n, way in words for name, sign in signs if name == way)
            for signs in ((("right", 1), ("left", -1)), (("down", 1), ("up", -1)))
        )
        shares = []
        for dx in range(-4, 5):
            for dy in range(-4, 5):
                columns = np.arange(64) + 4 + x + dx
                rows = np.arange(64) + 4 + y + dy
                inside = ((columns >= 0) & (columns < 74)).mean() * ((rows >= 0) & (rows < 74)).mean()
                shares.append(1 - inside)
        # The view moves by fractions of a pixel, the words say whole ones.
        assert line.made_up == pytest.approx(np.mean(shares), abs=0.03)
        assert (line.fill == "inpaint") == (line.made_up > 0)


def test_pages_pictures_and_json_are_written(explained):
    study, explanations = explained
    for explanation in explanations:
        page = explanation.page.read_text(encoding="utf-8")
        assert explanation.folder.parent == study.folder / "explanations"
        for address in re.findall(r'<img src="([^"]+)"', page):
            assert (explanation.folder / address).is_file()
        assert load_explanation(explanation.folder) == explanation
        written = json.loads((explanation.folder / "explanation.json").read_text(encoding="utf-8"))
        assert written["first_cause"] == explanation.first_cause
        assert written["answer"] == explanation.answer
    shown = explanations[0]._repr_html_()
    assert explanations[0].answer[:40] in shown
    assert shown.count("data:image/png;base64,") >= 5


def test_a_browser_shows_every_picture_and_the_first_cause(explained, open_in_browser):
    _, explanations = explained
    explanation = next(each for each in explanations if each.causes)
    shown = open_in_browser(explanation.page)
    assert shown.missing == []
    assert explanation.picture in shown.images
    assert {line.picture for line in explanation.lines if line.picture} <= set(shown.images)
    assert explanation.causes[0].name in shown.text
    for sentence in answer_sentences(explanation):
        assert sentence in shown.text


def test_the_report_has_the_summary_and_links_every_explained_image(explained):
    study, explanations = explained
    page = (study.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "Why the most unstable images are unstable" in page
    links = set(re.findall(r'href="(\.\./explanations/[^"]+)"', page))
    assert all((study.folder / "report" / link).is_file() for link in links)
    examples = page.split('<div class="example">')[1:]
    assert len(examples) == 4
    # The two least stable are explained, the two most stable are not.
    assert ["why?" in example.split("</p>\n  </div>")[0] for example in examples] == [True, True, False, False]
    linked = {explanation.folder.name for explanation in study.explanations.values()}
    assert {link.split("/")[2] for link in links} == linked
    results = json.loads((study.folder / "report" / "results.json").read_text(encoding="utf-8"))
    summary = summarise(explanations)
    told = results["explained"]["summary"]
    assert (told["n_images"], told["n_unstable"]) == (2, summary.n_unstable)
    assert {share["cause"]: share["n_cause"] for share in told["shares"]} == {
        share.cause: share.n_cause for share in summary.shares
    }


def test_what_is_explained_is_kept(explained):
    study, explanations = explained
    folder = explanations[0].folder
    before = (folder / "step.json").stat().st_mtime_ns
    report = (study.folder / "report" / "step.json").stat().st_mtime_ns
    again = Study(study.folder)
    assert again.explain(explanations[0].image_id) == explanations[0]
    assert again.explain_worst(2) == explanations
    assert (folder / "step.json").stat().st_mtime_ns == before
    assert (study.folder / "report" / "step.json").stat().st_mtime_ns == report


def test_an_interrupted_run_goes_on(small, tmp_path, monkeypatch):
    monkeypatch.setattr(Study, "write_report", lambda self, progress: self)
    study = Study(shutil.copytree(small.folder, tmp_path / "study"))

    class Stop(Exception):
        pass

    def progress(description, total, done=0):
        def advance(count):
            if description == "Explaining images":
                raise Stop

        return nullcontext(advance)

    with pytest.raises(Stop):
        study.explain_worst(2, progress=progress)
    assert len(study.explanations) == 1
    stamps = {path: path.stat().st_mtime_ns for path in study.folder.glob("explanations/*/step.json")}
    study.explain_worst(2)
    assert len(study.explanations) == 2
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_another_setting_explains_anew(explained, tmp_path):
    study, explanations = explained
    folder = shutil.copytree(study.folder, tmp_path / "study")
    page = folder / "report" / "index.html"
    assert "why?" in page.read_text(encoding="utf-8")
    changed = Study(folder, sizes=[0.9]).run()
    assert not changed.explanations
    assert "why?" not in page.read_text(encoding="utf-8")
    anew = changed.explain(explanations[0].image_id)
    assert anew.response.sweep == "crop, diagonal, size 0.9"
    assert list(changed.explanations) == [anew.image_id]


def test_an_image_elsewhere_is_explained_like_the_same_image_in_the_test_set(explained, outside):
    study, explanations = explained
    path, label, box = outside
    explanation = study.explain(path, box=box, label=label)
    inside = explanations[0]
    assert not explanation.in_test_set
    assert explanation.before == inside.before
    assert explanation.distances.nn_distance == pytest.approx(inside.distances.nn_distance, rel=1e-5)
    assert explanation.first_cause == inside.first_cause
    assert [line.cause for line in explanation.lines] == [line.cause for line in inside.lines]
    assert explanation.image_id not in study.explanations


def test_an_image_without_box_or_label_gets_an_answer(explained, outside):
    study, explanations = explained
    explanation = study.explain(outside[0])
    assert explanation.before.p_top1_change == explanations[0].before.p_top1_change
    assert explanation.before.centre_view.is_right is None
    assert explanation.framing is None
    verdicts = {line.cause: line.verdict for line in explanation.lines}
    assert {verdicts[cause] for cause in ("off_centre", "scale", "framing")} == {"not tried"}
    assert "not known" in explanation.framing_reason
    content = next(line for line in explanation.lines if line.cause == "content")
    assert "shown whole" in content.intervention
    assert content.after is not None
    assert content.verdict != "cause"
    assert explanation.answer
    assert explanation.page.is_file()


def test_a_training_image_brings_its_label_and_box_and_is_not_its_own_neighbour(explained, photographs):
    study, _ = explained
    image_id = study.images("train")["image_id"].iloc[7]
    explanation = study.explain(photographs["train"].parent / image_id)
    assert explanation.label == study.images("train")["label"].iloc[7]
    assert explanation.framing.box == study.objects("train").set_index("image_id").loc[image_id, BOX_EDGES].tolist()
    assert image_id not in [neighbour.image_id for neighbour in explanation.neighbours]
    assert explanation.distances.nn_distance > 0


def test_a_stable_image_is_called_stable_and_not_taken_apart(explained):
    study, _ = explained
    rows = study.results.per_image.sort_values(["p_top1_change", "margin"], ascending=[True, False])
    explanation = study.explain(rows["image_id"].iloc[0])
    assert explanation.is_stable
    assert explanation.first_cause is None
    assert explanation.lines == []
    assert explanation.answer.startswith("Stable: ")
    assert "Why" not in re.findall(r"<h2>([^<]+)</h2>", explanation.page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image": "nothing.png"}, ["nothing.png is no file", "image_id such as"]),
        ({"image": "{folder}"}, ["is a folder"]),
        ({"image": "{text}"}, ["cannot be read as an image"]),
        ({"image": "{latin}"}, [r"caf\xe9.png is a path that is not valid UTF-8"]),
        ({"image": "{image}", "box": (0, 0, 200, 20)}, ["--box is 0,0,200,20", "74 × 74 pixels"]),
        ({"image": "{image}", "box": (10, 10, 10, 20)}, ["--box is 10,10,10,20"]),
        ({"image": "{image}", "box": (10, 10, 20)}, ["--box is 10,10,20", "four numbers"]),
        ({"image": "{image}", "box": (10, 10, float("nan"), 20)}, ["--box is"]),
        ({"image": "{image}", "label": "zebra"}, ["--label 'zebra'", "0, 1, 2"]),
        ({"image": "{test}", "label": "3"}, ["--box and --label"]),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
)
def test_bad_input_is_refused_in_a_sentence(explained, outside, tmp_path, arguments, words):
    study, explanations = explained
    text = tmp_path / "notes.txt"
    text.write_text("no image")
    latin = tmp_path / os.fsdecode(b"caf\xe9.png")
    shutil.copy(outside[0], latin)
    places = {"folder": tmp_path, "text": text, "latin": latin, "image": outside[0], "test": explanations[0].image_id}
    arguments["image"] = arguments["image"].format(**places)
    with pytest.raises(InputError) as refusal:
        study.explain(**arguments)
    for word in words:
        assert word in str(refusal.value)


def test_a_study_of_offsets_alone_cannot_explain_and_computes_nothing_for_it(few, fast, tmp_path):
    study = Study(tmp_path / "study", few["train"], few["test"], "demo", protocols=["offsets"], **fast)
    for explain in (lambda: study.explain("00000.png.png"), study.explain_worst):
        with pytest.raises(InputError, match=r"has no sweep with steps.*--protocol crop"):
            explain()
    assert not study.folder.exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"protocols": ["embed"], "sizes": [1.3], "fill": "mean"},
        {"protocols": ["embed"], "sizes": [1.3], "transforms": ["scale"], "fill": "black"},
        {"sampling": "random", "sizes": [0.8], "transforms": ["vertical"]},
    ],
    ids=lambda settings: "-".join(str(value) for value in settings.values()),
)
def test_every_protocol_can_be_explained(small, tmp_path, settings):
    study = Study(shutil.copytree(small.folder, tmp_path / "study"), **settings)
    explanation = study.explain(least_stable(study.analyse()))
    own = study.results.per_image.set_index("image_id").loc[explanation.image_id]
    standing = {each.name: each.value for each in explanation.standings}
    assert standing["p_top1_change"] == pytest.approx(own["p_top1_change"])
    grid = np.array(explanation.shift_map.top1)
    # An image on a canvas moves against the window; where the sweep grows the image, only the centre is shared.
    views = {
        "diagonal": np.diag(grid)[4:13][::-1],
        "vertical": grid[4:13, 8],
        "scale": np.full(9, grid[8, 8]),
    }[study.reference_sweep.transform]
    own_top1 = explanation.response.top1
    along = [grid[8 + down, 8 + right] for right, down in explanation.shift_map.sweep]
    assert along == ([] if study.reference_sweep.transform == "scale" else own_top1)
    assert own_top1 == views.tolist() if study.reference_sweep.transform != "scale" else own_top1[4] == views[4]
    made_up = next((line.made_up for line in explanation.lines if line.cause == "fine_detail"), None)
    if study.reference_sweep.protocol == "embed" and made_up is not None:
        assert made_up == pytest.approx(1 - (49 / 64) ** 2, abs=0.01)


def test_data_without_boxes_or_labels(few, fast, tmp_path):
    """Bare folders of images: an answer, with what could not be compared said."""
    folders = [tmp_path / split for split in few]
    for folder, table in zip(folders, few.values(), strict=True):
        folder.mkdir()
        for path in sorted(table.parent.glob("*.png"))[:12]:
            shutil.copy(path, folder)
    study = Study(tmp_path / "study", *folders, "demo", **fast)
    explanation = study.explain(least_stable(study.analyse()))
    assert explanation.label is None
    assert explanation.framing is None
    assert explanation.before.accuracy is None
    assert all(line.after is None or line.after.over_shifts.is_right is None for line in explanation.lines)
    content = next(line for line in explanation.lines if line.cause == "content")
    assert content.after is not None


def test_a_network_that_never_subsamples_is_not_low_passed(small, tmp_path):
    import torch
    from torch import nn

    class Flat(nn.Module):
        """Answers by the brightness of two pixels; no convolution has a stride."""

        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, 3, padding=1)
            self.classifier = nn.Linear(4, 10)

        def forward(self, images):
            return self.classifier(self.convolution(images)[:, :, 31, 31])

    torch.manual_seed(1)
    model = Model(
        "flat",
        Flat(),
        input_size=64,
        preprocessing=small.model.preprocessing,
        class_names=[str(digit) for digit in range(10)],
    )
    study = Study(shutil.copytree(small.folder, tmp_path / "study"), model=model)
    explanation = study.explain(least_stable(study.analyse()))
    line = next(line for line in explanation.lines if line.cause == "undersampling")
    assert line.verdict == "not tried"
    assert "no strided convolution" in line.reason


def test_a_picture_of_another_shape_and_mode_is_explained(explained, tmp_path):
    study, _ = explained
    pixels = np.asarray(Image.fromarray(load_dataset("demo:uniform").read("00003.png")).resize((150, 100)))
    path = tmp_path / "wide photograph.webp"
    Image.fromarray(pixels).convert("RGBA").save(path)
    explanation = study.explain(path, box=(60, 30, 110, 80))
    assert (explanation.width, explanation.height) == (150, 100)
    assert explanation.framing.box == [60, 30, 110, 80]
    assert explanation.answer


def test_a_label_may_be_given_by_its_readable_name(explained, outside, monkeypatch):
    study, _ = explained
    names = {str(digit): f"digit {digit}, {digit}th" for digit in range(10)}
    monkeypatch.setattr("bias_toolkit.study.inputs.Inputs.class_names", names)
    path, label, _ = outside
    explanation = study.explain(path, label=f"Digit {label}")
    assert (explanation.label, explanation.label_name) == (label, f"digit {label}")
    assert explanation.before.accuracy is not None
    with pytest.raises(InputError, match="--label 'digit'"):
        study.explain(path, label="digit")


def test_an_image_that_could_not_be_decoded_is_not_explained(few, small, tmp_path):
    folder = shutil.copytree(few["test"].parent, tmp_path / "test")
    broken = folder / load_dataset(folder / "images.csv").images["image_id"].iloc[0]
    broken.write_bytes(broken.read_bytes()[:600])
    study = Study(shutil.copytree(small.folder, tmp_path / "study"), test=folder / "images.csv")
    for given in (broken.name, broken):
        with pytest.raises(InputError, match=r"left out of the study.*skipped\.csv"):
            study.explain(given)
    assert broken.name in study.skipped_images["image_id"].tolist()


def test_an_image_that_was_left_out_says_why(few, fast, tmp_path):
    folder = shutil.copytree(few["test"].parent, tmp_path / "test")
    broken = folder / load_dataset(folder / "images.csv").images["image_id"].iloc[0]
    broken.write_bytes(b"")
    study = Study(tmp_path / "study", few["train"], folder / "images.csv", "demo", **fast)
    with pytest.raises(InputError, match="left out of the study's test set: the file is empty"):
        study.explain(broken.name)


def test_nothing_is_computed_for_what_is_refused(few, fast, tmp_path):
    study = Study(tmp_path / "study", few["train"], few["test"], "demo", **fast)
    with pytest.raises(InputError, match="cannot be read as an image"):
        study.explain(few["test"])
    assert not (study.folder / "features").exists()
