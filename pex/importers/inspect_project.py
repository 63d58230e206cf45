"""Inspect's logs as experiments: samples as cases, templates of solvers as the prompt, scorers.

The task itself is Python and not in the log: what its plan names is taken over where pex has it,
and a prompt is made of the messages that were sent where it does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.importers.answer_checks import check_of
from pex.importers.imported import Imported, Note, new_name, unreadable
from pex.importers.inspect_log import is_inspect, read_log, samples_of
from pex.importers.inspect_results import expected_of, inputs_of
from pex.importers.shared_messages import FLATTENED, differ_in_roles, said_in, shared_messages
from pex.importers.variables import as_template, literal
from pex.importers.write_project import STAND_IN
from pex.score.judge.judge import Judge

TOOL = "Inspect"
_PROVIDERS = {"google": "gemini", "azureai": "azure"}
_SAME = ("openai", "anthropic", "mistral", "groq", "together", "openrouter", "ollama", "deepseek",
         "vllm")  # fmt: skip
_PARAMS = {
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "seed": "seed",
    "max_tokens": "max_tokens", "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty", "stop_seqs": "stop",
    "reasoning_effort": "reasoning_effort",
}  # fmt: skip
_WITHOUT_TEMPLATE = ("multiple_choice", "chain_of_thought", "self_critique")
_NOT_MESSAGES = ("generate", "use_tools")


def is_inspect_task(path: Path, text: str) -> bool:
    """Whether a file is a log of Inspect."""
    return is_inspect(text)


def read_inspect_task(path: Path) -> Imported:
    """Read what a log says of its task.

    Raises:
        PexError: it is damaged, or has no samples.
    """
    log = read_log(path)
    spec = log["eval"]
    samples = {str(sample.get("id")): sample for sample in reversed(list(samples_of(log)))}
    if not samples:
        raise unreadable(path, "it has no samples", TOOL)
    ordered = list(reversed(samples.values()))
    notes: list[Note] = []
    prompt, cases = _prompt_and_cases(log, ordered, notes)
    models = _models(spec, notes)
    scorers = _scorers(spec, cases, notes, (models or [STAND_IN])[0])
    notes.append(Note("samples", "taken over", count=len(cases)))
    _left_out(log, ordered, notes)
    epochs = (spec.get("config") or {}).get("epochs")
    return Imported(
        tool=TOOL,
        name=str(spec.get("task") or path.stem).rpartition("/")[2],
        prompts=[prompt],
        models=models,
        params=[_params(log, notes)],
        cases=cases,
        scorers=scorers,
        purpose=str(spec.get("task_description") or ""),
        repeats=epochs if isinstance(epochs, int) and epochs > 0 else 1,
        notes=notes,
    )


def _prompt_and_cases(
    log: Mapping[str, Any], samples: Sequence[Mapping[str, Any]], notes: list[Note]
) -> tuple[Prompt, list[Case]]:
    steps = [step for step in (log.get("plan") or {}).get("steps") or () if step]
    inputs = [inputs_of(sample) for sample in samples]
    if any(step.get("solver") in _WITHOUT_TEMPLATE for step in steps):
        said = [_sent(sample) for sample in samples]
        how = "from the messages as sent: its solver's own template is not in the log"
    else:
        said = [said_in(sample.get("input")) for sample in samples]
        how = ""
    messages, columns = shared_messages(said)
    if differ_in_roles(said):
        notes.append(Note("input", "changed", FLATTENED))
    cases = [
        Case(str(sample.get("id")), {**given, **found}, expected_of(sample))
        for sample, given, found in zip(samples, inputs, columns, strict=True)
    ]
    if how:
        notes.append(Note("prompt", "changed", how))
    else:
        known = {name for case in cases for name in case.inputs}
        for number, step in enumerate(steps):
            _apply(step, f"plan.steps[{number}] {step.get('solver')}", messages, known, notes)
    try:
        return Prompt(messages, "task"), cases
    except PexError as error:
        notes.append(Note("prompt", "changed", f"the input alone: {error.message}"))
        return Prompt("{{ input }}", "task"), cases


def _sent(sample: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was sent before the first answer."""
    found = []
    for message in sample.get("messages") or ():
        if message.get("role") == "assistant" and message.get("source") == "generate":
            break
        found += said_in([message])
    return found or said_in(sample.get("input"))


