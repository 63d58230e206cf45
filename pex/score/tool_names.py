"""The names of tools that scorers rely on: one that no prompt offers is a mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pex.core.errors import PexError, nearest
from pex.core.prompt import Prompt
from pex.score.base import RuleScorer


def check_tool_names(scorers: Iterable[object], prompts: Iterable[Prompt]) -> None:
    """Refuse a scorer that names a tool which no prompt has: it could never find what it looks for.

    Args:
        scorers: the scorers and judges of an experiment.
        prompts: its prompts.

    Raises:
        PexError: a name is unknown; the hint has the nearest one.
    """
    offered: dict[str, None] | None = None
    for scorer in scorers:
        rule = scorer.rule if isinstance(scorer, RuleScorer) else None
        named: Mapping[str, str] = getattr(rule, "tool_names", {})
        if named and offered is None:
            offered = tools_of(prompts)
        for tool, where in named.items():
            if offered is not None and tool not in offered:
                said = f"scorer '{scorer.name}': {where} names the tool '{tool}'"  # type: ignore[attr-defined]
                if not offered:
                    raise PexError(f"{said}, but no prompt has tools", hint="Prompt(…, tools=[…])")
                raise PexError(
                    f"{said}, which no prompt has",
                    hint=nearest(tool, offered) or f"tools: {', '.join(offered)}",
                )


def tools_of(prompts: Iterable[Prompt]) -> dict[str, None]:
    """The names of the tools of prompts, in their order.

    Example:
        >>> tool = {"type": "function", "function": {"name": "look_up", "parameters": {}}}
        >>> list(tools_of([Prompt("Hi {{ name }}", name="hi", tools=[tool])]))
        ['look_up']
    """
    found: dict[str, None] = {}
    for prompt in prompts:
        for tool in prompt.tools or ():
            inside = tool.get(str(tool.get("type")), tool)
            name = inside.get("name") if isinstance(inside, Mapping) else None
            if isinstance(name, str):
                found[name] = None
    return found
