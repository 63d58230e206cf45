"""Every script of benchmarks/ is in the table of `make bench`, or is said to be left out."""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "benchmarks"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`all` and `figures`, imported as they import each other when one runs them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("all"), importlib.import_module("figures")


def test_every_script_is_run_or_said_to_be_left_out(modules: Any) -> None:
    every, _ = modules
    named = [script.name for script in every.SCRIPTS] + list(every.SUPPORT)
    assert sorted(named) == sorted(path.stem for path in FOLDER.glob("*.py"))


def test_every_benchmark_reports_a_figure(modules: Any) -> None:
    every, _ = modules
    silent = []
    for script in every.SCRIPTS:
        tree = ast.parse((FOLDER / f"{script.name}.py").read_text("utf-8"))
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if "figure" not in [call.id for call in calls if isinstance(call, ast.Name)]:
            silent.append(script.name)
    assert silent == []


def test_a_figure_is_printed_and_kept_with_its_ratio(
    modules: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    _, figures = modules
    path = tmp_path / "figures.jsonl"
    monkeypatch.setenv(figures.FILE, str(path))
    figures.figure("a run", 3.44, "s", floor=2, floor_name="bare aiohttp")
    figures.figure("a start", 0, "s", floor=0, floor_name="nothing")
    figures.not_measured("a peer", "it is not installed")
    with pytest.raises(ValueError, match="a run: a floor has a name"):
        figures.figure("a run", 3.44, "s", floor=2)
    said = "a run: 3.44 s   1.72 × bare aiohttp (2 s)"
    assert capsys.readouterr().out.splitlines()[0] == said
    assert len([json.loads(line) for line in path.read_text("utf-8").splitlines()]) == 3
    (run, start), missing = figures.read(path)
    assert (run.measured, run.compared_with, run.ratio) == (
        "3.44 s", "bare aiohttp (2 s)", "1.72 ×",
    )  # fmt: skip
    assert start.ratio == ""
    assert missing == ["a peer: it is not installed"]


def test_one_that_fails_or_hangs_or_says_nothing_does_not_end_the_others(
    modules: Any, tmp_path: Path
) -> None:
    every, _ = modules
    line = "from benchmarks.figures import figure\nfigure('a | b', 1, 's')\n"
    for name, code in (
        ("good", line),
        ("bad", f"{line}raise SystemExit(3)"),
        ("slow", f"{line}import time\ntime.sleep(600)"),
        ("silent", "pass"),
    ):
        (tmp_path / f"{name}.py").write_text(code)
    scripts = [
        every.Script("good"),
        every.Script("bad"),
        every.Script("slow", timeout_s=1),
        every.Script("silent"),
        every.Script("lacks", needs=("no_such_package",)),
    ]
    outcomes = [every.run(script, quick=False, folder=tmp_path) for script in scripts]
    assert [one.problem for one in outcomes] == [
        "", "failed with exit code 3, see above", "stopped after 1 s", "reported no figure", "",
    ]  # fmt: skip
    page = every.page(outcomes, scripts, "Measured.", quick=True, named=False)
    assert page.count("a \\| b") >= 2
    assert "failed with exit code 3" in page
    assert "- lacks: it needs no_such_package: not installed" in page
    assert "- soak: it takes an hour (`--only soak`)" in page
