"""The form in which an expert corrects expected answers, and rates and comments on answers.

It names no variant. A row is found again by its key, the run and a digest of case and answer. A
correction is taken over where the file of cases still has what was sent; where somebody has changed
it since, both are told, and neither is written.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.cases.edits import DiffersError, Edits
from pex.core.about import PromptInfo
from pex.core.attempt import attempt
from pex.core.cases import parse_cases
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.core.text import value_text
from pex.core.values import to_json_value
from pex.evidence.card.run_facts import PRIVATE
from pex.evidence.form.requirement_form import ReadForm
from pex.evidence.form.table import Column, FilledForm, FilledRow, Form, check_titles
from pex.library.files import prompt_files
from pex.library.metadata import metadata_of
from pex.library.reference import parse_reference
from pex.library.registry import fetch
from pex.project.settings import load_settings
from pex.rating.answers import NAME, named
from pex.rating.form import Form as Choices
from pex.rating.form import category_form, scale_form
from pex.rating.order import Answer, find_answers
from pex.record import assessments
from pex.results.correct_case import case_in, edits_in
from pex.results.load import load_run
from pex.results.results import Results
from pex.tracking.store import registry_uri

if TYPE_CHECKING:
    import pandas as pd

KIND = "answers"
CASE, EXPECTED, ANSWER = "case", "expected answer", "answer"
RIGHT, COMMENT = "right answer instead", "comment"
INPUT = "input: "
_RATING = re.compile(r"rating \((.+)\)")
_KEY = re.compile(r"([0-9a-f]{12})-(\w+)")
_RUN = 12

INSTRUCTIONS = """\
For each answer: how good is it? If the expected answer is wrong, write the right one into "right \
answer instead"; leave it empty if it is right. A comment says what is wrong, or what was good. \
Everything can be left empty."""


def answer_form(
    results: Results,
    variants: Sequence[str] | None = None,
    *,
    scale: int | Sequence[int] = 5,
    categories: Sequence[str] | None = None,
    limit: int | None = None,
    private: bool = False,
) -> Form:
    """The form for a recorded run: a row for each case and each different answer to it.

    Args:
        results: the run.
        variants: only their answers; None: all.
        scale: of the rating, as in `Results.rate`.
        categories: instead of a scale, the best one first.
        limit: only the first cases.
        private: also the cases with the tag `private`, and those of prompts whose file or newest
            version says `metadata: {private: true}`; they are left out otherwise.

    Raises:
        PexError: the run is not recorded, or there is nothing to show.
    """
    run_id = results.run_id
    if run_id is None:
        raise PexError("this run is not recorded, so what comes back could not be stored")
    choices = category_form(categories) if categories else scale_form(scale)
    frame = results.frame
    if not private:
        frame = frame[[not _is_private(tags) for tags in frame["tags"]]]
        hidden = _cases_of_private_prompts(results)
        frame = frame[[case_id not in hidden for case_id in frame["case_id"]]]
    case_ids = list(dict.fromkeys(frame["case_id"]))[:limit]
    answers = _answers(results, variants)
    place = {case_id: number for number, case_id in enumerate(case_ids)}
    shown = sorted(
        (answer for answer in answers if answer.case_id in place),
        # By digest: an order of the variants would tell them apart.
        key=lambda answer: (place[answer.case_id], answer.repeat, answer.id),
    )
    if not shown:
        hint = None if private or len(frame) else "all cases are private: --private includes them"
        raise PexError("there are no answers to show", hint=hint)
    inputs = [str(name)[5:] for name in frame.columns if str(name).startswith("case.")]
    title = f"rating ({_listed(choices)})"
    columns = [
        Column(CASE, in_page=False),
        *(Column(f"{INPUT}{name}", lines=True) for name in inputs),
        Column(EXPECTED, lines=True),
        Column(ANSWER, lines=True),
        Column(title, True, choices.names, help=choices.question),
        Column(RIGHT, True, help="Only if the expected answer is wrong.", lines=True),
        Column(COMMENT, True, lines=True),
    ]
    rows = []
    for answer in shown:
        case = case_in(frame, answer.case_id)
        values = {f"{INPUT}{name}": _text(value) for name, value in case.inputs.items()}
        rows.append({
            "key": f"{run_id[:_RUN]}-{answer.id}",
            "title": f"Case {case.id}",
            CASE: case.id,
            **values,
            EXPECTED: _text(case.expected),
            ANSWER: answer.text,
        })  # fmt: skip
    about = results.about
    said = f"{about.purpose}\n\n{INSTRUCTIONS}" if about.purpose else INSTRUCTIONS
    name = f"{about.name}: are these answers right?"
    return Form(KIND, name, said, "answer", columns, rows, about.name, run_id)


def read_answers(
    form: FilledForm,
    *,
    rater: str = "",
    project: Path | None = None,
    dry_run: bool = False,
) -> ReadForm:
    """Take over what an expert filled in: corrections into the file of cases, the rest into MLflow.

    Ratings (`rated`, with the comment as its reason) and comments alone (`comment`) become
    assessments on the answers' traces.

    Args:
        form: the form.
        rater: the expert's name, if the form does not have it.
        project: the project's folder; None: the current one.
        dry_run: only say what would be written.

    Raises:
        PexError: a column, key or rating that is not understood; nothing has been written.
    """
    project = project or find_project()
    title, choices = _rating_column(form)
    inputs = [name for name in form.titles if name.startswith(INPUT)]
    known = [CASE, *inputs, EXPECTED, ANSWER, title, RIGHT, COMMENT]
    check_titles(form, [name for name in known if name], [RIGHT])
    filled = [row for row in form.rows
              if any(row.values.get(name) for name in (title, RIGHT, COMMENT) if name)]  # fmt: skip
    done = ReadForm()
    if not filled:
        return done
    results = load_run(_run_of(form, filled))
    by_id = {answer.id: answer for answer in _answers(results, None)}
    rows: list[tuple[FilledRow, Answer]] = []
    for row in filled:
        found = _KEY.fullmatch(row.key)
        answer = by_id.get(found[2]) if found else None
        if answer is None:
            done.refuse(row, row.place, "its key belongs to no answer of the run")
        else:
            rows.append((row, answer))
    given = list(_ratings(rows, title, choices, results.frame, done))
    who = (rater or form.by).strip()
    if given and not who:
        raise PexError(f"{form.path.name}: who filled it in?", hint="--rater 'Ada Lovelace'")
    _correct(rows, results, project, done, dry_run)
    _rate([{**rating, "rater": who} for rating in given], results, done, dry_run)
    return done


def _answers(results: Results, variants: Sequence[str] | None) -> tuple[Answer, ...]:
    names = named(results.frame, variants, results.baseline)
    return find_answers(results.frame, names).different


def _is_private(tags: Any) -> bool:
    return any(str(tag).casefold() == PRIVATE for tag in to_json_value(tags) or ())


def _cases_of_private_prompts(results: Results) -> set[str]:
    """The cases of variants whose prompt's metadata says `private: true`, or cannot be read."""
    project = find_project()
    files = prompt_files(project)
    private: set[str] = set()
    for info in results.about.prompts:
        # A version of the library can be named after its reference in the experiment.
        name = parse_reference(info.origin).name if info.origin else info.name
        own = [file for file in files if file.name == name]
        found = [file.prompt or file.problem for file in own] or [_saved(project, info, name)]
        if any(map(_says_private, found)):
            private.add(info.name)
    variants = {item.name for item in results.about.variants if item.prompt in private}
    frame = results.frame
    return set(frame["case_id"][frame["variant"].isin(variants)])


