"""Functions as scorers: what they get, what they cannot change, how a file names them."""

import functools
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.call import Answer
from pex.core.cases import Case
from pex.score.build import build, dump
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
        (max, "does not say which parameters"),
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
        build([reference], [Case("c", {"q": "x"})])


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
