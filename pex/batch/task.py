"""One notebook to be executed, wherever that is done: plain data in, plain data out."""

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
"""Letters of an error that the table and the page show; the output notebook has all of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """A notebook with its parameters, where it runs and where its output goes.

    `timeout_s` is for the whole notebook, the start of its kernel counted.
    """

    notebook: Path
    output: Path
    parameters: Mapping[str, Any]
    folder: Path
    environment: Mapping[str, str]
    timeout_s: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How a task went; `cell` as in `In [4]` of the output, the injected parameters counted."""

    status: Literal["done", "failed", "timeout", "interrupted"]
    error: str | None = None
    cell: int | None = None


class Running:
    """A task's kernel, made before its turn, so that it can be started ahead and ended at any time.

    Another thread may end it.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._kernel: Kernel | None = None
        self._ended = False
        self._lock = threading.RLock()

    def kernel(self) -> Kernel:
        """The kernel; nothing of it runs before it is started."""
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
        """Whether somebody has ended it, or will as soon as it starts."""
        return self._ended

    def start_ahead(self) -> None:
        """Start it now, where it could not be forked in no time when its turn comes."""
        place = {"env": dict(self._task.environment), "cwd": str(self._task.folder)}
        # What is wrong with the kernel or its notebook is said when their turn comes.
        with self._lock, contextlib.suppress(OSError, KeyError, ValueError):
            self.kernel().start_ahead(stdout=ASIDE.fileno(), stderr=ASIDE.fileno(), **place)

    def end(self) -> None:
        """End the kernel and what it has started, now or as soon as it starts."""
        with self._lock:
            self._ended = True
            kernel = self._kernel
        if kernel is not None:
            kernel.end()


def execute(task: Task, running: Running | None = None) -> Outcome:
    """Execute a notebook with Papermill in a fresh kernel.

    Args:
        task: what to do.
        running: lets another thread end it.

    Returns:
        How it went; the output notebook has what there is in any case.
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
        # Named here, since Papermill refuses a notebook that does not name them itself.
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
        # What a kernel could not send, such as half a character, leaves an error without a word.
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
    """A path that Papermill leaves as it is: it fills in what is in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")
