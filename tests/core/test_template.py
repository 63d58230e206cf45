"""What a template writes: data as it is, and no object of Python."""

# ruff: noqa: E501 - a line of a table is one case
from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pex
from pex.core import template

VALUES: dict[str, Any] = {
    "order": {"items": [1, 2], "values": "v", "keys": "k", "get": "g", "copy": "c", "n": 3},
    "bare": {"a": 1},
    "xs": ["b", "a"],
    "word": "text",
    "rows": [{"g": 1, "v": 2}, {"g": 1, "v": 3}],
    "none": None,
    "yes": True,
}


def render(text: str, **more: Any) -> str:
    return template.render(text, VALUES | more, "prompt 'p'")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{ order.items }} {{ order['items'] }}", "[1, 2] [1, 2]"),
        ("{{ order.values }}{{ order.keys }}{{ order.get }}{{ order.copy }}", "vkgc"),
        ("{% for k, v in order.items() %}{{ k }},{% endfor %}", "items,values,keys,get,copy,n,"),
        ("{% for k, v in order | items %}{{ v }},{% endfor %}", "[1, 2],v,k,g,c,3,"),
        ("{{ order.get('n') }} {{ bare.get('b', 5) }}", "3 5"),
        ("{{ rows | map(attribute='v') | join('+') }}", "2+3"),
        ("{{ xs | reverse | list }} {{ word | reverse }}", '["a", "b"] txet'),
        ("{% for i in range(3) %}{{ i }}{{ loop.index }}{% endfor %}", "011223"),
        ("{{ range(3) | list }} {{ range(2) | join }}", "[0, 1, 2] 01"),
        ("{% set ns = namespace(n=1) %}{% set ns.n = 5 %}{{ ns.n }}", "5"),
        ("{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(1) }}{{ m('x') | upper }}", "<1><X>"),
        ("{{ dict(a=1) }} {{ {'b': [none, true]} }}", '{"a": 1} {"b": [null, true]}'),
        ("{{ none }}|{{ yes }}|{{ 1.0 }}|{{ xs }}|{{ bare }}", '|True|1.0|["b", "a"]|{"a": 1}'),
        ("{% for g in rows | groupby('g') %}{{ g.grouper }}{{ g.list }}{% endfor %}",
         '1[{"g": 1, "v": 2}, {"g": 1, "v": 3}]'),
        ("{{ word ~ 1 ~ none }} {{ '%s!' | format(word) }} {{ '{}'.format(word) }}",
         "text1None text! text"),
        ("{{ nowhere | default('d') }}{{ bare.b | default('e') }}{{ bare.b is defined }}", "deFalse"),
        ("{{ xs.0 }}{{ xs[-1] }}{{ xs | first }}{{ xs[0:1] }}", 'bab["b"]'),
        ("{% set range = 5 %}{{ range }}", "5"),
        ("{% for c in 'ab' %}{{ loop.cycle('x', 'y') }}{% endfor %}", "xy"),
        ("{% filter upper %}{{ word }}{% endfilter %}{% set t %}a{% endset %}{{ t }}", "TEXTa"),
        ("{{ xs | unique | list | length }}{{ xs | map('upper') | first }}", "2B"),
        ("{% if xs | select('equalto', 'b') | list %}y{% endif %}", "y"),
        ("{{ bare.keys() | list }}{{ bare.items() | length }}{{ 'a' in bare.keys() }}", '["a"]1True'),
        ("{{ word | attr('n') | default('no') }}", "no"),
    ],
)  # fmt: skip
def test_data_is_written(text: str, shown: str) -> None:
    assert render(text) == shown


