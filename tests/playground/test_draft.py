"""A draft without anything around it: what is typed, what is wrong with it, and the way back."""

import dataclasses
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.variant import Variant, grid
from pex.playground.as_code import code, literal
from pex.playground.draft import Column, Draft, Entry, Message, column_of
from pex.playground.draft_files import from_json, to_json
from pex.playground.draft_view import document
from pex.playground.history import DEPTH, History, new_id, with_cases

BASE = Prompt("Review: {{ review }}\nPositive?", "short", params={"temperature": 0})
CASES = [
    Case("r1", {"review": "Nice.", "stars": 5, "tags": ["a"]}, "positive", "shop", ("easy",)),
    Case("r2", {"review": "Bad.", "stars": 1, "tags": []}, "negative"),
]


def draft_of(*texts: str, cases: tuple[Case, ...] = ()) -> Draft:
    columns = [
        Column(f"v{n}", f"p{n}", "local/smollm2", {}, (Message("user", text),))
        for n, text in enumerate(texts)
    ]
    entries = [Entry(f"c{n}", case) for n, case in enumerate(cases)] or [Entry("c0")]
    return Draft(tuple(columns), tuple(entries), columns[0].id if columns else "")


def problems(draft: Draft, column: str = "v0") -> list[tuple[str, int | None]]:
    return [(item.where, item.line) for item in draft.column_problems[column]]


def edited(draft: Draft, field: str, value: object, index: object = 0) -> Draft:
    history = History(draft)
    history.do({"act": "edit", "variant": "v0", "field": field, "index": index, "value": value})
    return history.draft


def test_a_broken_template_names_its_line() -> None:
    draft = draft_of("One.\nTwo {{ text }\nThree.")
    (found,) = draft.column_problems["v0"]
    assert (found.where, found.line) == ("message:0", 2)
    assert "{{ name }}" in found.hint
    assert draft.variables == ("text",)  # what is being typed has its input all the same


@pytest.mark.parametrize(
    ("field", "value", "index", "where"),
    [
        ("name", "my prompt", 0, "name"),
        ("name", "", 0, "name"),
        ("model", "smollm2", 0, "model"),
        ("model", "", 0, "model"),
        ("role", "robot", 0, "message:0"),
        ("message", "  ", 0, "message:0"),
        ("message", "{% for x in y %}", 0, "message:0"),
        ("params", "warm", "temperature", "params"),
        ("params", "0", "max_tokens", "params"),
        ("params", "3", "n", "params"),
    ],
)
def test_what_cannot_be_asked_is_said_where_it_is(
    field: str, value: str, index: object, where: str
) -> None:
    assert [place for place, _ in problems(edited(draft_of("Hi"), field, value, index))] == [where]


def test_a_name_that_does_not_fit_comes_with_the_nearest_that_does() -> None:
    (found,) = edited(draft_of("Hi"), "name", "my prompt").column_problems["v0"]
    assert "'my-prompt'" in found.hint


def test_two_variants_of_one_name_are_a_problem_of_the_second() -> None:
    draft = draft_of("Hi", "Ho")
    twice = tuple(dataclasses.replace(column, name="p") for column in draft.columns)
    draft = dataclasses.replace(draft, columns=twice)
    assert problems(draft, "v0") == []
    assert problems(draft, "v1") == [("name", None)]


def test_parameters_are_numbers_and_json_where_they_are_typed_as_such() -> None:
    draft = draft_of("Hi")
    for name, text in [("temperature", "0.5"), ("seed", "7"), ("stop", '["a"]'), ("mode", "low")]:
        draft = edited(draft, "params", text, name)
    assert draft.columns[0].params == {"temperature": 0.5, "seed": 7, "stop": ["a"], "mode": "low"}
    assert "seed" not in edited(draft, "params", " ", "seed").columns[0].params