def _saved(project: Path, info: PromptInfo, name: str) -> Prompt | PexError | None:
    """The newest version of a prompt of the library; None for one made in Python."""
    if info.origin is None:
        return None
    return attempt(
        lambda: fetch(registry_uri(project, load_settings(project)), parse_reference(name))
    )


def _says_private(found: Prompt | PexError | None) -> bool:
    if found is None or isinstance(found, PexError):
        return found is not None
    metadata = attempt(lambda: metadata_of(found))
    return isinstance(metadata, PexError) or metadata.private


def _listed(choices: Choices) -> str:
    if choices.is_scale:
        return f"{choices.names[0]} to {choices.names[-1]}"
    return ", ".join(choices.names)


def _text(value: Any) -> str:
    value = to_json_value(value)
    return "" if value is None else value_text(value)


def _rating_column(form: FilledForm) -> tuple[str, Choices | None]:
    """The column of the ratings, whose title has the choices."""
    for title in form.titles:
        if found := _RATING.fullmatch(title):
            ends = re.fullmatch(r"(-?\d+) to (-?\d+)", found[1])
            if ends:
                return title, scale_form((int(ends[1]), int(ends[2])))
            return title, category_form([part.strip() for part in found[1].split(",")])
    return "", None


def _run_of(form: FilledForm, rows: Sequence[FilledRow]) -> str:
    """The run that the keys name."""
    if form.run_id:
        return form.run_id
    runs = {found[1] for row in rows if (found := _KEY.fullmatch(row.key))}
    if len(runs) != 1:
        what = "rows of several runs" if runs else "no row has a key"
        raise PexError(
            f"{form.path.name}: {what}",
            hint="the column 'key' comes back as it was sent, one run in each file",
        )
    return runs.pop()


