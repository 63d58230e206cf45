"""A judge: a model that scores answers by a rubric."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.call import Answer
from pex.core.canonical_json import digest
from pex.core.cases import Case, known_variables
from pex.core.errors import PexError, nearest
from pex.core.names import check_name
from pex.core.paths import path_text
from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.core.score import WORDS, Score
from pex.core.text import value_text
from pex.core.variant import ClientModel, Variant
from pex.score.base import NOT_EXPECTED, check_expected, is_cut_off
from pex.score.judge.calibration import Calibration
from pex.score.judge.read_verdict import VerdictReader
from pex.score.own_column import expecting, with_column
from pex.score.reading import NoJson, parse_json, shorten
from pex.score.structured import follows

KINDS = ("pointwise", "pairwise")
SIDES = ("first", "second", "tie")
"""A pairwise judge's possible verdicts: the answer shown first, shown second, or neither."""

MIN_KAPPA = 0.6
"""The agreement with people that a judge needs to count as calibrated."""

_WIDEST_SCALE = 100
_NUMERIC = {"boolean", "integer", "number"}
_OF_CASE = ("expected", "case_id", "group", "tags")


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's verdict: a number or yes/no, or a side; `error` if it gave no valid one."""

    value: bool | float | str | None
    reason: str | None = None
    error: str | None = None


