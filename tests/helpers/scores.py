"""One scorer on one answer, in a line."""

from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.score import Score
from pex.score.build import build


def score(item: Any, output: str | None, expected: Any = None, **options: Any) -> dict[str, Score]:
    """The scores of `output`; `labels` are what further cases expect."""
    labels = options.pop("labels", [])
    cases = [Case("c", {"q": "x"}, expected)] + [Case(f"l{n}", {}, v) for n, v in enumerate(labels)]
    (scorer,) = build([item], cases)
    return scorer(Answer(output=output, **options), cases[0])


def value(item: Any, output: str | None, expected: Any = None, **options: Any) -> Any:
    """The value of the only score of `output`, which must not be an error."""
    (result,) = score(item, output, expected, **options).values()
    assert result.error is None, result.error
    return result.value
