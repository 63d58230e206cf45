"""An experiment as Python code: the cell that does the same."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.cases import Case
from pex.core.prompt import FIELDS, Prompt
from pex.core.variant import Variant
from pex.score.judge.judge import Judge


def code(
    name: str,
    variants: Sequence[Variant],
    cases: Sequence[Case],
    scorers: Sequence[Any],
    files: Mapping[str, str],
    budget_usd: float | None = None,
) -> str:
    r"""The code that makes and runs an experiment.

    Args:
        name: the experiment's.
        variants: the variants.
        cases: the cases.
        scorers: judges, others as a file would have them.
        files: for the names of prompts that can be loaded, the path.
        budget_usd: what a run may spend.

    Example:
        >>> prompt = Prompt("Say {{ word }}.", "say")
        >>> print(code("e", [Variant(prompt, "local/smollm2")], [Case("1", {"word": "a"})], [], {}))
        import pex
        <BLANKLINE>
        say = pex.Prompt("Say {{ word }}.", name="say")
        <BLANKLINE>
        exp = pex.Experiment(
            "e",
            variants=[
                pex.Variant(say, "local/smollm2"),
            ],
            cases=[
                {"case_id": "1", "word": "a"},
            ],
        )
        exp.run()
        <BLANKLINE>
    """
    prompts = {variant.prompt.name: variant.prompt for variant in variants}
    rubrics = {f"judge-{item.name}": item.prompt for item in scorers if isinstance(item, Judge)}
    names = _names({**prompts, **rubrics})
    lines = ["import pex", ""]
    for key, prompt in {**prompts, **rubrics}.items():
        made = _prompt(prompt)
        if key in files:
            made = [f"pex.Prompt.load({literal(files[key])})"]
        lines += [f"{names[key]} = {made[0]}", *made[1:], ""]
    lines += ["exp = pex.Experiment(", f"    {literal(name)},", "    variants=["]
    for variant in variants:
        parts = [names[variant.prompt.name], literal(variant.model)]
        parts += [literal(dict(variant.params))] if variant.params else []
        parts += [f"name={literal(variant.name)}"] if variant.name != variant.prompt.name else []
        lines.append(f"        pex.Variant({', '.join(parts)}),")
    lines += ["    ],", "    cases=["]
    lines += [f"        {literal(row_of(case))}," for case in cases]
    lines.append("    ],")
    if cases and cases[0].renamed:
        lines.append(f"    columns={literal(cases[0].renamed)},")
    if scorers:
        made = [
            _judge(item, names[f"judge-{item.name}"])
            if isinstance(item, Judge)
            else literal(_alone(item))
            for item in scorers
        ]
        lines.append(f"    scorers=[{', '.join(made)}],")
    if budget_usd is not None:
        lines.append(f"    budget_usd={literal(budget_usd)},")
    return "\n".join([*lines, ")", "exp.run()", ""])


def row_of(case: Case) -> dict[str, Any]:
    """A case as a row with the default names of columns."""
    row: dict[str, Any] = {"case_id": case.id, **case.inputs}
    if case.expected is not None:
        row["expected"] = case.expected
    if case.group is not None:
        row["group"] = case.group
    return row | ({"tags": list(case.tags)} if case.tags else {})


def literal(value: Any) -> str:
    r"""Plain data as Python writes it; what cannot be seen is escaped.

    Example:
        >>> print(literal({"a": ['say "hi"', "it's", "\u202e\x00", 1, None]}))
        {"a": ['say "hi"', "it's", "\u202e\x00", 1, None]}
    """
    if isinstance(value, str):
        # A single quote in it makes repr take double quotes around it.
        return repr(value) if '"' in value else '"' + repr("'" + value)[2:]
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    return repr(value)


def _alone(item: Any) -> Any:
    """A scorer without the requirements that it checks, which the code does not have."""
    if not isinstance(item, Mapping):
        return item
    return {key: value for key, value in item.items() if key != "checks"}


def _prompt(prompt: Prompt) -> list[str]:
    fields = {name: getattr(prompt, name) for name in FIELDS if name != "name"}
    more = [f"{name}={literal(value)}" for name, value in fields.items() if value]
    one = len(prompt.messages) == 1 and prompt.messages[0]["role"] == "user"
    only = prompt.messages[0]["content"]
    if one and isinstance(only, str) and set(prompt.messages[0]) == {"role", "content"}:
        if "\n" not in only and not more:
            return [f"pex.Prompt({literal(only)}, name={literal(prompt.name)})"]
        lines = _text(only, "    ")
    else:
        lines = ["    ["]
        for message in prompt.messages:
            lines += message_lines(message)
        lines.append("    ],")
    return ["pex.Prompt(", *lines, *(f"    {part}," for part in [
        f"name={literal(prompt.name)}", *more]), ")"]  # fmt: skip


def _judge(judge: Judge, rubric: str) -> str:
    scale = f", scale={literal(judge.scale)}" if judge.scale else ""
    return f"pex.Judge({rubric}, {literal(judge.model)}{scale})"


def message_lines(message: Mapping[str, Any]) -> list[str]:
    """A message as an item of a list, 8 spaces deep; a long text line by line."""
    content = message["content"]
    if not isinstance(content, str) or "\n" not in content:
        return [f"        {literal(dict(message))},"]
    rest = {name: value for name, value in message.items() if name != "content"}
    head = ", ".join(f"{literal(name)}: {literal(value)}" for name, value in rest.items())
    return [
        f"        {{{head}, {literal('content')}: (",
        *_text(content, "            ")[:-1],
        _text(content, "            ")[-1].removesuffix(","),
        "        )},",
    ]


def _text(text: str, indent: str) -> list[str]:
    """A text line by line, as strings on consecutive lines."""
    lines = [f"{indent}{literal(line)}" for line in text.splitlines(keepends=True)]
    return [*lines[:-1], f"{lines[-1]},"] if lines else [f'{indent}"",']


def _names(prompts: Mapping[str, Prompt]) -> dict[str, str]:
    """A variable for each prompt."""
    found: dict[str, str] = {}
    for name in prompts:
        safe = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "prompt"
        if safe[0].isdigit() or keyword.iskeyword(safe) or safe in ("pex", "exp"):
            safe = f"prompt_{safe}"
        while safe in found.values():
            safe += "_"
        found[name] = safe
    return found