def _ratings(
    rows: Sequence[tuple[FilledRow, Answer]],
    title: str,
    choices: Choices | None,
    frame: pd.DataFrame,
    done: ReadForm,
) -> Iterator[dict[str, Any]]:
    """What becomes an assessment: of every variant that gave the answer, on its trace."""
    there = frame[frame["trace_id"].notna()] if "trace_id" in frame.columns else frame[:0]
    traced = set(zip(there["variant"], there["case_id"], there["repeat"], strict=True))
    for row, answer in rows:
        choice, comment = row.values.get(title, ""), row.values.get(COMMENT, "")
        if not choice and not comment:
            continue
        value: Any = None
        if choice and choices is not None:
            name = choice.removesuffix(".0") if choices.is_scale else choice
            if name not in choices.names:
                raise PexError(
                    f"{row.place}: {title}: '{choice}'", hint=nearest(choice, choices.names)
                )
            value = choices.value(name) if choices.is_scale else name
        places = [(name, answer.case_id, answer.repeat) for name in answer.variants]
        if not any(place in traced for place in places):
            done.refuse(
                row,
                f"rating of case {answer.case_id}",
                "the answer has no trace to store it on (pexlab record RUN --traces all)",
            )
            continue
        for variant, case_id, repeat in places:
            if (variant, case_id, repeat) in traced:
                yield {
                    "name": NAME if value is not None else "comment",
                    "variant": variant,
                    "case_id": case_id,
                    "repeat": repeat,
                    "value": comment if value is None else value,
                    "rationale": (comment or None) if value is not None else None,
                }


def _rate(
    ratings: Sequence[Mapping[str, Any]], results: Results, done: ReadForm, dry_run: bool
) -> None:
    uri, run_id = str(results.about.tracking_uri), str(results.run_id)
    for name, noun in ((NAME, "rating"), ("comment", "comment")):
        own = [rating for rating in ratings if rating["name"] == name]
        if not own:
            continue
        if dry_run:
            done.add("added", _count(len(own), noun))
            continue
        put = assessments.put(uri, run_id, name, own)
        if put.written:
            done.add("added", _count(put.written, noun), f"as '{name}' in MLflow")
        if put.already:
            done.add("same", _count(put.already, noun))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _correct(
    rows: Sequence[tuple[FilledRow, Answer]],
    results: Results,
    project: Path,
    done: ReadForm,
    dry_run: bool,
) -> None:
    """Write corrections into the file of cases where it still has what was sent."""
    wanted: dict[str, list[FilledRow]] = {}
    for row, answer in rows:
        if row.values.get(RIGHT):
            wanted.setdefault(answer.case_id, []).append(row)
    if not wanted:
        return
    state = project / load_settings(project).journal.path
    edits = edits_in(results.about, project, state)
    for case_id, own in wanted.items():
        what, texts = f"case {case_id}", {row.values[RIGHT] for row in own}
        if len(texts) > 1:
            for row in own:
                done.refuse(row, what, "two rows of the form have different right answers")
            continue
        text = texts.pop()
        # The ratings of the row are taken over; what is kept beside the form is the correction.
        kept = dataclasses.replace(own[0], values={**own[0].values, COMMENT: ""})
        try:
            sent = case_in(results.frame, case_id)
            if edits is None:
                raise PexError("these cases were made in Python: there is no file to correct")
            edits.check()
            there = _expected_in(edits)
            if case_id not in there:
                raise PexError(f"{edits.name} no longer has this case")
            if _text(there[case_id]) == text:
                done.add("same", what, f"{edits.name} has this answer")
                continue
            edits.correct(sent, None if dry_run else text)
        except DiffersError as error:
            why = f"the file has changed since: it now expects '{_text(error.there.expected)}'"
            if error.there.inputs != sent.inputs:
                why = "the inputs of the case in the file have changed since"
            done.refuse(kept, what, why)
            continue
        except PexError as error:
            done.refuse(kept, what, str(error).replace("\n  ", ": "))
            continue
        done.add("changed", what, f"{_text(sent.expected) or 'nothing'} → {text}")


def _expected_in(edits: Edits) -> dict[str, Any]:
    """The expected answers that the file of cases has now."""
    data = edits.path.read_bytes()
    cases = parse_cases(data, edits.path, edits.columns, edits.reading)
    return {case.id: case.expected for case in cases}
