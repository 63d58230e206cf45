"""What a prompt registry answers, read without MLflow: a prompt's entry, and one version."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Protocol

from pex.core.errors import PexError
from pex.library.reference import NotThereError as NotThereError  # noqa: PLC0414

IS_PROMPT = "mlflow.prompt.is_prompt"
_TEXT = "mlflow.prompt.text"
_TYPE, _RESPONSE, _CONFIG = (
    f"_mlflow_prompt_{name}" for name in ("type", "response_format", "model_config")
)


class RefusedError(PexError):
    """The registry answers, but it refuses this question, such as a prompt that others own."""


@dataclasses.dataclass(frozen=True, slots=True)
class PromptAnswer:
    """A prompt's entry: the versions of its aliases, its tags, its newest version (0: none)."""

    name: str
    aliases: dict[str, int]
    tags: dict[str, str]
    newest: int


@dataclasses.dataclass(frozen=True, slots=True)
class VersionAnswer:
    """A version, with the names that MLflow's own `PromptVersion` has for its parts."""

    name: str
    version: int
    tags: dict[str, str]
    commit_message: str | None

    @property
    def template(self) -> Any:
        """The text, or the chat messages."""
        text = self.tags.get(_TEXT)
        if text is None:
            raise PexError(
                f"{self.name}/{self.version}: it has no text: it is a model, not a prompt"
            )
        return json.loads(text) if self.tags.get(_TYPE) == "chat" else text

    @property
    def model_config(self) -> dict[str, Any] | None:
        """Model and parameters."""
        return self._json(_CONFIG)

    @property
    def response_format(self) -> dict[str, Any] | None:
        """The format of the answer."""
        return self._json(_RESPONSE)

    @property
    def variables(self) -> set[str]:
        """Unknown without MLflow."""
        return set()

    def _json(self, key: str) -> dict[str, Any] | None:
        found = json.loads(self.tags.get(key) or "null")
        return found if isinstance(found, dict) else None


class RegistryReader(Protocol):
    """Reads a registry; `timeout_s` is for all that one call does."""

    def prompt(self, name: str, timeout_s: float) -> PromptAnswer:
        """A prompt's entry; raises `NotThereError`."""

    def version(self, name: str, number: int, timeout_s: float) -> VersionAnswer:
        """One version; raises `NotThereError`."""

    def names(self, timeout_s: float) -> list[str]:
        """The names of all prompts, for the hint of an error."""