def test_a_variable_that_a_given_case_does_not_have_names_the_nearest_right_one() -> None:
    draft = draft_of("{{ reveiw }}", "{{ review }}", cases=tuple(CASES))
    (found,) = draft.column_problems["v0"]
    assert "r1" in found.text
    assert found.hint == "did you mean 'review'?"
    assert problems(draft, "v1") == []


def test_a_default_of_the_prompt_stands_for_a_missing_variable() -> None:
    prompt = Prompt("{{ review }} {{ tone }}", "p", defaults={"tone": "kind"})
    column = column_of(Variant(prompt, "local/smollm2"), "v0")
    assert problems(Draft((column,), (Entry("c0", CASES[0]),), "v0")) == []


def test_an_empty_typed_case_is_not_asked_and_a_second_equal_one_neither() -> None:
    history = History(draft_of("{{ text }}"))
    (found,) = history.draft.entry_problems["c0"]
    assert found.text == "fill in at least one input"
    history.do({"act": "edit_case", "case": "c0", "field": "text", "value": "a"})
    history.do({"act": "add_case"})
    second = history.draft.entries[1].id
    history.do({"act": "edit_case", "case": second, "field": "text", "value": "a"})
    assert history.draft.entry_problems["c0"] == ()
    assert history.draft.entry_problems[second][0].text == "the same as case 1"


def test_a_prompt_without_variables_is_asked_once() -> None:
    draft = draft_of("Hello")
    assert draft.entry_problems["c0"] == ()
    assert draft.cases["c0"].inputs == {"case": "c0"}


def test_an_edited_given_case_is_a_copy_that_keeps_what_it_had() -> None:
    history = History(draft_of("{{ review }}", cases=tuple(CASES)))
    assert history.draft.cases["c0"] is CASES[0]
    history.do({"act": "edit_case", "case": "c0", "field": "review", "value": "Fine."})
    case = history.draft.cases["c0"]
    assert history.draft.entries[0].typed
    assert case.id not in ("r1", "")
    assert case.inputs == {"review": "Fine.", "stars": 5, "tags": ["a"]}
    assert (case.expected, case.group, case.tags) == ("positive", "shop", ("easy",))
    history.do({"act": "edit_case", "case": "c0", "field": "review", "value": "Nice."})
    assert history.draft.cases["c0"] is CASES[0]


def test_a_number_or_a_list_stays_one_when_it_is_edited() -> None:
    history = History(draft_of("{{ stars }} {{ tags }}", cases=tuple(CASES)))
    history.do({"act": "edit_case", "case": "c0", "field": "stars", "value": "4"})
    history.do({"act": "edit_case", "case": "c0", "field": "tags", "value": '["a", "b"]'})
    assert history.draft.cases["c0"].inputs["stars"] == 4
    assert history.draft.cases["c0"].inputs["tags"] == ["a", "b"]
    history.do({"act": "edit_case", "case": "c0", "field": "tags", "value": "[broken"})
    assert history.draft.cases["c0"].inputs["tags"] == "[broken"


def test_an_unchanged_prompt_is_the_very_one_and_a_changed_one_keeps_what_belongs_to_it() -> None:
    prompt = Prompt("{{ review }}", "p", response_schema={"type": "object"}, defaults={"x": 1})
    column = column_of(Variant(prompt, "local/smollm2", {"seed": 1}), "v0")
    assert column.prompt is prompt
    assert column.variant(prompt) == Variant(prompt, "local/smollm2", {"seed": 1})
    changed = dataclasses.replace(column, messages=(Message("user", "New {{ review }}"),))
    assert changed.prompt.response_schema == {"type": "object"}
    assert changed.prompt.defaults == {"x": 1}
    assert changed.prompt.path is None


def test_a_parameter_of_the_prompt_that_is_removed_is_not_sent() -> None:
    column = column_of(Variant(BASE, "local/smollm2"), "v0")
    assert column.params == {"temperature": 0}
    without = dataclasses.replace(column, params={})
    assert without.variant(without.prompt).all_params == {}
    warmer = dataclasses.replace(column, params={"temperature": 1})
    assert warmer.prompt is BASE
    assert warmer.variant(BASE).params == {"temperature": 1}


