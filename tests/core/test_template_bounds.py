"""A template does no more than a prompt needs, however few letters it has."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest

from pex.core import template, template_bounds
from pex.core.errors import PexError
from pex.core.template import check, render

BIG = 1_000_000_000
GROWS = "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = STEP %}{% endfor %}"
NESTS = GROWS.replace("'ab'", "[1]").replace("STEP", "[n.x, n.x]")
TUPLES = GROWS.replace("'ab'", "(1,)").replace("STEP", "(n.x, n.x)")
CALLS = "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}"
HOSTILE = {
    "a text times a number": "{{ 'a' * 1000000000 }}",
    "a number times a text": "{{ 1000000000 * 'a' }}",
    "a list times a number": "{{ ([1] * 1000000000) | length }}",
    "a power": "{{ 9 ** 999999999 }}",
    "a power of a variable": "{{ big ** big }}",
    "products": "{% set n = namespace(x=99) %}{% for i in range(90) %}"
    "{% set n.x = n.x * n.x %}{% endfor %}{{ n.x }}",
    "never shown": "{% set x = 'a' * 1000000000 %}",
    "in a condition": "{% if 'a' * 1000000000 %}yes{% endif %}",
    "two loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "two loops that write": "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}"
    "{% endfor %}{% endfor %}",
    "a loop over a long text": "{% for a in range(9999) %}" + "long " * 2000 + "{% endfor %}",
    "a loop in a macro": "{% macro m() %}" + "long " * 2000 + "{% endmacro %}"
    "{% for a in range(9999) %}{% set x = m() %}{% endfor %}",
    "a recursive loop": "{% for a in range(99) recursive %}"
    "{{ loop(range(99)) if loop.depth < 9 else '' }}{% endfor %}",
    "filters that loop": "{% for a in range(9999) %}{% set x = range(9999) | list %}{% endfor %}",
    "a filter for each": "{% for a in range(9999) %}"
    "{% set x = range(9999) | map('string') | join %}{% endfor %}",
    "macros that call themselves twice": CALLS + "{{ m(60) }}",
    "blocks that are written twice": "{% block a %}{% endblock %}"
    + "".join(
        f"{{% block b{n} %}}{{{{ self.{'b' + str(n - 1) if n else 'a'}() }}}}"
        f"{{{{ self.{'b' + str(n - 1) if n else 'a'}() }}}}{{% endblock %}}"
        for n in range(40)
    ),
    "doubled by ~": GROWS.replace("STEP", "n.x ~ n.x"),
    "doubled by +": GROWS.replace("STEP", "n.x + n.x"),
    "doubled by join": GROWS.replace("STEP", "[n.x, n.x] | join"),
    "doubled by format": GROWS.replace("STEP", "'%s%s' | format(n.x, n.x)"),
    "doubled by %": GROWS.replace("STEP", "'%s%s' % (n.x, n.x)"),
    "doubled by str.format": GROWS.replace("STEP", "'{0}{0}'.format(n.x)"),
    "doubled by replace": GROWS.replace("STEP", "n.x | replace('a', 'aa') | replace('b', 'bb')"),
    "doubled by a method": GROWS.replace("STEP", "n.x.replace('', n.x)"),
    "doubled by join of a method": GROWS.replace("STEP", "n.x.join([n.x, n.x, n.x])"),
    "doubled by a block": GROWS.replace(
        "{% set n.x = STEP %}", "{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}"
    ),
    "escaped again and again": GROWS.replace("STEP", "(n.x | replace('a', '&&')) | e"),
    "lists that double": "{% set n = namespace(x=[1]) %}{% for i in range(60) %}"
    "{% set n.x = n.x + n.x %}{% endfor %}",
    "lists that are summed": "{{ range(90000) | map('string') | map('list') | sum(start=[]) }}",
    "a width": "{{ '%1000000000d' | format(1) }}",
    "a width with %": "{{ '%1000000000d' % 1 }}",
    "a width behind a name": "{{ '%(((a)))1000000000d' % {'((a))': 1} }}",
    "a precision": "{{ '%.1000000000f' % 1.5 }}",
    "a width that is given": "{{ '%*d' % (1000000000, 1) }}",
    "a width in str.format": "{{ '{:1000000000}'.format(1) }}",
    "a width in a width": "{{ '{:{}}'.format(1, 1000000000) }}",
    "a width in format_map": "{{ '{a:1000000000}'.format_map({'a': 1}) }}",
    "center": "{{ 'a' | center(1000000000) }}",
    "center by name": "{{ 'a' | center(width=1000000000) }}",
    "center by map": "{{ ['a'] | map('center', 1000000000) | list }}",
    "center in a block": "{% filter center(1000000000) %}a{% endfilter %}",
    "center before rendering": "{% autoescape 'a' | center(1000000000) %}{% endautoescape %}",
    "indent": "{{ 'a\n' | indent(1000000000) }}",
    "indent by a text": "{{ text | indent(text, true) }}",
    "batch": "{{ [1] | batch(1000000000, 0) | list }}",
    "slice": "{{ [1] | slice(1000000000) | list }}",
    "tojson": "{{ [[1]] | tojson(indent=1000000000) }}",
    "wordwrap": "{{ text | wordwrap(1, true, text) }}",
    "round": "{{ 1 | round(1000000000, 'ceil') }}",
    "join": "{{ range(90000) | join(text) }}",
    "lipsum": "{{ lipsum(1000000000) }}",
    "range": "{{ range(1000000000) | list }}",
    "ljust": "{{ 'a'.ljust(1000000000) }}",
    "zfill": "{{ '1'.zfill(1000000000) }}",
    "expandtabs": "{{ '\t\t\t'.expandtabs(1000000000) }}",
    "translate": "{{ text.translate({97: text}) }}",
    "to_bytes": "{{ (1).to_bytes(1000000000, 'big') | length }}",
    "bytes": "{{ 'a'.encode() * 1000000000 }}",
    "lists that hold one twice, shown": NESTS + "{{ n.x }}",
    "joined": NESTS + "{{ n.x | join }}",
    "in a format": NESTS + "{{ '{}'.format(n.x) }}",
    "compared": NESTS + NESTS.replace("n.x", "m.x").replace("set n", "set m") + "{{ n.x == m.x }}",
    "compared by a test": NESTS + "{{ [n.x] | select('eq', [n.x]) | list }}",
    "sorted": NESTS + "{{ [n.x, n.x] | sort | length }}",
    "looked for": NESTS + "{{ [n.x].index([n.x]) }}",
    "tuples that are a key": TUPLES + "{{ {n.x: 1} | length }}",
    "tuples that are looked up": TUPLES + "{{ {}[n.x] }}{{ {}.get(n.x) }}",
    "tuples in a dict": TUPLES + "{{ dict([[n.x, 1]]) | length }}",
    "words of a page": "{{ ('a@' * 100000) | urlize }}",
    "comments of a page": "{{ ('<!-- -->' * 100000) | striptags }}",
}
"""In a process of its own each would take gigabytes or minutes."""

RUN = """
import resource, sys, time
from pex.core.errors import PexError
from pex.core.template import check, render
import tests.core.test_template_bounds as ours
resource.setrlimit(resource.RLIMIT_AS, (2 * 1024**3, 2 * 1024**3))
resource.setrlimit(resource.RLIMIT_CPU, (400, 400))
for name in ours.HOSTILE:
    try:
        check(ours.HOSTILE[name], "prompt 'p'")
        render(ours.HOSTILE[name], {"big": 10**9, "text": "a b\\n" * 20000}, "prompt 'p'")
        print("through:", name)
    except PexError as error:
        if "prompt 'p'" not in error.message or "MemoryError" in error.message:
            print("unclear:", name, error.message)
