"""Registries of openai/evals: a YAML file with evals, and their samples as JSON Lines.

`class` names Python code, which is never imported: the basic ones are known by name, others are
left out. Samples are looked for where the registry keeps them, and beside the YAML file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pex.core.case import Case
from pex.core.project import is_inside
from pex.core.prompt import Prompt
from pex.core.textfile import read_text
from pex.core.yamltext import load_yaml
from pex.importers.answer_checks import Where, check_of
from pex.importers.imported import Imported, Note, unreadable
from pex.importers.read_rows import json_lines
from pex.importers.shared_messages import FLATTENED, differ_in_roles, said_in, shared_messages

TOOL = "openai/evals"
_CHECKS: dict[str, tuple[Where, bool]] = {
    "Match": ("begin", False),
    "Includes": ("anywhere", False),
    "FuzzyMatch": ("anywhere", True),
}
"""By the name of the class: in which part of an answer it looks, and whether case is ignored."""


def is_evals_registry(path: Path, text: str) -> bool:
    """Whether a file is a YAML of openai/evals' registry."""
    return path.suffix.lower() in (".yaml", ".yml") and "class:" in text and "evals." in text


def read_evals_registry(path: Path) -> Imported:
    """Read the first eval of a registry's file that has samples.

    Raises:
        PexError: it has no eval, or its samples are not there, or are a pointer of Git LFS.
    """
    data = load_yaml(read_text(path, "registry"), str(path)).data
    notes: list[Note] = []
    evals = {
        str(name): item
        for name, item in (data if isinstance(data, Mapping) else {}).items()
        if isinstance(item, Mapping) and isinstance(item.get("class"), str)
    }
    chosen = next((n for n, item in evals.items() if (item.get("args") or {}).get("samples_jsonl")),
                  None)  # fmt: skip
    if chosen is None:
        raise unreadable(path, "no entry has a 'class' and args.samples_jsonl", TOOL)
    for name in evals:
        if name != chosen:
            how = f"an import is one experiment, this one is of {chosen}"
            notes.append(Note(name, "left out", how))
    item = evals[chosen]
    args = dict(item.get("args") or {})
    samples = _samples(path, str(args.pop("samples_jsonl")))
    rows = json_lines(samples, read_text(samples, "samples").removeprefix("\ufeff"), TOOL)
    return _imported(path, chosen, str(item["class"]), args, rows, notes)


def _samples(path: Path, name: str) -> Path:
    """The file of samples: in the registry's `data`, or beside the YAML file."""
    parents = [path.absolute().parent, *path.absolute().parents[1:3]]
    places = [parent / "data" / name for parent in parents] + [path.absolute().parent / name]
    if Path(name).is_absolute():
        places = [Path(name)]
    root = path.absolute().parents[min(2, len(path.absolute().parents) - 1)]
    for place in places:
        if place.is_file() and is_inside(place, root):
            return place
    shown = ", ".join(str(place) for place in places[:2])
    raise unreadable(path, f"its samples {name} are not there (looked for {shown})", TOOL)


def _imported(
    path: Path, name: str, kind: str, args: dict[str, Any], rows: list[Any], notes: list[Note]
) -> Imported:
    found = [
        (number, row)
        for number, row in enumerate(rows, 1)
        if isinstance(row, Mapping) and said_in(row.get("input"))
    ]
    if not found:
        raise unreadable(path, "no sample has an 'input'", TOOL)
    if len(found) < len(rows):
        notes.append(Note("samples", "left out", "no 'input' in them", len(rows) - len(found)))
    said = [said_in(row["input"]) for _, row in found]
    if differ_in_roles(said):
        notes.append(Note("input", "changed", FLATTENED))
    messages, columns = shared_messages(said)
    cases = [
        Case(str(number), {**inputs, **_others(row)}, _ideal(row))
        for (number, row), inputs in zip(found, columns, strict=True)
    ]
    notes.append(Note("samples", "taken over", count=len(cases)))
    scorers = _scorers(kind, args, cases, notes)
    for key, value in args.items():
        notes.append(Note(f"args.{key}", "left out", f"{value!r}"[:80]))
    notes.append(Note("prompt", "changed", "from the messages of the samples"))
    return Imported(
        tool=TOOL,
        name=name.replace("/", "-"),
        prompts=[Prompt(messages, "as-sent")],
        params=[{"temperature": 0}],
        cases=cases,
        scorers=scorers,
        notes=notes,
    )


def _others(row: Mapping[str, Any]) -> dict[str, Any]:
    return {str(k): v for k, v in row.items() if k not in ("input", "ideal", "message_1")}


def _ideal(row: Mapping[str, Any]) -> Any:
    ideal = row.get("ideal")
    return ideal[0] if isinstance(ideal, list) and len(ideal) == 1 else ideal


def _scorers(
    kind: str, args: dict[str, Any], cases: list[Case], notes: list[Note]
) -> list[str | dict[str, Any]]:
    short = kind.rpartition(":")[2]
    where = f"class {kind}"
    if short == "JsonMatch":
        notes.append(Note(where, "changed", "the scorer fields, which counts the right fields"))
        return ["fields"]
    if short == "ModelBasedClassify":
        spec = args.pop("modelgraded_spec", "")
        how = f"its prompt is in the registry ({spec}): write a judge with it"
        notes.append(Note(where, "left out", how))
        return []
    if short not in _CHECKS:
        how = "code, which is never imported: choose scorers for it"
        notes.append(Note(where, "left out", how))
        return []
    if not any(case.expected not in (None, "") for case in cases):
        notes.append(Note(where, "left out", "no sample has an 'ideal' answer"))
        return []
    part, ignore_case = _CHECKS[short]
    if str(args.pop("ignore_case", ignore_case)).lower() == "true":
        ignore_case = True
    scorer, patterns = check_of(short, cases, part, ignore_case)
    how = f"patterns in the column {scorer.get('column')}" if patterns else ""
    if short == "FuzzyMatch":
        how += "; punctuation and articles are not ignored, an answer within the ideal one is wrong"
    notes.append(Note(where, "changed" if how else "taken over", how.removeprefix("; ")))
    return [scorer]