class Judge:
    r"""A model that scores each answer, or compares it with a baseline's answer to the same case.

    Its prompt is the rubric. It sees the case's inputs and `expected`, `case_id`, `group`, `tags`;
    a pointwise judge sees the answer as `output`, a pairwise one sees two answers as `first` and
    `second`, and is called twice, with the two swapped. The whole path with its tool calls is
    `tool_path`, or `first_path` and `second_path`. It answers by a JSON Schema; an answer
    without a clear verdict is an error and never a 0.

    Args:
        prompt: the rubric, or the path of its file. Its own response schema needs a `verdict`
            (`yes`/`no`, a number; pairwise `first`/`second`/`tie`) and can have a `reason`; the
            default schema has both.
        model: `provider/model`, or a `pex.Model` of your own client; by default, the model that
            the prompt names.
        name: the name of its score; by default, the prompt's name.
        params: parameters that override the prompt's. The temperature is 0 unless it is given; if
            it is None it is not sent, for models that do not accept one.
        kind: `pointwise` or `pairwise`; by default, pairwise if there is a baseline.
        baseline: the variant, prompt or model whose answers a pairwise judge compares with.
        scale: the lowest and the highest whole number that it can give, for example (1, 5).
        checks: the ids of the experiment's requirements that its score checks.
        column: a column of the cases that it sees as `expected`; it does not judge answers to a
            case without a value there.

    Raises:
        PexError: the prompt does not show the answer, the schema has no verdict that can be a
            score, a pairwise judge has no baseline, or there is no model.

    Example:
        >>> rubric = Prompt("Is this reply polite?\n{{ output }}", name="polite")
        >>> judge = Judge(rubric, "local/smollm2")
        >>> judge.read(Answer(output='{"reason": "It says please.", "verdict": "yes"}'))
        Verdict(value=True, reason='It says please.', error=None)
    """

    def __init__(
        self,
        prompt: Prompt | str | Path,
        model: str | ClientModel | None = None,
        name: str | None = None,
        params: Mapping[str, Any] | None = None,
        kind: str | None = None,
        baseline: str | None = None,
        scale: Sequence[int] | None = None,
        checks: Sequence[str] | str = (),
        column: str | None = None,
    ) -> None:
        self.prompt = prompt if isinstance(prompt, Prompt) else Prompt.load(prompt)
        self.name = check_name(self.prompt.name if name is None else name, "score name")
        where = f"judge '{self.name}'"
        self.kind = _kind(kind, baseline, where)
        self.baseline = baseline
        self.scale = _scale(scale, self.kind, self.prompt.response_schema is not None, where)
        self.checks = (checks,) if isinstance(checks, str) else tuple(checks)
        self.column = column
        named = model.ref if isinstance(model, ClientModel) else model
        self._given = (named, dict(params or {}))
        self._check_shown(where)
        schema = self.prompt.response_schema or _default_schema(self.kind, self.scale)
        _check_verdict(schema, self.kind, where)
        verdict = schema["properties"]["verdict"]
        definitions = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
        try:
            self._valid = follows(schema)
            self._reader = VerdictReader(verdict, follows({**verdict, **definitions}))
        except PexError as error:
            raise PexError(f"{where}: {error.message}", hint=error.hint) from None
        wanted = {"temperature": 0, **self.prompt.params, **(params or {})}
        asked = self.prompt.changed(
            params={key: value for key, value in wanted.items() if value is not None},
            response_schema=schema,
        )
        self.variant = Variant(asked, model or self.prompt.model or "", name=self.name)
        """The variant that is called: the prompt with its schema and parameters, and the model."""

    def __repr__(self) -> str:
        against = f" against '{self.baseline}'" if self.baseline else ""
        return clean(f"Judge '{self.name}': {self.kind}{against}, {self.model}")

    @property
    def model(self) -> str:
        """`provider/model`."""
        return self.variant.model

    @property
    def pairwise(self) -> bool:
        """Whether it compares two answers."""
        return self.kind == "pairwise"

    @property
    def gives_numbers(self) -> bool:
        r"""Whether its verdicts are numbers, such as marks from 1 to 5, and not yes or no.

        Example:
            >>> rubric = Prompt("How polite is this reply?\n{{ output }}", name="polite")
            >>> Judge(rubric, "local/smollm2").gives_numbers
            False
            >>> Judge(rubric, "local/smollm2", scale=(1, 5)).gives_numbers
            True
        """
        verdict = (self.variant.prompt.response_schema or {})["properties"]["verdict"]
        values = [verdict["const"]] if "const" in verdict else verdict.get("enum")
        if isinstance(values, list):
            return any(isinstance(value, int | float) and value not in (0, 1) for value in values)
        bounds = (verdict.get("minimum"), verdict.get("maximum"))
        kinds = str(verdict.get("type"))
        if "number" in kinds or ("integer" in kinds and bounds == (None, None)):
            return True
        return any(b not in (None, 0, 1) for b in bounds)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that its verdicts depend on: if any of it differs, it is a different judge."""
        asked = self.variant.prompt
        return {
            "prompt": digest(
                [list(asked.messages), asked.response_schema, asked.tools, asked.defaults]
            ),
            "model": self.model,
            "params": dict(asked.params),
        }

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with its prompt, model and parameters."""
        return digest(self.identity)

    def check(self, cases: Sequence[Case]) -> None:
        """Check that its prompt can be filled in.

        Raises:
            PexError: no case has one of its variables, or expected answers that it shows.
        """
        if "canary" in self.prompt.hides:
            raise PexError(
                f"judge '{self.name}': {{{{ canary }}}} is for the prompts that are tested",
                hint="the scorer 'canary' finds one in their answers, without a model",
            )
        columns = list(known_variables(cases))
        known = [*columns, *_OF_CASE, *self._shown(), *self._paths()]
        for name in self.prompt.variables:
            if name not in known and name not in self.prompt.defaults:
                raise PexError(
                    f"judge '{self.name}': no case has a value for '{{{{ {name} }}}}'",
                    hint=nearest(name, known),
                )
        if self.column is not None:
            with_column(cases, self.column, self.name)
        elif self._shows_expected:
            check_expected(cases, self.name)

    def applies(self, case: Case) -> bool:
        """Whether it can judge answers to a case: no if it shows a missing expected answer."""
        needed = self.column is not None or self._shows_expected
        return not needed or expecting(case, self.column).expected is not None

    def settled(self, case: Case, answer: Answer) -> Score | None:
        """The score of an answer that it need not be asked about, else None."""
        return None if self.applies(case) else Score(None, reason=NOT_EXPECTED)

    def question(self, case: Case, *answers: Answer) -> Case:
        """The values of its prompt's variables: from the case, and the answer or two to compare."""
        case = expecting(case, self.column)
        values = dict(case.values)
        values |= {"case_id": case.id, "group": case.group, "tags": list(case.tags)}
        values |= dict(zip(self._shown(), map(_text, answers), strict=True))
        for name, answer in zip(self._paths(), answers, strict=True):
            if name in self.prompt.variables:
                values[name] = path_text(answer)
        values.pop("expected", None)
        if case.expected is not None or "expected" not in self.prompt.defaults:
            values["expected"] = case.expected
        return Case(case.id, values, group=case.group)

    def read(self, answer: Answer) -> Verdict:
        """Read the verdict in its answer; an answer without a clear, allowed verdict is an error.

        Case, Markdown, surrounding text, further keys and a missing reason do not matter.
        """
        if answer.error is not None:
            return Verdict(None, error=f"the judge gave no answer: {answer.error}")
        output = answer.output or ""
        cut = is_cut_off(answer)
        try:
            said, problem = self._strictly(output)
            if problem is not None and not cut:
                said = self._reader.read(output)
        except TimeoutError as error:
            said, problem = None, str(error)
        if said is None:
            why = " (cut off: it needs more max_tokens)" * cut
            shown = shorten(output.strip()) or "nothing"
            return Verdict(None, error=f"no valid verdict{why}: {problem}; it said: {shown}")
        value, reason = said
        if isinstance(value, str) and not self.pairwise:
            value = WORDS[value.casefold()]
        return Verdict(value, reason)

    def _strictly(self, output: str) -> tuple[tuple[Any, str | None] | None, str | None]:
        """Verdict and reason of an answer that follows the schema, or the first mismatch."""
        said = parse_json(output)
        problem = (
            f"not valid JSON: {said.reason}" if isinstance(said, NoJson) else self._valid(said)
        )
        if problem is not None:
            return None, shorten(problem)
        reason = said.get("reason")
        text = reason if reason is None or isinstance(reason, str) else value_text(reason)
        return (said["verdict"], text), None

    def to_dict(self) -> dict[str, Any]:
        """Its form in `experiment.yaml`."""
        model, params = self._given
        path = self.prompt.path
        item: dict[str, Any] = {
            "name": self.name,
            "kind": "judge",
            "prompt": f"judges/{self.name}.prompty" if path is None else str(path),
        }
        optional = {
            "model": model,
            "params": params,
            "baseline": self.baseline,
            "scale": list(self.scale) if self.scale else None,
            "checks": list(self.checks),
            "column": self.column,
        }
        return item | {key: value for key, value in optional.items() if value}

    @property
    def calibration_path(self) -> Path | None:
        """The path of its calibration, beside its prompt; None if the prompt has no file."""
        path = self.prompt.path
        return None if path is None else path.with_suffix(".calibration.json")

    @property
    def calibration(self) -> Calibration | None:
        """Its agreement with people, if measured with exactly this prompt and model."""
        found = self._measured()
        return found if found is not None and found.judge == self.identity else None

    def calibrated(self, min_kappa: float = MIN_KAPPA) -> tuple[bool, str]:
        """Whether it agrees with people well enough to decide something, and the reason.

        Args:
            min_kappa: the lowest kappa; its interval must also exclude agreement by chance.
        """
        found = self._measured()
        if found is None:
            return False, "uncalibrated: no human ratings"
        now = self.identity
        changed = [key for key in ("prompt", "model", "params") if found.judge.get(key) != now[key]]
        if changed:
            what = {"prompt": "prompt has", "model": "model has", "params": "parameters have"}
            return False, f"uncalibrated: the {what[changed[0]]} changed since"
        return found.enough(min_kappa)

    def _measured(self) -> Calibration | None:
        path = self.calibration_path
        return Calibration.load(path) if path is not None and path.is_file() else None

    def _shown(self) -> tuple[str, ...]:
        """The names of the answers in the prompt."""
        return ("first", "second") if self.pairwise else ("output",)

    def _paths(self) -> tuple[str, ...]:
        """The names of the paths in the prompt, in the order of the answers."""
        return ("first_path", "second_path") if self.pairwise else ("tool_path",)

    @property
    def _shows_expected(self) -> bool:
        return "expected" in self.prompt.variables and "expected" not in self.prompt.defaults

    def _check_shown(self, where: str) -> None:
        shown = zip(self._shown(), self._paths(), strict=True)
        missing = [pair[0] for pair in shown if not {*pair} & {*self.prompt.variables}]
        if missing:
            other = "output" in self.prompt.variables
            raise PexError(
                f"{where}: its prompt does not show the answer: "
                f"'{{{{ {missing[0]} }}}}' is missing",
                hint="'output' is what a judge without a baseline sees"
                if self.pairwise and other
                else None,
            )


