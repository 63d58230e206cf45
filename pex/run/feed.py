"""Events on their way to a listener, on its own thread: a slow listener slows nobody else."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Iterable

from pex.core.events import (
    Away,
    Delta,
    Done,
    Event,
    Judging,
    Listener,
    Pace,
    Queued,
    Retried,
    Spent,
    Started,
    Stopping,
)

PAUSE_S = 0.01
"""Seconds between two rounds: waking for every event would take time from the calls."""

MOST_WAITING = 10_000
"""With more waiting events than this, those that only show progress are left out."""

_PASSING = (Started, Delta, Retried, Spent, Pace, Away)
_LASTING = (Queued, Spent, Stopping, Away, Judging, Done)
"""Of these, the last one shows the current state."""


class Feed:
    """Hands events to one listener, in order.

    A listener that falls behind misses passing news (a call that starts, a piece of text), never an
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
                except Exception as error:  # noqa: BLE001 - a listener must not end the run
                    self.failure = error
                    return
                if isinstance(event, Done):
                    return
            time.sleep(PAUSE_S)


class Feeds:
    """All listeners of a run; one that comes late first gets what has happened so far.

    Example:
        >>> feeds, heard = Feeds(), []
        >>> feeds.tell(Done("finished", 1.0))
        >>> feeds.listen(heard.append, [])
        >>> feeds.drain(5.0); heard
        [Done(status='finished', elapsed_s=1.0)]
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held while an event is noted and sent, so every listener gets it exactly once."""
        self._feeds: list[Feed] = []
        self._last: dict[object, Event] = {}

    def tell(self, event: Event) -> None:
        """Tell everybody; returns at once."""
        with self.lock:
            if isinstance(event, Pace):
                self._last[event.provider] = event
            elif isinstance(event, _LASTING):
                self._last[type(event)] = event
            for feed in self._feeds:
                feed.put(event)

    def listen(self, listener: Listener, been: Iterable[Event]) -> None:
        """Tell `listener` of every event from now on, after those that have been.

        Args:
            listener: called on a thread of its own.
            been: the answers, errors and scores so far; the lock is held while they are read.
        """
        with self.lock:
            feed = Feed(listener)
            last = dict(self._last)
            for event in (last.pop(Queued, None), *been):
                if event is not None:
                    feed.put(event)
            done = last.pop(Done, None)
            for event in (*last.values(), done):
                if event is not None:
                    feed.put(event)
            self._feeds.append(feed)

    def drain(self, timeout_s: float) -> None:
        """Wait until each listener has had the last event (Done), or for so long."""
        with self.lock:
            feeds = list(self._feeds)
        for feed in feeds:
            feed.drain(timeout_s)
