"""Runs that are killed, stopped, or lose their disk, and what is left of them."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from bias_toolkit import InputError, Model, Study
from bias_toolkit.pipeline.record import read_record, write_record
from bias_toolkit.pipeline.step_folder import StepFolder
from bias_toolkit.study import steps

PROJECT = Path(__file__).parents[2]
C_CALL_WITHOUT_END = "c.pthread_mutex_lock(mutex)"
"""Waits, and no signal ends it: the thread has the mutex already."""


# Of a process whose parent ignores Ctrl-C, as under nohup, the children do so too.
HEEDING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


@pytest.fixture
def start():
    """A function that starts a process. When the test ends, however it does, the process and its children are ended."""
    started = []

    def start(command, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True} | options
        started.append(subprocess.Popen(command, start_new_session=True, **options))
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def python(start):
    """A function that starts a piece of code as a process that heeds Ctrl-C."""

    def run(code, *arguments, **options):
        return start([sys.executable, "-c", HEEDING + code, *map(str, arguments)], **options)

    return run


def content(folder):
    """Every file of a study, but for what tells of times."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    timed = {".lock", "report/index.html", "report/results.json"}
    return {name: path.read_bytes() for name, path in files.items() if path.name != "step.json" and name not in timed}


@pytest.fixture
def inputs(few):
    return few["train"], few["test"], "demo"


WORKED_WITH = (
    *("faiss", "sklearn.datasets", "sklearn.ensemble", "statsmodels.api", "safetensors.torch"),
    *("bias_toolkit.report.write", "bias_toolkit.report.explanation.page", "bias_toolkit.explain.explainer"),
    *("bias_toolkit.study.study", "bias_toolkit.models.load", "bias_toolkit.objects.locate_quality"),
    *("bias_toolkit.features.index.training_index", "bias_toolkit.models.lowpass", "bias_toolkit.models.torch_runtime"),
)
"""Modules that the commands import when they need them."""


def test_kills_at_random_moments_leave_no_trace(tmp_path, monkeypatch):
    """Every file of a study each of whose commands was killed is that of a study that nothing disturbed.

    `benchmarks/kill.py` kills each step many times. The runs are forks of this process, which imports for them all.
    """
    monkeypatch.syspath_prepend(PROJECT)
    from benchmarks import forked_runs
    from bias_toolkit.report.page.page import Page, render
    from bias_toolkit_cli.commands import COMMANDS, command_line

    monkeypatch.setattr(forked_runs, "MAP", ("--images", "3", "--position", "0.5", "--scale", "0.4", "--scale", "0.6"))
    for name in WORKED_WITH:
        import_module(name)
    command_line([*COMMANDS])
    # Compiles the template.
    render(Page("", [], [], []))

    def run(command, study, **options):
        return forked_runs.run(command, study, prepare_child=partial(forked_runs.make_small, quick=True), **options)

    def commands_of(study):
        """The page is made once, of all that the others compute. A size is swept as the first command's sweep is."""
        (_, *options), on_a_map, _, *others = forked_runs.commands(photographs, study)
        first = ["analyse", str(study), *(each for each in options if each not in ("--out", str(study)))]
        return [first, on_a_map, *others]

    photographs, fractions = tmp_path / "photographs", forked_runs.fractions(0)
    forked_runs.write_photographs(photographs, train=12, test=9)
    whole, killed = (forked_runs.fresh(tmp_path, number) for number in (0, 1))
    for command, same in zip(commands_of(whole), commands_of(killed), strict=True):
        undisturbed = run(command, whole)
        assert undisturbed.code == 0, undisturbed.printed
        moment = round(fractions.uniform(0.1, 0.9) * undisturbed.touched)
        assert run(same, killed, kill_at=moment).code == -signal.SIGKILL
        ended = run(same, killed)
        assert ended.code == 0, ended.printed
    expected = forked_runs.settled(whole)
    assert len(expected) > 60
    assert forked_runs.differences(forked_runs.settled(killed), expected) == []


