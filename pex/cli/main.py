"""The entry point of `pexlab`, and how errors leave the process.

Commands are imported after the process that a batch's kernels are forked from has been started.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

from pex.core import home
from pex.core.errors import Interrupted, PexError
from pex.core.extras import explained
from pex.core.safe_text import clean
from pex.core.telemetry import disable_telemetry


def main() -> None:
    """Run the command line; a user's mistake prints its message, without a traceback."""
    # Schedulers end a job with SIGTERM: all answers are kept, as after an interrupt.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.showwarning = _say
    threading.excepthook = _thread_failed
    disable_telemetry()
    try:
        if runs_batch(sys.argv[1:]):
            from pex.batch.kernels.zygotes import prepare

            home.check()
            prepare()
        from pex.cli.commands import app

        with _home_explained():
            app(prog_name="pexlab")
    except PexError as error:
        sys.stderr.write(_clean(f"error: {error}\n"))
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        why = explained(error)
        sys.stderr.write(f"error: {why}\n" if why else _clean(traceback.format_exc()))
        sys.exit(why.exit_code if why else 1)
    except PermissionError as error:
        sys.stderr.write(_clean(f"error: {_refused(error)}\n"))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(Interrupted.exit_code)
    except MemoryError:
        sys.stderr.write("error: there is not enough memory for this\n")
        sys.exit(2)
    except Exception:  # noqa: BLE001 - an error of pex itself: its traceback, without keys
        sys.stderr.write(_clean(traceback.format_exc()))
        sys.exit(1)


@contextlib.contextmanager
def _home_explained() -> Iterator[None]:
    """Say that there is no home folder, where a package has failed without one."""
    try:
        yield
    except RuntimeError:
        home.check()
        raise


def _refused(error: PermissionError) -> PexError:
    """The same in words: which file or folder of somebody else was wanted."""
    place = error.filename or "a file"
    return PexError(
        f"{place}: {error.strerror or error}",
        hint="it may belong to another user, or be on a disk that can only be read",
    )


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as one line, without its place in the code of pex."""
    sys.stderr.write(_clean(f"warning: {message}\n"))


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    """Print an exception that ends a thread, without keys."""
    if failed.exc_type is not SystemExit:
        found = traceback.format_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
        sys.stderr.write(_clean(f"Exception in a thread:\n{''.join(found)}"))


def _clean(text: str) -> str:
    """A string without keys and terminal control characters."""
    from pex.guard.redact import redact

    return clean(redact(text))


def runs_batch(arguments: list[str]) -> bool:
    """Whether a command line will need kernels, as far as its words show.

    Example:
        >>> runs_batch(["batch", "plan.yaml", "--json"]), runs_batch(["batch", "accept", "a1b2"])
        (True, False)
        >>> runs_batch(["batch", "plan.yaml", "--check-last=26h"]), runs_batch(["report", "a1b2"])
        (False, False)
    """
    command, *rest = [*arguments, ""]
    other = ("accept", "--check-last", "--help")
    return command == "batch" and len(rest) > 1 and not any(word.startswith(other) for word in rest)
