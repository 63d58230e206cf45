"""A night in a few sentences: the verdict, the change, what is still open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.batch.night.incident_cases import counted
from pex.batch.night.night_gate import NO_BASELINE, CandidateVerdict, outcome_of
from pex.batch.night.run_changes import ANSWERS, CAUSES, MODEL, Change, touching
from pex.compare.gate import FAIL, PASS, UNDECIDED
from pex.compare.verdict import WORSE
from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.report.comparison import format_value, listed, same_as
from pex.report.tables import cut

if TYPE_CHECKING:
    from pex.batch.night.night import JudgedNight, JudgedRun
    from pex.batch.result import JobResult

MAX_ERROR = 200
"""Maximum number of characters of an error in the headline; the page has it in full."""
MOST = 4
"""Maximum number of candidates named; of others only the number is given."""


def headline(night: JudgedNight) -> str:
    """The night in a few sentences, for people who do not program."""
    said = []
    bad = night.batch.failed
    total = len(night.batch.results)
    if bad:
        said.append(f"The night is incomplete: {_unfinished(len(bad), total)}.")
        said += _common_error(bad)
    if night.stopped_by_budget:
        said.append("The budget ended it before all calls were made.")
    erring = night.erring
    if erring:
        said.append(f"Too many calls ended in an error: {', '.join(s.title for s in erring)}.")
    harm = [item for item in night.incidents if item.outcome == FAIL]
    if harm:
        cases = list(dict.fromkeys(f"{item.case_id} ({item.incident})" for item in harm))
        more = f" and {len(cases) - MOST} more" if len(cases) > MOST else ""
        was = "A case of a closed incident fails" if len(cases) == 1 else "Cases of incidents fail"
        said.append(f"{was} again: {', '.join(cases[:MOST])}{more}. Do not ship it as it is.")
    gate = outcome_of(night.judged)
    failed = [item for item in night.judged if item.outcome == FAIL]
    if failed:
        causes = {item.cause for item in failed if item.cause}
        why = f" {causes.pop()}" if len(causes) == 1 else ""
        named = _named(night, failed, scores=True)
        said.append(f"Something got worse: {named}.{why} Do not ship it as it is.")
    elif gate == UNDECIDED:
        said += _undecided(night)
    elif gate is not None and not said:
        said.append(_passed(night))
    elif gate is None and not said:
        said.append(f"{_all_ran(night)} Nothing was judged: there is no gate.")
    if row := night.worse_since:
        said.append(f"Worse since {row[0].batch_id}: {len(row) + 1} nights in a row.")
    return " ".join(said)


def _common_error(bad: Sequence[JobResult]) -> list[str]:
    """The error that ended several notebooks, if it is the same one; it is the likely cause."""
    errors = [item.error or "" for item in bad if item.status == "failed"]
    if len(errors) < 2 or len(set(errors)) > 1 or not errors[0]:
        return []
    text = cut(redact(errors[0]).removeprefix(f"{PexError.__name__}: "), MAX_ERROR)
    return [f"{'Both' if len(errors) == 2 else f'All {len(errors)}'} failed with: {text}."]


def reasons(night: JudgedNight) -> list[tuple[str, str, str]]:
    """Outcome, place and reason of each candidate; the unchanged ones of a run share a line.

    The cases of incidents come first: a line of their number, and one for each that does not pass.
    """
    found = []
    for subject in night.subjects:
        found += [
            (item.outcome, subject.place, item.sentence)
            for item in subject.incidents
            if item.outcome != PASS
        ]
        if subject.incidents:
            worst = subject.incidents[0].outcome  # sorted
            found.append((worst, subject.place, f"{counted(subject.incidents)}."))
        found += [
            (item.outcome, subject.place, item.reason)
            for item in subject.judged
            if not item.unchanged
        ]
        same = list(
            dict.fromkeys(f"'{item.candidate}'" for item in subject.judged if item.unchanged)
        )
        if same:
            are = f"{listed(same)} {'is' if len(same) == 1 else 'are'} unchanged"
            found.append((PASS, subject.place, f"{are}: {same_as('the baseline')}."))
    return found


def _all_ran(night: JudgedNight) -> str:
    skipped, total = len(night.batch.not_due), len(night.batch.results)
    if skipped == total and total:
        return "No notebook was due."
    return "All notebooks that were due ran." if skipped else "All notebooks ran."


def _passed(night: JudgedNight) -> str:
    if all(item.unchanged for item in night.judged):
        return "Nothing changed: prompts, models and all answers are those of the baseline."
    changed = _changes(night)
    what = f" {_changed(changed)}." if changed else ""
    return f"Nothing got worse. What was judged can be shipped.{what}"


def _undecided(night: JudgedNight) -> list[str]:
    items = [item for item in night.judged if item.outcome == UNDECIDED]
    first = next((item for item in items if item.row is None), None)
    if first is not None and first.reason.startswith(NO_BASELINE):
        return ["Nothing can be judged yet: no baseline has been accepted."]
    if first is not None:
        return [f"Not judged: {first.run['experiment']}. {first.reason}"]
    worse = [item for item in items if item.verdict == WORSE]
    if worse:
        return [f"Perhaps worse, not beyond chance yet: {_named(night, worse)}."]
    changed = _changes(night)
    touched = [item for item in items if item.accepted and _touched(night, item)]
    if changed and touched:
        counts = _counts(night, touched)
        return [f"{_changed(changed)}: {counts}, too few to be sure.{_rest(changed)}"]
    nothing = not changed and any(subject.then for subject in night.subjects)
    rest = "" if len(items) == len(night.judged) else _others(len(night.judged) - len(items))
    return [
        *(["Nothing was changed."] if nothing else []),
        *([f"{_changed(changed)}."] if changed else []),
        f"Not decided: there are too few cases to tell for {_named(night, items)}.{rest}",
    ]


def _others(count: int) -> str:
    return " The other one passed." if count == 1 else f" The other {count} passed."


def _changes(night: JudgedNight) -> list[Change]:
    """What changed since the baseline and could move a score, each once."""
    found: dict[tuple[str, str], Change] = {}
    for subject in night.subjects:
        for change in subject.since_then:
            if change.kind in CAUSES:
                # Other answers to the same questions are about the model, too.
                kind = MODEL if change.kind == ANSWERS else change.kind
                found.setdefault((kind, change.of), change)
    return list(found.values())


def _changed(changes: Sequence[Change]) -> str:
    """The kinds of changes as a sentence without its end.

    Example:
        >>> _changed([Change("prompt", "…", of="short"), Change("data", "…")])
        "A prompt ('short') and the data changed"
        >>> _changed([Change("prompt", "…", of="short")])
        "A prompt changed ('short')"
    """
    names: dict[str, dict[str, None]] = {}
    for change in changes:
        of = names.setdefault(CAUSES[change.kind], {})
        if change.of:
            of[f"'{change.of}'"] = None
    parts = []
    for kind, of in names.items():
        what = f"the {kind}"
        if kind == "prompt":
            what = "a prompt" if len(of) == 1 else f"{len(of)} prompts"
        parts.append((what, f" ({listed(list(of)[:MOST])})" if of else ""))
    if len(parts) == 1:
        what, of_what = parts[0]
        text = f"{what} changed{of_what}"
    else:
        text = f"{listed([what + of_what for what, of_what in parts])} changed"
    return text[:1].upper() + text[1:]


def _rest(changes: Sequence[Change]) -> str:
    one = len({(CAUSES[change.kind], change.of) for change in changes}) == 1
    return " Nothing else changed." if one else ""


def _touched(night: JudgedNight, item: CandidateVerdict) -> bool:
    """Whether a change could have affected a candidate."""
    subject = _subject(night, item)
    found = [change for change in subject.since_then if change.kind in CAUSES]
    return bool(touching(found, subject.now.variants[item.candidate]))


def _counts(night: JudgedNight, items: Sequence[CandidateVerdict]) -> str:
    """How many cases broke, of the candidate that lost most."""
    compared = [(item.row, item) for item in items if item.row is not None]
    row, worst = max(compared, key=lambda pair: pair[0]["losses"] - pair[0]["wins"])
    broke, better, cases = int(row["losses"]), int(row["wins"]), int(row["n_cases"])
    text = f"{broke or 'none'} of {cases} {'case' if cases == 1 else 'cases'} broke"
    if better:
        text += f" and {better} got better"
    several = len({item.candidate for item in items}) > 1
    where = [f"'{worst.candidate}'" if several else "", _subject(night, worst).sweep]
    said = ", ".join(filter(None, where))
    return f"{text} ({said})" if said else text


def _subject(night: JudgedNight, item: CandidateVerdict) -> JudgedRun:
    return next(
        subject for subject in night.subjects if any(item is other for other in subject.judged)
    )


def _unfinished(bad: int, total: int) -> str:
    if bad < total:
        return f"{bad} of {total} notebooks did not finish"
    return (
        "its notebook did not finish" if total == 1 else f"none of its {total} notebooks finished"
    )


def _named(night: JudgedNight, items: Sequence[CandidateVerdict], *, scores: bool = False) -> str:
    """The first candidates, experiment by experiment, with their scores if these say more."""
    by_place: dict[str, dict[str, None]] = {}
    for item in items[:MOST]:
        name = f"'{item.candidate}'" + (_score(item) if scores else "")
        by_place.setdefault(_subject(night, item).place, {})[name] = None
    parts = [f"{listed(list(names))} in {where}" for where, names in by_place.items()]
    more = f" and {len(items) - MOST} more" if len(items) > MOST else ""
    return ", ".join(parts) + more


def _score(item: CandidateVerdict) -> str:
    if item.row is None:
        return ""
    now, then = (
        format_value(item.row[f"{side}_score"], item.metric, bool(item.row["yes_no"]))
        for side in ("candidate", "baseline")
    )
    return f" ({item.metric} {now} instead of {then})"
