"""A streamed answer is what the whole answer would be, however it is cut."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pex.guard.output_check import check_output
from pex.guard.output_context import OutputContext
from pex.guard.output_stream import OutputStream, guarded, guarded_async
from tests.guard.test_output_check import CONTEXT, SETS, TEXTS

CANARY = "jwxf2bu3gmludwrrb3yo"
ROWS = [
    json.loads(line)
    for kind in ("hostile", "harmless")
    for line in (SETS / f"outputs_{kind}.jsonl").read_text("utf-8").splitlines()
]


def streamed(text, context, sizes):
    stream, out, at = OutputStream(context), [], 0
    while at < len(text):
        size = sizes[len(out) % len(sizes)]
        out.append(stream.feed(text[at : at + size]))
        at += size
    return "".join([*out, stream.end()]), stream.checked


SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=6)


@settings(max_examples=100, deadline=None)
@given(TEXTS, SIZES, st.sampled_from(["", CANARY]))
def test_any_way_to_cut_gives_the_same(text, sizes, canary):
    context = OutputContext(CONTEXT.system, CONTEXT.inputs, canary)
    out, checked = streamed(text, context, sizes)
    whole = check_output(text, context)
    assert out == checked.cleaned == whole.cleaned
    assert checked.flagged == whole.flagged


@pytest.mark.parametrize("size", [1, 4])
def test_answers_of_the_benchmark_stream_as_they_are_checked(size):
    for row in ROWS[size % 4 :: 5]:
        context = OutputContext(row["system"], row["inputs"], CANARY)
        out, checked = streamed(row["output"], context, [size])
        whole = check_output(row["output"], context)
        assert out == whole.cleaned, row["id"]
        assert [str(one) for one in checked.findings] == [str(one) for one in whole.findings]


def test_ordinary_words_go_on_at_once():
    stream = OutputStream()
    assert stream.feed("Good morning! How can I he") == "Good morning! How can I "
    assert stream.feed("lp you, Ms Fuchs? ") == "help you, Ms Fuchs? "
    assert stream.held == 0


def test_an_address_waits_for_its_end_and_a_half_character_for_its_other_half():
    stream = OutputStream()
    assert stream.feed("See https://a.exam") == "See "
    assert stream.feed("ple/docs, Fuchs \ud83d") == "https://a.example/docs, Fuchs "
    assert stream.feed("\ude00 ") + stream.end() == "😀 "


def test_what_is_long_and_undecided_is_not_read_again_for_each_piece():
    from tests.helpers.effort import calls_of

    def feed(count):
        stream = OutputStream(CONTEXT)
        for _ in range(count):
            stream.feed("abcd")

    assert calls_of(lambda: feed(4000)) < 12 * calls_of(lambda: feed(500))


def test_a_stream_ends_once():
    stream = OutputStream()
    assert stream.feed("Hi <form") == "Hi "
    assert stream.end() == "&lt;form"
    assert stream.end() == ""
    with pytest.raises(ValueError, match="the stream has ended"):
        stream.feed("x")


def test_generators_give_on_what_is_clean():
    pieces = ["Hi <scr", "ipt>x</scr", "ipt> there"]

    async def arriving():
        for piece in pieces:
            yield piece

    async def collect():
        return [piece async for piece in guarded_async(arriving(), OutputStream())]

    wanted = "Hi &lt;script>x&lt;/script> there"
    assert "".join(guarded(pieces, OutputStream())) == wanted
    assert "".join(asyncio.run(collect())) == wanted
