"""A draft: prompts, models, parameters and cases as somebody types them, valid or not yet.

Separate types, because a `Variant` or a `Case` is always valid: a `Column` becomes a variant,
an `Entry` a case. All of it is immutable, so undo is cheap.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core import template
from pex.core.canonical_json import canonical_json, digest
from pex.core.cases import Case, known_variables
from pex.core.columns import nearest_variable
from pex.core.errors import PexError, nearest
from pex.core.names import ROLES, check_name
from pex.core.params import check_params
from pex.core.prompt import Prompt
from pex.core.text import replace_surrogates
from pex.core.variant import Variant, check_model
from pex.playground.chat.conversation import Chat
from pex.playground.images import as_text, normal
from pex.playground.json_fields import schema_of, text_of_json, tools_of
from pex.playground.typed_values import like, sound_all, text_of

_NO_BASE = Prompt("nothing", "nothing")
"""Its schema, tools and defaults are those of a prompt that is only typed."""
_LINE = re.compile(r"^[^:]*, line (\d+): (.*)$", re.DOTALL)
_NEARLY = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)")


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """What keeps a column or an entry from being run.

    `where` is name, model, params, tools, schema, `message:<n>` (from 0) or case; `line` counts
    from 1.
    """

    where: str
    text: str
    line: int | None = None
    hint: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One message as it is typed."""

    role: str
    text: str


