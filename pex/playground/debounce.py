"""Something that is done a moment later, once for all who ask for it meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Debouncer:
    """Does it on a thread of its own; between the moments there is no thread.

    The process does not end before it is done.

    Args:
        wait_s: seconds from the first trigger.
        act: what is done.

    Example:
        >>> done = threading.Event()
        >>> saving = Debouncer(0.01, done.set)
        >>> saving.trigger(); saving.trigger(); done.wait(5)
        True
    """

    def __init__(self, wait_s: float, act: Callable[[], None]) -> None:
        self._wait_s = wait_s
        self._act = act
        self._waiting = False
        self._lock = threading.Lock()

    def trigger(self) -> None:
        """Do it after the wait, unless that is coming already."""
        with self._lock:
            if self._waiting:
                return
            self._waiting = True
        threading.Timer(self._wait_s, self._go).start()

    def _go(self) -> None:
        with self._lock:
            self._waiting = False
        self._act()