def test_different_prompts_of_one_name_get_names_of_their_own() -> None:
    first = column_of(Variant(BASE, "local/smollm2"), "v0")
    second = dataclasses.replace(first, id="v1", name="short-2")
    changed = dataclasses.replace(first, messages=(Message("user", "Other {{ review }}"),))
    variants = Draft((changed, second), (), "v0").variants(["v0", "v1"])
    assert [(v.name, v.prompt.name) for v in variants] == [
        ("short", "short"),
        ("short-2", "short-2"),
    ]
    same = Draft((first, second), (), "v0").variants(["v0", "v1"])
    assert [v.prompt.name for v in same] == ["short", "short"]


def test_a_prompt_with_parts_that_no_text_can_say_is_locked_and_asked_as_it_is() -> None:
    parts = [
        {"type": "text", "text": "What is {{ it }}?"},
        {"type": "image_url", "image_url": {"url": "{{ photo }}", "detail": "low"}},
    ]
    column = column_of(Variant(Prompt([{"role": "user", "content": parts}], "p"), "lab/m"), "v0")
    draft = Draft((column,), (Entry("c0"),), "v0")
    assert set(column.variables) == {"it", "photo"}
    with pytest.raises(PexError, match="not text"):
        edited(draft, "message", "x")
    renamed = edited(draft, "params", "1", "seed").columns[0]
    assert renamed.prompt.messages == column.prompt.messages
    assert problems(draft) == []


def test_names_of_a_grid_become_names_that_a_prompt_may_have() -> None:
    columns = [
        column_of(variant, str(n))
        for n, variant in enumerate(grid([BASE], ["lab/m1", "lab/m2"], [{"seed": 1}, {"seed": 2}]))
    ]
    assert columns[0].name == "short-m1-seed-1"
    draft = Draft(tuple(columns), (Entry("c", CASES[0]),), "0")
    assert not any(draft.column_problems.values())


def test_edits_of_one_field_in_quick_succession_are_one_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    history = History(draft_of("a"))

    def typed(text: str, after: float, field: str = "message") -> None:
        now[0] += after
        history.do({"act": "edit", "variant": "v0", "field": field, "index": 0, "value": text})

    typed("ab", 0)
    typed("abc", 1.9)
    typed("abcd", 2.1)
    typed("name", 0.1, "name")
    typed("abcde", 0.1)
    seen = []
    while history.can_undo:
        history.undo()
        seen.append((history.draft.columns[0].messages[0].text, history.draft.columns[0].name))
    assert seen == [("abcd", "name"), ("abcd", "p0"), ("abc", "p0"), ("a", "p0")]


def test_what_is_added_or_removed_whole_is_one_step_however_fast() -> None:
    history = History(draft_of("a"))
    for text, whole in (("ab", {}), ("ab i1", {"whole": True}), ("ab", {"whole": True}), ("b", {})):
        history.do(
            {"act": "edit", "variant": "v0", "field": "message", "index": 0, "value": text, **whole}
        )
    seen = []
    while history.can_undo:
        history.undo()
        seen.append(history.draft.columns[0].messages[0].text)
    assert seen == ["ab", "ab i1", "ab", "a"]


def test_a_value_that_is_equal_but_typed_otherwise_is_an_edit() -> None:
    draft = edited(draft_of("Hi"), "params", "1", "logprobs")
    assert draft.columns[0].params["logprobs"] == 1
    assert edited(draft, "params", "true", "logprobs").columns[0].params["logprobs"] is True


def test_half_a_surrogate_becomes_something_that_can_be_sent() -> None:
    draft = edited(draft_of("Hi"), "message", "a\ud800b\x00c")
    assert draft.columns[0].messages[0].text == "a�b\x00c"


