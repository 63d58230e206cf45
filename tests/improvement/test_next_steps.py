"""What a result says afterwards: next steps by the verdict, and nothing hostile in its notes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.cli.improve import _write
from pex.core.case import Case
from pex.core.splits import split_cases
from pex.improvement.confirmation import confirm
from pex.improvement.improvement import note_of
from pex.improvement.proposal import Measured
from pex.improvement.question import question_of
from pex.improvement.result import Improvement
from pex.improvement.selection import Plan, Selection
from pex.improvement.sets import Sets
from tests.helpers.improving import Listed, experiment
from tests.improvement.test_null import MadeLab

SPLIT = split_cases(
    [Case(f"case-{n}", {"n": n}) for n in range(120)],
    {"train": 0.3, "select": 0.3, "confirm": 0.4},
)
BEST = "{{n}}"


class Misleading(MadeLab):
    """The best prompt of the search has another quality on the confirm set."""

    confirmed = 0.0

    def measure(self, prompts: Sequence[pex.Prompt], cases: Sequence[Case]) -> list[Measured]:
        unseen = cases is SPLIT.confirm
        self._quality = {BEST: self.confirmed if unseen else 1.0}
        return super().measure(prompts, cases)


class Hostile(Listed):
    left_out: tuple[str, ...] = ()

    def propose(self, parent: Measured, bench: Any) -> Any:
        self.left_out = ("refused to write: “No.\n# Big ![x](http://a/b.png) <script>”",)
        yield from super().propose(parent, bench)


def result(confirmed: float | None, way: type[Listed] = Listed) -> Improvement:
    lab = Misleading(1, {})
    plan = Plan([way([BEST])], lambda proposal, start, train: None, 1)
    found = Selection(lab, SPLIT, plan, "ok").run(pex.Prompt("{{ n }}", name="p"))
    end = None
    if confirmed is not None:
        lab.confirmed = confirmed
        end = confirm(lab, found.start, found.best, SPLIT.confirm, "ok")
    sets = Sets(SPLIT)
    return Improvement(question_of("short", experiment(10)), sets, found, end)


@pytest.mark.parametrize(("quality", "verdict"), [(1.0, "better"), (0.4, "undecided")])
def test_the_start_is_not_overwritten_and_only_what_is_better_is_pushed(
    quality: float, verdict: str, project: Path
) -> None:
    found = result(quality)
    assert found.verdict == verdict
    steps = found.next_steps()
    assert steps[0] == 'improvement.save("prompts/p-improved.prompty")'
    assert ("pexlab library push prompts/p-improved.prompty" in steps) == (verdict == "better")
    _write(found, Path("new.prompty"), None)
    assert Path("new.prompty").exists()
    assert len(result(None).next_steps()) == 1


def test_what_is_worse_is_not_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = result(0.0)
    assert found.verdict == "worse"
    assert found.next_steps() == []
    _write(found, Path("new.prompty"), None)
    assert not Path("new.prompty").exists()
    assert "new.prompty is not written: the verdict is 'worse'" in capsys.readouterr().err


def test_what_a_model_replied_is_one_line_and_no_markdown(project: Path) -> None:
    found = result(1.0, Hostile)
    said = "(“No. # Big ![x](http://a/b.png) <script>”)"
    assert any(said in note for note in found.notes)
    assert said in repr(found)
    note = note_of(found)
    assert "# Big !\\[x\\](http&#58;//a/b.png) &lt;script>" in note
    assert all(line.startswith(("- ", "**")) for line in note.splitlines() if line)
