"""The rule `judge`: a field that a model compares with what is expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, field_validator

from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.score import Score
from pex.core.variant import ClientModel
from pex.score.judge.judge import Judge
from pex.score.value_rules import FieldRule

JUDGE = "judge"
PENDING = "not judged yet"
"""The reason of a field that its judge has still to look at."""


class JudgeRule(FieldRule):
    """A judge says whether the value is right; only the scorer `fields` can ask it.

    It is asked about a value that is there; one that is missing, or too much, is wrong without it.
    """

    prompt: Any
    """The rubric, or the path of its file. Example: `judges/summary.prompty`."""
    model: Any = None
    """The model that judges; by default that of the prompt's file. Example:
    `openai/gpt-4.1-mini`."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The parameters of its calls. Example: `{max_tokens: 60}`."""
    _shows_expected: bool = PrivateAttr(default=True)

    @field_validator("prompt")
    @classmethod
    def _is_prompt(cls, value: Any) -> Any:
        if not isinstance(value, str | Path | Prompt):
            raise ValueError(f"expected the path of a prompt, got {type(value).__name__}")
        return value

    @field_validator("model")
    @classmethod
    def _is_model(cls, value: Any) -> Any:
        if value is not None and not isinstance(value, str | ClientModel):
            raise ValueError(f"expected provider/model, got {type(value).__name__}")
        return value

    def judge(self, name: str, base: Path, kind: type[Judge] = Judge) -> Judge:
        """The judge that it describes.

        Args:
            name: the name of its score.
            base: the folder that the path of its prompt starts from.
            kind: the class to make.

        Raises:
            PexError: the rubric cannot be used, or gives marks.
        """
        prompt = self.prompt if isinstance(self.prompt, Prompt) else base / self.prompt
        made = kind(prompt, self.model, name, self.params)
        if made.gives_numbers:
            raise PexError(
                f"judge '{name}': a field is right or wrong, but this judge gives numbers",
                hint="its verdict must be yes or no",
            )
        self._shows_expected = "expected" in made.prompt.variables
        return made

    def needs_expected(self) -> bool:
        """Whether its rubric shows the expected value; true as long as it was not read."""
        return self._shows_expected

    def written(self) -> dict[str, Any]:
        """The rule as a file has it; a prompt without a file is named as it would be saved."""
        given = super().written()
        return given if isinstance(given, dict) else {"rule": given}

    def equal(self, value: str | float) -> Score:
        """Not known before it is judged: a rubric can ask for more than equality."""
        return Score(None, reason=PENDING)

    def compare(self, given: Any, wanted: Any) -> Score:
        """Not known before it is judged."""
        return Score(None, reason=PENDING)

    def _without(self, given: Any, wanted: Any) -> Score:
        if given is not None and not self.needs_expected():
            return Score(None, reason=PENDING)
        return super()._without(given, wanted)


def is_judge(rule: Any) -> bool:
    """Whether a rule, or its form in a file, is `judge`."""
    name = rule.get("rule") if isinstance(rule, Mapping) else getattr(rule, "rule", rule)
    return bool(name == JUDGE)


def written_rubrics(item: Any) -> Iterator[dict[str, Any]]:
    """The rules `judge` in a scorer as a file has it: mappings with a `prompt`.

    Example:
        >>> rule = {"rule": "judge", "prompt": "same.prompty"}
        >>> list(written_rubrics({"kind": "fields", "fields": {"a": "text", "b": rule}})) == [rule]
        True
    """
    fields = item.get("fields") if isinstance(item, Mapping) else None
    for rule in fields.values() if isinstance(fields, Mapping) else ():
        if isinstance(rule, dict) and is_judge(rule):
            yield rule


def inline_rubrics(item: Any) -> dict[str, Prompt]:
    """The prompts without a file in the rules `judge` of a scorer as a user gave it, by field."""
    fields = item.get("fields") if isinstance(item, Mapping) else None
    found = {}
    for field, rule in fields.items() if isinstance(fields, Mapping) else ():
        prompt = rule.get("prompt") if isinstance(rule, Mapping) else getattr(rule, "prompt", None)
        if isinstance(prompt, Prompt) and prompt.path is None:
            found[field] = prompt
    return found
