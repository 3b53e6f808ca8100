"""An executor whose workers are actors of a Ray cluster; each opens the study once and does shards of its jobs.

A worker takes a GPU if this process computes on one, else all processors of its machine. It asks for the next shard
when it is ready to prepare it, so a fast worker does more shards. Which shards are done is known from their files
alone: a worker that ends gives back the shards that it has not sealed, and another worker does them.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bias_toolkit.foundation.errors import InputError, first_line
from bias_toolkit.foundation.files import write_text
from bias_toolkit.foundation.progress import Advance
from bias_toolkit.foundation.threads import cores
from bias_toolkit.pipeline.executor import ShardJob, Workshop
from bias_toolkit.pipeline.ray_desk import Desk, News

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

POLL = 1.0
"""Seconds between two looks at the workers."""
LOOK_FOR_NODES = 2.0
"""Seconds between two looks for machines that joined or left."""
OBJECT_STORE = 200 * 2**20
"""Bytes that a cluster on this machine may use for what its processes share."""
OPENING = 3600.0
"""Seconds without a finished item after which a worker counts as hanging, before any shard of the job is sealed."""
CONNECTING = 10.0
"""Seconds in which a cluster has to answer."""
LEAST_PATIENCE = 600.0
PATIENCE = 3
"""The same after that: so many times what the slowest shard took, and at least `LEAST_PATIENCE`."""
MOST_DEATHS = 3
"""Workers that may end, one after the other and for each worker, without any shard being sealed in between."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_log = logging.getLogger("bias_toolkit")


def patience(slowest: float) -> float:
    """Seconds that a worker may be silent, given those that the slowest shard took; 0 if no shard is sealed."""
    return max(LEAST_PATIENCE, PATIENCE * slowest) if slowest else OPENING


def _refuse_silent(address: str) -> None:
    """Raise ConnectionError if nothing answers at an address with a port; Ray would try for many minutes."""
    if (found := re.fullmatch(r"(?:ray://)?\[?([^/\[\]]+)\]?:(\d+)", address)) is not None:
        try:
            socket.create_connection((found[1], int(found[2])), timeout=CONNECTING).close()
        except (OSError, OverflowError) as error:
            raise ConnectionError(first_line(error)) from error


class Worker:
    """An actor that does shards; it works in the driver's folder, so that relative paths and modules are the same."""

    def __init__(self, folder: str, search: list[str], place: Place, threads: str | None) -> None:
        self._folder = folder
        self._study = 0
        # PyTorch, which reads these, is imported later. With all cores, it chooses the threads as in any process.
        os.environ.pop("OMP_NUM_THREADS", None)
        if threads is not None or place.cpus < cores():
            os.environ["OMP_NUM_THREADS"] = threads or str(place.cpus)
        if not place.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._workshop: Workshop | None = None
        sys.path += [place for place in search if place not in sys.path]

    def prepare(self, study: Any, number: int, opening: Callable[[Any], Workshop]) -> None:
        """Open a study for jobs to come. An error is left to them: they open it once more, and tell it."""
        with suppress(Exception):
            self._open(study, number, opening)

    def _open(self, study: Any, number: int, opening: Callable[[Any], Workshop]) -> None:
        if self._study != number:
            if not os.path.isdir(self._folder):
                raise InputError(f"{self._folder} is not there; all machines need the same shared folders.")
            os.chdir(self._folder)
            self._workshop, self._study = opening(study), number

    def work(self, job: ShardJob, study: int, number: int, desk: ActorHandle, worker: int) -> None:
        """Do shards of a job until there are none left; `study` and `number` are the numbers of its study and of it."""
        import ray

        from bias_toolkit.foundation.files import never_made

        desk.count.remote(number, worker, 0)
        self._open(job.study, study, job.open)
        folder = self._workshop.folder / job.task
        if not folder.is_dir():
            raise InputError(f"{folder} is not there; all machines need the study's folder under the same name.")
        numbers = iter(lambda: ray.get(desk.take.remote(number, worker)), None)

        def advance(count: int, note: str = "") -> None:
            desk.count.remote(number, worker, count)

        with never_made(folder):
            for sealed in self._workshop.shards(replace(job, numbers=numbers), advance):
                ray.get(desk.sealed.remote(number, worker, sealed))


