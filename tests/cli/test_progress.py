import io

from rich.console import Console

from bias_toolkit_cli.progress import ConsoleProgress


def drawn(done, advances, total, width=120):
    text = io.StringIO()
    with ConsoleProgress(Console(file=text, width=width))("Working", total=total, done=done) as advance:
        for count in advances:
            advance(count)
    return text.getvalue()


def test_shows_what_was_done_of_how_much():
    assert "10/10" in drawn(0, [4, 6], 10)


def test_counts_work_of_an_earlier_run():
    line = drawn(90, [5], 100)
    assert "95/100" in line
    assert "Working" in line


def test_fits_a_narrow_terminal_and_says_how_long_it_took():
    line = drawn(0, [1_000_000], 1_281_167, width=80)
    assert "1000000/1281167" in line
    assert " left" in line
    assert "took 0:00:0" in drawn(0, [10_000], 10_000, width=80)
