"""`prompt.messages`: a tuple that can be called."""

import copy
import dataclasses
import pickle
import typing

import pytest

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.openai_call import _EVERY_VERSION, _named
from pex.core.prompt import Prompt

PROMPT = Prompt(
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{ review }}"}], "p"
)


def test_it_is_a_tuple_of_templates_and_fills_them_in_when_called() -> None:
    assert isinstance(PROMPT.messages, tuple)
    assert PROMPT.messages == tuple(PROMPT.messages)
    assert PROMPT.messages[1]["content"] == "{{ review }}"
    sent = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Nice."}]
    assert PROMPT.messages(review="Nice.") == sent
    assert PROMPT.messages({"review": "Nice."}) == PROMPT.messages(Case("1", {"review": "Nice."}))
    assert PROMPT.messages({"review": "Bad."}, review="Nice.") == sent
    assert PROMPT.openai(review="Nice.")["messages"] == sent


def test_what_a_caller_changes_stays_with_the_caller() -> None:
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    schema = {"title": "A", "type": "object", "properties": {"a": {"type": "string"}}}
    prompt = Prompt(
        "{{ review }}", "p", params={"stop": ["END"]}, tools=[tool], response_schema=schema
    )
    before = copy.deepcopy(prompt.openai(review="Nice."))
    sent = prompt.openai(review="Nice.")
    sent["stop"].append("x")
    sent["tools"].append({})
    sent["tools"][0]["function"]["name"] = "other"
    sent["response_format"]["json_schema"]["schema"]["properties"].clear()
    sent["messages"].append({})
    assert prompt.openai(review="Nice.") == before


def test_a_missing_value_and_a_wrong_case_are_said() -> None:
    with pytest.raises(PexError, match="review"):
        PROMPT.messages(reveiw="Nice.")
    with pytest.raises(PexError, match="expected a case"):
        PROMPT.messages(["Nice."])  # type: ignore[arg-type]


def test_copies_pickles_equality_and_dataclass_functions_work() -> None:
    for again in (copy.copy(PROMPT), copy.deepcopy(PROMPT), pickle.loads(pickle.dumps(PROMPT))):
        assert again == PROMPT
        assert hash(again) == hash(PROMPT)
        assert again.messages(review="Hi")[1] == {"role": "user", "content": "Hi"}
    assert pickle.loads(pickle.dumps(PROMPT.messages)) == PROMPT.messages
    assert copy.deepcopy(PROMPT.messages) == PROMPT.messages
    assert dataclasses.asdict(PROMPT)["messages"] == PROMPT.messages
    assert "messages" in {field.name for field in dataclasses.fields(PROMPT)}
    assert repr(PROMPT).startswith("Prompt(name='p', messages=({'role': 'system'")
    with pytest.raises(dataclasses.FrozenInstanceError):
        PROMPT.messages = ()  # type: ignore[assignment,misc]


def test_a_copy_under_another_name_says_that_name_in_errors() -> None:
    with pytest.raises(PexError, match="prompt 'other'"):
        PROMPT.called("other", None).messages()


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_the_openai_package_names_all_arguments_that_are_taken_for_granted(
    api: typing.Literal["chat", "responses"],
) -> None:
    assert _EVERY_VERSION[api] <= _named(api)
