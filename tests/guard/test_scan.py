"""Secrets are found with their place before something leaves the machine; ids are no secrets."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import uuid

import pytest

from pex.guard import key_shapes
from pex.guard.known_keys import Known
from pex.guard.scan import KNOWN, NAMED, scan, scan_json
from tests.guard.test_key_shapes import KEYS, PROSE

KEY = "open-4711+sesame/now"
KNOWN_VALUES = Known([KEY])
NONE = Known([])


@pytest.mark.parametrize("key", KEYS)
def test_every_kind_of_key_is_found_and_its_excerpt_does_not_show_it(key):
    findings = scan(f"first line\nuse {key} here\n", NONE)
    assert [(item.line, item.column) for item in findings] == [(2, 5)]
    assert key not in findings[0].excerpt
    assert "use [redacted] here" in findings[0].excerpt


@pytest.mark.parametrize("sentence", PROSE)
def test_a_sentence_about_keys_is_not_one(sentence):
    assert scan(sentence, NONE) == []


@pytest.mark.parametrize(
    ("text", "rule", "column"),
    [
        ("postgresql://me:s3cr3t@db/lab", "login in an address", 14),
        ("see https://h/v1?api_key=abc1", "key in an address", 26),
        ("Authorization: Bearer a1b2c3d4e5", "authorization header", 23),
        ('{"password": "s3cr3tv4lue"}', NAMED, 15),
        ("password=hunter2hunter2", NAMED, 10),
    ],
)
def test_a_secret_without_a_prefix_is_found_by_its_place(text, rule, column):
    [finding] = scan(text, NONE)
    assert (finding.rule, finding.line, finding.column) == (rule, 1, column)


@pytest.mark.parametrize(
    "text",
    [
        f"it is {KEY}.",
        "it is open-4711%2Bsesame%2Fnow.",
        "it is <b>open-4711+</b>sesame/now.",
        f"it is {base64.b64encode(KEY.encode()).decode()}.",
    ],
)
def test_a_known_value_is_found_in_every_form(text):
    [finding] = scan(text, KNOWN_VALUES)
    assert (finding.rule, finding.column) == (KNOWN, 10 if "<b>" in text else 7)
    assert "sesame" not in finding.excerpt


def test_a_variable_of_the_environment_is_a_known_value(monkeypatch):
    monkeypatch.setenv("LAB_KEY", KEY)
    assert [item.rule for item in scan(f"so: {KEY}")] == [KNOWN]


def test_a_private_key_of_many_lines_is_one_finding_at_its_first_line():
    body = "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"] * 5)
    text = f"a\nb\n  -----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\nend"
    [finding] = scan(text, NONE)
    assert (finding.rule, finding.line, finding.column) == ("private key", 3, 3)
    assert "MIIE" not in finding.excerpt


def test_two_secrets_of_a_line_do_not_show_each_other():
    text = "key_a sk-abcdefghijklmnopqrstuv1 sk-zyxwvutsrqponmlkjihgfe2 end"
    findings = scan(text, NONE)
    assert len(findings) == 2
    assert all("abcdef" not in item.excerpt for item in findings)
    assert all("zyxwvu" not in item.excerpt for item in findings)


IDS = [
    hashlib.sha256(b"x").hexdigest(),
    hashlib.sha1(b"x").hexdigest(),
    f"sha256:{hashlib.sha256(b'y').hexdigest()}",
    str(uuid.UUID(int=2**120 + 12345)),
    f"run {uuid.UUID(int=2**119 + 999).hex}",
    "tr-0123456789abcdef0123456789abcdef",
    "prompts:/short/3 of run 0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "git log --pretty 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
]
CODE = [
    "try{t.password=void 0}catch{};e.AbstractMessageSignature=Fx4}",
    "const signature=ecdsa256(signature);var token=this.lexer2(0)",
    'function n(e){e.credentials=e.config2.credentials;return e?.token==="x1"}',
    "x?t.lastToken=`b7`:e.match(g);n.signature=[1,2,3]",
    'let o=e=>{var{token:t3,sid:n4}=e;return t3&&n4}',
]  # fmt: skip


@pytest.mark.parametrize("text", [*IDS, *CODE])
def test_ids_hashes_and_minified_code_are_no_secrets(text):
    assert scan(text, NONE) == []


def test_nothing_is_found_in_a_picture_and_what_follows_it_keeps_its_place():
    dice = random.Random(1)
    # What a picture can contain by chance, and would be a key elsewhere.
    data = base64.b64encode(dice.randbytes(3000)).decode() + "+AKIAIOSFODNN7EXAMPLE+"
    text = f'<img src="data:image/png;base64,{data}"> ghp_0123456789abcdefghij0123'
    [finding] = scan(text, NONE)
    assert finding.column == text.index("ghp_") + 1
    assert scan(f"data:text/plain;base64,+AKIAIOSFODNN7EXAMPLE+ {data[:8]}", NONE)


def test_a_finding_in_json_names_the_path():
    data = {
        "name": "support",
        "messages": [{"role": "user", "content": "hello\nsk-abcdefghijklmnopqrstuv1"}],
        "odd key!": ("fine", {"password": "s3cr3tv4lue"}),
        "tokens": ["a1b2c3d4e5"],
        "auth": {"tokens": 12, "token": ["x", "a1b2c3d4e5f6"]},
        "ghp_0123456789abcdefghij0123": None,
    }
    found = [(item.path, item.rule, item.line, item.column) for item in scan_json(data, NONE)]
    assert found == [
        ("$.messages[0].content", "key of a known service", 2, 1),
        ("$['odd key!'][1].password", NAMED, 1, 1),
        ("$.auth.token[1]", NAMED, 1, 1),
        ("$.[redacted]", "key of a known service", 1, 1),
    ]


def test_json_deeper_than_pythons_stack_is_scanned():
    data: object = "sk-abcdefghijklmnopqrstuv1"
    for _ in range(5_000):
        data = [data]
    assert len(scan_json(data, NONE)) == 1


def test_many_strings_and_odd_values_are_scanned_once():
    same = "answer with one word: positive or negative"
    assert scan_json([same] * 1000 + [None, 3, 2.5, True, object()], NONE) == []


def _beginnings(pattern: str) -> list[str]:
    """The letters that a key's pattern begins with, for every choice that it has there."""
    found, rest = [""], pattern
    while rest:
        group = re.match(r"\(\?:([^()]*)\)(?!\{|\?|\*)", rest)
        letters = re.match(r"\[([a-z]+)\](?!\{|\+)", rest)
        plain = re.match(r"\\?([A-Za-z0-9_./-])(?![{?*+])", rest)
        choice = group or letters or plain
        if choice is None:
            break
        choices = choice[1].split("|") if group else list(choice[1]) if letters else [choice[1]]
        found = [start + one for start in found for one in choices]
        rest = rest[choice.end() :]
    return found


def test_every_key_with_a_prefix_has_a_mark_that_it_is_looked_for_by():
    for pattern in key_shapes._PREFIXED:
        for beginning in _beginnings(pattern):
            assert any(mark in beginning for mark in key_shapes.KEY_MARKS), beginning
