import io

from rich.console import Console

from bias_toolkit.foundation.bars import ConsoleProgress


def drawn(done, advances, total, width=120):
    text = io.StringIO()
    with ConsoleProgress(Console(file=text, width=width))("Working", total=total, done=done) as advance:
        for count in advances:
            advance(count)
    return text.getvalue()


def test_shows_what_was_done_of_how_much():
    assert "10/10" in drawn(0, [4, 6], 10)


def test_a_note_stands_beside_the_count():
    text = io.StringIO()
    with ConsoleProgress(Console(file=text, width=120))("Training", total=4) as advance:
        advance(3, "loss 2.31")
        advance(1, "loss 0.42")
    assert "4/4" in text.getvalue()
    assert "loss 0.42" in text.getvalue()


def test_counts_work_of_an_earlier_run():
    line = drawn(90, [5], 100)
    assert "95/100" in line
    assert "Working" in line


def test_fits_a_narrow_terminal_and_says_how_long_it_took():
    line = drawn(0, [1_000_000], 1_281_167, width=80)
    assert "1000000/1281167" in line
    assert " left" in line
    assert "took 0:00:0" in drawn(0, [10_000], 10_000, width=80)


def test_the_rate_at_the_end_is_of_the_whole_time_without_what_was_done_before():
    clock, text = [0.0], io.StringIO()
    console = Console(file=text, width=120, get_time=lambda: clock[0])
    with ConsoleProgress(console)("Working", total=100, done=60) as advance:
        for count in (1, 1, 38):
            clock[0] += 8 / 3
            advance(count)
    assert "100/100 5.0/s took 0:00:08" in " ".join(text.getvalue().split())
    # Of less than a second, no rate is shown.
    assert "/s" not in drawn(0, [10_000], 10_000)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def drawn_on_a_terminal(work, width=100):
    """What a terminal got from `work`, a function of the progress, and what it shows at the end, line by line."""
    file = Terminal()
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    work(ConsoleProgress(console))
    written = file.getvalue()
    lines, shown = written.replace("\x1b[?25l", "").replace("\x1b[?25h", "").split("\n"), []
    for line in lines:
        # The cursor goes up, and erases.
        shown = shown[: len(shown) - line.count("\x1b[1A")]
        shown.append(line.rpartition("\r")[2].rpartition("\x1b[2K")[2])
    return written, [line for line in shown if line.strip()]


def test_a_spinner_is_shown_only_while_it_lasts():
    def work(progress):
        with progress("Opening the model", None):
            pass

    written, shown = drawn_on_a_terminal(work)
    assert "Opening the model" in written
    assert shown == []


def test_a_bar_takes_the_place_of_the_spinner_around_it_and_leaves_its_line():
    def work(progress):
        with progress("3/9 Analysis", None):
            with progress("3/9 Relations", total=4) as advance:
                advance(4)
            with progress("3/9 Regression", total=2) as advance, progress("Opening the model", None):
                advance(2)

    written, shown = drawn_on_a_terminal(work)
    assert written.count("3/9 Analysis") >= 2
    assert "Opening the model" not in written
    assert [line[:14] for line in shown] == ["3/9 Relations ", "3/9 Regression"]
    assert "4/4" in shown[0]


def test_off_a_terminal_a_spinner_writes_nothing():
    text = io.StringIO()
    progress = ConsoleProgress(Console(file=text, width=100))
    with progress("Opening the model", None), progress("1/1 Features, train", total=3) as advance:
        advance(3)
    assert text.getvalue().count("\n") == 1
    assert text.getvalue().startswith("1/1 Features, train ")
    assert "3/3" in text.getvalue()
