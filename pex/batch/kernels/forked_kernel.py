"""How a process that was forked from the zygote becomes a kernel like any other, or a function.

What an interpreter and its packages settle once, as they start, is settled anew: the environment,
the folder, randomness, threads of linear algebra, and whatever looked whether a notebook is there.
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
"""What prctl(2) calls them."""
_BY_IMPORTS = {"PYDEVD_USE_FRAME_EVAL"}
"""Variables that a kernel's own packages set as they are imported."""


def become_kernel(order: dict[str, Any], generators: Iterable[Any]) -> NoReturn:
    """Run the kernel of an order (`cmd`, `cwd`, `env`) to its end, and end with it.

    Args:
        order: what Jupyter would have started.
        generators: sources of random numbers that are to begin anew.
    """
    _be(order, generators, b"ipykernel", lambda: _run(order["cmd"]))


def answer(order: dict[str, Any], generators: Iterable[Any]) -> NoReturn:
    """Call the function of an order (`call`, `path`, `cwd`, `env`), tell the `line` its answer.

    Args:
        order: the function with its arguments, as `Zygote.call` packs them.
        generators: sources of random numbers that are to begin anew.
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
    """Be a process of its own until `run` says its exit code."""
    code = 1
    try:
        gc.enable()
        _own_process(order, name)
        _new_randomness(generators)
        _restore_threads()
        code = run()
    except BaseException:  # noqa: BLE001 - there is nobody above to say it
        traceback.print_exc(file=sys.__stderr__)
    finally:
        # What an interpreter does at its end, without taking every object of the stack apart.
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
    """End the thread that has heard of the end before ipykernel ends the one that sends outputs.

    Now and then it still waits for that one, for two and a half seconds, without effect.
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
    # The debugger, as it is imported, makes a thread that never starts.
    threading._counter = itertools.count(1).__next__  # type: ignore[attr-defined]
    os.chdir(order["cwd"])
    left = {key: os.environ[key] for key in _BY_IMPORTS & os.environ.keys()}
    os.environ.clear()
    os.environ.update(left | order["env"], JPY_PARENT_PID=str(os.getppid()))


def _new_randomness(generators: Iterable[Any]) -> None:
    """`random` begins anew by itself after a fork; what others made for themselves does not."""
    for generator in generators:
        generator.seed()


def _restore_threads() -> None:
    """Give linear algebra the threads that it would have taken for itself."""
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
    """Logs that packages set up go where the notebook's own output goes."""
    named = list(logging.root.manager.loggerDict.values())
    loggers = [logging.root, *(item for item in named if isinstance(item, logging.Logger))]
    for handler in [handler for logger in loggers for handler in logger.handlers]:
        stream = getattr(handler, "stream", None)
        if isinstance(handler, logging.StreamHandler) and stream in before:
            handler.setStream(sys.stdout if stream is before[0] else sys.stderr)


def _notice_notebook() -> None:
    """Let packages look again where they are; at their import there was no notebook."""
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
