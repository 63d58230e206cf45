"""What an installation brings may be used with pex, which is Apache-2.0."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.soak

EXTRAS = ("lab", "local", "dask", "improve", "postgres", "mcp", "documents")
"""Those whose packages stand in an environment for development."""
PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|HPND|Unlicense|zlib|0BSD|CC0"
    r"|MIT-CMU|Historical Permission)\b",
    re.IGNORECASE,
)
"""MPL covers the files of the package itself, which pex does not change."""
READ_BY_HAND = {"huey": "MIT", "skops": "MIT"}
"""Packages whose metadata name no licence: by name, the licence that their own text gives."""


def brought() -> dict[str, Distribution]:
    """What `pip install pexlab[…]` brings, by name, from the metadata of what is installed."""
    found: dict[str, Distribution] = {}
    waiting = [(Requirement("pexlab"), EXTRAS)]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        wanted, extras = waiting.pop()
        if (wanted.name.lower(), extras) in seen:
            continue
        seen.add((wanted.name.lower(), extras))
        try:
            installed = distribution(wanted.name)
        except PackageNotFoundError:
            continue  # for another platform or version of Python
        found[wanted.name.lower()] = installed
        for line in installed.requires or []:
            needed = Requirement(line)
            given = needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            )
            if given:
                waiting.append((needed, tuple(sorted(needed.extras))))
    return found


def licence(package: Distribution) -> str:
    """Its licence, as its metadata name it."""
    about = package.metadata
    named = [about["License-Expression"] or "", (about["License"] or "")[:200]]
    named += [line for line in about.get_all("Classifier") or [] if line.startswith("License :: ")]
    return "; ".join(filter(None, named))


def test_every_licence_is_permissive() -> None:
    packages = brought()
    assert len(packages) > 100
    other = {
        name: licence(package)
        for name, package in packages.items()
        if not PERMISSIVE.search(READ_BY_HAND.get(name) or licence(package))
    }
    assert other == {}
    copyleft = {
        name: licence(package)
        for name, package in packages.items()
        if re.search(r"\b[AL]?GPL", licence(package)) and " OR " not in licence(package)
    }
    assert copyleft == {}
