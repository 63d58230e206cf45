"""Tab completion in cells with `%%prompt` and `%pex`.

Nothing here calls a model, a server or MLflow, and nothing raises: errors show when the cell is
run. What is read from disk is cached until it changes.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)

from pex.core.attempt import attempt
from pex.core.case_files import FORMATS
from pex.core.cases import Case, load_cases
from pex.core.errors import PexError
from pex.core.names import ROLES
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.core.reading import Reading
from pex.experiment.experiment import Experiment
from pex.library.names import names as library_names
from pex.magics.asking import columns_of, last_experiment
from pex.magics.cell import FLAGS, OPTIONS, REPEATABLE, SHORT, identifier
from pex.project import keys
from pex.project.folder import declared_beside
from pex.project.listing import experiment_files, prompt_files
from pex.project.settings import Settings, load_settings
from pex.project.spec import load_spec
from pex.run.endpoint import key_variable
from pex.run.prices import listed
from pex.run.providers import BUILT_IN
from pex.tracking.store import tracking_uri

MATCHER = "pex"
COMMANDS = ("show", "run")
PARAMS = ("temperature", "max_tokens", "top_p", "seed", "stop", "reasoning_effort", "verbosity")
MAX_BYTES = 5_000_000
"""Bytes of a file of cases; reading a larger one would take too long while typing."""
_CASES = FORMATS
_VARIABLE = re.compile(r"\{\{-?\s*(\w*)$|\{%-?\s[^%}|]*?(\w*)$")
_IN_TEXT = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)")


def register(shell: Any) -> None:
    """Register with the shell's completer; once, however often it is called."""
    completer = PexCompleter(shell.user_ns)

    @context_matcher(identifier=MATCHER)  # type: ignore[untyped-decorator]
    def matcher(context: CompletionContext) -> SimpleMatcherResult:
        lines = context.full_text.split("\n")
        completions, fragment = completer.complete(
            lines, context.cursor_line, context.text_until_cursor
        )
        return SimpleMatcherResult(
            completions=[SimpleCompletion(text, type=kind) for text, kind in completions],
            matched_fragment=fragment,
            suppress=bool(completions),
            ordered=True,
        )

    others = [
        item
        for item in shell.Completer.custom_matchers
        if getattr(item, "matcher_identifier", "") != MATCHER
    ]
    shell.Completer.custom_matchers = [*others, matcher]


Completion = tuple[str, str]
"""A completion and its kind."""


