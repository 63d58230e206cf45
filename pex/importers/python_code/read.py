"""Reads the prompts of Python files: those that calls send, and constants that look like one."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pex.core.errors import PexError
from pex.core.params import check_params, json_params
from pex.core.prompt import Prompt
from pex.core.textfile import read_text
from pex.core.variant import Variant
from pex.importers.imported import Imported, Note, new_name, unreadable
from pex.importers.python_code.calls import Called, prompt_of
from pex.importers.python_code.texts import BuiltByCodeError, Scope, template_of
from pex.importers.variables import as_template, without_roles
from pex.importers.write_project import STAND_IN

TOOL = "Python code"
_NAMED = re.compile(r"(?i)prompt|template|instruction|system_message|sys_msg|rubric")
_SHORTEST = 20
"""Characters of a constant that may be a prompt."""
_MOST_FILES = 5000
_SKIPPED = {"node_modules", "__pycache__", "site-packages", "build", "dist", "venv"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_python_code(path: Path) -> Imported:
    """Read the prompts in a Python file, or in all of a folder; nothing is imported or run.

    Raises:
        PexError: there is no Python file, or no prompt in them.
    """
    if not path.exists():
        raise unreadable(path, "there is no such file or folder", TOOL)
    files = [path] if path.is_file() else sorted(_files(path))
    if len(files) > _MOST_FILES:
        raise unreadable(path, f"{len(files):,} files, at most {_MOST_FILES:,} are read", TOOL)
    if not files:
        raise unreadable(path, "there is no file that ends in .py", TOOL)
    base = path.parent if path.is_file() else path
    prompts: list[Prompt] = []
    notes: list[Note] = []
    for file in files:
        shown = file.relative_to(base).as_posix()
        try:
            _read(read_text(file, "file"), shown, prompts, notes)
        except (PexError, RecursionError, SyntaxError, ValueError) as error:
            why = error.message if isinstance(error, PexError) else f"not valid Python: {error}"
            notes.append(Note(shown, "left out", why))
    if not prompts:
        left = "; ".join(f"{note.where}: {note.how}" for note in notes[:5])
        raise unreadable(path, f"no prompt was found{f' ({left})' if left else ''}", TOOL)
    nameless = [prompt.name for prompt in prompts if prompt.model is None]
    if nameless:
        how = f"no model is named in the code: {STAND_IN} stands in"
        notes += [Note(f"prompt {name}", "changed", how) for name in nameless]
    return Imported(
        tool=TOOL,
        name=f"{path.stem if path.is_file() else path.absolute().name}-prompts",
        prompts=prompts,
        variants=[Variant(prompt, prompt.model or STAND_IN) for prompt in prompts],
        notes=notes,
    )


def is_python_code(path: Path, text: str) -> bool:
    """Whether a path is a file of Python."""
    return path.suffix.lower() == ".py" and path.is_file()


def _files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*.py"):
        parts = file.relative_to(folder).parts
        if not any(part.startswith(".") or part in _SKIPPED for part in parts):
            yield file


def _read(text: str, shown: str, prompts: list[Prompt], notes: list[Note]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about escapes in somebody else's strings
        tree = ast.parse(text.removeprefix("\ufeff"))
    used: set[int] = set()
    top = _assigned(tree.body)
    _calls(tree, top, "", shown, used, prompts, notes)
    _constants(tree, top, shown, used, prompts, notes)


def _calls(
    node: ast.AST,
    values: dict[str, ast.expr],
    function: str,
    shown: str,
    used: set[int],
    prompts: list[Prompt],
    notes: list[Note],
) -> None:
    """The prompts of the calls in a part of the tree, with the names that are known there."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            inside = {name: value for name, value in values.items()
                      if name not in _arguments(child)}  # fmt: skip
            inside |= _assigned(child.body)
            _calls(child, inside, child.name, shown, used, prompts, notes)
            continue
        if isinstance(child, ast.Call):
            where = f"{shown}:{child.lineno}"
            scope = Scope(values, used=used)
            try:
                found = prompt_of(child, scope)
            except BuiltByCodeError as error:
                notes.append(Note(where, "left out", f"a prompt that is built by code: {error}"))
                found = None
            if found is not None:
                _keep(found, scope, function or Path(shown).stem, where, prompts, notes)
        _calls(child, values, function, shown, used, prompts, notes)


