"""Shards that Ray's workers do on two nodes: the result is that of one process, whatever happens to them."""

import socket
import subprocess
import sys
import threading
import time

import pytest
from toy_study import WORDS, Fault, ToyStudy, digests, lengths, open_ahead, open_endlessly, open_faulty, open_workshop

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import remove_leftovers
from bias_toolkit.pipeline.executor import ShardJob
from bias_toolkit.pipeline.ray_desk import Desk
from bias_toolkit.pipeline.ray_executor import RayExecutor, patience

ray = pytest.importorskip("ray")

pytestmark = [pytest.mark.extras, pytest.mark.usefixtures("own_ray")]


@pytest.fixture(scope="module")
def cluster(own_ray):
    """Two nodes of one processor each on this machine."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.second = made.add_node(num_cpus=1)
    ray.init(made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


class Kept(RayExecutor):
    """Its workers do not end with a run: starting others takes seconds."""

    def close(self):
        pass


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("log") / "ray.log"


@pytest.fixture(scope="module")
def executor(log, cluster):
    made = Kept(log=log)
    yield made
    RayExecutor.close(made)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files that one process makes of the left side."""
    other = ToyStudy(tmp_path_factory.mktemp("whole"))
    other.do(lengths, "left")
    return digests(other.folder)


@pytest.fixture
def closed(monkeypatch):
    """An address of this machine at which nothing answers, for a process that has not joined a cluster."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"127.0.0.1:{port}"


@pytest.fixture
def begun(study, executor):
    """A function that begins a step, whose first worker at a word has a fault, and gives the numbers of its shards."""
    task, counts = study.plan.task(lengths, "left"), []
    (study.folder / task.name).mkdir(parents=True)

    def begin(word, kind):
        fault = Fault(str(study.folder), word, kind)
        job = ShardJob(open_faulty, fault, task.name, task.key, (0, 1, 2))
        return executor.shards(job, counts.append)

    begin.counts = counts
    return begin


def assert_whole(study, whole):
    """Assert that all shards are there, and nothing else, with the bits of one process."""
    # A worker that was ended leaves the file that it was writing, which the next run removes.
    remove_leftovers(study.folder)
    shards = {name for name in whole if name.startswith("lengths/") and not name.endswith("total.txt")}
    assert digests(study.folder) == {name: whole[name] for name in shards}


def test_two_nodes_give_the_bits_of_one_process(study, executor, whole):
    study = ToyStudy(study.folder, executor=executor)
    study.do(lengths, "left")
    assert digests(study.folder) == whole
    # Both nodes are on this machine, so any executor may finish what another begins.
    assert study.step_folder(lengths, "left").record.environment == study.environment
    (study.folder / "lengths" / "left" / "lengths-00001.parquet").unlink()
    study.do(lengths, "left")
    assert digests(study.folder) == whole


def refuse(study):
    raise AssertionError(f"{study} was opened twice")


def test_a_worker_opens_the_study_ahead_and_once(study, executor, whole):
    RayExecutor.close(executor)
    file = str(study.folder)
    executor.prepare(file, open_ahead)
    task, counts = study.plan.task(lengths, "left"), []
    (study.folder / task.name).mkdir(parents=True)
    # One shard, so that no other worker is hired.
    assert list(executor.shards(ShardJob(refuse, file, task.name, task.key, (1,)), counts.append)) == [1]
    assert study.folder.with_suffix(".ahead").exists()
    assert list(executor.shards(ShardJob(open_workshop, file, task.name, task.key, (0, 2)), counts.append)) == [0, 2]
    assert_whole(study, whole)


def test_an_error_of_opening_ahead_is_left_to_the_shards(study, executor, whole):
    RayExecutor.close(executor)
    study.folder.with_suffix(".refuses").touch()
    file = str(study.folder)
    executor.prepare(file, open_ahead)
    task = study.plan.task(lengths, "left")
    (study.folder / task.name).mkdir(parents=True)
    with pytest.raises(InputError, match="ValueError: it cannot be opened"):
        list(executor.shards(ShardJob(open_ahead, file, task.name, task.key, (0,)), print))
    RayExecutor.close(executor)
    assert list(executor.shards(ShardJob(open_workshop, file, task.name, task.key, (0, 1, 2)), print)) == [0, 1, 2]
    assert_whole(study, whole)


def test_a_worker_that_hangs_while_it_opens_ahead_is_given_up(study, executor, monkeypatch, caplog):
    RayExecutor.close(executor)
    monkeypatch.setattr("bias_toolkit.pipeline.ray_executor.OPENING", 3)
    file = str(study.folder)
    executor.prepare(file, open_endlessly)
    task = study.plan.task(lengths, "left")
    (study.folder / task.name).mkdir(parents=True)
    assert list(executor.shards(ShardJob(open_workshop, file, task.name, task.key, (0,)), print)) == [0]
    assert "gave no sign" in caplog.text


def test_a_stop_does_not_wait_for_a_worker_that_still_opens_the_study(study, executor):
    RayExecutor.close(executor)
    file, done = str(study.folder), []
    executor.prepare(file, open_endlessly)
    task = study.plan.task(lengths, "left")
    (study.folder / task.name).mkdir(parents=True)

    def first():
        numbers = executor.shards(ShardJob(open_workshop, file, task.name, task.key, (0, 1, 2)), print)
        done.append(next(numbers))
        numbers.close()
        done.append("closed")

    stopping = threading.Thread(target=first, daemon=True)
    stopping.start()
    stopping.join(60)
    assert done == [0, "closed"]
    RayExecutor.close(executor)


def test_a_cluster_that_cannot_be_reached_is_told_once_and_does_not_keep_a_run_from_ending(
    closed, tmp_path, monkeypatch
):
    asked, connect = [], socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda *each, **more: asked.append(each) or connect(*each, **more))
    executor = RayExecutor(closed, log=tmp_path / "log")
    executor.prepare("study", open_ahead)
    with pytest.raises(InputError, match=rf"cluster at {closed} cannot be reached \(.*refused"):
        executor.environment()
    assert len(asked) == 1
    executor.prepare("study", open_ahead)
    executor.close()


def test_no_worker_writes_after_a_job_was_closed(study, begun):
    numbers = begun(WORDS[4], "sleeps")
    assert next(numbers) == 0
    numbers.close()
    before = digests(study.folder)
    time.sleep(0.5)
    assert digests(study.folder) == before


@pytest.mark.parametrize("kind", ["dies", "hangs"])
def test_the_shards_of_a_worker_that_ends_are_done_by_another(study, begun, executor, whole, kind, monkeypatch, caplog):
    monkeypatch.setattr("bias_toolkit.pipeline.ray_executor.LEAST_PATIENCE", 2)
    assert list(begun(WORDS[4], kind)) == [0, 1, 2]
    # The items that the lost worker had counted are not counted twice.
    assert sum(begun.counts) == len(WORDS)
    assert ("gave no sign" in caplog.text) == (kind == "hangs")
    assert "others do its shards" in caplog.text
    assert_whole(study, whole)


def test_a_node_that_leaves_does_not_end_the_run(study, begun, cluster, whole):
    numbers = begun(WORDS[7], "sleeps")
    done = [next(numbers)]
    cluster.remove_node(cluster.second)
    done += numbers
    cluster.second = cluster.add_node(num_cpus=1)
    assert done == [0, 1, 2]
    assert_whole(study, whole)


LEAVING = """
import sys, time
import ray
from ray.cluster_utils import Cluster
from bias_toolkit.pipeline.ray_executor import RayExecutor

