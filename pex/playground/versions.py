"""Earlier versions of a variant's prompt: in the library, and in the project's files."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.experiment.experiment import Experiment
from pex.playground import drafting
from pex.playground.draft import Column, Draft, Message, messages_of
from pex.playground.images import normal
from pex.playground.json_fields import text_of_json
from pex.report.tables import cut
from pex.report.word_difference import word_difference

MOST = 50
"""Versions that are shown, the newest."""
MOST_CHARS = 50_000
"""Characters of a text that are compared."""
LIBRARY, FILE = "library:", "file:"


def versions_of(draft: Draft, base: Experiment | None, column_id: Any) -> dict[str, Any]:
    """What there is to restore of a variant's prompt, as the view gets it.

    Args:
        draft: the draft.
        base: the experiment that it started from.
        column_id: the variant's.

    Returns:
        `name` of the prompt; `items`, the newest first: `key`, `label`, `aliases`, `note`, `when`
        (ISO 8601), `by`, `same`, `also` (what else is different), `difference` from the present
        text in pieces or a sentence about it, and `problem` if it cannot be read; `problem` if
        the library cannot be read.

    Raises:
        PexError: the variant was removed.
    """
    column = _column(draft, column_id)
    project, _ = drafting.settings_of(base)
    names = _names(column)
    found, problem = attempt(lambda: _in_library(base, names)), ""
    if isinstance(found, PexError):
        problem = f"the library cannot be read: {found.message}"
        found = {}
    files = list(_files(project, names))
    for name in names:
        items = [*(item for item, own in files if own == name), *found.get(name, [])]
        if items:
            shown = [_shown(column, item) for item in items[:MOST]]
            return {"name": clean(name), "items": shown, "problem": clean(problem)}
    return {"name": clean(names[0]), "items": [], "problem": clean(problem)}


def load(base: Experiment | None, key: str) -> Prompt:
    """The prompt of a version.

    Args:
        base: the experiment that the draft started from.
        key: of the version.

    Raises:
        PexError: there is no such version, or it cannot be read.
    """
    project, settings = drafting.settings_of(base)
    if key.startswith(LIBRARY):
        from pex.library.reference import parse_reference
        from pex.library.registry import fetch
        from pex.tracking import store

        uri = store.tracking_uri(project, settings)
        return fetch(uri, parse_reference(key.removeprefix(LIBRARY)))
    from pex.library.files import prompt_files

    path = key.removeprefix(FILE)  # only one of the project's files of prompts is read
    for file in prompt_files(project):
        if file.path == path:
            if file.prompt is None:
                raise file.problem or PexError(f"{path}: it cannot be read")
            return file.prompt
    raise PexError(f"{path}: there is no such prompt file any more")


def restored(draft: Draft, column_id: Any, prompt: Prompt) -> Draft:
    """The draft in which a variant has the messages, tools and schema of an earlier version.

    Its name, model and parameters stay.

    Raises:
        PexError: the variant was removed.
    """
    column = _column(draft, column_id)
    new = dataclasses.replace(
        column,
        messages=messages_of(prompt.messages),
        base=prompt,
        params={**prompt.params, **column.params},
        tools=text_of_json(prompt.tools),
        schema=text_of_json(prompt.response_schema),
    )
    columns = tuple(new if item is column else item for item in draft.columns)
    return dataclasses.replace(draft, columns=columns)


@dataclasses.dataclass(frozen=True, slots=True)
class _Item:
    key: str
    label: str
    prompt: Prompt | PexError
    when: str
    aliases: Sequence[str] = ()
    note: str = ""
    by: str = ""


def _names(column: Column) -> list[str]:
    """What the prompt may be called: where it came from, then as it is called now."""
    names = []
    if column.base is not None:
        if column.base.origin:
            names.append(column.base.origin.partition("/")[0])
        names.append(column.base.name)
    return list(dict.fromkeys([*names, column.name]))


def _in_library(base: Experiment | None, names: Sequence[str]) -> dict[str, list[_Item]]:
    """The versions that somebody saved, by the prompt's name; nothing is created."""
    from pex.library import content, listing, registry_api
    from pex.tracking import store

    project, settings = drafting.settings_of(base)
    uri = store.tracking_uri(project, settings)
    if not store.exists(uri):
        return {}
    client = store.connect(uri)
    saved = {entry.name for entry in listing.entries(client, uri) if not entry.scratch}
    found: dict[str, list[_Item]] = {}
    for name in names:
        if name not in saved:
            continue
        card = registry_api.card_of(client, uri, name)
        with store.errors_of(uri):
            versions = registry_api.all_versions(client, name)
        for version in versions[:MOST]:
            about = registry_api.describe(version, card)
            item = _Item(
                f"{LIBRARY}{about.reference}",
                f"Version {about.version}",
                attempt(functools.partial(content.decode, version)),
                about.created.isoformat(),
                about.aliases,
                about.note,
                about.by,
            )
            found.setdefault(name, []).append(item)
    return found


def _files(project: Path, names: Sequence[str]) -> Iterator[tuple[_Item, str]]:
    from pex.library.files import prompt_files

    for file in prompt_files(project):
        if file.name in names:
            prompt = file.prompt or file.problem or PexError("it cannot be read")
            when = file.changed.isoformat()
            yield _Item(f"{FILE}{file.path}", file.path, prompt, when), file.name


def _shown(column: Column, item: _Item) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "key": item.key,
        "label": clean(item.label),
        "aliases": [clean(alias) for alias in item.aliases],
        "note": clean(cut(item.note, 2_000)),
        "when": item.when,
        "by": clean(item.by),
    }
    prompt = item.prompt
    if isinstance(prompt, PexError):
        return {**shown, "problem": clean(prompt.message)}
    also = [
        what
        for what, differs in (
            ("tools", text_of_json(prompt.tools) != column.tools),
            ("response schema", text_of_json(prompt.response_schema) != column.schema),
        )
        if differs
    ]
    new, old = _text(messages_of(prompt.messages)), _text(column.messages)
    return {**shown, "same": new == old and not also, "also": also, "difference": _pieces(new, old)}


def _pieces(new: str, old: str) -> list[tuple[str, str]] | str:
    """What restoring changes in the text."""
    if new == old:
        return "The text is the same."
    new, old = clean(cut(new, MOST_CHARS)), clean(cut(old, MOST_CHARS))
    pieces = word_difference(new, old)
    return pieces if pieces is not None else new


def _text(messages: Sequence[Message]) -> str:
    """The messages as one text, with their roles if there is more than one of the user."""
    if [message.role for message in messages] == ["user"]:
        return normal(messages[0].text.strip())
    return "\n\n".join(f"{m.role}:\n{normal(m.text.strip())}" for m in messages if m.text.strip())


def _column(draft: Draft, column_id: Any) -> Column:
    for column in draft.columns:
        if column.id == column_id:
            return column
    raise PexError("this variant is no longer there")
