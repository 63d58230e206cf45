"""A comparison as a user sees it: a table with its frame, plots, explanation and gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.compare.compare import compare, pair_cases
from pex.compare.gate import Gate, gate
from pex.compare.runs import BASELINE, both
from pex.compare.slices import cut, slices
from pex.compare.verdict import Options
from pex.core.about import VariantInfo
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.core.safe_text import clean
from pex.project.settings import load_settings
from pex.report.rich_text import RichText

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


class Comparison:
    """Paired differences between variants, each with its interval and a verdict.

    Made by `Results.compare()` and `pex.compare_runs()`. In a notebook or a terminal it is shown as
    a table. `frame` has one row per metric and candidate; `cases()` gives the cases of
    `results.frame`.

    Args:
        frame: the long frame that was compared.
        table: the verdicts, from `pex.compare.compare`.
        how: baseline, options and variants, for comparing parts of the cases in the same way.
        by: the column or property that defines the slices; None for the whole.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        table: pd.DataFrame,
        how: Mapping[str, Any],
        by: str | None = None,
    ) -> None:
        self.frame = table
        self.notes: list[str] = []
        """Caveats in addition to the table's own."""
        self._long = frame
        self._how = dict(how)
        self._by = by

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each candidate, for a comparison on one metric."""
        self._one_metric("verdicts")
        return dict(zip(self.frame["candidate"], self.frame["verdict"], strict=True))

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        from pex.report.comparison_matrix import overview_text

        return clean(overview_text(self.frame, self._by is not None, self.notes))

    def _repr_html_(self) -> str:
        from pex.report.comparison_matrix import overview_html
        from pex.report.tables import fragment

        return fragment(overview_html(self.frame, self._by is not None, self.notes))

    def explain(self) -> str:
        """The findings in sentences, the methods with their sources, and caveats."""
        from pex.report.comparison import explain

        return RichText(clean(explain(self.frame, self.notes)))

    def plot(self, kind: str = "differences", *, table: bool = False) -> Figure | pd.DataFrame:
        """A plot of the comparison.

        Args:
            kind: "differences" with their intervals, "wins" (cases on which each variant is above,
                the same, or below), or "cases" (every case of the first candidate).
            table: return the plotted numbers instead of the plot.

        Raises:
            PexError: the kind does not exist.
        """
        from pex.report import plots

        kinds = ("differences", "wins", "cases")
        if kind not in kinds:
            raise PexError(f"plot(kind='{kind}')", hint=nearest(kind, kinds))
        if kind == "cases":
            first = self.frame.iloc[0]
            pairs = pair_cases(self._long, first["candidate"], first["baseline"], first["metric"])
            draw = plots.cases_table if table else plots.cases
            return draw(pairs, bool(first["yes_no"]))
        if kind == "wins":
            return plots.wins_table(self.frame) if table else plots.wins(self.frame)
        binary = set(self.frame.loc[self.frame["yes_no"], "metric"])
        if self._by is not None:
            return (plots.slices_table if table else plots.slices)(self.frame, binary)
        return (plots.differences_table if table else plots.differences)(self.frame, binary)

    def cases(self, candidate: str | None = None, slice: str | None = None) -> pd.DataFrame:  # noqa: A002 - the word that the table uses
        """The cases of one pair, the largest loss first: where is the candidate worse?

        Args:
            candidate: the candidate; None if there is only one.
            slice: only the cases of this slice.

        Raises:
            PexError: the candidate or slice does not exist, or there is more than one.
        """
        known = list(dict.fromkeys(self.frame["candidate"]))
        if candidate is None and len(known) > 1:
            raise PexError("which candidate? Name one: cases(candidate=…)", hint=nearest("", known))
        name = known[0] if candidate is None else candidate
        rows = self.frame[self.frame["candidate"] == name]
        if not len(rows):
            raise PexError(f"there is no candidate '{name}'", hint=nearest(name, known))
        first = rows.iloc[0]
        found = pair_cases(self._long, name, first["baseline"], first["metric"])
        if slice is None:
            return found
        if self._by is None:
            raise PexError("this comparison has no slices", hint="make some: .slices(by='tags')")
        parts = dict(cut(self._long, self._by))
        if slice not in parts:
            raise PexError(f"there is no slice '{slice}'", hint=nearest(slice, parts))
        return found[found["case_id"].isin(parts[slice])].reset_index(drop=True)

    def slices(self, by: str) -> Comparison:
        """The same comparison within parts of the cases, corrected for the number of parts.

        Args:
            by: `tags`, `group`, `length` of the inputs, or a column of the cases.

        Raises:
            PexError: the column does not exist, or it has too many values.
        """
        self._one_metric("slices")
        how = {**self._how, "metric": self.frame["metric"].iloc[0]}
        return Comparison(self._long, slices(self._long, by, **how), self._how, by)

    def gate(self) -> Gate:
        """Pass, fail or undecided for each candidate, by the rule that batches and CI use.

        Raises:
            PexError: there is more than one metric.
        """
        from pex.report.comparison import findings

        self._one_metric("gate")
        return gate(self.frame, findings(self.frame))

    def _one_metric(self, what: str) -> None:
        names = list(dict.fromkeys(self.frame["metric"]))
        if len(names) > 1:
            raise PexError(
                f"{what} is about one metric, and this comparison has {len(names)}",
                hint=f"compare(metric='{names[0]}')",
            )


def compare_frame(
    frame: pd.DataFrame,
    *,
    baseline: str | None = None,
    metric: str | Sequence[str] | None = None,
    margin: float | None = None,
    confidence: float = 0.95,
    lower_is_better: bool | None = None,
    variants: Sequence[VariantInfo] | None = None,
    uncalibrated: Sequence[str] = (),
    correct: str = "score",
) -> Comparison:
    """Compare the variants of a long frame; `Results.compare` explains the options."""
    options = Options(margin, confidence, lower_is_better, tuple(uncalibrated), correct)
    table = compare(frame, baseline, metric, options, variants)
    return Comparison(
        frame, table, {"baseline": baseline, "options": options, "variants": variants}
    )


def compare_runs(
    run_a: str,
    run_b: str,
    *,
    metric: str | Sequence[str] | None = None,
    margin: float | None = None,
    confidence: float = 0.95,
    lower_is_better: bool | None = None,
    id_column: str | None = None,
    tracking_uri: str | None = None,
) -> Comparison:
    """Compare two recorded runs on the cases that both have; the first is the baseline.

    Variants of the same name are compared with each other; two runs of one variant each are
    compared whatever their names. A run can be a run of pex, the run of one of its variants, a run
    of `mlflow.genai.evaluate`, or one with a table from `mlflow.log_table`.

    Args:
        run_a: the baseline's run, as in `load_run`: an id, `latest~1`, an experiment's name …
        run_b: the candidate's run.
        metric: as in `Results.compare`.
        margin: as in `Results.compare`.
        confidence: as in `Results.compare`.
        lower_is_better: as in `Results.compare`.
        id_column: the column of the tables that has the case's id.
        tracking_uri: a store other than the project's.

    Raises:
        PexError: a run does not exist or has nothing to compare, or the runs have no case or
            variant in common.
    """
    from pex.record.other_runs import load_any
    from pex.record.run_names import find_run
    from pex.tracking.store import tracking_uri as resolve

    project = find_project()
    uri = resolve(project, load_settings(project), tracking_uri)
    ids = [find_run(uri, name) for name in (run_a, run_b)]
    frames = [load_any(uri, run_id, id_column) for run_id in ids]
    frame, variants, notes = both(*frames)
    found = compare_frame(
        frame,
        baseline=BASELINE,
        metric=metric,
        margin=margin,
        confidence=confidence,
        lower_is_better=lower_is_better,
        variants=variants,
    )
    said = [
        name if name == run_id else f"{run_id} ({name})"
        for name, run_id in zip((run_a, run_b), ids, strict=True)
    ]
    found.notes = [f"A is run {said[0]}, B is run {said[1]}", *notes]
    return found
