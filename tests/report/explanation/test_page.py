"""The page of one explanation: its answer first, all of its numbers, and nothing that is not in its folder."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from bias_toolkit.foundation.words import percent, significant
from bias_toolkit.report.explanation.measured import more_than
from bias_toolkit.report.explanation.page import explanation_page
from bias_toolkit.report.explanation.why import points

VOID = {"meta", "img", "link", "br"}


class Page(HTMLParser):
    """A page's headings, text, pictures and trials; its tags must be closed in order."""

    def __init__(self, path):
        super().__init__()
        self.folder = path.parent
        self.open, self.sources, self.alts, self.words, self.headings, self.tags = [], [], [], [], [], set()
        self.trials, self.links, self.ids = [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "img":
            self.sources.append(attrs["src"])
            self.alts.append(attrs["alt"])
        if tag == "article":
            self.trials.append([attrs["class"], []])
        self.links.extend([attrs["href"]] if "href" in attrs else [])
        self.ids.extend([attrs["id"]] if "id" in attrs else [])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & {*self.open}:
            self.words.append(data)
        if "h2" in self.open:
            self.headings.append(data)
        if "article" in self.open:
            self.trials[-1][1].append(data)

    @property
    def text(self):
        return squeezed(self.words)

    def trial(self, *words):
        """The class and the text of the one trial whose text has all the words."""
        told = [(kind, squeezed(texts)) for kind, texts in self.trials]
        (found,) = [(kind, text) for kind, text in told if all(word in text for word in words)]
        return found


def squeezed(words):
    return re.sub(r"\s+", " ", " ".join(words)).strip()


@pytest.fixture
def page(explained, pages_without_figures):
    return Page(explained())


def test_sections_in_their_order_and_the_answer_first(page, unstable):
    assert page.headings == [
        "Answer",
        "Why",
        "What is no cause",
        "How unstable",
        "Compared with other images",
        "What averaging over shifts gives",
        "How this was measured",
    ]
    assert squeezed([unstable.answer]) in page.text
    # All but the answer and the causes is folded.
    assert [section.folded for section in explanation_page(unstable).sections] == [False] * 2 + [True] * 5
    after_heading = page.text.split("Answer ", 2)[-1]
    assert after_heading.index("Unstable: its top-1 class changes in 37.5%") < 300
    assert page.sources[0] == "pictures/centre.png"


def test_every_picture_is_there_with_words_for_who_cannot_see_it(page):
    assert len(page.sources) > 15
    for file in page.sources:
        assert (page.folder / file).is_file(), file
    assert all(page.alts)
    assert {f"pictures/neighbour-{i}.png" for i in (1, 2, 3)} <= set(page.sources)
    assert "no picture" in page.text


def test_figures_are_svg_only_and_linked(page):
    files = sorted(path.name for path in (page.folder / "figures").iterdir())
    assert files == ["effects.svg", "object.svg", "response.svg", "shifts.svg"]
    assert {f"figures/{file}" for file in files} <= set(page.sources)
    for link in page.links:
        assert link[1:] in page.ids if link.startswith("#") else (page.folder / link).is_file()
    assert not [link for link in page.links if link.endswith((".png", ".pdf"))]


def test_other_files_of_the_folder_stay(explained, unstable):
    folder = explained().parent
    unstable.save(folder)
    kept = [*(folder / "pictures").iterdir(), folder / "explanation.json"]
    before = {path: path.read_bytes() for path in kept}
    assert len(before) > 10
    explained()
    assert all(path.read_bytes() == content for path, content in before.items())


def test_nothing_comes_from_the_network_and_names_are_escaped(page):
    html = (page.folder / "index.html").read_text(encoding="utf-8")
    assert "b" not in {*page.tags} or "<b>017</b>" not in html
    assert "<script>alert(1)</script>" in page.text
    assert "test/<b>017</b>.png" in page.text
    assert "2,000 resamples of <rows>" in page.text
    assert not [link for link in page.links + page.sources if "//" in link]


def answer_picture(explanation):
    return explanation_page(explanation).sections[0].blocks[0].picture


def test_the_picture_has_the_class_that_it_gets(unstable):
    """The class over all shifts is named as such, where it is another one."""
    before = unstable.before
    assert before.centre_view.name != before.over_shifts.name == "owl"
    picture = answer_picture(unstable)
    assert (picture.file, picture.title) == (unstable.picture, before.centre_view.name)
    assert picture.title == unstable.shift_map.names[unstable.shift_map.reference]
    assert picture.lines == [
        "This is the centre view, and the class that it gets.",
        "probability 45.0%, wrong",
        "Over all shifts the model says another class: owl.",
    ]
    same = dataclasses.replace(unstable, before=dataclasses.replace(before, over_shifts=before.centre_view))
    assert not [line for line in answer_picture(same).lines if "Over all shifts" in line]


def test_of_what_the_page_is(unstable):
    image, model, study = explanation_page(unstable).of
    assert image == ("Image", "snow leopard", "64 × 48 pixels, in the test set")
    assert model[1] == "demo"
    assert study[1:] == ("owls & others", "crop, diagonal, size 1")
    other = dataclasses.replace(unstable, in_test_set=False, label_name="")
    assert explanation_page(other).of[0] == ("Image", "no label", "64 × 48 pixels, not in the test set")
    mapped = dataclasses.replace(unstable, label_name="ounce")
    assert explanation_page(mapped).of[0] == (
        "Image",
        "ounce",
        "counts as snow leopard; 64 × 48 pixels, in the test set",
    )
    assert mapped.text.startswith("test/<b>017</b>.png (ounce, which counts as snow leopard)")


def test_standings(page):
    assert "Measure Value Among the other test images" in page.text
    assert "P(top-1 change) 37.5% more than 99.7%" in page.text
    assert "Margin 0.04 more than 3%" in page.text


def test_changes_of_class_are_shown_in_pairs(page):
    for words in (
        "View −3 → view −2 owl 34.0% <script>alert(1)</script> 36.0%",
        'View +1 → view +2 <script>alert(1)</script> 38.0% said "no" & left 40.0%',
        "The top-1 class changes in 3 steps of 8.",
    ):
        assert words in page.text
    places = [page.sources.index(f"pictures/view-{k}.png") for k in (1, 2, 5, 6)]
    assert places == sorted(places)


def test_no_change_along_the_sweep(explained, unstable):
    same = dataclasses.replace(unstable.response, top1=[3] * 9, changes=[])
    text = Page(explained(response=same)).text
    assert "The top-1 class is the same on all views of this sweep." in text
    assert "disagrees with itself" not in text


def test_how_unlike(page, unstable):
    for words in (
        "Сова é distance 3.75 train/001.png",
        "Distance to nearest training image (Euclidean) 3.75 more than 88% more than 91%",
        "Distance to nearest training image of the class (Euclidean) 5.50 – –",
        "Scale 0.25 0.60 more than 98%",
        "Compared with training objects of class “owl”. Its position is unusual and its scale usual",
    ):
        assert words in page.text, words


def test_without_framing_and_without_distances(explained):
    page = Page(explained(framing=None, framing_reason="The image has no box.", distances=None, neighbours=[]))
    assert "The object’s framing is left out: The image has no box." in page.text
    assert "Distance and margin" not in page.text
    assert "Nearest training images" not in page.text
    assert not (page.folder / "figures" / "object.svg").exists()


def test_every_line_with_its_numbers(page, unstable):
    for line in unstable.lines:
        kind, text = page.trial(line.name, line.intervention, line.reason, line.verdict)
        if line.after is None:
            continue
        before, after = unstable.controls, line.after.p_top1_change
        assert f"{percent(before.p_top1_change.value)} → {percent(after.value)}" in text
        assert f"after: 95% interval {percent(after.low)} to {percent(after.high)}" in text
        assert f"{significant(before.mac.value, 2)} → {significant(line.after.mac.value, 2)}" in text
        low, high = points(line.fall.low), points(line.fall.high)
        assert f"fall: {points(line.fall.value)}, 95% interval {low} to {high}" in text
        ends = [significant(end, 2) for end in (line.mac_fall.value, line.mac_fall.low, line.mac_fall.high)]
        assert f"fall: {ends[0]}, 95% interval {ends[1]} to {ends[2]}" in text
        centre = line.after.centre_view
        told = f"probability {percent(centre.probability)}, {'right' if centre.is_right else 'wrong'}"
        assert f"Class at the centre view {centre.name} {told}" in text
        assert kind == ("trial cause" if line.rank else "trial other")
    assert "Made-up pixels 18.0% filled: the canvas colour" in page.trial("framed off centre")[1]


def test_causes_come_first_in_their_order_and_what_was_not_tried_has_no_numbers(page):
    kinds = [kind.split()[1] for kind, _ in page.trials]
    assert kinds == ["cause", "reference", "reference", "other", "other", "other", "untried", "other"]
    texts = [squeezed(words) for _, words in page.trials]
    assert "centre view framed off centre cause" in texts[0]
    assert "Class at the centre view <script>alert(1)</script>" in texts[1]
    assert "Class over all shifts owl probability 40.0%, wrong" in texts[1]
    assert texts[2].startswith("Controls")
    assert "P(top-1 change) 35.0%" in texts[2]
    assert "95% interval 30.0% to 40.0%" in texts[2]
    assert "MAC 0.087" in texts[2]
    assert "interval" not in texts[1]
    assert "%" not in texts[-2]
    # An association, in the section on other images and not among the causes.
    assert texts[-1].startswith("a coin toss between two classes like others of its margin")
    assert page.text.index("These are associations") < page.text.index("a coin toss between two classes like")


def test_the_coin_toss_is_compared_with_images_of_its_margin_and_not_with_these_steps(page):
    _, text = page.trial("a coin toss")
    assert "P(top-1 change) of images with its margin 31.0% 95% interval 27.0% to 35.0%" in text
    assert "37.5%" not in text


def test_remedies(page):
    assert "shifts of up to 3 pixels 49 7.0% 0.018 snow leopard" in page.text
    # What the remedy does to the centre view: as it is, the class of that one view and not that over all shifts.
    as_it_is = "As it is 1 37.5% 0.094 <script>alert(1)</script> probability 45.0%, wrong"
    assert as_it_is in page.text
    assert "A shift is an exact slice of pixels." in page.text


def test_a_stable_image(explained, unstable):
    p = dataclasses.replace(unstable.before.p_top1_change, value=0.02, low=0.0, high=0.05)
    stable = {"before": dataclasses.replace(unstable.before, p_top1_change=p), "lines": []}
    page = Page(explained(**stable))
    assert page.headings == [
        "Answer",
        "How unstable",
        "Compared with other images",
        "What averaging over shifts gives",
        "How this was measured",
    ]
    assert "As the image is stable, no cause was looked for." in page.text
    assert page.trials == []


def test_no_cause_was_found(explained, unstable):
    lines = [line for line in unstable.lines if line.rank is None]
    page = Page(explained(lines=lines, remedies=[], notes=[], controls=None))
    assert page.headings[1:3] == ["Why", "What is no cause"]
    assert "No cause was found. What was tried is below, each with its result." in page.text
    assert "trial cause" not in dict(page.trials)


@pytest.mark.parametrize(
    ("ranks", "tags", "title", "found"),
    [
        ((1, None), ["cause"], "The cause", "One cause was found: framed off centre."),
        ((1, 2), ["strongest cause", "cause"], "Causes", "The strongest is: framed off centre."),
        ((1, 1), ["cause", "cause"], "Causes", "2 causes were found, in no order: framed off centre, and unlike"),
    ],
)
def test_causes_are_ordered_only_where_they_are_told_apart(unstable, ranks, tags, title, found):
    lines = [
        dataclasses.replace(line, rank=rank, verdict="cause")
        for line, rank in zip([unstable.lines[0], unstable.lines[2]], ranks, strict=True)
        if rank
    ]
    why = explanation_page(dataclasses.replace(unstable, lines=lines)).sections[1]
    figure, causes = why.blocks
    assert causes.title == title
    assert [trial.verdict for trial in causes.trials] == tags
    assert [trial.rank for trial in causes.trials] == [None] * len(tags)
    assert (found in causes.note) == (len(tags) > 1)
    assert found in figure.alt


def test_percentiles_at_the_ends():
    assert more_than(None) == "–"
    assert more_than(0.0, "them") == "more than none of them"
    assert more_than(1.0, "them") == "more than all of them"
    assert more_than(0.9999, "them") == "more than 99.99% of them"


def test_an_image_from_elsewhere_has_no_other_test_images(explained):
    text = Page(explained(in_test_set=False)).text
    assert "Among the test images" in text
    assert "other test images" not in text


def test_twice_is_the_same(explained):
    folder = explained().parent
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    explained()
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