class PexCompleter:
    """Finds the completions at the cursor.

    Args:
        space: the variables of the notebook.
    """

    def __init__(self, space: Mapping[str, Any]) -> None:
        self._space = space
        self._read: dict[Path, tuple[Any, Any]] = {}
        self._tables: dict[str, list[str]] = {}
        self._asked_for_tables = False

    def complete(self, lines: list[str], number: int, before: str) -> tuple[list[Completion], str]:
        """The completions, and the text before the cursor that they replace.

        Args:
            lines: of the cell.
            number: of the line with the cursor, from 0.
            before: that line up to the cursor.
        """
        first = next((n for n, line in enumerate(lines) if line.strip()), 0)
        magic = re.match(r"\s*(%%?prompt|%pex)\s", before)
        try:
            if magic is not None:
                self._want_tables()
                return self._in_line(magic[1], before[magic.end() :], lines[number + 1 :])
            if number > first and re.match(r"\s*%%prompt\b", lines[first]):
                return self._in_text(lines[first], before)
        except (PexError, OSError, ValueError):
            # Errors of a file show when the cell is run.
            return [], ""
        return [], ""

    def _in_line(self, magic: str, before: str, text: list[str]) -> tuple[list[Completion], str]:
        fragment = re.findall(r"\S*$", before)[0]
        words = before[: len(before) - len(fragment)].split()
        if magic == "%pex":
            found = self._for_pex(words)
        elif not words:
            found = self._prompts(library=magic == "%prompt")
        else:
            found = self._for_option(words, fragment, "\n".join(text))
        return _starting_with(found, fragment), fragment

    def _for_pex(self, words: list[str]) -> list[Completion]:
        if not words:
            return [(name, "command") for name in COMMANDS]
        known = [(name, "experiment") for name in experiment_files(find_project())]
        if words == ["show"]:
            return [*known, *self._prompts(library=True)]
        return known if words == ["run"] else []

    def _for_option(self, words: list[str], fragment: str, text: str) -> list[Completion]:
        given = [SHORT.get(w.partition("=")[0], w.partition("=")[0]) for w in words]
        at = max((n for n, word in enumerate(given) if word in OPTIONS), default=None)
        option = given[at] if at is not None else ""
        values = words[at + 1 :] if at is not None else []
        left = [(name, "option") for name in OPTIONS if name not in given or name in REPEATABLE]
        if fragment.startswith("-"):
            return [*left, *((name, "option") for name in SHORT)]
        if not option or option in FLAGS or (values and option not in REPEATABLE):
            return left
        source = next((words[n + 1] for n, w in enumerate(given[:-1]) if w == "--cases"), None)
        found = {
            "--model": lambda: self._models(fragment),
            "--case": lambda: [(case.id, "case") for case in self._cases(source)],
            "--cases": self._sources,
            "--with": lambda: self._values(words[0], text, fragment),
            "--param": lambda: [(f"{name}=", "parameter") for name in PARAMS],
        }[option]()
        found = [item for item in found if item[0] not in values]
        return [*found, *left] if values and not fragment else found

    def _in_text(self, line: str, before: str) -> tuple[list[Completion], str]:
        inside = _VARIABLE.search(before)
        if inside is None:
            role = re.fullmatch(r"\w+", before)
            fragment = role[0] if role else ""
            return (_starting_with([(f"{name}:", "role") for name in ROLES], fragment), fragment) \
                if role else ([], "")  # fmt: skip
        fragment = inside[1] if inside[1] is not None else inside[2]
        words = line.split()
        source = next((words[n + 1] for n, w in enumerate(words[:-1]) if w == "--cases"), None)
        columns = columns_of(self._cases(source))
        if not columns:
            files = experiment_files(find_project())
            columns = [name for item in files for name in columns_of(self._cases(item))]
        kept = [name for name in dict.fromkeys(columns) if name.isidentifier()]
        return _starting_with([(name, "variable") for name in kept], fragment), fragment

    def _prompts(self, library: bool) -> list[Completion]:
        project = find_project()
        own = [v.name for v in self._space.values() if isinstance(v, Prompt)]
        found = [*own, *prompt_files(project)]
        if library:
            with contextlib.suppress(PexError):  # a store that cannot be used
                uri = tracking_uri(project, _settings(project))
                found += [f"library:{name}" for name in library_names(uri)]
        return [(name, "prompt") for name in dict.fromkeys(found)]

    def _models(self, fragment: str) -> list[Completion]:
        project = find_project()
        settings = _settings(project)
        provider, slash, _ = fragment.partition("/")
        table = self._tables.get(provider, []) if slash else []
        found = ["local/smollm2", *settings.prices]
        for value in self._space.values():
            if isinstance(value, Experiment):
                found += [variant.model for variant in value.variants]
        for path in experiment_files(project).values():
            spec = self._cached(path, load_spec)
            if spec is not None:
                found += [*spec.models, *(v.model for v in spec.variants if v.model)]
        found += [f"{provider}/{name}" for name in table]
        open_ended = [*settings.providers, *(name for name in BUILT_IN if _has_key(name, settings))]
        found += [] if slash else [f"{name}/" for name in open_ended]
        return [(name, "model") for name in dict.fromkeys(found)]

    def _sources(self) -> list[Completion]:
        project = find_project()
        files = [path for path in Path.cwd().iterdir() if path.suffix in _CASES]
        files += [path for path in project.glob("experiments/[!.]*/*") if path.suffix in _CASES]
        relative = [str(f.relative_to(project)) for f in files if f.is_relative_to(project)]
        variables = [
            (name, "experiment")
            for name, value in self._space.items()
            if isinstance(value, Experiment) and not name.startswith("_")
        ]
        known = [(name, "experiment") for name in experiment_files(project)]
        return [*known, *variables, *((name, "file") for name in dict.fromkeys(relative))]

    def _values(self, name: str, text: str, fragment: str) -> list[Completion]:
        """Variables of the prompt, and after `name=$` those of the notebook."""
        known, equals, value = fragment.partition("=")
        if equals and value.startswith("$"):
            names = [key for key in self._space if not key.startswith("_")]
            return [(f"{known}=${key}", "variable") for key in names]
        found = list(dict.fromkeys(_IN_TEXT.findall(text)))
        prompt = self._space.get(identifier(name))
        if not found and isinstance(prompt, Prompt):
            found = list(prompt.variables)
        return [(f"{item}=", "variable") for item in found]

    def _cases(self, source: str | None) -> list[Case]:
        """The cases in use, if they can be read quickly."""
        value = last_experiment(self._space) if source is None else self._space.get(source)
        if isinstance(value, Experiment):
            return value.cases
        if source is None:
            return []
        if value is not None and hasattr(value, "to_dict"):
            return load_cases(value.head(200))
        project = find_project()
        path = experiment_files(project).get(source) or project / source
        columns: Mapping[str, str] | None = None
        reading = Reading()
        if path.suffix in (".yaml", ".yml"):
            spec = self._cached(path, load_spec)
            if spec is None:
                return []
            path, columns = path.parent / spec.cases.file, spec.columns
            reading = spec.cases.reading
        elif path.suffix in _CASES:
            columns, reading = declared_beside(path)
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return []
        return (
            self._cached(path, lambda file: load_cases({"file": file, **reading.given()}, columns))
            or []
        )

    def _cached(self, path: Path, read: Callable[[Path], Any]) -> Any:
        """The result of `read` for a file, cached until the file changes; None if reading fails."""
        state = attempt(path.stat)
        if isinstance(state, PexError):
            return None
        stamp = (state.st_mtime_ns, state.st_size)
        kept = self._read.get(path)
        if kept is None or kept[0] != stamp:
            found = attempt(lambda: read(path))
            kept = (stamp, None if isinstance(found, PexError) else found)
            self._read[path] = kept
        return kept[1]

    def _want_tables(self) -> None:
        """The models with known prices; the table takes half a second to load, so not here."""
        if not self._asked_for_tables:
            self._asked_for_tables = True
            threading.Thread(target=self._load_tables, name="pex-models", daemon=True).start()

    def _load_tables(self) -> None:
        self._tables = {
            name: [model.name for model in listed(item.prices or "")]
            for name, item in BUILT_IN.items()
        }


def _starting_with(found: Iterable[Completion], fragment: str) -> list[Completion]:
    return [item for item in dict.fromkeys(found) if item[0].startswith(fragment)]


def _settings(project: Path) -> Settings:
    try:
        return load_settings(project)
    except PexError:
        return Settings()


def _has_key(name: str, settings: Settings) -> bool:
    return keys.has(key_variable(name, settings)[0], settings.project)
