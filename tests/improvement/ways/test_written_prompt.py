"""The prompt in a reply that is made to be hard to read."""

import pytest

from pex.core.prompt import Prompt
from pex.experiment.asking import Reply
from pex.improvement.ways.written_prompt import from_reply

OLD = Prompt("Sort: {{ x }}", "p")


@pytest.mark.parametrize(
    "noise",
    [
        "<think>" * 200_000,
        "<prompt>" * 200_000,
        "</think><thinking>" * 100_000,
        "```\n" * 100_001,
        "```a\n" * 200_000,
        "`" * 1_000_000 + "\n",
        "".join(f"{'~' * n}\n" for n in range(1_400, 2, -1)),
    ],
)
def test_a_megabyte_of_marks_is_read_in_one_pass(noise: str) -> None:
    assert isinstance(from_reply(Reply(noise), OLD, "q"), str)


@pytest.mark.parametrize(
    "text",
    [
        "<think>a</think>Sure <think>b</think>\n<PROMPT>{{ x }}, old</prompt> or "
        "<prompt>\n```text\nBy size: {{ x }}\n```\n</prompt>",
        "Here:\n```markdown\nBy size: {{ x }}\n```\nDone.\n```\nno\n```",
        "~~~~\nBy size: {{ x }}~~~~  \nDone",
        "<prompt>\n </prompt>\nBy size: {{ x }}",
    ],
)
def test_the_prompt_is_found_between_its_marks(text: str) -> None:
    found = from_reply(Reply(text), OLD, "q")
    assert isinstance(found, Prompt)
    assert found.text == "By size: {{ x }}"


def test_a_refusal_is_quoted_in_one_line() -> None:
    found = from_reply(Reply("I can't\n\n# help"), OLD, "q")
    assert found == "refused to write: “I can't # help”"
