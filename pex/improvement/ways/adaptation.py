"""Adaptation: a prompt that was written for one model is fitted to another.

The reference is what the old model answered, from the journal or measured once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pex.core.errors import PexError
from pex.improvement.proposal import Measured, Proposal, Workbench
from pex.improvement.ways.failures import Observation, batches, observations, shown, tag
from pex.improvement.ways.rewrite import description, rewritten, writer

WRITER = writer(
    """\
The prompt was written for another model. Here are {{ failed | length }} cases in which the model \
that gets it now does otherwise than the old one did: the values, the expected answer if there is \
one, the new model's answer, what the scorer "{{ metric }}" said about it, and the old model's \
answer.""",
    """\
Work out what the old model did by itself and the new one has to be told: the form and length of \
the answer, its tone, its language, what it leaves out, what it does in unclear situations. The \
old model's answers show what is wanted; where an answer is expected, that one counts.""",
    "adapt-to-a-model",
)
"""What the model that writes proposals is asked."""


class Adaptation:
    """Rewriting so that a new model answers as the old one did.

    Args:
        reference: the old model's answer to each training case, by case id; None: the answers
            and scores of the reference model that `pex.improve` was given.
        scores: the old model's scores, turned so that more is better; with them, only cases in
            which the new model is worse count as lost.
        questions: how many different samples of lost cases the writing model is shown.
        times: how many replies each question gets.
        lost: how many lost cases a question shows.
        kept: how many cases a question shows that must stay as they are.
    """

    name = "adaptation"

    def __init__(
        self,
        reference: Mapping[str, str] | None = None,
        scores: Mapping[str, float] | None = None,
        *,
        questions: int = 2,
        times: int = 2,
        lost: int = 8,
        kept: int = 2,
    ) -> None:
        self.uses_reference = reference is None
        """Whether it needs the reference model's answers of the workbench."""
        self._reference = reference or {}
        self._scores = scores
        self._questions = questions
        self._times = times
        self._lost = lost
        self._kept = kept
        self.left_out: list[str] = []
        """Why replies were no proposals."""

    def propose(self, parent: Measured, bench: Workbench) -> Iterator[Proposal]:
        """Ask for prompts that win lost cases back; nothing if there are none."""
        if self.uses_reference:
            self._reference, self._scores = _answers(bench)
        found = [item for item in observations(parent, bench) if item.case.id in self._reference]
        lost = [item for item in found if self._is_lost(item)]
        prompt = parent.prompt
        samples = batches(lost, self._questions, self._lost, bench.seed)
        if not samples:
            return
        lost_ids = {item.case.id for item in lost}
        same = [item for item in found if item.case.id not in lost_ids]
        rows = []
        for at, sample in enumerate(samples):
            kept = batches(same, 1, self._kept, bench.seed + at)
            rows.append(
                {
                    **description(prompt),
                    "metric": bench.metric,
                    "failed": [self._shown(item, prompt.variables) for item in sample],
                    "passed": [shown(item, prompt.variables) for item in (kept or [[]])[0]],
                }
            )
        why = f"adapted after {{}} of {len(lost)} training cases that the old model did better"
        if self._scores is None:
            why = (
                f"adapted after {{}} of {len(lost)} training cases that the old model did otherwise"
            )
        replies = bench.ask(WRITER, rows, self._times)
        whys = [why.format(len(sample)) for sample in samples]
        yield from rewritten(parent.prompt, self.name, replies, whys, self.left_out)

    def _is_lost(self, item: Observation) -> bool:
        if self._scores is not None and item.case.id in self._scores:
            return item.score < self._scores[item.case.id] - 1e-9
        return _plain(item.output) != _plain(self._reference[item.case.id])

    def _shown(self, item: Observation, names: tuple[str, ...]) -> str:
        return f"{shown(item, names)}\n{tag('old-answer', self._reference[item.case.id])}"


def _answers(bench: Workbench) -> tuple[dict[str, str], Mapping[str, float]]:
    """The reference model's first answer to each training case, and its scores."""
    measured = bench.reference()
    if measured is None:
        raise PexError(
            "way 'adaptation' needs the old model's answers",
            hint="name the old model: reference='openai/gpt-4o'",
        )
    found: dict[str, str] = {}
    for row in measured.frame.sort_values("repeat").to_dict("records"):
        if isinstance(row["output"], str) and not isinstance(row["error"], str):
            found.setdefault(str(row["case_id"]), row["output"])
    return found, measured.scores


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
