"""The results of a run: a frame, a summary, tables, plots and a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.about import About
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.core.remarks import of_run, of_user
from pex.core.safe_text import clean
from pex.project.settings import load_settings
from pex.score.frame import failed_rows, percentages, score_names, summarise, yes_no
from pex.score.pass_k import pass_k_table
from pex.score.unusual_answers import UNUSUAL, columns

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from pex.cases.edits import Edits
    from pex.compare.gate import Gate
    from pex.compare.label_next import LabelNext
    from pex.rating.rating import Rating
    from pex.record.traces import TraceWriter
    from pex.results.comparison import Comparison
    from pex.results.fields import FieldsView
    from pex.results.frontier import FrontierView
    from pex.results.outcome import Outcome
    from pex.results.recorded import Recorded
    from pex.score.judge.calibration import Calibration
    from pex.widgets.case_form import Editing
    from pex.widgets.grid import ResultGrid


class Results:
    """The answers and scores of one run.

    In a notebook it is shown as a table: variant, score with its 95 % interval, cost, latency,
    errors. `frame` has all the data, one row per (variant, case_id, repeat).

    Args:
        frame: the long frame.
        about: the description of the run and its outcome, or the same as plain data:
            `about.counts` has the numbers of requests that were answered, ended in an error or
            were not sent. It is also a read-only mapping: `about["counts"]["answered"]`.
        edits: edits of the file of cases; by default, the file that `about` names.
    """

    def __init__(
        self, frame: pd.DataFrame, about: About | Mapping[str, Any], edits: Edits | None = None
    ) -> None:
        self.frame = frame
        self.about = about if isinstance(about, About) else About.from_json(about, "about")
        self._edits = edits
        self._summary: pd.DataFrame | None = None
        self._verdicts: pd.DataFrame | None = None
        self._grid: ResultGrid | None = None
        self.traces: TraceWriter | None = None
        """The background writer of the traces to MLflow: `.progress`, `.wait()`."""
        self.response_models: Mapping[str, type[Any]] = {}
        """The prompts' pydantic classes, if any, by the prompt's name."""

    @classmethod
    def of(cls, outcome: Outcome, edits: Edits | None = None) -> Results:
        """Results whose table and comparison are already calculated."""
        self = cls(outcome.frame, outcome.about, edits)
        self._summary, self._verdicts = outcome.summary, outcome.verdicts
        return self

    @property
    def run_id(self) -> str | None:
        """The run in MLflow, None if the run was not recorded."""
        return self.about.run_id

    @property
    def recorded(self) -> Recorded | None:
        """The run's name and page in MLflow, None if it was not recorded; `str()` is a line."""
        from pex.results.recorded import recorded

        return recorded(self.about)

    @property
    def status(self) -> str:
        """How the run ended: finished, interrupted, budget or failed."""
        return self.about.status

    @property
    def scores(self) -> list[str]:
        """The names of the scores."""
        return score_names(self.frame)

    def __len__(self) -> int:
        return len(self.frame)

    def summary(self) -> pd.DataFrame:
        """One row per variant: counts, each score with its interval, cost, latency, tokens.

        `score.<name>` is the mean over the cases, `.lo` and `.hi` the ends of its 95 % interval,
        `.n` the number of cases, `.errors` the number of failures of the scorer itself. With
        repeats, a yes/no score has `.pass_k`, `.pass_k.lo` and `.pass_k.hi`: the chance that all
        `.pass_k.k` repeats pass, on the `.pass_k.cases` cases that have as many. `cut_off`,
        `empty` and `filtered` count answers that arrived but are incomplete or empty. Cost is the
        total in USD, latency the median in seconds.
        """
        if self._summary is None:
            self._summary = summarise(self.frame)
        return self._summary.copy()

    def pass_k(self, score: str | None = None) -> pd.DataFrame:
        """pass^k of a yes/no score: the chance that k of k repeats of a case all pass.

        Args:
            score: the score; None: the first one that is yes or no.

        Returns:
            One row per variant and k, from 1 (the mean) to the number of repeats: `value`, the ends
            `lo` and `hi` of its 95 % interval, and `cases`, how many have k scored answers.

        Raises:
            PexError: there is no such score, or it is not yes or no.
        """
        known = yes_no(self.frame)
        ordered = [name for name in score_names(self.frame) if name in known]
        if score is None and ordered:
            score = ordered[0]
        if score not in known:
            what = "there is no yes/no score" if score is None else f"'{score}' is not yes or no"
            raise PexError(what, hint=nearest(str(score), ordered) if ordered else None)
        return pass_k_table(self.frame, score)

    def user_likeness(self) -> pd.DataFrame:
        """How alike the simulated user behaved towards each pair of variants.

        It has the same prompt, model and seed for all of them, and the same message where the
        conversation so far is the same; but it answers what it is told. Each message is compared
        with the one of the same turn, case and repeat, as far as both conversations go.

        Returns:
            One row per pair: `variant`, `other`, `conversations`, `messages` and `other_messages`
            (written on average), `compared` (pairs of messages), `equal` (share of them with the
            same text) and `likeness` (the mean, from 0 to 1).
        """
        from pex.compare.user_likeness import user_likeness

        return user_likeness(self.frame)

    def cut_turns(
        self,
        column: str,
        *,
        score: str | None = None,
        turn: int | None = None,
        variant: str | None = None,
    ) -> list[dict[str, Any]]:
        """Conversations as cases that end where they failed: rows for a `cases.jsonl`.

        The user's turns are written down up to that one, whoever wrote them, so the case can be run
        without a simulated user. The model answers each turn anew.

        Args:
            column: the column with the user's first message: the variable that is the last message
                of the prompt. It becomes the list of turns.
            score: a score of `turns: each`; a case ends with the first turn that failed it.
            turn: or the turn with which every case ends.
            variant: only its conversations; None: of all variants.

        Raises:
            PexError: there is no such score, column or variant.
        """
        from pex.results.cut_turns import cut_turns

        return cut_turns(self.frame, column, score, turn, variant)

    def partings(self, against: str | None = None) -> pd.DataFrame:
        """Where the paths of tool calls first part, from recorded ones or from another variant's.

        Args:
            against: the other variant; None: the path that is recorded with each case (columns
                `tool_replies` or `expected_calls`), of which only the calls and replies are known.

        Returns:
            One row per answer that can be compared: `variant`, `case_id`, `repeat`, `call` (its
            number, missing if the paths are equal), `kind` (tool, arguments, reply, missing,
            further, answer) and `text`, what differs in a line.

        Raises:
            PexError: no case has a recorded path, or there is no such variant.
        """
        from pex.results.partings import partings

        return partings(self.frame, against)

    def __repr__(self) -> str:
        from pex.report.tables import summary_text

        table = summary_text(self.summary(), percentages(self.frame))
        end = [str(self.recorded)] if self.recorded else []
        end = [*self._requirements_line(), *end]
        user = of_user(self.about)  # a fact, not a warning
        remarks = (f"! {text}" for text in self.remarks() if text not in user)
        facts = (f"{text[0].upper()}{text[1:]}." for text in user)
        return clean("\n".join([self._headline(), table, *remarks, *facts, *end]))

    def _repr_html_(self) -> str:
        from html import escape

        from pex.report.tables import NO_MATH, remarks_html, summary_html

        table = summary_html(self.summary(), percentages(self.frame))
        headline = f'<p class="{NO_MATH}">{escape(self._headline())}</p>'
        asked = "".join(f"<p>{escape(clean(line))}</p>" for line in self._requirements_line())
        end = f'<p class="{NO_MATH}">{self.recorded.html}</p>' if self.recorded else ""
        end = asked + end
        return f"{headline}{table}{remarks_html(self.remarks())}{end}"

    def remarks(self) -> list[str]:
        """Unusual things about the answers, in sentences, for example a parameter left out.

        The remarks themselves are in the column `remarks` of `frame`; judges' verdicts count too.
        """
        return of_run(self.frame, self.about)

    def _requirements_line(self) -> list[str]:
        from pex.report.requirements import requirements_line

        table = self.requirements
        return [requirements_line(table)] if len(table) else []

    def _headline(self) -> str:
        counts = self.about.counts
        text = f"{self.about.name}: {counts.answered} of {counts.requests} answers"
        if counts.replayed:
            text += f" ({counts.replayed} reused)"
        if counts.errors:
            text += f", {counts.errors} {'error' if counts.errors == 1 else 'errors'}"
        summary = self.summary()
        text += "".join(f", {summary[name].sum()} {UNUSUAL[name]}" for name in columns(summary))
        if counts.not_asked:
            text += f", {counts.not_asked} not run"
        if self.status != "finished":
            text += f" ({_WHY[self.status]})"
        return text

    def parse(self, model: type[Any] | None = None) -> pd.Series:
        """The answers as objects of a pydantic class, in the order of `frame`.

        A value is None if there is no answer, or it does not fit the class.

        Args:
            model: the class; by default, the `response_model` of each row's prompt.

        Raises:
            PexError: no class is given, and no prompt has one.
        """
        from pex.score.parsed import parsed_answers

        return parsed_answers(self.frame, model or self.response_models)

    def plot(
        self, kind: str = "scores", score: str | None = None, *, table: bool = False
    ) -> Figure | pd.DataFrame:
        """A plot of the run; `results.compare().plot()` plots differences.

        Args:
            kind: "scores" with their intervals, "cost" or "latency" (quality against it, with the
                frontier), "repeats" (flaky cases), "trend" (over the runs in MLflow).
            score: the score, for the kinds that show only one; None: the first.
            table: return the plotted numbers instead of the plot.

        Raises:
            PexError: the kind or score does not exist.
        """
        from pex.report import plots

        kinds = ("scores", "cost", "latency", "repeats", "trend")
        if kind not in kinds:
            raise PexError(f"plot('{kind}')", hint=nearest(kind, kinds))
        binary = percentages(self.frame)
        if kind == "scores":
            return (plots.scores_table if table else plots.scores)(self.summary(), binary)
        name = self._score(score)
        if kind == "repeats":
            return (plots.repeats_table if table else plots.repeats)(self.frame, name, binary)
        if kind == "trend":
            return (plots.trend_table if table else plots.trend)(self._history(name), name, binary)
        against = "cost_usd" if kind == "cost" else "latency_s"
        return self.frontier(name, against=against).plot(table=table)

    def frontier(
        self,
        score: str | None = None,
        *,
        against: str | None = None,
        margin: float | None = None,
        confidence: float | None = None,
    ) -> FrontierView:
        """Which variant is worth its price? Score, cost and time, and the cheapest that will do.

        The variant to use is the cheapest that is the best or shown to be no worse than the best,
        by the paired test with the margin, corrected for all that are cheaper. Variants that are
        cheaper but undecided are named with about how many more cases they need.

        Args:
            score: the score; None: the gate's, else the first. Higher is better.
            against: `cost_usd` or `latency_s`; None: cost if anything was paid for, else time.
            margin: how much worse is still "no worse"; None: the gate's, if it is on this score.
            confidence: the one-sided level of "no worse"; None: the gate's, else 0.95.

        Returns:
            A table with sentences; `.frame`, `.named`, `.plot()`.

        Raises:
            PexError: the score or axis does not exist, or the margin does not fit.
        """
        from pex.results.frontier import FrontierView
        from pex.results.outcome import frontier_for

        name = None if score is None else self._score(score)
        axis: Any = against
        summary = self.summary()
        found = frontier_for(self.frame, self.about, name, axis, margin, confidence, summary)
        return FrontierView(found, summary)

    def fields(self) -> FieldsView:
        """Which fields of structured answers fail? Right, wrong, missing and too much, by variant.

        Returns:
            A table; `.frame`, and `.confusion(field)`: what comes instead of what is expected.

        Raises:
            PexError: no scorer of this run is of the kind `fields` or `records`.
        """
        from pex.compare.field_table import field_table
        from pex.results.fields import FieldsView

        found = field_table(self.frame, self.about.all_field_scorers)
        if found is None:
            raise PexError(
                "no scorer of this run looks at fields",
                hint="results.rescore('fields'), or 'records' for lists of records",
            )
        return FieldsView(found)

    def compare(
        self,
        baseline: str | None = None,
        metric: str | Sequence[str] | None = None,
        *,
        margin: float | None = None,
        confidence: float = 0.95,
        lower_is_better: bool | None = None,
        correct: str = "score",
    ) -> Comparison:
        """Is one variant better, or is it noise? Paired differences, intervals, verdicts.

        Args:
            baseline: the name of a variant, or of a prompt or model, which compares every pair that
                is equal in the other factors. None: the first variant.
            metric: a score, a list of them, or `cost_usd`, `latency_s`, `ttft_s`,
                `prompt_tokens`, `completion_tokens`. None: every score, the first as the primary.
            margin: how much worse a candidate can be and still be "no worse", in the unit of
                the metric: 0.02 is two percentage points of a yes/no score.
            confidence: the level of the two-sided interval that "better" and "worse" need, and the
                one-sided level that "no worse" needs.
            lower_is_better: reverse the direction of a score, for example of a number of words.
            correct: for what p is corrected: "score" for the comparisons on each score by itself,
                "all" for all comparisons of the table.

        Returns:
            A table (with several scores a matrix of variants and scores), and `.frame`,
            `.plot()`, `.explain()`, `.cases()`, `.slices(by)`, `.gate()`.

        Raises:
            PexError: the metric or baseline does not exist, the margin is on the wrong scale, or
                `correct` is neither.
        """
        from pex.results.outcome import compare_variants

        return compare_variants(
            self.frame,
            self.about,
            baseline=baseline,
            metric=metric,
            margin=margin,
            confidence=confidence,
            lower_is_better=lower_is_better,
            correct=correct,
        )

    def gate(self, rule: Mapping[str, Any] | None = None) -> Gate:
        """Pass, fail or undecided for each candidate, by a rule on the comparison.

        Args:
            rule: `baseline`, `metric`, `margin`, optionally `confidence`, `on_undecided`; None: the
                experiment's own.

        Raises:
            PexError: there is no rule, or it does not fit the run.
        """
        from pex.project.files import validate
        from pex.project.spec import GateSpec

        given = rule if rule is not None else self.about.gate
        if given is None:
            raise PexError(
                "no gate is defined",
                hint="gate({'baseline': …, 'metric': …, 'margin': 0.02}), or 'gate:' in the "
                "experiment's file",
            )
        spec = validate(GateSpec, dict(given), "gate")
        found = self.compare(
            spec.baseline, spec.metric, margin=spec.margin, confidence=spec.confidence
        )
        return found.gate()

    def label_next(self, n: int = 20) -> LabelNext:
        """The cases without an expected answer whose label would say most; no model is called.

        Args:
            n: how many.

        Raises:
            PexError: `n` is not a whole number of at least 1.
        """
        from pex.compare.label_next import label_next

        return label_next(self.frame, n)

    def slices(
        self, by: str, baseline: str | None = None, metric: str | None = None, **options: Any
    ) -> Comparison:
        """Where is a variant worse? The comparison within parts of the cases.

        Args:
            by: `tags`, `group`, `length` of the inputs, or a column of the cases.
            baseline: as in `compare`.
            metric: one score; None: the first.
            options: the other options of `compare`.

        Raises:
            PexError: the column does not exist, or it has too many values.
        """
        name = metric if metric is not None else self._score(None)
        return self.compare(baseline, name, **options).slices(by)

    def rescore(
        self,
        scorers: Any,
        *,
        budget_usd: float | None = None,
        record: bool = True,
        base: str | Path | None = None,
    ) -> Results:
        """Apply new or changed scorers to the same answers: no model is called, except by judges.

        Args:
            scorers: scorers as in an experiment; a scorer with an existing name replaces it.
            budget_usd: the most that judges may spend.
            record: update the run's record in MLflow with the new scores.
            base: the folder that paths in `scorers` start from; None: the current one.

        Returns:
            New results; this object is not changed.

        Raises:
            PexError: a scorer does not fit; nothing has been scored, no judge called.
        """
        from pex.results.outcome import outcome_of
        from pex.results.record import record_again
        from pex.results.rescore import rescore

        one = isinstance(scorers, str | Mapping) or not isinstance(scorers, Iterable)
        items: list[Any] = [scorers] if one else list(scorers)
        folder = Path.cwd() if base is None else Path(base)
        models = list(self.response_models.values())
        frame, about = rescore(
            self.frame, self.about, items, find_project(), folder, budget_usd, models
        )
        if not record or self.run_id is None:
            results = Results(frame, about, self._edits)
        else:
            if self.traces is not None:
                self.traces.stop()
                self.traces.wait()
            outcome = outcome_of(frame, about)
            results = Results.of(outcome, self._edits)
            results.traces = record_again(str(about.tracking_uri), self.run_id, outcome)
        results.response_models = self.response_models
        return results

    def ratings(self) -> pd.DataFrame:
        """People's ratings of the answers, given in MLflow's pages or in pex: one row per rating.

        Returns:
            `case_id, variant, repeat, name, value, rationale, rater, at, trace_id`; no rows if
            the run is not recorded.

        Raises:
            PexError: MLflow does not answer.
        """
        from pex.record.assessments import COLUMNS, read

        if self.run_id is None:
            import pandas as pd

            return pd.DataFrame(columns=list(COLUMNS))
        return read(str(self.about.tracking_uri), [self.run_id])

    def calibrate(self, judge: str, ratings: pd.DataFrame | None = None) -> Calibration:
        """Compare a judge's scores with people's: kappa, disagreements, how far to trust the judge.

        Args:
            judge: the name of the judge's score.
            ratings: `case_id`, `value`, and optionally `variant`, `repeat`, `rater`; None: the
                ratings of that name in MLflow. Several ratings of one answer are averaged, and the
                mean rounded to yes or no if all are yes/no.

        Returns:
            A calibration; `.save(path)` beside the judge's prompt puts it into effect.

        Raises:
            PexError: the judge does not exist, or no answer has both scores.
        """
        from pex.results.calibrate import calibrate_judge

        known = {item.name: item for item in self.about.judges}
        if judge not in known:
            raise PexError(f"there is no judge '{judge}'", hint=nearest(judge, known))
        if ratings is None:
            given = self.ratings()
            ratings = given[given["name"] == judge]
        return calibrate_judge(self.frame, known[judge], ratings)

    @property
    def requirements(self) -> pd.DataFrame:
        """The state of each requirement for each variant; no rows if there are none.

        `state` is met, not met, undecided, never failed (no case could make it fail) or untested
        (no scorer checks it); `sentence` says why. `value` is the share of cases that pass, `lo`
        and `hi` its one-sided 95 % ends.
        """
        from pex.compare.requirements import states

        return states(self.frame, self.about.requirements, self.about.checks)

    def verdicts(self) -> pd.DataFrame | None:
        """The comparison recorded with the run: every score, compared with the baseline.

        The baseline is the gate's, or else the first variant. None if there is only one variant
        or no score.
        """
        from pex.results.outcome import verdicts_of

        if self._verdicts is None:
            self._verdicts = verdicts_of(self.frame, self.about)
        return self._verdicts

    @property
    def baseline(self) -> str | None:
        """The baseline of the recorded comparison: the gate's, or None for the first variant."""
        from pex.results.outcome import baseline_of

        return baseline_of(self.about)

    def _score(self, name: str | None) -> str:
        """A score by its name, or the first."""
        if name is None and self.scores:
            return self.scores[0]
        if name not in self.scores:
            raise PexError(f"there is no score '{name}'", hint=nearest(str(name), self.scores))
        return name

    def _history(self, score: str) -> pd.DataFrame:
        from pex.record.search import history
        from pex.tracking.store import tracking_uri

        uri = self.about.tracking_uri
        if uri is None:
            project = find_project()
            uri = tracking_uri(project, load_settings(project))
        return history(str(uri), self.about.name, score)

    def show(self) -> ResultGrid:
        """The cases side by side, one column per variant: sort, search, filter, open a cell.

        Returns:
            The grid; in a notebook it is displayed as the last expression of a cell. `.selection`
            has the selected rows of `frame`.
        """
        from pex.report.documents import previews_of
        from pex.results.recorded import link
        from pex.score.field_outcomes import field_scorers
        from pex.widgets.grid import show
        from pex.widgets.sent_messages import inputs_used, sent_messages, sent_request
        from pex.widgets.sheet import sheet_of

        # One grid: showing it twice makes a second view, not a second copy of its rows.
        if self._grid is None:
            binary = yes_no(self.frame)
            inputs = [str(c)[5:] for c in self.frame.columns if str(c).startswith("case.")]
            sheet = sheet_of(self.frame, self.baseline, inputs_used(self.about, inputs))
            sheet.field_scorers = field_scorers(self.about.all_field_scorers)
            messages = sent_messages(self.frame, self.about)
            self._grid = show(
                self.frame,
                self.summary(),
                sheet,
                binary,
                messages,
                self._editing(),
                self.trace_url,
                sent_request(self.about, messages),
                link(self.about),
                previews_of(self.about),
            )
        return self._grid

    def trace_url(self, trace_id: str) -> str | None:
        """The address of a trace in MLflow's pages; None if the store is a file."""
        from pex.record.search import trace_page

        experiment_id, uri = self.about.experiment_id, str(self.about.tracking_uri)
        return trace_page(uri, experiment_id, trace_id) if experiment_id else None

    def _editing(self) -> Editing:
        """The edits that the opened cells of the grid can make to the cases."""
        from pex.results.correct_case import case_in, editing, edits_in, expect, rescoring_code

        project = find_project()
        state = project / load_settings(project).journal.path
        return editing(
            self._edits or edits_in(self.about, project, state),
            lambda case_id: case_in(self.frame, case_id),
            lambda case: expect(self.frame, case),
            lambda: rescoring_code(self.about.scorer_items),
        )

    def rate(self, *names: str | Sequence[str], **options: Any) -> Rating:
        """Rate the answers of variants by hand, side by side and without names.

        Args:
            names: of two variants; of three or more, or "all": pairs of all of them, drawn in
                balance. Without names: the baseline and the other variant, or the two best by the
                first score.
            options: `instructions` (the task and what makes an answer better, shown to raters; by
                default, the experiment's purpose), `rater` (a name; None asks for it), `precision`
                (the half-width of the win rate's interval that is sufficient, 0.1), `confidence`
                (0.95), `reasons` (at most six tags), `seed` (of order and sides). `scale` (5, or
                the lowest and the highest number) or `categories` (the best one first) rate
                answers alone: of these variants, or of all.

        Returns:
            A rating; in a notebook it is displayed as the last expression of a cell. `.summary()`,
            `.explain()`, `.frame`, `.to_html(path)` and `.add(path)` for raters without Jupyter,
            `.record()` to MLflow.

        Raises:
            PexError: only one variant, an unknown variant, or an option that is not valid.
        """
        from pex.rating.rate import rate

        wait = None if self.traces is None else self.traces.wait
        given = [name for item in names for name in ([item] if isinstance(item, str) else item)]
        chosen = options.pop("variants", None) or given or None
        about = (self.frame, self.about, self.summary(), self.baseline, chosen)
        return rate(*about, **options, wait=wait)

    def report(self, path: str | Path) -> Path:
        """Write the report as one HTML file; it needs no other file and no network.

        Returns:
            The file's absolute path, as `Experiment.save` does.

        Raises:
            PexError: it cannot be written.
        """
        path = Path(path).resolve()
        page = self.page()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page, encoding="utf-8")
        except OSError as error:
            raise PexError(
                f"{path} cannot be written: {error.strerror or error}", hint="choose another file"
            ) from None
        return path

    def page(self) -> str:
        """The report as HTML."""
        from pex.results.outcome import frontier_for, report_of

        summary, verdicts = self.summary(), self.verdicts()
        found = None if verdicts is None else frontier_for(self.frame, self.about, summary=summary)
        return report_of(self.frame, self.about, summary, verdicts, found)

    def failures(self, variant: str | None = None) -> pd.DataFrame:
        """The rows that ended in an error or have a yes/no score of no.

        Args:
            variant: only this variant's.

        Raises:
            PexError: the variant does not exist.
        """
        rows = self.frame[failed_rows(self.frame)]
        if variant is None:
            return rows
        known = list(self.frame["variant"].unique())
        if variant not in known:
            raise PexError(f"there is no variant '{variant}'", hint=nearest(variant, known))
        return rows[rows["variant"] == variant]


_WHY = {
    "interrupted": "interrupted",
    "budget": "stopped by the budget",
    "failed": "failed",
}
