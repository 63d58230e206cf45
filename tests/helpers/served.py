"""What tests of served prompts share."""

from __future__ import annotations

import time
from collections.abc import Callable

from pex.library import prompt_refresh, serving


def forget() -> None:
    """As if the process had just started: nothing is in memory, and nothing is asked for."""
    serving._slots.clear()
    serving._served.clear()
    with prompt_refresh._background.changed:
        prompt_refresh._background.served.clear()
        asking = list(prompt_refresh._background.asking.values())
    for done in asking:  # an answer on its way would still be written to the cache file
        done.wait(10)


def until(happened: Callable[[], object]) -> None:
    """Wait for it, at most a minute."""
    for _ in range(6000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")
