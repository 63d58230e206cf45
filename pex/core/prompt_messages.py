"""`prompt.messages`: a tuple of messages that can also be called with values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pex.core.errors import PexError
from pex.core.messages import Message
from pex.core.text import whole_text

if TYPE_CHECKING:
    from pex.core.case import Case

Guard = Callable[[str], str]
"""Takes a text of others and returns what is used of it, or raises."""

on_use: list[Callable[[str, list[Message]], None]] = []
"""Called with the origin of a library prompt, such as `hi/3`, and the messages made from it.

What shows the version on an application's traces adds itself here; without it, this is empty.
"""


class _Prompt(Protocol):
    """What is needed of a prompt."""

    @property
    def name(self) -> str: ...

    @property
    def origin(self) -> str | None: ...

    def render_with_images(self, values: Mapping[str, Any], folder: Path) -> list[Message]: ...


class Messages(tuple[Message, ...]):
    """The messages of a prompt with their `{{ variables }}`; a call fills them in.

    It is a tuple in every other way: equal to a plain one, and one when copied or pickled alone.
    """

    _prompt: _Prompt | None

    def __new__(cls, messages: Iterable[Message] = (), prompt: _Prompt | None = None) -> Messages:
        """Make the messages of a prompt."""
        made = super().__new__(cls, messages)
        made._prompt = prompt
        return made

    def __call__(
        self,
        case: Case | Mapping[str, Any] | None = None,
        /,
        *,
        guard: Guard | None = None,
        **values: Any,
    ) -> list[Message]:
        """The messages with values filled in, as `prompt.openai` sends them.

        Args:
            case: values for the variables: a dict, or one of `exp.cases`.
            guard: called with each text among the values; what it returns is used instead. A
                `pex.guard.Policy` takes out hidden characters and the like.
            values: values by name, which override or extend the case's.

        Raises:
            PexError: a variable has no value; the nearest name is given.
            BlockedError: the guard is a policy that blocks a text.
        """
        if self._prompt is None:
            raise PexError("these messages are not part of a prompt", hint="prompt.messages(…)")
        return filled_in(self._prompt, case, values, guard)

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (list(self),)


class MessagesField:
    """The attribute `messages` of a prompt: kept as a plain tuple, given as `Messages`."""

    def __get__(self, prompt: Any, kind: type | None = None) -> Any:
        if prompt is None:
            raise AttributeError("messages")  # so that a dataclass sees no default
        try:
            return Messages(prompt.__dict__["messages"], prompt)
        except KeyError:
            raise AttributeError("messages") from None

    def __set__(self, prompt: Any, messages: Iterable[Message]) -> None:
        prompt.__dict__["messages"] = tuple(messages)


def filled_in(
    prompt: _Prompt,
    case: Case | Mapping[str, Any] | None,
    values: Mapping[str, Any],
    guard: Guard | None = None,
) -> list[Message]:
    """The messages of a prompt with the values of a case and others filled in."""
    where = f"prompt '{prompt.name}'"
    given = {**case_values(case, where), **values}
    if guard is not None:
        given = {name: guarded(value, guard) for name, value in given.items()}
    messages: list[Message] = whole_text(prompt.render_with_images(given, Path()), where)
    if prompt.origin is not None:
        for tell in on_use:
            tell(prompt.origin, messages)
    return messages


def guarded(value: Any, guard: Guard) -> Any:
    """A value with every text in it, also in lists and dicts, passed through a guard.

    Example:
        >>> guarded({"title": "a", "pages": ["b", 3]}, str.upper)
        {'title': 'A', 'pages': ['B', 3]}
    """
    if isinstance(value, str):
        return guard(value)
    if isinstance(value, Mapping):
        return {key: guarded(item, guard) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [guarded(item, guard) for item in value]
    return value


def case_values(case: Case | Mapping[str, Any] | None, where: str) -> Mapping[str, Any]:
    """A case's values for a prompt's variables.

    Raises:
        PexError: the case is not a mapping.
    """
    if case is None:
        return {}
    if isinstance(case, Mapping):
        return case
    from pex.core.case import Case

    if isinstance(case, Case):
        return case.values
    raise PexError(
        f"{where}: expected a case, or a dict with its values, got {type(case).__name__}",
        hint="for example prompt.openai({'review': 'Nice.'}), or prompt.openai(review='Nice.')",
    )