def stop_while(python, code, signal_number):
    """Send a signal while `main` is busy with a piece of code in place of a command; exit code and output."""
    child = python(
        f"""
import ctypes, sys, time
import bias_toolkit_cli.commands
from bias_toolkit_cli import interruption
interruption.GRACE = 0.3
c, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
c.pthread_mutex_init(mutex, None)
c.pthread_mutex_lock(mutex)
def app(args):
    print("busy", flush=True)
    {code}
    print("ended", flush=True)
bias_toolkit_cli.commands.command_line = lambda arguments: app
from bias_toolkit_cli.main import main
main()
"""
    )
    assert child.stdout.readline() == "busy\n"
    time.sleep(0.2)
    child.send_signal(signal_number)
    printed = child.communicate(timeout=60)[0]
    return child.returncode, printed


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(600)",
        C_CALL_WITHOUT_END,
        "\n    try: time.sleep(600)\n    except BaseException: pass\n    " + C_CALL_WITHOUT_END,
        "\n    try: time.sleep(600)\n    except BaseException as error: raise ImportError('half imported') from error",
        "\n    from concurrent.futures import ThreadPoolExecutor as T\n    with T() as pool:\n"
        f"        pool.submit(lambda: {C_CALL_WITHOUT_END})\n        time.sleep(600)",
    ],
    ids=["python", "c", "swallowed", "turned into another error", "threads that are waited for"],
)
def test_a_signal_ends_it_whatever_it_is_doing(python, code, signal_number):
    told = "Stopped. Run the same command again and it goes on from here.\n"
    assert stop_while(python, code, signal_number) == (130, told)


def test_a_signal_while_importing(python):
    child = python(
        """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from bias_toolkit_cli.main import main
main(["report", "--help"])
"""
    )
    printed = child.communicate(timeout=60)[0]
    assert child.returncode == 130
    assert "Traceback" not in printed
    assert printed.endswith("Run the same command again and it goes on from here.\n")


def test_a_command_that_ignores_ctrl_c_goes_on_ignoring_it(python):
    """As nohup and scripts' background jobs have it."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from bias_toolkit_cli.interruption import stoppable\nimport os\n"
        "with stoppable(): os.kill(os.getpid(), signal.SIGINT); print('still here')"
    )
    assert python(code).communicate(timeout=60)[0] == "still here\n"


def test_a_child_that_a_library_ends_does_not_stop_the_command(python):
    """As a library that sends telemetry does, if its child gets no answer."""
    code = (
        "from bias_toolkit_cli import interruption\nimport os, time\n"
        "interruption.GRACE = 0.1\n"
        "reading, writing = os.pipe()\n"
        "with interruption.stoppable():\n"
        "    if not (child := os.fork()):\n"
        "        os.write(writing, b'.')\n"
        "        time.sleep(60)\n"
        "    os.read(reading, 1)\n"
        "    os.kill(child, signal.SIGTERM)\n"
        "    _, status = os.waitpid(child, 0)\n"
        "    time.sleep(0.5)\n"
        "    print('ended by', os.WTERMSIG(status), 'still here')\n"
    )
    assert python(code).communicate(timeout=60)[0] == "ended by 15 still here\n"


DRAW = """
import bias_toolkit_cli.commands
from bias_toolkit_cli.output import console_progress
def app(args):
    with console_progress()("Working", total=3) as advance:
        for _ in range(3):
            advance(1)
    with console_progress()("Working on", total=1) as advance:
        advance(1)
    print("ended")
bias_toolkit_cli.commands.command_line = lambda arguments: app
from bias_toolkit_cli.main import main
main()
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_run_goes_on_when_its_progress_cannot_be_shown(python):
    """As after `disown`, when the terminal is closed."""
    with open("/dev/full", "w") as full:
        child = python(DRAW, stderr=full)
        assert child.communicate(timeout=60)[0] == "ended\n"
    assert child.returncode == 0


def test_a_pipe_that_nobody_reads_ends_a_run(python):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        child = python(DRAW, stderr=pipe)
        assert child.communicate(timeout=60)[0] == ""
    assert child.returncode == 1


def test_handlers_are_put_back():
    from bias_toolkit_cli.interruption import stoppable

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with stoppable() as stop:
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert signal.set_wakeup_fd(-1) == -1
    assert not stop.asked


def report(inputs, folder):
    train, test, model = map(str, inputs)
    return ["embed", str(folder), "--train", train, "--test", test, "--model", model, "--runtime", "torch"]


