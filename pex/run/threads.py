"""Asynchronous work on its own thread, so it works inside Jupyter's running event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new thread and wait for it; its exception is raised here.

    Example:
        >>> async def two(): return 2
        >>> run_in_thread(two())
        2
    """
    box: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            box.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - raised again on the caller's thread
            failure.append(error)

    thread = threading.Thread(target=body, name="pex", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return box[0]
