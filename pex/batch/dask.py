"""The jobs of a batch on a Dask cluster: the driver hands them out, workers execute them.

If a worker is lost, only its calls in flight are lost: Dask gives its job to another one,
which finds the answers in the journal that all share.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import os
import socket
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.batch.kernels.zygotes import OF_A_JOB, QUIET, ZYGOTES
from pex.batch.plan import Plan
from pex.batch.task import Outcome, Running, Task, execute
from pex.core.errors import PexError
from pex.core.extras import install_line
from pex.core.project import find_project
from pex.core.version import __version__
from pex.guard.redact import redact
from pex.project import keys
from pex.project.settings import Settings, load_settings

if TYPE_CHECKING:
    from distributed import Client, Worker

_TIMEOUT_S = 8.0
"""How long to wait for the scheduler's answer, and for the cluster to have a worker."""
_LOOK_S = 0.5
"""How often to check whether a job is still wanted."""
_PASSED_ON = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")
"""Other variables of the driver's environment that jobs get, unless they hold a login."""


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """A task as it is sent: what a worker needs if it does not see the driver's folder.

    `marker` is a file beside the plan: a worker that sees it shares the driver's disk. `place` is
    the plan's folder relative to the project; `secrets` names the variables with keys.
    """

    task: Task
    text: str
    marker: Path
    place: str
    version: str
    secrets: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Returned:
    """What a worker returns: the outcome, and the output if the driver cannot see it."""

    outcome: Outcome
    output: bytes | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Fitness:
    """What a worker reports about itself before it gets a job."""

    host: str
    version: str
    shares_disk: bool
    missing: tuple[str, ...]


class Cluster:
    """A Dask cluster as the executor of a plan's jobs.

    Args:
        address: the scheduler's, as `tcp://host:8786`.
        plan: the plan whose jobs it runs.
        say: gets a line for each problem that does not stop the batch.

    Raises:
        PexError: `distributed` is not installed, the scheduler does not answer, there is no worker,
            or a worker is unfit: another version of pex, a missing key, a separate journal.
    """

    def __init__(self, address: str, plan: Plan, say: Callable[[str], None]) -> None:
        self._address, self._plan = address, plan
        project = find_project(plan.folder)
        self._settings = load_settings(project)
        self._secrets = _secret_names(self._settings, project)
        self._place = plan.place
        self._client = _connect(address)
        plan.outputs.mkdir(parents=True, exist_ok=True)
        self._marker = plan.outputs / f".shared-{uuid.uuid4().hex[:12]}"
        self._marker.touch()
        try:
            self._check(project, say)
        except BaseException:
            self.close()
            raise

    @property
    def threads(self) -> int:
        """The number of jobs that its workers can run at once, now."""
        return max(1, sum(int(count) for count in self._client.nthreads().values()))

    def __call__(self, task: Task, running: Running) -> Outcome:
        """Have a worker execute a task; wait for it, or until `running` is ended."""
        import distributed

        order = Order(
            dataclasses.replace(task, environment=_environment_for_worker(task.environment)),
            task.notebook.read_text(encoding="utf-8"),
            self._marker,
            self._place,
            __version__,
            self._secrets,
        )
        key = f"pex-{task.output.stem}-{uuid.uuid4().hex[:12]}"
        future = self._client.submit(run_order, order, key=key, pure=False)
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        try:
            while not done.wait(_LOOK_S):
                if running.ended:
                    future.cancel()
                    return Outcome("interrupted")
            returned = future.result()
        except distributed.KilledWorker as error:
            return Outcome("failed", f"its workers were lost, one after another: {error}")
        except (concurrent.futures.CancelledError, asyncio.CancelledError, OSError):
            return Outcome("failed", f"the scheduler {self._address} no longer answers")
        except Exception as error:  # noqa: BLE001 - of the worker, before the notebook started
            return Outcome("failed", f"{type(error).__name__}: {redact(str(error))}")
        if returned.output is not None:
            part = task.output.with_suffix(".part")
            part.write_bytes(returned.output)
            part.replace(task.output)
        return Outcome(*dataclasses.astuple(returned.outcome))

    def close(self) -> None:
        """Disconnect from the cluster; workers end the jobs that still run there."""
        self._marker.unlink(missing_ok=True)
        with contextlib.suppress(OSError, TimeoutError):
            self._client.close(timeout=_TIMEOUT_S)

    def _check(self, project: Path, say: Callable[[str], None]) -> None:
        from pex.tracking.store import local_folder, tracking_uri

        try:
            self._client.wait_for_workers(1, timeout=_TIMEOUT_S)
        except TimeoutError:
            raise PexError(
                f"the Dask cluster {self._address} has no worker",
                hint=f"start some in a copy of the project: dask worker {self._address}",
            ) from None
        said = self._client.run(fitness, self._marker, self._secrets, on_error="return")
        for worker, found in said.items():
            _raise_unfit(worker, found)
        if all(found.shares_disk for found in said.values()):
            others = {found.host for found in said.values()} - {socket.gethostname()}
            if others and self._settings.journal.url_env is None:
                say(
                    "the journal is a SQLite file that several machines write: on a network "
                    "folder that is not safe; [journal] url_env in pex.toml is"
                )
            return
        alone = next(worker for worker, found in said.items() if not found.shares_disk)
        local = local_folder(tracking_uri(project, self._settings)) is not None
        for what, own, instead in (
            ("journal", self._settings.journal.url_env is None, "[journal] url_env"),
            ("MLflow store", local, "MLFLOW_TRACKING_URI, or [record] tracking_uri"),
        ):
            if own:
                raise PexError(
                    f"the worker {alone} cannot see the folder {self._plan.folder}, and the "
                    f"{what} is a file there",
                    hint=f"give all of them one folder, or one {what}: {instead} in pex.toml",
                )


