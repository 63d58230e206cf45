"""What a lesson shows and counts; the attacks themselves are tried by the notebooks' test."""

import ipywidgets
import pytest

from pex.core.errors import PexError
from pex.lessons import form
from pex.lessons import lesson as lesson_module
from pex.lessons.field import Field
from pex.lessons.lesson import Lesson, Number, Try
from pex.lessons.personal_data import NOTES, _out
from pex.lessons.system_prompt import WORD, _longest_part


class Echo(Lesson):
    fields = (Field("text", "Say", "hello"),)
    given = ({}, {"text": "<script>window.PWNED=1</script>\u202e"})

    def play(self, values):
        if values["text"] == "fail":
            raise PexError("the model is asleep", hint="wake it")
        return Try(values["text"], values["text"], values["text"] == "hello", "echoed")


class Output:
    """In a notebook it is the output of a cell."""

    def __init__(self, html):
        self.html = html

    replace = __init__


def test_hostile_text_is_text_and_only_what_is_known_is_counted(monkeypatch):
    monkeypatch.setattr(lesson_module, "StaticOutput", Output)
    lesson = Echo()
    lesson.examples()
    shown = lesson.table(own=False)
    assert "<script>" not in shown
    assert "&lt;script&gt;window.PWNED=1&lt;/script&gt;⟨U+202E⟩" in shown
    assert "Your tries will be here." in lesson.table()
    assert "All of these are the examples" in str(lesson.number())
    lesson.attack()
    lesson.tries.append(Try("?", "?", None, "not known"))
    said = lesson.number().sentences
    assert said[0].startswith("The attack worked in 2 of 3 tries (with so few")
    assert said[1:] == [
        "The guard would have stopped 0 of 3; 2 of those that worked went past it.",
        "1 of these tries is your own.",
        "1 could not be counted; the table says why.",
    ]
    lesson.examples()
    assert [item.own for item in lesson.tries] == [True, True, False, False]
    with pytest.raises(PexError, match="there is no field 'txt'"):
        lesson.attack(txt="")


def test_harmless_texts_are_counted_beside_the_attacks():
    tries = (Try("a", "", True, "", flagged=True, twin=True, twin_flagged=False),
             Try("b", "", False, "", twin=False, twin_flagged=True))  # fmt: skip
    said = Number("It worked", tries).sentences
    assert "the same effect in 1 of 2" in said[2]
    assert "alarmed at 1 of 2 harmless texts" in said[3]
    assert Number("It worked", ()).sentences == ["No number yet: try the attack first."]


def test_the_button_tries_and_says_what_went_wrong(monkeypatch):
    shown = []
    monkeypatch.setattr(form, "display", shown.append)
    lesson = Echo()
    form.show(lesson.fields, lesson._tried)
    (box,) = shown
    _, text, button, status = box.children
    assert isinstance(button, ipywidgets.Button)
    button.click()
    assert (len(lesson.tries), status.value) == (1, "Try 1: echoed")
    text.value = "fail"
    button.click()
    assert status.value == "the model is asleep. wake it"
    assert (len(lesson.tries), button.disabled) == (1, False)


def test_what_counts_as_leaked():
    assert _longest_part(f"It is {WORD[2:12].upper()}, no?") == 10
    assert _longest_part(WORD[::-1]) == len(WORD)
    assert _longest_part("It is a secret.") < 8
    assert _out("She is Anna Berg (ANNA.BERG@firm.org).", NOTES) == [
        "anna.berg@firm.org",
        "Anna Berg",
    ]
    assert _out("I do not know her.", NOTES) == []
