"""Front matter: read wherever it begins, or an error with a line; never sent as a message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pex
from pex.core import prompty

FRONT = "---\nname: t\nmodel: {id: m1, provider: lab, options: {temperature: 0.25}}\n---\n"
BODY = "user:\nHello {{ who }}\n"
FILE = FRONT + BODY


def read(text: str) -> pex.Prompt:
    return pex.Prompt.parse(text, "t.prompty", "t")


@pytest.mark.parametrize(
    "text",
    [
        FILE,
        "\ufeff" + FILE,
        "\n\n" + FILE,
        "\ufeff\n \t\n" + FILE,
        "\n\ufeff" + FILE,
        "\u200b" + FILE,
        FILE.replace("\n", "\r\n"),
        FILE.replace("\n", "\r"),
        FRONT.replace("\n", "\r") + BODY,
        FRONT.replace("\n", "\r\n") + BODY,
        FILE.replace("---", "+++"),
        FILE.replace("---\nuser", "+++\nuser"),
        FILE.replace("---\n", "---  \t\n"),
        "  " + FILE,
        FILE.replace("\n", "\r\r\n"),
        FRONT + BODY.replace("user:\n", "user:\r"),
        FILE.replace("---\nname", "---\n# a comment\n\nname"),
        FILE.replace("}\n---", "}\n\n---\n"),
        FILE.removesuffix("\n"),
    ],
)
def test_it_is_read(text: str) -> None:
    prompt = read(text)
    assert (prompt.name, prompt.model, prompt.params) == ("t", "lab/m1", {"temperature": 0.25})
    assert prompt.messages == ({"role": "user", "content": "Hello {{ who }}"},)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# My prompt\n" + FILE, "line 2: front matter that is not at the start"),
        ("<!-- note -->\n\n" + FILE, "line 3: front matter that is not at the start"),
        ("%YAML 1.2\n" + FILE, "line 2: front matter that is not at the start"),
        ("You are kind.\n" + FILE, "line 2: front matter that is not at the start"),
        ("x" + FILE, "line [12]: front matter"),
        ("\x01" + FILE, "line [12]: front matter"),
        (FILE.replace("\n", "\u2028"), "line [12]: front matter"),
        (FILE.replace("\n", "\x85"), "line [12]: front matter"),
        (FRONT.removeprefix("---\n") + BODY, "line 1: front matter without"),
        (FRONT.replace("---\n", "") + BODY, "line 1: front matter without"),
        (FRONT.removesuffix("---\n") + BODY, "line 1: the front matter has no end"),
        ("\n" + FRONT.removesuffix("---\n") + BODY, "line 2: the front matter has no end"),
        (
            FRONT.removesuffix("---\n") + "----\n" + BODY,
            "line 1: .* no end\n  line 4 looks like it",
        ),
        (FRONT.removesuffix("---\n") + "--\n" + BODY, "line 1: .* no end\n  line 4 looks like it"),
        (FRONT.removesuffix("---\n") + "...\n" + BODY, "line 1: .* no end\n  line 4 looks like it"),
        (
            FRONT.removesuffix("---\n") + "  ---\n" + BODY,
            "line 1: .* no end\n  line 4 looks like it",
        ),
        (FRONT.removesuffix("---\n") + "–––\n" + BODY, "line 1: .* no end\n  line 4 looks like it"),
        (
            FRONT.removesuffix("---\n") + BODY + "\n---\nmore\n",
            "line 7: not valid YAML.*\n  is the line '---' missing",
        ),
        ("-" + FILE, "line 1: front matter starts after '----'"),
        (FILE.replace("---", "--"), "line 1: front matter starts after '--'"),
        (FILE.replace("---", "———"), "line 1: front matter starts after '———'"),
        (FILE.replace("---", "—"), "line 1: front matter starts after '—'"),
        (FILE.replace("---", "–"), "line 1: front matter starts after '–'"),
        ("---\n" + FILE, "line 2: front matter that is not at the start"),
        ("name: t\nmodel:\n  id: m1\nHello", "line 1: front matter without"),
        (FILE.replace("---\nname", "--- yaml\nname"), "line 1: front matter starts after"),
        (FILE.replace("---\nname", "---yaml\nname"), "line 1: front matter starts after"),
        ("```yaml\nname: t\nmodel: x\n```\n" + BODY, "line 1: front matter starts after '```yaml'"),
        ('+++\nname = "t"\n+++\n' + BODY, "line 2: .*keys with values\n  it is YAML"),
        ("---\njust words\n---\n" + BODY, "line 2: the front matter must be keys with values"),
        ("---\nname: t\nuser: hello\n---\nHi", "line 3: user: a role in the front matter"),
    ],
)
def test_or_it_is_an_error_with_the_line(text: str, message: str) -> None:
    with pytest.raises(pex.PexError, match=rf"^t\.prompty, {message}"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "Only {{ text }}",
        "name: {{ name }}\nage: {{ age }}",
        "Extract the data.\n\n---\nname: Jane Doe\nage: 33\n---\n\n{{ text }}",
        "-----\n{{ review }}\n-----\nPositive or negative?",
        "--- Begin of the review ---\n{{ review }}\n--- End of the review ---",
        "system:\nBe kind.\n\nuser:\n{{ q }}\n---\nmodel: what do you think?",
        "# Task\n\nRate the text.\n\n***\n\n{{ text }}",
        "Write YAML:\n```yaml\nversion: 3\nservices: {}\n```\n{{ q }}",
        "The tags: a, b\n\n---\n\nThe text: {{ t }}",
        "",
    ],
)
def test_a_plain_text_stays_one(text: str) -> None:
    if not text:
        with pytest.raises(pex.PexError, match="no text"):
            read(text)
        return
    told = read(text)
    assert (told.model, told.params) == (None, {})
    sent = "\n".join(message["content"] for message in told.messages)
    assert re.sub(r"\s|system:|user:", "", sent) == re.sub(r"\s|system:|user:", "", text)


@given(st.text(max_size=40), st.sampled_from(["", "\n", "\r\n", "\r", "\n\n"]))
def test_whatever_stands_before_it_is_never_sent(before: str, end: str) -> None:
    try:
        prompt = read(before + end + FILE)
    except pex.PexError:
        return
    assert prompt.params == {"temperature": 0.25}
    assert prompt.messages == ({"role": "user", "content": "Hello {{ who }}"},)


@given(st.integers(0, len(FRONT)), st.text(max_size=3))
def test_whatever_is_written_into_it_is_never_sent(at: int, more: str) -> None:
    try:
        prompt = read(FRONT[:at] + more + FRONT[at:] + BODY)
    except pex.PexError:
        return
    sent = " ".join(message["content"] for message in prompt.messages)
    assert "temperature" not in sent or "temperature" in more


def test_text_before_the_first_role_is_the_users() -> None:
    assert prompty.split_roles("Be kind.\n\nassistant:\nYes.")[0]["role"] == "user"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("user[nonce=abc123]:", {"role": "user"}),
        ('user[nonce="abc", name="Ann"]:', {"role": "user", "name": "Ann"}),
        ("# Assistant[name=Bo] :", {"role": "assistant", "name": "Bo"}),
        ("  developer[cache=true]:", {"role": "developer"}),
    ],
)
def test_role_lines_may_have_attributes(line: str, message: dict[str, str]) -> None:
    assert prompty.split_roles(f"{line}\nHi") == [message | {"content": "Hi"}]


def test_a_message_with_a_name_comes_back(tmp_path: Path) -> None:
    given_one = [{"role": "user", "content": "Hi", "name": "Ann"}]
    path = pex.Prompt(given_one, name="p").save(tmp_path / "p.prompty")
    assert pex.Prompt.load(path).messages == tuple(given_one)


def test_user_in_brackets_of_prose_is_no_role() -> None:
    text = "user[1]:\nsays\nassistant [sic]:\nfoo"
    assert [m["role"] for m in prompty.split_roles(text)] == ["user"]