def _apply(
    step: Mapping[str, Any],
    where: str,
    messages: list[dict[str, str]],
    known: set[str],
    notes: list[Note],
) -> None:
    """Change the messages as a solver would; what pex cannot do is noted."""
    solver, params = str(step.get("solver")).rpartition("/")[2], dict(step.get("params") or {})
    if solver in _NOT_MESSAGES:
        if solver == "use_tools":
            notes.append(Note(where, "left out", "tools are code: see 'tools' in the guide"))
        return
    template = params.pop("template", None)
    if solver not in ("system_message", "prompt_template", "user_message", "assistant_message"):
        notes.append(Note(where, "left out", "code of the task, which is not in the log"))
        return
    if not isinstance(template, str) or _is_path(template):
        notes.append(Note(where, "left out", f"its template is not in the log: {template}"))
        return
    text = _filled(template, params, known)
    if solver == "prompt_template":
        last = next(m for m in reversed(messages) if m["role"] == "user")
        last["content"] = text.replace("{{ prompt }}", last["content"])
    elif solver == "system_message":
        first = sum(message["role"] == "system" for message in messages)
        messages.insert(first, {"role": "system", "content": text})
    else:
        messages.append({"role": solver.removesuffix("_message"), "content": text})
    notes.append(Note(where, "taken over"))


def _filled(template: str, params: Mapping[str, Any], known: set[str]) -> str:
    """A template of `str.format`: its own parameters filled in, metadata as columns."""
    for name, value in params.items():
        template = template.replace("{" + name + "}", str(value))
    made = as_template(template)
    return made.text if set(made.names) <= {*known, "prompt"} else literal(template)


def _is_path(template: str) -> bool:
    return "\n" not in template and template.endswith((".txt", ".md", ".jinja", ".prompt"))


def _models(spec: Mapping[str, Any], notes: list[Note]) -> list[str]:
    model = str(spec.get("model") or "")
    found = model_ref(model)
    if found is not None:
        notes.append(Note(f"model {model}", "taken over"))
        return [found]
    provider = model.partition("/")[0]
    notes.append(Note(f"model {model}", "left out", f"pex has no provider '{provider}'"))
    return []


def model_ref(model: str) -> str | None:
    """A model of Inspect's as pex names it; None if pex does not know its provider.

    Example:
        >>> model_ref("google/gemini-2.5-flash"), model_ref("mockllm/model")
        ('gemini/gemini-2.5-flash', None)
    """
    provider, _, rest = model.partition("/")
    provider = _PROVIDERS.get(provider, provider)
    known = provider in _SAME or provider in _PROVIDERS.values()
    return f"{provider}/{rest}" if rest and known else None


def _params(log: Mapping[str, Any], notes: list[Note]) -> dict[str, Any]:
    given = {
        **(log["eval"].get("model_generate_config") or {}),
        **((log.get("plan") or {}).get("config") or {}),
    }
    found = {}
    for name, value in given.items():
        if value is None:
            continue
        if name in _PARAMS:
            found[_PARAMS[name]] = value
        else:
            notes.append(Note(f"config.{name}", "left out", "pex has no such parameter"))
    return found


Scorer = dict[str, Any] | Judge
Scorers = list[Scorer]


def _scorers(spec: Mapping[str, Any], cases: list[Case], notes: list[Note], model: str) -> Scorers:
    found: Scorers = []
    names: list[str] = []
    made: Scorer | None
    for given in spec.get("scorers") or ():
        scorer = str(given.get("name")).rpartition("/")[2]
        name = new_name(scorer, names, "score")
        options = given.get("options") or {}
        if scorer in ("model_graded_qa", "model_graded_fact"):
            made, how = _judge(name, options, model)
        else:
            made, how = _scorer(scorer, name, options, cases)
        if made is not None:
            found.append(made)
            names.append(name)
        what = "left out" if made is None else "changed" if how else "taken over"
        notes.append(Note(f"scorer {scorer}", what, how))  # type: ignore[arg-type]
    return found