print("done")
"""


def test_every_way_to_make_gigabytes_or_loop_for_days_is_an_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr[-2000:]) == ("done\n", "")


@pytest.mark.parametrize(
    ("text", "values", "wanted"),
    [
        ("{{ 'ab' * 3 }}{{ [1] * 2 }}", {}, "ababab[1, 1]"),
        ("{{ 2 ** 10 }} {{ 7 % 3 }} {{ 1.5 * 2 }} {{ 2 ** -1 }}", {}, "1024 1 3.0 0.5"),
        ("{{ '%s: %5.1f%%' % ('a', 2) }}", {}, "a:   2.0%"),
        ("{{ '%-4s|' | format('a') }}{{ '%(n)03d' % {'n': 7} }}", {}, "a   |007"),
        ("{{ 'Order 1234567890: %s' | format('a') }}", {}, "Order 1234567890: a"),
        ("{{ '{:>4}|{a}'.format(1, a='b') }}{{ '{x}'.format_map({'x': 1}) }}", {}, "   1|b1"),
        ("{{ 'a' | center(5) }}|{{ 'a\nb' | indent(2) }}", {}, "  a  |a\n  b"),
        ("{{ [1, 2, 3] | batch(2, 0) | list | tojson }}", {}, "[[1, 2], [3, 0]]"),
        ("{{ [1, 2] | sum }}{{ [[1], [2]] | sum(start=[]) }}", {}, "3[1, 2]"),
        ("{{ xs | map(attribute='a') | join(', ') }}", {"xs": [{"a": 1}, {"a": 2}]}, "1, 2"),
        ("{{ xs | sum(attribute='a') }}", {"xs": [{"a": 1}, {"a": 2}]}, "3"),
        (
            "{% for x in xs %}{{ loop.index }}/{{ loop.length }}{{ ', ' if not loop.last else '' }}"
            "{% else %}none{% endfor %}",
            {"xs": [1, 2]},
            "1/2, 2/2",
        ),
        ("{% for x in [] %}x{% else %}none{% endfor %}", {}, "none"),
        ("{% for k, v in d.items() %}{{ k }}={{ v }} {% endfor %}", {"d": {"a": 1}}, "a=1 "),
        ("{% for c in 'abc' %}{{ loop.revindex }}{{ c }}{% endfor %}", {}, "3a2b1c"),
        ("{% for x in range(3) | reverse %}{{ x }}{{ loop.length }}{% endfor %}", {}, "231303"),
        (
            "{% for x in t recursive %}{{ x.n }}{{ loop(x.c) }}{% endfor %}",
            {"t": [{"n": 1, "c": [{"n": 2, "c": []}]}]},
            "12",
        ),
        ("{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(1) }}{{ m('x') }}", {}, "<1><x>"),
        (
            "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}in{% endcall %}",
            {},
            "[in]",
        ),
        ("{% block a %}x{% endblock %}{{ self.a() }}", {}, "xx"),
        ("{% filter upper %}a{{ b }}{% endfilter %}", {"b": "c"}, "AC"),
        ("{% set x %}a{{ b }}{% endset %}{{ x ~ x }}", {"b": "c"}, "acac"),
        ("{% autoescape false %}{{ b }}{% endautoescape %}", {"b": "<"}, "<"),
        ("{{ b | wordwrap(3) }}", {"b": "aa bb"}, "aa\nbb"),
        ("{{ b.replace('a', 'xy') }} {{ b | replace('b', '') }}", {"b": "ab"}, "xyb a"),
        ("{{ 1.256 | round(2) }}", {}, "1.26"),
        ("{{ a == b }}{{ a in [b] }}{{ a is ne b }}", {"a": [[1]], "b": [[1]]}, "TrueTrueFalse"),
        (
            "{{ 1 < n <= 3 }}{{ {k: 1}[k] }}{{ xs | sort | max }}",
            {"n": 2, "k": "a", "xs": [3, 2]},
            "True13",
        ),
        ("{{ none_of is defined }}{{ none_of | default('d') }}", {}, "Falsed"),
    ],
)
def test_what_prompts_do_goes_on_working(text: str, values: dict[str, Any], wanted: str) -> None:
    check(text, "p")
    assert render(text, values, "p") == wanted


def test_a_long_value_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_bounds, "MOST_OUTPUT", 1000)
    monkeypatch.setattr(template, "_LONGEST_PLAIN", 1000)  # more is left to Jinja and its bounds
    long = "x" * 5000
    assert len(render("{{ a }}{{ a }}", {"a": long}, "p")) == 10_000
    assert len(render("{{ a }}", {"a": {"of": [long]}}, "p")) > 5000
    with pytest.raises(PexError, match=r"p: the template does too much: .* more than 1,000"):
        render("{{ a }}{{ a }}{{ a }}{{ a }}", {"a": long}, "p")


def test_a_loop_that_runs_for_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(1, 1000, 5))
    monkeypatch.setattr(template_bounds.time, "thread_time", lambda: next(seconds))
    text = "{% for a in range(999) %}{% for b in range(99) %}{% endfor %}{% endfor %}"
    with pytest.raises(PexError, match=r"p: the template does too much: it has run for 20 s"):
        render(text, {}, "p")


@pytest.mark.parametrize(
    "deep",
    [
        "{{ " + "(" * 100_000 + "1",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "[" * 5000 + "]" * 5000 + " }}",
        "{{ " + "{1: " * 5000 + "1" + "}" * 5000 + " }}",
        "{{ " + "not " * 50_000 + "x }}",
        "{{ " + "- " * 50_000 + "1 }}",
        "{{ x" + ".a" * 50_000 + " }}",
        "{{ x" + "[0]" * 50_000 + " }}",
        "{{ x" + "()" * 50_000 + " }}",
        "{{ x" + " | upper" * 50_000 + " }}",
        "{{ 1" + " + 1" * 50_000 + " }}",
        "{{ 1" + " ** 1" * 50_000 + " }}",
        "{{ 1" + " if x else 1" * 50_000 + " }}",
        "{% if x %}" * 5000 + "{% endif %}" * 5000,
        "{% for x in y %}" * 5000 + "{% endfor %}" * 5000,
        "{% for x in y %}" * 30 + "{% endfor %}" * 30,
        "{% macro m() %}" * 5000 + "{% endmacro %}" * 5000,
        "{% filter upper %}" * 5000 + "{% endfilter %}" * 5000,
    ],
    ids=lambda text: text[:12],
)
def test_a_template_that_is_nested_too_deeply_is_an_error_with_its_line(deep: str) -> None:
    with pytest.raises(PexError, match=r"^p, line [2-9]"):
        check(f"Hello\n{deep}\nBye", "p")


def test_nothing_is_worked_out_when_a_template_is_read() -> None:
    for name, text in HOSTILE.items():
        if name != "center before rendering":
            template._compile(text)
    check("{{ 9 ** 9 ** 9 }}{{ 'a' | center(1000000000) }}", "p")
