"""One notebook to execute, on any machine: plain data in, plain data out."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pex.batch.kernels.redacted_output import ASIDE
from pex.batch.notebook import kernel_of, own_kernels
from pex.core import jsontext
from pex.guard.redact import redact

if TYPE_CHECKING:
    from pex.batch.kernels.engine import Kernel

_LONGEST = 500
"""Characters of an error shown in the table and on the page; the output notebook has all of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """A notebook with its parameters, where it runs and where its output goes.

    `timeout_s` is for the whole notebook, including the start of its kernel.
    """

    notebook: Path
    output: Path
    parameters: Mapping[str, Any]
    folder: Path
    environment: Mapping[str, str]
    timeout_s: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a task; `cell` is as in `In [4]` of the output, with injected parameters."""

    status: Literal["done", "failed", "timeout", "interrupted"]
    error: str | None = None
    cell: int | None = None


class Running:
    """A task's kernel, created before its turn, so it can be started ahead and ended at any time.

    Another thread can end it.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._kernel: Kernel | None = None
        self._ended = False
        self._lock = threading.RLock()

    def kernel(self) -> Kernel:
        """The kernel; it does not run until it is started."""
        from pex.batch.kernels.engine import Kernel

        with self._lock:
            if self._kernel is None:
                name, _ = _asked_kernel(self._task.notebook)
                self._kernel = Kernel(kernel_name=name, kernel_spec_manager=own_kernels())
                if self._ended:
                    self._kernel.end()
            return self._kernel

    @property
    def ended(self) -> bool:
        """Whether it has been ended, or will be as soon as it starts."""
        return self._ended

    def start_ahead(self) -> None:
        """Start it now, unless it could be forked almost instantly when its turn comes."""
        place = {"env": dict(self._task.environment), "cwd": str(self._task.folder)}
        # Problems with the kernel or its notebook are reported when their turn comes.
        with self._lock, contextlib.suppress(OSError, KeyError, ValueError):
            self.kernel().start_ahead(stdout=ASIDE.fileno(), stderr=ASIDE.fileno(), **place)

    def end(self) -> None:
        """End the kernel and its child processes, now or as soon as it starts."""
        with self._lock:
            self._ended = True
            kernel = self._kernel
        if kernel is not None:
            kernel.end()


def execute(task: Task, running: Running | None = None) -> Outcome:
    """Execute a notebook with Papermill in a fresh kernel.

    Args:
        task: the notebook to execute.
        running: lets another thread end it.

    Returns:
        The outcome; the output notebook has everything produced so far in any case.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from pex.batch.kernels import engine

    engine.register()
    running = running or Running(task)
    late = threading.Event()

    def too_late() -> None:
        late.set()
        running.end()

    watch = threading.Timer(task.timeout_s or threading.TIMEOUT_MAX, too_late)
    watch.daemon = True
    watch.start()
    try:
        # Named here, since Papermill refuses a notebook that does not name its kernel and language.
        kernel_name, language = _asked_kernel(task.notebook)
        papermill.execute_notebook(
            _literal(task.notebook),
            _literal(task.output),
            parameters=dict(task.parameters),
            engine_name=engine.NAME,
            kernel_name=kernel_name,
            language=language,
            progress_bar=False,
            kernel_env=task.environment,
            kernel_cwd=str(task.folder),
            kernel=running.kernel(),
        )
    except PapermillExecutionError as error:
        said = ": ".join(filter(None, [error.ename, error.evalue]))
        return Outcome("failed", _first_line(said), error.exec_count)
    except engine.KernelDied as error:
        if late.is_set():
            return Outcome(
                "timeout", f"not finished within {task.timeout_s:g} s", error.cell or None
            )
        return Outcome("failed", str(error), error.cell or None)
    except Exception as error:  # noqa: BLE001 - every failure of a notebook is a row of the table
        # Output that a kernel could not send, such as half a character, leaves an empty error.
        said = str(error).strip() or "a cell failed with an error that cannot be shown"
        return Outcome("failed", _first_line(f"{type(error).__name__}: {said}"))
    finally:
        watch.cancel()
    return Outcome("done")


def _first_line(text: str) -> str:
    from pex.core.safe_text import clean

    line = clean(redact(text)).strip().partition("\n")[0]
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _asked_kernel(notebook: Path) -> tuple[str, str]:
    return kernel_of(jsontext.loads(notebook.read_text(encoding="utf-8")).get("metadata", {}))


def _literal(path: Path) -> str:
    """A path that Papermill leaves unchanged: it fills in expressions in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")
