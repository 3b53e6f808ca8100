"""`bias-toolkit live`: what it shows is what the study measured, and its server lets nobody else in."""

import html
import io
import json
import re
import socket
import sys

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from bias_toolkit import InputError, Study
from bias_toolkit.datasets.pixels import pixels_of
from bias_toolkit.explain.neighbourhood import MAP_RADIUS
from bias_toolkit.invariance import CENTRE, REMEDIES, Sweep, make_views, sweep_reduction, transform_of
from bias_toolkit.invariance.transforms import shifts
from bias_toolkit.report.page.page import policy_of, scripts_of
from bias_toolkit.study.live import server
from bias_toolkit.study.live.page import live_page
from bias_toolkit.study.live.server import live_app, serve
from bias_toolkit.study.live.views import LiveViews, Shown

TOKEN, HOST = "a-token", "127.0.0.1:8000"
IMG = "<img src=x onerror=\"document.title='it ran'\">"
PLAIN = {"blur": 0, "low_pass": 1}


@pytest.fixture(scope="module")
def study(complete):
    return Study(complete.folder)


@pytest.fixture(scope="module")
def views(study):
    return LiveViews(study.inputs, study.results)


@pytest.fixture(scope="module")
def page(views, study, complete):
    return live_page(views, study.results, complete.explained)


@pytest.fixture(scope="module")
def client(views, page):
    return TestClient(live_app(views, page, TOKEN, HOST), base_url=f"http://{HOST}/{TOKEN}/", follow_redirects=False)


@pytest.fixture
def ask(client, page):
    """A function that asks for places with the settings of the study, but for those that are given."""
    start = page.blocks[0].start

    def post(places, **changed):
        content = json.dumps(start | {"places": np.asarray(places).tolist()} | changed)
        return client.post("views", content=content)

    return post


def test_every_place_has_the_classes_that_the_explanation_measured(ask, study, complete):
    shift_map = study.explanations[complete.explained].shift_map
    places = shifts(MAP_RADIUS)
    assert len(places) == 289
    answer = ask(places).json()
    side = 2 * MAP_RADIUS + 1
    assert np.reshape(answer["likely"], (side, side, -1)).tolist() == shift_map.likely
    np.testing.assert_allclose(np.reshape(answer["shares"], (side, side, -1)), shift_map.probabilities, atol=2e-4)
    assert answer["right"] == shift_map.right
    # One place at a time, as the page asks.
    for place in (0, 16, 144, 288):
        assert ask([places[place]]).json()["likely"][0] == answer["likely"][place]


@pytest.mark.parametrize("protocol", ["crop", "embed"])
def test_the_views_of_the_sweep_have_the_classes_that_it_measured(ask, study, protocol):
    sweep = next(each for each in study.inputs.sweeps if each.protocol == protocol)
    path = transform_of(sweep.transform).path() - CENTRE
    # The image moves right on a canvas if the window moves left.
    path = -path if protocol == "embed" else path
    rows = study.responses[study.responses["protocol"] == protocol]
    assert len(rows) == 20
    for row in rows.itertuples():
        answer = ask(path, image=row.image_id, protocol=protocol, size=sweep.size, fill=sweep.fill).json()
        assert [likely[0] for likely in answer["likely"]] == row.top1.tolist()
        np.testing.assert_allclose([each[0] for each in answer["shares"]], row.p_top1, atol=2e-4)


def test_a_far_place_is_a_square_of_one_picture_whose_middle_is_the_near_one(views, page):
    shown = Shown(**{name: value for name, value in page.blocks[0].start.items() if name != "low_pass"})
    for fill in ("mean", "inpaint"):
        sweep = Sweep("embed", "diagonal", 2.0, fill=fill)
        near, wide = (make(shown.image, sweep) for make in (views._near, views._wide))
        more = views.radius - MAP_RADIUS
        assert more > 0
        for name in ("pixels", "outside"):
            middle = getattr(wide, name)[more : more + len(near.pixels), more : more + len(near.pixels)]
            np.testing.assert_array_equal(middle, getattr(near, name))
        assert wide.pixels.shape == (views.side + 2 * views.radius,) * 2 + (3,)


def test_the_picture_of_the_page_is_the_one_of_the_views(client, views, page):
    start = {name: value for name, value in page.blocks[0].start.items() if name != "low_pass"}
    answer = client.get("picture", params=start)
    assert answer.headers["content-type"] == "image/png"
    shown = np.asarray(Image.open(io.BytesIO(answer.content)))
    np.testing.assert_array_equal(shown, views._wide(start["image"], views.sweep).pixels)
    assert answer.url.query.decode() == page.blocks[0].file.partition("?")[2]


