"""The state of each requirement: frames in, rows out.

A requirement is a sentence about all answers; a run has seen some of them. It is **met** if the
share of cases that pass is, with 95 % confidence, at least the one that it asks for; **not met** if
it is below with the same confidence; else **undecided**. A requirement that allows no exception
cannot be proven by any number of cases: one failure refutes it, and if all cases pass it is met,
with the rate told that so many cases show.

A test that cannot fail shows nothing. If nothing has ever failed the scorers of a requirement, its
state is **never failed**: no case could make it fail, as far as anybody has seen. It takes one of
these to rule that out: an answer of any variant in the run, the baseline included, that failed; an
answer in an earlier run of the experiment that failed the same scorer; or a scorer that compares
with the expected answer and cases that expect different ones, since an answer that is right in one
case is then wrong in another.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pex.compare.effect import SAME, one_sided
from pex.core.about import CheckInfo, RequirementInfo
from pex.core.canonical_json import canonical_json
from pex.core.provenance import accepted_rows
from pex.score.frame import is_part, percentages, score_names
from pex.stats import intervals, paired

if TYPE_CHECKING:
    import pandas as pd

MET, NOT_MET, UNDECIDED = "met", "not met", "undecided"
NEVER_FAILED, UNTESTED = "never failed", "untested"
STATES = (MET, NOT_MET, UNDECIDED, NEVER_FAILED, UNTESTED)
"""The states, in the order in which they are counted."""
CONFIDENCE = 0.95
"""One-sided: "met" and "not met" are each wrong at most once in twenty times."""
_MOST_MORE = 100_000
_FAILING = 5
"""Failing cases that are named."""
COLUMNS = (
    "requirement", "text", "source", "priority", "at_least", "variant", "state", "value", "lo",
    "hi", "n", "failed", "failing", "not_scored", "more_cases", "share", "scores", "sentence",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class _Found:
    """What one group of scores says: the value, its one-sided ends, and whether it is a share."""

    state: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    passed: int
    share: bool
    why: str = ""
    failing: Sequence[str] = ()
    more_cases: int | None = None
    n_groups: int | None = None


def states(
    frame: pd.DataFrame, requirements: Sequence[RequirementInfo], checks: Sequence[CheckInfo]
) -> pd.DataFrame:
    """The state of each requirement for each variant, one row for both.

    Args:
        frame: the long frame.
        requirements: the requirements of the run.
        checks: its scores and what they check.

    Returns:
        `requirement, text, source, priority, at_least, variant, state, value, lo, hi, n, failed,
        failing, not_scored, more_cases, share, scores, sentence`: `value` is the share of cases
        that pass (or the mean of a score that is not a share), `lo` and `hi` its one-sided 95 %
        ends, `n` cases with a score, `failed` of them that did not pass, `failing` the first of
        these, `not_scored` those without an answer or a score because of an error.

    Example:
        >>> import pandas as pd
        >>> rows = [("a", f"c{i}", float(i > 0)) for i in range(40)]
        >>> frame = pd.DataFrame(rows, columns=["variant", "case_id", "score.polite"])
        >>> polite = RequirementInfo("R1", "Stay polite.", at_least=0.9)
        >>> asked = [polite, RequirementInfo("R2", "…")]
        >>> found = states(frame, asked, [CheckInfo("polite", ["R1"])])
        >>> list(found["state"])
        ['undecided', 'untested']
        >>> found["sentence"][0].partition(":")[0]
        '39 of 40 cases passed (98 %); at least 90 % is required'
    """
    import pandas as pd

    frame = accepted_rows(frame)
    variants = list(dict.fromkeys(frame["variant"]))
    binary = percentages(frame)
    of_variant = {name: frame[frame["variant"] == name] for name in variants}
    rows: list[dict[str, Any]] = []
    for requirement in requirements:
        used = [check for check in checks if requirement.id in check.requirements]
        own = binary - _numbers(frame, used, requirement.at_least)
        groups = _groups(frame, used, own)
        can_fail = any(_can_fail(frame, check, own) for check in used)
        judge = functools.partial(_one, requirement, used, groups, can_fail)
        rows += [judge(name, answers) for name, answers in of_variant.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def orphans(checks: Sequence[CheckInfo], requirements: Sequence[RequirementInfo]) -> list[str]:
    """The scores that check no requirement, where there are requirements to check."""
    return [check.score for check in checks if not check.requirements] if requirements else []


def counted(table: pd.DataFrame) -> str:
    """The states of one variant's requirements in a few words.

    Example:
        >>> import pandas as pd
        >>> counted(pd.DataFrame({"state": ["untested", "met", "met"]}))
        '2 met, 1 untested'
    """
    counts = table["state"].value_counts()
    return ", ".join(f"{counts[state]} {state}" for state in STATES if state in counts)


def _columns(frame: pd.DataFrame, check: CheckInfo, binary: set[str]) -> list[str]:
    """The scores of a scorer that say whether an answer passed.

    A scorer that gives several, `name.key`, is judged by its own score if it has one (the share of
    its parts), else by its yes/no parts, else by all of them.
    """
    names = score_names(frame)
    if check.score in names:
        return [check.score]
    parts = [name for name in names if is_part(name, check.score, [check.score])]
    return [name for name in parts if name in binary] or parts


def _numbers(frame: pd.DataFrame, used: Sequence[CheckInfo], at_least: float | None) -> set[str]:
    """The scores that are numbers, even if every one that was given happens to be 0 or 1."""
    checks = [check for check in used if check.numbers or (at_least is not None and at_least > 1)]
    names = score_names(frame)
    return {
        name
        for check in checks
        for name in names
        if name == check.score or is_part(name, check.score, [check.score])
    }


def _groups(
    frame: pd.DataFrame, used: Sequence[CheckInfo], binary: set[str]
) -> list[tuple[list[str], bool]]:
    """The scores that are judged together: all shares as one, every other number by itself."""
    names = [name for check in used for name in _columns(frame, check, binary)]
    shared = [name for name in names if name in binary or not frame[f"score.{name}"].notna().any()]
    together = [(shared, True)] if shared else []
    return together + [([name], False) for name in names if name not in shared]


def _can_fail(frame: pd.DataFrame, check: CheckInfo, binary: set[str]) -> bool:
    """Whether some case can make this scorer fail, as the module's docstring defines it."""
    names = _columns(frame, check, binary)
    if check.failed_before or any(name not in binary for name in names):
        return True
    if any(bool((frame[f"score.{name}"] < 1).any()) for name in names):
        return True
    if not check.compares or "expected" not in frame.columns:
        return False
    scored = frame[frame[[f"score.{name}" for name in names]].notna().any(axis=1)]
    return len({canonical_json(value) for value in scored["expected"]}) > 1


