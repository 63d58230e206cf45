"""What people decided on the same traces, and how well they agree."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pex.monitoring.reading import user_digest
from pex.monitoring.sql_traces import SqlTraces, is_sql
from pex.monitoring.triage.marks import OUTCOMES, Marks, decisions
from pex.monitoring.triage.ordering import Decided

if TYPE_CHECKING:
    from pex.stats.agreement import Kappa


@dataclasses.dataclass(frozen=True, slots=True)
class Agreement:
    """How well people agree: Cohen's kappa of each two, on the traces that both decided.

    Args:
        pairs: by the names of two people.
    """

    pairs: Mapping[tuple[str, str], Kappa]

    @property
    def mean(self) -> float | None:
        """The mean of the pairs' kappas: Light's kappa for three people or more.

        None where chance alone explains the agreement of every pair.

        Source: R. J. Light, Psychological Bulletin 76 (1971) 365-377.
        """
        values = [pair.kappa for pair in self.pairs.values() if pair.kappa is not None]
        return sum(values) / len(values) if values else None

    def __str__(self) -> str:
        """A line for each pair, then the mean."""
        lines = []
        for (one, two), pair in self.pairs.items():
            traces = "1 trace" if pair.n == 1 else f"{pair.n:,} traces"
            of_all = f"{one} and {two}: the same on {pair.observed:.0%} of {traces}"
            if pair.kappa is None:
                lines.append(f"{of_all}; one outcome only, so there is no kappa")
            else:
                lines.append(
                    f"{of_all}, kappa {pair.kappa:.2f} ({pair.low:.2f} to {pair.high:.2f})"
                )
        if len(self.pairs) > 1 and self.mean is not None:
            lines.append(f"mean kappa of {len(self.pairs)} pairs: {self.mean:.2f}")
        return "\n".join(lines)


def all_decisions(
    known: Sequence[Decided], marks: Marks, experiments: list[str]
) -> dict[str, list[tuple[str, str]]]:
    """By trace: who decided, as a digest, and the outcome.

    A look at a database sees every change, so they are known. A tracking server is asked
    for them: of its older traces, changes are not seen.
    """
    if not _sees_changes(marks.uri):
        asked = marks.decided(experiments)
        return {key: [(user_digest(by), said) for by, said in of] for key, of in asked.items()}
    found: dict[str, list[tuple[str, str]]] = {}
    for trace_id, by, outcome in known:
        found.setdefault(trace_id, []).append((by, outcome))
    return found


def agreement_of(decided: Mapping[str, list[tuple[str, str]]], marks: Marks) -> Agreement | None:
    """Agreement on the traces that two or more decided."""
    from pex.stats.agreement import kappa

    tables: dict[tuple[str, str], list[list[int]]] = {}
    known: dict[str, str] = {}
    for trace_id, given in decided.items():
        said = {by: outcome for by, outcome in given if outcome in OUTCOMES}
        if len(said) < 2:
            continue
        if said.keys() - known.keys():  # digests; the names are in MLflow
            people = [str(item.source.source_id) for item in decisions(marks.info(trace_id))]
            known |= {user_digest(person): person for person in people}
        named = {known.get(by, by): outcome for by, outcome in said.items()}
        for one, two in itertools.combinations(sorted(named), 2):
            size = len(OUTCOMES)
            table = tables.setdefault((one, two), [[0] * size for _ in range(size)])
            table[OUTCOMES.index(named[one])][OUTCOMES.index(named[two])] += 1
    if not tables:
        return None
    return Agreement({pair: kappa(table) for pair, table in sorted(tables.items())})


def _sees_changes(uri: str) -> bool:
    if not is_sql(uri):
        return False
    with SqlTraces(uri) as store:
        return store.is_current()
