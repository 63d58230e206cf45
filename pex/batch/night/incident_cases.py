"""Cases of closed incidents in a night: each has to pass, in every repeat, as when it was closed.

No statistics: what did harm once must not do it again. Cases of incidents that are not closed yet
are expected to fail, so they are left to the comparison.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.batch.night.run_changes import Recorded
from pex.compare.gate import FAIL, PASS, UNDECIDED
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.core.yamltext import load_yaml
from pex.library.reference import is_reference, parse_reference
from pex.report.tables import cut
from pex.score.frame import yes_no

if TYPE_CHECKING:
    import pandas as pd

TAG = "incident-"
"""The start of the tag that an incident's case has in the experiment's cases."""
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentCase:
    """The case of a closed incident, on one variant.

    `outcome` is pass, fail or undecided (nothing can be told); `passed` of `repeats` answers
    passed. `closed` is when the incident was closed, empty if its record cannot be read.
    """

    incident: str
    closed: str
    case_id: str
    variant: str
    outcome: str
    passed: int
    repeats: int
    why: str = ""

    @property
    def sentence(self) -> str:
        """What was found, in a sentence."""
        closed = f"which was closed on {self.closed}" if self.closed else "whose record is not here"
        of = f"case {self.case_id} of incident {self.incident}, {closed}"
        if self.outcome == PASS:
            return f"passes: {of}, on '{self.variant}'."
        word = "fails" if self.outcome == FAIL else "cannot tell"
        return f"{word}: {of}, on '{self.variant}': {self.why}."


def incident_cases(now: Recorded, project: Path) -> list[IncidentCase]:
    """What the cases of closed incidents did in a run, the failed ones first; empty without any.

    Every variant of the incident's prompt has to pass: each is deployed, or would be next. Where
    the record names no prompt of this run, all variants have to.

    Args:
        now: the run.
        project: the project, whose incidents/ has the records.
    """
    frame = now.frame
    if "tags" not in frame.columns:
        return []
    tagged = frame["tags"].map(lambda tags: [t for t in _listed(tags) if t.startswith(TAG)])
    names = sorted({tag for tags in tagged for tag in tags})
    numbers = {check.score for check in now.about.checks if check.numbers}
    scores = [name for name in yes_no(frame) if name not in numbers]
    found = []
    for tag in names:
        record = _record(project, tag.removeprefix(TAG))
        if record is not None and not record.get("closed_at"):
            continue
        rows = frame[tagged.map(lambda tags, tag=tag: tag in tags)]
        own = _variants_of(now, str((record or {}).get("prompt") or ""))
        rows = rows[rows["variant"].isin(own)]
        for (variant, case_id), part in rows.groupby(["variant", "case_id"], sort=False):
            closed = str((record or {}).get("closed_at") or "")[:10]
            about = (tag.removeprefix(TAG), closed, str(case_id), str(variant))
            found.append(IncidentCase(*about, *_judged(part, sorted(scores))))
    order = {FAIL: 0, UNDECIDED: 1}
    return sorted(found, key=lambda item: order.get(item.outcome, 2))


def counted(items: list[IncidentCase]) -> str:
    """How many cases of incidents pass, for a line of the night; a case counts once.

    Example:
        >>> item = IncidentCase("2026-01-01-x", "2026-01-02", "c1", "a", PASS, 3, 3)
        >>> counted([item])
        'cases of incidents: 1 of 1 passes'
    """
    cases = {(item.incident, item.case_id) for item in items}
    bad = {(item.incident, item.case_id) for item in items if item.outcome != PASS}
    good = len(cases) - len(bad)
    return f"cases of incidents: {good} of {len(cases)} {'passes' if good == 1 else 'pass'}"


def _listed(tags: Any) -> list[str]:
    return [] if tags is None or isinstance(tags, float | str) else [str(tag) for tag in tags]


def _record(project: Path, name: str) -> dict[str, Any] | None:
    """The front matter of an incident's record; None if it cannot be read."""
    if not name or Path(name).name != name:
        return None
    path = project / "incidents" / f"{name}.md"
    try:
        front = _FRONT.match(path.read_text(encoding="utf-8-sig"))
        data = load_yaml(front[1], path.name, first_line=2).data if front else None
    except (OSError, UnicodeDecodeError, PexError):
        return None
    return {str(key): value for key, value in data.items()} if isinstance(data, dict) else None


def _variants_of(now: Recorded, prompt: str) -> list[str]:
    """The variants of a prompt of the library; all if there is none."""
    names = list(dict.fromkeys(str(name) for name in now.frame["variant"]))
    origins = {item.name: item.origin for item in now.about.prompts}

    def is_of(variant: str) -> bool:
        item = now.variants.get(variant)
        if item is None:
            return False
        origin = origins.get(item.prompt)
        if origin is not None and is_reference(origin):
            return parse_reference(origin).name == prompt
        return item.prompt == prompt

    return [name for name in names if is_of(name)] or names


def _judged(rows: pd.DataFrame, scores: list[str]) -> tuple[str, int, int, str]:
    """The outcome of one case on one variant, passed, of how many, and why it did not pass."""
    passed = 0
    no: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for row in rows.to_dict("records"):
        if isinstance(row["error"], str):
            unknown[f"the call ended in an error ({row['error_kind']})"] = None
            continue
        values = {name: row[f"score.{name}"] for name in scores}
        errors = [name for name in scores if isinstance(row.get(f"score_error.{name}"), str)]
        wrong = [name for name, value in values.items() if value == 0.0]
        no |= dict.fromkeys(wrong)
        if errors:
            unknown[f"not scored: {', '.join(errors)}"] = None
        elif not wrong and not any(value == 1.0 for value in values.values()):
            unknown["no yes/no score"] = None
        elif not wrong:
            passed += 1
    count = len(rows)
    if no:
        why = f"{passed} of {count} answers passed; no: {', '.join(no)}"
        return FAIL, passed, count, cut(clean(why), 300)
    if unknown or not count:
        return UNDECIDED, passed, count, cut(clean("; ".join(unknown)), 300)
    return PASS, passed, count, ""
