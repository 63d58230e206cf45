"""A Papermill engine whose kernels are forked from a process that has imported their packages.

`papermill --engine pex in.ipynb out.ipynb` uses it as well as a batch does. Outputs are what
Papermill's own engine writes, without the values of key variables.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import logging
import os
import queue
import signal
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import psutil
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbclient.util import run_sync
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.log import logger
from traitlets import DottedObjectName, Type

from pex.batch.kernels.forked import ForkProvisioner, forkable
from pex.batch.kernels.redacted_output import ASIDE
from pex.batch.kernels.zygotes import ZYGOTES
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.guard import printed_output
from pex.guard.known_keys import Known
from pex.guard.project_secrets import LISTED, note
from pex.guard.redact import known
from pex.project.settings import load_settings

NAME = "pex"
_LOOK_S = 0.01
"""How often to check whether a kernel has ended."""


class KernelDied(RuntimeError):  # noqa: N818 - as in "its kernel died in cell 3"
    """The kernel ended before its notebook did."""

    def __init__(self, cell: int, code: int | None) -> None:
        self.cell = cell
        where = f"in cell {cell}" if cell else "before its first cell"
        super().__init__(f"its kernel died {where} ({_manner(code)})")


def _manner(code: int | None) -> str:
    """How a process ended, in words.

    Example:
        >>> _manner(-9), _manner(-11), _manner(3)
        ('killed, perhaps out of memory', 'Segmentation fault', 'exit code 3')
    """
    if code == -signal.SIGKILL:
        return "killed, perhaps out of memory"
    if code is not None and code < 0:
        return signal.strsignal(-code) or f"signal {-code}"
    return f"exit code {code}"


class Client(AsyncKernelClient):
    """A client that waits for a kernel no longer than needed."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Return when the kernel answers and its outputs arrive.

        The inherited method then waits until nothing has arrived for 0.2 s; nbclient itself
        ignores messages that belong to no cell.
        """
        end = time.monotonic() + (timeout or float("inf"))
        while True:
            self.kernel_info()
            try:
                reply = await self.shell_channel.get_msg(timeout=1)
                if reply["msg_type"] == "kernel_info_reply":
                    await self.iopub_channel.get_msg(timeout=0.2)
                    self._handle_kernel_info_reply(reply)
                    return
            except queue.Empty:
                pass
            if not await self._async_is_alive():
                raise DeadKernelError("Kernel died before replying to kernel_info")
            if time.monotonic() > end:
                raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")


class Kernel(AsyncKernelManager):
    """A fresh kernel, forked if possible; its sockets are in a private folder."""

    client_class = DottedObjectName(f"{__name__}.Client")
    client_factory = Type(klass=Client)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.code: int | None = None
        """Its exit code, once it has ended."""
        self.idle = False
        """Whether there is nothing left to interrupt."""
        self._doomed = False

    def end(self) -> None:
        """End the kernel and its child processes, from any thread, even before its start."""
        self._doomed = True
        process = getattr(self.provisioner, "process", None)
        if process is not None:
            end_tree(process.pid)

    async def async_start_ahead(self, **kw: Any) -> bool:
        """Start an ordinary kernel before its notebook's turn; returns whether it was started.

        It is not connected yet: the thread that executes the notebook does that.
        """
        spec = self.kernel_spec
        assert spec is not None  # or it has raised NoSuchKernel
        self._launch_args = {}
        env = {**kw["env"], **spec.env}
        if forkable(self.format_kernel_cmd()) and ZYGOTES.of(env).refusal is None:
            return False
        history = ["--HistoryManager.hist_file=:memory:"] if self.ipykernel else []
        command, kw = await self._async_pre_start_kernel(extra_arguments=history, **kw)
        await self._async_launch_kernel(command, **kw)
        return True

    start_ahead = run_sync(async_start_ahead)

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: Any) -> None:
        await super()._async_launch_kernel(kernel_cmd, **kw)
        if self._doomed:
            self.end()

    async def _async_pre_start_kernel(self, **kw: Any) -> Any:
        spec = self.kernel_spec
        assert spec is not None  # or it has raised NoSuchKernel
        if "kernel_provisioner" in spec.metadata:
            return await super()._async_pre_start_kernel(**kw)
        self.provisioner = ForkProvisioner(
            kernel_id=str(uuid.uuid4()), kernel_spec=spec, parent=self
        )
        self._launch_args = {}
        if forkable(self.format_kernel_cmd()):
            env = {**kw["env"], **spec.env}
            self.transport = "ipc"
            self.connection_file = str(ZYGOTES.of(env).folder / f"{uuid.uuid4().hex[:12]}.json")
        return await super()._async_pre_start_kernel(**kw)

    async def listening(self, timeout: float) -> None:
        """Wait for the kernel's sockets: a client that connects too early waits 0.1 s to retry."""
        end = time.monotonic() + timeout
        sockets = [Path(f"{self.ip}-{port}") for port in self.ports]
        while self.transport == "ipc" and not all(path.exists() for path in sockets):
            if time.monotonic() > end or not await self._async_is_alive():
                return  # the client reports it
            await asyncio.sleep(_LOOK_S / 2)

    async def _async_is_alive(self) -> bool:
        process = getattr(self.provisioner, "process", None)
        if process is not None:
            self.code = process.poll()
        return bool(await super()._async_is_alive())

    is_alive = _async_is_alive

    async def _async_interrupt_kernel(self) -> None:
        if not (self.shutting_down and self.idle):
            await super()._async_interrupt_kernel()

    async def _async_finish_shutdown(
        self, waittime: float | None = None, pollinterval: float = _LOOK_S, restart: bool = False
    ) -> None:
        await super()._async_finish_shutdown(waittime, pollinterval, restart)