@dataclasses.dataclass(frozen=True)
class Column:
    """A variant as it is typed; `base` is the prompt that it started from.

    `params` are all of them, those of the prompt too; `tools` and `schema`, which the answer must
    follow, are JSON as it is typed.
    """

    id: str
    name: str
    model: str
    params: Mapping[str, Any]
    messages: tuple[Message, ...]
    base: Prompt | None = None
    tools: str = ""
    schema: str = ""

    @functools.cached_property
    def locked(self) -> str:
        """Why the messages cannot be edited as text, "" if they can."""
        plain_ones = all(
            set(m) == {"role", "content"} and _content_text(m) is not None for m in self._given
        )
        return "" if plain_ones else "it has parts that are not text or plain images"

    @property
    def has_system(self) -> bool:
        """Whether the first message is the system's."""
        return bool(self.messages) and self.messages[0].role in ("system", "developer")

    @functools.cached_property
    def variables(self) -> tuple[str, ...]:
        """The variables in the order in which they appear, as far as the text can be read."""
        found: dict[str, None] = {}
        for text in self._texts:
            try:
                template.check(text, "")
                names = template.variables(text)
            except PexError:
                names = tuple(dict.fromkeys(_NEARLY.findall(text)))
            at = {name: _first(name, text) for name in names}
            found |= dict.fromkeys(sorted(names, key=lambda name: at[name]))
        return tuple(found)

    @functools.cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the column by itself."""
        found = [*_problems_of("name", lambda: check_name(self.name, "the name"))]
        for number, message in enumerate(self.messages):
            where = f"message:{number}"
            if message.role not in ROLES:
                hint = nearest(message.role, ROLES)
                found.append(Problem(where, f"unknown role '{message.role}'", None, hint))
            text = message.text
            found += _problems_of(where, lambda text=text: template.check(text, "text"))
        if not any(message.text.strip() for message in self.messages):
            found.append(Problem("message:0", "the prompt has no text yet"))
        found += _problems_of("params", lambda: check_params(self.params, "parameters"))
        found += _problems_of("tools", lambda: tools_of(self.tools))
        found += _problems_of("schema", lambda: schema_of(self.schema))
        if not found:
            found += _problems_of("model", lambda: check_model(self.model, self.prompt))
        if not found:
            found += _problems_of("params", lambda: self.variant(self.prompt))
        return tuple(found)

    @functools.cached_property
    def prompt(self) -> Prompt:
        """The prompt: the one it started from if that is unchanged, else a new one.

        Raises:
            PexError: the column has a problem.
        """
        base, tools, schema = self.base, tools_of(self.tools), schema_of(self.schema)
        if base is None:
            return Prompt(self._written, self.name, tools=tools, response_schema=schema)
        if self.is_as_given:
            return base
        kept = {name: value for name, value in base.params.items() if name in self.params}
        messages = base.messages if self.locked or self._unchanged else self._written
        return base.changed(
            name=self.name, messages=messages, params=kept, tools=tools, response_schema=schema
        )

    @property
    def is_as_given(self) -> bool:
        """Whether the prompt is the one that the column started from."""
        return (
            self.base is not None
            and self._unchanged
            and self._forms == [self.base.response_schema, self.base.tools]
            and all(name in self.params for name in self.base.params)
        )

    def variant(self, prompt: Prompt) -> Variant:
        """The variant with this prompt, which is the column's under perhaps another name."""
        own = {
            name: value
            for name, value in self.params.items()
            if name not in prompt.params
            or canonical_json(prompt.params[name]) != canonical_json(value)
        }
        return Variant(prompt, self.model, own, self.name)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Changes with whatever changes the request."""
        base = self.base or _NO_BASE  # saving gives a column a base, and changes no request
        more = [*self._forms, base.defaults]
        parts: list[Any] = [[m.role, normal(m.text.strip())] for m in self.messages]
        if self.locked:
            parts = sound_all(self._given)
        return digest([self.model, dict(self.params), parts, more])

    @property
    def _forms(self) -> list[Any]:
        """The schema and the tools; what is not valid yet as it is typed."""
        found: list[Any] = []
        for text, read in ((self.schema, schema_of), (self.tools, tools_of)):
            try:
                found.append(read(text) or None)
            except PexError:
                found.append(text)
        return found

    @property
    def _given(self) -> tuple[Mapping[str, Any], ...]:
        return self.base.messages if self.base is not None else ()

    @property
    def _written(self) -> list[dict[str, str]]:
        return [{"role": m.role, "content": m.text} for m in self.messages]

    @property
    def _unchanged(self) -> bool:
        now = [(m.role, normal(m.text.strip())) for m in self.messages]
        return now == [(m.role, normal(m.text.strip())) for m in messages_of(self._given)]

    @property
    def _texts(self) -> list[str]:
        if self.locked and self.base is not None:
            return [f"{{{{ {name} }}}}" for name in self.base.variables]
        return [message.text for message in self.messages]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A case as it is typed: `texts` and `expected` over what `base`, a given case, has."""

    id: str
    base: Case | None = None
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    expected: str | None = None

    @property
    def typed(self) -> bool:
        """Whether it is no longer, or never was, a case that was given."""
        return self.base is None or bool(self.texts) or self.expected is not None

    def column(self, name: str) -> str:
        """The column that a variable stands for; the same name if there is no such column."""
        if self.base is None or name in self.base.inputs:
            return name
        return known_variables([self.base]).get(name, name)

    def text(self, name: str) -> str:
        """The value of an input as it is shown."""
        column = self.column(name)
        return self.texts[column] if column in self.texts else text_of(self._given.get(column))

    @property
    def expected_text(self) -> str:
        """The expected answer as it is shown."""
        if self.expected is not None:
            return self.expected
        return text_of(self.base.expected) if self.base is not None else ""

    def case(self, variables: Sequence[str]) -> Case:
        """The case; one that was given and not changed is that very one.

        Args:
            variables: what the prompts ask for; what is not typed is an empty string.
        """
        if self.base is not None and not self.typed:
            return self.base
        given = self._given
        asked = dict.fromkeys(map(self.column, variables))
        names = [*given, *(name for name in asked if name not in given)]
        inputs = {name: like(given.get(name), self.text(name)) for name in names}
        # A file of cases needs a column; a prompt without variables takes no notice of it.
        inputs = inputs or {"case": self.id}
        base = self.base or Case("", {})
        expected = base.expected
        if self.expected is not None:
            expected = like(base.expected, self.expected) if self.expected else None
        return dataclasses.replace(base, id=digest(inputs), inputs=inputs, expected=expected)

    @property
    def _given(self) -> Mapping[str, Any]:
        return self.base.inputs if self.base is not None else {}


