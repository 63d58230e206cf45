"""Blind rating by hand: which of two variants do people prefer, and how sure is that?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core import jsontext
from pex.core.about import About
from pex.core.canonical_json import digest
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.safe_text import clean
from pex.core.user_name import user_name
from pex.project.settings import load_settings
from pex.rating.form import PAIRS, Form
from pex.rating.order import Pair, find_pairs
from pex.rating.preference import Findings, Target, findings, preference
from pex.rating.session import RatingSession, make_rating, rater_name
from pex.rating.store import FOLDER, PairRating, RatingFile, parse_rating
from pex.report.rich_text import RichText

if TYPE_CHECKING:
    import pandas as pd

    from pex.rating.widget import RatingWidget

REASONS = ("correct", "complete", "clear", "concise", "tone", "format")
COLUMNS = (
    "case_id", "repeat", "rater", "left", "right", "choice", "winner", "reasons", "note", "at",
    "second_look",
)  # fmt: skip
NAME = "preferred"


class Rating:
    """Answers of two variants side by side, without names, for one rater after the other.

    Made by `Results.rate()`. In a notebook it shows the pairs, to be rated by keys or mouse. Each
    rating is on disk at once, in `.pex/ratings/`, and belongs to its two answers: any run with the
    same answers has it. `frame`, `summary()` and `explain()` name the variants.

    Args:
        frame: the long frame.
        about: the run's description.
        variants: the two names.
        rater: the rater's name; None asks for it.
        target: how narrow the interval should be.
        reasons: tags, at most six.
        seed: of the random order and sides.
        wait: waits for the run's traces while they are being written.
        instructions: the task, and what makes an answer better; None: the experiment's purpose.
    """

    _form: Form = PAIRS

    def __init__(
        self,
        frame: pd.DataFrame,
        about: About,
        variants: tuple[str, ...],
        rater: str | None,
        target: Target,
        reasons: Sequence[str],
        seed: int,
        wait: Callable[[], object] | None,
        instructions: str | None = None,
    ) -> None:
        self._instructions = about.purpose if instructions is None else instructions
        self._frame = frame
        self._about = about
        self._rater = None if rater is None else rater_name(rater)
        self._target = target
        self._reasons = tuple(reasons)
        self._seed = seed
        self._wait = wait
        self._pairs, self._file = self._material(variants)
        self._widget: RatingWidget | None = None
        self._recorded = ""

    def _material(self, variants: tuple[str, ...]) -> tuple[Any, RatingFile[Any]]:
        """What is rated, `Pairs` here, and the file of its ratings."""
        path = path_of(self._about, sorted(variants))
        return find_pairs(self._frame, variants), RatingFile(path, parse_rating)

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants; of two, win rates are those of the first."""
        return tuple(self._pairs.variants)

    @property
    def path(self) -> Path:
        """The file with the ratings."""
        return self._file.path

    @property
    def frame(self) -> pd.DataFrame:
        """One row per rating, oldest first: the sides, the choice and the winner.

        `choice` is left, right, tie or both bad; `winner` a variant, or missing. `second_look`
        marks pairs shown again with sides swapped; they measure the rater and count nowhere else.
        """
        import pandas as pd

        rows = [[getattr(rated, name) for name in COLUMNS] for rated in self._ratings()]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        frame["at"] = pd.to_datetime(frame["at"], utc=True, format="ISO8601")
        return frame

    def summary(self) -> pd.DataFrame:
        """One row for all raters together and one for each.

        `share` is the win rate of `variant` (a tie is half a win) with `lo` and `hi`; `enough`
        and `more_cases` refer to the target precision; `same_twice` of `looked_twice` pairs got
        the same verdict when they were shown again.
        """
        from pex.rating.report import table

        return table(self._findings())

    def explain(self) -> str:
        """The result in sentences: the verdict, what is missing, how reliable the ratings are."""
        from pex.rating.report import explain

        return RichText(clean(explain(self._findings(), self._notes())))

    def record(self, name: str = NAME) -> str:
        """Write the ratings to MLflow as assessments on the answers' traces.

        The better answer gets 1, the other 0, and both 0.5 if neither was better, so
        `results.calibrate(name)` can compare a pairwise judge with them. Second looks are left
        out. Ratings already in MLflow are not written again.

        Args:
            name: of the assessment: the name of the judge to calibrate.

        Returns:
            What was written, in a sentence. The ratings stay in `.pex/ratings/` in any case.

        Raises:
            PexError: MLflow does not answer, or the name cannot be used.
        """
        from pex.record.assessments import put

        run_id = self._about.run_id
        if run_id is None:
            return f"This run is not in MLflow; the ratings are kept in {self._shown_path()}."
        if self._wait is not None:
            self._wait()
        given = self._assessments(self._ratings())
        found = put(str(self._about.tracking_uri), run_id, name, given)
        text = f"MLflow has {found.written + found.already} of {len(given)} ratings of answers"
        if found.no_trace:
            text += (
                f"; {found.no_trace} are for answers without a trace: write the traces with "
                f"`pexlab record {run_id} --traces all`, then the ratings with rating.record()"
            )
        return f"{text}."

    def to_html(self, path: str | Path) -> Path:
        """Write one HTML file for raters without Jupyter; it needs no network and no other file.

        It has the cases and answers but no names of variants. Its 'Save my ratings' makes a file
        for `add`.

        Args:
            path: of the file.
        """
        from pex.rating.page import rating_page

        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"experiment": self._about.name, "run_id": self._about.run_id}
        text = rating_page(
            self._frame,
            self._pairs.different,
            self._reasons,
            self._seed,
            about,
            self._instructions,
            self._form,
        )
        path.write_text(text, encoding="utf-8")
        return path

    def add(self, path: str | Path) -> int:
        """Add the ratings of a file that a rater saved in the page of `to_html`.

        Args:
            path: the file.

        Returns:
            How many ratings were new; 0 if the same file is added again.

        Raises:
            PexError: it is not a file of ratings, or is for other answers; then nothing is added.
        """
        added = self._file.merge(self._read(Path(path)))
        if added and self._widget is not None:
            self._widget.refresh()
        return added

    @property
    def widget(self) -> RatingWidget:
        """The view in a notebook; always the same one, however often it is shown."""
        from pex.rating.widget import RatingBackend, RatingWidget, start_texts

        if self._widget is None:
            kept = f"Each rating is saved at once in {self._shown_path()}."
            title, name = self._about.name, self._rater or user_name()
            pairs = self._pairs.different
            texts = start_texts(
                title, self._instructions, pairs, self._reasons, name, kept, self._form
            )
            backend = RatingBackend(
                self._frame, texts, self._open_session, self._line, self._html, self._finish
            )
            self._widget = RatingWidget(backend, self._rater)
        return self._widget

    def __repr__(self) -> str:
        return clean(f"Blind rating of {self._about.name}: {self._line()}.")

    def _ipython_display_(self) -> None:
        from pex.widgets import in_notebook

        if in_notebook():
            self.widget._ipython_display_()
        else:
            print(repr(self))  # noqa: T201 - a terminal shows what a notebook draws

    def _ratings(self) -> list[PairRating]:
        """The ratings of answers in this run."""
        self._file.refresh()
        known = {pair.id for pair in self._pairs.different}
        return [rated for rated in self._file.ratings if rated.pair in known]

    def _assessments(self, ratings: Sequence[PairRating]) -> list[dict[str, Any]]:
        return [item for rated in ratings for item in pair_assessments(rated)]

    def _findings(self) -> Findings:
        return findings(self._ratings(), self._pairs, self._target)

    def _open_session(self, rater: str) -> RatingSession[Any]:
        self._file.refresh()
        return RatingSession(rater, self._pairs.different, self._file, self._seed, make_rating)

    def _line(self) -> str:
        from pex.rating.report import progress_line

        pairs = {pair.id: pair for pair in self._pairs.different}
        total = preference(self._ratings(), pairs, self.variants, self._target)
        return progress_line(total, self._target)

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
            notes.append(f"{others} ratings are for answers that are not in this run.")
        if self._file.damaged:
            notes.append(
                f"{self._file.damaged} damaged lines in {self._shown_path()} were skipped."
            )
        return notes

    def _read(self, path: Path) -> list[PairRating]:
        from pex.core.textfile import read_text
        from pex.rating.page import FORMAT

        try:
            data = jsontext.loads(read_text(path, "ratings"))
        except ValueError as error:
            raise PexError(f"{path} is not a file of ratings: {error}") from None
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise PexError(
                f"{path} is not a file of ratings",
                hint="'Save my ratings' in the page of rating.to_html() makes one",
            )
        items = data.get("ratings")
        if not isinstance(items, list) or not isinstance(data.get("rater"), str):
            raise PexError(f"{path}: expected a 'rater' and a list of 'ratings'")
        known = {pair.id: pair for pair in self._pairs.different}
        pairs = [item.get("pair") if isinstance(item, Mapping) else None for item in items]
        unknown = sum(not isinstance(pair, str) or pair not in known for pair in pairs)
        if unknown:
            raise PexError(
                f"{path}: {unknown} of {len(items)} ratings are for other answers "
                f"(experiment '{data.get('experiment')}', run {data.get('run_id')}; these are from "
                f"'{self._about.name}', run {self._about.run_id})",
                hint="add it to pex.load_run(…).rate() of that run, with the same variants",
            )
        rater = rater_name(data["rater"])
        ratings = []
        for number, item in enumerate(items, 1):
            where = f"{path}, rating {number}"
            swapped = item.get("swapped")
            if not isinstance(swapped, bool) or not isinstance(item.get("second_look"), bool):
                raise PexError(f"{where}: expected 'swapped' and 'second_look' as true or false")
            pair = known[item["pair"]]
            ours = {
                "case_id": pair.case_id, "repeat": pair.repeat, "group": pair.group or "",
                "rater": rater,
            }  # fmt: skip
            if isinstance(pair, Pair):
                left, right = reversed(pair.variants) if swapped else pair.variants
                ours |= {"left": left, "right": right}
            theirs = {key: value for key, value in item.items() if key != "swapped"}
            ratings.append(self._file.parse({**theirs, **ours}, where))
        return ratings


def path_of(about: About, kind: Sequence[Any]) -> Path:
    """The file with the ratings of these variants, or of this kind.

    Args:
        about: the run's description.
        kind: the variants in alphabetical order, or what else tells ratings apart.
    """
    project = find_project()
    folder = project / load_settings(project).journal.path / FOLDER
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", about.name)[:60]
    return folder / f"{name}-{digest([about.name, *kind])}.jsonl"


def pair_assessments(rated: PairRating) -> list[dict[str, Any]]:
    """A rating as an assessment of each of its two answers."""
    if rated.second_look:
        return []
    assessments = []
    for variant, other in ((rated.left, rated.right), (rated.right, rated.left)):
        relation = {variant: "better than", other: "not as good as"}.get(rated.winner or "")
        value = {variant: 1.0, other: 0.0}.get(rated.winner or "", 0.5)
        why = f"{relation} '{other}'" if relation else f"{rated.choice}, with '{other}'"
        parts = [why, ", ".join(rated.reasons), rated.note]
        assessments.append(
            {
                "variant": variant, "case_id": rated.case_id, "repeat": rated.repeat,
                "value": value, "rationale": "; ".join(part for part in parts if part),
                "rater": rated.rater,
            }
        )  # fmt: skip
    return assessments
