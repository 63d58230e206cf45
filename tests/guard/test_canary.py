"""Canaries: derived, and found again in whatever form an answer has them."""

from __future__ import annotations

import base64
import codecs
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pex.guard.canary import LENGTH, derive, find_canary, new_canary

WORD = "c7dfktvlnclqknyai45z"


def spelled(form: str) -> str:
    return "".join(form.format(ord(char)) for char in WORD)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (WORD, "plain"),
        (WORD.upper(), "case"),
        (WORD.title(), "case"),
        (" ".join(WORD), "spaced"),
        ("-".join(WORD.upper()), "spaced"),
        ("\u200b".join(WORD), "spaced"),
        ("\n".join(WORD), "spaced"),
        (WORD[:12], "piece"),
        (WORD[4:18].upper(), "piece"),
        (WORD[::-1], "reversed"),
        (" ".join(WORD[::-1]).upper(), "reversed"),
        (codecs.encode(WORD, "rot13"), "rot13"),
        (WORD.encode().hex(), "hex"),
        (WORD.encode().hex(":").upper(), "hex"),
        (WORD[::-1].encode().hex(), "hex"),
        (spelled("%{:02x}"), "percent"),
        (f"{WORD[0]}%{ord(WORD[1]):02X}{WORD[2:]}", "percent"),
        (spelled("\\x{:02x}"), "percent"),
        (spelled("\\u{:04x}"), "percent"),
        (spelled("0x{:02x} "), "percent"),
        (spelled("&#{};"), "percent"),
        (spelled("&#x{:x};"), "percent"),
        (base64.b64encode(WORD.encode()).decode(), "base64"),
        (base64.b64encode(f"a {WORD} b".encode()).decode(), "base64"),
        (base64.urlsafe_b64encode(f"ab {WORD}".encode()).decode().rstrip("="), "base64"),
        (base64.b64encode(f"Keep {WORD.upper()}!".encode()).decode(), "base64"),
        (base64.encodebytes(f"{'The rules are long. ' * 9}{WORD}".encode()).decode(), "base64"),
        (base64.b64encode(WORD.encode()).decode()[::-1], "base64"),
    ],
)
def test_a_canary_is_found_in_every_form_and_its_place_is_told(text: str, form: str) -> None:
    whole = f"Sure! {text}, ok"
    leaks = [leak for leak in find_canary(whole, WORD) if leak.form == form]
    assert leaks, find_canary(whole, WORD)
    assert all(6 <= leak.start < leak.end <= 6 + len(text) for leak in leaks)


@given(st.text(max_size=300))
@example(base64.b64encode(WORD[:9].encode()).decode())
@example("c7dfktvlncl c7dfktvlncl")
def test_a_text_without_it_has_none_and_nothing_raises(text: str) -> None:
    assert find_canary(text, WORD) == []


@given(st.text(max_size=80), st.text(max_size=80))
def test_it_is_found_whatever_stands_around_it(before: str, after: str) -> None:
    whole = f"{before}{WORD}{after}"
    plain = [leak for leak in find_canary(whole, WORD) if leak.form == "plain"]
    assert [whole[leak.start : leak.end] for leak in plain] == [WORD]


@pytest.mark.parametrize("piece", [WORD[:-1], WORD[:12], WORD, "%63", "c 7 "])
def test_its_time_grows_with_the_text_and_not_faster(piece: str) -> None:
    def took(size: int) -> float:
        text = piece * (size // len(piece))
        begun = time.thread_time()
        find_canary(text, WORD)
        return time.thread_time() - begun

    took(1_000)
    assert any(took(80_000) < 10 * 4 * max(took(20_000), 0.002) for _ in range(3))


def test_a_canary_is_derived_from_all_its_parts_and_cannot_be_guessed() -> None:
    words = {derive(b"s", "canary", case, repeat) for case in ("a", "b") for repeat in "12"}
    words |= {derive(b"t", "canary", "a", "1"), derive(b"s", "fence", "a", "1")}
    words |= {derive(b"s", "canary", "a1", ""), new_canary(), new_canary()}
    assert len(words) == 9
    assert all(len(word) == LENGTH and word.isalnum() and word.islower() for word in words)
    with pytest.raises(ValueError, match="16 to 51"):
        derive(b"s", length=15)


@pytest.mark.parametrize("canary", ["short", "with space in the middle", "ümlaut-ümlaut-ümlaut"])
def test_a_bad_canary_is_refused(canary: str) -> None:
    with pytest.raises(ValueError, match="at least 16 letters"):
        find_canary("text", canary)
