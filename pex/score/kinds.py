"""The kinds of scorers that a file can name, and their options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pex.core import jsontext
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.textfile import read_text
from pex.core.values import as_text, as_written
from pex.project.functions import import_callable
from pex.project.spec import Strict
from pex.score import (
    clean,
    field_plan,
    field_scorers,
    label,
    number,
    record_matching,
    structured,
    text,
    value_rules,
)
from pex.score.base import Rule, check_expected
from pex.score.field_judge import field_judges
from pex.score.function import callable_rule
from pex.score.judge.goal import goal_rubric
from pex.score.judge.judge import Judge
from pex.score.judge_rule import is_judge
from pex.score.tool_path import COLUMN, ToolCallOptions, ToolCalls
from pex.score.tool_path_steps import ForbiddenTools, Steps
from pex.score.turns import Turns
from pex.score.world import EXPECTED, State, world_rule


def _as_label(value: Any) -> Any:
    """A label as it was written: `01` and `1.10` are strings in a YAML file too."""
    return as_text(value) if isinstance(value, float) else as_written(value)


def _as_list(value: Any) -> Any:
    """One id without brackets is a list of one."""
    return [as_text(as_written(value))] if isinstance(value, str | int | float) else value


LabelText = Annotated[str | bool | int, BeforeValidator(_as_label)]


class Kind(Strict):
    """The options of every kind of scorer."""

    kind: str
    """The kind of scorer. Example: `length`."""
    name: str | None = None
    """The name of the score; by default the kind or the function. Example: `polite`."""
    checks: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    """The ids of the requirements that it checks. Example: `[R3]`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        """The rule that these options describe.

        Raises:
            PexError: the rule cannot use an option or an expected answer.
        """
        raise NotImplementedError(self.kind)

    def default_name(self) -> str:
        """The name of the score if the user gives none."""
        return self.kind

    def needs_expected(self) -> bool:
        """Whether the scorer compares with an expected answer."""
        return True

    def gives_numbers(self) -> bool:
        """Whether the score is a number, neither a yes or no nor a share of them."""
        return False

    def imports(self) -> str | None:
        """The `module:function` that it needs, which is imported only when an experiment runs."""
        return None


class OfTurns(Kind):
    """A scorer of answers that can look at a conversation in three ways."""

    turns: Turns = "last"
    """Of a conversation: the last answer, each answer, or the whole as one text."""


class OfColumn(OfTurns):
    """A scorer that can read what it expects from a column of its own."""

    column: str | None = None
    """The column of the cases with what is expected, instead of `expected`; a case without a value
    there is not scored. Example: `must_have`."""


class _Exact(OfColumn):
    ignore_case: bool = False
    """Whether upper and lower case are the same. Example: `true`."""
    strip: bool = True
    """Whether white space at both ends is ignored. Example: `true`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.exact(self.ignore_case, self.strip)


class _Contains(OfColumn):
    ignore_case: bool = True
    """Whether upper and lower case are the same. Example: `true`."""
    value: str | list[str] | None = None
    """What it must contain, instead of the expected answer; of a list, all. Example: `[refund, 14
    days]`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.contains(self.ignore_case, self.value)

    def needs_expected(self) -> bool:
        return self.value is None


class _Regex(OfColumn):
    pattern: str | None = None
    """The pattern, instead of the expected answer. Example: `"(?i)sorry"`."""
    ignore_case: bool = False
    """Whether upper and lower case are the same. Example: `true`."""
    full: bool = False
    """Whether the whole answer must match. Example: `true`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.regex(self.pattern, self.ignore_case, self.full, cases)

    def needs_expected(self) -> bool:
        return self.pattern is None


class _Label(OfTurns):
    labels: list[LabelText] | None = Field(default=None, min_length=1)
    """The labels; by default all that the cases expect. Example: `[positive, negative]`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return label.label(label.allowed_labels(self.labels, cases))


