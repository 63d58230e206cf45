"""What CONTRIBUTING.md and the package's docstring say of the code is true of it."""

import importlib
import re

import pytest

import pex
from docs.make_rooms import PICTURE, layers, picture
from tests.helpers import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading, up to the next one of its level."""
    _, found, rest = TEXT.partition(f"\n## {title}\n")
    assert found, title
    return rest.partition("\n## ")[0]


def test_the_picture_of_the_rooms_is_that_of_the_contracts() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(), "run python docs/make_rooms.py"


def test_the_package_explains_its_rooms_in_their_order() -> None:
    listed = re.findall(r"^    (\w+) {2,}\S", pex.__doc__ or "", re.MULTILINE)
    assert [name for layer in layers() for name in layer] == listed


def test_every_room_is_in_the_contracts() -> None:
    rooms = {path.parent.name for path in (ROOT / "pex").glob("*/__init__.py")}
    assert rooms == {name for layer in layers() for name in layer}
    assert [path.name for path in (ROOT / "pex").glob("*.py")] == ["__init__.py"]


def named(title: str) -> list[str]:
    return sorted(set(re.findall(r"`(pex\.[\w.]+)`", section(title))))


@pytest.mark.parametrize("title", ["The four journeys", "How to add something"])
def test_every_function_that_is_named_is_there(title: str) -> None:
    names = named(title)
    assert len(names) > 5
    for name in names:
        parts = name.split(".")
        for cut in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:cut]))
            except ModuleNotFoundError:
                continue
            for part in parts[cut:]:
                assert hasattr(found, part), name
                found = getattr(found, part)
            break


def test_each_thing_that_must_not_get_lost_has_a_test() -> None:
    tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", section("What must not get lost"))
    assert len(tests) > 18
    for path, name in tests:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), name
