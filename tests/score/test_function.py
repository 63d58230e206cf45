"""Functions as scorers: what they get, what they cannot change, how a file names them."""

import functools
import os
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.call import Answer
from pex.core.cases import Case
from pex.score.build import build, dump, imported, parted
from tests.helpers.scores import score, value


def test_a_function_cannot_change_what_is_kept() -> None:
    def vandal(output: str, q: list, expected: list, tags: list, answer: Answer) -> bool:
        q.append("!")
        expected.clear()
        tags.append("!")
        answer.output = "!"
        return True

    case, answer = Case("c", {"q": ["a"]}, ["b"], tags=("t",)), Answer(output="x")
    (scorer,) = build([vandal], [case])
    assert scorer(answer, case)["vandal"].value is True
    assert (case.inputs, case.expected, case.tags, answer.output) == (
        {"q": ["a"]},
        ["b"],
        ("t",),
        "x",
    )


def later(output: str, q: str, /) -> bool:
    return bool(output)


async def waits(output: str) -> bool:
    return True


class Waits:
    """An object that is called like a function, and makes others wait."""

    async def __call__(self, output: str) -> bool:
        return True


def keyword(*, output: str) -> bool:
    return True


def wants(output: str, group_: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (later, "'q' cannot be given by its name"),
        (waits, "scorer 'waits': it is asynchronous"),
        (Waits(), "scorer 'Waits': it is asynchronous"),
        (keyword, "first parameter must be the output"),
        (max, "its parameters cannot be read"),
        (
            functools.partial(wants),
            "scorer 'partial': no case has 'group_'\n  did you mean 'group'",
        ),
    ],
)
def test_functions_that_cannot_score(function: Any, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        build([function], [Case("c", {"q": "x"})])


def test_what_a_function_may_leave_out() -> None:
    def everything(output: str | None, *, limit: int = 3, **case: Any) -> bool:
        return output is None and set(case) >= {"q", "expected", "case_id", "group", "tags"}

    assert value(everything, None) is True
    assert value(str.isupper, "X") is True


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "pex_t_boom": "raise ValueError('boom')",
        "pex_t_syntax": "def (",
        "pex_t_exit": "raise SystemExit(1)",
        "pex_t_good": "import functools\n"
        "def calm(output): return '!' not in output\n"
        "@functools.wraps(calm)\ndef loud(output): return '!' in output\n",
        "pex_t_mlflow": "from mlflow.genai.scorers import scorer\n"
        "@scorer\ndef short(outputs): return len(outputs) < 3\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text + "\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("pex_t_boom:f", "cannot import pex_t_boom: ValueError: boom"),
        ("pex_t_syntax:f", "cannot import pex_t_syntax: SyntaxError"),
        ("pex_t_exit:f", "cannot import pex_t_exit: SystemExit"),
        ("pex_t_good:clam", "did you mean 'calm'"),
        ("pex_t_good:__name__", "has no function '__name__'"),
        (":f", "expected 'module:function', got ':f'"),
        ("..up:f", "expected 'module:function'"),
        ("os:", "expected 'module:function'"),
        ({"kind": "function", "function": "calm"}, "expected 'module:function', got 'calm'"),
    ],
)
def test_names_of_no_function(reference: Any, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        imported(parted(build([reference], [Case("c", {"q": "x"})]))[0])


REEXPORTS = """
import contextlib, functools, operator, os, subprocess, re
from builtins import eval, exec
from os import system
from os.path import exists
from subprocess import Popen, run
from shutil import rmtree
shell = functools.partial(functools.partial(system))
cached = functools.lru_cache(os.system)
method = operator.methodcaller("upper")
upper = str.upper
search = re.compile("x").search
write = Popen.communicate
def own(output): return output == "x"
@functools.wraps(system)
def wrapped(output): return output == "x"
@functools.lru_cache
def kept(output): return output == "x"
@functools.singledispatch
def single(output): return output == "x"
strict = functools.partial(own)
class Judge:
    def __call__(self, output): return output == "x"
    def of(self, output): return output == "x"
judge = Judge()
bound = judge.of
"""
STANDARD = [
    "os:system", "posix:system", "subprocess:run", "builtins:eval", "os.path:exists",
    "importlib:import_module", "shutil:rmtree", "_posixsubprocess:fork_exec", "code:interact",
    "runpy:run_path", "ctypes:CDLL", "multiprocessing.util:spawnv_passfds"
]  # fmt: skip
HIDDEN = [
    "eval", "exec", "system", "exists", "Popen", "run", "rmtree", "shell", "cached", "method",
    "upper", "search", "write",
]  # fmt: skip


@pytest.mark.parametrize("reference", STANDARD)
def test_no_function_of_pythons_own_modules(reference: str) -> None:
    for item in (reference, {"kind": "function", "function": reference, "name": "s"}):
        with pytest.raises(pex.PexError) as caught:
            imported(build([item], [Case("c", {"q": "x"})]))
        assert f"function: '{reference}' cannot be a scorer" in caught.value.message
        assert "is Python's own module" in caught.value.message
        assert "a module of the project or of an installed package" in str(caught.value.hint)


@pytest.mark.parametrize("name", HIDDEN)
def test_nor_through_another_module(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pex_t_again.py").write_text(REEXPORTS)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(pex.PexError, match="it comes from Python's own module"):
        imported(parted(build([f"pex_t_again:{name}"], [Case("c", {"q": "x"})]))[0])


@pytest.mark.parametrize("name", ["own", "wrapped", "kept", "single", "strict", "judge", "bound"])
def test_a_projects_own_functions_are_its_own_whatever_is_around_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pex_t_again.py").write_text(REEXPORTS)
    monkeypatch.syspath_prepend(tmp_path)
    assert value(f"pex_t_again:{name}", "x") is True


def test_a_function_given_in_python_is_the_users_own() -> None:
    assert build([os.path.exists], [Case("c", {"q": "x"})])[0].name == "exists"


@pytest.mark.usefixtures("modules")
def test_a_scorer_of_mlflow_by_name() -> None:
    assert value("pex_t_mlflow:short", "ab") is True
    item = {"kind": "function", "name": "brief", "function": "pex_t_mlflow:short"}
    assert score(item, "abc")["brief"].value is False


@pytest.mark.usefixtures("modules")
def test_only_what_its_name_finds_can_be_saved() -> None:
    import pex_t_good  # type: ignore[import-not-found]

    assert dump([pex_t_good.calm]) == ["pex_t_good:calm"]
    reference = dump([wants])
    assert reference == [f"{__name__}:wants"]

    def inner(output: str) -> bool:
        return True

    # `loud` says that it is called `calm`: saved by that name it would be another scorer.
    for item in (pex_t_good.loud, inner, functools.partial(wants), Waits().__call__, 3):
        with pytest.raises(pex.PexError, match="cannot be saved"):
            dump([item])