def _one(
    requirement: RequirementInfo,
    used: Sequence[CheckInfo],
    groups: Sequence[tuple[list[str], bool]],
    can_fail: bool,
    variant: str,
    rows: pd.DataFrame,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        **dict.fromkeys(COLUMNS),
        "requirement": requirement.id,
        "text": requirement.text,
        "source": requirement.source,
        "priority": requirement.priority,
        "at_least": requirement.at_least,
        "variant": variant,
        "scores": ", ".join(check.score for check in used),
    }
    if not used:
        said = "no scorer checks it"
        return row | {"state": UNTESTED, "n": 0, "failed": 0, "failing": [], "not_scored": 0,
                      "share": True, "sentence": said}  # fmt: skip
    # "Not met" is said if any of several groups is not: each then has its part of the error.
    level = 1 - (1 - CONFIDENCE) / max(1, len(groups))
    found = [_judged(rows, names, share, requirement.at_least, level) for names, share in groups]
    found = found or [_Found(UNDECIDED, None, None, None, 0, 0, True, "no answer has a score")]
    order = {NOT_MET: 0, UNDECIDED: 1, MET: 2}
    worst = min(found, key=lambda item: order[item.state])
    state = worst.state
    if state == MET and not can_fail:
        state = NEVER_FAILED
    missing = _not_scored(rows, groups)
    return row | {
        "state": state,
        "value": worst.value,
        "lo": worst.low,
        "hi": worst.high,
        "n": worst.n,
        "failed": worst.n - worst.passed,
        "failing": list(worst.failing),
        "not_scored": missing,
        "more_cases": worst.more_cases,
        "share": worst.share,
        "sentence": _sentence(worst, state, requirement.at_least, missing),
    }


