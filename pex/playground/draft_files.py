"""Where drafts are kept: one file each in `.pex/drafts/`, and never one writer over another."""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock

from pex.core import private
from pex.core.canonical_json import digest
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.names import check_name
from pex.core.prompt import FIELDS, Prompt
from pex.playground.chat.answer import ChatAnswer
from pex.playground.chat.conversation import Chat
from pex.playground.draft import Column, Draft, Entry, Message
from pex.playground.feedback import FeedbackBook, text_id, without_cases
from pex.playground.json_fields import text_of_json
from pex.playground.typed_values import sound_all
from pex.widgets.notebook_cell import current_cell

FOLDER = "drafts"
VERSION = 1
MOST_CHARS = 400_000
"""Characters of answers that a file holds."""

_in_cell: Counter[str] = Counter()
"""How many drafts each execution of a cell has started."""


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """What is kept: a draft, its answers as the view has them, what it started from, and when.

    `markdown` is whether its answers are shown as Markdown, `feedback` what `FeedbackBook` keeps,
    `said` the answers of its conversations by the ids of their steps, `chat_usd` what each
    conversation has cost by its id.
    """

    draft: Draft
    cells: dict[str, dict[str, Any]]
    begun_from: str
    saved_at: str = ""
    markdown: bool = False
    feedback: FeedbackBook = dataclasses.field(default_factory=FeedbackBook)
    said: Mapping[str, ChatAnswer] = dataclasses.field(default_factory=dict)
    chat_usd: Mapping[str, float] = dataclasses.field(default_factory=dict)


