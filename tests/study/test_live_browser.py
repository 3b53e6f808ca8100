"""`bias-toolkit live` in a browser, with its server on this machine, and its end by Ctrl-C."""

import json
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from importlib.resources import files
from itertools import pairwise

import pytest
from PIL import Image

from bias_toolkit import Study
from bias_toolkit.study.live.page import live_page
from bias_toolkit.study.live.server import serve
from bias_toolkit.study.live.views import Asked, LiveViews

pytestmark = pytest.mark.extras
IMG = "<img src=x onerror=\"document.title='it ran'\">"
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def views(complete):
    study = Study(complete.folder)
    views = LiveViews(study.inputs, study.results)
    views.names[3] = IMG
    return views


@pytest.fixture(scope="module")
def page_of(views, complete):
    return live_page(views, views._results, complete.explained)


@pytest.fixture(scope="module")
def address(views, page_of):
    """The address of a server in a thread of this process, which ends with it."""
    told = queue.Queue()
    threading.Thread(
        target=serve, args=(views, page_of), kwargs={"opens": False, "told": told.put}, daemon=True
    ).start()
    return told.get(timeout=60)


@pytest.fixture
def opened(browser, address):
    """The page; it asked for nothing but its own server, had no error, and ran no name."""
    with browser.new_context(viewport={"width": 1280, "height": 900}, has_touch=True) as context:
        page = context.new_page()
        # The first view takes long where many processes share a machine.
        page.set_default_timeout(120_000)
        asked, errors = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(address)
        settled(page)
        yield page
        assert [each for each in errors if "422" not in each] == []
        assert [each for each in asked if not each.startswith(address)] == []
        assert page.title() != "it ran"


def settled(page, steps=0, name=None):
    """Wait until the class after so many steps is shown, and give what is shown of it."""
    pattern = re.compile(rf"changed at \d+ of {steps} steps?\.")
    page.locator(".seen").filter(has_text=pattern).wait_for()
    text, name = page.locator(".seen").text_content(), page.locator(".seen b").text_content()
    found = re.fullmatch(r"([\d.]+%)(, \w+)?\. (.*)\. The class changed at (\d+) of (\d+) steps?\.", text[len(name) :])
    return name, found[1], found[3], int(found[4])


def said(views, page_of, places, **changed):
    """The names and the shares that the model gives at places."""
    answer = views.answer(Asked(**page_of.blocks[0].start | {"places": places} | changed))
    names = [views.names[likely[0]] for likely in answer["likely"]]
    return names, [f"{100 * each[0]:.1f}%" for each in answer["shares"]]