def _judged(
    rows: pd.DataFrame, names: Sequence[str], share: bool, at_least: float | None, level: float
) -> _Found:
    """A variant's rows judged by some scores; a case passes if all its repeats do."""
    # The lowest of the scores: a case passes if everything that checks the requirement passed.
    worst = rows[[f"score.{name}" for name in names]].min(axis=1)
    by_case = worst.groupby(rows["case_id"], sort=False)
    values = by_case.mean()
    missing: list[Any] = []
    if share:
        # Not known to have passed: something that checks it is missing because of an error.
        lost = _lost(rows, names).groupby(rows["case_id"], sort=False).any()
        unknown = lost & ~(by_case.min() < 1)
        missing, values = list(values[unknown].index), values[~unknown]
    values = values.dropna()
    n = len(values)
    if not n:
        return _Found(UNDECIDED, None, None, None, 0, 0, share, "no answer has a score")
    groups = _grouped(rows, list(values.index))
    given = [float(value) for value in values]
    if not share:
        return _of_numbers(given, groups, at_least, level)
    wanted = 1.0 if at_least is None else at_least
    passed = sum(value == 1 for value in given)
    failing = [str(case_id) for case_id in values[values < 1].index[:_FAILING]]
    together = len(set(groups)) if groups else None
    low, high = _ends(given, groups, level)
    more = None
    if wanted >= 1:
        state = NOT_MET if passed < n else UNDECIDED if missing else MET
    else:
        state = MET if low >= wanted else NOT_MET if high < wanted else UNDECIDED
        # More cases would not decide what repeats of one case disagree about.
        if state == UNDECIDED and not groups and all(value in (0, 1) for value in given):
            more = _more(passed / n, n, wanted, level)
    return _Found(state, passed / n, low, high, n, passed, True, "", failing, more, together)


def _lost(rows: pd.DataFrame, names: Sequence[str]) -> pd.Series[bool]:
    """Where an answer or one of the scores is missing because of an error."""
    import pandas as pd

    there = [f"score_error.{name}" for name in names if f"score_error.{name}" in rows.columns]
    lost = rows[there].notna().any(axis=1) if there else pd.Series(False, index=rows.index)
    return lost | rows["error"].notna() if "error" in rows.columns else lost


def _not_scored(rows: pd.DataFrame, groups: Sequence[tuple[list[str], bool]]) -> int:
    """The cases that nothing is known of because of an error; not those that need no score.

    Where cases pass or fail, one is known if no repeat of it is lost, or one of them has failed.
    """
    found: set[Any] = set()
    for names, share in groups:
        lost = _lost(rows, names)
        scores = rows[[f"score.{name}" for name in names]]
        known = (scores < 1).any(axis=1) if share else scores.notna().any(axis=1) & ~lost
        found |= set(rows["case_id"][lost]) - set(rows["case_id"][known])
    return len(found)


def _ends(values: Sequence[float], groups: Sequence[Any], level: float) -> tuple[float, float]:
    """The one-sided ends of a share.

    Clopper and Pearson's, whose coverage is never below the level: near 100 %, where requirements
    are, Wilson's one-sided end promises too much. A case that passed in some of its repeats counts
    as failed for the lower end and as passed for the upper one.
    """
    low, _ = _interval([value == 1 for value in values], groups, one_sided(level))
    _, high = _interval([value > 0 for value in values], groups, one_sided(level))
    return low, high


def _interval(
    passed: Sequence[bool], groups: Sequence[Any], two_sided: float
) -> tuple[float, float]:
    n, count = len(passed), sum(passed)
    low, high = intervals.clopper_pearson(count, n, two_sided)
    if not groups:
        return low, high
    size = len(set(groups))
    wider = paired.clustered([float(one) for one in passed], list(groups), two_sided)
    if wider is None or wider.se == 0:  # all alike: each group counts as one case
        low, _ = intervals.clopper_pearson(math.floor(size * count / n), size, two_sided)
        _, high = intervals.clopper_pearson(math.ceil(size * count / n), size, two_sided)
    else:  # Student's t over groups knows no bounds, and is too narrow where nearly all pass
        low, high = max(0.0, min(low, wider.low)), min(1.0, max(high, wider.high))
    # A few cases that differ from their group say nothing about other groups: never surer than if
    # all groups were alike.
    surest, _ = intervals.clopper_pearson(size, size, two_sided)
    return min(low, surest), max(high, 1 - surest)


