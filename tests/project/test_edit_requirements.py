"""Requirements written into an experiment's file, whose other bytes stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pex
from pex.core.yamltext import load_yaml
from pex.project.edit_requirements import with_requirements
from pex.project.spec import Requirement

NEW = Requirement(id="R9", text="Says: no # never", source="Legal", at_least=0.9)
HEAD = "name: x   # the name\ncases: cases.csv\n"
FORMS = {
    "no key": HEAD,
    "no line end": HEAD.rstrip("\n"),
    "no value": HEAD + "requirements:\nscorers: [label]\n",
    "empty": HEAD + "requirements: []   # none yet\nscorers: [label]\n",
    "flow": HEAD + "requirements: [{id: R1, text: a}]\nscorers: [label] # s\n",
    "flow of lines": HEAD + "requirements: [\n  {id: R1, text: a},  # one\n]\nscorers: [label]\n",
    "block": HEAD + "requirements:\n  - {id: R1, text: a}  # one\n# end\nscorers: [label]\n",
    "flush": HEAD + "requirements:\n- id: R1\n  text: a # one\n\nscorers: [label]\n",
    "folded": HEAD
    + "requirements:\n  - id: R1\n    text: >-\n      a\n      b\n\n# end\nscorers: []\n",
    "last": HEAD + "requirements:\n  - id: R1\n    text: a",
    "windows": (HEAD + "requirements:\n  - id: R1\n    text: a\nscorers: []\n").replace(
        "\n", "\r\n"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_new_one_is_added_and_every_other_line_stays(form: str) -> None:
    text = FORMS[form]
    changed = with_requirements(text, "f", [NEW])
    found = load_yaml(changed, "f").data["requirements"]
    assert Requirement.model_validate(found[-1]) == NEW
    for line in text.splitlines():
        if not line.startswith("requirements:") and form != "flow of lines":
            assert line in changed.splitlines()
    assert ("\r\n" in changed) == ("\r\n" in text)
    assert "\n" not in changed.replace("\r\n", "") or form != "windows"
    # What is there already changes nothing.
    assert with_requirements(changed, "f", [NEW]) == changed


@pytest.mark.parametrize("form", ["flow", "block", "flush", "folded", "last", "windows"])
def test_one_that_is_there_changes_in_its_place(form: str) -> None:
    text = FORMS[form]
    other = Requirement(id="R1", text="c: d", source="Sales", priority="could")
    changed = with_requirements(text, "f", [other])
    found = load_yaml(changed, "f").data["requirements"]
    assert [Requirement.model_validate(item) for item in found] == [other]
    comments = [part for line in text.splitlines() for part in line.partition("#")[1:] if part]
    assert all(comment in changed for comment in comments)
    back = with_requirements(changed, "f", [Requirement(id="R1", text="a")])
    last = load_yaml(back, "f").data["requirements"][0]
    assert Requirement.model_validate(last) == Requirement(id="R1", text="a")


def test_what_cannot_be_changed_in_place_is_shown_and_not_written() -> None:
    with pytest.raises(pex.PexError, match="cannot be changed in place") as raised:
        with_requirements("{name: x, cases: c.csv}", "f", [NEW])
    assert "- {id: R9," in str(raised.value)


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip))
def test_any_sentence_is_read_again_as_it_was(sentence: str) -> None:
    item = Requirement(id="R2", text=sentence)
    changed = with_requirements(FORMS["block"], "f", [item])
    found = load_yaml(changed, "f").data["requirements"][-1]
    assert Requirement.model_validate(found) == item