def _keep(
    found: Called, scope: Scope, name: str, where: str, prompts: list[Prompt], notes: list[Note]
) -> None:
    """Add a prompt with its place in the front matter; what is not taken over is noted."""
    name = new_name(name.lower(), [prompt.name for prompt in prompts])
    params = {}
    for key, value in found.params.items():
        try:
            check_params(json_params({key: value}), where)
            params[key] = value
        except PexError as error:
            found.left.append(error.message)
    messages = [{**item, "content": without_roles(item["content"])} for item in found.messages]
    messages = [item for item in messages if item["content"].strip()]
    try:
        prompt = Prompt(messages, name, model=found.model, params=params)
        prompts.append(_placed(prompt, where))
    except PexError as error:
        notes.append(Note(where, "left out", error.message))
        return
    notes.append(Note(where, "taken over", f"as prompts/{name}.prompty"))
    notes.extend(Note(where, "changed", change) for change in dict.fromkeys(scope.changes))
    notes.extend(Note(where, "left out", left) for left in dict.fromkeys(found.left))


def _placed(prompt: Prompt, where: str) -> Prompt:
    """The prompt with its file and line under `metadata` in its front matter."""
    source = where.replace('"', "")
    text = prompt.to_prompty().replace("---\n", f'---\nmetadata:\n  source: "{source}"\n', 1)
    return Prompt.parse(text, where, prompt.name)


def _constants(
    tree: ast.Module,
    top: dict[str, ast.expr],
    shown: str,
    used: set[int],
    prompts: list[Prompt],
    notes: list[Note],
) -> None:
    """Constants with a prompt's name that no call has; those that code makes are noted."""
    classes = [item for item in tree.body if isinstance(item, ast.ClassDef)]
    for body in (tree.body, *(item.body for item in classes)):
        values = {**top, **_assigned(body)}
        for statement in body:
            for name, value in _targets(statement):
                if not _NAMED.search(name) or id(value) in used:
                    continue
                _constant(name, value, Scope(values, used=used), shown, prompts, notes)


def _constant(
    name: str, value: ast.expr, scope: Scope, shown: str, prompts: list[Prompt], notes: list[Note]
) -> None:
    where = f"{shown}:{value.lineno}"
    try:
        if isinstance(value, ast.Constant):
            if not isinstance(value.value, str) or len(value.value.strip()) < _SHORTEST:
                return
            made = as_template(value.value)
            text = made.text
            if made.style not in ("", "{{x}}"):
                names = ", ".join(made.names)
                scope.changes.append(f"variables written {made.style} are now {{{{ x }}}}: {names}")
        else:
            text = template_of(value, scope)
    except BuiltByCodeError as error:
        if isinstance(value, ast.BinOp | ast.Call | ast.JoinedStr | ast.IfExp):
            how = f"{name} looks like a prompt and is built by code: {error}"
            notes.append(Note(where, "left out", how))
        return
    if name not in scope.values:
        how = f"{name} is assigned again elsewhere: only this text is taken over"
        notes.append(Note(where, "changed", how))
    _keep(Called([{"role": "user", "content": text}]), scope, name, where, prompts, notes)


def _assigned(body: Sequence[ast.stmt]) -> dict[str, ast.expr]:
    """The names that are assigned exactly once in a body, with their values."""
    found: dict[str, ast.expr] = {}
    times: Counter[str] = Counter()
    for statement in body:
        for inner in ast.walk(statement) if not isinstance(statement, _Scoped) else ():
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                times[inner.id] += 1
        found |= dict(_targets(statement))
    return {name: value for name, value in found.items() if times[name] == 1}


_Scoped = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _targets(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        if statement.value is not None:
            yield statement.target.id, statement.value
    elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        yield statement.target.id, statement.value


def _arguments(function: _Function) -> set[str]:
    given = function.args
    listed = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {item.arg for item in listed if item is not None}