def test_blur_and_low_pass_are_those_of_the_remedies(ask, views, complete):
    sweep, places = views.sweep, np.array([[0, 0], [3, -2]])
    picture = views._wide(complete.explained, sweep)
    for remedy in REMEDIES:
        if remedy.name not in ("blur-1", "low-pass-3"):
            continue
        changed = {"blur": 1} if remedy.name == "blur-1" else {"low_pass": 3}
        outputs = remedy.network(views.model).evaluate(remedy.views(picture, places).pixels).probabilities
        answer = ask(places, **changed).json()
        assert [likely[0] for likely in answer["likely"]] == outputs.argmax(axis=1).tolist()
        np.testing.assert_allclose([each[0] for each in answer["shares"]], outputs.max(axis=1), atol=2e-4)
        assert answer["shares"] != ask(places).json()["shares"]


def as_file(pixels, form="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def test_a_photograph_of_ones_own(client, ask, views, random_image):
    content = as_file(random_image(700, 640), "JPEG")
    image = client.post("photograph", content=content).json()["image"]
    sweep = Sweep("crop", "diagonal", 0.9)
    reduction = sweep_reduction(sweep, views.side, image)
    assert reduction(700, 640) > 1
    own = make_views(pixels_of(content, reduction), sweep, views.side, image)
    path = transform_of("diagonal").path() - CENTRE
    answer = ask(path, image=image, size=0.9).json()
    outputs = views.model.evaluate(own.pixels).probabilities
    assert [likely[0] for likely in answer["likely"]] == outputs.argmax(axis=1).tolist()
    assert (answer["right"], answer["about"]) == (None, "your photograph: no label")
    # The next one takes its place.
    other = client.post("photograph", content=as_file(random_image(40, 30))).json()["image"]
    assert ask([[0, 0]], image=other).status_code == 200
    assert ask([[0, 0]], image=image).json() == {"error": "The study has no test image of this name."}


def test_what_is_no_image_gives_a_sentence(client, ask, views, copy_of_complete, complete, monkeypatch, random_image):
    cut = as_file(random_image(90, 90))[:3000]
    for content in (b"", b"no image", cut):
        answer = client.post("photograph", content=content)
        assert answer.status_code == 422
        assert re.fullmatch(r"Your photograph cannot be read as an image \(.+\)\.", answer.json()["error"])
    monkeypatch.setattr(server, "MOST_BYTES", 2**20)
    answer = client.post("photograph", content=b"x" * (2**20 + 1))
    assert (answer.status_code, answer.json()["error"]) == (413, "The file has more than 1 MB; choose a smaller one.")

    def refuse(image_id, reduction):
        raise server_error

    from bias_toolkit.foundation.errors import UnreadableImageError

    server_error = UnreadableImageError("the file is cut off")
    monkeypatch.setattr(views._inputs.test, "read_reduced", refuse)
    answer = ask([[0, 0]], size=0.77)
    assert answer.status_code == 422
    assert answer.json()["error"] == f"{complete.explained} cannot be read as an image (the file is cut off)."


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 1.5},
        {"protocol": "embed", "size": 0.5},
        {"protocol": "embed", "size": 900},
        {"fill": "pink"},
        {"places": [[10**6, 0]]},
    ],
    ids=str,
)
def test_settings_that_are_not_allowed_give_a_sentence(ask, changed):
    answer = ask(changed.pop("places", [[0, 0]]), **changed)
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(".")


@pytest.mark.parametrize(
    "changed",
    [
        {"protocol": "offsets"},
        {"size": "nan"},
        {"blur": -1},
        {"blur": 1000},
        {"low_pass": 7},
        {"places": []},
        {"places": [[0, 0]] * 290},
        {"places": [[0.5, 0]]},
        {"more": 1},
    ],
    ids=str,
)
def test_what_the_page_cannot_ask_is_refused(ask, changed):
    assert ask(changed.pop("places", [[0, 0]]), **changed).status_code == 400


