"""OpenAI's hosted Evals, as people have exported them: the eval, its runs, their output items.

A file has one of these objects, a list of them, or an object with them in any of its values: the
eval says how answers are checked, a run which messages were sent to which model, output items what
came back. With output items alone there are only results.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.importers.imported import Imported, Note, new_name, unreadable
from pex.importers.read_rows import read_json
from pex.importers.shared_messages import said_in, shared_messages
from pex.importers.variables import literal
from pex.score.judge.judge import Judge

TOOL = "OpenAI Evals"
EVAL, RUN, ITEM = "eval", "eval.run", "eval.run.output_item"
_VARIABLE = re.compile(r"\{\{\s*(item|sample)\.([A-Za-z_][\w.]*)\s*\}\}")
_WHOLE = re.compile(r"\s*\{\{\s*(item|sample)\.([A-Za-z_][\w.]*)\s*\}\}\s*")
_PARAMS = ("temperature", "top_p", "seed", "max_completion_tokens", "reasoning_effort")
_DEEPEST = 6


@dataclasses.dataclass(frozen=True, slots=True)
class Export:
    """What an export has: evals, runs, and output items."""

    evals: Sequence[Mapping[str, Any]]
    runs: Sequence[Mapping[str, Any]]
    items: Sequence[Mapping[str, Any]]


def is_openai_eval(path: Path, text: str) -> bool:
    """Whether a file has an eval or a run of OpenAI's hosted Evals."""
    json_like = text.lstrip("\ufeff \t\r\n").startswith(("{", "["))
    return json_like and '"testing_criteria"' in text and '"data_source' in text


def has_output_items(text: str) -> bool:
    """Whether a file has output items, but no eval: then it is a file of results.

    Example:
        >>> has_output_items('[{"object": "eval.run.output_item", "results": []}]')
        True
    """
    return f'"{ITEM}"' in text and '"data_source_config"' not in text


def read_export(path: Path) -> Export:
    """Read what an export has, wherever it is in the file.

    Raises:
        PexError: it is not valid JSON.
    """
    found: dict[str, list[Mapping[str, Any]]] = {EVAL: [], RUN: [], ITEM: []}
    for value in _objects(read_json(path, TOOL), 0):
        kind = value.get("object")
        if kind not in found:
            kind = EVAL if "data_source_config" in value and "testing_criteria" in value else None
        if kind is not None:
            found[kind].append(value)
    return Export(found[EVAL], found[RUN], found[ITEM])


