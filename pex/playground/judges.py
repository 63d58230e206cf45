"""A judge as a check of a draft: criteria in plain words, and the model that judges by them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pex.core import template
from pex.core.errors import PexError
from pex.core.names import check_name
from pex.core.prompt import Prompt
from pex.score.judge.judge import Judge

KIND = "judge"
SCALE = (1, 5)
_NAME_CHARS = 24
_OF_JUDGE = ("output", "expected", "case_id", "group", "tags")
"""What a judge's prompt gets besides the inputs of the case."""


def new_judge(
    criteria: str, model: str, scale: bool, name: str, taken: Collection[str]
) -> dict[str, Any]:
    """A judge as a draft keeps it, under a name that no other check has.

    Args:
        criteria: what a good answer is; with `{{ output }}` in them, they are the whole prompt.
        model: `provider/model`.
        scale: whether it gives 1 to 5 rather than yes or no.
        name: of its score; "" makes one of the criteria.
        taken: the names of the other checks.

    Raises:
        PexError: there are no criteria or no model, a template or a name that is not valid.

    Example:
        >>> new_judge("Is it polite?", "local/smollm2", False, "", ())["name"]
        'Is-it-polite'
    """
    if not criteria.strip():
        raise PexError("say what a good answer is, for example: It is polite and offers help.")
    if name.strip():
        found = check_name(name.strip(), "the name of a check")
        if found in taken:
            raise PexError(f"another check has the name '{found}' too")
    else:
        words = re.sub(r"[^A-Za-z0-9]+", "-", criteria).strip("-")
        if len(words) > _NAME_CHARS:
            words = words[: _NAME_CHARS + 1].rpartition("-")[0] or words[:_NAME_CHARS]
        found = free_name(words or KIND, taken)
    check: dict[str, Any] = {
        "name": found, "kind": KIND, "criteria": criteria.strip(), "model": model.strip(),
    }  # fmt: skip
    if scale:
        check["scale"] = list(SCALE)
    judge_of(check, ())
    return check


def judge_of(check: Mapping[str, Any], variables: Sequence[str]) -> Judge:
    """The judge of a check.

    Args:
        check: as `new_judge` makes it.
        variables: of the prompts: the judge sees their values too.

    Raises:
        PexError: it has no model, or its prompt is not a valid template.
    """
    scale = check.get("scale")
    prompt = Prompt(rubric(check["criteria"], variables, scale), check["name"])
    return Judge(prompt, check["model"], scale=scale)


def rubric(criteria: str, variables: Sequence[str], scale: Sequence[int] | None = None) -> str:
    r"""The prompt of a judge.

    Raises:
        PexError: the criteria are not a valid template.

    Example:
        >>> print(rubric("It is polite.", ["review"]))
        Does the answer meet the criteria? Judge it by nothing else.
        <BLANKLINE>
        Criteria:
        It is polite.
        <BLANKLINE>
        What the answer is about:
        review: {{ review }}
        <BLANKLINE>
        Answer:
        {{ output }}
    """
    template.check(criteria, "the criteria")
    if "output" in template.variables(criteria):
        return criteria
    question = "Does the answer meet the criteria?"
    if scale:
        question = (
            f"How well does the answer meet the criteria, from {scale[0]} (not at all) to "
            f"{scale[1]} (fully)?"
        )
    inputs = [f"{name}: {{{{ {name} }}}}" for name in variables if name not in _OF_JUDGE]
    about = ["What the answer is about:\n" + "\n".join(inputs)] if inputs else []
    parts = [f"{question} Judge it by nothing else.", f"Criteria:\n{criteria}", *about]
    return "\n\n".join([*parts, "Answer:\n{{ output }}"])


def free_name(name: str, taken: Collection[str]) -> str:
    """A name like this one that is not taken yet."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