def test_only_who_has_the_token_gets_an_answer(client):
    assert client.get("").status_code == 200
    for path in ("/", "", f"/{TOKEN[:-1]}/", f"/{TOKEN}x/", "/views", "/picture", "/favicon.ico", "/é/", "//", "/../"):
        answer = client.get(f"http://{HOST}{path}")
        assert (path, answer.status_code, answer.json()) == (path, 403, {"error": "This request is refused."})
    assert client.post(f"http://{HOST}/other/photograph", content=b"x").status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:8001"},
        {"Host": "localhost:8000"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8001"},
        {"Origin": f"https://{HOST}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_another_host_or_origin_is_refused(client, headers):
    for method, path in (("GET", ""), ("POST", "views"), ("POST", "photograph")):
        assert client.request(method, path, headers=headers).status_code == 403
    own = {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}
    assert client.get("", headers=own).status_code == 200


def test_nothing_outside_the_study_is_served(client, ask, complete, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(as_file(np.zeros((40, 40, 3), np.uint8)))
    for path in ("study.json", "../study.json", "..%2f..%2fetc/passwd", "/etc/passwd", "static/x"):
        assert client.get(f"http://{HOST}/{TOKEN}/{path}").status_code in (403, 404)
    for image in (str(secret), f"../{secret}", "../data/test/images/0.png", "/etc/passwd", "/1000", "..", ""):
        answer = ask([[0, 0]], image=image)
        assert (answer.status_code, answer.json()["error"]) == (422, "The study has no test image of this name.")
        assert client.get("picture", params={"image": image, "path": str(secret)}).status_code in (400, 422)


def test_the_page_may_do_as_little_as_a_report(client, page):
    answer = client.get("")
    (meta,) = re.findall('Content-Security-Policy" content="([^"]*)"', answer.text)
    policy = policy_of(scripts_of(page), asks=True)
    assert html.unescape(meta) == policy
    assert re.fullmatch(
        r"default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        r"script-src 'sha256-[\w+/=]{44}'; connect-src 'self'",
        policy,
    )
    for each in (answer, client.get("picture"), client.get(f"http://{HOST}/x")):
        assert each.headers["content-security-policy"] == f"{policy}; frame-ancestors 'none'"
        assert each.headers["referrer-policy"] == "no-referrer"
        assert each.headers["cache-control"] == "no-store"
        assert each.headers["x-content-type-options"] == "nosniff"
    assert re.findall("<script[^>]*>", answer.text) == ["<script>"]
    assert not re.findall(r'(?:src|href)="(?!#|picture\?|data:,")[^"]*"', answer.text)


class OnlyRead:
    """The results of a study of which no more than the images were read."""

    def __init__(self, study):
        self.folder, self.images = study.folder, study.images

    @property
    def per_image(self):
        raise InputError("not analysed.")


def test_a_study_that_was_only_read_has_its_images_in_their_own_order(small, page, study):
    views = LiveViews(small.inputs, small.results)
    assert live_page(views, small.results, None).blocks[0].images_note.endswith("the least stable image first.")
    assert (
        page.blocks[0].images[0]
        == study.results.per_image.sort_values(["p_top1_change", "mac", "image_id"], ascending=[False, False, True])[
            "image_id"
        ].iloc[0]
    )
    block = live_page(views, OnlyRead(small), None).blocks[0]
    assert block.images == small.images("test")["image_id"].tolist()
    assert block.images_note == "20 names are listed."


def test_the_first_image(views, complete, photographs, tmp_path):
    assert views.find(complete.explained) == complete.explained
    path = views._inputs.test.source(complete.explained)
    assert views.find(path) == complete.explained
    other = photographs["train"].parent / "train-00000.png"
    other = next(photographs["train"].parent.glob("*.png")) if not other.exists() else other
    own = views.find(str(other))
    assert views._own[own][0] == other.name
    (tmp_path / "x.png").write_bytes(b"no image")
    for image, sentence in (("gone.png", "gone.png is no file"), (tmp_path / "x.png", "X.png cannot be read as")):
        with pytest.raises(InputError, match=re.escape(sentence)):
            views.find(str(image))


def test_the_server_listens_on_this_machine_alone(views, page, monkeypatch):
    told, ran = [], []
    monkeypatch.setattr(server.uvicorn.Server, "run", lambda self, sockets: ran.append(sockets[0].getsockname()))
    serve(views, page, opens=False, told=told.append)
    assert ran[0][0] == "127.0.0.1"
    assert re.fullmatch(rf"http://127\.0\.0\.1:{ran[0][1]}/[\w-]{{43}}/", told[0])
    serve(views, page, opens=False, told=told.append)
    assert told[0].split("/")[3] != told[1].split("/")[3]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            InputError, match=rf"--port {port} cannot be used \(.+\); name another one, or leave it out"
        ):
            serve(views, page, port=port, opens=False, told=told.append)


def test_without_starlette_the_command_says_what_to_install(complete, call, monkeypatch):
    monkeypatch.delitem(sys.modules, "bias_toolkit.study.live.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, err = call("live", complete.folder)
    assert code == 2
    assert err.strip().endswith("install bias-toolkit with the extra live.")


@pytest.fixture
def call(capsys):
    """A function that runs a command; gives its exit code and what it wrote to standard error."""
    from bias_toolkit_cli.main import main

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        return end.value.code or 0, capsys.readouterr().err

    return run
