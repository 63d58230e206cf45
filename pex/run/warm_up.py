"""One call of each prefix goes first, so the others find it in the provider's cache.

Without this, the first calls of a run go out together, and every one of them is charged as if it
were the first. A call that fails leads no longer: the next one takes its place. Nothing waits long
for that: an endpoint that hangs or is busy would otherwise be asked one call after the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pex.run.channel import Call, Channel

PATIENCE_S = 60.0
"""For so long the others wait for a first call. The prompt has been read long before, so after that
it is the answer that takes its time, or there is none."""
MOST_FAILED = 3
"""So many first calls of a prefix may fail before its others go out together."""


class WarmUp:
    """Which calls wait for the first of their prefix.

    Used on the runner's event loop only.

    Args:
        variants: the variants whose first call goes alone; each has a prefix of its own.
    """

    def __init__(self, variants: Collection[str] = ()) -> None:
        self._cold = set(variants)
        self._leads: dict[str, tuple[Call, float]] = {}
        self._failed: dict[str, int] = {}
        self._held: dict[str, list[Call]] = {}

    @property
    def done(self) -> bool:
        """Whether no call has to wait for another one any more."""
        return not self._cold

    def hold(self, call: Call) -> bool:
        """Whether a call has to wait; it is kept here until the first of its prefix has ended."""
        prefix = _prefix(call)
        if self._lead(prefix) in (None, call):
            return False
        self._held.setdefault(prefix, []).append(call)
        return True

    def begin(self, call: Call, now: float) -> None:
        """A call goes out, at this time of the loop: the first of its prefix leads."""
        prefix = _prefix(call)
        if prefix in self._cold:
            self._leads.setdefault(prefix, (call, now))

    def ended(self, call: Call, answered: bool) -> None:
        """A call has ended: what waited for it waits in its lane again, in its order.

        Args:
            call: the call.
            answered: whether there was an answer, so that the prefix is in the cache.
        """
        prefix = _prefix(call)
        if self._lead(prefix) is not call:
            return
        self._failed[prefix] = self._failed.get(prefix, 0) + 1
        self._end(prefix, is_over=answered or self._failed[prefix] >= MOST_FAILED)

    def give_up_late(self, now: float) -> None:
        """What has waited long enough at this time of the loop waits no longer."""
        for prefix in [name for name, (_, at) in self._leads.items() if now - at >= PATIENCE_S]:
            self._end(prefix, is_over=True)

    def release(self, channel: Channel) -> None:
        """Put what waits for a model back into its lane, for example to give it up."""
        for prefix, calls in list(self._held.items()):
            if calls and calls[0].channel is channel:
                self._release(self._held.pop(prefix))

    def clear(self) -> None:
        """Forget what waits: the run starts no new call."""
        self._held.clear()

    def _lead(self, prefix: str) -> Call | None:
        return self._leads[prefix][0] if prefix in self._leads else None

    def _end(self, prefix: str, *, is_over: bool) -> None:
        del self._leads[prefix]
        if is_over:
            self._cold.discard(prefix)
        self._release(self._held.pop(prefix, []))

    @staticmethod
    def _release(calls: Iterable[Call]) -> None:
        for call in reversed(list(calls)):
            call.channel.lane.waiting.appendleft(call)


def _prefix(call: Call) -> str:
    # A simulated user has a prompt of its own, and waits for nobody.
    return call.group[0].variant if call.stands_in is None else ""
