"""Rewriting from failures: a model reads what went wrong and writes a better prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pex.core.prompt import Prompt
from pex.experiment.asking import Reply
from pex.improvement.proposal import Measured, Proposal, Workbench
from pex.improvement.ways.failures import batches, failing, observations, shown
from pex.improvement.ways.kept_variables import kept_variables
from pex.improvement.ways.written_prompt import editable_messages, from_reply, to_text

_SYSTEM = (
    "You improve prompts for language models. You find the rules that a prompt leaves unsaid and "
    "state them clearly and briefly. You never copy text of the cases."
)
_ABOVE = """\
The prompt below is sent to a language model, once for each case, with the case's values in place \
of the variables in double braces.
{% if purpose %}
Its purpose: {{ purpose }}
{% endif %}
<prompt>
{{ prompt }}
</prompt>

"""
_CASES = """
{% for case in failed %}
<case>
{{ case }}
</case>
{% endfor %}
{% if passed %}
These cases it gets right, and must go on getting right:
{% for case in passed %}
<case>
{{ case }}
</case>
{% endfor %}
{% endif %}
"""
_BELOW = """ There may be several rules. Then write the improved prompt.

- State each rule in general, so that it helps with cases you have not seen. Do not list cases, \
and do not repeat wording of a case: a prompt that has five or more words in a row of a case is \
thrown away.
- Keep what works. Keep the task, the output format{{ keeps }}.
{% if variables %}\
- Keep these variables, written exactly so: {{ variables }}. Add no others.
{% endif %}\
{% if roles %}\
- Keep the lines that name the roles ({{ roles }}), in this order.
{% endif %}
Reply with the whole improved prompt between <prompt> and </prompt>, and nothing else."""


def writer(before: str, task: str, name: str) -> Prompt:
    """What the model that writes proposals is asked.

    Its variables are those of `description`, and `metric`, `failed` and `passed`.

    Args:
        before: what stands before the cases.
        task: what it is to work out from them.
        name: the prompt's name.
    """
    text = f"{_ABOVE}{before}{_CASES}{task}{_BELOW}"
    return Prompt([{"role": "system", "content": _SYSTEM}, {"role": "user", "content": text}], name)


WRITER = writer(
    """\
It was tried. Here are {{ failed | length }} cases that it got wrong: the values, the expected \
answer if there is one, the model's answer, and what the scorer "{{ metric }}" said about it.""",
    """\
Work out which rules the prompt would have to state so that the model gets such cases right: the \
form of the answer, its language or unit, what to do in which situation.""",
    "rewrite-from-failures",
)
"""What the model that writes proposals is asked."""


class Rewrite:
    """Rewriting from failing training cases by the model that writes proposals.

    Args:
        questions: how many different samples of failing cases it is shown, one question each.
        times: how many replies each question gets.
        failed: how many failing cases a question shows.
        passed: how many cases a question shows that must go on passing.
    """

    name = "rewrite"

    def __init__(
        self, questions: int = 2, times: int = 2, failed: int = 8, passed: int = 2
    ) -> None:
        self._questions = questions
        self._times = times
        self._failed = failed
        self._passed = passed
        self.left_out: list[str] = []
        """Why replies were no proposals."""

    def propose(self, parent: Measured, bench: Workbench) -> Iterator[Proposal]:
        """Ask for rewritten prompts; nothing if no case fails."""
        found = observations(parent, bench)
        failed = failing(found, bench)
        samples = batches(failed, self._questions, self._failed, bench.seed)
        if not samples:
            return
        failed_ids = {observation.case.id for observation in failed}
        right = [observation for observation in found if observation.case.id not in failed_ids]
        kept = [
            (batches(right, 1, self._passed, bench.seed + at) or [[]])[0]
            for at in range(len(samples))
        ]
        prompt = parent.prompt
        rows = [
            {
                **description(prompt),
                "metric": bench.metric,
                "failed": [shown(observation, prompt.variables) for observation in sample],
                "passed": [shown(observation, prompt.variables) for observation in of_sample],
            }
            for sample, of_sample in zip(samples, kept, strict=True)
        ]
        whys = [
            f"rewritten after {len(sample)} of {len(failed)} failing training cases"
            for sample in samples
        ]
        replies = bench.ask(WRITER, rows, self._times)
        yield from rewritten(prompt, self.name, replies, whys, self.left_out)


def rewritten(
    prompt: Prompt,
    way: str,
    replies: Sequence[Sequence[Reply]],
    whys: Sequence[str],
    left_out: list[str],
) -> Iterator[Proposal]:
    """The proposals in replies, each once.

    Args:
        prompt: the prompt that was to be rewritten.
        way: the name of the way.
        replies: the replies to each question.
        whys: for each question, what its proposals are.
        left_out: gets the reason why a reply is no proposal.
    """
    seen = {prompt.digest}
    for why, of_question in zip(whys, replies, strict=True):
        for reply in of_question:
            written = from_reply(reply, prompt, prompt.name)
            if isinstance(written, str):
                left_out.append(written)
            elif written.digest not in seen:
                seen.add(written.digest)
                yield Proposal(written, way, prompt.digest, why, written.examples)


def description(prompt: Prompt) -> dict[str, str]:
    """What a model has to know about a prompt to rewrite it: the values of `WRITER`."""
    roles = [message["role"] for message in editable_messages(prompt)]
    keeps = [
        text
        for text, there in (
            (" and the use of the tools", prompt.tools),
            (" and what the response schema asks for", prompt.response_schema),
        )
        if there
    ]
    return {
        "purpose": prompt.description,
        "prompt": to_text(prompt),
        "variables": ", ".join(kept_variables(prompt)),
        "roles": ", ".join(roles) if roles != ["user"] else "",
        "keeps": "".join(keeps),
    }
