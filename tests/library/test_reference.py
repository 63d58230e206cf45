"""What may stand for a prompt of the library."""

import pytest

import pex
from pex.library.reference import Reference, check_alias, parse_reference


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("short", Reference("short")),
        ("short@champion", Reference("short", alias="champion")),
        ("library:short/12", Reference("short", version=12)),
        ("short@latest", Reference("short")),
        ("a.b-c_d/1", Reference("a.b-c_d", version=1)),
    ],
)
def test_a_reference_names_a_version_an_alias_or_the_latest(text: str, meant: Reference) -> None:
    assert parse_reference(text) == meant
    assert parse_reference(str(meant)) == meant


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "prompt name: it is empty"),
        ("my prompt@x", "for example 'my-prompt'"),
        ("short/", "version number from 1"),
        ("short/0", "version number from 1"),
        ("short/1/2", "version number from 1"),
        ("short@", "only letters"),
        ("short@a/b", "only letters"),
        ("short@v2", "version 2 of a prompt is 'name/2'"),
    ],
)
def test_what_cannot_be_a_reference_is_an_error(text: str, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        parse_reference(text)


@pytest.mark.parametrize("alias", ["latest", "LATEST", "v1", "V22", "a b", "a.b", "", "x" * 256])
def test_aliases_that_mlflow_refuses_are_refused_here(alias: str) -> None:
    with pytest.raises(pex.PexError, match="alias"):
        check_alias(alias)