node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
second = cluster.add_node(**node)
RayExecutor(cluster.address, log=sys.argv[1])._connect()
cluster.remove_node(second, allow_graceful=False)
while all(each["Alive"] for each in ray.nodes()):
    time.sleep(0.2)
time.sleep(3)
"""


def test_what_ray_reports_of_a_node_that_left_is_not_printed(tmp_path):
    done = subprocess.run([sys.executable, "-c", LEAVING, tmp_path / "ray.log"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_machine_that_would_change_what_is_recorded_waits_for_the_next_step(log, monkeypatch):
    node = {"NodeManagerHostname": socket.gethostname(), "NodeID": "a", "Resources": {"CPU": 2.0}}
    nodes, executor = [node], RayExecutor(log=log)
    monkeypatch.setattr(executor, "_nodes", lambda: [*nodes])

    def places():
        executor._look_for_places()
        return [place.node for place in executor._places]

    assert executor.environment() == {}
    nodes += [node | {"NodeID": "b"}, node | {"NodeID": "c", "NodeManagerHostname": "other"}]
    assert places() == ["a", "b"]
    assert executor.environment() == {"executor": "ray, on several machines", "devices": "CPUs"}
    nodes.append(node | {"NodeID": "d", "NodeManagerHostname": "another"})
    assert places() == ["a", "b", "c", "d"]


def test_an_error_of_the_work_is_one_sentence_and_its_traceback_is_logged(begun, executor, log):
    with pytest.raises(InputError) as refused:
        list(begun(WORDS[4], "fails"))
    assert (
        str(refused.value)
        == f"A worker on {socket.gethostname()} failed: ValueError: word-4 is too long. The traceback is in {log}."
    )
    assert "raise ValueError" in log.read_text()
    RayExecutor.close(executor)


def test_workers_that_end_again_and_again_end_the_run(begun, executor, monkeypatch):
    monkeypatch.setattr("bias_toolkit.pipeline.ray_executor.MOST_DEATHS", 1)
    with pytest.raises(InputError, match="2 workers ended without finishing a shard"):
        list(begun(WORDS[0], "dies always"))


@pytest.mark.parametrize("address", ["{}", "ray://{}"])
def test_no_cluster_at_the_address_is_one_sentence(closed, tmp_path, address):
    given = address.format(closed)
    with pytest.raises(InputError, match=rf"The Ray cluster at {given} cannot be reached \(.*refused"):
        RayExecutor(given, log=tmp_path / "log").environment()


def test_what_ray_says_of_an_address_is_in_the_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def init(*_, **__):
        raise ConnectionError("Ray is not there")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(InputError, match=r"cluster at head cannot be reached \(Ray is not there\)"):
        RayExecutor("head", log=tmp_path / "log").environment()


def test_without_ray_the_sentence_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'bias-toolkit\[ray\]'"):
        RayExecutor(log=tmp_path / "log")


def test_the_desk_hands_out_each_shard_once_and_takes_back_what_is_not_sealed():
    desk = Desk()
    desk.begin(1, (3, 5, 6))
    assert [desk.take(1, 10), desk.take(1, 11), desk.take(1, 10), desk.take(1, 11)] == [3, 5, 6, None]
    desk.count(1, 10, 4)
    desk.sealed(1, 10, 3)
    desk.count(1, 10, 2)
    assert desk.news()[:3] == ([3], 6, 0)
    desk.rest(10)
    # A worker that was given up does not count any more, nor one at an earlier job.
    desk.sealed(1, 10, 6)
    desk.count(0, 11, 9)
    assert desk.take(0, 11) is None
    assert desk.news()[:3] == ([], -2, 1)
    assert desk.take(1, 11) == 6


@pytest.mark.parametrize(("took", "may"), [(0, 3600), (1, 600), (500, 1500)])
def test_a_worker_may_be_silent_for_a_time_that_the_slowest_shard_justifies(monkeypatch, took, may):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    desk = Desk()
    desk.begin(1, (0, 1))
    desk.count(1, 10, 0)
    desk.take(1, 10)
    if took:
        now += took
        desk.sealed(1, 10, 0)
    now += 7
    news = desk.news()
    assert news.silent == {10: 7}
    assert patience(news.slowest) == may