METHODS = ["items", "keys", "values", "get", "copy", "update", "pop"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((f"{{{{ bare.{name} }}}}", f"bare.{name}") for name in METHODS),
        *((f"{{{{ bare['{name}'] }}}}", name) for name in METHODS),
        *((f"{{{{ 'a' ~ bare.{name} }}}}", f"bare.{name}") for name in METHODS),
        *((f"{{{{ bare.{name} | string }}}}", f"bare.{name}") for name in METHODS),
        ("{{ word.upper }}", "word.upper"),
        ("{{ word.upper | upper }}", "word.upper"),
        ("{{ xs.index }}", "xs.index"),
        ("{{ word | attr('upper') }}", "word | attr"),
        ("{{ (word | attr('upper')) | string }}", "word | attr"),
        ("{{ [bare.items] }}", "items"),
        ("{{ '%s' | format(bare.items) }}", "items"),
        ("{{ xs | map('upper') }}", "xs | map"),
        ("{{ xs | select('string') }}", "xs | select"),
        ("{{ xs | reject('string') }}", "xs | reject"),
        ("{{ rows | selectattr('g') }}", "rows | selectattr"),
        ("{{ rows | rejectattr('g') }}", "rows | rejectattr"),
        ("{{ xs | reverse }}", "xs | reverse"),
        ("{{ xs | unique }}", "xs | unique"),
        ("{{ xs | batch(1) }}", "xs | batch"),
        ("{{ xs | slice(2) }}", "xs | slice"),
        ("{{ bare | items }}", "bare | items"),
        ("{{ 'a' ~ (xs | map('upper')) }}", "xs | map"),
        ("{{ xs | map('upper') | string }}", "xs | map"),
        ("{{ xs | map('upper') | tojson }}", "xs | map"),
        ("{{ '%s' | format(xs | map('upper')) }}", "map"),
        ("{{ '{}'.format(xs | map('upper')) }}", "map"),
        ("{{ '%s' % (xs | map('upper')) }}", "map"),
        ("{{ [xs | reverse] }}", "…"),
        ("{{ bare.items() }}", "bare.items()"),
        ("{{ bare.keys() }}", "bare.keys()"),
        ("{{ 'a' ~ bare.values() }}", "bare.values()"),
        ("{{ '%s' | format(bare.values()) }}", "values()"),
        ("{{ range(3) }}", "range(…)"),
        ("{{ (1, 2) }}", "tuple"),
        ("{% for pair in bare.items() %}{{ pair }}{% endfor %}", "pair"),
        ("{% macro m() %}x{% endmacro %}{{ m }}", "m"),
        ("{% macro m() %}x{% endmacro %}{{ 'a' ~ m }}", "m"),
        ("{% macro m() %}x{% endmacro %}{{ m | string }}", "m"),
        ("{% macro m() %}{{ caller }}{% endmacro %}{% call m() %}x{% endcall %}", "caller"),
        ("{% for x in xs %}{{ loop }}{% endfor %}", "loop"),
        ("{{ self }}", "self"),
        ("{% set ns = namespace(a=1) %}{{ ns }}", "ns"),
        ("{% set c = cycler('a') %}{{ c }}", "c"),
        ("{% set j = joiner() %}{{ j }}", "j"),
        ("{{ 1e999 }}", ""),
        ("{{ word.nothing }}", "word.nothing"),
        ("{{ xs[7] }}", "xs[7]"),
        ("{{ none.a }}", "None.a"),
    ],
)  # fmt: skip
def test_an_object_of_python_is_an_error_with_its_name(text: str, name: str) -> None:
    with pytest.raises(pex.PexError) as caught:
        render(text)
    said = str(caught.value)
    assert said.startswith("prompt 'p': ")
    assert name in said
    assert " at 0x" not in said
    assert "<" not in said


MACRO = "{% macro m(x) %}{{ x }}{% endmacro %}"


@pytest.mark.parametrize("what", ["m", "namespace(a=1)", "cycler(1)", "joiner(',')", "self"])
@pytest.mark.parametrize(
    "text",
    [
        "{{ [X] | join }}", "{{ [X] | join(', ') }}", "{{ ['a'] | join(X) }}",
        "{{ [[X]] | join }}", "{{ [X] | string }}", "{{ {'a': X} | string }}",
        "{{ [X] | pprint }}", "{{ {'a': [X]} | xmlattr }}", "{{ {'a': X} | urlencode }}",
        "{{ [X] | map('string') | list }}", "{{ [X] | map('upper') | join }}",
        "{{ '%s' | format(X) }}", "{{ 'a' | replace('a', X) }}", "{{ 'a' ~ [X] }}",
        "{{ '%s' % X }}", "{{ '%s %s' % (X, 1) }}", "{{ '%r' % [X] }}",
        "{{ '{}'.format(X) }}", "{{ '{a}'.format(a=X) }}", "{{ '{0[0]}'.format([X]) }}",
    ],
)  # fmt: skip
def test_nor_does_one_slip_in_by_a_list_a_filter_or_a_format(text: str, what: str) -> None:
    with pytest.raises(pex.PexError, match="is a Python object"):
        render(MACRO + text.replace("X", what))


@pytest.mark.parametrize(
    "text", ["{{ '%r' % order.none }}", "{{ [order.none] | string }}", "{{ '%s' % [order.none] }}"]
)
def test_nor_does_the_word_undefined(text: str) -> None:
    with pytest.raises(pex.PexError, match="there is no key 'none'"):
        render(text)


@pytest.mark.parametrize(
    "name", ["range", "dict", "namespace", "cycler", "joiner", "lipsum", "loop", "caller", "input"]
)
def test_a_name_of_jinjas_own_is_a_variable_like_any_other(name: str) -> None:
    text = f"{{{{ {name} }}}}"
    assert template.variables(text) == (name,)
    assert render(text, **{name: "a value"}) == "a value"
    with pytest.raises(pex.PexError, match=f"no value for the variable '{name}'"):
        render(text)