class _Manager(NotebookExecutionManager):  # type: ignore[misc]
    """Papermill's record of a notebook, saved without keys."""

    def __init__(self, nb: Any, environment: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(nb, **kwargs)
        self.nb: Any
        self.environment = environment
        self.cell: Any = None
        """The cell that runs now: its outputs can still grow."""
        given = [nb.metadata, *(cell.source for cell in nb.cells)]
        self._has_keys = self.secrets.within(json.dumps(given))

    @property
    def secrets(self) -> Known:
        """The values to redact, now: a token may have been added since."""
        return known(self.environment)

    def clean(self) -> None:
        """Remove keys for good, when nothing runs any more."""
        printed_output.content(self.nb, self.secrets)
        for cell in self.nb.cells:
            printed_output.streams(cell.get("outputs", ()), self.secrets)
        self._has_keys = False

    def save(self, **kwargs: Any) -> None:
        """Save the notebook; only the kernel sees a key in its source or parameters."""
        if self.cell is not None:
            printed_output.streams(self.cell.get("outputs", ()), self.secrets)
        executed = self.nb
        if self._has_keys:
            self.nb = printed_output.content(copy.deepcopy(executed), self.secrets)
        try:
            super().save()
        finally:
            self.nb = executed


class _Notebook(PapermillNotebookClient):  # type: ignore[misc]
    """Papermill's notebook client; keys are removed from outputs as they arrive."""

    def __init__(self, nb_man: _Manager, **kwargs: Any) -> None:
        super().__init__(nb_man, **kwargs)
        self._begun: dict[str, str] = {}
        """For each stream, the part of its last line received so far, for the log."""

    def process_message(self, message: dict[str, Any], *args: Any) -> Any:
        message["content"] = printed_output.content(message["content"], self.nb_man.secrets)
        return super().process_message(message, *args)

    def log_output_message(self, output: Any) -> None:
        """Log whole lines only: a key can arrive in pieces."""
        if output.output_type != "stream":
            super().log_output_message(output)
            return
        text = self._begun.pop(output.name, "") + "".join(output.text)
        lines, end, self._begun[output.name] = text.rpartition("\n")
        if end:
            self._log(output.name, lines + end)

    def _log(self, name: str, text: str) -> None:
        text = printed_output.masked(text, self.nb_man.secrets)
        super().log_output_message(
            nbformat.from_dict({"output_type": "stream", "name": name, "text": text})  # type: ignore[no-untyped-call]
        )

    async def async_execute_cell(self, cell: Any, *args: Any, **kwargs: Any) -> Any:
        self.nb_man.cell = cell
        try:
            return await super().async_execute_cell(cell, *args, **kwargs)
        finally:
            while self._begun:
                self._log(*self._begun.popitem())

    execute_cell = run_sync(async_execute_cell)

    async def async_start_new_kernel_client(self) -> Any:
        await self.km.listening(self.startup_timeout)
        return await super().async_start_new_kernel_client()

    start_new_kernel_client = run_sync(async_start_new_kernel_client)

    def papermill_execute_cells(self) -> None:
        super().papermill_execute_cells()
        self.km.idle = True

    async def _async_poll_kernel_alive(self) -> None:
        while await self.km._async_is_alive():
            await asyncio.sleep(0.2)
        self.task_poll_for_reply.cancel()


def end_tree(pid: int) -> None:
    """End a process and all its descendants."""
    try:
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=3)
    for member in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


