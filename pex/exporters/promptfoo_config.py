"""An experiment as a configuration of promptfoo: prompts, providers, tests, asserts.

Each variant is a provider with one prompt. What promptfoo has no counterpart of is listed by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.case import Case
from pex.core.project import project_of
from pex.core.prompt import Prompt
from pex.core.variant import Variant
from pex.core.yamltext import dump_yaml
from pex.exporters.exported import Exported, file_name
from pex.exporters.promptfoo_asserts import assert_of
from pex.importers.imported import Note
from pex.importers.own_cases import MADE_BY_PEX
from pex.project.settings import load_settings

if TYPE_CHECKING:
    from pex.experiment.experiment import Experiment

CONFIG = "promptfooconfig.yaml"
_PREFIXES = {
    "openai": "openai:chat", "azure": "azure:chat", "anthropic": "anthropic:messages",
    "gemini": "google", "mistral": "mistral", "groq": "groq", "together": "togetherai",
    "openrouter": "openrouter", "deepseek": "deepseek", "ollama": "ollama:chat",
}  # fmt: skip
"""Providers of pex, and how promptfoo's ids of the same begin."""
_FILTERS = frozenset(
    ("abs", "batch", "capitalize", "center", "default", "dictsort", "dump", "e", "escape", "first",
     "float", "forceescape", "groupby", "indent", "int", "join", "last", "length", "list", "lower",
     "nl2br", "random", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select",
     "selectattr", "slice", "sort", "string", "striptags", "sum", "title", "trim", "truncate",
     "upper", "urlencode", "urlize", "wordcount")
)  # fmt: skip
"""Filters that Nunjucks has as well."""
_TAG = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_FILTER = re.compile(r"\|\s*([A-Za-z_]+)")
_METHOD = re.compile(r"\.\s*([A-Za-z_]+)\s*\(")
_TO_JSON = re.compile(r"\|\s*tojson\b")


def promptfoo_config(experiment: Experiment) -> Exported:
    """`promptfooconfig.yaml` and a file for each prompt.

    Raises:
        PexError: a scorer cannot be named.
    """
    notes: list[Note] = []
    files: dict[str, str] = {}
    prompts: dict[str, dict[str, str]] = {}
    for variant in experiment.variants:
        prompt = variant.prompt
        if prompt.digest in prompts:
            continue
        labels = [entry["label"] for entry in prompts.values()]
        label = file_name(prompt.name, labels, "")
        name = f"prompts/{label}.json"
        files[name] = _prompt_text(prompt, notes)
        prompts[prompt.digest] = {"id": f"file://{name}", "label": label}
    config: dict[str, Any] = {
        "description": experiment.purpose or experiment.name,
        "prompts": list(prompts.values()),
        "providers": [
            _provider(variant, prompts[variant.prompt.digest]["label"], experiment, notes)
            for variant in experiment.variants
        ],
        "tests": _tests(experiment, notes),
    }
    if experiment.repeats > 1:
        config["evaluateOptions"] = {"repeat": experiment.repeats}
    notes.append(Note("prompts", "taken over", count=len(prompts)))
    notes += _left_out(experiment)
    return Exported(
        "promptfoo",
        experiment.name,
        {CONFIG: dump_yaml(config), **files},
        notes,
        f"`promptfoo eval -c {CONFIG}` runs it; keys are read from the environment, as by pexlab.",
    )


def _prompt_text(prompt: Prompt, notes: list[Note]) -> str:
    """The messages as JSON, which promptfoo fills in string by string."""
    where = f"prompt '{prompt.name}'"
    messages = []
    for message in prompt.messages:
        content = message["content"]
        texts = [content] if isinstance(content, str) else []
        if not texts:
            notes.append(Note(where, "left out", "parts of messages that are not text"))
            texts = [str(part.get("text")) for part in content if part.get("type") == "text"]
        text = "\n".join(texts)
        _check_template(text, where, notes)
        messages.append({"role": message["role"], "content": _TO_JSON.sub("| dump", text)})
    for name, value in (("tools", prompt.tools), ("response_schema", prompt.response_schema)):
        if value:
            notes.append(
                Note(f"{where}, {name}", "changed", "in the configuration of the provider")
            )
    if prompt.defaults:
        how = "default values: they are in the tests' vars where a case has none"
        notes.append(Note(f"{where}, defaults", "changed", how))
    return json.dumps(messages, ensure_ascii=False, indent=2) + "\n"


def _check_template(text: str, where: str, notes: list[Note]) -> None:
    """Name what Jinja has and Nunjucks, promptfoo's template language, has not."""
    for tag in _TAG.findall(text):
        filters = [name for name in _FILTER.findall(tag) if name not in {*_FILTERS, "tojson"}]
        methods = [f"{name}()" for name in _METHOD.findall(tag)]
        for name in (*filters, *methods):
            how = f"promptfoo's templates have no {name}: {' '.join(tag.split())[:80]}"
            notes.append(Note(where, "left out", f"{how} must be written in another way"))