class _Json(OfColumn):
    schema_: dict[str, Any] | str | None = Field(default=None, alias="schema")
    """A JSON Schema that the answer must follow: an object, or a file. Example:
    `schemas/review.json`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        schema = self.schema_
        if isinstance(schema, str):
            path = base / schema
            try:
                schema = jsontext.loads(read_text(path, "schema"))
            except ValueError as error:
                raise PexError(f"schema {path}: not valid JSON: {error}") from None
            if not isinstance(schema, dict):
                raise PexError(f"schema {path}: not a JSON Schema: it must be an object")
        if self.column is not None:
            if schema is not None:
                raise PexError("give 'schema', or 'column' with a schema for each case, not both")
            return structured.follows_expected(cases)
        return structured.valid_json(schema)

    def needs_expected(self) -> bool:
        return self.column is not None


class _Number(OfTurns):
    tolerance: float = Field(default=0.0, ge=0)
    """How far off the number may be, in its own unit. Example: `0.01`."""
    relative: float = Field(default=0.0, ge=0)
    """How far off it may be, as a share of the expected one. Example: `0.001`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        number.check_numbers(cases)
        return number.number(self.tolerance, self.relative)


class _OfFields(OfTurns):
    """A scorer of structured answers, field by field."""

    fields: (
        Annotated[list[str], Field(min_length=1)]
        | Annotated[dict[str, Any], Field(min_length=1)]
        | None
    ) = None
    """The fields that are compared, with a rule for each; or their names. Example: `{total: {rule:
    number, tolerance: 0.01}, vendor.city: text}`."""
    required: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    """Fields that must be there. Example: `[total]`."""
    forbidden: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    """Fields that must not be there. Example: `[notes]`."""

    def plan(self) -> field_plan.FieldPlan:
        """The fields that are compared, and how."""
        judges = self.kind == "fields"
        return field_plan.make_plan(self.fields, self.required, self.forbidden, judges)

    def written(self) -> dict[str, Any]:
        """The options as a file has them."""
        return {
            name: value_rules.written(getattr(self, name))
            for name in type(self).model_fields
            if name in self.model_fields_set and name != "checks"
        }


class FieldsKind(_OfFields):
    """`fields`: the fields of one object."""

    def rule(self, cases: Sequence[Case], base: Path) -> field_scorers.Fields:
        """The rule that these options describe."""
        plan = self.plan()
        made = field_scorers.Fields(plan, self.written())
        made.judges = field_judges(made, plan, self.name or self.kind, base)
        if made.judges and self.turns != "last":
            raise PexError(
                f"turns: {self.turns}: a judge of a field sees the last answer only",
                hint="leave out turns, or use a judge as a scorer of its own",
            )
        if made.judges and plan.needs_expected:
            check_expected(cases, self.name or self.kind)
        field_plan.check_plan(plan, cases)
        return made

    def scorer(self) -> field_scorers.Fields:
        """The same, not compared with any cases."""
        return field_scorers.Fields(self.plan(), self.written())

    def needs_expected(self) -> bool:
        """False if something is checked in every case: required or forbidden fields, a judge.

        Whether the rubric of a judge shows the expected value is known once it is read.
        """
        judged = isinstance(self.fields, dict) and any(map(is_judge, self.fields.values()))
        return not (self.required or self.forbidden or judged)


class RecordsKind(_OfFields):
    """`records`: a list of records."""

    path: str | None = None
    """Where the list is; by default the answer itself, or its only list. Example: `lines`."""
    match_by: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    """The fields by which records are matched; by default all. Example: `[sku]`."""
    threshold: float = Field(default=record_matching.THRESHOLD, gt=0, le=1, strict=True)
    """How much of a record must be right for it to be that record, from 0 to 1. Example: `0.5`."""

    def rule(self, cases: Sequence[Case], base: Path) -> field_scorers.Records:
        """The rule that these options describe."""
        rule = self.scorer()
        field_scorers.check_records(rule, self.plan(), cases)
        return rule

    def scorer(self) -> field_scorers.Records:
        """The same, not compared with any cases."""
        options = (self.path, self.match_by, self.threshold, self.written())
        return field_scorers.Records(self.plan(), *options)


