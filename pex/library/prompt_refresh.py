"""Keeps served prompts up to date: one background thread for the process, a thread for who waits.

A forked process gets the prompts, and starts a thread of its own with its first load.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
import weakref

from pex.core.errors import PexError
from pex.library.registry_answer import NotThereError, RefusedError
from pex.library.served_prompt import ServedPrompt, Slot, with_source

_TIMEOUT_S = 2.0
_HANGS_S = 2 * _TIMEOUT_S
"""After this time the others are asked, though a question that hangs has not ended."""
_LONGEST_SLEEP_S = 3600.0
_LONGEST_RETRY_S = 60.0


class _Background:
    """The thread that keeps prompts up to date, and these prompts."""

    def __init__(self, served: list[ServedPrompt] | None = None) -> None:
        self.served = served or []
        self.changed = threading.Condition()
        self.thread: threading.Thread | None = None
        self.asking: weakref.WeakKeyDictionary[ServedPrompt, threading.Event] = (
            weakref.WeakKeyDictionary()
        )

    def run(self) -> None:
        """Ask for each prompt when its answer is too old; registries that fail wait longer."""
        while True:
            with self.changed:
                due = min((served.due for served in self.served), default=math.inf)
                left = due - time.monotonic()
                if left > 0:
                    self.changed.wait(min(left, _LONGEST_SLEEP_S))
                    continue
                # Of those that are due together, the ones that fail come last.
                first = min(self.served, key=lambda served: (served.due, served.failures))
            try:
                first.read()  # another process may have asked
                if first.due <= time.monotonic():
                    if not _question(first, _TIMEOUT_S).wait(_HANGS_S):
                        first.failed(_hangs(first))
                    if not isinstance(first.problem, NotThereError | RefusedError | None):
                        self._wait_with(first)
            except Exception:  # noqa: BLE001 - the thread serves all prompts, and goes on
                first.due = time.monotonic() + _LONGEST_RETRY_S

    def _wait_with(self, failed: ServedPrompt) -> None:
        """Do not ask a registry that is down for its other prompts either; then they come first."""
        for served in self.served:
            if served.uri == failed.uri and served.due < failed.due:
                served.due = math.nextafter(failed.due, 0.0)


_background = _Background()


def keep(served: ServedPrompt) -> None:
    """Keep a prompt up to date from now on."""
    with _background.changed:
        if served not in _background.served:
            _background.served.append(served)
    wake()


def wake() -> None:
    """Let the background thread see what is due; it is started if it does not run."""
    with _background.changed:
        thread = _background.thread
        if thread is None or not thread.is_alive():
            thread = threading.Thread(target=_background.run, name="pex-prompts", daemon=True)
            _background.thread = thread
            # At the end of the interpreter no thread can be started; what is known is served.
            with contextlib.suppress(RuntimeError):
                thread.start()
        else:
            _background.changed.notify()


def ask_now(served: ServedPrompt, timeout_s: float, *, own: bool) -> bool:
    """Ask the registry, and wait at most `timeout_s` seconds for the answer.

    Args:
        served: the prompt; callers that come while it is asked wait for the same answer.
        timeout_s: the longest time to wait; the question itself may go on for a while.
        own: whether an answer to a question that has already been sent is too old.

    Returns:
        Whether the question has ended, with an answer or with a failure.
    """
    return _question(served, timeout_s, own=own).wait(timeout_s)


def _question(served: ServedPrompt, timeout_s: float, *, own: bool = False) -> threading.Event:
    """Ask the registry in a thread, or join who is asking; set when that has ended."""
    with _background.changed:
        done = _background.asking.get(served)
        if done is None or own:
            done = threading.Event()
            thread = threading.Thread(
                target=_ask, args=(served, timeout_s, done), name="pex-prompts-now", daemon=True
            )
            thread.start()
            _background.asking[served] = done
    return done


def _hangs(served: ServedPrompt) -> PexError:
    from pex.guard.redact import redact

    return PexError(f"the registry {redact(served.uri)} did not answer within {_HANGS_S:g} s")


def _ask(served: ServedPrompt, timeout_s: float, done: threading.Event) -> None:
    try:
        served.ask(timeout_s)
    finally:
        with _background.changed:
            if _background.asking.get(served) is done:
                del _background.asking[served]
        done.set()


def from_files(slot: Slot) -> None:
    """Serve a prompt file of the project, if it is known to be the version of the alias."""
    served, reference = slot.served, slot.reference
    if served.project is None or reference.alias is None or served.known.asked_at:
        return
    from pex.core.prompt import Prompt
    from pex.library.content import sha256_of
    from pex.library.disabled_file import disabled_since
    from pex.library.moves import read_history
    from pex.project.listing import prompt_paths

    try:
        moves = read_history(served.project).moves(served.name)
        last = {move.alias: move for move in moves}
        move = last.get(reference.alias)
        # Only the registry knows whether a model's own version is for just this model.
        if slot.model is not None and any(
            model.startswith(f"{reference.alias}--") for model in last
        ):
            return
        if move is None or not move.sha256:
            return
        if move.to in disabled_since(served.project, served.name, 0.0):
            return
        for path in prompt_paths(served.project):
            with contextlib.suppress(PexError):
                prompt = Prompt.load(path)
                if sha256_of(prompt) == move.sha256:
                    prompt = prompt.called(served.name, f"{served.name}/{move.to}")
                    with served.lock:
                        if slot.prompt is None:
                            slot.prompt, slot.version = with_source(prompt, "file"), move.to
                    return
    except (PexError, OSError, ValueError):  # what git or a person left there cannot be read
        return


def _after_fork() -> None:
    global _background  # noqa: PLW0603 - the parent's locks and thread are not the child's
    served = list(_background.served)
    _background = _Background(served)
    for item in served:
        item.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
