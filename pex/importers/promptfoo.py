"""promptfoo's results as JSON (`promptfoo eval -o results.json`, versions 2 and 3 of the format).

Both are tried with real files, of promptfoo 0.91 and 0.120.

A row without success is not a failed call: `failureReason` says which (1 an assertion, 2 an error).
A grader that failed is no failed test. Rows have no number of the repeat: equal inputs in the same
prompt and provider are repeats.

Each assertion of a row is a score as well, by its metric or its type: `promptfoo.contains`, and
`promptfoo.contains.2` for the second one in the row. Of an `assert-set` these are its parts, which
promptfoo lists twice: below the set, and once more after it without their assertions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.attack_columns import NOT_JUDGED, RESISTED
from pex.core.canonical_json import canonical_text
from pex.core.score import Score
from pex.core.textfile import read_text
from pex.importers.found import Found, FoundAnswer, key_of, name_of, unknown
from pex.importers.imported import Note, What
from pex.importers.promptfoo_config.nunjucks import resolved

PASSED = "passed"
_ERROR = 2
_REDTEAM = "promptfoo:redteam:"
"""How the type of a red team's own assertion begins: it is the verdict on the row."""
_NOTES: dict[str, tuple[What, str, str]] = {
    "sets": ("changed", "assert-set",
             "its parts are scores of their own; it has a score itself only with a metric"),
    "parts": ("changed", "numbers of assertions",
              "pass or fail is taken; for the number give the assertion a metric"),
    "unnamed": ("left out", "assertions", "they have neither a metric nor a type"),
}  # fmt: skip
"""By what is counted: its kind in the report, its place, and what is said."""


def is_promptfoo(text: str) -> bool:
    """Whether the beginning of a file is that of promptfoo's results."""
    first = text.lstrip("\ufeff \t\r\n")[:4000]
    return first.startswith("{") and '"results"' in first and (
        '"evalId"' in first or '"version"' in first
    )  # fmt: skip


def read_promptfoo(path: Path) -> Found:
    """Read results.

    Raises:
        PexError: it is not valid JSON, or it has no rows of results.
    """
    try:
        data = jsontext.loads(read_text(path, "results").removeprefix("\ufeff"))
    except ValueError as error:
        raise unknown(path, f"not valid JSON: {error}", "promptfoo") from None
    whole = data.get("results") if isinstance(data, dict) else None
    whole = whole if isinstance(whole, dict) else {}
    version = whole.get("version")
    if version not in (2, 3):
        raise unknown(path, f"version {version!r} of its format, expected 2 or 3", "promptfoo")
    rows = whole.get("results")
    if not isinstance(rows, list) or not rows:
        raise unknown(path, "it has no rows under results.results", "promptfoo")
    attacks = any(_metadata(row).get("pluginId") for row in rows)
    counts: Counter[str] = Counter()
    answers = [_answer(row, attacks, counts) for row in rows]
    notes = [
        Note(f"{where} ({counts[key]:,})", what, how, counts[key])
        for key, (what, where, how) in _NOTES.items()
        if counts[key]
    ]
    written = f"format {version}"
    meta = data.get("metadata")
    if isinstance(meta, Mapping) and meta.get("promptfooVersion"):
        written = str(meta["promptfooVersion"])
    return Found("promptfoo", written, str(whole.get("timestamp") or ""), answers, attacks, notes)


def _answer(row: Mapping[str, Any], attacks: bool, counts: Counter[str]) -> FoundAnswer:
    response = row.get("response") or {}
    output = response.get("output") if isinstance(response, Mapping) else None
    if output is not None and not isinstance(output, str):
        output = canonical_text(output)
    failed = row.get("failureReason") == _ERROR or (output is None and row.get("error"))
    provider = row.get("provider") or {}
    named = str(provider.get("id") if isinstance(provider, Mapping) else provider or "provider")
    prompt = row.get("prompt") or {}
    label = (
        str(prompt.get("label") or prompt.get("raw") or "") if isinstance(prompt, Mapping) else ""
    )
    given = row.get("vars")
    # Older versions write values with other values filled in, newer ones as the test has them.
    vars_ = resolved(given) if isinstance(given, Mapping) else given or {}
    metadata = _metadata(row)
    category = str(metadata.get("pluginId") or "")
    form = str(metadata.get("strategyId") or "plain") if attacks else ""
    score = RESISTED if attacks else PASSED
    scores = {score: _score(row)}
    if not failed:
        scores |= _by_assertion(row, counts)
    milliseconds = row.get("latencyMs")
    kind, _, rest = named.replace(":", "/").partition("/")
    target = f"{name_of(kind)}/{name_of(rest or kind)}"
    return FoundAnswer(
        key=key_of(name_of(category) if category else "", canonical_text(vars_)),
        text=canonical_text(vars_) if vars_ else label,
        target=f"{target}|{name_of(label[:40])}" if label else target,
        output=None if failed else output,
        error=str(row.get("error") or "an error in promptfoo") if failed else None,
        category=name_of(category) if category else "",
        form=name_of(form) if form else "",
        scores={} if failed else scores,
        latency_s=milliseconds / 1000 if isinstance(milliseconds, int | float) else None,
        cost_usd=row["cost"] if isinstance(row.get("cost"), int | float) else None,
    )


