"""Threads that run a user's functions: one that hangs is left behind, and ends with the process."""

from __future__ import annotations

import concurrent.futures
import queue
import threading
from collections.abc import Callable
from typing import Any

MOST = 32
"""Functions that run at once."""
MOST_LOST = 64
"""Functions that may hang before no more are run."""

Work = tuple[concurrent.futures.Future[Any], Callable[[], Any]]


class Workers:
    """Daemon threads that take work, made as they are needed.

    `concurrent.futures` would wait for a function that hangs when Python ends.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._idle = self.lost = 0

    def submit(self, function: Callable[[], Any]) -> concurrent.futures.Future[Any]:
        """Have a function run; its result or exception is the future's."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._threads - self.lost < MOST:
                self._threads += 1
                threading.Thread(target=self._run, name="pex-tool", daemon=True).start()
        self._work.put((future, function))
        return future

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            future, function = work
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:  # noqa: BLE001 - the caller says what it was
                    future.set_exception(error)
            with self._lock:
                self._idle += 1

    def leave(self, future: concurrent.futures.Future[Any]) -> None:
        """Somebody has stopped waiting for a function that may be running still."""
        if future.cancel():
            return
        with self._lock:
            self.lost += 1
        future.add_done_callback(self._found)

    def _found(self, future: concurrent.futures.Future[Any]) -> None:
        with self._lock:
            self.lost -= 1

    @property
    def may_run(self) -> bool:
        """Whether not too many functions hang already."""
        return self.lost < MOST_LOST

    def close(self) -> None:
        """End the threads that have nothing to do."""
        with self._lock:
            threads = self._threads
        for _ in range(threads):
            self._work.put(None)
