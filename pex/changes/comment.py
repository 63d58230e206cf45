"""What a branch changes, as a comment for a pull request: Markdown that others' text cannot break.

Answers and prompts are foreign text. In a comment they could load pictures, name people (who are
then notified) or imitate a verdict: in tables they are code with every special character written
as a number, and differences are in a fence that is longer than any in them.
"""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Sequence

from pex.changes.comparing import ChangedCase, ChangeReport, PromptChange
from pex.compare.gate import FAIL, PASS, UNDECIDED
from pex.compare.verdict import UNCHANGED
from pex.core.safe_text import clean
from pex.guard.redact import redact
from pex.report.comparison import format_difference, format_ends, format_value
from pex.report.tables import format_usd

MARK = "<!-- pexlab changes -->"
"""The first line: a workflow finds its earlier comment by it."""

LARGEST = 60_000
"""Characters of a comment; GitHub takes 65,536."""
_LONGEST = 240
_LONGEST_DIFFERENCE = 6_000
_SIGNS = {PASS: "✅", FAIL: "❌", UNDECIDED: "❔", "": "➕"}


def comment(report: ChangeReport) -> str:
    """The comment: a table of all changed prompts, then each with its cases and its difference."""
    lines = [MARK, "## Changed prompts", ""]
    if not report.prompts:
        lines.append(f"No experiment's prompt differs from {code(report.changes.base)}.")
    else:
        lines += [
            "| | prompt | experiment | verdict | score | difference | cost of 1,000 answers |",
            "|---|---|---|---|---|---|---|",
            *(_row(item) for item in report.prompts),
            "",
            f"Compared with {code(report.changes.base)} at {report.changes.commit[:12]}; this "
            f"comparison cost {format_usd(report.spent_usd)}.",
        ]
    if report.changes.unused:
        files = ", ".join(code(name) for name in report.changes.unused[:20])
        lines += ["", f"Not compared, as no experiment uses them: {files}"]
    text = "\n".join(lines) + "\n"
    left_out = 0
    for item in report.prompts:
        part = _details(item)
        if len(text) + len(part) > LARGEST:
            left_out += 1
            continue
        text += part
    if left_out:
        text += f"\nThe details of {left_out} more are left out: the comment would be too long.\n"
    return redact(text)


def code(value: object, most: int = _LONGEST) -> str:
    """Foreign text as code in a line of Markdown or a cell of a table.

    Example:
        >>> code("![x](http://a) | @all")
        '<code>&#33;&#91;x&#93;&#40;http&#58;&#47;&#47;a&#41; &#124; &#64;all</code>'
    """
    return f"<code>{_escaped(value, most)}</code>"


def _prose(value: str) -> str:
    """A sentence with foreign names in it: outside code, `@` and `#` would also be links."""
    return re.sub("&#(?:64|35);", r"\g<0>&#8203;", _escaped(value, 2_000))


def _escaped(value: object, most: int) -> str:
    text = " ".join(clean(str(value)).split())
    text = text if len(text) <= most else f"{text[:most]}…"
    return re.sub(r"[!-/:-@[-`{-~]", lambda found: f"&#{ord(found[0])};", text)


def _row(item: PromptChange) -> str:
    name = code(item.changed.file)
    if not item.row:
        return f"| {_SIGNS['']} | {name} | {code(item.experiment)} | {_new(item)} | | | |"
    row = item.row
    scores = [
        format_value(row[f"{who}_score"], row["metric"], row["yes_no"])
        for who in ("baseline", "candidate")
    ]
    difference = format_difference(row["diff"], row["metric"], row["yes_no"])
    costs = [
        "n/a" if usd is None else format_usd(usd) for usd in (item.old_cost_usd, item.new_cost_usd)
    ]
    return (
        f"| {_SIGNS[item.outcome]} | {name} | {code(item.experiment)} | **{row['verdict']}** | "
        f"{code(row['metric'])}: {' → '.join(scores)} | "
        f"{html.escape(f'{difference} {format_ends(row)}'.strip())} | {' → '.join(costs)} |"
    )


def _new(item: PromptChange) -> str:
    if item.changed.why:
        return f"not compared: the base branch's version cannot be read: {code(item.changed.why)}"
    return "new: nothing to compare with"


def _details(item: PromptChange) -> str:
    if not item.row:
        return ""
    row = item.row
    lines = ["", f"### {code(item.changed.file)}", "", _prose(item.finding), ""]
    lines.append(
        f"{row['n_cases']} cases: {row['wins']} better, {row['ties']} the same score, "
        f"{row['losses']} worse; {item.same_answers} with the same answer."
    )
    if row["margin"] is None and row["verdict"] != UNCHANGED:
        lines.append("No margin is set, so it cannot be *no worse*: add a `gate` or `--margin`.")
    lines += [f"- {_prose(text)}" for text in row["warnings"]]
    if item.cases:
        lines += ["", *_table(item.cases)]
    difference = _difference(item)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", difference)), default=0))
    lines += ["", "<details><summary>What changed in the text</summary>", "", f"{fence}diff",
              difference, fence, "", "</details>", ""]  # fmt: skip
    return "\n".join(lines)


def _table(cases: Sequence[ChangedCase]) -> list[str]:
    def shown(score: float | None) -> str:
        return "n/a" if score is None else f"{score:.3g}"

    said = "The case that" if len(cases) == 1 else f"The {len(cases)} cases that"
    lines = [f"{said} changed most:", "", "| case | input | expected | before | now | score |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for case in cases:
        expected = "" if case.expected is None else code(case.expected)
        scores = f"{shown(case.old_score)} → {shown(case.new_score)}"
        lines.append(
            f"| {code(case.id)} | {code(case.inputs)} | {expected} | {code(case.old)} | "
            f"{code(case.new)} | {scores} |"
        )
    return lines


def _difference(item: PromptChange) -> str:
    assert item.changed.old is not None
    old, new = (
        clean(prompt.to_prompty()).splitlines() for prompt in (item.changed.old, item.changed.new)
    )
    text = "\n".join(list(difflib.unified_diff(old, new, n=2, lineterm=""))[2:])
    return text if len(text) <= _LONGEST_DIFFERENCE else f"{text[:_LONGEST_DIFFERENCE]}\n…"
