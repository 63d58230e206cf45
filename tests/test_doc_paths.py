"""Every path and link in the docs leads somewhere; the scripts behind figures and pictures load."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.helpers import ROOT

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
    *sorted((ROOT / "experiments").glob("*/README.md")),
]
PATH = re.compile(r"(?<![\w/.-])((?:tests|pex|benchmarks|docs|notebooks)/[\w./-]*)")
"""A path of the repository, in a command, in backticks or in a link."""
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"[a-z]+:")
OURS = ("pex", "tests")


def paths_of(text: str) -> list[str]:
    return [found.rstrip(".") for found in PATH.findall(text)]


def links_of(text: str) -> list[str]:
    """Relative links, pictures and anchors; code is not a link."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))
    return [link for link in LINK.findall(text) if not ELSEWHERE.match(link)]


def anchors_of(text: str) -> set[str]:
    """The anchors that a code host gives to headings."""
    anchors: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.+)$", FENCE.sub("", text), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        anchors[slug] = anchors.get(slug, -1) + 1
        if anchors[slug]:
            anchors[f"{slug}-{anchors[slug]}"] = 0
    return set(anchors)


def leads_somewhere(link: str, document: Path) -> bool:
    path, _, anchor = link.partition("#")
    target = document.parent / path if path else document
    if not target.exists():
        return False
    return not anchor or anchor in anchors_of(target.read_text("utf-8"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_and_links(document: Path) -> None:
    text = document.read_text("utf-8")
    assert [path for path in paths_of(text) if not (ROOT / path).exists()] == []
    assert [link for link in links_of(text) if not leads_somewhere(link, document)] == []


def test_each_picture_is_shown() -> None:
    texts = "".join(document.read_text("utf-8") for document in DOCUMENTS)
    pictures = [path.name for path in (ROOT / "docs" / "pictures").iterdir()]
    assert [name for name in pictures if f"pictures/{name}" not in texts] == []


SCRIPTS = [*sorted((ROOT / "benchmarks").glob("*.py")), *sorted((ROOT / "docs").glob("*.py"))]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_script_imports_is_there(script: Path) -> None:
    gone = []
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in OURS:
            names = [alias.name for alias in node.names]
            module = __import__(str(node.module), fromlist=names)
            gone += [name for name in names if not hasattr(module, name)]
    assert gone == []


def test_what_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One page: `a_b`\n## Twice\n## Twice\n```sh\n# no heading\npytest tests/gone.py\n```\n"
        "`pex/gone/` and other/pex/x, [a](b.md#c) `[x](y)` [d](https://e)\n"
    )
    text = page.read_text()
    assert paths_of(text) == ["tests/gone.py", "pex/gone/"]
    assert links_of(text) == ["b.md#c"]
    assert anchors_of(text) == {"one-page-a_b", "twice", "twice-1"}
    assert leads_somewhere("#twice-1", page)
    assert leads_somewhere("page.md", page)
    assert not leads_somewhere("#no-heading", page)
    assert not leads_somewhere("other.md", page)
