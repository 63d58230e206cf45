"""The form in which somebody says what must hold, with examples: requirements and cases from it.

What was sent is known from the key of each row: a requirement that was changed in the file since
then, and changed in the form too, is a conflict, which is told and written nowhere.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.cases.edits import Edits
from pex.cases.file import write as write_file
from pex.core import jsontext
from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.textfile import read_text
from pex.evidence.form.table import Column, FilledForm, FilledRow, Form, check_titles
from pex.experiment.experiment import Experiment
from pex.library.metadata import metadata_of
from pex.project.edit_requirements import with_requirements
from pex.project.files import validate
from pex.project.spec import Requirement, load_spec
from pex.score.requirements import requirement_digest

KIND = "requirements"
ID, TEXT, SOURCE, PRIORITY, AT_LEAST = "id", "what must hold", "who asked", "priority", "at least"
EXAMPLE, EXPECTED = "example: ", "expected answer"
PRIORITIES = ("must", "should", "could")
_EMPTY = 10
_SHARE = re.compile(r"([0-9]+(?:[.,][0-9]+)?)\s*(%?)")
_PLAUSIBLE = 10
"""A larger number without a percent sign is probably a percentage."""

INSTRUCTIONS = """\
Write down what the answers must do, one sentence in each row: "Never promises a refund." Say who \
asked for it, and whether it must, should or could hold. "At least" is the share of answers that \
has to keep to it, such as 95 %; leave it empty if there can be no exception.
An example is an input in which it matters, with the answer that would be right, if there is \
one. For a second example of the same requirement, use another row with the same id, or with no id \
right below. Ids of new requirements can stay empty."""


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What became of a row: `state` is added, changed, same or conflict; `what` is in words."""

    state: str
    what: str
    detail: str = ""


@dataclasses.dataclass(slots=True)
class ReadForm:
    """What reading a form does, or did: the changes, and the rows that were not taken over."""

    changes: list[Change] = dataclasses.field(default_factory=list)
    rest: list[tuple[FilledRow, str]] = dataclasses.field(default_factory=list)

    def add(self, state: str, what: str, detail: str = "") -> None:
        """Note a change."""
        self.changes.append(Change(state, what, detail))

    def refuse(self, row: FilledRow, what: str, why: str) -> None:
        """Note a row that is not taken over."""
        self.changes.append(Change("conflict", what, why))
        self.rest.append((row, why))


def requirement_form(file: Path) -> Form:
    """The form for an experiment: a row for each of its requirements, with room for others.

    Args:
        file: the `experiment.yaml`.

    Raises:
        PexError: the experiment cannot be read.
    """
    exp = Experiment.load(file)
    spec = load_spec(file)
    columns = [
        Column(ID, True, help="Short, such as R3. Empty: one is made up."),
        Column(TEXT, True, help="One sentence about every answer.", lines=True),
        Column(SOURCE, True, help="A person, a department, a law."),
        Column(PRIORITY, True, PRIORITIES),
        Column(AT_LEAST, True, help="The share that has to keep to it, such as 95 %. Empty: all."),
        *(Column(f"{EXAMPLE}{name}", True, lines=True) for name in _inputs(exp)),
        Column(EXPECTED, True, help="The right answer to the example.", lines=True),
    ]
    rows = [
        {
            "key": _key(item),
            "title": item.id,
            ID: item.id,
            TEXT: item.text,
            SOURCE: item.source,
            PRIORITY: item.priority,
            AT_LEAST: "" if item.at_least is None else _percent(item.at_least),
        }
        for item in spec.requirements
    ]
    title = f"{spec.name}: what must hold?"
    said = f"{spec.purpose}\n\n{INSTRUCTIONS}" if spec.purpose else INSTRUCTIONS
    if others := [item for _, item in _of_prompts(exp).values() if item not in spec.requirements]:
        said += "\n\nThe prompts ask for this already; it is changed in their own files:\n"
        said += "\n".join(f"{item.id} ({item.priority}): {item.text}" for item in others)
    return Form(KIND, title, said, "requirement", columns, rows, spec.name, empty=_EMPTY)