@dataclasses.dataclass(frozen=True)
class Draft:
    """Columns x entries; `baseline` is the id of the column that the others are compared with.

    `checks` are scorers beside those of the experiment, as a file would have them; `chats` are
    conversations, at most one with each column.
    """

    columns: tuple[Column, ...] = ()
    entries: tuple[Entry, ...] = ()
    baseline: str = ""
    checks: tuple[Mapping[str, Any], ...] = ()
    chats: tuple[Chat, ...] = ()

    @functools.cached_property
    def variables(self) -> tuple[str, ...]:
        """The variables of all columns, in order of appearance."""
        return tuple(dict.fromkeys(name for column in self.columns for name in column.variables))

    @functools.cached_property
    def cases(self) -> dict[str, Case]:
        """Each entry's case, by the entry's id."""
        return {entry.id: entry.case(self.variables) for entry in self.entries}

    @functools.cached_property
    def column_problems(self) -> dict[str, tuple[Problem, ...]]:
        """What is wrong with each column, by its id: by itself, or beside the others."""
        found, names = {}, set[str]()
        for column in self.columns:
            more = []
            if column.name in names:
                hint = "each variant needs its own name"
                text = f"another variant has the name '{column.name}' too"
                more.append(Problem("name", text, None, hint))
            names.add(column.name)
            found[column.id] = (*column.problems, *more, *self._absent(column))
        return found

    @functools.cached_property
    def entry_problems(self) -> dict[str, tuple[Problem, ...]]:
        """What is wrong with each entry, by its id."""
        found: dict[str, tuple[Problem, ...]] = {}
        seen: dict[str, int] = {}
        for number, entry in enumerate(self.entries, 1):
            problems = []
            names = self.variables
            if entry.base is None and names and not any(entry.text(name) for name in names):
                problems.append(Problem("case", "fill in at least one input"))
            key = self.cases[entry.id].id
            if key in seen and not problems:
                problems.append(Problem("case", f"the same as case {seen[key]}"))
            seen.setdefault(key, number)
            found[entry.id] = tuple(problems)
        return found

    def variants(self, ids: Sequence[str]) -> list[Variant]:
        """The variants of some columns; different prompts have different names.

        Raises:
            PexError: one of the columns has a problem.
        """
        columns = [column for column in self.columns if column.id in set(ids)]
        prompts = {column.id: column.prompt for column in columns}
        while True:
            texts: dict[str, set[str]] = {}
            for prompt in prompts.values():
                texts.setdefault(prompt.name, set()).add(prompt.digest)
            clash = [
                column
                for column in columns
                if len(texts[prompts[column.id].name]) > 1
                and prompts[column.id].name != column.name
            ]
            if not clash:
                return [column.variant(prompts[column.id]) for column in columns]
            for column in clash:
                prompt = prompts[column.id]
                made = prompt.changed(name=column.name)
                prompts[column.id] = made

    def _absent(self, column: Column) -> list[Problem]:
        """A variable that a given case does not have; a typed case has all of them."""
        defaults = column.base.defaults if column.base is not None else {}
        for entry in self.entries:
            if entry.base is None or entry.typed:
                continue
            known = known_variables([entry.base])
            for name in column.variables:
                if name not in known and name not in defaults:
                    text = f"case '{entry.base.id}' has no value for '{{{{ {name} }}}}'"
                    where = f"message:{_where(column, name)}"
                    return [
                        Problem(where, text, None, nearest_variable(name, list(entry.base.inputs)))
                    ]
        return []


def column_of(variant: Variant, new_id: str) -> Column:
    """A variant as a column; its name becomes one that a prompt may have.

    Example:
        >>> column_of(Variant(Prompt("Hi", "p"), "local/smollm2", name="p|seed=1"), "a").name
        'p-seed-1'
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", variant.name).strip("-") or variant.prompt.name
    prompt = variant.prompt
    messages = messages_of(prompt.messages)
    tools, schema = text_of_json(prompt.tools), text_of_json(prompt.response_schema)
    return Column(new_id, name, variant.model, variant.all_params, messages, prompt, tools, schema)


def messages_of(messages: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """A prompt's messages as text, with images as Markdown."""
    texts = [_content_text(m) for m in messages]
    return tuple(
        Message(str(m["role"]), replace_surrogates(text_of(m["content"]) if text is None else text))
        for m, text in zip(messages, texts, strict=True)
    )


def _content_text(message: Mapping[str, Any]) -> str | None:
    """A message as the text that says the same; None if there is none."""
    content = message["content"]
    if message["role"] != "user":  # only in a user's message is an image of Markdown an image
        return content if isinstance(content, str) else None
    return as_text(content)


def _problems_of(where: str, check: Any) -> list[Problem]:
    try:
        check()
    except PexError as error:
        found = _LINE.match(error.message)
        text, line = (found[2], int(found[1])) if found else (error.message, None)
        return [Problem(where, text, line, error.hint or "")]
    return []


def _first(name: str, text: str) -> int:
    found = re.search(rf"\b{re.escape(name)}\b", text)
    return found.start() if found else len(text)


def _where(column: Column, name: str) -> int:
    for number, message in enumerate(column.messages):
        if re.search(rf"\b{re.escape(name)}\b", message.text):
            return number
    return 0
