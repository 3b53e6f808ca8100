"""Findings and news on a terminal, and off one."""

import io
from contextlib import redirect_stdout

from rich.console import Console

from bias_toolkit.report.words.finding import Estimate, Finding, Heading, Kind, Unit, finding_of
from bias_toolkit_cli import output

CLAIM = "A shift by one pixel changes the class."
ESTIMATE = Estimate("p_top1_change", "P(top-1 change)", 0.166, 0.153, 0.18, 1000, unit=Unit.SHARE)
FINDING = Finding(
    Heading.INVARIANCE, Kind.EFFECT, "A shift by one pixel changes the class.", "More.", estimate=ESTIMATE
)
TEXT = "A shift by one pixel changes the class. P(top-1 change) 16.6% (95% interval 15.3% to 18.0%; 1,000 images).\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_off_a_terminal_a_finding_is_one_plain_line(capsys):
    output.say_findings([FINDING])
    assert capsys.readouterr().out == TEXT


def test_on_a_terminal_the_claim_is_bold_and_lines_are_no_wider(monkeypatch):
    for name, value in {"COLUMNS": "60", "LINES": "40", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    with redirect_stdout(Terminal()) as terminal:
        output.say_findings([FINDING])
    written = terminal.getvalue()
    assert written.startswith("\x1b[1mA shift by one pixel changes the class.\x1b[0m")
    plain = written.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert plain.split() == TEXT.split()
    assert len(plain.splitlines()) == 2
    assert max(map(len, plain.splitlines())) <= 60


def test_without_an_estimate_the_claim_stands_alone(capsys):
    output.say_findings([Finding(Heading.DATA, Kind.UNKNOWN, "It is not known.", "Why.")])
    assert capsys.readouterr().out == "It is not known.\n"


def test_markup_and_control_characters_are_shown_as_they_are(capsys):
    output.say_findings([Finding(Heading.CLASSES, Kind.EFFECT, "Of class “[red]owl\x1b[2J”, more.")])
    output.tell_news(["read as [bold]\x1b[2J"])
    out, err = capsys.readouterr()
    assert out == "Of class “[red]owl\\x1b[2J”, more.\n"
    assert err == "read as [bold]\\x1b[2J\n"


def test_a_finding_from_a_file_is_the_same():
    assert finding_of(FINDING.to_dict()).to_dict() == FINDING.to_dict()
    bare = Finding(Heading.DATA, Kind.UNKNOWN, "It is not known.")
    assert finding_of(bare.to_dict()).estimate is None


def test_news_go_to_standard_error_whole(capsys):
    sentence = "Test set: " + "a long path/" * 20
    output.tell_news([sentence])
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{sentence}\n")
    assert Console(file=io.StringIO()).is_terminal is False