@pytest.mark.parametrize(
    "act",
    [
        {},
        {"act": "explode"},
        {"act": "edit"},
        {"act": "edit", "variant": "gone", "field": "name", "value": "x"},
        {"act": "edit", "variant": "v0", "field": "name", "value": 3},
        {"act": "edit", "variant": "v0", "field": "colour", "value": "x"},
        {"act": "edit", "variant": "v0", "field": "message", "index": 7, "value": "x"},
        {"act": "edit", "variant": "v0", "field": "message", "index": "0", "value": "x"},
        {"act": "edit", "variant": "v0", "field": "message", "index": 0, "value": "x" * 1_000_001},
        {"act": "remove_case", "case": ["c0"]},
        {"act": "remove_variant", "variant": "v0"},
    ],
)
def test_an_act_that_does_not_fit_changes_nothing(act: dict) -> None:
    history = History(draft_of("Hi"))
    before = history.draft
    with pytest.raises(PexError):
        history.do(act)
    assert history.draft is before
    assert not history.can_undo


def test_there_is_an_end_to_columns_cases_and_steps() -> None:
    history = History(draft_of("Hi"))
    for _ in range(23):
        history.do({"act": "add_variant"})
    with pytest.raises(PexError, match="at most 24"):
        history.do({"act": "add_variant"})
    many = [Case(str(n), {"review": str(n)}) for n in range(201)]
    with pytest.raises(PexError, match="at most 200"):
        with_cases(history.draft, many)
    for n in range(DEPTH + 50):
        history.do({"act": "move", "variant": "v0", "by": 1 if n % 2 == 0 else -1})
    steps = 0
    while history.can_undo:
        history.undo()
        steps += 1
    assert steps == DEPTH


ACTS = st.sampled_from(
    ["add_variant", "duplicate", "remove_variant", "move", "add_message", "remove_message",
     "move_message", "message", "system", "name", "params", "add_case", "remove_case", "case",
     "expected", "baseline"]
)  # fmt: skip
STEPS = st.lists(st.tuples(ACTS, st.integers(0, 5), st.text(max_size=8)), max_size=30)


def act_of(draft: Draft, step: tuple[str, int, str]) -> dict:
    what, number, text = step
    column = draft.columns[number % len(draft.columns)]
    entry = draft.entries[number % len(draft.entries)].id if draft.entries else "none"
    act = {"act": what, "variant": column.id, "case": entry, "by": number % 2 * 2 - 1,
           "index": number % len(column.messages), "value": text}  # fmt: skip
    if what in ("message", "system", "name", "params"):
        act |= {"act": "edit", "field": what}
        act["index"] = text if what == "params" else act["index"]
    if what in ("case", "expected"):
        act |= {"act": "edit_case", "field": "expected" if what == "expected" else "text"}
    return act


def said(draft: Draft) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in draft.columns[0].messages]


def test_the_system_message_comes_and_goes_and_the_others_keep_their_number() -> None:
    draft = edited(draft_of("Hi"), "system", "Be brief.")
    assert said(draft) == [("system", "Be brief."), ("user", "Hi")]
    draft = edited(draft, "message", "Hello", 0)
    assert said(draft) == [("system", "Be brief."), ("user", "Hello")]
    history = History(draft)
    history.do({"act": "add_message", "variant": "v0"})
    assert said(history.draft)[2:] == [("assistant", "")]
    history.do({"act": "move_message", "variant": "v0", "index": 1, "by": -1})
    history.do({"act": "move_message", "variant": "v0", "index": 0, "by": -1})
    assert said(history.draft) == [("system", "Be brief."), ("assistant", ""), ("user", "Hello")]
    history.do({"act": "remove_message", "variant": "v0", "index": 0})
    draft = edited(history.draft, "system", "")
    assert said(draft) == [("user", "Hello")]
    with pytest.raises(PexError, match="no longer there"):
        edited(draft, "message", "x", 1)