def _kind(kind: str | None, baseline: str | None, where: str) -> str:
    given = kind or ("pairwise" if baseline else "pointwise")
    if given not in KINDS:
        raise PexError(
            f"{where}: kind '{given}': expected pointwise or pairwise", hint=nearest(given, KINDS)
        )
    if given == "pairwise" and not baseline:
        raise PexError(
            f"{where}: a pairwise judge needs a baseline",
            hint="baseline= names the variant, prompt or model that it compares with",
        )
    if given == "pointwise" and baseline:
        raise PexError(f"{where}: a pointwise judge has no baseline")
    return given


def _scale(
    scale: Sequence[int] | None, kind: str, has_schema: bool, where: str
) -> tuple[int, int] | None:
    if scale is None:
        return None
    if has_schema or kind == "pairwise":
        what = "the response schema of its prompt" if has_schema else "a pairwise judge"
        raise PexError(f"{where}: scale: {what} already defines the verdict")
    ends = list(scale)
    whole = all(isinstance(end, int) and not isinstance(end, bool) for end in ends)
    if len(ends) != 2 or not whole or not 0 < ends[1] - ends[0] <= _WIDEST_SCALE:
        raise PexError(
            f"{where}: scale: expected two whole numbers, the lowest and the highest, at most "
            f"{_WIDEST_SCALE} apart, got {scale!r}",
            hint="for example [1, 5]",
        )
    return ends[0], ends[1]


