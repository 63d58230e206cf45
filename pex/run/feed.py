"""Events on their way to one who watches, on a thread of its own: a slow one slows nobody."""

from __future__ import annotations

import collections
import threading
import time

from pex.core.events import Away, Delta, Done, Event, Listener, Retried, Spent, Started

PAUSE_S = 0.01
"""Between two rounds: waking for every event would take time from the calls."""

MOST_WAITING = 10_000
"""More than so many waiting events, and those that only say how things go are left out."""

_PASSING = (Started, Delta, Retried, Spent, Away)


class Feed:
    """Hands events to one listener, in order.

    One that falls behind misses passing news (a call that starts, a piece of text), never an
    answer, an error or a score: what waits is bounded by the size of the run.

    Args:
        listener: called on the feed's own thread; an exception in it ends only this feed, and is
            kept as `failure`.
    """

    def __init__(self, listener: Listener) -> None:
        self.failure: Exception | None = None
        self._listener = listener
        self._waiting: collections.deque[Event] = collections.deque()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._main, name="pex-feed", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Take an event; returns at once."""
        if len(self._waiting) < MOST_WAITING or not isinstance(event, _PASSING):
            self._waiting.append(event)
            self._wake.set()

    def drain(self, timeout_s: float | None) -> None:
        """Wait until the listener has had the last event (Done), or for so long."""
        self._thread.join(timeout_s)

    def _main(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                event = self._waiting.popleft()
                try:
                    self._listener(event)
                except Exception as error:  # noqa: BLE001 - who watches must not end the run
                    self.failure = error
                    return
                if isinstance(event, Done):
                    return
            time.sleep(PAUSE_S)
