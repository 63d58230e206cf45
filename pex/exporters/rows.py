"""The rows of a run with their cases and rendered messages, as the writers of results need them."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.about import VariantInfo
from pex.core.call import Answer
from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.score import Score
from pex.core.values import to_json_value
from pex.exporters.exported import as_string
from pex.score.frame import restore, score_names

if TYPE_CHECKING:
    from pex.results.results import Results


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One answer: of a variant to a case.

    `messages` are those of the first request, `rendered` is whether they are the prompt's; they are
    the inputs alone if the prompt cannot be filled in again.
    """

    variant: str
    case: Case
    repeat: int
    answer: Answer
    scores: Mapping[str, Score]
    messages: Sequence[Mapping[str, Any]]
    rendered: bool


def rows_of(results: Results) -> Iterator[Row]:
    """The rows of a run, in the order of its frame."""
    frame, about = results.frame, results.about
    prompts = {item.name: _prompt(item.name, item.text) for item in about.prompts}
    names = score_names(frame)
    of_variant = {item.name: prompts.get(item.prompt) for item in about.variants}
    restored = restore(frame, about.renamed, about.decimal)
    for record, (place, answer, case) in zip(frame.to_dict("records"), restored, strict=True):
        messages = _rendered(of_variant.get(place[0]), case)
        scores = {name: _score(record, name) for name in names}
        shown = messages or _inputs(case)
        yield Row(place[0], case, place[2], answer, scores, shown, messages is not None)


def _prompt(name: str, text: str) -> Prompt | None:
    try:
        return Prompt.parse(f"---\n---\n{text}", "prompt", name)
    except PexError:
        return None


def _rendered(prompt: Prompt | None, case: Case) -> list[dict[str, Any]] | None:
    if prompt is None:
        return None
    try:
        return [dict(message) for message in prompt.render(case.values)]
    except (PexError, OSError):  # an image that is no longer there, a canary
        return None


def _inputs(case: Case) -> list[dict[str, Any]]:
    if len(case.inputs) == 1:
        (value,) = case.inputs.values()
        return [{"role": "user", "content": as_string(value)}]
    text = "\n".join(f"{name}: {as_string(value)}" for name, value in case.inputs.items())
    return [{"role": "user", "content": text}]


def _score(record: Mapping[Hashable, Any], name: str) -> Score:
    value = to_json_value(record[f"score.{name}"])
    return Score(
        value,
        to_json_value(record.get(f"reason.{name}")),
        to_json_value(record.get(f"score_error.{name}")),
    )


def tokens(answer: Answer) -> dict[str, int]:
    """An answer's tokens as Inspect and Every Eval Ever count them: input without the cache's."""
    if answer.prompt_tokens is None and answer.completion_tokens is None:
        return {}
    cached, written = answer.cached_tokens, answer.cache_write_tokens
    given = max((answer.prompt_tokens or 0) - (cached or 0) - (written or 0), 0)
    output = answer.completion_tokens or 0
    found = {
        "input_tokens": given,
        "output_tokens": output,
        "total_tokens": (answer.prompt_tokens or 0) + output,
        "input_tokens_cache_write": written,
        "input_tokens_cache_read": cached,
        "reasoning_tokens": answer.reasoning_tokens,
    }
    return {key: number for key, number in found.items() if number is not None}


def by_variant(results: Results) -> Iterator[tuple[VariantInfo, list[Row]]]:
    """The rows of each variant."""
    rows = list(rows_of(results))
    for variant in results.about.variants:
        yield variant, [row for row in rows if row.variant == variant.name]