class _Similarity(OfColumn):
    ignore_case: bool = False
    """Whether upper and lower case are the same. Example: `true`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.similarity(self.ignore_case)

    def gives_numbers(self) -> bool:
        return True


class _Length(OfTurns):
    # Strict: `max_words: true` is a mistake, not the number 1.
    max_words: int | None = Field(default=None, ge=0, strict=True)
    """The most words. Example: `80`."""
    min_words: int | None = Field(default=None, ge=0, strict=True)
    """The fewest words. Example: `5`."""
    max_chars: int | None = Field(default=None, ge=0, strict=True)
    """The most characters. Example: `400`."""
    min_chars: int | None = Field(default=None, ge=0, strict=True)
    """The fewest characters. Example: `20`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.length(self.max_words, self.min_words, self.max_chars, self.min_chars)

    def needs_expected(self) -> bool:
        return False

    def gives_numbers(self) -> bool:
        return self.max_words is self.min_words is self.max_chars is self.min_chars is None


class _Latency(Kind):
    max_s: float | None = Field(default=None, gt=0)
    """The most seconds; without it the score is the seconds. Example: `2`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.latency(self.max_s)

    def needs_expected(self) -> bool:
        return False

    def gives_numbers(self) -> bool:
        return self.max_s is None


class _OfOutput(OfTurns):
    """A check of answers: it needs no expected one."""

    allow: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    """Texts that are no finding. Example: `[https://shop.example/returns]`."""

    def needs_expected(self) -> bool:
        return False

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return clean.clean(self.kind, allow=self.allow)


class _PromptLeak(_OfOutput):
    letters: int | None = Field(default=None, ge=20, strict=True)
    """How many letters in a row of the instructions are a leak. Example: `40`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return clean.clean(self.kind, allow=self.allow, letters=self.letters)


class _Links(_OfOutput):
    hosts: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    """Hosts that links may lead to. Example: `[shop.example]`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return clean.clean(self.kind, allow=self.allow, hosts=self.hosts)


class _LeakedData(_OfOutput):
    own_data: bool = True
    """Whether personal data of the case and the prompt may be said. Example: `false`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return clean.clean(self.kind, allow=self.allow, own_data=self.own_data)


class _Canary(Kind):
    def needs_expected(self) -> bool:
        return False

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return clean.canary()


class FunctionKind(OfTurns):
    """`function`: a function in a module of the project or of an installed package."""

    function: str
    """The function, as `module:function`. Example: `house_rules:polite`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        """Import the function."""
        return callable_rule(import_callable(self.function), cases)

    def default_name(self) -> str:
        """The function's own name."""
        return self.function.partition(":")[2] or self.kind

    def needs_expected(self) -> bool:
        """Unknown for a function, therefore False."""
        return False

    def imports(self) -> str | None:
        """The function itself."""
        return self.function


class JudgeKind(Kind):
    """A model that scores; it makes a judge instead of a rule."""

    prompt: str
    """The judge's prompt file, its rubric. Example: `judges/polite.prompty`."""
    model: str | None = None
    """The model that judges; by default that of the prompt's file. Example:
    `openai/gpt-4.1-mini`."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The parameters of its calls. Example: `{max_tokens: 60}`."""
    baseline: str | None = None
    """The variant whose answers the others are compared with, in pairs. Example: `short`."""
    scale: list[Annotated[int, Field(strict=True)]] | None = None
    """The lowest and the highest grade, instead of yes or no. Example: `[1, 5]`."""
    column: str | None = None
    """The column of the cases that it sees as `expected`; a case without a value there is not
    judged. Example: `must_have`."""

    def judge(self, base: Path) -> Judge:
        """The judge that these options describe; its prompt's path starts from `base`."""
        path = base / self.prompt
        return Judge(
            path,
            self.model,
            self.name,
            self.params,
            baseline=self.baseline,
            scale=self.scale,
            checks=self.checks,
            column=self.column,
        )


class GoalKind(JudgeKind):
    """`goal`: a judge that sees the whole path; it has a rubric of its own."""

    prompt: str | None = None  # type: ignore[assignment]
    """A rubric of your own, instead of the built-in one. Example: `judges/goal.prompty`."""
    goal: str = "goal"
    """The column of the cases that says what the goal is. Example: `goal`."""

    def judge(self, base: Path) -> Judge:
        """The judge; without a prompt, with the rubric of `goal`."""
        name = self.name or self.kind
        return Judge(
            goal_rubric(self.goal, name) if self.prompt is None else base / self.prompt,
            self.model,
            name,
            self.params,
            baseline=self.baseline,
            scale=self.scale,
            checks=self.checks,
            column=self.column,
        )


