"""`pex.testing.cases`: the cases of an experiment as tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pex.core.prompt import Prompt

Function = TypeVar("Function", bound=Callable[..., Any] | type)

MARK = "pex_cases"


def cases(
    experiment: str | Path,
    *,
    prompt: str | Path | Prompt | None = None,
    limit: int | None = None,
    tags: Sequence[str] | str | None = None,
) -> Callable[[Function], Function]:
    """Make one test for each case of an experiment; its argument `case` has the answer and scores.

    The test's id is the case's id, after the variant's name if there are several variants. Its tags
    are marks: `-m tag_negation`. No model is called before the first test that looks at an answer;
    then all selected cases are run at once, through the project's journal.

    Args:
        experiment: its file; relative to pytest's root folder.
        prompt: a prompt instead of the experiment's own: a `.prompty` file, `library:name@alias`,
            the name of one of its prompts, or a `pex.Prompt`.
        limit: only the first cases.
        tags: only cases with one of these tags.

    Example::

        @pex.testing.cases("experiments/review-sentiment/experiment.yaml", prompt="short")
        def test_is_right(case):
            assert case.scores["label"] == 1, case.output
    """
    import pytest

    mark = getattr(pytest.mark, MARK)
    found: Callable[[Function], Function] = mark(experiment, prompt=prompt, limit=limit, tags=tags)
    return found