def test_a_parameter_that_no_endpoint_is_known_to_have_is_remarked_on() -> None:
    draft = draft_of("Hi")
    for name in ("topp", "top_p", "zz"):
        draft = edited(draft, "params", "0.5", name)
    (variant,) = document(draft, None, {})["variants"]
    assert variant["notes"] == [
        "'topp' is sent as it is; did you mean 'top_p'?",
        "'zz' is sent as it is",
    ]
    assert variant["problems"] == []


@pytest.mark.parametrize("value", ["json", "{", "[1]", '{"schema": {}}'])
def test_a_response_format_is_an_object_with_a_type(value: str) -> None:
    assert problems(edited(draft_of("Hi"), "params", value, "response_format")) == [
        ("params", None)
    ]


@given(STEPS)
@settings(deadline=None, max_examples=150)
def test_undo_goes_all_the_way_back_and_redo_all_the_way_forward(steps: list) -> None:
    history = History(draft_of("{{ text }}", "b", cases=tuple(CASES)))
    begin, path = history.draft, [history.draft]
    for step in steps:
        try:
            history.do(act_of(history.draft, step))
        except PexError:
            continue
        if history.draft != path[-1]:
            path.append(history.draft)
    end = history.draft
    assert from_json(to_json(end)) == end
    assert set(end.column_problems) == {column.id for column in end.columns}
    assert end.baseline in {column.id for column in end.columns}
    back = [end]
    while history.can_undo:
        history.undo()
        back.append(history.draft)
    assert history.draft == begin
    assert all(draft in path for draft in back)
    while history.can_redo:
        history.redo()
    assert history.draft == end


def test_a_new_act_after_undo_ends_what_could_be_redone() -> None:
    history = History(draft_of("Hi"))
    history.do({"act": "add_case"})
    history.undo()
    history.do({"act": "add_variant"})
    assert not history.can_redo


def test_a_draft_comes_back_from_json_with_the_prompts_it_began_from(tmp_path) -> None:
    file = tmp_path / "short.prompty"
    file.write_text("---\nname: short\nmodel:\n  options: {temperature: 0}\n---\n{{ review }}\n")
    column = column_of(Variant(Prompt.load(file), "local/smollm2"), new_id())
    draft = Draft((column,), tuple(Entry(c.id, c) for c in CASES), column.id)
    again = from_json(to_json(draft))
    assert again == draft
    assert again.columns[0].prompt.to_prompty() == file.read_text()
    assert again.columns[0].prompt.path == file
    with pytest.raises(PexError, match="not a draft"):
        from_json({"columns": [{"id": 1}]})


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.text() | st.lists(st.text() | st.none() | NUMBERS | st.booleans()))
def test_a_literal_is_the_value_again(value: object) -> None:
    assert eval(literal(value)) == value


@given(st.text(), st.text(), st.lists(st.sampled_from(["class", "a-b", "a_b", "1", "pex"]),
       unique=True, min_size=1))  # fmt: skip
@settings(deadline=None)
def test_code_makes_the_same_prompts(text: str, other: str, names: list[str]) -> None:
    words = text.replace("{", "(").strip() or "Hi"
    prompts = [
        Prompt([{"role": "system", "content": other.replace("{", "(")},
                {"role": "user", "content": f"{name} {words}"}], name)
        for name in names
    ]  # fmt: skip
    variants = [Variant(prompt, "local/smollm2", {"seed": 1}) for prompt in prompts]
    case = Case("1", {"text": text.replace("\ud800", "")})
    written = code("e", variants, [case], [], {}).replace("exp.run()", "")
    space: dict = {}
    exec(written, space)  # noqa: S102 - it is what the code is for
    assert space["exp"].variants == variants
    assert space["exp"].cases == [case]


def test_a_case_that_is_changed_keeps_how_its_numbers_are_read() -> None:
    case = Case("1", {"q": "a"}, "1,234", decimal=",")
    changed = dataclasses.replace(Entry("c0", case), expected="5,678").case(("q",))
    assert (changed.expected, changed.decimal) == ("5,678", ",")