@pytest.fixture
def command(capsys):
    """A function that runs a command line, and gives its exit code and what it wrote to standard error."""
    from bias_toolkit_cli.main import main

    def call(arguments):
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        return end.value.code or 0, capsys.readouterr().err

    return call


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "full"), (errno.EROFS, "cannot be written")])
def test_a_disk_that_takes_no_more_is_one_sentence_and_what_was_done_stays(
    inputs, tmp_path, command, monkeypatch, small, number, said
):
    study, sync, synced = tmp_path / "study", os.fsync, []

    def failing(file):
        synced.append(file)
        # The file is not written, and neither is anything afterwards, as on a full disk.
        if len(synced) > 40:
            raise OSError(number, os.strerror(number))
        sync(file)

    monkeypatch.setattr("bias_toolkit.foundation.files.os.fsync", failing)
    code, err = command(report(inputs, study))
    assert code == 2
    last = err.strip().splitlines()[-1]
    assert last.startswith(f"Error: {study}/")
    assert said in last
    assert "Traceback" not in err
    assert (study / "images" / "train" / "step.json").exists()
    monkeypatch.undo()
    assert command(report(inputs, study))[0] == 0
    for name in ("images/train/images.parquet", "features/train/features-00000.npy"):
        assert (study / name).read_bytes() == (small.folder / name).read_bytes()


def test_a_write_that_falls_short_names_the_folder(python, tmp_path):
    """NumPy and Faiss tell of a short write in words of their own, without the system's reason."""
    code = """
import resource, sys
import numpy as np
from bias_toolkit.features.index import TrainingIndex
from bias_toolkit.foundation.files import write_array
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for write in (lambda: write_array(np.zeros(10_000), Path(sys.argv[1]) / "a.npy"),
              lambda: TrainingIndex.build(np.eye(64, dtype=np.float32), list(map(str, range(64)))).save(sys.argv[1])):
    try:
        write()
    except OSError as error:
        print(error.errno, error.filename)
"""
    printed = python(code, tmp_path).communicate(timeout=60)[0]
    assert printed.splitlines() == [f"{errno.EFBIG} {tmp_path}"] * 2
    assert not any(path.suffix == ".npy" or ".tmp" in path.name for path in tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="a file is no folder on POSIX systems only")
def test_a_study_below_a_file_is_not_called_damaged(inputs, tmp_path, command, caplog):
    (tmp_path / "file").write_text("")
    code, err = command(report(inputs, tmp_path / "file" / "study"))
    assert code == 2
    assert caplog.messages == []
    assert err.startswith(f"Error: {tmp_path / 'file' / 'study'}: Not a directory.")


def test_a_record_that_another_run_writes_meanwhile_is_no_foreign_file(inputs, tmp_path, monkeypatch):
    from bias_toolkit.study.record import read_record

    folder = tmp_path / "study"

    def read_too_early(path):
        record = read_record(path)
        folder.mkdir()
        (folder / "study.json").write_text("{}")
        return record

    monkeypatch.setattr("bias_toolkit.study.study.read_record", read_too_early)
    assert Study(folder, *inputs).folder == folder


def test_what_may_not_be_read_is_not_said_to_be_not_writable(inputs, tmp_path, command, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "weights.pt")

    monkeypatch.setattr("bias_toolkit.models.load_model", refuse)
    code, err = command(report(inputs, tmp_path / "study"))
    assert code == 2
    assert "Error: weights.pt: it may not be read or written. What was computed" in err


@pytest.mark.parametrize("part", ["", "features/train"])
def test_a_folder_that_vanishes_is_named_and_not_made_anew(inputs, tmp_path, command, monkeypatch, part):
    study, evaluate = tmp_path / "study", Model.evaluate_batches
    gone = study / part

    def removing(self, *arguments, **options):
        if gone.exists():
            gone.rename(tmp_path / "away")
        return evaluate(self, *arguments, **options)

    monkeypatch.setattr(Model, "evaluate_batches", removing)
    code, err = command(report(inputs, study))
    assert code == 2
    assert f"Error: {study}" in err.splitlines()[-1]
    assert "it is not there" in err.splitlines()[-1]
    if not part:
        assert not study.exists()
        (tmp_path / "away").rename(study)
    monkeypatch.undo()
    assert command(report(inputs, study))[0] == 0
    assert Study(study).features("train").rows == 24


