"""Few-shot selection: training cases with good answers become examples in the prompt."""

from __future__ import annotations

import json
import random
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pex.core import template
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.hidden import SHOWN
from pex.core.messages import Message
from pex.core.prompt import Prompt
from pex.improvement.copied_text import case_texts, tokens
from pex.improvement.proposal import Measured, Proposal, Workbench
from pex.improvement.ways.failures import Observation, failing, observations

LONGEST = 4_000
"""Characters of an example; longer cases are not used."""
SHARE = 0.25
"""The largest share of the training cases that become examples: they have no score any more."""
HEADING = "Examples:"


class Examples:
    """Choosing training cases as examples.

    Cases that the prompt fails come first, each expected answer as often as the others, and texts
    that are unlike those chosen before. The prompt declares them (`examples:`), so their scores are
    left out wherever it runs.

    Args:
        sizes: how many examples the proposals have, one proposal for each number.
    """

    name = "examples"

    def __init__(self, sizes: Sequence[int] = (1, 3, 5)) -> None:
        self._sizes = sizes

    def propose(self, parent: Measured, bench: Workbench) -> Iterator[Proposal]:
        """Propose the prompt with examples, unless it has some or no case fails."""
        prompt = parent.prompt
        if prompt.examples:
            return
        found = observations(parent, bench)
        failed = {observation.case.id for observation in failing(found, bench)}
        if not failed:
            return
        answers = _answers(bench.train, found, failed)
        pool = [case for case in bench.train if case.id in answers and _fits(case, prompt)]
        most = min(max(self._sizes, default=0), int(SHARE * len(bench.train)), len(pool))
        chosen = _choose(pool, answers, failed, most, bench.seed)
        for size in sorted({min(size, most) for size in self._sizes if size > 0} - {0}):
            shown = chosen[:size]
            made = with_examples(prompt, [(case, answers[case.id]) for case in shown])
            if made is None:
                continue
            wrong = sum(case.id in failed for case in shown)
            why = (
                f"with {size} training case{'s' * (size > 1)} as examples, "
                f"{wrong} of which it failed"
            )
            yield Proposal(made, self.name, prompt.digest, why, made.examples)


def with_examples(prompt: Prompt, shown: Sequence[tuple[Case, str]]) -> Prompt | None:
    """The prompt with cases and their answers, which it declares; None if it cannot hold them.

    A prompt with a system message gets them as turns of a conversation before its last message; one
    with a single message as a text before it.

    Args:
        prompt: the prompt.
        shown: the cases, each with the answer that is right.

    Example:
        >>> prompt = Prompt("Positive or negative? {{ review }}", "p")
        >>> made = with_examples(prompt, [(Case("7", {"review": "Nice."}), "positive")])
        >>> made.text.splitlines()[2:]
        ['review: Nice.', 'Answer: positive', '', 'Positive or negative? {{ review }}']
        >>> made.examples
        ('7',)
    """
    messages = [dict(message) for message in prompt.messages]
    last = messages[-1]
    if last["role"] != "user" or not isinstance(last["content"], str):
        return None
    try:
        if len(messages) == 1:
            blocks = [_block(prompt, case, answer) for case, answer in shown]
            content = "\n\n".join([HEADING, *blocks, last["content"]])
            messages = [{**last, "content": content}]
        else:
            turns = [turn for case, answer in shown for turn in _turns(prompt, case, answer)]
            messages = [*messages[:-1], *turns, last]
        declared = [*prompt.examples, *(case.id for case, _ in shown)]
        made = prompt.changed(messages=messages, examples=declared)
        made.as_file()  # a file cannot hold every text
    except PexError:
        return None
    return made


def _block(prompt: Prompt, case: Case, answer: str) -> str:
    values = {**prompt.defaults, **case.values}
    lines = [f"{name}: {_literal(_text(values[name]))}" for name in prompt.variables]
    return "\n".join([*lines, f"Answer: {_literal(answer)}"])


def _turns(prompt: Prompt, case: Case, answer: str) -> list[Message]:
    asked = prompt.render(case.values, SHOWN)[-1]["content"]
    if not isinstance(asked, str):
        raise PexError("an example with images")
    return [
        {"role": "user", "content": _literal(asked)},
        {"role": "assistant", "content": _literal(answer)},
    ]


def _literal(text: str) -> str:
    """A text as a template that renders to it."""
    for mark in ("{{", "{%", "{#"):
        text = text.replace(mark, f"\0{mark}\0")
    pieces = text.split("\0")
    return "".join(
        f"{{{{ '{piece}' }}}}" if piece in ("{{", "{%", "{#") else piece for piece in pieces
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _answers(
    train: Sequence[Case], found: Sequence[Observation], failed: set[str]
) -> dict[str, str]:
    """The right answer of each case that has one: what is expected, or what scored best."""
    answers = {
        item.case.id: item.output for item in found if item.case.id not in failed and item.output
    }
    answers |= {case.id: _text(case.expected) for case in train if case.expected is not None}
    return {case_id: answer for case_id, answer in answers.items() if answer.strip()}


def _fits(case: Case, prompt: Prompt) -> bool:
    """Whether a case can be shown: it has the variables, is short, and is no conversation."""
    values = {**prompt.defaults, **case.values}
    if not all(name in values for name in prompt.variables):
        return False
    content = prompt.messages[-1]["content"]
    turns = template.only_variable(content) if isinstance(content, str) else None
    if turns is not None and isinstance(values.get(turns), list):
        return False
    return sum(map(len, case_texts(case))) <= LONGEST


def _choose(
    pool: Sequence[Case], answers: dict[str, str], failed: set[str], most: int, seed: int
) -> list[Case]:
    """Cases one after another, so that every beginning of the list is a good choice too."""
    order = list(pool)
    random.Random(seed).shuffle(order)
    words = {case.id: set(tokens(" ".join(case_texts(case)))[0]) for case in order}
    median = statistics.median(map(len, words.values())) if words else 0
    labels = Counter(answers[case.id] for case in order)
    # Free answers are all different: balance is for labels.
    balanced = 2 * len(labels) <= len(order)
    chosen: list[Case] = []
    used: Counter[str] = Counter()
    while len(chosen) < most:
        left = [case for case in order if case not in chosen]

        def rank(case: Case) -> tuple[float, ...]:
            likeness = max((_likeness(words[case.id], words[o.id]) for o in chosen), default=0.0)
            again = used[answers[case.id]] if balanced else 0
            long = len(words[case.id]) > 3 * median
            return (again, long, case.id not in failed, likeness)

        best = min(left, key=rank)
        chosen.append(best)
        used[answers[best.id]] += 1
    return chosen


def _likeness(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(1, len(one | other))
