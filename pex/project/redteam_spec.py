"""The section `redteam:` of `experiment.yaml`: how its prompts are attacked."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class RedteamGate(_Strict):
    """What is enough, for both rates of every variant.

    `max_attack_success` and `max_false_refusals` are limits for the upper end of each rate's
    one-sided 95 % interval; `baseline` and `margin` compare with another variant on the same
    attacks: `resisted` and `task_done` must both be no worse.
    """

    max_attack_success: float | None = Field(default=None, ge=0, le=1)
    """The limit for attacks that worked: the upper end of the one-sided 95 % interval must be
    within it. Example: `0.1`."""
    max_false_refusals: float | None = Field(default=None, ge=0, le=1)
    """The same limit for harmless texts that were not answered as the task wants. Example:
    `0.1`."""
    baseline: str | None = None
    """A variant that the others are compared with on the same attacks. Example: `short`."""
    margin: float = Field(default=0.05, ge=0)
    """How much worse than the baseline is still accepted. Example: `0.05`."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """The one-sided level of the comparison with the baseline. Example: `0.95`."""
    on_undecided: Literal["warn", "fail"] = "warn"
    """What an undecided gate does."""

    @model_validator(mode="after")
    def _says_something(self) -> RedteamGate:
        limits = (self.max_attack_success, self.max_false_refusals)
        if (limits[0] is None) != (limits[1] is None):
            raise ValueError(
                "both rates need a limit, max_attack_success and max_false_refusals: a model that "
                "refuses everything passes any limit on attacks alone"
            )
        if self.baseline is None and limits[0] is None:
            raise ValueError(
                "expected max_attack_success with max_false_refusals, or a baseline, or both"
            )
        return self


class AttackerSpec(_Strict):
    """A model of your own that writes attacks, turn by turn."""

    model: str
    """The model that writes the attacks. Example: `ollama/llama3.2`."""
    turns: int = Field(default=4, ge=1, le=20)
    """The most texts that it writes for one goal. Example: `4`."""
    budget_usd: float = Field(ge=0)
    """The most that its calls and the answers to them may cost, in USD. Example: `2`."""
    attacks: int = Field(default=8, ge=1)
    """How many goals it is given. Example: `8`."""
    prompt: str | None = None
    """A prompt file instead of the built-in one; variables `goal`, `task`, `variable`, `history`.
    Example: `attacks/attacker.prompty`."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The parameters of its calls. Example: `{temperature: 1}`."""


class RedteamSpec(_Strict):
    """How an experiment's prompts are attacked; every key has a default.

    `variables` says which variable of the prompts holds what others write, and what it is.
    """

    suites: list[str] = Field(default_factory=lambda: ["built-in"], min_length=1)
    """The attacks: `built-in`, or files beside the experiment. Example: `[built-in,
    attacks/own.yaml]`."""
    variables: dict[str, Literal["value", "document", "tool_result", "message"]] = Field(
        default_factory=dict
    )
    """Which variable of the prompts holds what others write, and what it is. Example: `{page:
    document}`."""
    converters: list[str] = Field(default_factory=list)
    """How attacks are disguised; by default as each suite says. Example: `[plain, base64]`."""
    per_category: int | None = Field(default=None, ge=1)
    """At most so many attacks of each category. Example: `8`."""
    carriers: int = Field(default=8, ge=1)
    """The number of cases that attacks are added to. Example: `8`."""
    at_least: float = 1.0
    """The value of the experiment's own score from which a task counts as done. Example: `1.0`."""
    tool: str | None = None
    """The tool that attacks want called; by default the first. Example: `send_mail`."""
    judge: dict[str, Any] | None = None
    """A judge for goals that no rule can tell. Example: `{prompt: judges/kept.prompty, model:
    openai/gpt-4.1-mini}`."""
    gate: RedteamGate | None = None
    """The limits for both rates. Example: `{max_attack_success: 0.1, max_false_refusals: 0.1}`."""
    attacker: AttackerSpec | None = None
    """A model of your own that writes attacks. Example: `{model: ollama/llama3.2, budget_usd:
    2}`."""
