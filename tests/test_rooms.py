"""How the files of pex import each other: in no circle, and none through the root package."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pex

ROOT = Path(pex.__file__).parent


def module(file: Path) -> str:
    parts = ["pex", *file.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, modules: set[str]) -> set[str]:
    """The modules that a file imports, also inside functions and for types alone."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & modules or {str(node.module)}
    return found & modules


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A way from a module back to itself; empty if there is none."""
    open_ended = dict(graph)
    while ends := [name for name, to in open_ended.items() if not to & set(open_ended)]:
        for name in ends:
            del open_ended[name]
    if not open_ended:
        return []

    def walk() -> Iterator[str]:
        name = min(open_ended)
        while True:
            yield name
            name = min(open_ended[name] & set(open_ended))

    way: list[str] = []
    for name in walk():
        way.append(name)
        if name in way[:-1]:
            break
    return list(itertools.dropwhile(lambda name: name != way[-1], way))


def imports_of_pex() -> dict[str, set[str]]:
    files = {module(file): file for file in ROOT.rglob("*.py")}
    return {name: imported(file.read_text(), set(files)) - {name} for name, file in files.items()}


def test_no_file_imports_itself_by_way_of_others() -> None:
    assert " -> ".join(circle(imports_of_pex())) == ""


def test_a_circle_is_found_and_named() -> None:
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"e"}, "e": {"b"}, "f": {"a"}}
    assert circle(graph) == ["b", "d", "e", "b"]
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_imports_in_functions_and_for_types_count() -> None:
    source = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from pex.core import names\n"
        "def f():\n    from pex.core.errors import PexError\n"
    )
    known = {"pex", "pex.core", "pex.core.names", "pex.core.errors"}
    assert imported(source, known) == {"pex.core.names", "pex.core.errors"}


def test_no_file_imports_the_root_package() -> None:
    assert [name for name, to in imports_of_pex().items() if "pex" in to] == []