def test_arrow_keys_and_the_mouse_move_the_view_and_count_the_changes(opened, views, page_of):
    places = [(0, 0)]
    for key, (dx, dy) in (("ArrowRight", (1, 0)), ("ArrowDown", (0, 1)), ("ArrowLeft", (-1, 0)), ("ArrowUp", (0, -1))):
        for _ in range(3):
            opened.keyboard.press(key)
            places.append((places[-1][0] + dx, places[-1][1] + dy))
    # Far beyond the 17 × 17 places of the explanation.
    for _ in range(2):
        opened.keyboard.press("Shift+ArrowRight")
        places += [(places[-1][0] + by, 0) for by in range(1, 9)]
    assert places[-1] == (16, 0)
    names, shares = said(views, page_of, places)
    flips = sum(a != b for a, b in pairwise(names))
    assert settled(opened, len(places) - 1) == (names[-1], shares[-1], "16 pixels right", flips)
    assert opened.locator(".first").text_content() == f"At the start: {names[0]}"
    rows = opened.locator(".likely li").all_text_contents()
    assert len(rows) == 5
    assert rows[0].endswith(shares[-1])
    opened.keyboard.press("Home")
    assert settled(opened)[2] == "Centre view"
    box = opened.locator(".stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 60
    opened.mouse.move(x, y)
    opened.mouse.down()
    opened.mouse.move(x + 8 * 3, y - 8 * 2)
    opened.mouse.up()
    names, shares = said(views, page_of, [(3, -2)])
    assert settled(opened, 3)[:3] == (names[0], shares[0], "3 pixels right, 2 pixels up")


def test_the_controls_change_what_the_model_sees(opened, views, page_of):
    steps = 0

    def now(**changed):
        nonlocal steps
        steps += 1
        names, shares = said(views, page_of, [(0, 0)], **changed)
        assert settled(opened, steps)[:2] == (names[0], shares[0])

    picture = opened.locator(".stage img")
    before = picture.get_attribute("src")
    opened.get_by_label("Protocol").select_option("embed")
    now(protocol="embed", size=2)
    assert opened.get_by_text("The photograph’s side has 32 of the view’s 64 pixels.").is_visible()
    opened.get_by_label("Canvas around the photograph").select_option("black")
    now(protocol="embed", size=2, fill="black")
    opened.get_by_label("Scale").fill("1.5")
    now(protocol="embed", size=1.5, fill="black")
    opened.get_by_label("Blur of the photograph").fill("1")
    now(protocol="embed", size=1.5, fill="black", blur=1)
    opened.get_by_label("Low-pass filters in the network").select_option("3")
    now(protocol="embed", size=1.5, fill="black", blur=1, low_pass=3)
    assert picture.get_attribute("src") != before
    assert picture.evaluate("each => each.decode().then(() => each.naturalWidth)") == views.side + 2 * views.radius
    opened.get_by_role("button", name="As in the study").click()
    now()
    assert opened.get_by_label("Protocol").input_value() == "crop"
    assert opened.get_by_label("Canvas around the photograph").is_disabled()


def test_another_image_and_ones_own(opened, views, page_of, tmp_path, random_image):
    block = page_of.blocks[0]
    other = next(image for image in block.images if image != block.start["image"])
    field = opened.get_by_label("A test image, by its name")
    field.fill(other)
    field.press("Enter")
    opened.locator(".about").filter(has_text=other).wait_for()
    names, shares = said(views, page_of, [(0, 0)], image=other)
    assert settled(opened)[:2] == (names[0], shares[0])
    field.fill("../../etc/passwd")
    field.press("Enter")
    opened.get_by_text("The study has no test image of this name.").wait_for()
    assert opened.locator(".seen").text_content() == ""
    Image.fromarray(random_image(90, 80)).save(tmp_path / "own.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    own = opened.get_by_label("Your own photograph")
    own.set_input_files(tmp_path / "broken.png")
    opened.get_by_role("alert").filter(has_text="Your photograph cannot be read as an image").wait_for()
    own.set_input_files(tmp_path / "own.png")
    opened.locator(".about").filter(has_text="your photograph: no label").wait_for()
    names, shares = said(views, page_of, [(0, 0)], image=max(views._own))
    assert settled(opened)[:2] == (names[0], shares[0])


def test_a_name_that_would_act_stays_text(opened, views, monkeypatch):
    def answer(asked):
        return {
            "likely": [[3, 2, 1, 0, 4]] * len(asked.places),
            "shares": [[0.5, 0.2, 0.1, 0.1, 0.1]] * len(asked.places),
            "right": 3,
            "about": IMG,
        }

    monkeypatch.setattr(views, "answer", answer)
    opened.locator(".stage").focus()
    opened.keyboard.press("ArrowRight")
    assert settled(opened, 1)[0] == IMG
    assert opened.locator(".first").count() == 1
    assert opened.locator(".about").text_content() == IMG
    assert opened.locator(".likely li").first.text_content() == f"{IMG} (right)50.0%"
    assert opened.locator("img").count() == 1


@pytest.mark.parametrize("width", [320, 1280])
def test_it_is_usable_on_a_small_screen_in_the_dark_and_with_a_screen_reader(opened, width):
    opened.set_viewport_size({"width": width, "height": 800})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    opened.evaluate(AXE)
    for scheme in ("light", "dark"):
        opened.emulate_media(color_scheme=scheme)
        found = opened.evaluate("axe.run()")["violations"]
        assert [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found] == []
    tree = opened.locator(".live").aria_snapshot()
    for role in ("application", "status", "alert", "slider", "combobox"):
        assert role in tree


def test_a_page_of_another_site_gets_nothing(browser, address, tmp_path):
    """Neither by a request nor by a picture; and its own address does not help."""
    other = tmp_path / "other.html"
    script = f"""fetch({json.dumps(address + "views")}, {{method: 'POST', body: '{{}}', mode: 'no-cors'}})
      .then(answer => document.title = 'got ' + answer.type, () => document.title = 'refused');"""
    other.write_text(f"<img src='{address}picture?image=x'><script>{script}</script>")
    with browser.new_context() as context:
        page = context.new_page()
        statuses = []
        page.on("response", lambda response: statuses.append((response.url, response.status)))
        page.goto(other.as_uri())
        page.wait_for_function("document.title.length > 0")
        assert {status for url, status in statuses if url.startswith(address)} <= {403}
        assert page.evaluate("document.querySelector('img').naturalWidth") == 0


def test_ctrl_c_ends_the_command(complete):
    # A process that was begun in the background of a script ignores SIGINT.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from bias_toolkit_cli.main import main; main()"
    command = [sys.executable, "-c", code, "live", complete.folder]
    with subprocess.Popen([*command, "--no-browser"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        line = run.stdout.readline()
        found = re.fullmatch(r"The page is at (http://127\.0\.0\.1:(\d+)/([\w-]+)/)\n", line)
        assert found, line + run.stderr.read()
        with urllib.request.urlopen(found[1]) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"http://127.0.0.1:{found[2]}/")
        run.send_signal(signal.SIGINT)
        begun = time.monotonic()
        _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert time.monotonic() - begun < 30
    assert "Traceback" not in err
    assert found[3] not in err
