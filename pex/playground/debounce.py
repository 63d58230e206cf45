"""An action that runs a moment after its first trigger, once for all triggers until then."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Debouncer:
    """Runs an action on a thread of its own, which ends with it.

    The process does not exit before a triggered action has run.

    Args:
        wait_s: seconds from the first trigger.
        act: the action.

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
        """Run the action after the wait, unless a trigger is waiting already."""
        with self._lock:
            if self._waiting:
                return
            self._waiting = True
        threading.Timer(self._wait_s, self._go).start()

    def _go(self) -> None:
        with self._lock:
            self._waiting = False
        self._act()
