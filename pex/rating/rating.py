"""Blind rating by hand: which of two variants do people prefer, and how sure is that?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.compare.metric import check_confidence
from pex.core import jsontext
from pex.core.errors import PexError
from pex.core.names import digest
from pex.core.project import find_project
from pex.core.shown import clean
from pex.core.user import user_name
from pex.project.settings import load_settings
from pex.rating.order import Turn, choose, pairs_of
from pex.rating.preference import Findings, Rules, findings, preference
from pex.rating.session import Sitting, rater_name
from pex.rating.store import FOLDER, Rated, RatingFile, rated_of
from pex.score.frame import score_names

if TYPE_CHECKING:
    import pandas as pd

    from pex.rating.widget import RatingWidget

REASONS = ("correct", "complete", "clear", "concise", "tone", "format")
COLUMNS = (
    "case_id", "repeat", "rater", "left", "right", "choice", "winner", "reasons", "note", "at",
    "second_look",
)  # fmt: skip
NAME = "preferred"
_MOST_REASONS = 6


class Rating:
    """Answers of two variants side by side, without names, for one rater after the other.

    Made by `Results.rate()`. Shown in a notebook it is where one rates, by keys or mouse; each
    rating is on disk at once, in `.pex/ratings/`, and belongs to the answers it was given for: it
    is found again in whatever run the same answers are in. `frame`, `summary()` and `explain()`
    say who is who.

    Args:
        frame: the long frame.
        about: what was run.
        variants: the two names.
        rater: who rates; None asks for a name.
        rules: how narrow the interval shall be.
        reasons: tags, at most six.
        seed: of order and sides.
        wait: waits for the run's traces, where they are being written.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        about: Mapping[str, Any],
        variants: tuple[str, str],
        rater: str | None,
        rules: Rules,
        reasons: Sequence[str],
        seed: int,
        wait: Callable[[], object] | None,
    ) -> None:
        self._frame = frame
        self._about = about
        self._rater = None if rater is None else rater_name(rater)
        self._rules = rules
        self._reasons = tuple(reasons)
        self._seed = seed
        self._wait = wait
        self._pairs = pairs_of(frame, variants)
        self._file = RatingFile(_path(about, variants))
        self._widget: RatingWidget | None = None
        self._recorded = ""

    @property
    def variants(self) -> tuple[str, str]:
        """The two variants; win rates are those of the first."""
        return self._pairs.variants

    @property
    def path(self) -> Path:
        """The file with the ratings."""
        return self._file.path

    @property
    def frame(self) -> pd.DataFrame:
        """One row per rating, oldest first: who stood where, what was chosen, who won.

        `choice` is left, right, tie or both bad; `winner` a variant, or missing. `second_look`
        marks pairs that came again with sides swapped; they measure the rater and count nowhere
        else.
        """
        import pandas as pd

        rows = [[getattr(rated, name) for name in COLUMNS] for rated in self._ratings()]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        frame["at"] = pd.to_datetime(frame["at"], utc=True, format="ISO8601")
        return frame

    def summary(self) -> pd.DataFrame:
        """One row for all raters together and one for each.

        `share` is the win rate of `variant` (a tie is half a win) with `lo` and `hi`; `enough`
        and `more_cases` go by the precision asked for; `same_twice` of `looked_twice` pairs got
        the same verdict when they came again.
        """
        from pex.rating.report import table

        return table(self._findings())

    def explain(self) -> str:
        """What came of it in sentences: verdict, what is missing, what the ratings are worth."""
        from pex.rating.report import explain

        return explain(self._findings(), self._notes())

    def record(self, name: str = NAME) -> str:
        """Write the ratings to MLflow as assessments on the answers' traces.

        The better answer gets 1, the other 0, and both 0.5 where neither was better, so that
        `results.calibrate(name)` holds a pairwise judge against them. Second looks are left out.
        What is there already is not written again.

        Args:
            name: of the assessment: that of the judge that is to be calibrated.

        Returns:
            What became of them, in a sentence. They are kept in `.pex/ratings/` in any case.

        Raises:
            PexError: MLflow does not answer, or the name cannot be used.
        """
        from pex.record.assessments import put

        run_id = self._about.get("run_id")
        if run_id is None:
            return f"This run is not in MLflow; the ratings are kept in {self._shown_path()}."
        if self._wait is not None:
            self._wait()
        given = [rating for rated in self._ratings() for rating in _assessments(rated)]
        found = put(str(self._about["tracking_uri"]), str(run_id), name, given)
        text = f"MLflow has {found.written + found.already} of {len(given)} ratings of answers"
        if found.no_trace:
            text += (
                f"; {found.no_trace} are of answers without a trace: `pexlab record {run_id} "
                "--traces all` writes the traces, then rating.record() the ratings"
            )
        return f"{text}."

    def to_html(self, path: str | Path) -> Path:
        """Write one HTML file for raters without Jupyter; it needs no network and no other file.

        It has the cases and answers, and no names of variants. Its 'Save my ratings' gives a file
        for `add`.

        Args:
            path: of the file.
        """
        from pex.rating.page import rating_page

        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"experiment": str(self._about["name"]), "run_id": self._about.get("run_id")}
        text = rating_page(self._frame, self._pairs.different, self._reasons, self._seed, about)
        path.write_text(text, encoding="utf-8")
        return path

    def add(self, path: str | Path) -> int:
        """Take in a file that a rater saved in the page of `to_html`.

        Args:
            path: the file.

        Returns:
            How many ratings were new; none when the same file is added again.

        Raises:
            PexError: it is no such file, or of other answers than these; nothing is added then.
        """
        added = self._file.merge(self._read(Path(path)))
        if added and self._widget is not None:
            self._widget.refresh()
        return added

    @property
    def widget(self) -> RatingWidget:
        """The view in a notebook; one, however often it is shown."""
        from pex.rating.widget import Desk, RatingWidget, begin

        if self._widget is None:
            kept = f"Each rating is stored at once, in {self._shown_path()}."
            title, name = str(self._about["name"]), self._rater or user_name()
            texts = begin(title, self._pairs.different, self._reasons, name, kept)
            desk = Desk(self._frame, texts, self._sit, self._line, self._html, self._finish)
            self._widget = RatingWidget(desk, self._rater)
        return self._widget

    def __repr__(self) -> str:
        return clean(f"Blind rating of {self._about['name']}: {self._line()}.")

    def _ipython_display_(self) -> None:
        from pex.widgets import in_notebook

        if in_notebook():
            self.widget._ipython_display_()
        else:
            print(repr(self))  # noqa: T201 - a terminal shows what a notebook draws

    def _ratings(self) -> list[Rated]:
        """Those of answers that are in this run."""
        self._file.refresh()
        known = {pair.id for pair in self._pairs.different}
        return [rated for rated in self._file.ratings if rated.pair in known]

    def _findings(self) -> Findings:
        return findings(self._ratings(), self._pairs, self._rules)

    def _sit(self, rater: str) -> Sitting:
        self._file.refresh()
        return Sitting(rater, self._pairs.different, self.variants, self._file, self._seed)

    def _line(self) -> str:
        from pex.rating.report import progress_line

        pairs = {pair.id: pair for pair in self._pairs.different}
        total = preference(self._ratings(), pairs, self.variants, self._rules)
        return progress_line(total, self._rules)

    def _html(self) -> str:
        from pex.rating.report import result_html

        return result_html(self._findings(), self._notes())

    def _finish(self) -> None:
        try:
            self._recorded = self.record()
        except PexError as error:
            self._recorded = f"{error.message}. The ratings are kept in {self._shown_path()}."

    def _shown_path(self) -> str:
        project = find_project()
        inside = self.path.is_relative_to(project)
        return str(self.path.relative_to(project) if inside else self.path)

    def _notes(self) -> list[str]:
        notes = [self._recorded] if self._recorded else []
        others = len(self._file.ratings) - len(self._ratings())
        if others:
            notes.append(f"{others} ratings are of answers that are not in this run.")
        if self._file.damaged:
            notes.append(
                f"{self._file.damaged} damaged lines in {self._shown_path()} are left out."
            )
        return notes

    def _read(self, path: Path) -> list[Rated]:
        from pex.core.textfile import read_text
        from pex.rating.page import FORMAT

        try:
            data = jsontext.loads(read_text(path, "ratings"))
        except ValueError as error:
            raise PexError(f"{path} is no file of ratings: {error}") from None
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise PexError(
                f"{path} is no file of ratings",
                hint="'Save my ratings' in the page of rating.to_html() makes one",
            )
        items = data.get("ratings")
        if not isinstance(items, list) or not isinstance(data.get("rater"), str):
            raise PexError(f"{path}: expected a 'rater' and a list of 'ratings'")
        known = {pair.id: pair for pair in self._pairs.different}
        pairs = [item.get("pair") if isinstance(item, Mapping) else None for item in items]
        strange = sum(not isinstance(pair, str) or pair not in known for pair in pairs)
        if strange:
            raise PexError(
                f"{path}: {strange} of {len(items)} ratings are of other answers than these "
                f"(experiment '{data.get('experiment')}', run {data.get('run_id')}; this is "
                f"'{self._about['name']}', run {self._about.get('run_id')})",
                hint="pex.load_run(…).rate() with that run and the same two variants takes them",
            )
        rater = rater_name(data["rater"])
        found = []
        for number, item in enumerate(items, 1):
            where = f"{path}, rating {number}"
            swapped, again = item.get("swapped"), item.get("second_look")
            if not isinstance(swapped, bool) or not isinstance(again, bool):
                raise PexError(f"{where}: expected 'swapped' and 'second_look' as true or false")
            turn = Turn(known[item["pair"]], swapped, again)
            left, right = reversed(self.variants) if swapped else self.variants
            of_pair = {"case_id": turn.pair.case_id, "repeat": turn.pair.repeat, "rater": rater}
            of_pair["group"] = turn.pair.group or ""
            rest = {key: value for key, value in item.items() if key != "swapped"}
            found.append(rated_of({**rest, **of_pair, "left": left, "right": right}, where))
        return found


