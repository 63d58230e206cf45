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
    max_false_refusals: float | None = Field(default=None, ge=0, le=1)
    baseline: str | None = None
    margin: float = Field(default=0.05, ge=0)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    on_undecided: Literal["warn", "fail"] = "warn"

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
    turns: int = Field(default=4, ge=1, le=20)
    budget_usd: float = Field(ge=0)
    attacks: int = Field(default=8, ge=1)
    """How many goals it is given."""
    prompt: str | None = None
    """A prompt file instead of the built-in one; variables `goal`, `task`, `history`."""
    params: dict[str, Any] = Field(default_factory=dict)


class RedteamSpec(_Strict):
    """How an experiment's prompts are attacked; every key has a default.

    `variables` says which variable of the prompts holds what others write, and what it is.
    """

    suites: list[str] = Field(default_factory=lambda: ["built-in"], min_length=1)
    variables: dict[str, Literal["value", "document", "tool_result", "message"]] = Field(
        default_factory=dict
    )
    converters: list[str] = Field(default_factory=list)
    per_category: int | None = Field(default=None, ge=1)
    carriers: int = Field(default=8, ge=1)
    at_least: float = 1.0
    tool: str | None = None
    judge: dict[str, Any] | None = None
    gate: RedteamGate | None = None
    attacker: AttackerSpec | None = None
