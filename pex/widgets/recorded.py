"""Where a run is recorded, beside its answers: its name, and a way to its page in MLflow."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pex.core.errors import PexError
from pex.core.safe_text import clean


@dataclasses.dataclass(frozen=True, slots=True)
class RunLink:
    """A recorded run: its name, its page if the store is a server, else how to get one.

    `start` starts MLflow's pages and returns the address of the run's. It has a token, so it goes
    to the page as a message, and never into the state of a widget that a notebook saves.
    """

    name: str
    run_id: str
    url: str | None
    start: Callable[[], str]

    def shown(self) -> list[str]:
        """Its name, its address or an empty string, and its id."""
        return [clean(self.name), self.url or "", self.run_id]

    def open(self, view: Any, send: Callable[[Mapping[str, Any]], None]) -> None:
        """Send a view the address, or why there is none; does not wait for it."""

        def work() -> None:
            try:
                found = {"url": self.start()}
            except PexError as error:
                found = {"error": clean(str(error))}
            except Exception as error:  # noqa: BLE001 - the button has to say something
                found = {"error": clean(f"{type(error).__name__}: {error}")}
            send({"kind": "page", "view": view, **found})

        threading.Thread(target=work, name="pex-mlflow", daemon=True).start()
