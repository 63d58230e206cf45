"""One call of each prefix goes first, so the others find it in the provider's cache.

Without this, the first calls of a run go out together, and every one of them is charged as if it
were the first. A call that fails leads no longer: the next one takes its place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pex.run.channel import Call, Channel


class WarmUp:
    """Which calls wait for the first of their prefix.

    Used on the runner's event loop only.

    Args:
        variants: the variants whose first call goes alone; each has a prefix of its own.
    """

    def __init__(self, variants: Collection[str] = ()) -> None:
        self._cold = set(variants)
        self._leads: dict[str, Call] = {}
        self._held: dict[str, list[Call]] = {}

    @property
    def done(self) -> bool:
        """Whether no call has to wait for another one any more."""
        return not self._cold

    def hold(self, call: Call) -> bool:
        """Whether a call has to wait; it is kept here until the first of its prefix has ended."""
        prefix = _prefix(call)
        if prefix not in self._leads or self._leads[prefix] is call:
            return False
        self._held.setdefault(prefix, []).append(call)
        return True

    def begin(self, call: Call) -> None:
        """A call goes out: the first of its prefix leads."""
        prefix = _prefix(call)
        if prefix in self._cold:
            self._leads.setdefault(prefix, call)

    def ended(self, call: Call, answered: bool) -> None:
        """A call has ended: what waited for it waits in its lane again, in its order.

        Args:
            call: the call.
            answered: whether there was an answer, so that the prefix is in the cache.
        """
        prefix = _prefix(call)
        if self._leads.get(prefix) is not call:
            return
        del self._leads[prefix]
        if answered:
            self._cold.discard(prefix)
        self._release(self._held.pop(prefix, []))

    def release(self, channel: Channel) -> None:
        """Put what waits for a model back into its lane, for example to give it up."""
        for prefix, calls in list(self._held.items()):
            if calls and calls[0].channel is channel:
                self._release(self._held.pop(prefix))

    def clear(self) -> None:
        """Forget what waits: the run starts no new call."""
        self._held.clear()

    @staticmethod
    def _release(calls: Iterable[Call]) -> None:
        for call in reversed(list(calls)):
            call.channel.lane.waiting.appendleft(call)


def _prefix(call: Call) -> str:
    return call.group[0].variant
