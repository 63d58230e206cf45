"""What was shown, in pieces, in colour, in frames and tags."""

from __future__ import annotations

from typing import Any

import pytest

from pex.guard import printed_output
from pex.guard.known_keys import Known

KEY = "open-4711+sesame/now"
KNOWN = Known([KEY])


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"\x1b[31m{KEY}\x1b[0m", "\x1b[31m[redacted]\x1b[0m"),
        ("\x1b[1;31mopen\x1b[0m-4711\x1b[38;5;1m+sesame/now", "\x1b[1;31m[redacted]"),
        ("open-4711+\nsesame/now.", "[redacted]."),
        ("│ open-4711+se │\r\n│ same/now     │", "│ [redacted]     │"),
        ("<b>open-4711+</b><i class='x'>sesame/now</i>", "<b>[redacted]</i>"),
        ("open-4711+\x1b]8;;http://x\x1b\\sesame/now", "[redacted]"),
        ("open\u200b-4711+sesame/now", "[redacted]"),
        ("open-4711+sesame or now", "open-4711+sesame or now"),
        ("LAB_KEY    open-4711+ses...", "LAB_KEY    [redacted]..."),
        ("<td>open-4711+sesame/…</td>", "<td>[redacted]…</td>"),
        ("open... and so on", "open... and so on"),
    ],
)
def test_a_key_is_found_through_what_formats_it(text: str, clean: str) -> None:
    assert printed_output.masked(text, KNOWN) == clean


def stream(name: str, *texts: str) -> list[dict[str, Any]]:
    return [{"output_type": "stream", "name": name, "text": text} for text in texts]


@pytest.mark.parametrize(
    ("outputs", "texts"),
    [
        (stream("stdout", "a open-47", "11+sesame/now b"), ["a [redacted]", " b"]),
        (stream("stderr", *KEY), ["[redacted]", *[""] * (len(KEY) - 1)]),
        (
            [*stream("stdout", KEY[:9]), *stream("stderr", "well"), *stream("stdout", KEY[9:])],
            ["[redacted]", "well", ""],
        ),
        ([*stream("stdout", KEY[:9]), *stream("stderr", KEY[9:])], ["[redacted]", ""]),
        (stream("stdout", KEY + KEY[:4], KEY[4:]), ["[redacted][redacted]", ""]),
        (stream("stdout", "\x1b[31mopen-", "\x1b[0m4711+sesame/now"), ["\x1b[31m[redacted]", ""]),
        (stream("stdout", "open-4711", "nothing else"), ["open-4711", "nothing else"]),
    ],
)
def test_streams_are_joined(outputs: list[dict[str, Any]], texts: list[str]) -> None:
    printed_output.streams(outputs, KNOWN)
    assert [output["text"] for output in outputs] == texts


def test_a_notebook_has_a_key_nowhere() -> None:
    value = {
        "traceback": ["Error: open-4711", "+sesame/now", "end"],
        "data": {"application/json": {KEY: [KEY, {"deep": KEY}], "n": 1.5, "x": None}},
        "state": {"a": {"outputs": stream("stdout", KEY[:5], KEY[5:])}},
        "text": ["of one\n", "and another\n"],
    }
    clean = printed_output.content(value, KNOWN)
    assert clean is value
    assert clean["traceback"] == ["Error: [redacted]", "", "end"]
    assert clean["data"] == {
        "application/json": {
            "[redacted]": ["[redacted]", {"deep": "[redacted]"}],
            "n": 1.5,
            "x": None,
        }
    }
    assert [item["text"] for item in clean["state"]["a"]["outputs"]] == ["[redacted]", ""]
    assert clean["text"] == ["of one\n", "and another\n"]


@pytest.mark.parametrize(
    "text",
    ["<" * 200_000, "<a" * 100_000, "\x1b" * 200_000, "\x1b]" * 100_000, "\\" * 200_000,
     " " * 200_000 + "x", "\n" * 200_000, "open" * 50_000, "open\\" * 40_000, "%25" * 60_000,
     "&amp;" * 40_000],
)  # fmt: skip
def test_hostile_texts_come_to_an_end(text: str) -> None:
    assert printed_output.masked(text, KNOWN) == text