class Place(NamedTuple):
    """A place for a worker: a machine and its node, the worker's number there, and its share of the machine."""

    host: str
    node: str
    number: int
    cpus: int
    gpus: int


@dataclass
class _Hired:
    """A worker, and the result of its call for as long as it is at work, or opens a study ahead of it."""

    number: int
    actor: ActorHandle
    call: ObjectRef | None = None
    is_ahead: bool = False


class RayExecutor:
    """Does shards on a Ray cluster.

    Parameters
    ----------
    address : str, optional
        Of the cluster; by default the running one, or else a new one on this machine, which ends with this process.
    log : path
        The file that gets the tracebacks of workers.
    uses_gpus : callable
        Returns whether each worker takes a GPU.
    workers : int, optional
        Workers on each machine; by default one for each GPU, or else one with all processors.

    Raises
    ------
    InputError
        If Ray is not installed.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        log: Path,
        uses_gpus: Callable[[], bool] = lambda: False,
        workers: int | None = None,
    ) -> None:
        try:
            from ray import is_initialized  # noqa: F401
        except ImportError as error:
            raise InputError("--executor ray needs Ray; install it with: pip install 'bias-toolkit[ray]'.") from error
        self._address, self._log, self._uses_gpus = address, log, uses_gpus
        self._workers = workers
        self._hired: dict[Place, _Hired] = {}
        self._desk: ActorHandle | None = None
        self._jobs = self._studies = self._numbered = 0
        self._study: Any = None
        self._places: list[Place] = []
        self._looked = -LOOK_FOR_NODES
        self._known: list[dict[str, Any]] = []
        self._deaths = 0
        self._is_ready: threading.Event | None = None
        self._refusal: InputError | None = None

    def environment(self) -> dict[str, str]:
        """What may change rounding: nothing if all workers are on this machine.

        Until this is asked again, a machine that joins has no worker if it would change the answer.
        """
        self._await_start()
        self._known = self._nodes()
        return self._environment_of(self._known)

    def _environment_of(self, nodes: list[dict[str, Any]]) -> dict[str, str]:
        if all(node["NodeManagerHostname"] == socket.gethostname() for node in nodes):
            return {}
        prefix = "accelerator_type:"
        kinds = {name.removeprefix(prefix) for node in nodes for name in node["Resources"] if name.startswith(prefix)}
        devices = sorted(kinds) or ["GPUs"] if self._uses_gpus() else ["CPUs"]
        return {"executor": "ray, on several machines", "devices": ", ".join(devices)}

    def prepare(self, study: Any, opening: Callable[[Any], Workshop]) -> None:
        """Start the cluster and a worker, which opens the study, while this process goes on."""
        if self._is_ready is None and not self._hired:
            self._is_ready = threading.Event()
            threading.Thread(target=self._prepare, args=(study, opening, self._is_ready), daemon=True).start()

    def _prepare(self, study: Any, opening: Callable[[Any], Workshop], is_ready: threading.Event) -> None:
        import ray

        starts = not ray.is_initialized()
        try:
            self._connect()
            self._take_study(study)
            self._hire(1)
            for hired in self._hired.values():
                hired.call = hired.actor.prepare.remote(study, self._studies, opening)
                hired.is_ahead = True
        except InputError as refusal:
            self._refusal = refusal
        except Exception:
            # `shards` meets it again.
            pass
        finally:
            is_ready.set()
        if starts:
            # On Linux, the processes of a cluster end with the thread that started them.
            threading.Event().wait()

    def _await_start(self) -> None:
        """Wait for what `prepare` began; InputError if the cluster cannot be reached."""
        if self._is_ready is not None:
            self._is_ready.wait()
            self._is_ready = None
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise refusal

    def _take_study(self, study: Any) -> None:
        if study is not self._study:
            self._study = study
            self._studies += 1

    def shards(self, job: ShardJob, advance: Advance) -> Iterator[int]:
        """Do the shards of a job, as `Workshop.shards` says; a job in turn has one worker.

        Raises InputError if the cluster cannot be reached, if workers end again and again, or if the work fails. The
        file `log` then has the traceback of the work.
        """
        import ray

        self._await_start()
        self._connect()
        self._tell_of_idle_gpus()
        try:
            handed = ray.put(job)
        except TypeError as error:
            raise InputError(
                f"A dataset or model of the study was given as an object that Ray cannot send to its workers "
                f"({first_line(error.__cause__ or error)}); name its files instead."
            ) from error
        self._jobs += 1
        self._take_study(job.study)
        self._deaths = 0
        ray.get(self._desk.begin.remote(self._jobs, tuple(job.numbers)))
        for hired in self._hired.values():
            if hired.is_ahead:
                # It counts as hanging if it does not end opening the study.
                self._desk.count.remote(self._jobs, hired.number, 0)
        try:
            yield from self._watched(job, handed, advance)
        except GeneratorExit:
            # No worker may write a shard after this.
            ray.get(self._desk.begin.remote(self._jobs, ()))
            calls = [hired.call for hired in self._hired.values() if hired.call is not None and not hired.is_ahead]
            ray.wait(calls, num_returns=len(calls)) if calls else None
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the workers, so that others can use their processors."""
        import ray

        with suppress(InputError):
            self._await_start()
        for hired in self._hired.values():
            ray.kill(hired.actor)
        self._hired.clear()
        self._looked = -LOOK_FOR_NODES
        if self._desk is not None:
            ray.kill(self._desk)
            self._desk = None

    def _watched(self, job: ShardJob, handed: ObjectRef, advance: Advance) -> Iterator[int]:
        """Keep workers at a job, which was `handed` to the cluster, until it is done; yield the shards in order."""
        import ray

        wanted, sealed, left = deque(job.numbers), set(), len(job.numbers)
        while wanted:
            self._hire(1 if job.in_turn else len(job.numbers))
            idle = [hired for hired in self._hired.values() if hired.call is None]
            if job.in_turn:
                left = min(left, 1) if len(idle) == len(self._hired) else 0
            for hired in idle[:left]:
                hired.call = hired.actor.work.remote(handed, self._studies, self._jobs, self._desk, hired.number)
            calls = {hired.call: place for place, hired in self._hired.items() if hired.call is not None}
            if calls:
                for call in ray.wait(list(calls), timeout=POLL)[0]:
                    self._ended(calls[call], call)
            else:
                time.sleep(POLL)
            news: News = ray.get(self._desk.news.remote())
            left = news.left
            if news.items:
                advance(news.items)
            if news.sealed:
                self._deaths = 0
            sealed |= set(news.sealed)
            self._give_up_hanging(news)
            while wanted and wanted[0] in sealed:
                yield wanted.popleft()

    def _connect(self) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if not ray.is_initialized():
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            on_terminate = signal.getsignal(signal.SIGTERM)
            try:
                self._join_or_start()
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise InputError(
                    f"The Ray cluster at {self._address or 'the default address'} cannot be reached "
                    f"({first_line(error)}); --ray-address takes an address such as 10.0.0.1:6379."
                ) from error
            finally:
                # Ray has replaced it by its own, which ends the process as if it had failed.
                if threading.current_thread() is threading.main_thread():
                    signal.signal(signal.SIGTERM, on_terminate)
        if self._desk is None:
            here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            self._desk = ray.remote(Desk).options(num_cpus=0, scheduling_strategy=here).remote()

    def _join_or_start(self) -> None:
        """Join the cluster at the address or the running one; if there is none, start one on this machine."""
        import ray
        from ray.job_config import JobConfig

        # Ray would put the current folder, which may be somebody else's study, on the workers' path before all others;
        # it does not for its clients.
        options = {"log_to_driver": False, "logging_level": logging.ERROR, "job_config": JobConfig(_client_job=True)}
        _refuse_silent(self._address or os.environ.get("RAY_ADDRESS", ""))
        try:
            ray.init(self._address or "auto", **options)
        except ConnectionError:
            if self._address or os.environ.get("RAY_ADDRESS"):
                raise
            # Its workers do the work of this command, so they have its priority; by default, Ray's have a lower one.
            os.environ.setdefault("RAY_worker_niceness", "0")
            # On a busy machine, its processes take long to start.
            os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
            try:
                # Jobs are small, as results go through the file system.
                ray.init("local", include_dashboard=False, object_store_memory=OBJECT_STORE, **options)
            except Exception as error:
                raise InputError(
                    f"Ray could not start on this machine ({first_line(error)}); leave out --executor ray, or name a "
                    "cluster by --ray-address."
                ) from error
        # Ray prints what its nodes report on standard output, also the log of one that left, and no option prevents it.
        ray._private.worker._worker_logs_enabled = False

    def _nodes(self) -> list[dict[str, Any]]:
        import ray

        self._connect()
        return [node for node in ray.nodes() if node["Alive"]]

    def _look_for_places(self) -> None:
        """The places for workers on the machines that are there now."""
        uses_gpus, places = self._uses_gpus(), []
        for node in self._nodes():
            cpus, gpus = (int(node["Resources"].get(kind, 0)) for kind in ("CPU", "GPU"))
            count = gpus if uses_gpus else self._workers or 1
            is_like = self._environment_of([*self._known, node]) == self._environment_of(self._known)
            if cpus and (is_like or not self._known):
                places += [
                    Place(node["NodeManagerHostname"], node["NodeID"], number, max(1, cpus // count), int(uses_gpus))
                    for number in range(count)
                ]
        self._places = places

    def _tell_of_idle_gpus(self) -> None:
        """Warn, before the first job, of GPUs that no worker takes."""
        if self._jobs or self._uses_gpus():
            return
        if any(node["Resources"].get("GPU") for node in self._nodes()):
            _log.warning("The workers compute on CPUs, as this process does; on a machine with a GPU, they take GPUs.")

    def _hire(self, most: int) -> None:
        """Start workers at free places, until there are `most`."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if time.monotonic() - self._looked < LOOK_FOR_NODES:
            return
        self._look_for_places()
        self._looked = time.monotonic()
        threads = os.environ.get("OMP_NUM_THREADS")
        search = [folder or os.getcwd() for folder in sys.path]
        free = [place for place in self._places if place not in self._hired]
        for place in free[: max(0, most - len(self._hired))]:
            actor = ray.remote(Worker).options(
                num_cpus=place.cpus,
                num_gpus=place.gpus,
                scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=False),
            )
            self._numbered += 1
            self._hired[place] = _Hired(self._numbered, actor.remote(os.getcwd(), search, place, threads))

    def _ended(self, place: Place, call: ObjectRef) -> None:
        """Take note of a call that ended: the job has no more shards, the worker died, or the work failed."""
        import ray

        try:
            ray.get(call)
        except ray.exceptions.RayTaskError as error:
            raise self._failure(place.host, error) from error
        except ray.exceptions.RayError as error:
            self._lose(place, first_line(error))
        else:
            hired = self._hired[place]
            hired.call, hired.is_ahead = None, False
            self._desk.rest.remote(hired.number)

    def _failure(self, host: str, error: Any) -> Exception:
        """The error of a worker as one sentence; its traceback goes into the log."""
        write_text(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{_COLOURS.sub('', str(error))}\n", self._log)
        cause = error.cause
        if isinstance(cause, OSError | MemoryError):
            return cause
        text = first_line(cause) if isinstance(cause, InputError) else f"{type(cause).__name__}: {first_line(cause)}"
        return InputError(f"A worker on {host} failed: {text}. The traceback is in {self._log}.")

    def _give_up_hanging(self, news: News) -> None:
        for place, hired in list(self._hired.items()):
            seconds = news.silent.get(hired.number, 0.0)
            if seconds > patience(news.slowest):
                self._lose(place, f"it gave no sign for {seconds:.0f} seconds")

    def _lose(self, place: Place, reason: str) -> None:
        """Give up a worker; another starts in its place, if the machine is still there."""
        import ray

        hired = self._hired.pop(place)
        ray.kill(hired.actor)
        ray.get(self._desk.rest.remote(hired.number))
        _log.warning("A worker ended (%s); others do its shards.", reason)
        self._deaths += 1
        if self._deaths >= MOST_DEATHS * max(1, len(self._places)):
            raise InputError(
                f"{self._deaths} workers ended without finishing a shard (the last: {reason}). Ray's logs say more; "
                "the same command goes on from here."
            )