def read_requirements(form: FilledForm, file: Path, *, dry_run: bool = False) -> ReadForm:
    """Take a form's requirements over into the experiment's file, its examples into the cases.

    Only what is new or changed is written, and every other byte of both files stays. Nothing is
    removed: a requirement that is not in the form is kept.

    Args:
        form: the form.
        file: the `experiment.yaml`.
        dry_run: only say what would be written.

    Raises:
        PexError: a column or value that is not understood; nothing has been written.
    """
    exp, spec = Experiment.load(file), load_spec(file)
    inputs = _inputs(exp)
    examples = [f"{EXAMPLE}{name}" for name in inputs]
    check_titles(form, [ID, TEXT, SOURCE, PRIORITY, AT_LEAST, *examples, EXPECTED], [TEXT])
    if form.experiment and form.experiment != spec.name:
        raise PexError(
            f"{form.path.name}: this form is for the experiment '{form.experiment}'",
            hint=f"--experiment {form.experiment}",
        )
    known = {item.id: item for item in spec.requirements}
    prompts = _of_prompts(exp)
    asked = list(_asked(form, known, prompts))
    done = ReadForm()
    wanted = [item for row, item in asked if item and _decide(row, item, known, prompts, done)]
    source = (file.parent / spec.cases.file).resolve()
    edits = Edits(source, spec.columns, file.parent / ".pex", exp.data.reading)
    cases = list(_examples(form, exp, inputs, asked, done))
    info, text = file.stat(), read_text(file, "experiment file")
    changed = with_requirements(text, str(file), wanted) if wanted else text
    if not dry_run and changed != text:
        write_file(file, changed.encode("utf-8"), info)
    taken = {case.id for case in exp.cases}
    for row, case, expected in cases:
        _add(row, case, expected, edits, taken, done, dry_run)
    return done


def _inputs(exp: Experiment) -> list[str]:
    return list(dict.fromkeys(name for case in exp.cases for name in case.inputs))


def _of_prompts(exp: Experiment) -> dict[str, tuple[str, Requirement]]:
    """By id, the requirements in the metadata of its prompts, each with the name of its file."""
    found: dict[str, tuple[str, Requirement]] = {}
    for variant in exp.variants:
        prompt = variant.prompt
        where = prompt.path.name if prompt.path else f"the prompt '{prompt.name}'"
        for item in metadata_of(prompt).requirements:
            found.setdefault(item.id, (where, item))
    return found


def _key(item: Requirement) -> str:
    return f"{item.id}-{_digest(item)}"


def _digest(item: Requirement) -> str:
    said = f"{item.text}\n{item.source}"
    return requirement_digest(said, item.priority, item.at_least)


def _asks(item: Requirement) -> str:
    """Digits of what it asks for, whoever asked."""
    return requirement_digest(item.text, item.priority, item.at_least)


def _percent(value: float) -> str:
    return f"{value * 100:.12g} %" if value <= 1 else f"{value:.12g}"


def _asked(
    form: FilledForm,
    known: Mapping[str, Requirement],
    prompts: Mapping[str, tuple[str, Requirement]],
) -> Iterator[tuple[FilledRow, Requirement | None]]:
    """Each row with its requirement; None if it is only another example of the one above."""
    there = {**{name: item for name, (_, item) in prompts.items()}, **known}
    taken = {*there, *(row.values.get(ID, "") for row in form.rows)}
    seen: dict[str, str] = {}
    for row in form.rows:
        text, given = row.values.get(TEXT, ""), row.values.get(ID, "")
        if not text:
            filled = [title for title in (SOURCE, PRIORITY, AT_LEAST) if row.values.get(title)]
            if filled:
                raise PexError(f"{row.place}: '{filled[0]}' is filled in, '{TEXT}' is empty")
            yield row, None
            continue
        if not given:
            # The sentence may be there already: the form is read a second time.
            given = next((i.id for i in there.values() if i.text == text), "") or next(
                f"R{n}" for n in range(1, 100_000) if f"R{n}" not in taken
            )
            taken.add(given)
            row = dataclasses.replace(row, values={**row.values, ID: given})
        if given in seen and seen[given] != text:
            raise PexError(
                f"{row.place}: two requirements have the id '{given}'",
                hint="another example of one requirement needs no sentence, only the id",
            )
        again = given in seen
        seen[given] = text
        yield row, None if again else _requirement(row, there.get(given))


def _requirement(row: FilledRow, there: Requirement | None) -> Requirement:
    values = row.values
    priority = values.get(PRIORITY, "").casefold() or "must"
    if priority not in PRIORITIES:
        raise PexError(
            f"{row.place}: priority '{values[PRIORITY]}'", hint=nearest(priority, PRIORITIES)
        )
    data: dict[str, Any] = {
        "id": values[ID],
        "text": values[TEXT],
        "source": values.get(SOURCE, ""),
        "priority": priority,
        "at_least": _at_least(row, there),
    }
    return validate(Requirement, data, row.place)


def _at_least(row: FilledRow, there: Requirement | None) -> float | None:
    text = row.values.get(AT_LEAST, "")
    if not text:
        return None
    if there is not None and there.at_least is not None and text == _percent(there.at_least):
        return there.at_least  # untouched: to the last digit what the file says
    found = _SHARE.fullmatch(text)
    if found is None:
        raise PexError(f"{row.place}: at least '{text}': expected a share, such as 95 %")
    number = float(found[1].replace(",", "."))
    if found[2]:
        number = round(number / 100, 10)
    if number > (1 if found[2] else _PLAUSIBLE):
        raise PexError(f"{row.place}: at least '{text}'", hint=f"do you mean {found[1]} %?")
    return number