class DraftFile:
    """The file of one draft.

    Args:
        folder: the project's `.pex/drafts/`.
        key: the draft's name.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.path = folder / f"{key}.json"
        self._writer = secrets.token_hex(3)
        self._seen: tuple[int, int] | None = None
        self._told: set[str] = set()

    def read(self) -> Kept | None:
        """What was kept, None if nothing was.

        Raises:
            PexError: the file is damaged; it has been moved aside.
        """
        self._seen = self._stamp()
        try:
            found = orjson.loads(self.path.read_bytes())
            if found["version"] != VERSION:
                raise ValueError(
                    f"it has format {found['version']!r}, this pexlab reads format {VERSION}"
                )
            draft = from_json(found["draft"])
            if not draft.columns:
                raise ValueError("it has no variants")
            cells = {str(key): _ended(cell) for key, cell in found["cells"].items()}
            return Kept(
                draft,
                cells,
                str(found["begun_from"]),
                str(found["saved_at"]),
                bool(found.get("markdown")),
                FeedbackBook(found.get("feedback")),
                {str(k): ChatAnswer.from_json(v) for k, v in found.get("said", {}).items()},
                {str(k): float(v) for k, v in found.get("chat_usd", {}).items()},
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, PexError) as error:
            # Moved, so nothing overwrites it.
            aside = self.path.with_suffix(".damaged.json")
            self.path.replace(aside)
            self._seen = None
            raise PexError(
                f"the draft could not be read ({error})", hint=f"its file is now {aside}"
            ) from None

    def write(self, kept: Kept) -> str:
        """Keep a draft, and as many of its answers, the last ones, as there is room for.

        Returns:
            A sentence if another writer's draft was in the way and was put aside, else "".
        """
        room, cells = MOST_CHARS, {}
        for key, cell in reversed(kept.cells.items()):
            room -= len(cell["text"])
            if room < 0:
                break
            cells[key] = cell
        whole = {
            "version": VERSION,
            "writer": self._writer,
            "saved_at": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
            "begun_from": kept.begun_from,
            "markdown": kept.markdown,
            "feedback": kept.feedback.to_json(),
            "draft": to_json(kept.draft),
            "cells": cells,
            "said": {key: sound_all(answer.to_json()) for key, answer in kept.said.items()},
            "chat_usd": dict(kept.chat_usd),
        }
        private.folder(self.path.parent)
        said = ""
        with FileLock(self.path.with_suffix(".lock"), timeout=10):
            if self._seen != self._stamp() and self.path.exists():
                said = self._put_aside()
            temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
            temporary.unlink(missing_ok=True)
            private.touch(temporary)
            temporary.write_bytes(orjson.dumps(whole))
            temporary.replace(self.path)
            self._seen = self._stamp()
        return said

    def _put_aside(self) -> str:
        try:
            other = str(orjson.loads(self.path.read_bytes()).get("writer", ""))
        except (OSError, ValueError, AttributeError):
            other = "unreadable"
        if other == self._writer:
            return ""
        aside = self.path.with_name(f"{self.path.stem}.{other}.json")
        self.path.replace(aside)
        if other in self._told:
            return ""
        self._told.add(other)
        return (
            "another kernel changed this draft too; its version was kept and opens as "
            f'pex.Playground(name="{aside.stem}")'
        )

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino


def key_of(name: str | None, about: str) -> str:
    """The key of a draft: its name, else the notebook and the cell that it is in.

    Args:
        name: what the user calls it.
        about: what it starts from; another experiment in the same cell is another draft.

    Returns:
        The key; "" outside a notebook's cell, where nothing would find the draft again.

    Raises:
        PexError: a name that is not valid.
    """
    if name is not None:
        return check_name(name, "Playground name").lstrip(".") or "draft"
    execution, cell = current_cell()
    if not cell:
        return ""
    _in_cell[execution] += 1
    notebook = os.environ.get("JPY_SESSION_NAME") or str(Path.cwd())
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(notebook).stem).strip("-")[:40] or "notebook"
    return f"{stem}-{digest([notebook, cell, _in_cell[execution], about])}"


def forget(folder: Path, case: str | None, group: str | None, *, delete: bool) -> int:
    """How many cases in drafts have this id or are of this group; with `delete` they go.

    Args:
        folder: the project's `.pex/drafts/`.
        case: an id.
        group: a group's name.
        delete: whether they and their answers are taken out of the files.
    """
    count = 0
    for path in sorted(folder.glob("*.json")):
        if path.is_symlink():  # it would be written to where it leads
            continue
        with FileLock(path.with_suffix(".lock"), timeout=10):
            try:
                whole = orjson.loads(path.read_bytes())
                entries = whole["draft"]["entries"]
                gone = [item["id"] for item in entries if _is_of(item["base"], case, group)]
            except (OSError, ValueError, TypeError, KeyError):  # damaged: it is no longer read
                continue
            count += len(gone)
            if gone and delete:
                whole["draft"]["entries"] = [item for item in entries if item["id"] not in gone]
                for part in ("cells", "feedback"):
                    whole[part] = without_cases(whole.get(part, {}), gone)
                _forget_chats(whole, set(gone))
                path.write_bytes(orjson.dumps(whole))
    return count


def _forget_chats(whole: dict[str, Any], gone: set[str]) -> None:
    """Take the conversations on these cases, with their answers, out of a file's content."""
    chats = whole["draft"].get("chats", [])
    kept = [chat for chat in chats if chat["entry"] not in gone]
    there = {step["id"] for chat in kept for turn in chat["turns"] for step in turn["steps"]}
    whole["draft"]["chats"] = kept
    whole["said"] = {key: said for key, said in whole.get("said", {}).items() if key in there}


def to_json(draft: Draft) -> dict[str, Any]:
    """A draft as plain data.

    Example:
        >>> from_json(to_json(Draft((Column("a", "p", "", {}, (Message("user", "Hi"),)),))))
        Draft(columns=(Column(id='a', name='p', model='', params={}, messages=(Message(role='user', text='Hi'),), base=None, tools='', schema=''),), entries=(), baseline='', checks=(), chats=())
    """  # noqa: E501 - the example is one line
    data = {
        "columns": [
            {
                "id": column.id,
                "name": column.name,
                "model": column.model,
                "params": dict(column.params),
                "tools": column.tools,
                "schema": column.schema,
                "messages": [[message.role, message.text] for message in column.messages],
                "base": _prompt_data(column.base) if column.base is not None else None,
            }
            for column in draft.columns
        ],
        "entries": [
            {
                "id": entry.id,
                "base": _case_data(entry.base) if entry.base is not None else None,
                "texts": dict(entry.texts),
                "expected": entry.expected,
            }
            for entry in draft.entries
        ],
        "baseline": draft.baseline,
        "checks": [dict(check) for check in draft.checks],
        "chats": [chat.to_json() for chat in draft.chats],
    }
    return dict(sound_all(data))