@contextlib.contextmanager
def cluster_of(
    address: str | None, plan: Plan, say: Callable[[str], None]
) -> Iterator[Cluster | None]:
    """The cluster that a plan's jobs run on; None if they run on this machine."""
    if address is None:
        yield None
        return
    ZYGOTES.close(idle=True)  # kernels are forked elsewhere
    cluster = Cluster(address, plan, say)
    try:
        yield cluster
    finally:
        cluster.close()


def fitness(marker: Path, secrets: tuple[str, ...]) -> Fitness:
    """What this process, a worker, has of what a job needs."""
    project = find_project(marker.parent) if marker.exists() else find_project()
    missing = tuple(name for name in secrets if not keys.has(name, project))
    return Fitness(socket.gethostname(), __version__, marker.exists(), missing)


def run_order(order: Order) -> Returned:
    """Execute a task on a worker while it is wanted."""
    from distributed import get_worker

    worker = get_worker()
    try:
        _raise_unfit(worker.address, fitness(order.marker, order.secrets), order.version)
    except PexError as error:
        return Returned(Outcome("failed", error.message))
    environment = {**os.environ, **order.task.environment}
    task = dataclasses.replace(order.task, environment=environment)
    if sys.platform == "linux":
        ZYGOTES.of(environment).wait()  # its imports must not count as the notebook's time
    with tempfile.TemporaryDirectory(prefix="pex-job-") as name:
        shared = order.marker.exists()
        if not shared:
            folder = find_project() / order.place
            if not folder.is_dir():
                return Returned(Outcome("failed", f"the worker {worker.address} has no {folder}"))
            notebook = Path(name) / task.notebook.name
            notebook.write_text(order.text, encoding="utf-8")
            output = Path(name) / "out" / task.output.name
            output.parent.mkdir()
            task = dataclasses.replace(task, notebook=notebook, output=output, folder=folder)
        outcome = _execute(task, worker)
        if shared or not task.output.is_file():
            return Returned(outcome)
        return Returned(outcome, task.output.read_bytes())


def _execute(task: Task, worker: Worker) -> Outcome:
    running, done = Running(task), threading.Event()
    key = worker.get_current_task()

    def watch() -> None:
        while not done.wait(_LOOK_S):
            if not _wanted(worker, key):
                running.end()
                return

    threading.Thread(target=watch, name="pex-wanted", daemon=True).start()
    try:
        return execute(task, running)
    finally:
        done.set()


def _wanted(worker: Worker, key: Any) -> bool:
    """Whether anyone still waits for a task; Dask itself does not stop a running one."""
    state = worker.state.tasks.get(key)
    leaving = worker.status.name in ("closing", "closed", "failed")
    return not leaving and state is not None and state.state != "cancelled"


def _raise_unfit(worker: str, found: Any, version: str = __version__) -> None:
    """Raise a `PexError` if a worker cannot run the jobs."""
    if isinstance(found, ModuleNotFoundError):
        raise PexError(
            f"the worker {worker} has no pex {version}: {found}",
            hint=f'pip install "pexlab[lab]=={version}" there',
        )
    if isinstance(found, BaseException):
        raise PexError(f"the worker {worker} does not answer: {redact(str(found))}")
    if found.version != version:
        raise PexError(
            f"the worker {worker} has pex {found.version}, this is {version}",
            hint="a batch needs one version everywhere",
        )
    if found.missing:
        raise PexError(
            f"the worker {worker} lacks {', '.join(found.missing)}",
            hint="keys are not sent: set them where the worker is started",
        )


def _connect(address: str) -> Client:
    try:
        import distributed
    except ImportError:
        raise PexError(
            f"scheduler {address}: Dask is not installed", hint=install_line("dask")
        ) from None
    try:
        asyncio.run(_identify(address))
        return distributed.Client(address, timeout=_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise PexError(
            f"no Dask scheduler answers at {address}: {first}",
            hint="expected tcp://host:port of one that runs: dask scheduler",
        ) from None


async def _identify(address: str) -> None:
    """Check that a scheduler answers; a client that found none would keep trying to connect."""
    from distributed import Security, rpc

    arguments = Security().get_connection_args("client")
    async with rpc(address, timeout=_TIMEOUT_S, connection_args=arguments) as scheduler:
        await asyncio.wait_for(scheduler.identity(), _TIMEOUT_S)


def _secret_names(settings: Settings, project: Path) -> tuple[str, ...]:
    """The variables with keys that the project names and the driver has."""
    names = [settings.journal.url_env]
    for provider in settings.providers.values():
        names += provider.variables
    return tuple(sorted({name for name in names if name and keys.has(name, project)}))


def _environment_for_worker(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of a job's environment that a worker gets: the batch's settings, and no key."""
    names = {*OF_A_JOB, *QUIET} - {"JPY_PARENT_PID"}
    names |= {
        name for name in _PASSED_ON if redact(environment.get(name, "")) == environment.get(name)
    }
    return {name: value for name, value in environment.items() if name in names}
