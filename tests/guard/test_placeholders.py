"""A person's data is replaced, everything else stays."""

import json
import pickle
import re
import time

import pytest

from pex.guard import personal
from pex.guard.names import presidio_names
from pex.guard.placeholders import Placeholders, hide_in, hide_personal
from tests.helpers.personal_sets import look_alike_set, personal_set


def test_the_same_value_has_the_same_number_and_another_one_another() -> None:
    text = (
        "Ada Byron <ada@firm.org> and ADA@firm.org, bob@firm.org; +49 30 901820 is 004930 901820, "
        "DE89 3704 0044 0532 0130 00 = DE89370400440532013000, 4111-1111-1111-1111. ada byron"
    )
    hidden = hide_personal(text, names=["Ada Byron"])
    assert hidden.text == (
        "[NAME_1] <[EMAIL_1]> and [EMAIL_1], [EMAIL_2]; [PHONE_1] is [PHONE_1], "
        "[IBAN_1] = [IBAN_1], [CARD_1]. [NAME_1]"
    )
    assert hidden.counts == {"NAME": 2, "EMAIL": 3, "PHONE": 2, "IBAN": 2, "CARD": 1}
    assert hide_personal(hidden.text, names=["Ada Byron", "name", "email"]).text == hidden.text


def test_numbers_go_on_over_texts_and_leave_out_those_that_are_there() -> None:
    known = Placeholders()
    assert hide_personal("a@b.org", known=known).text == "[EMAIL_1]"
    assert hide_personal("[EMAIL_2] c@b.org a@b.org", known=known).text == (
        "[EMAIL_2] [EMAIL_3] [EMAIL_1]"
    )
    assert "a@b.org" not in repr(vars(known))
    with pytest.raises(TypeError):
        pickle.dumps(known)


def test_nested_values_keys_numbers_and_documents_in_strings() -> None:
    arguments = json.dumps({"text": "Hallo\nada@firm.org", "n": 4111111111111111, "name": "Zoë"})
    value = [
        {"role": "user", "content": [{"type": "text", "text": "I am zoë, ada@firm.org"}]},
        {"tool_calls": [{"function": {"name": "send", "arguments": arguments}}]},
        {"ada@firm.org": 1, "Ada@firm.org": 2, "phone": "030 901820", "order_id": "030 901820"},
    ]
    before = json.dumps(value)
    hidden = hide_in(value, names=["ZOË"], regions=["DE"]).value
    assert json.dumps(value) == before
    assert hidden[0]["content"][0]["text"] == "I am [NAME_1], [EMAIL_1]"
    assert json.loads(hidden[1]["tool_calls"][0]["function"]["arguments"]) == {
        "text": "Hallo\n[EMAIL_1]",
        "n": "[CARD_1]",
        "name": "[NAME_1]",
    }
    assert hidden[2] == {
        "[EMAIL_1]": 1,
        "[EMAIL_1] (2)": 2,
        "phone": "[PHONE_1]",
        "order_id": "030 901820",
    }
    assert hide_in(hidden, names=["zoë"]).value == hidden
    assert hide_personal('{"a": 1,  "b": "x"}').text == '{"a": 1,  "b": "x"}'


def test_what_is_kept_is_never_replaced() -> None:
    text = "help@firm.org, a@eu.firm.org, a@infirm.org, 0800 1234567, +49 30 901820, Ada, Bob"
    keep = ["@firm.org", "+4930901820", "re:0800.*", "ada"]
    hidden = hide_personal(text, names=["Ada", "Bob", "firm", "help"], keep=keep, regions=["DE"])
    assert hidden.text == (
        "help@firm.org, a@eu.firm.org, [EMAIL_1], 0800 1234567, +49 30 901820, Ada, [NAME_1]"
    )
    with pytest.raises(ValueError, match=r"re:\("):
        hide_personal("x", keep=["re:("])
    with pytest.raises(ValueError, match="'XX'"):
        hide_personal("x", regions=["XX"])


@pytest.mark.parametrize(
    ("text", "name", "left"),
    [
        ("Anna, Ann's annual", "ann", "Anna, [NAME_1]'s annual"),
        ("ZOE\u0308 und Zoë", "Zoë", "[NAME_1] und [NAME_1]"),
        ("Straße an STRASSE", "Straße", "[NAME_1] an [NAME_1]"),
        ("O’Brien-Smith", "O'Brien Smith", "[NAME_1]"),
        ("山田太郎さん", "山田太郎", "[NAME_1]さん"),
        ("नमस्ते अनिता।", "अनिता", "नमस्ते [NAME_1]।"),
        ("ann: marie", "Ann Marie", "[NAME_1]"),
    ],
)
def test_names_of_a_list_are_whole_words(text: str, name: str, left: str) -> None:
    if name == "Ann Marie":  # a colon is no part of a name
        left = text
    assert hide_personal(text, names=[name]).text == left


