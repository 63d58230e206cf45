"""Turns a process forked from the zygote into an ordinary kernel, or into a function call.

Everything an interpreter and its packages set only once, at start, is set again: the environment,
the folder, random seeds, threads of linear algebra, and checks for a running notebook.
"""

from __future__ import annotations

import atexit
import base64
import ctypes
import gc
import importlib.util
import itertools
import json
import logging
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

_DEATH_SIGNAL, _NAME = 1, 15
"""The names of these options in prctl(2)."""
_BY_IMPORTS = {"PYDEVD_USE_FRAME_EVAL"}
"""Variables that a kernel's own packages set on import."""


def become_kernel(order: dict[str, Any], generators: Iterable[Any]) -> NoReturn:
    """Run the kernel of an order (`cmd`, `cwd`, `env`) to its end, then exit.

    Args:
        order: the kernel that Jupyter would have started.
        generators: random number generators to seed again.
    """
    _be(order, generators, b"ipykernel", lambda: _run(order["cmd"]))


def answer(order: dict[str, Any], generators: Iterable[Any]) -> NoReturn:
    """Call the function of an order (`call`, `path`, `cwd`, `env`) and send its answer to `line`.

    Args:
        order: the function with its arguments, as `Zygote.call` packs them.
        generators: random number generators to seed again.
    """

    def call() -> int:
        sys.path[:] = order["path"]
        function, args = pickle.loads(base64.b64decode(order["call"]))
        try:
            told = (True, function(*args))
        except Exception as error:  # noqa: BLE001 - raised where the call came from
            error.add_note(f"there:\n{traceback.format_exc()}")
            told = (False, error)
        packed = base64.b64encode(pickle.dumps(told)).decode()
        order["line"].sendall(json.dumps({"answer": packed}).encode() + b"\n")
        return 0

    _be(order, generators, b"pex", call)


def _be(
    order: dict[str, Any], generators: Iterable[Any], name: bytes, run: Callable[[], int]
) -> NoReturn:
    """Become a separate process until `run` returns its exit code."""
    code = 1
    try:
        gc.enable()
        _own_process(order, name)
        _new_randomness(generators)
        _restore_threads()
        code = run()
    except BaseException:  # noqa: BLE001 - no caller is left to report it
        traceback.print_exc(file=sys.__stderr__)
    finally:
        # What an interpreter does at exit, without freeing every object of the stack.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _run(cmd: list[str]) -> int:
    from pex.batch.kernels.ipykernel_launcher import KernelApp

    launcher = importlib.util.find_spec("ipykernel_launcher")
    after = cmd[cmd.index("ipykernel_launcher") + 1 :]
    sys.orig_argv = cmd
    sys.argv = [str(launcher.origin if launcher else "ipykernel_launcher"), *after]
    before = (sys.stdout, sys.stderr)
    try:
        app = KernelApp.instance(parent_handle=os.getppid())
        app.initialize(after)  # type: ignore[no-untyped-call]
        atexit.register(_end, app.control_thread)
        _redirect_logs(before)
        _notice_notebook()
        app.start()  # type: ignore[no-untyped-call]
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _end(control: Any) -> None:
    """End the control thread before ipykernel ends the thread that sends outputs.

    Otherwise it sometimes waits two and a half seconds for that one, without effect.
    """
    if control is not None and control.is_alive():
        control.stop()
        control.join()


def _own_process(order: dict[str, Any], name: bytes) -> None:
    os.setsid()
    libc = ctypes.CDLL(None)
    libc.prctl(_DEATH_SIGNAL, signal.SIGKILL)
    libc.prctl(_NAME, name)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The debugger, on import, creates a thread that never starts.
    threading._counter = itertools.count(1).__next__  # type: ignore[attr-defined]
    os.chdir(order["cwd"])
    left = {key: os.environ[key] for key in _BY_IMPORTS & os.environ.keys()}
    os.environ.clear()
    os.environ.update(left | order["env"], JPY_PARENT_PID=str(os.getppid()))


def _new_randomness(generators: Iterable[Any]) -> None:
    """Seed generators again; after a fork, only `random` itself does so."""
    for generator in generators:
        generator.seed()


def _restore_threads() -> None:
    """Restore the thread counts that linear algebra would have chosen."""
    from threadpoolctl import ThreadpoolController

    cores = len(os.sched_getaffinity(0))
    for library in ThreadpoolController().lib_controllers:
        wanted = _number(f"{library.internal_api.upper()}_NUM_THREADS")
        library.set_num_threads(wanted or _number("OMP_NUM_THREADS") or cores)
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None:
        pyarrow.set_cpu_count(_number("OMP_NUM_THREADS") or os.cpu_count() or 1)


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _redirect_logs(before: tuple[Any, Any]) -> None:
    """Redirect the logs that packages set up to the notebook's own output."""
    named = list(logging.root.manager.loggerDict.values())
    loggers = [logging.root, *(item for item in named if isinstance(item, logging.Logger))]
    for handler in [handler for logger in loggers for handler in logger.handlers]:
        stream = getattr(handler, "stream", None)
        if isinstance(handler, logging.StreamHandler) and stream in before:
            handler.setStream(sys.stdout if stream is before[0] else sys.stderr)


def _notice_notebook() -> None:
    """Let packages check their environment again; at import there was no notebook."""
    if "ipywidgets" in sys.modules:
        sys.modules["ipywidgets"]._handle_ipython()
    renderers = sys.modules.get("plotly.io._renderers")
    if renderers is not None and not os.environ.get("PLOTLY_RENDERER"):
        fresh = importlib.util.find_spec(renderers.__name__)
        if fresh is not None and fresh.loader is not None:
            module = importlib.util.module_from_spec(fresh)
            fresh.loader.exec_module(module)
            renderers.renderers.default = module.default_renderer
    for name in ("tqdm.auto", "tqdm.autonotebook"):
        sys.modules.pop(name, None)
