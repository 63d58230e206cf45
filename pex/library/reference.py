"""References to prompts of the library: `name`, `name@alias` or `name/version`."""

from __future__ import annotations

import dataclasses
import re

from pex.core.errors import PexError
from pex.core.names import LIBRARY, check_name

_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,255}")


class NotThereError(PexError):
    """The registry has no such prompt, alias or version."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """A prompt by alias or by version; the latest version if neither is given."""

    name: str
    alias: str | None = None
    version: int | None = None

    def __str__(self) -> str:
        if self.alias is not None:
            return f"{self.name}@{self.alias}"
        return self.name if self.version is None else f"{self.name}/{self.version}"


def is_reference(text: str) -> bool:
    """Whether a text refers to a prompt in the library, not to a file.

    Example:
        >>> is_reference("library:short@champion"), is_reference("prompts/short.prompty")
        (True, False)
    """
    return text.startswith(LIBRARY)


def parse_reference(text: str) -> Reference:
    """Parse a reference, with or without the prefix `library:`.

    Raises:
        PexError: the name, the alias or the version is not valid.

    Example:
        >>> parse_reference("library:review-sentiment@champion")
        Reference(name='review-sentiment', alias='champion', version=None)
        >>> parse_reference("review-sentiment/three")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: 'review-sentiment/three': expected a version number from 1
          for example 'review-sentiment/3'
    """
    short = text.removeprefix(LIBRARY)
    name, mark, rest = [*re.split("([@/])", short, maxsplit=1), "", ""][:3]
    check_name(name, "prompt name")
    if mark == "/":
        if not re.fullmatch("[1-9][0-9]*", rest):
            raise PexError(
                f"'{text}': expected a version number from 1",
                hint=f"for example '{name}/3'",
            )
        return Reference(name, version=int(rest))
    if mark == "@" and rest.lower() != "latest":
        return Reference(name, alias=check_alias(rest))
    return Reference(name)


def check_alias(alias: str) -> str:
    """Return `alias` if MLflow accepts it.

    Raises:
        PexError: it has invalid characters, or MLflow reserves the name.

    Example:
        >>> check_alias("v3")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: alias 'v3': MLflow reserves this name
          version 3 of a prompt is 'name/3' without an alias
    """
    if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
        raise PexError(
            f"alias {alias!r}: only letters, digits, '_' and '-' may be used",
            hint="for example 'champion'",
        )
    if alias.lower() == "latest":
        raise PexError(
            f"alias '{alias}': MLflow reserves this name",
            hint="the latest version of a prompt is 'name' without an alias",
        )
    if re.fullmatch("[vV][0-9]+", alias):
        raise PexError(
            f"alias '{alias}': MLflow reserves this name",
            hint=f"version {alias[1:]} of a prompt is 'name/{alias[1:]}' without an alias",
        )
    return alias


def model_alias(alias: str, model: str) -> str:
    """The alias of the version that is for one model.

    Args:
        alias: the general alias.
        model: the model, with or without its provider.

    Example:
        >>> model_alias("champion", "openai/gpt-5-mini"), model_alias("champion", "llama3.2:1b")
        ('champion--gpt-5-mini', 'champion--llama3-2-1b')
    """
    short = model.partition("/")[2] or model
    return check_alias(f"{alias}--{re.sub('[^A-Za-z0-9_-]', '-', short)}")
