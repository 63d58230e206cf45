"""Training data from experiments and runs: chosen, cleaned, divided, written and described."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.hidden import SHOWN, Hidden
from pex.core.splits import divide_cases
from pex.core.values import to_json_value
from pex.project.settings import load_settings
from pex.training.card import card_text
from pex.training.choice import Choice, choice_of
from pex.training.chosen import chosen_picks
from pex.training.clean_rows import RowCleaner
from pex.training.example import Example, Pick, UnfitError
from pex.training.finding import Finding
from pex.training.formats import Format
from pex.training.lora_kit import put_kit
from pex.training.material import Material, material_of
from pex.training.output_files import OutputFiles
from pex.training.sources import LeftOut, Options
from pex.training.validate import FileCheck
from pex.training.writers import WRITERS

MANIFEST, CARD, ROWS = "export.json", "README.md", "rows.jsonl"
_NOT_NAMED = "not stated"


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """What was exported.

    `files` has the rows and estimated tokens of each file, `left_out` the number of rows left out
    by reason, `personal` the places that look like personal data by kind, `findings` what the check
    of the written files found. `folder` is None after a dry run.
    """

    folder: Path | None
    format: Format
    files: dict[str, dict[str, Any]]
    sources: dict[str, int]
    left_out: dict[str, int]
    personal: dict[str, int]
    findings: list[Finding]
    card: str

    def __repr__(self) -> str:
        lines = [
            f"{name}: {file['rows']:,} rows, about {file['tokens']:,} tokens"
            for name, file in self.files.items()
        ]
        lines += [f"left out, {why}: {count:,}" for why, count in self.left_out.items()]
        return "\n".join(lines)


def export(
    what: str | Path,
    format: str,  # noqa: A002 - what it is called everywhere
    out: str | Path,
    *,
    sources: Sequence[str] = (),
    prompt: str | None = None,
    score: str | None = None,
    at_least: float = 1.0,
    raters: int = 1,
    validation: float = 0.1,
    personal: str = "hide",
    keep: Sequence[str] = (),
    licence: str = "",
    price: float | None = None,
    force: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[int, int], object] | None = None,
) -> Exported:
    """Write training data of an experiment or a run into a folder.

    A case that tests is never exported: those of a test or confirm split, of any experiment of the
    project, also reworded; without splits, all cases of an experiment with a gate.

    Args:
        what: an experiment (its file or name) or a run (its id, `latest`, an experiment's name for
            its newest run).
        format: one of `pex.training.formats.FORMATS`, or `lora-kit`: `trl-messages` with a script
            that trains an open model, and how to use the result.
        out: the folder to make.
        sources: `expected` (expected answers, also corrected ones), `passed` (answers that passed
            `score`), `ratings` (blind ratings of pairs), `judge` (a pairwise judge), `thumbs`. By
            default what the format is for: expected, ratings, or thumbs.
        prompt: the prompt whose messages are written, if there are several.
        score: the score that answers passed, or the judge.
        at_least: what passes.
        raters: how many people must have rated a pair.
        validation: the share of the groups that goes into `validation.jsonl`; 0 for none.
        personal: `hide`, `keep` or `refuse` what looks like a person's data.
        keep: what is nobody's data: a value, all addresses of a domain (`@firm.org`), or a regular
            expression for the whole value (`re:[+]49 800 .*`).
        licence: the licence of the data, for the card.
        price: USD for a million training tokens, for the card; by default what `pex.toml` says of
            the models (`training_usd_per_million`).
        force: replace an earlier export in this folder.
        dry_run: say what would be written, and write nothing.
        on_progress: called with the rows written and all rows.

    Raises:
        PexError: something does not fit, a secret is in a row, or nothing is left to export.
    """
    choice = choice_of(
        format, sources, prompt, Options(score, at_least, raters, format == "trl-unpaired"),
        validation, personal, licence, price, tuple(keep),
    )  # fmt: skip
    folder = Path(out)
    _check_folder(folder, force)
    with _seldom_collected():
        return _exported(what, choice, folder, dry_run, on_progress)


def _exported(
    what: str | Path,
    choice: Choice,
    folder: Path,
    dry_run: bool,
    on_progress: Callable[[int, int], object] | None,
) -> Exported:
    left_out = LeftOut()
    material = material_of(what, choice.sources, choice.options, left_out)
    cleaner = RowCleaner(choice.personal, choice.keep)
    chosen = chosen_picks(material, left_out, cleaner)
    part = folder.absolute().with_name(f".{folder.name}.part-{os.getpid()}")
    part.mkdir(parents=True)
    try:
        writing = _Writing(part, material, choice, left_out, cleaner)
        exported = writing.end(writing.write(chosen, folder, on_progress))
        if choice.kit:
            card = put_kit(part, exported.card)
            exported = dataclasses.replace(exported, card=card)
        if not dry_run:
            _put_in_place(part, folder)
            exported = dataclasses.replace(exported, folder=folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return exported


@contextlib.contextmanager
def _seldom_collected() -> Iterator[None]:
    """Python's search for reference cycles less often: it goes through all cases each time."""
    before = gc.get_threshold()
    if before[0]:
        gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _check_folder(folder: Path, force: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MANIFEST).is_file()):
        raise PexError(f"{folder} is there and is not an export", hint="give another folder")
    if any(folder.iterdir()) and not force:
        raise PexError(f"{folder} is already there", hint="--force replaces it")


