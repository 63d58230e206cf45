"""The options of a run are shown where people look for them, and a wrong one is named."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import pex


def experiment() -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    return pex.Experiment("options", pex.grid(prompt, "lab/m1"), [{"word": "w"}])


@pytest.mark.parametrize(
    ("method", "shown", "hidden"),
    [
        ("run", {"limit", "only", "show", "mlflow_tags"}, set()),
        ("arun", {"limit", "only", "show", "mlflow_tags"}, set()),
        ("start", {"limit", "only", "mlflow_tags"}, {"show"}),
        ("preview", {"limit", "provider_batch"}, {"only", "show"}),
    ],
)
def test_help_shows_the_options(method: str, shown: set[str], hidden: set[str]) -> None:
    parameters = inspect.signature(getattr(experiment(), method)).parameters
    assert shown <= parameters.keys()
    assert not hidden & parameters.keys()
    assert "options" not in parameters


@pytest.mark.parametrize("use_jedi", [True, False])
def test_tab_shows_the_options(use_jedi: bool) -> None:
    shell: Any = InteractiveShell()  # type: ignore[no-untyped-call]
    shell.user_ns["exp"] = experiment()
    shell.Completer.use_jedi = use_jedi
    with provisionalcompleter():
        found = {item.text for item in shell.Completer.completions("exp.run(", len("exp.run("))}
    assert {"limit=", "budget_usd=", "show="} <= found


@pytest.mark.parametrize(
    "call",
    [
        lambda exp: exp.run(limt=3),
        lambda exp: exp.start(limt=3),
        lambda exp: exp.preview(limt=3),
        lambda exp: asyncio.run(exp.arun(limt=3)),
    ],
)
def test_a_wrong_option_is_named_with_the_nearest_right_one(
    call: Callable[[pex.Experiment], Any],
) -> None:
    with pytest.raises(pex.PexError, match=r"unknown option 'limt'\n  did you mean 'limit'\?"):
        call(experiment())
