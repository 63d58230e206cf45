"""promptfoo's results as JSON (`promptfoo eval -o results.json`, versions 2 and 3 of the format).

Both are tried with real files, of promptfoo 0.91 and 0.120.

A row without success is not a failed call: `failureReason` says which (1 an assertion, 2 an error).
A grader that failed is no failed test. Rows have no number of the repeat: equal inputs in the same
prompt and provider are repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.attack_columns import NOT_JUDGED, RESISTED
from pex.core.canonical_json import canonical_text
from pex.core.score import Score
from pex.core.textfile import read_text
from pex.importers.found import Found, FoundAnswer, key_of, name_of, unknown
from pex.importers.promptfoo_config.nunjucks import resolved

PASSED = "passed"
_ERROR = 2


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
    answers = [_answer(row, attacks) for row in rows]
    written = f"format {version}"
    meta = data.get("metadata")
    if isinstance(meta, Mapping) and meta.get("promptfooVersion"):
        written = str(meta["promptfooVersion"])
    return Found("promptfoo", written, str(whole.get("timestamp") or ""), answers, attacks)


def _answer(row: Mapping[str, Any], attacks: bool) -> FoundAnswer:
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
    for key, value in (row.get("namedScores") or {}).items():
        if isinstance(value, int | float):
            scores[f"promptfoo.{name_of(str(key))}"] = Score(float(value))
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


def _score(row: Mapping[str, Any]) -> Score:
    grading = row.get("gradingResult") or {}
    said = grading.get("reason") if isinstance(grading, Mapping) else None
    inner = (grading.get("metadata") if isinstance(grading, Mapping) else None) or {}
    if (inner.get("graderError") if isinstance(inner, Mapping) else None) or (
        isinstance(row.get("metadata"), Mapping) and row["metadata"].get("graderError")
    ):
        return Score(None, reason=f"{NOT_JUDGED}: promptfoo's grader failed: {said}")
    return Score(bool(row.get("success")), reason=str(said) if said else None)


def _metadata(row: Any) -> Mapping[str, Any]:
    """What a red-team test says of itself: in the row, or in its test case."""
    found: dict[str, Any] = {}
    if isinstance(row, Mapping):
        case = row.get("testCase")
        for part in (
            case.get("metadata") if isinstance(case, Mapping) else None,
            row.get("metadata"),
        ):
            if isinstance(part, Mapping):
                found |= part
    return found