def _put_in_place(part: Path, folder: Path) -> None:
    """Rename the finished folder; an earlier export is moved aside first, then deleted."""
    old = folder.absolute().with_name(f".{folder.name}.old-{os.getpid()}")
    if folder.exists():
        folder.rename(old)
    try:
        part.rename(folder)
    except OSError as error:
        if old.exists():
            old.rename(folder)
        raise PexError(f"{folder}: cannot be written: {error.strerror}") from None
    shutil.rmtree(old, ignore_errors=True)


class _Writing:
    """Writes the files of one export, row by row."""

    def __init__(
        self,
        part: Path,
        material: Material,
        choice: Choice,
        left_out: LeftOut,
        cleaner: RowCleaner,
    ) -> None:
        self.files: dict[str, dict[str, Any]] = {}
        self._part = part
        self._material = material
        self._choice = choice
        self._left_out = left_out
        self._prompt = material.prompt(choice.prompt)
        self._version = self._prompt.digest
        self._cleaner = cleaner
        self._sources = LeftOut()
        self._origins = LeftOut()
        self._licences = LeftOut()
        self._raters = LeftOut()

    def write(
        self,
        picks: Sequence[Pick],
        folder: Path,
        on_progress: Callable[[int, int], object] | None,
    ) -> list[Finding]:
        """Write all rows, and a line about each into `rows.jsonl`; what the check of them found."""
        side = self._sides(picks)
        names = ["train.jsonl"] + ["validation.jsonl"] * ("validation" in side.values())
        checks = {name: FileCheck(folder / name, self._choice.format) for name in names}
        with OutputFiles(self._part, [*names, ROWS]) as files:
            for number, pick in enumerate(picks, 1):
                row = self._row(pick)
                if row is not None:
                    name = f"{side[pick.case.id]}.jsonl"
                    data = orjson.dumps(row)
                    line = files.add(name, data)
                    checks[name].see(line, row)
                    files.add(ROWS, orjson.dumps(self._about(pick, name, line, data)))
                if on_progress is not None and (number % 1000 == 0 or number == len(picks)):
                    on_progress(number, len(picks))
        self._cleaner.end()
        self.files = {name: files.facts(name) for name in names if files.facts(name)["rows"]}
        if not self.files:
            reasons = "; ".join(f"{why}: {count:,}" for why, count in self._left_out.items())
            raise PexError(f"nothing is left to export ({reasons})")
        return [
            finding
            for name in self.files
            for finding in checks[name].end()
            if not (finding.line == 0 and name == "validation.jsonl")  # may be small
        ]

    def end(self, findings: list[Finding]) -> Exported:
        """Write the card and the manifest."""
        facts = {
            "format": self._choice.format,
            "what": self._material.name,
            "run": self._material.run_id,
            "prompt": self._prompt.name,
            "prompt_version": self._version,
            "sources": dict(self._sources),
            "origins": dict(self._origins),
            "licences": dict(self._licences),
            "raters": dict(self._raters),
            "personal": {
                "mode": self._choice.personal, "rows": self._cleaner.rows,
                "places": dict(self._cleaner.counts),
            },
            "validation": self._choice.validation,
            "training_usd_per_million": self._prices(),
            "files": self.files,
            "left_out": dict(self._left_out.most_common()),
            "findings": [dataclasses.asdict(finding) for finding in findings],
        }  # fmt: skip
        card = card_text(facts)
        (self._part / CARD).write_text(card, encoding="utf-8")
        (self._part / MANIFEST).write_bytes(
            orjson.dumps(to_json_value(facts), option=orjson.OPT_INDENT_2)
        )
        return Exported(
            None, self._choice.format, self.files, dict(self._sources),
            dict(self._left_out.most_common()), dict(self._cleaner.counts), findings, card,
        )  # fmt: skip

    def _prices(self) -> Mapping[str, float]:
        """USD for a million training tokens, by model; the name is empty for a price as given."""
        if self._choice.price is not None:
            return {"": self._choice.price}
        known = load_settings(self._material.project).models
        prices = {
            model: known[model].training_usd_per_million
            for model in self._material.models if model in known
        }  # fmt: skip
        return {model: price for model, price in prices.items() if price is not None}

    def _sides(self, picks: Sequence[Pick]) -> dict[str, str]:
        """The file of each case; groups stay together."""
        cases = list({pick.case.id: pick.case for pick in picks}.values())
        share = self._choice.validation
        if share == 0:
            return dict.fromkeys((case.id for case in cases), "train")
        parts = divide_cases(cases, {"train": 1 - share, "validation": share})
        return {case.id: name for name, members in parts.items() for case in members}

    def _row(self, pick: Pick) -> dict[str, Any] | None:
        case = pick.case
        try:
            if len(self._prompt.turns(case.values)) > 1:
                raise UnfitError("a conversation of several turns")
            # No secret: the delimiter of a row only has to differ from that of others.
            words = Hidden(SHOWN.canary, hashlib.sha256(case.id.encode()).hexdigest()[:20])
            messages = self._prompt.render_with_images(case.values, self._material.folder, words)
            example = Example(messages, pick.answer, pick.rejected, pick.label, self._prompt.tools)
            row = WRITERS[self._choice.format](example)
        except UnfitError as error:
            self._left_out[error.message] += 1
            return None
        except PexError as error:
            raise PexError(f"case '{case.id}': {error.message}", hint=error.hint) from None
        row = self._cleaner.clean(row, case.id)
        self._sources[pick.source] += 1
        self._origins[_origin(case)] += 1
        self._licences[self._licence(case)] += 1
        if "raters" in pick.facts:
            self._raters[str(pick.facts["raters"])] += 1
        return row

    def _licence(self, case: Case) -> str:
        own = case.inputs.get("licence") or case.inputs.get("license")
        return str(own or self._choice.licence or _NOT_NAMED)

    def _about(self, pick: Pick, name: str, line: int, data: bytes) -> dict[str, Any]:
        """What the manifest says of a row."""
        case = pick.case
        origin = case.provenance
        traced = {} if origin is None or not origin.trace else {
            "origin_trace": origin.trace, "origin_user": origin.user,
            "origin_prompt": origin.prompt,
        }  # fmt: skip
        return {
            "file": name, "line": line, "case_id": case.id, "group": case.group or "",
            "source": pick.source, "origin": _origin(case), "licence": self._licence(case),
            "prompt": self._prompt.name, "prompt_version": self._version,
            **{key: value for key, value in traced.items() if value},
            **pick.facts, "sha256": hashlib.sha256(data).hexdigest(),
        }  # fmt: skip


def _origin(case: Case) -> str:
    """Where a case comes from, in words."""
    if case.provenance is None:
        return "written by people"
    if case.provenance.trace:
        return "a deployed trace"
    return "generated, accepted by a person"
