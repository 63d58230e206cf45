"""Something that is done a moment later, once for all who ask for it meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Later:
    """Does it on a thread of its own; between the moments there is no thread.

    Args:
        wait_s: seconds from the asking.
        act: what is done.
        restart: whether asking again begins the wait anew.
        daemon: whether the end of the process need not wait for it.

    Example:
        >>> done = threading.Event()
        >>> later = Later(0.01, done.set, restart=False, daemon=True)
        >>> later.soon(); later.soon(); done.wait(5)
        True
    """

    def __init__(
        self, wait_s: float, act: Callable[[], None], *, restart: bool, daemon: bool
    ) -> None:
        self._wait_s = wait_s
        self._act = act
        self._restart = restart
        self._daemon = daemon
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def soon(self) -> None:
        """Ask for it."""
        with self._lock:
            if self._timer is not None:
                if not self._restart:
                    return
                self._timer.cancel()
            self._timer = threading.Timer(self._wait_s, self._go)
            self._timer.daemon = self._daemon
            self._timer.start()

    def cancel(self) -> None:
        """Ask for it no more."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None

    def _go(self) -> None:
        with self._lock:
            # One that has been restarted meanwhile is not this one any more.
            if self._timer is threading.current_thread():
                self._timer = None
        self._act()
