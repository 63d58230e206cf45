"""Why a proposal is refused before it is run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pex.core import template
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.hidden import SHOWN
from pex.core.messages import content_text
from pex.core.prompt import Prompt
from pex.improvement.copied_text import case_texts, copied_passage, strings
from pex.improvement.proposal import Proposal

LONGEST_BYTES = 50_000
"""No proposal is longer, unless the prompt it was made from is half as long already."""
LONGEST_FACTOR = 20
"""How many times as long as the first prompt a proposal may be."""
SHORT = 8_000
"""Characters that a proposal may always have: rules for a prompt of one line take their room."""
_RENDERED = 3
"""How many training cases are filled in to see that the template works."""


def check_proposal(proposal: Proposal, start: Prompt, train: Sequence[Case]) -> str | None:
    """Say why a proposal cannot be used, or return None if it can.

    Args:
        proposal: the proposal.
        start: the prompt that is to be improved.
        train: the training cases, the only ones that a proposal may have seen.

    Example:
        >>> start = Prompt("Positive or negative? {{ review }}", "sentiment")
        >>> shorter = Proposal(start.changed(messages="Positive?"), "by hand", start.digest, "")
        >>> check_proposal(shorter, start, [])
        "it drops the variable 'review'"
    """
    prompt = proposal.prompt
    checks = (
        _same_or_empty(prompt, start),
        _interface(prompt, start),
        _roles(prompt, start),
        _examples(proposal, start, train),
    )
    for refused in checks:
        if refused is not None:
            return refused
    quoted = [case for case in train if case.id in prompt.examples]
    return (
        _length(prompt, start, quoted)
        or _rendering(prompt, start, train)
        or _copying(prompt, start, train, quoted)
    )


def _same_or_empty(prompt: Prompt, start: Prompt) -> str | None:
    if _without_white_space(prompt) == _without_white_space(start):
        return "it is the prompt that it started from"
    if not _has_words(prompt) and _has_words(start):
        return "it is empty: it has no text besides variables"
    return None


def _without_white_space(prompt: Prompt) -> Any:
    messages = [
        {**message, "content": content.split() if isinstance(content, str) else content}
        for message in prompt.messages
        for content in [message["content"]]
    ]
    return messages, prompt.params, prompt.response_schema, prompt.tools


def _has_words(prompt: Prompt) -> bool:
    return any(
        template.only_variable(text) is None and any(map(str.isalnum, text))
        for text in prompt.templates
    )


def _fenced(prompt: Prompt) -> set[str]:
    return {name for text in prompt.templates for name in template.fenced(text)}


def _interface(prompt: Prompt, start: Prompt) -> str | None:
    """What the prompt takes and gives: whoever calls it depends on that."""
    missing = [name for name in start.variables if name not in prompt.variables]
    if missing:
        return f"it drops the {_named('variable', missing)}"
    unknown = [name for name in prompt.variables if name not in start.variables]
    if unknown:
        return f"it has the unknown {_named('variable', unknown)}"
    opened = sorted(_fenced(start) - _fenced(prompt))
    if opened:
        return f"it takes the delimiters (untrusted) from the {_named('variable', opened)}"
    if "canary" in start.hides - prompt.hides:
        return "it drops {{ canary }}"
    there = {_tool_name(tool): tool for tool in prompt.tools or ()}
    tools = {_tool_name(tool): tool for tool in start.tools or ()}
    if lost := [name for name in tools if name not in there]:
        return f"it drops the {_named('tool', lost)}"
    if new := [name for name in there if name not in tools]:
        return f"it has the unknown {_named('tool', new)}"
    if changed := [name for name in tools if _parameters(tools[name]) != _parameters(there[name])]:
        return f"it changes the parameters of the {_named('tool', changed)}"
    if start.response_schema is not None and prompt.response_schema != start.response_schema:
        verb = "drops" if prompt.response_schema is None else "changes"
        return f"it {verb} the response schema"
    output = start.params.get("response_format")
    if output is not None and prompt.params.get("response_format") != output:
        return "it drops the output format (response_format)"
    if prompt.model != start.model:
        return f"it is for another model: {prompt.model or 'none'}, not {start.model or 'none'}"
    return None


def _named(what: str, names: Sequence[str]) -> str:
    return f"{what}{'s' * (len(names) > 1)} " + ", ".join(f"'{name}'" for name in names)


def _tool_name(tool: dict[str, Any]) -> str:
    function = tool.get("function")
    return str((function if isinstance(function, dict) else tool).get("name"))


def _parameters(tool: dict[str, Any]) -> Any:
    function = tool.get("function")
    if not isinstance(function, dict):
        return {key: value for key, value in tool.items() if key != "description"}
    return {key: value for key, value in function.items() if key != "description"}


def _roles(prompt: Prompt, start: Prompt) -> str | None:
    role, before = prompt.messages[-1]["role"], start.messages[-1]["role"]
    if role != before:
        return f"its last message is from the {role}, not from the {before}"
    turns, content = start.messages[-1]["content"], prompt.messages[-1]["content"]
    turns = template.only_variable(turns) if isinstance(turns, str) else None
    if turns and (not isinstance(content, str) or template.only_variable(content) != turns):
        # A list of turns is sent turn by turn only if it is the whole last message.
        return f"its last message is no longer only the variable '{turns}'"
    raised = sorted(_trusted(prompt) - _trusted(start))
    if raised:
        # Text of a case in a system message is followed like an instruction.
        return f"it moves the {_named('variable', raised)} into a system message"
    return None


def _trusted(prompt: Prompt) -> set[str]:
    return {
        name
        for message in prompt.messages
        if message["role"] in ("system", "developer")
        for name in template.variables(content_text(message["content"]))
    }


def _examples(proposal: Proposal, start: Prompt, train: Sequence[Case]) -> str | None:
    declared = proposal.prompt.examples
    missing = [case_id for case_id in proposal.examples if case_id not in declared]
    if missing:
        return f"it shows the {_named('case', missing)} without 'examples' that say so"
    known = {case.id for case in train} | set(start.examples)
    unknown = [case_id for case_id in declared if case_id not in known]
    if unknown:
        return f"its examples include the {_named('case', unknown)}, not among the training cases"
    return None


def _length(prompt: Prompt, start: Prompt, quoted: Sequence[Case]) -> str | None:
    text, before = _text(prompt), _text(start)
    size, most = len(text.encode()), max(LONGEST_BYTES, 2 * len(before.encode()))
    if size > most:
        return f"it is {size:,} bytes long, more than {most:,}"
    of_examples = sum(len(part) for case in quoted for part in case_texts(case))
    longest = max(LONGEST_FACTOR * len(before), SHORT) + 2 * of_examples
    if len(text) > longest:
        return (
            f"it is {len(text):,} characters long, more than {longest:,}; "
            f"the prompt that it started from has {len(before):,}"
        )
    return None


def _text(prompt: Prompt) -> str:
    return "\n".join(prompt.templates)


def _rendering(prompt: Prompt, start: Prompt, train: Sequence[Case]) -> str | None:
    """What goes wrong only when values are filled in."""
    for case in train[:_RENDERED]:
        try:
            before = json.dumps(start.render(case.values, SHOWN), ensure_ascii=False)
        except PexError:
            continue  # the first prompt does not work with this case either
        try:
            after = json.dumps(prompt.render(case.values, SHOWN), ensure_ascii=False)
        except PexError as error:
            return f"its template is broken: {error.message}"
        for name in start.variables:
            value = case.values.get(name)
            sent = json.dumps(value, ensure_ascii=False)[1:-1] if isinstance(value, str) else ""
            if sent.strip() and sent in before and sent not in after:
                return f"it does not send the variable '{name}'"
    return None


def _copying(
    prompt: Prompt, start: Prompt, train: Sequence[Case], quoted: Sequence[Case]
) -> str | None:
    copied = copied_passage(_texts(prompt), list(_texts(start)), train, quoted)
    if copied is None:
        return None
    passage, case_id = copied
    passage = passage if len(passage) <= 120 else f"{passage[:119]}…"
    return f"it copies the training case '{case_id}': “{passage}”"


def _texts(prompt: Prompt) -> Iterator[str]:
    """Every text that is sent, or that a case may be hidden in."""
    yield from prompt.templates
    for part in (prompt.tools, prompt.response_schema, prompt.defaults):
        yield from strings(part)