def test_names_by_presidio_or_why_not() -> None:
    class Result:
        def __init__(self, start: int, end: int, score: float) -> None:
            self.start, self.end, self.score = start, end, score

    class Analyzer:
        """Stands in for presidio's engine, whose language model is not installed here."""

        def analyze(self, *, text: str, language: str, entities: list[str]) -> list[Result]:
            assert (language, entities) == ("de", ["PERSON"])
            at = text.find("Grace")
            return [] if at < 0 else [Result(at, at + 5, 0.85), Result(0, 3, 0.2)]

    finder = presidio_names("de", Analyzer())
    assert hide_personal("Was Grace sagt", finder=finder).text == "Was [NAME_1] sagt"
    try:
        import presidio_analyzer  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="presidio-analyzer, which is not installed"):
            presidio_names()


def test_recall_and_precision_on_sets_of_several_countries() -> None:
    data, alikes = personal_set(), look_alike_set()
    assert min(len(data), len(alikes)) >= 400
    missed = [value for text, value in data if value[-9:] in hide_personal(text).text]
    wrong = [text for text in alikes if hide_personal(text).found]
    assert len(missed) <= 0.01 * len(data), missed
    assert len(wrong) <= 0.01 * len(alikes), wrong


@pytest.mark.parametrize(
    "token", ["a@b.org ", "a" * 40, "+49 30 901820 ", "[EMAIL_1]", "1 ", "DE89", "ann ", "{[", "@."]
)
def test_no_text_takes_more_than_linear_time(token: str) -> None:
    def seconds(size: int) -> float:
        times = []
        for _ in range(2):
            start = time.thread_time()
            hide_personal(token * (size // len(token)), names=["ann ann ann bob"])
            times.append(time.thread_time() - start)
        return min(times)

    # Eight times the text: quadratic time would be 64 times as long.
    assert seconds(40_000) < 30 * max(seconds(5_000), 0.001)


def test_long_texts_are_read_to_their_end() -> None:
    assert hide_personal("word " * 60_000 + "ada@firm.org").text.endswith("word [EMAIL_1]")


def test_a_document_nested_too_deeply_is_read_as_text() -> None:
    text = "[" * 900 + '"ada@firm.org"' + "]" * 900
    assert hide_personal(text).text == text.replace("ada@firm.org", "[EMAIL_1]")


def test_a_number_that_comes_again_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import phonenumbers

    parse, parsed = phonenumbers.parse, list[str]()

    def counted(number: str, region: str | None) -> object:
        parsed.append(number)
        return parse(number, region)

    monkeypatch.setattr(phonenumbers, "parse", counted)
    once = hide_personal("Call +44 20 7946 0958.")
    calls = len(parsed)
    many = hide_personal("Call +44 20 7946 0958. " * 50)
    assert (set(many.found), len(many.found)) == (set(once.found), 50)
    assert len(parsed) == 2 * calls


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("a@b@ada@firm.org,bob@firm.org@x", "a@b@[EMAIL_1],[EMAIL_2]@x"),
        (f"{'x' * 70}@firm.org {'a.' * 40}@firm.org", None),
        ("12 345, 67890 1 tel 030 901820-12,5", None),
        ("x1234567 " * 3 + "+49 30 901820", "x1234567 " * 3 + "[PHONE_1]"),
        ("(+49) 30 901820)", "([PHONE_1]"),
        ("4111 1111 1111 1111 12/29, 4111-1111-1111-1111", "[CARD_1] 12/29, [CARD_1]"),
    ],
)
def test_a_quick_first_look_finds_what_the_pattern_alone_finds(
    text: str, hidden: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = hide_personal(text).text
    assert quick == (hidden or quick)
    monkeypatch.setattr(personal, "_SEVEN_DIGITS", re.compile(r"(?s)(?=\d).+"))
    monkeypatch.setattr(personal, "_THIRTEEN_DIGITS", re.compile(r"(?s)(?=\d).+"))
    assert hide_personal(text).text == quick
