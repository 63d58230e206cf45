"""A plan is checked whole before anything runs."""

from pathlib import Path

import pytest

import pex
from pex.batch.parameters import declared
from pex.batch.plan import load_plan
from tests.helpers.notebooks import notebook, plan

PARAMETERS = (
    "# a comment\nmodel: str | None = None  # help\nlimit: int = 3\nshare = 0.5\n"
    "names: list[str] = [\n    'a',\n]\nanything = None\nflag = True\nother: Optional[int] = None\n"
)


def test_declared_parameters(tmp_path: Path) -> None:
    found = declared(notebook(tmp_path / "n.ipynb", PARAMETERS), "plan")
    assert {name: parameter.types for name, parameter in found.items()} == {
        "model": ("str", "None"),
        "limit": ("int",),
        "share": ("float", "None"),
        "names": ("list",),
        "anything": None,
        "flag": ("bool", "None"),
        "other": ("int", "None"),
    }


def test_sweeps(tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", PARAMETERS)
    loaded = load_plan(
        plan(
            tmp_path,
            "steps:\n"
            "  - {id: b, notebook: n.ipynb, needs: [a], sweep: [{limit: 1}, {limit: 2, model: x}]}\n"
            "  - {id: a, notebook: n.ipynb, parameters: {limit: 9},"
            " sweep: {model: [local/smollm2, x], share: [0.5, 1]}}\n",
        )
    )
    assert [job.id for job in loaded.jobs] == [
        "a-model=smollm2-share=0.5",
        "a-model=smollm2-share=1",
        "a-model=x-share=0.5",
        "a-model=x-share=1",
        "b-limit=1",
        "b-limit=2-model=x",
    ]
    assert loaded.jobs[0].parameters == {"limit": 9, "model": "local/smollm2", "share": 0.5}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("- {id: a, notebook: n.ipynb, parameters: {modle: x}}", r"no parameter 'modle'\n  did you mean 'model'"),
        ("- {id: a, notebook: n.ipynb, parameters: {limit: many}}", "'limit' of n.ipynb is int, got 'many'"),
        ("- {id: a, notebook: n.ipynb, parameters: {limit: true}}", "is int, got True"),
        ("- {id: a, notebook: n.ipynb, sweep: {limits: [1]}}", "did you mean 'limit'"),
        ("- {id: a, notebook: m.ipynb}", "did you mean 'n.ipynb'"),
        ("- {id: a, notebook: bare.ipynb, parameters: {x: 1}}", "tag the cell that declares them"),
        ("- {id: a, notebook: broken.ipynb}", "broken.ipynb is not a notebook"),
        ("- {id: a, notebook: n.ipynb, needs: [b]}", "needs 'b', which is not a step"),
        ("- {id: a, notebook: n.ipynb, needs: [a]}", "need each other: 'a'"),
        ("- {id: a, notebook: n.ipynb}\n- {id: a, notebook: n.ipynb}", "two steps are called 'a'"),
        ("- {id: a, notebook: n.ipynb, sweep: {limit: [1, 1]}}", "twice: a-limit=1"),
        ("- {id: a, notebok: n.ipynb}", "did you mean 'notebook'"),
        ("- {id: a, notebook: n.ipynb, parameters: {model: sk-12345678}}", "is the value of LAB_KEY"),
    ],
)  # fmt: skip
def test_bad_plans(
    steps: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sk-12345678")
    notebook(tmp_path / "n.ipynb", PARAMETERS)
    notebook(tmp_path / "bare.ipynb", None, "1")
    (tmp_path / "broken.ipynb").write_text("{]")
    with pytest.raises(pex.PexError, match=message) as caught:
        load_plan(plan(tmp_path, f"steps:\n{steps}"))
    assert "sk-1234" not in str(caught.value)