def _decide(
    row: FilledRow,
    item: Requirement,
    known: Mapping[str, Requirement],
    prompts: Mapping[str, tuple[str, Requirement]],
    done: ReadForm,
) -> bool:
    """Whether a requirement is to be written: it is new, or only the form has changed it."""
    there = known.get(item.id)
    sent_id, _, sent = row.key.rpartition("-")
    where, other = prompts.get(item.id, ("", None))
    if there == item:
        done.add("same", item.id)
    elif other is not None and _asks(other) != _asks(item):
        # Written, the experiment could not be read any more: one id, two requirements.
        done.refuse(row, item.id, f'{where} has another requirement of this id: "{other.text}"')
    elif other is not None and there is None:
        done.add("same", item.id, f"{where} has it")
    elif row.key and sent_id != item.id:
        why = f"its id was {sent_id} when the form was sent"
        done.refuse(row, item.id, why)
    elif there is None and row.key:
        if _digest(item) == sent:
            done.add("same", item.id, "it has been removed from the file since the form was sent")
        else:
            done.refuse(row, item.id, "it has been removed from the file since the form was sent")
    elif there is None:
        done.add("added", item.id, item.text)
        return True
    elif not row.key:
        done.refuse(row, item.id, f'the file has another requirement of this id: "{there.text}"')
    elif _digest(there) == sent:
        done.add("changed", item.id, item.text)
        return True
    elif _digest(item) == sent:
        done.add("same", item.id, "only the file has changed since the form was sent")
    else:
        why = f'the file has changed since the form was sent; it says now: "{there.text}"'
        done.refuse(row, item.id, why)
    return False


def _examples(
    form: FilledForm,
    exp: Experiment,
    inputs: Sequence[str],
    asked: Sequence[tuple[FilledRow, Requirement | None]],
    done: ReadForm,
) -> Iterator[tuple[FilledRow, Case, str]]:
    """The cases that the rows have as examples, each tagged with its requirement."""
    optional = {name for name in inputs if any(case.inputs.get(name) in (None, "")
                                               for case in exp.cases)}  # fmt: skip
    refused = {row.values.get(ID, ""): row for row, _ in done.rest}
    current = ""
    for row, _ in asked:
        current = row.values.get(ID, "") or current
        if current and not row.values.get(ID):  # in a file of what is left, other rows are above
            row = dataclasses.replace(row, values={**row.values, ID: current})
        if current in refused:
            if row is not refused[current]:  # that row is kept already, with its example
                done.refuse(row, f"example of {current}", "its requirement was not taken over")
            continue
        values = {name: row.values.get(f"{EXAMPLE}{name}", "") for name in inputs}
        expected = row.values.get(EXPECTED, "")
        if not any(values.values()):
            if expected:
                done.refuse(row, f"example of {current}", "it has an answer but no input")
            continue
        missing = [name for name, value in values.items() if not value and name not in optional]
        if missing:
            done.refuse(row, f"example of {current}", f"'{missing[0]}' is empty")
            continue
        filled = {name: _like(value, name, exp.cases) for name, value in values.items()}
        same = [case for case in exp.cases if case.inputs == filled]
        if same:
            now = "" if same[0].expected is None else str(same[0].expected)
            if expected and now != expected:
                done.refuse(row, f"case {same[0].id}", f"it is there, and expects '{now}'")
            else:
                done.add("same", f"case {same[0].id}")
            continue
        first = exp.cases[0]
        sample = first.expected
        yield row, Case(current or "example", filled, sample, tags=(current,) if current else ()), (
            expected
        )  # fmt: skip


def _like(value: str, name: str, cases: Sequence[Case]) -> Any:
    """A value as the column has it: text, or JSON where no case has text."""
    others = [case.inputs[name] for case in cases if case.inputs.get(name) is not None]
    if not others or any(isinstance(other, str) for other in others):
        return value
    try:
        return jsontext.loads(value)
    except ValueError:
        return value


def _add(
    row: FilledRow,
    case: Case,
    expected: str,
    edits: Edits,
    taken: set[str],
    done: ReadForm,
    dry_run: bool,
) -> None:
    what = f"case for {case.id}"
    try:
        draft = edits.draft(dataclasses.replace(case, id=f"{case.id}-example"))
        new_id = ""
        if draft.new_id:
            numbers = all(name.isdecimal() for name in taken)
            stem = case.id
            new_id = draft.new_id if numbers else next(
                f"{stem}-{n}" for n in range(1, 100_000) if f"{stem}-{n}" not in taken
            )  # fmt: skip
        tags = None if draft.tags is None else "; ".join(case.tags)
        if not dry_run:
            new_id = edits.save(case, expected, new_id, tags).id
        taken.add(new_id)
    except PexError as error:
        done.refuse(row, what, str(error).replace("\n  ", ": "))
        return
    done.add("added", f"case {new_id}".strip(), " · ".join(map(str, case.inputs.values())))