def _objects(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """The objects of OpenAI in a value; what is inside of one is a part of it."""
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        known = value.get("object") in (EVAL, RUN, ITEM)
        if known or ("data_source_config" in value and "testing_criteria" in value):
            yield value
        inner = (
            [value[key] for key in ("runs", "output_items") if key in value]
            if known
            else [*value.values()]
        )
        for item in inner:
            yield from _objects(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item, depth + 1)


def read_openai_eval(path: Path) -> Imported:
    """Read an eval with its runs and items as an experiment.

    Raises:
        PexError: there is no eval in the file, or several, or no items.
    """
    export = read_export(path)
    if len(export.evals) != 1:
        many = "no eval" if not export.evals else f"{len(export.evals)} evals"
        raise unreadable(path, f"it has {many}, expected one", TOOL)
    (spec,) = export.evals
    notes: list[Note] = []
    cases = _cases(export, notes)
    prompts, models, params = _of_runs(export, cases, notes)
    if not prompts and not cases:
        hint = "export its runs, or their output items, into the same file"
        raise unreadable(path, "it has neither messages nor items", TOOL, hint)
    named = {key for case in cases for key in case.inputs}
    scorers, cases = _scorers(spec.get("testing_criteria") or [], cases, named, notes)
    notes.append(Note("items", "taken over", count=len(cases)))
    return Imported(
        tool=TOOL,
        name=str(spec.get("name") or path.stem),
        prompts=prompts,
        models=models,
        params=params,
        cases=cases,
        scorers=scorers,
        purpose=str((spec.get("metadata") or {}).get("description") or ""),
        notes=notes,
    )


def _cases(export: Export, notes: list[Note]) -> list[Case]:
    rows: dict[str, Mapping[str, Any]] = {}
    for item in export.items:
        row = item.get("datasource_item")
        if isinstance(row, Mapping):
            rows.setdefault(str(item.get("datasource_item_id")), row.get("item", row))
    for run in export.runs:
        source = (run.get("data_source") or {}).get("source") or {}
        if source.get("type") == "file_id":
            how = f"the file {source.get('id')} is not in the export: add its rows to the cases"
            notes.append(Note("data_source.source", "left out", how))
        for number, row in enumerate(source.get("content") or () if not export.items else (), 1):
            rows.setdefault(str(number), row.get("item") or {})
    return [Case(name, {str(k): v for k, v in row.items()}) for name, row in rows.items()]


def _of_runs(
    export: Export, cases: list[Case], notes: list[Note]
) -> tuple[list[Prompt], list[str], list[dict[str, Any]]]:
    prompts: list[Prompt] = []
    models: list[str] = []
    params: list[dict[str, Any]] = []
    for number, run in enumerate(export.runs, 1):
        source = run.get("data_source") or {}
        model = str(source.get("model") or run.get("model") or "")
        if model and f"openai/{model}" not in models:
            models.append(f"openai/{model}")
            notes.append(Note(f"model {model}", "taken over"))
        sampling = source.get("sampling_params") or {}
        found = {key: sampling[key] for key in _PARAMS if sampling.get(key) is not None}
        if found not in params:
            params.append(found)
        for key in sorted({*sampling} - {*_PARAMS}):
            if sampling[key]:
                how = "see response_schema and tools of a prompt"
                notes.append(Note(f"run {number}, sampling_params.{key}", "left out", how))
        _prompt(source.get("input_messages") or {}, f"run {number}", prompts, notes)
    if not prompts and export.items:
        prompts = _sent(export, cases, notes)
    if not prompts and not export.runs:
        notes.append(Note("prompts", "left out", "they are in the runs, which are not in the file"))
    return prompts, models, params


def _prompt(
    messages: Mapping[str, Any], where: str, prompts: list[Prompt], notes: list[Note]
) -> None:
    if messages.get("type") == "item_reference":
        how = "messages in a column of each item: see the column in the cases"
        notes.append(Note(f"{where}, input_messages", "left out", how))
        return
    template = [(role, as_jinja(text)) for role, text in said_in(messages.get("template"))]
    if not template:
        return
    made = [{"role": role, "content": text} for role, text in template]
    if any([*prompt.messages] == made for prompt in prompts):
        return
    name = new_name("prompt", [prompt.name for prompt in prompts])
    try:
        prompts.append(Prompt(made, name))
        notes.append(Note(f"{where}, input_messages", "taken over"))
    except PexError as error:
        notes.append(Note(f"{where}, input_messages", "left out", error.message))


def _sent(export: Export, cases: list[Case], notes: list[Note]) -> list[Prompt]:
    """A prompt from the messages that were sent, where no run has a template."""
    sent: dict[str, list[tuple[str, str]]] = {}
    for item in export.items:
        said = said_in((item.get("sample") or {}).get("input"))
        if said:
            sent.setdefault(str(item.get("datasource_item_id")), said)
    if not sent or set(sent) != {case.id for case in cases}:
        return []
    messages, columns = shared_messages([sent[case.id] for case in cases])
    for case, found in zip(cases, columns, strict=True):
        for name, text in found.items():
            case.inputs[name] = text
    notes.append(Note("prompt", "changed", "no run has its template: from the messages as sent"))
    return [Prompt(messages, "as-sent")]


def as_jinja(text: str, sample: str = "") -> str:
    """A template of OpenAI's as one of pex: `{{ item.x }}` is the column `x`.

    Args:
        text: the template.
        sample: the name for the answer, `{{ sample.output_text }}`; empty if it must not be there.

    Example:
        >>> as_jinja("Is {{item.text}} {%}?"), as_jinja("{{ sample.output_text }}", "output")
        ("Is {{ text }} {{ '{%' }}}?", '{{ output }}')
    """
    pieces: list[str] = []
    at = 0
    for found in _VARIABLE.finditer(text):
        pieces.append(literal(text[at : found.start()]))
        name = found[2] if found[1] == "item" else sample or found[0]
        pieces.append(f"{{{{ {name} }}}}" if name != found[0] else literal(found[0]))
        at = found.end()
    return "".join([*pieces, literal(text[at:])])


Scorer = dict[str, Any] | Judge
Made = tuple[Scorer | None, str]


def _scorers(
    criteria: Sequence[Any], cases: list[Case], named: set[str], notes: list[Note]
) -> tuple[list[Scorer], list[Case]]:
    scorers: list[Scorer] = []
    for number, given in enumerate(criteria):
        where = f"testing_criteria[{number}]"
        if not isinstance(given, Mapping):
            notes.append(Note(where, "left out", "not an object"))
            continue
        taken = [item.name if isinstance(item, Judge) else item["name"] for item in scorers]
        name = new_name(str(given.get("name") or given.get("type")), taken, "check")
        make = _MAKERS.get(str(given.get("type")))
        try:
            made, how = (None, _unknown(given)) if make is None else make(given, name, cases)
        except PexError as error:
            made, how = None, error.message
        if made is not None:
            scorers.append(made)
        what = "left out" if made is None else "changed" if how else "taken over"
        notes.append(Note(f"{where} {given.get('name') or ''}".strip(), what, how))  # type: ignore[arg-type]
    return scorers, cases


def _unknown(given: Mapping[str, Any]) -> str:
    if given.get("type") == "python":
        return "code, which is not run: write it as a scorer of kind function"
    if given.get("type") == "multi":
        return "a formula over other graders"
    return f"pex has no scorer like '{given.get('type')}'"


def _filled(template: str, case: Case) -> str | None:
    """A reference with a case's values; None if a column is missing."""
    missing = [name for kind, name in _VARIABLE.findall(template)
               if kind == "sample" or _value(case, name) is None]  # fmt: skip
    if missing:
        return None
    return _VARIABLE.sub(lambda found: str(_value(case, found[2])), template)


def _value(case: Case, path: str) -> Any:
    value: Any = case.inputs
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _reference(given: Mapping[str, Any], name: str, cases: list[Case]) -> str | None:
    """The column that has the reference: the item's own, or one that is made of the template."""
    template = str(given.get("reference") or "")
    whole = _WHOLE.fullmatch(template)
    if whole and whole[1] == "item" and "." not in whole[2]:
        return whole[2] if any(whole[2] in case.inputs for case in cases) else None
    column = f"{name}_reference".replace("-", "_").replace(".", "_")
    filled = [_filled(template, case) for case in cases]
    if not cases or not any(filled):
        return None
    for case, value in zip(cases, filled, strict=True):
        case.inputs[column] = value
    return column


def _looks_at_answer(given: Mapping[str, Any]) -> bool:
    whole = _WHOLE.fullmatch(str(given.get("input") or ""))
    return whole is not None and (whole[1], whole[2]) == ("sample", "output_text")


def _string_check(given: Mapping[str, Any], name: str, cases: list[Case]) -> Made:
    if not _looks_at_answer(given):
        return None, f"its input is {given.get('input')!r}, not the answer alone"
    column = _reference(given, name, cases)
    if column is None:
        return None, f"no item has its reference {given.get('reference')!r}"
    operation = given.get("operation")
    if operation == "eq":
        return {"kind": "exact", "name": name, "strip": False, "column": column}, ""
    if operation in ("like", "ilike"):
        fold = operation == "ilike"
        return {"kind": "contains", "name": name, "ignore_case": fold, "column": column}, ""
    if operation == "ne":
        pattern = f"{column}_not"
        for case in cases:
            value = case.inputs.get(column)
            if value is not None:
                case.inputs[pattern] = rf"(?s)\A(?!{re.escape(str(value))}\Z)"
        how = f"ne: a pattern in the column {pattern} that every other answer matches"
        return {"kind": "regex", "name": name, "column": pattern}, how
    return None, f"pex has no operation {operation!r}"


def _similarity(given: Mapping[str, Any], name: str, cases: list[Case]) -> Made:
    metric = given.get("evaluation_metric")
    if metric != "fuzzy_match":
        return None, f"pex does not calculate {metric}"
    if not _looks_at_answer(given):
        return None, f"its input is {given.get('input')!r}, not the answer alone"
    column = _reference(given, name, cases)
    if column is None:
        return None, f"no item has its reference {given.get('reference')!r}"
    how = f"the edit distance as a number; its threshold {given.get('pass_threshold')} is left out"
    return {"kind": "similarity", "name": name, "column": column}, how


def _label_model(given: Mapping[str, Any], name: str, cases: list[Case]) -> Made:
    passing = [str(item) for item in given.get("passing_labels") or ()]
    rule = (
        f"Answer yes if the label is one of: {', '.join(passing)}. Otherwise answer no. "
        f"The labels are: {', '.join(map(str, given.get('labels') or ()))}."
    )
    how = "its labels are a yes or no: yes for a passing label"
    return _judge(given, name, rule, how, None)


def _score_model(given: Mapping[str, Any], name: str, cases: list[Case]) -> Made:
    low, high = [*(given.get("range") or (0, 1)), 1][:2]
    whole = float(low).is_integer() and float(high).is_integer() and high - low >= 2
    if not whole:
        rule = "Answer yes if this score would be in the upper half of the scale, otherwise no."
        how = f"scores from {low} to {high} are a yes or no: yes for the upper half"
        return _judge(given, name, rule, how, None)
    scale = (int(low), int(high))
    rule = f"Give a whole number from {scale[0]} to {scale[1]}."
    how = f"a whole number from {scale[0]} to {scale[1]}; its threshold is left out"
    return _judge(given, name, rule, how, scale)


def _judge(
    given: Mapping[str, Any], name: str, rule: str, how: str, scale: tuple[int, int] | None
) -> Made:
    said = [(role, as_jinja(text, "output")) for role, text in said_in(given.get("input"))]
    if not said:
        return None, "it has no messages"
    messages = [{"role": role, "content": text} for role, text in said]
    if not any("{{ output }}" in text for _, text in said):
        return None, "its messages do not show the answer"
    messages[-1]["content"] += f"\n\n{literal(rule)}"
    model = f"openai/{given['model']}" if given.get("model") else None
    retired = f"; check that {model} is still served" if model else ""
    return Judge(Prompt(messages, name), model, name, scale=scale), how + retired


_MAKERS: dict[str, Callable[[Mapping[str, Any], str, list[Case]], Made]] = {
    "string_check": _string_check,
    "text_similarity": _similarity,
    "label_model": _label_model,
    "score_model": _score_model,
}