class _OfPath(Kind):
    """A check of a path: what it needs is in columns of their own, or in its options."""

    def needs_expected(self) -> bool:
        return False


class _ToolCalls(_OfPath):
    order: str = "exact"
    """How the calls are compared: `exact`, `in_order`, `any_order`, `subset` or `superset`.
    Example: `in_order`."""
    arguments: str = "exact"
    """How arguments are compared: `exact`, `expected` (others may be added) or `ignore`. Example:
    `expected`."""
    rules: dict[str, Any] = Field(default_factory=dict)
    """Rules for arguments of one tool, or of all. Example: `{refund.amount: {rule: number,
    tolerance: 0.01}}`."""
    column: str = COLUMN
    """The column of the cases with the right calls. Example: `expected_calls`."""
    calls: list[Any] | None = None
    """The right calls of all cases that say nothing. Example: `[{name: look_up}]`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        how = (self.order, self.arguments, self.rules, self.column, self.calls)
        return ToolCalls(ToolCallOptions(*how), cases)


class _Steps(_OfPath):
    # Strict: `max: true` is a mistake, not the number 1.
    max: int | None = Field(default=None, ge=0, strict=True)
    """The most requests to the model. Example: `6`."""
    max_calls: int | None = Field(default=None, ge=0, strict=True)
    """The most calls of tools. Example: `8`."""
    max_failed: int | None = Field(default=None, ge=0, strict=True)
    """The most calls without a proper reply. Example: `0`."""
    max_repeated: int | None = Field(default=None, ge=0, strict=True)
    """The most calls of the same tool with the same arguments. Example: `1`."""
    max_wasted: int | None = Field(default=None, ge=0, strict=True)
    """The most calls that brought nothing new. Example: `0`."""

    def limits(self) -> dict[str, int]:
        """The limits that are given, by what they limit."""
        given = {
            "steps": self.max,
            "calls": self.max_calls,
            "failed": self.max_failed,
            "repeated": self.max_repeated,
            "wasted": self.max_wasted,
        }
        return {name: most for name, most in given.items() if most is not None}

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return Steps(self.limits())

    def gives_numbers(self) -> bool:
        return not self.limits()


class _ForbiddenTools(_OfPath):
    tools: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    """Tools that must not be called. Example: `[delete_customer]`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return ForbiddenTools(self.tools, cases)


class StateKind(_OfPath):
    """`state`: the made world after a path, by a function or as the case expects it."""

    function: str | None = None
    """A function that looks at the made world, as `module:function`. Example:
    `desk_checks:books_balance`."""
    rules: dict[str, Any] = Field(default_factory=dict)
    """Rules by place in the world, with `*` for one name. Example: `{orders.*.total: {rule: number,
    tolerance: 0.01}}`."""
    rest: str = "unchanged"
    """What the rest of the world must be: `unchanged`, or `ignore`. Example: `ignore`."""
    column: str = EXPECTED
    """The column of the cases with the expected world. Example: `expected_world`."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        """Import the function, or compare with the expected world."""
        if self.function is not None:
            return world_rule(import_callable(self.function), cases)
        return State(self.rules, self.rest, self.column, cases)

    def imports(self) -> str | None:
        """The function, if it has one."""
        return self.function


KINDS: dict[str, type[Kind]] = {
    "exact": _Exact,
    "contains": _Contains,
    "regex": _Regex,
    "label": _Label,
    "json": _Json,
    "number": _Number,
    "fields": FieldsKind,
    "records": RecordsKind,
    "similarity": _Similarity,
    "length": _Length,
    "latency": _Latency,
    "canary": _Canary,
    "prompt_leak": _PromptLeak,
    "links": _Links,
    "leaked_data": _LeakedData,
    "invisible": _OfOutput,
    "unsafe_markup": _OfOutput,
    "function": FunctionKind,
    "judge": JudgeKind,
    "tool_calls": _ToolCalls,
    "steps": _Steps,
    "forbidden_tools": _ForbiddenTools,
    "state": StateKind,
    "goal": GoalKind,
}