def _by_assertion(row: Mapping[str, Any], counts: Counter[str]) -> dict[str, Score]:
    """A score for each metric, and for each assertion without one."""
    named = row.get("namedScores") or {}
    found = {
        f"promptfoo.{name_of(str(key))}": Score(float(value))
        for key, value in named.items()
        if isinstance(value, int | float)
    }
    types: Counter[str] = Counter()
    for part in _assertions(_with_assertions(row), counts):
        assertion = part["assertion"]
        metric, kind = assertion.get("metric"), str(assertion.get("type") or "")
        # The metric of an assertion may be a template; among the named scores it is filled in.
        if kind.startswith(_REDTEAM) or (metric and (str(metric) in named or "{{" in str(metric))):
            continue
        if not kind and not metric:
            counts["unnamed"] += 1
            continue
        name = name_of(str(metric or kind))
        types[name] += 1
        place = name if types[name] == 1 else f"{name}.{types[name]}"
        reason = str(part.get("reason") or "") or None
        if _of(part, "metadata").get("graderError"):
            why = f"{NOT_JUDGED}: promptfoo's grader failed: {reason}"
            found[f"promptfoo.{place}"] = Score(None, reason=why)
            continue
        counts["parts"] += part.get("score") not in (0, 1, None)
        found[f"promptfoo.{place}"] = Score(bool(part.get("pass")), reason=reason)
    return found


def _with_assertions(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The grading, in which each part has its assertion.

    A function of JavaScript or Python that returns an object has none in its result. The parts
    stand in the order of the test's assertions, unless one of these is a set.
    """
    grading, asserts = _of(row, "gradingResult"), _of(row, "testCase").get("assert")
    parts = grading.get("componentResults")
    if not isinstance(parts, list) or not isinstance(asserts, list) or len(parts) != len(asserts):
        return grading
    named = [
        {"assertion": assertion, **part} if isinstance(part, Mapping) else part
        for part, assertion in zip(parts, asserts, strict=True)
        if not isinstance(part, Mapping) or not part.get("componentResults")
    ]
    return {**grading, "componentResults": named if len(named) == len(parts) else parts}


def _assertions(grading: Any, counts: Counter[str]) -> Iterator[Mapping[str, Any]]:
    """The results of single assertions, each once."""
    copies = 0
    for part in grading.get("componentResults") or () if isinstance(grading, Mapping) else ():
        if not isinstance(part, Mapping):
            continue
        inner = part.get("componentResults") or ()
        if isinstance(part.get("assertion"), Mapping):
            yield part
        elif inner:
            counts["sets"] += 1
            copies += len(inner)
            yield from _assertions(part, counts)
        elif copies:
            copies -= 1
        else:
            counts["unnamed"] += 1


def _of(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object in a row; empty if it is something else."""
    inner = row.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _score(row: Mapping[str, Any]) -> Score:
    grading = _of(row, "gradingResult")
    said = grading.get("reason")
    if any(_of(part, "metadata").get("graderError") for part in (grading, row)):
        return Score(None, reason=f"{NOT_JUDGED}: promptfoo's grader failed: {said}")
    return Score(bool(row.get("success")), reason=str(said) if said else None)


def _metadata(row: Any) -> Mapping[str, Any]:
    """What a red-team test says of itself: in the row, or in its test case."""
    if not isinstance(row, Mapping):
        return {}
    return {**_of(_of(row, "testCase"), "metadata"), **_of(row, "metadata")}
