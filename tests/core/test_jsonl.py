"""Lines of JSON that are added to: what a kill cuts off costs that line alone."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pex.core import jsonl

MARKS = "\u2028\u2029\x85\x0b\x0c\r\x1c\x1d\x1e\x00\ud800"
TEXT = st.text(st.sampled_from([*MARKS, "a", "é", "\n", '"', "\\"]), max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a machine may be slow
@given(st.lists(TEXT, max_size=6), st.binary(max_size=6))
def test_whatever_is_in_a_value_a_line_is_a_line(texts: list[str], torn: bytes) -> None:
    data = b"".join(jsonl.line_of({"text": text}) for text in texts)
    lines = jsonl.lines_in(data)
    assert [jsonl.entry_in(line) for line in lines] == [{"text": text} for text in texts]
    assert b"".join(jsonl.lines_in(data + torn)) == data + torn
    assert all(jsonl.mentions(line, text) for line, text in zip(lines, texts, strict=True))


@pytest.mark.parametrize("torn", [b"", b"{", b'{"a": 1}', b'{"a": "\xe2\x80', b"\x00\x00"])
def test_an_entry_after_a_torn_line_begins_a_line_of_its_own(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(torn)
    jsonl.append(path, [{"b": "x\u2028y"}, {"c": 2}])
    assert path.read_bytes().startswith(torn)
    found = [jsonl.entry_in(line) for line in jsonl.lines_in(path.read_bytes())]
    assert found[-2:] == [{"b": "x\u2028y"}, {"c": 2}]
    assert len(found) == 2 + bool(torn)


@pytest.mark.parametrize(
    ("line", "text", "is_there"),
    [
        (b'{"at": "2026-11-28", "case": "7", "aft', "7", True),
        (b'{"at": "2026-11-28", "case": "7', "7", True),
        (b'{"at": "2026-11-28", "case": "7\n', "7", True),
        (b'{"at": "2026-11-28", "case": "7", "aft', "1", False),
        (b'{"case": "17", "aft', "7", False),
        (b'{"case": "17", "aft', "1", False),
        (b"[1]", "1", False),
    ],
)
def test_half_a_line_is_of_a_case_where_its_whole_id_is_there(
    line: bytes, text: str, is_there: bool
) -> None:
    assert jsonl.mentions(line, text) is is_there


def test_a_line_nested_beyond_reading_is_one_that_cannot_be_read() -> None:
    assert jsonl.entry_in(b'{"a": ' + b"[" * 200_000) is None


def test_a_line_is_plain_json(tmp_path: Path) -> None:
    assert json.loads(jsonl.line_of({"a": "\ud800é"})) == {"a": "\ud800é"}