def _provider(
    variant: Variant, label: str, experiment: Experiment, notes: list[Note]
) -> dict[str, Any]:
    provider, _, model = variant.model.partition("/")
    settings = load_settings(project_of(experiment.folder)).providers.get(provider)
    config: dict[str, Any] = dict(variant.all_params)
    for other, own in (("max_completion_tokens", "max_tokens"),):
        if other in config and provider not in ("openai", "azure"):
            config[own] = config.pop(other)
    prefix = _PREFIXES.get(provider)
    if prefix is None:
        prefix = "openai:chat"
        address = getattr(settings, "base_url", None)
        config["apiBaseUrl"] = address or "http://127.0.0.1:8080/v1"
        how = f"an OpenAI-compatible endpoint at {config['apiBaseUrl']}"
        if address is None:
            how += ", which is a placeholder: write its address"
        notes.append(Note(f"model '{variant.model}'", "changed", how))
    else:
        notes.append(Note(f"model '{variant.model}'", "taken over"))
    prompt = variant.prompt
    if prompt.tools:
        config["tools"] = prompt.tools
    if prompt.response_schema:
        config["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": prompt.response_schema},
        }
    found: dict[str, Any] = {"id": f"{prefix}:{model}", "label": variant.name}
    if config:
        found["config"] = config
    return {**found, "prompts": [label]}


def _tests(experiment: Experiment, notes: list[Note]) -> list[dict[str, Any]]:
    items, names = _scorer_items(experiment, notes)
    defaults: dict[str, Any] = {}
    for variant in experiment.variants:
        defaults |= variant.prompt.defaults
    shown = any("expected" in variant.prompt.variables for variant in experiment.variants)
    lists = any(
        isinstance(item, list) for case in experiment.cases for item in case.inputs.values()
    )
    if lists:
        notes.append(Note("lists", "changed", "promptfoo writes them as 'a,b' into a prompt"))
    said: set[tuple[str, str]] = set()
    tests = []
    for case in experiment.cases:
        asserts = []
        for item, name in zip(items, names, strict=True):
            made, how = assert_of(item, case)
            if made is not None:
                asserts.append({**made, "metric": name})
            if how and (name, how) not in said:
                said.add((name, how))
                notes.append(
                    Note(f"scorer '{name}'", "left out" if made is None else "changed", how)
                )
        tests.append(_test(case, {**defaults, **case.values}, asserts, shown))
    named = {name for name, _ in said}
    notes += [Note(f"scorer '{name}'", "taken over") for name in names if name not in named]
    notes.append(Note("cases", "taken over", count=len(tests)))
    return tests


def _test(
    case: Case, values: Mapping[str, Any], asserts: Sequence[Mapping[str, Any]], expected: bool
) -> dict[str, Any]:
    """A test; what promptfoo has no word for is in its metadata, by which `import` finds it."""
    values = {**values}
    if case.expected is not None and expected:
        values["expected"] = case.expected
    found: dict[str, Any] = {"description": case.id, "vars": values}
    if any(isinstance(value, list) for value in values.values()):
        # Otherwise promptfoo makes a test of each element.
        found["options"] = {"disableVarExpansion": True}
    own = {"id": case.id, "group": case.group, "tags": [*case.tags], "expected": case.expected}
    own = {key: value for key, value in own.items() if value not in (None, [])}
    found["metadata"] = {MADE_BY_PEX: own}
    if asserts:
        found["assert"] = list(asserts)
    return found


def _scorer_items(
    experiment: Experiment, notes: list[Note]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The scorers as data, and their names; those that are only Python are named and left out."""
    items, unnamed = experiment.dumped_scorers(experiment.folder)
    why = "a function of Python, or a judge"
    notes += [Note(f"scorer '{name}'", "left out", why) for name in unnamed]
    plain = [{"kind": item} if isinstance(item, str) else dict(item) for item in items]
    return plain, [str(item.get("name") or item.get("kind")) for item in plain]


def _left_out(experiment: Experiment) -> list[Note]:
    """What an experiment has and promptfoo has not."""
    parts = {
        "gate": (experiment.gate, "promptfoo has no paired test of a candidate against a baseline"),
        "requirements": (experiment.requirements, "promptfoo has none"),
        "tools that run": (experiment.tools, "the calls of tools are the answer there"),
        "simulated user": (experiment.user, "see promptfoo:simulated-user"),
        "budget_usd": (experiment.budget_usd, "promptfoo has no limit of what a run may cost"),
    }
    return [Note(name, "left out", why) for name, (there, why) in parts.items() if there]