def _grouped(rows: pd.DataFrame, case_ids: list[Any]) -> list[Any]:
    """The group of each case if cases belong together; else nothing."""
    if "group" not in rows.columns:
        return []
    first = rows.drop_duplicates("case_id").set_index("case_id")["group"]
    found = [
        case_id if group is None or group != group else f"group {group}"
        for case_id, group in first.reindex(case_ids).items()
    ]
    return found if len(set(found)) < len(found) else []


def _of_numbers(
    values: Sequence[float], groups: Sequence[Any], at_least: float | None, level: float
) -> _Found:
    """A score that is not a share: its mean is compared with `at_least`."""
    n, mean = len(values), sum(values) / len(values)
    together = len(set(groups)) if groups else None
    if groups:
        wide = paired.clustered(list(values), list(groups), one_sided(level))
        low, high = (wide.low, wide.high) if wide else (None, None)
    else:
        low, high = intervals.mean(values, one_sided(level)) or (None, None)
    if at_least is None:
        why = "the score is a number: give the requirement an at_least, the mean that it asks for"
        return _Found(UNDECIDED, mean, low, high, n, n, False, why, n_groups=together)
    passed = sum(value >= at_least for value in values)
    if low is None or high is None or (low == high and (together or n) < SAME):
        why = f"too few {'groups' if groups else 'cases'} to conclude from"
        return _Found(UNDECIDED, mean, None, None, n, passed, False, why, n_groups=together)
    state = MET if low >= at_least else NOT_MET if high < at_least else UNDECIDED
    return _Found(state, mean, low, high, n, passed, False, n_groups=together)


def _more(share: float, n: int, wanted: float, level: float) -> int | None:
    """About how many more cases would decide, if their share stays as it is."""
    two_sided = one_sided(level)

    def decides(size: int) -> bool:
        passed = round(share * size)
        low, high = intervals.clopper_pearson(passed, size, two_sided)
        return low >= wanted or high < wanted

    size = n + 1
    while not decides(size):
        if size > _MOST_MORE:
            return None
        size = size + max(1, size // 50)
    return size - n


def _sentence(found: _Found, state: str, at_least: float | None, missing: int) -> str:
    if found.why:
        said = found.why
    elif not found.share:
        said = f"the mean is {found.value:.3g} on {_cases(found.n)}{_in_groups(found)}; "
        said += f"at least {at_least:.12g} is required"
    else:
        said = _of_share(found, state, 1.0 if at_least is None else at_least)
    if missing:
        said += f"; {_cases(missing)} could not be scored"
    return said


def _of_share(found: _Found, state: str, wanted: float) -> str:
    n, groups = found.n, _in_groups(found)
    required = f"at least {wanted * 100:.12g} % is required"
    if found.passed == n:
        said = f"all {n:,} cases{groups} passed" if n > 1 else "the only case passed"
        said += f", which shows a rate of at least {_percent(found.low, down=True)}"
        if wanted < 1:
            said += f"; {required}"
    else:
        said = f"{found.passed:,} of {_cases(n)}{groups} passed ({_percent(found.passed / n)}); "
        said += "every case was asked to pass" if wanted >= 1 else required
    if state == NEVER_FAILED:
        said += "; so did every answer on record: no case has made it fail"
    if found.more_cases:
        about = int(float(f"{found.more_cases:.2g}"))
        said += f": about {_cases(about, 'more ')} would decide"
    return said


def _in_groups(found: _Found) -> str:
    if found.n_groups is None:
        return ""
    return f" in {found.n_groups:,} {'group' if found.n_groups == 1 else 'groups'}"


def _cases(count: int, more: str = "") -> str:
    return f"{count:,} {more}{'case' if count == 1 else 'cases'}"


def _percent(value: float | None, *, down: bool = False) -> str:
    """A share in percent; what is not quite all is never shown as 100 %."""
    share = 0.0 if value is None else value
    shown = math.floor(share * 100) if down else round(share * 100)
    if share < 1 and shown == 100:
        return f"{math.floor(share * 1000) / 10:.1f} %"
    return f"{shown} %"