def _default_schema(kind: str, scale: tuple[int, int] | None) -> dict[str, Any]:
    verdict: dict[str, Any] = {"type": "string", "enum": ["yes", "no"]}
    if kind == "pairwise":
        verdict = {"type": "string", "enum": list(SIDES)}
    elif scale:
        verdict = {"type": "integer", "enum": list(range(scale[0], scale[1] + 1))}
    # The reason comes first: a model that writes from left to right then thinks before it
    # decides.
    properties = {"reason": {"type": "string"}, "verdict": verdict}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _check_verdict(schema: Mapping[str, Any], kind: str, where: str) -> None:
    """Raise a `PexError` unless every valid answer has a verdict that can be a score."""
    properties = schema.get("properties")
    verdict = properties.get("verdict") if isinstance(properties, Mapping) else None
    required = schema.get("required")
    if (
        schema.get("type") != "object"
        or not isinstance(verdict, Mapping)
        or not isinstance(required, list)
        or "verdict" not in required
    ):
        raise PexError(
            f"{where}: the response schema must be an object with the required property 'verdict'",
            hint="without a schema, the judge gives a reason and a verdict",
        )
    values = [verdict["const"]] if "const" in verdict else verdict.get("enum")
    if kind == "pairwise":
        fits = isinstance(values, list) and set(map(str, values)) <= set(SIDES)
        expected = "one of 'first', 'second', 'tie'"
    else:
        fits = all(map(_scores, values)) if isinstance(values, list) else _numeric(verdict)
        expected = "yes or no, true or false, or a number"
    if not fits:
        shown = json.dumps(verdict, ensure_ascii=False)
        raise PexError(f"{where}: the verdict must be {expected}, got the schema {shorten(shown)}")


def _scores(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and value.casefold() in WORDS)


def _numeric(verdict: Mapping[str, Any]) -> bool:
    kinds = verdict.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds
    return isinstance(names, list) and bool(names) and set(names) <= _NUMERIC


def _text(answer: Answer) -> str:
    """An answer as a judge reads it; if it only calls tools, the tool calls."""
    if answer.output is None and answer.tool_calls:
        return json.dumps(answer.tool_calls, ensure_ascii=False)
    return answer.output or ""
