"""The Playground's menu of models: what it offers, and keys that are typed into it.

A typed key comes in a message of its own and goes to `pex.project.keys`, nowhere else: not into
the draft, which is a file, nor into anything that the notebook stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pex.core.errors import PexError
from pex.playground.error_text import error_text
from pex.playground.runs import in_background
from pex.project import keys
from pex.project.settings import Settings
from pex.run.endpoint import key_variable
from pex.run.models import Models, Offer

Send = Callable[[dict[str, Any]], None]


class ModelMenu:
    """The menu of one Playground.

    Args:
        where: gives the project and its settings, as they are now.
        used: gives the models that are in use.
        on_key: called when a key was entered: what could not be run may run now.
    """

    def __init__(
        self,
        where: Callable[[], tuple[Path, Settings]],
        used: Callable[[], list[str]],
        on_key: Callable[[], None],
    ) -> None:
        self._where = where
        self._used = used
        self._on_key = on_key

    def open(self, send: Send, ask: object = None) -> None:
        """Send what is offered, at once, and then what the providers' endpoints say.

        Args:
            send: gets messages for the browser, from several threads.
            ask: the name of one provider that somebody wants to be asked, whether or not its
                list is due.
        """
        if ask is None:
            in_background(self._open, send)
        else:
            in_background(self._ask, str(ask), send)

    def enter(self, content: Mapping[str, Any], send: Send) -> None:
        """Take a key that was typed, and ask its provider whether it is good.

        Args:
            content: `provider`, `text`, and `keep`: whether it is stored in `.pex/keys.env`.
            send: gets the outcome, without the key, then what the provider offers.
        """
        in_background(self._enter, dict(content), send)

    def _open(self, send: Send) -> None:
        found = self._models(send)
        if found is None:
            return
        due = found.due()
        self._tell(found, send, asking=due)
        for name in due:
            in_background(self._ask, name, send)

    def _ask(self, provider: str, send: Send) -> None:
        found = self._models(send)
        if found is not None:
            found.ask(provider)
            self._tell(found, send, only=provider)

    def _enter(self, content: Mapping[str, Any], send: Send) -> None:
        provider = str(content.get("provider"))
        ok, told = True, ""
        try:
            project, settings = self._where()
            variable, _ = key_variable(provider, settings)
            if variable is None:
                raise PexError(f"the provider '{provider}' takes no key")
            text, keep = str(content.get("text") or ""), bool(content.get("keep"))
            told = keys.enter(variable, text, project, keep=keep)
        except PexError as error:
            ok, told = False, error_text(error)
        send({"kind": "key", "provider": provider, "ok": ok, "text": told})
        if ok:
            self._on_key()
            self._ask(provider, send)

    def _models(self, send: Send) -> Models | None:
        try:
            project, settings = self._where()
        except PexError as error:
            send({"kind": "models", "error": error_text(error), "offers": [], "asking": []})
            return None
        return Models(settings, project / settings.journal.path)

    def _tell(
        self, found: Models, send: Send, *, asking: list[str] | None = None, only: str | None = None
    ) -> None:
        offers = found.offers(self._used())
        if only is not None:
            offers = [offer for offer in offers if offer.provider == only]
        shown = [_shown(offer) for offer in offers]
        send({"kind": "models", "only": only, "offers": shown, "asking": asking or []})


def _shown(offer: Offer) -> dict[str, Any]:
    """An offer as the browser gets it: there can be a thousand models."""
    return {
        "provider": offer.provider,
        "state": offer.state,
        "note": offer.note,
        "place": offer.place,
        "variable": offer.variable,
        "keyFrom": offer.key_from,
        "models": [[model.name, model.price, _context(model.context)] for model in offer.models],
    }


def _context(tokens: int | None) -> str:
    """How many tokens a model reads, in short.

    Example:
        >>> _context(1_000_000), _context(1_047_576), _context(128_000), _context(None)
        ('1M', '1M', '128k', '')
    """
    if not tokens:
        return ""
    return f"{tokens / 1e6:.2g}M" if tokens >= 1e6 else f"{max(1, round(tokens / 1000))}k"