def from_json(data: Mapping[str, Any]) -> Draft:
    """A draft from plain data.

    Raises:
        PexError: it is not a draft.
    """
    try:
        columns = [_column(item) for item in data["columns"]]
        entries = [
            Entry(
                str(item["id"]),
                _case(item["base"]) if item["base"] else None,
                {str(name): str(text) for name, text in item["texts"].items()},
                item["expected"],
            )
            for item in data["entries"]
        ]
        checks = tuple({"name": "", **check} for check in data.get("checks", ()))
        chats = tuple(Chat.from_json(chat) for chat in data.get("chats", ()))
        return Draft(tuple(columns), tuple(entries), str(data["baseline"]), checks, chats)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PexError(f"this is not a draft: {type(error).__name__}: {error}") from None


def _column(item: Mapping[str, Any]) -> Column:
    base = _prompt(item["base"]) if item["base"] else None
    # A draft of an earlier version had those of the prompt that it started from.
    given = {"tools": base.tools, "schema": base.response_schema} if base is not None else {}
    forms = {name: item.get(name, text_of_json(given.get(name))) for name in ("tools", "schema")}
    return Column(
        str(item["id"]),
        str(item["name"]),
        str(item["model"]),
        dict(item["params"]),
        tuple(Message(str(role), str(text)) for role, text in item["messages"]),
        base,
        str(forms["tools"]),
        str(forms["schema"]),
    )


def _is_of(base: Mapping[str, Any] | None, case: str | None, group: str | None) -> bool:
    if base is None:
        return False
    right_case = case is None or base["id"] == case
    return right_case and (group is None or base["group"] == group)


def _ended(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A kept answer; what was running when it was kept has stopped."""
    state = "stopped" if cell["state"] in ("queued", "running") else str(cell["state"])
    text = str(cell["text"])
    known = str(cell.get("id") or (text_id(text) if state == "answered" else ""))
    return {**cell, "state": state, "print": str(cell["print"]), "text": text, "id": known}


def _prompt_data(prompt: Prompt) -> dict[str, Any]:
    return {
        **{name: getattr(prompt, name) for name in FIELDS},
        "examples": list(prompt.examples),
        "messages": list(prompt.messages),
        "path": str(prompt.path) if prompt.path is not None else None,
        "source": prompt.file_text,
        "origin": prompt.origin,
        "parts": prompt.parts,
        "written": None if prompt.written is None else list(prompt.written),
    }


def _prompt(data: Mapping[str, Any]) -> Prompt:
    # A draft of an earlier version has no examples.
    fields = {name: data[name] for name in FIELDS if name not in ("name", "examples")}
    fields["examples"] = data.get("examples", ())
    prompt = Prompt(data["messages"], data["name"], **fields).at(Path.cwd())
    path = Path(data["path"]) if data["path"] else None
    for name, value in (("path", path), ("file_text", data["source"]), ("origin", data["origin"])):
        object.__setattr__(prompt, name, value)
    # A draft of before there were includes has neither.
    object.__setattr__(prompt, "parts", data.get("parts") or {})
    written = data.get("written")
    object.__setattr__(prompt, "written", None if written is None else tuple(written))
    return prompt


def _case_data(case: Case) -> dict[str, Any]:
    return {**dataclasses.asdict(case), "tags": list(case.tags)}


def _case(data: Mapping[str, Any]) -> Case:
    return Case(**{**data, "tags": tuple(data["tags"])})
