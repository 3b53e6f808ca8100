"""Files, names and JSON that someone else made to do harm."""

import os
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.untrusted import inside, parse_json, read_regular, read_regular_text

posix = pytest.mark.skipif(os.name != "posix", reason="pipes, sockets and links are POSIX")


def sentence(caught):
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_a_regular_file_up_to_the_limit_is_read(tmp_path):
    path = tmp_path / "file"
    for content in (b"", b"1234567", b"12345678"):
        path.write_bytes(content)
        assert read_regular(path, 8) == content
    path.write_bytes(b"123456789")
    with pytest.raises(InputError, match="at most 8 bytes") as caught:
        read_regular(path, 8)
    assert str(path) in sentence(caught)


def test_a_sparse_file_of_terabytes_is_refused_unread(tmp_path):
    with open(tmp_path / "file", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="larger"):
        read_regular(tmp_path / "file", 2**20)


@posix
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder", "link", "loop", "dangling", "missing"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "file"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    elif kind == "device":
        path = "/dev/zero"
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        (tmp_path / "other").write_text("secret")
        path.symlink_to("other")
    elif kind == "loop":
        path.symlink_to("file")
    elif kind == "dangling":
        path.symlink_to("nowhere")
    caught = []

    def read():
        try:
            read_regular(path, 100)
        except InputError as error:
            caught.append(str(error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert len(caught) == 1
    assert str(path) in caught[0]


@posix
def test_a_file_that_says_it_is_empty_and_is_not(monkeypatch):
    with pytest.raises(InputError, match="larger"):
        read_regular("/proc/self/status", 100)


def test_text_is_utf8(tmp_path):
    path = tmp_path / "file"
    path.write_bytes("ü".encode())
    assert read_regular_text(path, 10) == "ü"
    path.write_bytes(b"ab\xff")
    with pytest.raises(InputError, match="byte 2 is not") as caught:
        read_regular_text(path, 10)
    sentence(caught)


@pytest.mark.parametrize("name", ["a", "a/b.npy", "ü/..b", "...", "a b/c", "responses/crop-1-diagonal"])
def test_a_name_inside(tmp_path, name):
    assert inside(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "/a",
        "//a",
        "a//b",
        "a/",
        "./a",
        "a/./b",
        "a\\b",
        "..\\a",
        "C:a",
        "c:/a",
        "a\0",
        "a\nb",
        "a\x7f",
        "a\x9b",
        "a\u2028b",
        "\udcff",
        "a/" * 5000 + "b",
        "x" * 5000,
        None,
        3,
        ["a"],
        b"a",
    ],
)
def test_a_name_that_is_not_inside(tmp_path, name):
    # One that is too long for the file system is refused where it is read.
    with pytest.raises(InputError) as caught:
        read_regular(inside(tmp_path, name), 10)
    assert "\n" not in str(caught.value)


@given(st.text(st.sampled_from("./\\a:\0"), max_size=8))
def test_no_name_leads_out(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp()
    try:
        found = inside(folder, name)
    except InputError:
        return
    assert folder in found.parents
    assert os.path.normpath(found) == os.fspath(found)


@posix
def test_a_link_that_leads_out_of_the_folder(tmp_path):
    study, outside = tmp_path / "study", tmp_path / "study-outside"
    for folder in (study / "within", outside):
        folder.mkdir(parents=True)
    (study / "out").symlink_to(outside)
    (study / "up").symlink_to("..")
    (study / "in").symlink_to("within")
    (study / "loop").symlink_to("loop")
    assert inside(study, "in/file") == study / "in" / "file"
    for name in ("out", "out/file", "up", "up/study-outside/file"):
        with pytest.raises(InputError, match="leads out") as caught:
            inside(study, name)
        sentence(caught)
    try:
        found = inside(study, "loop/file")
    except InputError:
        return
    with pytest.raises(InputError):
        read_regular(found, 10)


def test_json_comes_back():
    text = '{"a": [1, 2.5, null, true, "ü"], "b": {"a": -3e5}}'
    assert (
        parse_json(text, "x.json")
        == parse_json(text.encode(), "x.json")
        == {"a": [1, 2.5, None, True, "ü"], "b": {"a": -3e5}}
    )
    assert parse_json("[Infinity, 1e999]", "x.json", finite=False) == [float("inf")] * 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ("9" * 100_000, "100,000 digits"),
        ("NaN", "not finite"),
        ('{"a": -Infinity}', "not finite"),
        ("1e999", "not finite"),
        (b'"\xff"', "byte 1 is not UTF-8"),
        ("", "Expecting value"),
        ("{} {}", "Extra data"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is there twice"),
        ("\ufeff{}", "BOM"),
        ("{'a': 1}", "quotes"),
    ],
)
def test_json_that_is_refused(text, said):
    with pytest.raises(InputError, match=said) as caught:
        parse_json(text, "x.json")
    assert sentence(caught).startswith("x.json is no valid JSON: ")
