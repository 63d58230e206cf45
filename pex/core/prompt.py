"""A prompt: text or chat messages with `{{ variables }}`."""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pex.core import includes, template
from pex.core.errors import PexError
from pex.core.function_schema import as_tool
from pex.core.hidden import Hidden, of_call
from pex.core.images import with_files
from pex.core.messages import (
    Message,
    check_messages,
    content_templates,
    content_text,
    render_content,
)
from pex.core.names import check_name
from pex.core.params import check_params, check_tools, json_params
from pex.core.project import current_folder
from pex.core.prompt_messages import Guard, Messages, MessagesField, filled_in
from pex.core.response_model import strict_schema
from pex.core.safe_text import clean
from pex.core.text import conflict_line, whole_text
from pex.core.textfile import read_text
from pex.core.values import to_json_value

if TYPE_CHECKING:
    from pex.core.cases import Case

_WARNED: dict[str | tuple[str, type[Warning], int], int] = {}
"""Python's own registry of the warnings shown, so each is shown once."""

FIELDS = (
    "name", "description", "model", "params", "defaults", "response_schema", "tools", "examples",
)  # fmt: skip
"""A prompt's fields besides its messages, by the names of `Prompt`'s arguments."""


@dataclasses.dataclass(frozen=True, init=False)
class Prompt:
    r"""Text or chat messages with `{{ variables }}`, and their settings.

    Args:
        text: one user message, or a list of `{"role": …, "content": …}`. White space around a
            message is dropped, as in a `.prompty` file.
        name: letters, digits, `_`, `.`, `-`.
        description: the purpose of the prompt, in a sentence.
        model: the model it was written for; overridden by an experiment's `models`.
        params: parameters such as `temperature`; overridden by a variant's own.
        defaults: values for variables that a case does not have.
        response_schema: a JSON Schema that the answer must follow.
        tools: tools in OpenAI's form, or functions, of which name, docstring and type hints become
            one; an experiment's `tools` say what runs.
        response_model: a pydantic class in place of `response_schema`: its strict JSON Schema is
            requested, and `results.parse()` returns objects of the class.
        examples: the ids of the cases that the text shows as examples. In every run, the prompt
            has no scores on these cases: it would be asked what it has just been told.

    Raises:
        PexError: a bad name, no text, an unknown role, or text that is not a valid template.

    Example:
        >>> p = Prompt("Review: {{ review }}\nPositive or negative?", name="short")
        >>> p.variables
        ('review',)
        >>> p.render({"review": "Nice."})
        [{'role': 'user', 'content': 'Review: Nice.\nPositive or negative?'}]
        >>> p.messages(review="Nice.") == p.render({"review": "Nice."})
        True
        >>> p.messages[0]["role"], len(p.messages)  # without values, a tuple of the templates
        ('user', 1)
    """

    name: str
    messages: Messages
    description: str
    model: str | None
    params: dict[str, Any]
    defaults: dict[str, Any]
    response_schema: dict[str, Any] | None
    tools: list[dict[str, Any]] | None
    examples: tuple[str, ...]
    path: Path | None = dataclasses.field(compare=False, repr=False)
    file_text: str | None = dataclasses.field(compare=False, repr=False)
    """The text of the file it came from, None if it was made in Python."""
    source: str = dataclasses.field(compare=False, repr=False)
    """Where `pex.library.load` took it from: "memory", "cache", "file", "registry" or "fallback".

    See `pex.library.load`; empty for a prompt that was not loaded by it.
    """
    origin: str | None = dataclasses.field(compare=False, repr=False)
    """The library version it came from, such as `review-sentiment/3`."""
    home: Path | None = dataclasses.field(compare=False, repr=False)
    """A folder of the project that must contain the images in its text; None if made in Python."""
    front: dict[str, Any] | None = dataclasses.field(compare=False, repr=False)
    """The front matter of the file it came from; keys that pex does not read are kept on saving."""
    unread: tuple[str, ...] = dataclasses.field(compare=False, repr=False)
    """Parts of the front matter that pex does not use but that may have been intended."""
    response_model: type[Any] | None = dataclasses.field(compare=False, repr=False)
    parts: dict[str, str] = dataclasses.field(compare=False, repr=False)
    """The texts that its file includes, by name; they are in `messages`."""
    written: tuple[Message, ...] | None = dataclasses.field(compare=False, repr=False)
    """The messages as its file has them, if that includes others."""

    def __init__(
        self,
        text: str | Sequence[Mapping[str, Any]],
        name: str,
        *,
        description: str = "",
        model: str | None = None,
        params: Mapping[str, Any] | None = None,
        defaults: Mapping[str, Any] | None = None,
        response_schema: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any] | Callable[..., Any]] | None = None,
        response_model: type[Any] | None = None,
        examples: Sequence[str] = (),
    ) -> None:
        check_name(name, "prompt name")
        if response_model is not None:
            if response_schema is not None:
                raise PexError(f"prompt '{name}': give response_model or response_schema, not both")
            response_schema = strict_schema(response_model, f"prompt '{name}'")
        values: dict[str, Any] = {
            "name": name,
            "messages": check_messages(text, name),
            "description": description,
            "model": model,
            "params": json_params(params or {}),
            "defaults": to_json_value(dict(defaults or {})),
            "response_schema": to_json_value(dict(response_schema)) if response_schema else None,
            "tools": to_json_value([dict(as_tool(tool, f"prompt '{name}'")) for tool in tools])
            if tools
            else None,
            "examples": _case_ids(examples, name),
            "path": None,
            "file_text": None,
            "source": "",
            "origin": None,
            "home": None,
            "front": None,
            "unread": (),
            "response_model": response_model,
            "parts": {},
            "written": None,
        }
        for key in ("description", "defaults", "response_schema", "tools"):
            values[key] = whole_text(values[key], f"prompt '{name}', {key}")
        check_params(values["params"], f"prompt '{name}'")
        if tools:
            check_tools(values["tools"], f"prompt '{name}'")
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def __hash__(self) -> int:
        return hash((self.name, self.digest))

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of all variables, in alphabetical order."""
        return tuple(sorted({name for text in self.templates for name in template.variables(text)}))

    @property
    def text(self) -> str:
        """The template as one text, with role lines if there is more than a user message."""
        if len(self.messages) == 1 and self.messages[0]["role"] == "user":
            return content_text(self.messages[0]["content"])
        return "\n\n".join(f"{m['role']}:\n{content_text(m['content'])}" for m in self.messages)

    @property
    def remarks(self) -> tuple[str, ...]:
        r"""Parts of the prompt that may be mistakes: text in comments, keys that are not read.

        Example:
            >>> Prompt("# Rules {#rules}\nBe kind. #}\nHi", name="p").remarks
            ("message 1, line 1: 'rules} Be kind.' is a comment between {# and #}: it is not sent",)
        """
        swallowed = [
            f"message {number}, line {line}: '{_shorten(found)}' is a comment between {{# and #}}: "
            "it is not sent"
            for number, message in enumerate(self.messages, 1)
            for text in content_templates(message["content"])
            for line, found in template.comments(text)
        ]
        line = conflict_line(self.file_text) if self.file_text else None
        conflict = [f"line {line}: a conflict marker of git: it is sent as text"] if line else []
        return (*self.unread, *conflict, *swallowed)

    @property
    def digest(self) -> str:
        """Twelve hex digits that change whenever a request changes.

        `examples` are not part of it: they say which cases are in the text, and are not sent.
        """
        from pex.core.canonical_json import digest

        return digest([list(self.messages), self.params, self.response_schema, self.tools])

    @functools.cached_property
    def hides(self) -> frozenset[str]:
        """What its requests have that is not stored: "canary", "untrusted" (a delimiter)."""
        return frozenset().union(*map(template.hides, self.templates))

    def render(self, values: Mapping[str, Any], words: Hidden | None = None) -> list[Message]:
        """The messages with `values` filled in, as they are sent.

        Args:
            values: of its variables.
            words: the canary and the delimiter of untrusted values; left out, a new delimiter for
                this call, and the canary that is in `values`.

        Raises:
            PexError: a variable has no value; the nearest name is given.
        """
        filled = {**self.defaults, **values}
        where = f"prompt '{self.name}'"
        turns = self.turns(values)
        own: tuple[Message, ...] = self.__dict__["messages"]  # the attribute makes an object
        words = words or (of_call(filled, where) if self.hides else None)
        messages = [
            {**message, "content": render_content(message, filled, where, words)}
            for message in (own[:-1] if turns else own)
        ]
        return [*messages, {"role": "user", "content": turns[0]}] if turns else messages

    def render_with_images(
        self,
        values: Mapping[str, Any],
        folder: Path,
        words: Hidden | None = None,
        *,
        by_digest: bool = False,
    ) -> list[Message]:
        """The messages with `values` filled in, and the files of images and documents read.

        Args:
            values: as in `render`.
            folder: the base of relative image paths; an image named by a value must be in it.
            words: as in `render`.
            by_digest: put references in place of the content of documents.

        Raises:
            PexError: a variable has no value, or an image or document cannot be sent.
        """
        messages = self.render(values, words)
        if not any(isinstance(message["content"], list) for message in messages):
            return messages
        whose = f"the project of the prompt '{self.name}'"
        return with_files(messages, folder, self.templates, self.home, whose, by_digest=by_digest)

    def openai(
        self,
        case: Case | Mapping[str, Any] | None = None,
        /,
        *,
        api: Literal["chat", "responses"] = "chat",
        guard: Guard | None = None,
        **variables: Any,
    ) -> dict[str, Any]:
        """The arguments of `client.chat.completions.create` of the openai package.

        They include the model if the prompt names one; parameters that the package does not name go
        into `extra_body`. For a conversation, these are the arguments of the first turn.

        Args:
            case: values for the variables: a dict, or one of `exp.cases`.
            api: "responses" gives the arguments of `client.responses.create`.
            guard: called with each text among the values, as in `messages(…)`.
            variables: values by name, which override or extend the case's.

        Raises:
            PexError: a variable has no value; the nearest name is given.

        Example:
            >>> p = Prompt("Say {{ word }}.", "say", model="openai/gpt-4.1", params={"seed": 1})
            >>> p.openai(word="hi")
            {'model': 'gpt-4.1', 'messages': [{'role': 'user', 'content': 'Say hi.'}], 'seed': 1}
            >>> Prompt("Say {{ word }}.", "say").openai({"word": "hi"}, api="responses")
            {'input': [{'role': 'user', 'content': 'Say hi.'}]}
        """
        from pex.core.openai_call import call_arguments, check_api

        where = f"prompt '{self.name}'"
        check_api(api, where)
        return call_arguments(
            filled_in(self, case, variables, guard),
            model=self.model,
            # Copies: all callers have the same prompt, and what one appends is not for the others.
            params=copy.deepcopy(self.params),
            response_schema=copy.deepcopy(self.response_schema),
            tools=copy.deepcopy(self.tools),
            api=api,
        )

    def turns(self, values: Mapping[str, Any]) -> list[str]:
        """The user's turns of a conversation, answered one after another.

        A conversation is a prompt whose last message is a single variable for which the case has a
        list of strings; `render` returns the messages up to the first turn.

        Raises:
            PexError: the list has items that are not strings.
        """
        last = self.__dict__["messages"][-1]
        content = last["content"]
        if last["role"] != "user" or not isinstance(content, str):
            return []
        name = template.only_variable(content)
        value = {**self.defaults, **values}.get(name) if name else None
        if not isinstance(value, list) or not value:
            return []
        for turn in value:
            if not isinstance(turn, str):
                raise PexError(
                    f"prompt '{self.name}': '{name}' is a list, so each item is a turn of "
                    f"the user's and must be a string, got {turn!r}",
                    hint="write {{ " + str(name) + " | tojson }} to send it as JSON",
                )
        return list(value)

    @classmethod
    def load(cls, path: str | Path) -> Prompt:
        """Read a `.prompty` file, or a plain text file with or without role lines.

        Possible mistakes in it (`remarks`) cause warnings.

        Raises:
            PexError: the file is missing (the nearest name in its folder is given) or not valid.
        """
        path = Path(path)
        text = read_text(path, "prompt file")
        find = includes.in_folder(path.resolve().parent, path.name)
        prompt = cls.parse(text, path.name, path.stem, find)
        object.__setattr__(prompt, "path", path.resolve())
        object.__setattr__(prompt, "home", path.resolve().parent)
        warn(prompt.remarks, path.name, str(path))
        return prompt

    @classmethod
    def parse(cls, text: str, where: str, name: str, find: includes.Find | None = None) -> Prompt:
        """Read the text of a `.prompty` file.

        Args:
            text: the whole file.
            where: how to name it in an error.
            name: the prompt's name, if the text gives none.
            find: finds the text of what it includes; without it, nothing can be included.

        Raises:
            PexError: it is not a valid prompt, or what it includes does not exist.
        """
        from pex.core import prompty  # YAML takes time to import

        fields = prompty.parse(text, where)
        messages, front = fields.pop("messages"), fields.pop("front")
        remarks = fields.pop("remarks")
        given = fields.pop("name", name)
        name = prompty.slug(given)
        if name != given:
            remarks = (*remarks, f"name: '{given}' cannot be a prompt's name; it is '{name}' here")
        parts: dict[str, str] = {}
        written = None
        if find is not None and includes.has_includes(messages):
            written = tuple(messages)
            messages, parts = includes.expand(messages, find, where)
        try:
            prompt = cls(messages, name, **fields)
        except PexError as error:
            raise PexError(f"{where}: {error.message}", hint=error.hint) from None
        object.__setattr__(prompt, "parts", parts)
        object.__setattr__(prompt, "written", written)
        object.__setattr__(prompt, "file_text", text)
        object.__setattr__(prompt, "front", front)
        object.__setattr__(prompt, "unread", remarks)
        return prompt

    def changed(self, **changes: Any) -> Prompt:
        """A copy with different values for some arguments of `Prompt`; `messages` is its text.

        Keys of its file that pex does not read are kept. With other messages, nothing is included
        any more: these are the whole text.

        Example:
            >>> Prompt("Hi {{ x }}", name="a").changed(name="b", model="local/smollm2").model
            'local/smollm2'
        """
        given = {name: changes.pop(name, getattr(self, name)) for name in FIELDS}
        prompt = Prompt(changes.pop("messages", self.messages), given.pop("name"), **given)
        if prompt.messages == self.messages:
            object.__setattr__(prompt, "parts", self.parts)
            object.__setattr__(prompt, "written", self.written)
        object.__setattr__(prompt, "home", self.home)
        object.__setattr__(prompt, "front", self.front)
        object.__setattr__(prompt, "unread", self.unread)
        if given["response_schema"] == self.response_schema:
            object.__setattr__(prompt, "response_model", self.response_model)
        if changes:
            raise TypeError(f"Prompt.changed: no such argument: {', '.join(changes)}")
        return prompt

    def called(self, name: str, origin: str | None) -> Prompt:
        """The same prompt under another name, with its origin.

        Its file's text is not changed, nor is the name in it.
        """
        prompt = copy.copy(self)
        object.__setattr__(prompt, "name", check_name(name, "prompt name"))
        object.__setattr__(prompt, "origin", origin)
        return prompt if self.home is not None or origin is None else prompt.at(current_folder())

    def at(self, home: Path | None) -> Prompt:
        """The same prompt, as text that belongs to the project of this folder."""
        prompt = copy.copy(self)
        object.__setattr__(prompt, "home", home)
        return prompt

    def save(self, path: str | Path) -> Path:
        """Write a `.prompty` file; a prompt that was loaded and not changed keeps every byte."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.as_file().encode())
        return path

    def to_prompty(self) -> str:
        """The text of a `.prompty` file that stands alone: what is included is in it."""
        return self._format(self.messages) if self.parts else self.as_file()

    def as_file(self) -> str:
        """The text of its own file; what it includes is only named there."""
        if self.file_text is not None:
            return self.file_text
        return self._format(self.written or self.messages)

    def _format(self, messages: Sequence[Message]) -> str:
        from pex.core import prompty

        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return prompty.format_prompty(fields | {"messages": messages, "variables": self.variables})

    def __getattr__(self, name: str) -> Any:
        # A prompt from the library's cache has its front matter as text until somebody asks.
        text = self.__dict__.get("file_text")
        if name not in ("front", "unread") or text is None:
            raise AttributeError(f"'Prompt' object has no attribute '{name}'")
        find = includes.among(self.parts, self.name)
        parsed = Prompt.parse(text, self.name, self.name, find)
        for key in ("front", "unread"):
            object.__setattr__(self, key, getattr(parsed, key))
        return self.__dict__[name]

    @property
    def templates(self) -> list[str]:
        """Every template in its messages."""
        return [text for message in self.messages for text in content_templates(message["content"])]


Prompt.messages = MessagesField()  # type: ignore[assignment]


def warn(remarks: Sequence[str], where: str, file: str) -> None:
    """Warn of possible mistakes in a prompt, once per process for each.

    Args:
        remarks: the texts of the warnings.
        where: how to name the prompt.
        file: the file that the warnings are about.
    """
    for remark in remarks:
        found = re.match(r"line (\d+)", remark)
        warnings.warn_explicit(
            clean(f"{where}: {remark}"), UserWarning, file, int(found[1]) if found else 1,
            registry=_WARNED,
        )  # fmt: skip


def _case_ids(examples: Sequence[str], name: str) -> tuple[str, ...]:
    if isinstance(examples, str) or not all(isinstance(case_id, str) for case_id in examples):
        raise PexError(f"prompt '{name}': examples: expected a list of case ids, got {examples!r}")
    return tuple(dict.fromkeys(examples))


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
