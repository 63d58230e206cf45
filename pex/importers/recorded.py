"""From what an importer found to a recorded run: compared, shown and searched like any other."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pex.core.about import About, Counts, PromptInfo, VariantInfo
from pex.core.attack_columns import ATTACK, CATEGORY, FORM, GOAL, ID, KIND, RESISTED
from pex.core.call import Request, answer_from
from pex.core.case import Case
from pex.core.errors import PexError, nearest
from pex.core.names import check_name
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.core.sanitized_json import sanitized_json
from pex.core.text import replace_surrogates
from pex.core.textfile import read_text
from pex.core.variant import Variant
from pex.importers.found import Found, name_of, unknown
from pex.importers.garak import is_garak, read_garak
from pex.importers.imported import Note
from pex.importers.inspect_log import is_inspect, zip_names
from pex.importers.inspect_results import read_inspect
from pex.importers.openai_evals import has_output_items
from pex.importers.openai_results import read_openai_results
from pex.importers.promptfoo import is_promptfoo, read_promptfoo
from pex.importers.pyrit import is_pyrit, read_pyrit
from pex.importers.report import FILE, report_line, report_markdown
from pex.project.settings import load_settings
from pex.results.results import Results
from pex.score.frame import build_frame

TOOLS: dict[str, tuple[Callable[[str], bool], Callable[[Path], Found]]] = {
    "inspect": (is_inspect, read_inspect),
    "openai-results": (has_output_items, read_openai_results),
    "garak": (is_garak, read_garak),
    "pyrit": (is_pyrit, read_pyrit),
    "promptfoo": (is_promptfoo, read_promptfoo),
}
"""By name: whether a file looks like it, and its reader."""
_MOST_SCORES = 50
"""Of a file: pages and comparisons have a part for each."""
NO_TWINS = "it has no harmless twins, so false refusals are not known"


@dataclasses.dataclass(frozen=True, slots=True)
class ImportedRun:
    """Results of another tool as a run of pex, and what became of each part of its file."""

    tool: str
    results: Results
    notes: Sequence[Note]


def import_results(
    path: str | Path, *, tool: str | None = None, name: str | None = None, record: bool = True
) -> Results:
    """Read the results of garak, PyRIT, promptfoo, Inspect or OpenAI's Evals as a run.

    `about.note` of the results says what was taken over, changed and left out; a recorded run has
    the report in full, as `IMPORT.md`. For more see `import_run`, which this calls.

    Args:
        path: as in `import_run`.
        tool: as in `import_run`.
        name: as in `import_run`.
        record: as in `import_run`.

    Raises:
        PexError: the file is none of them, or is damaged.
    """
    return import_run(path, tool=tool, name=name, record=record).results


def import_run(
    path: str | Path, *, tool: str | None = None, name: str | None = None, record: bool = True
) -> ImportedRun:
    """Read the results of another tool, and say what became of each part of the file.

    Nothing in the file is executed, and no model is called. Scores are yes if the answer is good,
    whatever the tool says; attacks have the score `resisted`, so `pex.redteam.rates` reads them.

    Args:
        path: garak's report.jsonl, PyRIT's messages (JSON or CSV) or results of attacks (JSON),
            promptfoo's results (JSON), a log of Inspect (.eval or .json), output items of OpenAI's
            Evals.
        tool: which of them; None: by its contents.
        name: the experiment's name; default: `imported-TOOL`.
        record: write it to MLflow.

    Raises:
        PexError: the file is none of them, or is damaged.
    """
    path = Path(path)
    text = zip_names(path) or read_text(path, "result file")
    if tool is not None and tool not in TOOLS:
        raise PexError(f"there is no importer '{tool}'", hint=nearest(tool, TOOLS))
    chosen = tool or next((name for name, (looks, _) in TOOLS.items() if looks(text)), None)
    if chosen is None:
        raise PexError(
            f"{path}: not a result file that pex knows",
            hint="garak's report.jsonl, PyRIT's messages or results of attacks, promptfoo's "
            "results (JSON), Inspect's log (.eval or .json)",
        )
    try:
        found = TOOLS[chosen][1](path)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        # A value of another kind than the tool writes, wherever it is.
        why = f"a value is not of the kind that it writes ({type(error).__name__}: {error})"
        raise unknown(path, why, chosen) from None
    found = _sound(found)
    if not found.answers:
        raise unknown(path, "it has no answers", found.tool)
    notes = [*_taken_over(found), *found.notes]
    experiment = check_name(name or f"imported-{chosen}", "experiment name")
    results = _results(found, notes, experiment, path, record)
    return ImportedRun(_tool(found), results, notes)


def _tool(found: Found) -> str:
    """The tool and its version, as far as the file says it."""
    return f"{found.tool} {found.version}".strip()


def _sound(found: Found) -> Found:
    """Without halves of characters, which no table can keep, and with scores that can be shown."""
    names = list(dict.fromkeys(score for item in found.answers for score in item.scores))
    kept = {RESISTED, *names[:_MOST_SCORES]}
    answers = [
        dataclasses.replace(
            item,
            key=replace_surrogates(item.key),
            group=None if item.group is None else replace_surrogates(str(item.group)),
            tags=tuple(map(replace_surrogates, item.tags)),
            text=replace_surrogates(item.text),
            inputs=item.inputs and sanitized_json(dict(item.inputs)),
            expected=sanitized_json(item.expected),
            output=None if item.output is None else replace_surrogates(item.output),
            error=None if item.error is None else replace_surrogates(item.error),
            scores={
                name: dataclasses.replace(
                    score, reason=score.reason and replace_surrogates(score.reason)
                )
                for name, score in item.scores.items()
                if name in kept
            },
        )
        for item in found.answers
    ]
    left = [score for score in names if score not in kept]
    why = f"a run has at most {_MOST_SCORES} scores of a file"
    notes = [*found.notes, *(Note(score, "left out", why) for score in left)]
    return dataclasses.replace(found, answers=answers, notes=notes)


def _taken_over(found: Found) -> list[Note]:
    """The answers, and the scores that any of them has."""
    errors = sum(item.error is not None for item in found.answers)
    answered = len(found.answers) - errors
    notes = [Note(f"answers ({answered:,})", "taken over", count=answered)] if answered else []
    if errors:
        how = "as errors, which have no scores"
        notes.append(Note(f"failed calls ({errors:,})", "taken over", how, errors))
    names = dict.fromkeys(score for item in found.answers for score in item.scores)
    how = "as scores: yes if the answer is good" if found.attacks else "as scores"
    return [*notes, *(Note(name, "taken over", how) for name in _sorted(names))]


def _results(found: Found, notes: Sequence[Note], name: str, path: Path, record: bool) -> Results:
    prompt = Prompt("{{ input }}", name=name_of(found.tool.lower()))
    targets = list(dict.fromkeys(answer.target for answer in found.answers))
    variants = {target: Variant(prompt, _model(target), name=target) for target in targets}
    cases: dict[str, Case] = {}
    repeats: Counter[tuple[str, str]] = Counter()
    rows = []
    for item in found.answers:
        if item.key not in cases:
            inputs = {"input": item.text} if item.inputs is None else dict(item.inputs)
            if found.attacks:
                inputs |= {KIND: ATTACK, CATEGORY: item.category or "attack", ID: item.key}
                inputs |= {FORM: item.form, GOAL: "imported"}
            tags = tuple(filter(None, (item.category, item.form, *item.tags)))
            cases[item.key] = Case(item.key, inputs, item.expected, item.group, tags)
        place = (item.target, item.key)
        repeats[place] = item.repeat or repeats[place] + 1
        request = Request(*place, repeats[place], _model(item.target), {}, "")
        fields = {
            **item.details,
            "output": item.output,
            "error": item.error,
            "error_kind": "imported" if item.error else None,
            "latency_s": item.latency_s,
            "cost_usd": item.cost_usd,
        }
        answer = answer_from(fields)
        rows.append((request, answer, dict(item.scores)))
    names = list(dict.fromkeys(score for item in found.answers for score in item.scores))
    names = _sorted(names or [RESISTED])
    frame = build_frame(rows, list(variants.values()), list(cases.values()), names)
    frame["request_key"] = None  # pex sent nothing, so no two answers are known to share a request
    errors = int(frame["error"].notna().sum())
    said = [f"read from {path.name}: {report_line(notes)}"]
    said += [NO_TWINS] if found.attacks else []
    about = About(
        name=name,
        purpose=f"Results of {_tool(found)}.",
        note="; ".join(said),
        status="finished",
        started_at=_time(found.started_at, path),
        elapsed_s=0.0,
        cases=len(cases),
        repeats=max(repeats.values()),
        variants=[VariantInfo.of(variant) for variant in variants.values()],
        prompts=[PromptInfo.of(prompt)],
        models=list(dict.fromkeys(variant.model for variant in variants.values())),
        scorers=names,
        counts=Counts(requests=len(frame), answered=len(frame) - errors, errors=errors),
    )
    if not record:
        return Results(frame, about)
    report = report_markdown(_tool(found), path.name, notes)
    return _recorded(Results(frame, about), list(cases.values()), found, report)


def _sorted(names: Iterable[str]) -> list[str]:
    """What counts first, the others in the order of the file."""
    return sorted(names, key=lambda score: score != RESISTED)


def _recorded(results: Results, cases: list[Case], found: Found, report: str) -> Results:
    from pex.record.runs import Recorder
    from pex.results.outcome import outcome_of, texts_of
    from pex.tracking.store import tracking_uri

    project = find_project()
    uri = tracking_uri(project, load_settings(project))
    about = results.about
    tags = {"pex.imported": _tool(found), "pex.note": about.note}
    recorder = Recorder(uri, about.name, tags, purpose=about.purpose)
    placed = dataclasses.replace(
        about, run_id=recorder.run_id, tracking_uri=uri, experiment_id=recorder.experiment_id
    )
    outcome = outcome_of(results.frame, placed)
    lines = [
        json.dumps(
            {"case_id": case.id, "tags": [*case.tags], **case.inputs}
            | ({} if case.expected is None else {"expected": case.expected})
        )
        for case in cases
    ]
    recorder.tag_cases(cases)
    texts = {"cases.jsonl": "\n".join(lines) + "\n", FILE: report, **texts_of(outcome)}
    recorder.finish(outcome.frame, outcome.summary, placed, texts, outcome.verdicts)
    return Results.of(dataclasses.replace(outcome, about=placed))


def _model(target: str) -> str:
    return target.partition("|")[0]


def _time(text: str, path: Path) -> str:
    """When it began: as the file says, else when the file was written."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        found = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
    return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).isoformat()
