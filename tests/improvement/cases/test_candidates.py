import json

import pytest

from pex.improvement.cases.candidates import objects_in


@pytest.mark.parametrize(
    "hostile",
    ['{"a":' * 20_000, '{"a":"' + "{ " * 90_000, '{"a":' * 200 + "[" + "1," * 30_000],
)
def test_a_hostile_reply_is_given_up(monkeypatch, hostile):
    tries = []
    read = json.JSONDecoder.raw_decode

    def counted(self, text, at=0):
        tries.append(at)
        return read(self, text, at)

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", counted)
    assert objects_in('{"q": "good"}\n' + hostile) == [{"q": "good"}]
    assert len(tries) < 150


def test_some_braces_that_begin_no_object_hide_none():
    text = "{'q': 'single quotes'}\n" * 40 + '{"q": "good"}'
    assert objects_in(text) == [{"q": "good"}]