_RUBRIC = """Question:
{{ input }}

Criterion, or the right answer:
{{ expected }}

Submitted answer:
{{ output }}

Does the submitted answer meet the criterion? Answer yes or no."""


def _judge(name: str, options: Mapping[str, Any], model: str) -> tuple[Scorer | None, str]:
    """A judge in place of a model's grade; by the task's own template if the log has it."""
    given = options.get("model")
    named = model_ref(given) if isinstance(given, str) else None
    how = f"a judge by {named or model}: yes for C, no for P and I"
    template, text = options.get("template"), _RUBRIC
    if isinstance(template, str) and not _is_path(template):
        rules = str(options.get("instructions") or "")
        made = as_template(template.replace("{instructions}", rules))
        parts = {"question": "input", "answer": "output", "criterion": "expected"}
        text = made.text
        for theirs, ours in parts.items():
            text = text.replace(f"{{{{ {theirs} }}}}", f"{{{{ {ours} }}}}")
        text += "\n\nAnswer yes or no."
    else:
        how += ", with a rubric of pex's"
    try:
        return Judge(Prompt(text, name), named or model, name), how
    except PexError as error:
        return None, error.message


def _scorer(
    scorer: str, name: str, options: Mapping[str, Any], cases: list[Case]
) -> tuple[dict[str, Any] | None, str]:
    if not any(case.expected not in (None, "", []) for case in cases):
        return None, "no sample has a target"
    if scorer == "choice":
        labels = sorted({letter for case in cases for letter in _letters(case)})
        if all(isinstance(case.expected, str) for case in cases):
            return {"kind": "label", "name": name, "labels": labels}, ""
        return None, "several choices at once are right: pex has no scorer for that"
    if scorer in ("includes", "match", "exact"):
        return _compared(scorer, name, options, cases)
    if scorer == "f1":
        if any(isinstance(case.expected, list) for case in cases):
            return None, "F1 of words with several targets: pex has no such scorer"
        return {"kind": "similarity", "name": name, "ignore_case": True}, (
            "the similarity of the letters instead of F1 of the words"
        )
    return None, "code of the task, which is never imported"


def _compared(
    scorer: str, name: str, options: Mapping[str, Any], cases: list[Case]
) -> tuple[dict[str, Any] | None, str]:
    if options.get("numeric"):
        return {"kind": "number", "name": name}, "the last number of the answer counts"
    ignore_case = bool(options.get("ignore_case", True))
    location = options.get("location", "end") if scorer == "match" else None
    place = {"includes": "anywhere", "exact": "all"}.get(scorer) or {
        "begin": "begin", "end": "end", "any": "anywhere", "exact": "all",
    }.get(str(location), "end")  # fmt: skip
    made, patterns = check_of(name, cases, place, ignore_case)  # type: ignore[arg-type]
    how = f"patterns in the column {made.get('column')}" if patterns else ""
    if scorer == "exact":
        how = "; ".join(filter(None, (how, "punctuation and articles are not ignored")))
    return made, how


def _letters(case: Case) -> list[str]:
    choices = case.inputs.get("choices")
    many = len(choices) if isinstance(choices, list) else 0
    return [chr(ord("A") + number) for number in range(min(many, 26))]


def _left_out(
    log: Mapping[str, Any], samples: Sequence[Mapping[str, Any]], notes: list[Note]
) -> None:
    files = sum(bool(sample.get("files") or sample.get("setup")) for sample in samples)
    if files:
        notes.append(Note("files, setup", "left out", "pex has no sandbox", files))
    if log["eval"].get("sandbox"):
        notes.append(Note("sandbox", "left out", "pex has no sandbox"))
    several = sum(
        not isinstance(sample.get("input"), str) and "[image]" in str(inputs_of(sample)["input"])
        for sample in samples
    )
    if several:
        notes.append(Note("pictures", "left out", "[image] stands in the text", several))
