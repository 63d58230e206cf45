"""The key `examples` of a prompt: the cases that its text shows."""

from __future__ import annotations

import pytest

from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.prompt_fields import fields_of, prompt_of

TEXT = "---\nname: sort\nexamples: [012, order 7, 3.10]\nowner: Ann\n---\nSort: {{ x }}\n"


def test_ids_are_read_as_they_are_written_and_kept_on_saving() -> None:
    prompt = Prompt.parse(TEXT, "f", "f")
    assert prompt.examples == ("012", "order 7", "3.10")
    assert prompt.unread == ()
    saved = prompt.changed(messages="Sort well: {{ x }}").as_file()
    assert "examples:\n  - 012\n  - order 7\n  - 3.10\nowner: Ann\n" in saved
    assert Prompt.parse(saved, "f", "f").examples == prompt.examples
    other = prompt.changed(examples=["007", "a"])
    assert Prompt.parse(other.as_file(), "f", "f").examples == ("007", "a")
    assert "examples" not in prompt.changed(examples=()).as_file()
    made = Prompt("Sort: {{ x }}", "sort", examples=["7", "7"])
    assert made.examples == ("7",)
    assert "examples:\n  - '7'\n" in made.as_file()


def test_they_are_not_part_of_what_is_sent_but_of_the_prompt() -> None:
    prompt = Prompt("Sort: {{ x }}", "sort", examples=["7"])
    plain = Prompt("Sort: {{ x }}", "sort")
    assert prompt.digest == plain.digest
    assert prompt != plain
    assert prompt_of(fields_of(prompt)) == prompt
    of_earlier_version = {key: item for key, item in fields_of(plain).items() if key != "examples"}
    assert prompt_of(of_earlier_version) == plain


def test_what_is_no_list_of_ids() -> None:
    with pytest.raises(PexError, match="prompt 'p': examples: expected a list of case ids"):
        Prompt("{{ x }}", "p", examples="7")
    # Another tool's key of this name is kept, with a remark.
    prompt = Prompt.parse(TEXT.replace("[012, order 7, 3.10]", "[{q: 1}]"), "f", "f")
    assert prompt.examples == ()
    assert prompt.unread == ("line 3: examples: expected a list of case ids: it is not read",)
    assert "examples:\n  - q: 1\n" in prompt.changed(messages="Hi {{ x }}").as_file()