def rate(
    frame: pd.DataFrame,
    about: Mapping[str, Any],
    summary: pd.DataFrame,
    baseline: str | None,
    variants: Sequence[str] | None,
    *,
    rater: str | None = None,
    precision: float = 0.1,
    confidence: float = 0.95,
    reasons: Sequence[str] = REASONS,
    seed: int | None = None,
    wait: Callable[[], object] | None = None,
) -> Rating:
    """A rating of two variants of a long frame; `Results.rate` says what the options mean."""
    check_confidence(confidence)
    number = isinstance(precision, int | float) and not isinstance(precision, bool)
    if not number or not 0 < precision < 0.5:
        raise PexError(
            f"precision={precision!r}: expected a number between 0 and 0.5",
            hint="0.1 is a win rate to within ±10 percentage points",
        )
    tags = [reasons] if isinstance(reasons, str) else list(reasons)
    if len(tags) > _MOST_REASONS or not all(isinstance(tag, str) and 0 < len(tag) <= 40
                                            for tag in tags):  # fmt: skip
        raise PexError(f"reasons: expected at most {_MOST_REASONS} short texts, got {tags!r}")
    scores = score_names(frame)
    two = choose(frame, variants, baseline, summary, scores[0] if scores else None)
    rules = Rules(precision, confidence)
    return Rating(frame, about, two, rater, rules, list(dict.fromkeys(tags)), seed or 0, wait)


def _path(about: Mapping[str, Any], variants: tuple[str, str]) -> Path:
    """Where the ratings of two variants of an experiment are, whichever is named first."""
    project = find_project()
    folder = project / load_settings(project).journal.path / FOLDER
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(about["name"]))[:60]
    return folder / f"{name}-{digest([about['name'], *sorted(variants)])}.jsonl"


def _assessments(rated: Rated) -> list[dict[str, Any]]:
    """What a rating says of each of the two answers."""
    if rated.second_look:
        return []
    found = []
    for variant, other in ((rated.left, rated.right), (rated.right, rated.left)):
        said = {variant: "better than", other: "not as good as"}.get(rated.winner or "")
        value = {variant: 1.0, other: 0.0}.get(rated.winner or "", 0.5)
        why = f"{said} '{other}'" if said else f"{rated.choice}, with '{other}'"
        parts = [why, ", ".join(rated.reasons), rated.note]
        found.append(
            {
                "variant": variant, "case_id": rated.case_id, "repeat": rated.repeat,
                "value": value, "rationale": "; ".join(part for part in parts if part),
                "rater": rated.rater,
            }
        )  # fmt: skip
    return found
