"""The prompts of a configuration: inline, in files, as text or as chat messages."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.errors import PexError
from pex.core.names import ROLES
from pex.core.prompt import Prompt
from pex.core.textfile import read_text
from pex.core.yamltext import load_yaml
from pex.importers.imported import new_name
from pex.importers.promptfoo_config.nunjucks import NotCarriedOverError, renamed, to_jinja
from pex.importers.promptfoo_config.sources import CODE, SCHEME, LeftOutError, Sources
from pex.importers.variables import without_roles

_FILE = re.compile(r"[^\n]*\.(txt|md|json|jsonl|ya?ml|csv|j2|py|[cm]?js|[cm]?ts|rb|sh)(:\w+)?")
_REMOTE = ("langfuse://", "portkey://", "helicone://")
_DUMPED = re.compile(r"(?<![\"\w])\{\{-?\s*([^{}|]+?)\s*\|\s*dump(?:\([^)]*\))?\s*-?\}\}(?!\")")
"""A value of JSON that the template writes with its quotation marks."""


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """A prompt as it is written: its text, and what it is called."""

    where: str
    raw: str
    label: str = ""
    stem: str = ""

    def is_called(self, names: Sequence[str]) -> bool:
        """Whether one of these references of a provider or a test means it."""
        own = {self.label, self.stem, self.raw} - {""}
        return any(
            name in own or (name.endswith("*") and any(o.startswith(name[:-1]) for o in own))
            for name in names
        )


def given_prompts(value: Any, sources: Sources) -> list[Given]:
    """The prompts that the key `prompts` names; those that cannot be read are noted."""
    if isinstance(value, Mapping):
        value = [{"raw": raw, "label": label} for raw, label in value.items()]
    if isinstance(value, str):
        value = [value]
    found: list[Given] = []
    for number, item in enumerate(value if isinstance(value, list) else []):
        where = f"prompts[{number}]"
        label = ""
        if isinstance(item, Mapping):
            label = str(item.get("label") or item.get("display") or "")
            if item.get("config"):
                sources.note(f"{where}.config", "left out", "parameters of a single prompt: "
                             "write them under model.options in its .prompty file")  # fmt: skip
            raw = item.get("raw") or item.get("id")
        else:
            raw = item
        if not isinstance(raw, str) or not raw.strip():
            sources.note(where, "left out", "it is neither a text nor a file")
            continue
        try:
            found += _given(raw, label, where, sources)
        except LeftOutError as error:
            sources.note(where, "left out", str(error))
    return found


def _given(item: str, label: str, where: str, sources: Sources) -> list[Given]:
    if item.startswith(_REMOTE):
        raise LeftOutError(f"{item.partition('://')[0]} would have to be called for it")
    if item.startswith("exec:"):
        raise LeftOutError("it is a command, which is never run")
    if not (item.startswith(SCHEME) or _FILE.fullmatch(item)):
        return [Given(where, item, label)]
    found: list[Given] = []
    for file in sources.paths(item):
        if file.suffix.lower() in CODE:
            sources.note(f"{where} {file.name}", "left out", "it is code, which is never run")
            continue
        texts = _texts(file, sources)
        for number, (text, name) in enumerate(texts, 1):
            numbered = f"{file.stem}-{number}" if len(texts) > 1 else file.stem
            place = f"{where} {sources.shown(file)}"
            found.append(Given(place, text, name or label, numbered))
    return found


def _texts(file: Path, sources: Sources) -> list[tuple[str, str]]:
    """The prompts in a file, each with its own label."""
    kind = file.suffix.lower()
    try:
        text = read_text(file, "prompt").removeprefix("\ufeff")
    except PexError as error:
        raise LeftOutError(error.message) from None
    if kind in (".yaml", ".yml", ".json"):
        try:
            data = sources.data(file)
        except LeftOutError:
            return [(text, "")]  # a template that becomes YAML or JSON only when it is filled in
        return [(data if isinstance(data, str) else json.dumps(data, ensure_ascii=False),
                 "")]  # fmt: skip
    if kind == ".txt":
        parts = re.split(r"^[ \t]*---[ \t]*$", text, flags=re.MULTILINE)
        return [(part.strip(), "") for part in parts if part.strip()]
    if kind == ".jsonl":
        return [(line, "") for line in text.splitlines() if line.strip()]
    if kind == ".csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        if "," in text and rows and "prompt" in rows[0]:
            return [(row["prompt"], row.get("label") or "") for row in rows if row["prompt"]]
        lines = [line for line in text.splitlines() if line.strip()]
        return [(line, "") for line in lines[lines[0].strip().casefold() == "prompt" :]]
    return [(text, "")]


def make_prompts(
    given: Sequence[Given], sources: Sources, names: Mapping[str, str], around: tuple[str, str]
) -> list[tuple[Given, Prompt]]:
    """The prompts as pex has them, in their order; those that pex cannot express are noted.

    Args:
        given: the prompts as written.
        sources: where they come from.
        names: variables that need another name.
        around: templates of what goes before and after every prompt.
    """
    made: list[tuple[Given, Prompt]] = []
    for number, item in enumerate(given, 1):
        taken = [prompt.name for _, prompt in made]
        name = new_name(item.label or item.stem or f"prompt-{number}", taken)
        try:
            messages, changes = _messages(f"{around[0]}{item.raw}{around[1]}", names)
            prompt = Prompt(messages, name)
        except (NotCarriedOverError, PexError) as error:
            sources.note(item.where, "left out", str(error).partition("\n")[0])
            continue
        for change in changes:
            sources.note(item.where, "changed", change)
        if not changes:
            sources.note(item.where, "taken over", "as a prompt")
        if (item.label or item.stem) not in ("", name):
            sources.note(item.where, "changed", f"the prompt is called {name}")
        made.append((item, prompt))
    return made


def _messages(raw: str, names: Mapping[str, str]) -> tuple[list[dict[str, Any]], list[str]]:
    changes: dict[str, None] = {}
    chat = _chat(raw, changes)
    if chat is None:
        made = to_jinja(raw)
        whole = without_roles(renamed(made.text, names))
        return [{"role": "user", "content": whole}], [*changes, *made.changes]
    messages: list[dict[str, Any]] = []
    for message in chat:
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise NotCarriedOverError(f"a message of '{role}': pex has {', '.join(ROLES)}")
        made = to_jinja(_text(content))
        changes |= dict.fromkeys(made.changes)
        messages.append({"role": str(role), "content": without_roles(renamed(made.text, names))})
    return messages, list(changes)


def _text(content: Any) -> str:
    """The text of a message, which can be a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    kinds = {str(part.get("type")) for part in parts if isinstance(part, Mapping)}
    if not parts or kinds - {"text", "input_text"}:
        what = ", ".join(sorted(kinds - {"text", "input_text"})) or "no text"
        raise NotCarriedOverError(f"a message with {what}: write it as Markdown, ![](file)")
    return "\n".join(str(part.get("text") or "") for part in parts)


def _chat(raw: str, changes: dict[str, None]) -> list[Mapping[str, Any]] | None:
    """The messages if a prompt is a chat in JSON or YAML, else None."""
    text = raw.strip()
    data: Any = None
    if text.startswith(("[", "{")):
        for candidate in (text, _DUMPED.sub(r'"{{ \1 }}"', text)):
            try:
                data = jsontext.loads(candidate)
            except ValueError:
                continue
            if candidate != text:
                changes["`| dump` in a chat's JSON is not needed in a message"] = None
            break
    elif re.match(r"-\s+role\s*:", text):
        try:
            data = load_yaml(text, "prompt").data
        except PexError:
            return None
    if isinstance(data, Mapping) and isinstance(data.get("messages"), list):
        data = data["messages"]
    if not isinstance(data, list) or not data:
        return None
    is_chat = all(isinstance(item, Mapping) and "role" in item for item in data)
    return data if is_chat else None
