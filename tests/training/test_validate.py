"""The check of training data: what it finds, where, and which fix it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pex.core.errors import PexError
from pex.training.finding import MOST_OF_A_KIND
from pex.training.validate import check_file, detect_format

USER = {"role": "user", "content": "Where is my parcel?"}
ANSWER = {"role": "assistant", "content": "On its way."}
TOOLS = [{"type": "function", "function": {"name": "track", "parameters": {"type": "object"}}}]


def call(call_id: str = "c1", arguments: Any = '{"id": 7}', name: str = "track") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {
        "role": "assistant",
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }


def result(call_id: str = "c1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "in Bern"}


def chat(*messages: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"messages": list(messages), **others}


def good(number: int) -> dict[str, Any]:
    return chat({"role": "user", "content": f"Where is parcel {number}?"}, ANSWER)


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def only(path: Path, rows: list[Any], format_name: str | None = None) -> tuple[str, ...]:
    """Level, line, field, message and fix of the one finding."""
    found = check_file(write(path, rows), format_name)
    assert len(found) == 1, "\n".join(map(str, found))
    one = found[0]
    return one.level, str(one.line), one.field, one.message, one.fix


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.jsonl"


ROWS: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("two answers", chat(USER, ANSWER, ANSWER), "messages[2]", "two assistant turns", "merge"),
    ("two answers, a call", chat(USER, call(), ANSWER, tools=TOOLS),
     "messages[1].tool_calls[0].id", "'c1' has no answer", '"tool_call_id": "c1"'),
    ("null", chat(USER, {**call(), "content": None}, tools=TOOLS), "messages[1].content",
     "content: null beside tool_calls", "leave the key 'content' out"),
    ("arguments", chat(USER, call(arguments={"id": 7}), tools=TOOLS),
     "messages[1].tool_calls[0].function.arguments", "is an object", "json.dumps"),
    ("arguments, no JSON", chat(USER, call(arguments="{id: 7}"), tools=TOOLS),
     "messages[1].tool_calls[0].function.arguments", "not valid JSON", "json.dumps"),
    ("arguments, a list", chat(USER, call(arguments="[7]"), tools=TOOLS),
     "messages[1].tool_calls[0].function.arguments", "holds a list", "city"),
    ("unanswered", chat(USER, call(), USER, ANSWER, tools=TOOLS),
     "messages[1].tool_calls[0].id", "'c1' has no answer", '"tool_call_id": "c1"'),
    ("no call", chat(USER, result(), ANSWER), "messages[1]", "without a call", "delete"),
    ("other id", chat(USER, call("call_1"), result("call_2"), ANSWER, tools=TOOLS),
     "messages[2].tool_call_id", "no call before it has the id 'call_2'", "mean 'call_1'?"),
    ("last", chat(USER, ANSWER, USER), "messages[2]", "last message is of the user", "learnt"),
    ("role", chat({"role": "human", "content": "Hi"}, ANSWER), "messages[0].role",
     'unknown role "human"', "did you mean 'user'?"),
    ("role, a typo", chat({"role": "usr", "content": "Hi"}, ANSWER), "messages[0].role",
     'unknown role "usr"', "did you mean 'user'?"),
    ("key", chat({**USER, "contents": "x"}, ANSWER), "messages[0].contents",
     "unknown key 'contents'", ""),
    ("row key", chat(USER, ANSWER, tool=TOOLS), "tool", "unknown key 'tool'", "mean 'tools'?"),
    ("empty", chat(USER, {"role": "assistant", "content": " "}), "messages[1].content",
     "the assistant message is empty", "delete"),
    ("number", chat(USER, {"role": "assistant", "content": 4}), "messages[1].content",
     "got a number", "json.dumps"),
    ("weight", chat(USER, {**ANSWER, "weight": 2}), "messages[1].weight", "expected 0 or 1", ""),
    ("weights", chat(USER, {**ANSWER, "weight": 0}), "messages", "nothing is learnt", "weight 1"),
    ("no tools", chat(USER, call()), "messages[1].tool_calls", "no 'tools'", "descriptions"),
    ("other tool", chat(USER, call(name="trak"), tools=TOOLS),
     "messages[1].tool_calls[0].function.name", "not one of the row's tools", "mean 'track'?"),
    ("image of the assistant", chat(USER, {"role": "assistant", "content": [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}),
     "messages[1].content[0]", "an image in a message of the assistant", "messages of the user"),
    ("image of a kind", chat({"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGOD"}}]}, ANSWER),
     "messages[0].content[0].image_url.url", "the type image/gif", "image/png"),
    ("users", chat(USER, USER, ANSWER), "messages[1]", "two user turns", "merge"),
    ("no messages", chat(), "messages", "no message", "delete"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "field", "message", "fix"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_each_mistake_of_a_chat_row_is_named_with_its_fix(
    file: Path, row: dict[str, Any], field: str, message: str, fix: str
) -> None:
    level, line, where, said, hint = only(file, [*map(good, range(10)), row])
    assert (line, where) == ("11", field)
    assert message in said
    assert fix in hint
    warnings = ("null", "unknown key", "two user")
    assert (level == "warning") == any(word in said for word in warnings)


def test_right_rows_with_tools_and_images_have_no_finding(file: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    rows = [
        *map(good, range(8)),
        chat(
            {"role": "system", "content": "Be short."}, USER, call(), result(), ANSWER, tools=TOOLS
        ),
        chat(USER, call(), tools=TOOLS),
        chat({"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}, ANSWER),
    ]
    assert check_file(write(file, rows)) == []
    assert detect_format(file) == "openai-chat"


def test_the_file_as_text_is_checked(file: Path) -> None:
    lines = [json.dumps(good(number)) for number in range(12)]
    text = "\ufeff" + "\n".join([*lines[:3], "", "{'messages': []}", lines[4] + ",", *lines[5:]])
    file.write_bytes(text.encode())
    found = [(one.line, one.message) for one in check_file(file)]
    assert [line for line, _ in found] == [1, 4, 5, 6]
    assert "byte order mark" in found[0][1]
    assert "blank line" in found[1][1]
    assert "not valid JSON at column 2" in found[2][1]
    assert check_file(file)[3].fix == "delete the comma at the end of the line"
    assert check_file(file)[2].fix.startswith("JSON wants double quotes")


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-16", "byte order mark (UTF-16)"),
        ("utf-16-le", "the file is UTF-16"),
        ("cp1252", "not valid UTF-8; it looks like Windows-1252"),
    ],
)
def test_other_encodings_are_named_and_their_rows_still_checked(
    file: Path, encoding: str, message: str
) -> None:
    rows = [*map(good, range(9)), chat({"role": "user", "content": "Grüße, größer?"}, USER)]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    file.write_bytes(text.encode(encoding))
    said = [one.message for one in check_file(file)]
    assert any(message in one for one in said)
    assert any("last message is of the user" in one for one in said)


def test_too_few_rows_repeated_rows_and_empty_files(file: Path) -> None:
    rows = [good(1), good(2), good(1), good(1)]
    few, second, third = check_file(write(file, rows))
    assert (few.line, few.message) == (0, "4 rows: at least 10 are needed")
    assert (second.line, second.message) == (3, "the same row as on line 1")
    assert (third.line, third.message) == (4, "the same row as on line 1")
    file.write_bytes(b"")
    assert check_file(file)[0].message == "the file is empty"
    with pytest.raises(PexError, match="cannot be read"):
        check_file(file.with_name("nothing.jsonl"))
    with pytest.raises(PexError, match="unknown format 'openai'"):
        check_file(file, "openai")


def test_a_json_list_is_read_in_pieces_with_the_lines_of_its_rows(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.training.read_rows._PIECE", 7)
    rows = [
        {"instruction": 'Say "[" and\n"]"', "input": "{", "output": "é, \\"},
        {"instruction": "a", "output": ""},
        {"instruction": "b"},
    ]
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    empty, missing = (one for one in check_file(file) if one.level == "error")
    assert (empty.line, empty.field) == (7, "output")
    assert (missing.line, missing.field) == (11, "output")
    file.write_text(json.dumps(rows)[:-1])
    assert "the JSON list is not closed" in [one.message for one in check_file(file)]
    found = check_file(write(file, [[good(1)]]), "openai-chat")
    assert found[1].message == "the file is one JSON list, expected JSON Lines"


def test_findings_of_one_kind_are_counted_after_the_first(file: Path) -> None:
    bad = [chat({"role": "user", "content": str(n)}) for n in range(MOST_OF_A_KIND + 5)]
    found = check_file(write(file, bad))
    assert len(found) == MOST_OF_A_KIND + 1
    assert found[-1].message.endswith(f"on 5 more lines, the last is line {len(bad)}")


def dpo(one: Any, two: Any, *messages: dict[str, Any], **others: Any) -> dict[str, Any]:
    sides = {"preferred_output": one, "non_preferred_output": two}
    return {"input": {"messages": list(messages) or [USER], **others}, **sides}


OTHER = {"role": "assistant", "content": "No idea."}
PREFERENCES: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("openai-dpo", "same", dpo([ANSWER], [ANSWER]), "non_preferred_output", "the same as"),
    ("openai-dpo", "two", dpo([call(), result(), ANSWER], [OTHER], tools=TOOLS), "preferred_output",
     "3 messages: OpenAI trains on the last turn only"),
    ("openai-dpo", "role", dpo([USER], [OTHER]), "preferred_output", "messages of user"),
    ("openai-dpo", "ends", dpo([ANSWER], [OTHER], USER, ANSWER), "input.messages[1]", "ends with"),
    ("openai-dpo", "side", dpo("yes", [OTHER]), "preferred_output", "expected a list"),
    ("openai-dpo", "image", dpo([ANSWER], [OTHER], {"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}),
     "input.messages[0].content[0]", "an image in preferences"),
    ("trl-preference", "same", {"prompt": "a", "chosen": "b", "rejected": "b"}, "rejected", "same"),
    ("trl-preference", "mixed", {"prompt": "a", "chosen": [ANSWER], "rejected": [OTHER]},
     "prompt", "a string, while"),
    ("trl-preference", "user", {"prompt": [USER], "chosen": [USER, ANSWER], "rejected": [OTHER]},
     "chosen[0].role", "in the answer"),
    ("trl-preference-implicit", "prefix",
     {"chosen": [USER, ANSWER], "rejected": [{**USER, "content": "?"}, OTHER]},
     "rejected[0]", "not the same message"),
    ("trl-unpaired", "label", {"prompt": "a", "completion": "b", "label": "yes"}, "label", "true"),
    ("trl-prompt-completion", "end", {"prompt": [USER, ANSWER], "completion": [ANSWER]},
     "prompt[1]", "continues it"),
    ("trl-messages", "weight", chat(USER, {**ANSWER, "weight": 1}), "messages[1].weight", "trl"),
    ("trl-messages", "image", chat({"role": "user", "content": [{"type": "image_url"}]},
     {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]}),
     "messages[0].content[0]", "does not read"),
    ("alpaca", "history", {"instruction": "a", "output": "b", "history": [["q"]]}, "history[0]",
     "two strings"),
    ("alpaca", "object", {"instruction": "a", "output": {"b": 1}}, "output", "expected a string"),
    ("sharegpt", "from", {"conversations": [{"from": "user", "value": "a"},
     {"from": "gpt", "value": "b"}]}, "conversations[0].from", 'unknown speaker "user"'),
    ("sharegpt", "two", {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt",
     "value": "b"}, {"from": "gpt", "value": "c"}]}, "conversations[2]", "directly after"),
    ("sharegpt", "last", {"conversations": [{"from": "human", "value": "a"}]},
     "conversations[0]", "last turn"),
    ("sharegpt", "call", {"conversations": [{"from": "human", "value": "a"},
     {"from": "function_call", "value": "track"}]}, "conversations[1].value", "'name'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("format_name", "row", "field", "message"),
    [(p[0], *p[2:]) for p in PREFERENCES],
    ids=[f"{p[0]}: {p[1]}" for p in PREFERENCES],
)
def test_each_mistake_of_the_other_formats_is_named(
    file: Path, format_name: str, row: dict[str, Any], field: str, message: str
) -> None:
    found = [one for one in check_file(write(file, [row]), format_name) if one.line]
    assert [one.field for one in found] == [field], "\n".join(map(str, found))
    assert message in found[0].message


def test_formats_are_told_by_their_keys_and_unknown_ones_by_the_nearest(file: Path) -> None:
    rows = {
        "openai-dpo": dpo([ANSWER], [OTHER]),
        "trl-preference": {"prompt": "a", "chosen": "b", "rejected": "c"},
        "trl-preference-implicit": {"chosen": "a b", "rejected": "a c"},
        "trl-unpaired": {"prompt": "a", "completion": "b", "label": True},
        "trl-prompt-completion": {"prompt": "a", "completion": "b"},
        "alpaca": {"instruction": "a", "input": "", "output": "b"},
        "sharegpt": {
            "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
        },
    }
    for name, row in rows.items():
        assert detect_format(write(file, [row])) == name
        assert [one for one in check_file(file) if one.line] == []
    message, fix = only(file, [{"mesages": []}])[3:]
    assert message == "in no known format: it has 'mesages'"
    assert fix == "did you mean 'messages'?"
    row = {"promt": "a", "completion": "b"}
    assert only(file, [row], "trl-prompt-completion")[4] == "is it the key 'promt'?"


def test_what_arrow_would_fill_with_nulls_is_named_for_trl_only(file: Path) -> None:
    rows = [
        chat(USER, call(arguments={"id": 7}), tools=TOOLS),
        chat(
            {"role": "user", "content": "And now?"}, call(arguments={"city": "Bern"}), tools=TOOLS
        ),
    ]
    level, line, field, message, fix = only(file, rows, "trl-messages")
    assert (level, line) == ("warning", "2")
    assert field == "messages[].tool_calls[].function.arguments"
    assert "line 1 (city, id): datasets fills the missing ones with null" in message
    assert "json.dumps" in fix
    parts = chat({"role": "user", "content": [{"type": "text", "text": "Now?"}]}, ANSWER)
    field, message, fix = only(file, [good(1), parts], "trl-messages")[2:]
    assert (field, message) == ("messages[].content", "a list here, a string on line 1")


def test_parquet_is_read_by_rows(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"prompt": ["a", "b"], "completion": ["c", ""]})
    pq.write_table(table, tmp_path / "train.parquet")
    (finding,) = check_file(tmp_path / "train.parquet")
    assert (finding.line, finding.field) == (2, "completion")


def test_memory_does_not_grow_with_the_file(file: Path) -> None:
    import tracemalloc

    peaks = []
    for count in (500, 5_000):
        write(file, [good(number) for number in range(count)])
        tracemalloc.start()
        assert check_file(file) == []
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000  # ten times the rows: the file has 0.7 MB more