HOLD = """
import sys
from pathlib import Path
from bias_toolkit.pipeline.lock import StudyLock
StudyLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_run_is_told_who_is_first(python, inputs, tmp_path, command):
    study = tmp_path / "study"
    first = python(HOLD, study, stdin=subprocess.PIPE)
    assert first.stdout.readline() == "held\n"
    code, err = command(report(inputs, study))
    assert code == 2
    assert f"process {first.pid} on {socket.gethostname()}, since {time.strftime('%Y')}" in err
    assert sorted(path.name for path in study.iterdir()) == [".lock"]
    first.kill()
    first.wait()
    assert command(report(inputs, study))[0] == 0


def test_a_whole_run_is_one(inputs, tmp_path, fast, monkeypatch):
    """Between its steps too, another run is refused; and afterwards it is not."""
    study = Study(tmp_path / "study", *inputs, **fast)
    refused, working = [], StepFolder.working

    def between(self, environment):
        with pytest.raises(InputError, match="Another run"):
            Study(tmp_path / "study", *inputs, **fast).read_images()
        refused.append(self.task.name)
        return working(self, environment)

    monkeypatch.setattr(StepFolder, "working", between)
    study.embed()
    assert refused == ["images/train", "images/test", "features/train", "features/test"]
    Study(tmp_path / "study", *inputs, **fast).read_images()


def test_a_run_that_was_opened_before_another_one_records_its_own_settings(inputs, tmp_path, fast):
    first = Study(tmp_path / "study", *inputs, **fast).read_images()
    Study(tmp_path / "study", seed=5).read_images()
    first.read_images()
    assert Study(tmp_path / "study").settings.seed == 0


def test_a_reader_gets_a_sentence_while_a_step_is_computed_anew(small, tmp_path, monkeypatch):
    """It never sees some shards of the old result, and some of the new one."""
    folder = shutil.copytree(small.folder, tmp_path / "study")
    reader, seen = Study(folder), []
    evaluate = Model.evaluate_batches

    def looking(self, *arguments, **options):
        # What the reader had before, and is not touched yet, is still a result of its own settings.
        results = ("responses", "measures", "per_image")
        for each, names in ((reader, results[:1]), (Study(folder), results)) if not seen else ():
            for read in names:
                with pytest.raises(InputError, match=r"other inputs or settings|has no"):
                    getattr(each, read)
                seen.append(read)
        return evaluate(self, *arguments, **options)

    monkeypatch.setattr(Model, "check_deterministic", lambda self: None)
    monkeypatch.setattr(Model, "evaluate_batches", looking)
    Study(folder, batch_size=7).sweep()
    assert seen


def test_a_result_that_is_replaced_while_it_is_read_is_not_given(small, tmp_path):
    from bias_toolkit.invariance import load_responses

    folder = shutil.copytree(small.folder, tmp_path / "study")
    study = Study(folder)
    (sweep,) = study.sweeps

    def slowly(path):
        table = load_responses(path)
        write_record(read_record(path).model_copy(update={"key": "a" * 64}), path)
        return table

    with pytest.raises(InputError, match="computed anew while it was read"):
        study.results.stored.read(steps.responses, "", slowly, sweep)
    shutil.rmtree(folder / "responses" / sweep.name)
    with pytest.raises(InputError, match="has no"):
        _ = study.responses


def test_a_step_that_goes_away_while_its_skipped_images_are_read_has_none(small, tmp_path, monkeypatch):
    study = Study(shutil.copytree(small.folder, tmp_path / "study"))
    folder = study.folder / "responses" / "crop-1-diagonal"
    write_record(read_record(folder).model_copy(update={"left_out": 1}), folder)
    late = []

    def read(path, schema):
        late.append(path)
        shutil.rmtree(path.parent)
        return path.read_bytes()

    monkeypatch.setattr("bias_toolkit.pipeline.step_folder.read_table", read)
    assert study.skipped_images.empty
    assert late


def test_what_killed_runs_left_is_removed_by_the_next(inputs, tmp_path, fast):
    folder = tmp_path / "study"
    Study(folder, *inputs, **fast).read_images()
    whole = content(folder)
    left = [".study.json.77.tmp.json", "images/train/.step.json.77.tmp.json", "images/.test.77.tmp/images.parquet"]
    for name in left:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("half")
    own = folder / "images" / ".note.tmp"
    own.write_text("not the toolkit's")
    Study(folder).read_images()
    assert content(folder) == whole | {"images/.note.tmp": b"not the toolkit's"}


def test_a_run_killed_before_anything_was_recorded_goes_on(inputs, tmp_path, fast):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / ".lock").write_text("{}")
    (folder / ".study.json.77.tmp.json").write_text("half")
    assert len(Study(folder, *inputs, **fast).read_images().images("train")) == 24
