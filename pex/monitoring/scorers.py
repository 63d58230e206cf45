"""What a monitor's scorers are, and which traces they can score, before any text is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.canonical_json import digest
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.monitoring.spec import MonitorSpec
from pex.monitoring.trace_row import EXPECTED
from pex.monitoring.traces import Traces
from pex.project.files import validate
from pex.score.build import build, parted
from pex.score.judge.judge import Judge
from pex.score.kinds import KINDS, JudgeKind
from pex.score.requirements import checks_of


def identities_of(spec: MonitorSpec, folder: Path) -> dict[str, str]:
    """What changes with each scorer's definition, by its name; known before any text is fetched.

    Args:
        spec: the monitor.
        folder: the folder that paths in the scorers start from.

    Raises:
        PexError: a scorer does not fit, or a judge compares two answers.
    """
    stand_in = [Case("stand-in", {"input": ""}, "yes"), Case("another", {"input": " "}, "no")]
    found: dict[str, str] = {}
    for item in spec.scorers:
        judge = _judge_of(item, folder)
        if judge is not None:
            if judge.pairwise:
                raise PexError(
                    f"judge '{judge.name}' compares two answers, and a trace has one",
                    hint="use a judge that gives a score to one answer",
                )
            found[judge.name] = judge.digest
            continue
        built = build([item], stand_in, folder)
        if judges := parted(built)[1]:
            raise PexError(
                f"scorer '{built[0].name}': the field '{judges[0].name.partition('.')[2]}' has the "
                "rule 'judge', which a monitor cannot use",
                hint="use a judge as a scorer of its own",
            )
        found[built[0].name] = digest(checks_of([item], built, folder)[0].definition, 12)
    return found


def _judge_of(item: Any, folder: Path) -> Judge | None:
    if isinstance(item, Judge):
        return item
    named: Any = {"kind": item} if isinstance(item, str) else item
    kind = KINDS.get(str(named.get("kind"))) if isinstance(named, Mapping) else None
    if kind is None or not issubclass(kind, JudgeKind):
        return None
    options = validate(kind, dict(named), f"scorer '{named.get('name') or named['kind']}'")
    return options.judge(folder)


def needs_expected(item: Any, folder: Path) -> bool:
    """Whether a scorer compares with an expected answer; a function may do without.

    Args:
        item: as in an experiment's `scorers`.
        folder: the folder that paths in it start from.

    Example:
        >>> needs_expected("exact", Path()), needs_expected({"kind": "length"}, Path())
        (True, False)
    """
    judge = _judge_of(item, folder)
    if judge is not None:
        return not judge.applies(Case("stand-in", {}))
    options = {"kind": item} if isinstance(item, str) else item
    if not isinstance(options, Mapping) or options.get("kind") not in KINDS:
        return False
    kind = str(options["kind"])
    if kind == "function":
        return False
    return validate(KINDS[kind], dict(options), f"scorer '{kind}'").needs_expected()


def with_expected(traces: Traces, needing: Sequence[str]) -> set[str]:
    """The ids of the traces that somebody gave an expected answer.

    Args:
        traces: what was read.
        needing: the scorers that need one.

    Raises:
        PexError: a scorer needs one, and no trace has it.
    """
    frame = traces.frame
    found = set(frame.loc[frame["has_expected"].fillna(False).astype(bool), "trace_id"].astype(str))
    if needing and not found:
        raise PexError(
            f"scorer '{needing[0]}' compares with the expected answer, but none of "
            f"{len(traces.frame):,} traces has one",
            hint="deployed traces seldom have an expected answer: use scorers without one (length, "
            f"pattern, a judge), or give traces MLflow's expectation '{EXPECTED[0]}'",
        )
    return found