def test_a_column_does_not_hide_what_is_called() -> None:
    assert render("{{ range }}: {{ range(2) | list }}", range="wide") == "wide: [0, 1]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{{ order.itmes }}",
            "{{ order.itmes }}: there is no key 'itmes'\n  did you mean 'items'?",
        ),
        ("{{ bare.b }}", "{{ bare.b }}: there is no key 'b'\n  there is: 'a'"),
        ("{{ bare.items }}", "call the method as .items()"),
        ("{{ word.upper }}", "'upper' is a method of text\n  write .upper()"),
        (
            "{{ xs | map('upper') }}",
            "is a lazy sequence without text\n  add | list, or | join(', ')",
        ),
        ("{{ wrod }}", "no value for the variable 'wrod'\n  did you mean 'word'?"),
        ("{{ wrod.a }}", "no value for the variable 'wrod'"),
        ("{% if a is defined %}{% endif %}{{ bare.b }}", "{{ bare.b }}: there is no key 'b'"),
    ],
)
def test_the_nearest_name_is_given(text: str, message: str) -> None:
    with pytest.raises(pex.PexError) as caught:
        render(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n{% of\nb", r"message 1 \(user\), line 2"),
        ("a\nsave 20 {% today", r"line 2"),
        ("a\nb\n{# not closed", r"line 3: Missing end of comment"),
        ("a\n{%- endfor %}", r"line 2"),
        ("{{ " + "(" * 400 + "1" + ")" * 400 + " }}", "message 1"),
    ],
)
def test_what_is_no_template_is_an_error_with_its_line(text: str, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        pex.Prompt(text, name="p")


@pytest.mark.parametrize(
    ("text", "line", "swallowed"),
    [
        ("# Title {#title}\nBe kind.\n#}\nx", 1, "title} Be kind."),
        ("a\n\nbody {#fff #}\nx", 3, "fff"),
        ("a {#id#} b", 1, "id"),
        ("x\n{# one\ntwo #}", 2, "one two"),
        ("x {# {{ review }} #}", 1, "{{ review }}"),
        ("x {# {% if a %} #}", 1, "{% if a %}"),
        ("Hello {# dear #} customer", 1, "dear"),
        ('{"a": {# b #}, "c": {{ d }} }', 1, "b"),
        ("x {# " + "long " * 40 + "#}", 1, ("long " * 40).strip()),
    ],
)
def test_a_comment_that_swallows_text_is_remarked_upon(
    text: str, line: int, swallowed: str
) -> None:
    assert template.comments(text) == ((line, swallowed),)
    remarks = pex.Prompt(text, name="p").remarks
    assert len(remarks) == 1
    assert remarks[0].startswith(f"message 1, line {line}: '{swallowed[:40]}")
    assert remarks[0].endswith("is a comment between {# and #}: it is not sent")


@pytest.mark.parametrize(
    "text",
    [
        "x {# the review #}", "{# a note #}\nx", "x\n{#- a note -#}\ny", "{{ x }}{# y #}", "{##}x",
        "no comment", "{{ '{#' }} and #}", "{% raw %}{# kept #}{% endraw %}",
    ],
)  # fmt: skip
def test_a_note_is_an_ordinary_comment(text: str) -> None:
    assert template.comments(text) == ()


@pytest.mark.filterwarnings("ignore")
def test_a_file_with_such_a_comment_warns(tmp_path: Any) -> None:
    path = tmp_path / "swallows.prompty"
    path.write_text("---\nname: swallows\n---\nuser:\nHi {#all\nof this#} you")
    with pytest.warns(UserWarning, match=r"swallows.prompty: message 1, line 1: 'all of this'"):
        pex.Prompt.load(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_any_json_value_goes_in_as_it_is(value: Any) -> None:
    messages = pex.Prompt("<{{ x }}>", name="p").render({"x": value})
    sent = messages[0]["content"][1:-1]
    if isinstance(value, str):
        assert sent == value
    elif isinstance(value, dict | list):
        assert json.loads(sent) == value
    else:
        assert sent == ("" if value is None else str(value))


@given(st.text(), st.text(max_size=5).filter(lambda name: name.isidentifier()))
def test_any_key_gives_its_value(value: str, name: str) -> None:
    assert template.render(f"{{{{ x['{name}'] }}}}", {"x": {name: value}}, "p") == value


@given(
    st.lists(
        st.sampled_from(
            ["{{ a }}", "{{b}}", "{{  a}}", "{{ true }}", "{{ a|upper }}", "{{- a }}", "{", "}", "\n",
             "\r\n", "{#", "#}", "{% if a %}x{% endif %}", " é ", "{{ a.b }}", "{{ range }}", "%}"]
        ),
        max_size=6,
    ).map("".join),
    st.text(max_size=8) | st.sampled_from(["{{ b }}", "{% raw %}", "a\r\nb\n", "<&>"]),
)  # fmt: skip
def test_a_plain_template_is_filled_as_jinja_does_it(text: str, value: str) -> None:
    def result(fill: Any) -> Any:
        try:
            return fill()
        except Exception as error:  # noqa: BLE001 - the same error is the same result
            return type(error), str(error)

    values = {"a": value, "b": "B", "range": "r"}
    shown = result(lambda: template.render(text, values, "p"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(template, "_filled", lambda text, values: None)
        assert shown == result(lambda: template.render(text, values, "p"))


def test_which_templates_are_filled_without_jinja() -> None:
    assert template._filled("Say {{ word }}!\n", {"word": "{{ x }}"}) == "Say {{ x }}!\n"
    for text, values in {
        "{{ word }}": {"word": 1},
        "{{ true }}": {},
        "{{ a|upper }}": {"a": "b"},
    }.items():
        assert template._filled(text, values) is None
