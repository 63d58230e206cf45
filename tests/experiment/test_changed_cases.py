"""A case file that was edited after it was read."""

from pathlib import Path

import pytest

import pex


@pytest.mark.parametrize("method", ["run", "start"])
def test_the_warning_names_the_users_line(method: str, tmp_path: Path) -> None:
    cases = tmp_path / "cases.csv"
    cases.write_text("word\none\n")
    exp = pex.Experiment("x", pex.grid(pex.Prompt("{{ word }}", name="echo"), "lab/m1"), cases)
    cases.write_text("word\nthree\n")
    with (
        pytest.warns(UserWarning, match="has changed since it was read") as said,
        pytest.raises(pex.PexError, match="repeats"),
    ):
        getattr(exp, method)(repeats=0)
    assert said[0].filename == __file__