class PexEngine(NBClientEngine):  # type: ignore[misc]
    """Executes notebooks in kernels that need not import their packages."""

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool | dict[str, Any] = True,
        log_output: bool = False,
        autosave_cell_every: int = 30,
        **kwargs: Any,
    ) -> Any:
        """Execute a notebook as Papermill's own engine does, but save it without keys.

        Args:
            nb: the notebook.
            kernel_name: as Jupyter lists it.
            output_path: the file it is saved to while it runs.
            progress_bar: whether to show one.
            log_output: show outputs in Papermill's log.
            autosave_cell_every: seconds.
            **kwargs: those of `execute_managed_notebook`.
        """
        folders = (kwargs.get("kernel_cwd"), Path(str(kwargs.get("input_path") or "")).parent)
        for folder in filter(None, folders):
            # If pex.toml cannot be read, the notebook reports it.
            with contextlib.suppress(PexError):
                load_settings(find_project(Path(folder)))
        environment = {**os.environ, **(kwargs.get("kernel_env") or {})}
        note(environment.get(LISTED, "").split(","))
        record = _Manager(
            nb,
            environment,
            output_path=output_path,
            progress_bar=progress_bar,
            log_output=log_output,
            autosave_cell_every=autosave_cell_every,
        )
        record.notebook_start()
        try:
            cls.execute_managed_notebook(record, kernel_name, log_output=log_output, **kwargs)
        finally:
            record.cleanup_pbar()
            record.clean()
            record.notebook_complete()
        return record.nb

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: _Manager,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        kernel_env: Mapping[str, str] | None = None,
        kernel_cwd: str | None = None,
        kernel: Kernel | None = None,
        **kwargs: Any,
    ) -> None:
        """Execute every cell of a notebook.

        Args:
            nb_man: Papermill's record of the notebook.
            kernel_name: as Jupyter lists it.
            log_output: show outputs in Papermill's log.
            stdout_file: gets what cells print.
            stderr_file: gets what cells print as errors.
            start_timeout: seconds that a kernel may take to start.
            execution_timeout: seconds that a cell may take.
            kernel_env: the kernel's environment; by default that of this process.
            kernel_cwd: the kernel's folder; by default that of this process.
            kernel: a fresh kernel, perhaps started ahead; by default Jupyter looks it up.
            **kwargs: those of Papermill's own engine.

        Raises:
            KernelDied: the kernel ended before the notebook did.
        """
        for name in ("input_path", "startup_timeout"):
            kwargs.pop(name, None)
        timeout = execution_timeout or kwargs.pop("timeout", None)
        kernel = kernel or Kernel(kernel_name=kernel_name)
        client = _Notebook(
            nb_man,
            km=kernel,
            kernel_name=kernel_name,
            log=logger,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
            startup_timeout=start_timeout,
            timeout=timeout,
            **kwargs,
        )
        place = {} if kernel_cwd is None else {"cwd": kernel_cwd}
        try:
            # A kernel's direct output must not mix with that of this process.
            env = dict(kernel_env or os.environ)
            client.execute(
                env=env, stdout=ASIDE.fileno(), stderr=ASIDE.fileno(), cleanup_kc=True, **place
            )
        except DeadKernelError:
            raise KernelDied(client.code_cells_executed, kernel.code) from None


def register() -> None:
    """Register the engine with Papermill; an installed pex has done so already."""
    papermill_engines.register(NAME, PexEngine)
    # Papermill's warnings, such as those about unknown parameters, have no handler by default.
    logger.addHandler(logging.NullHandler())
