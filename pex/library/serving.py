"""`pex.library.load`: the prompt that an application runs, at once and whatever the registry does.

Neither MLflow nor pandas nor pydantic is imported on the way from the cache to a request.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from pex.core.errors import PexError
from pex.core.project import FILE, current_folder_name
from pex.core.prompt import Prompt
from pex.library import prompt_refresh, prompt_traces
from pex.library.prompt_cache import stamp_of
from pex.library.reference import parse_reference
from pex.library.served_prompt import ServedPrompt, Slot, with_source
from pex.tracking.address import chosen_addresses, chosen_workspace, registry_address

_slots: dict[tuple[Any, ...], Slot] = {}
_served: dict[tuple[Any, ...], ServedPrompt] = {}
_lock = threading.Lock()
prompt_traces.follow()


def load(
    reference: str,
    *,
    model: str | None = None,
    fallback: Prompt | str | None = None,
    ttl_s: float = 60.0,
    timeout_s: float = 2.0,
    tracking_uri: str | None = None,
) -> Prompt:
    """Load a prompt of the library, fast enough for each request of an application.

    The answer comes at once from where it is first found, and the prompt's `source` says where:

    - `"memory"`: this process has it, and keeps it up to date in the background;
    - `"cache"`: the cache file of the project (or of the user) had it, as it was last known;
    - `"file"`: a prompt file of the project, whose hash is that of the version to which
      `library/moves.jsonl` moved the alias; the registry has not answered yet;
    - `"registry"`: nothing of it was here, so this call has waited for the registry;
    - `"fallback"`: the registry has no answer in time, and nothing is known: the caller's own.

    A background thread asks the registry again every `ttl_s` seconds. If that fails, what was
    known last goes on. A version disabled by `pex.library.disable` is not served again once the
    registry has answered. Only the first call of a process for a prompt that is not in its cache
    can wait.

    Args:
        reference: "name@alias", "name/3", or "name" for its latest version.
        model: the model that it is for: "name@champion" is then the alias
            "champion--gpt-5-mini" if the prompt has one for just this model.
        fallback: a prompt, or its text, for when there is nothing else. With it, nothing is ever
            raised; text that is not a valid template is sent as it is.
        ttl_s: how old an answer of the registry may be, in seconds; 0 asks it now.
        timeout_s: how long to wait for the registry if nothing is known.
        tracking_uri: a registry other than the project's.

    Returns:
        The prompt under its name in the library; `origin` is its version, such as "short/3".
        Treat it as read-only: all callers get the same.

    Raises:
        PexError: without `fallback`: the name, alias or version does not exist (the message gives
            the nearest one), every version was disabled, or the registry does not answer and
            nothing is known.
    """
    try:
        key = (reference, model, tracking_uri, ttl_s, *chosen_addresses(), current_folder_name())
        slot = _slots.get(key)
        if slot is not None and ttl_s > 0:
            prompt, served = slot.prompt, slot.served
            if prompt is not None and stamp_of(served.path) == served.stamp:
                if time.monotonic() > served.due:
                    prompt_refresh.wake()
                return prompt
        return _load(key, timeout_s, fallback)
    except Exception:
        if fallback is None:
            raise
        return _fallback(fallback, reference)


def _load(key: tuple[Any, ...], timeout_s: float, fallback: Prompt | str | None) -> Prompt:
    reference, model, given, ttl_s = key[:4]
    slot = _slots.get(key) or _new_slot(key, reference, model, given)
    served, before = slot.served, slot.prompt
    served.read()
    served.lower_ttl(ttl_s if ttl_s > 0 else 60.0)
    if slot.prompt is None and slot.problem is None:
        prompt_refresh.from_files(slot)
    asks = slot.prompt is None or ttl_s <= 0
    # An application with a fallback does not wait again and again for a registry that is down, nor
    # for a prompt that is not there: the background finds it.
    problem = served.problem or slot.problem
    waits = fallback is not None and problem is not None and ttl_s > 0
    if asks and not (waits and time.monotonic() < served.due):
        known = served.known.asked_at
        ended = prompt_refresh.ask_now(served, timeout_s, own=ttl_s <= 0)
        if slot.prompt is not None and served.known.asked_at != known:
            prompt_refresh.keep(served)
            return with_source(slot.prompt, "registry")
        if not ended:
            with served.lock:
                if served.problem is None and served.known.asked_at == known:
                    served.problem = _late(served, timeout_s)
    prompt = slot.prompt
    if prompt is not None or fallback is not None:
        prompt_refresh.keep(served)
    if prompt is None:
        if fallback is not None:
            return _fallback(fallback, reference)
        raise slot.problem or served.problem or _late(served, timeout_s)
    return prompt if prompt is before or prompt.source == "file" else with_source(prompt, "cache")


def _new_slot(key: tuple[Any, ...], reference: str, model: str | None, given: str | None) -> Slot:
    parsed = parse_reference(reference)
    uri, project = registry_address(given)
    workspace = chosen_workspace()
    whose = (uri, parsed.name, project, workspace)
    with _lock:
        if whose not in _served:
            _served[whose] = ServedPrompt(uri, parsed.name, project, given, workspace)
        served = _served[whose]
    _slots[key] = served.slot(parsed, model)
    return _slots[key]


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    for served in list(_served.values()):  # also those that no background keeps yet
        served.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _late(served: ServedPrompt, timeout_s: float) -> PexError:
    from pex.guard.redact import redact

    return PexError(
        f"prompt '{served.name}': the registry {redact(served.uri)} did not answer within "
        f"{timeout_s:g} s, and nothing is known of the prompt here",
        hint="pass fallback=, or timeout_s= if it is slow",
    )


def _fallback(fallback: Prompt | str, reference: Any) -> Prompt:
    if isinstance(fallback, Prompt):
        made = with_source(fallback, "fallback")
        # One from the library has a version, which the traces must not show.
        object.__setattr__(made, "origin", None)
        return made
    name = "".join(char if char.isalnum() and char.isascii() else "-" for char in str(reference))
    try:
        prompt = Prompt(fallback, name or "fallback")
    except PexError:  # not a template: then it is the text itself
        prompt = Prompt("{{ text }}", name or "fallback", defaults={"text": str(fallback)})
    return with_source(prompt, "fallback")


def all_served() -> list[ServedPrompt]:
    """The prompts that this process has loaded."""
    with _lock:
        return list(_served.values())


def changed(uri: str, name: str, project: Path | None = None) -> None:
    """Say that a prompt has changed in its registry: whoever serves it here sees that at once.

    Never raises: those who serve it find out by themselves, `ttl_s` later.

    Args:
        uri: the registry.
        name: the prompt.
        project: the project's folder; by default that of the current folder.
    """
    try:
        if project is None:
            project = registry_address(uri)[1]
        elif not (project / FILE).is_file():
            project = None
        with _lock:
            mine = [
                served for served in _served.values() if (served.uri, served.name) == (uri, name)
            ]
        here = (project, chosen_workspace())
        if all((served.project, served.workspace) != here for served in mine):
            mine.append(ServedPrompt(uri, name, project, uri, here[1]))
        for served in mine:
            served.read()
            if served.slots or served.known.asked_at:  # else nobody serves it
                served.ask(timeout_s=5.0)
    except Exception:  # noqa: BLE001, S110 - the change itself was made
        pass
