"""`# pex: ignore[PX102]`: in the front matter for a whole file, in `{# … #}` for a line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from pex.core.errors import nearest
from pex.lint.finding import RULES, Finding

_COMMENT = re.compile(r"pex:[ \t]*ignore(?:\[([^\]\n]*)\])?")


@dataclasses.dataclass(slots=True)
class _Ignore:
    code: str
    line: int
    whole_file: bool
    used: bool = False

    def covers(self, finding: Finding) -> bool:
        near = finding.line in (self.line, self.line + 1)
        return finding.code == self.code and (self.whole_file or near)


def apply(findings: Sequence[Finding], source: str) -> tuple[list[Finding], int]:
    """The findings without those that comments name, and how many these were.

    A comment that names nothing that is found is a finding itself.

    Args:
        findings: of one file.
        source: its text.
    """
    ignores, wrong = _ignores(source)
    left = []
    for finding in findings:
        covering = [ignore for ignore in ignores if ignore.covers(finding)]
        for ignore in covering:
            ignore.used = True
        if not covering:
            left.append(finding)
    for ignore in ignores:
        if not ignore.used:
            wrong.append(
                Finding(
                    "PX110",
                    ignore.line,
                    f"ignore[{ignore.code}]: there is nothing of that kind"
                    + (" in this file" if ignore.whole_file else " in this line or the next"),
                    "delete the comment",
                    fix=("comment", f"{ignore.line}:{ignore.code}"),
                )
            )
    return sorted([*left, *wrong], key=lambda f: (f.line, f.code)), len(findings) - len(left)


def _ignores(source: str) -> tuple[list[_Ignore], list[Finding]]:
    found, wrong = [], []
    lines = source.split("\n")
    end = _front_end(lines)
    for number, line in enumerate(lines, 1):
        for match in _COMMENT.finditer(line):
            before = line[: match.start()]
            in_front = number <= end
            if not (before.rstrip().endswith("#")):
                continue
            codes = [code.strip() for code in (match[1] or "").split(",") if code.strip()]
            if not codes:
                wrong.append(
                    Finding("PX110", number, "ignore: it names no code", "write ignore[PX102]")
                )
            for code in codes:
                if code in RULES:
                    found.append(_Ignore(code, number, in_front))
                else:
                    hint = nearest(code, RULES)
                    wrong.append(
                        Finding("PX110", number, f"ignore[{code}]: there is no such rule", hint)
                    )
    return found, wrong


def _front_end(lines: Sequence[str]) -> int:
    """The number of the line that ends the front matter, 0 if there is none."""
    if not lines or lines[0].strip() != "---":
        return 0
    return next((n for n, line in enumerate(lines[1:], 2) if line.strip() == "---"), 0)
