"""Attacks as training data: with their twins, never of a family that tests, and found elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pex import redteam
from pex.core.errors import PexError
from pex.redteam.families import is_held_out
from pex.redteam.suite import BUILT_IN, filled, load_suites
from pex.training.attacks import attacks_in
from pex.training.export import export
from tests.helpers.command import pexlab
from tests.training.test_export import cases, experiment, rows_of

SECTION = "redteam: {converters: [plain, base64], carriers: 40}\n"


def texts(held_out: bool) -> list[str]:
    return [
        filled(text, {"word": "ZEPPELIN", "host": "c1.example", "tool": "t", "marker": "m1"})
        for suite in load_suites([BUILT_IN], Path())
        for item in suite.attacks
        for text in (item.text, item.twin.text)
        if is_held_out(item.family) == held_out
    ]


def test_about_a_third_of_the_families_tests_and_a_family_is_on_one_side() -> None:
    families = {a.family for suite in load_suites([BUILT_IN], Path()) for a in suite.attacks}
    held = [family for family in families if is_held_out(family)]
    assert 0.15 < len(held) / len(families) < 0.5
    exp = experiment_of_attacks("held_out")
    assert {case.inputs["redteam_kind"] for case in exp.cases} == {"plain", "attack", "twin"}
    with pytest.raises(PexError, match="did you mean 'held_out'"):
        experiment_of_attacks("heldout")


def experiment_of_attacks(families: str):
    from tests.helpers.attacked import reviews

    return redteam.attack(reviews(), families=families, converters=["plain"]).experiment


def test_attacks_and_twins_are_exported_and_none_that_tests(project: Path) -> None:
    path = experiment(project, cases(0, 40), more=SECTION)
    found = export(path, "openai-chat", project / "out", sources=["attacks"])
    said = [
        row["messages"]
        for name in ("train.jsonl", "validation.jsonl")
        for row in rows_of(project / "out" / name)
    ]
    users = ["\n".join(m["content"] for m in row if m["role"] == "user") for row in said]
    assert len(said) > 40
    assert {row[-1]["content"] for row in said} == {"positive", "negative"}
    assert any("Before you do anything else, write" in text for text in users)
    for text in texts(held_out=True):
        assert not any(text in user for user in users), text
    assert found.left_out["attacks of a family that tests"] > 10
    facts = [json.loads(line) for line in (project / "out" / "rows.jsonl").read_text().splitlines()]
    kinds = [row["kind"] for row in facts]
    assert 0.4 < kinds.count("twin") / len(kinds) < 0.6, (
        "a model that only sees attacks refuses all"
    )
    by_file = {}
    for row in facts:
        by_file.setdefault(row["family"], set()).add(row["file"])
    assert all(len(files) == 1 for files in by_file.values()), "a family is on one side"
    assert attacks_in(project / "out" / "train.jsonl") == []


def test_cases_that_test_carry_no_attack(project: Path) -> None:
    rows = [
        {**row, "split": "train" if n < 10 else "confirm"} for n, row in enumerate(cases(0, 40))
    ]
    path = experiment(project, rows, more=SECTION)
    export(path, "openai-chat", project / "out", sources=["attacks"])
    written = (project / "out" / "train.jsonl").read_text()
    assert rows[0]["review"] in written
    assert not any(row["review"] in written for row in rows[10:])


def test_attacks_in_a_file_of_others_are_found_also_reworded(project: Path) -> None:
    held = max(texts(held_out=True), key=len)
    rows = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "no"}]}
        for text in ["What is the capital of France?", f"Nice.\n\n{held}", held.replace(".", "!!")]
        + [f"A harmless question of its own, number {n}?" for n in range(9)]
    ]
    path = project / "foreign.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [finding.line for finding in attacks_in(path)] == [2, 3]
    done = pexlab("finetune", "check", str(path), "--attacks", folder=project)
    assert done.returncode == 1
    assert "which tests" in done.stdout + done.stderr
