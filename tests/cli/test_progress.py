import io

from rich.console import Console

from bias_toolkit_cli.progress import ConsoleProgress


def drawn(done, advances, total):
    text = io.StringIO()
    with ConsoleProgress(Console(file=text, width=120))("Working", total=total, done=done) as advance:
        for count in advances:
            advance(count)
    return text.getvalue()


def test_shows_what_was_done_of_how_much():
    assert "10/10" in drawn(0, [4, 6], 10)


def test_counts_work_of_an_earlier_run():
    line = drawn(90, [5], 100)
    assert "95/100" in line
    assert "Working" in line
