"""Where three sets would be too small, the search is judged fold by fold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import mlflow
import pytest

import pex
from pex.core.case import Case
from pex.core.splits import Split
from pex.improvement.cross_fit import check_folds, confirm_folds, fold_cases, run_folds
from pex.improvement.lab import Lab
from pex.improvement.memory import earlier_improvements
from pex.improvement.proposal import Measured, Proposal, Workbench
from pex.improvement.selection import Plan, Search, Selection
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.improving import BAD, GOOD, START, Listed, answer, experiment
from tests.improvement.test_null import SEED, MadeLab, Numbered

CASES = 60


class Same(Listed):
    """Proposes the same in every search."""

    more: Sequence[str] = ()

    def propose(self, parent: Measured, bench: Workbench) -> Iterable[Proposal]:
        self._texts = [f"{START} {BAD}", *self.more, f"{START} {GOOD}"]
        return super().propose(parent, bench)


def cross_fit(seed: int, quality: dict[str, float]) -> str:
    """One cross-fitting on made answers; its verdict."""
    lab = MadeLab(seed, quality)

    def search(split: Split, number: int) -> Search:
        plan = Plan([Numbered()], lambda *_: None, rounds=2, proposals=4, seed=seed)
        return Selection(lab, split, plan, "ok").run(pex.Prompt("{{ n }}", name="p"))

    cases = [Case(f"{seed}-{n}", {"n": n}) for n in range(CASES)]
    found = confirm_folds(run_folds(fold_cases(cases, 5, {}), search, lab), "ok")
    assert found.row["n_cases"] == CASES
    return found.verdict


def false_claims(runs: int) -> int:
    return [cross_fit(SEED + number, {}) for number in range(runs)].count("better")


def test_a_search_with_nothing_to_find_is_hardly_ever_said_to_gain() -> None:
    assert false_claims(12) <= 3


def test_a_search_that_finds_a_better_prompt_is_said_to_gain() -> None:
    best = f"{{{{ n }}}} v{SEED * 1000 + 1}.2"
    assert cross_fit(SEED, {best: 0.98}) == "better"


@pytest.mark.soak
def test_of_400_cross_fittings_with_nothing_to_find_at_most_31_claim_one() -> None:
    claims = false_claims(400)
    assert claims <= 31, f"{claims} of 400 with the seed {SEED}"


def test_no_case_judges_a_search_that_has_seen_it_and_groups_stay_together() -> None:
    cases = [Case(str(n), {"n": n}, group=str(n // 3)) for n in range(60)]
    folds = fold_cases(cases, 5, {})
    assert sorted(case.id for _, held in folds for case in held) == sorted(c.id for c in cases)
    for split, held in folds:
        seen = {case.group for case in (*split.train, *split.select)}
        assert not seen & {case.group for case in held}
        assert not {c.group for c in split.train} & {c.group for c in split.select}


def test_groups_that_no_search_can_learn_from_are_refused() -> None:
    uneven = [Case(str(n), {"n": n}, group=str(max(0, n - 37))) for n in range(41)]
    for cases in (uneven, [Case(str(n), {"n": n}, group="g") for n in range(60)]):
        with pytest.raises(pex.PexError, match="too few or too unequal"):
            fold_cases(cases, 3, {})


@pytest.mark.parametrize("folds", [1, 21, True, "5"])
def test_a_number_of_folds_that_does_not_fit_is_refused(folds: int) -> None:
    with pytest.raises(pex.PexError, match="cross_fit"):
        check_folds(folds, [Case(str(n), {"n": n}) for n in range(60)])


def test_too_few_cases_or_groups_are_refused() -> None:
    with pytest.raises(pex.PexError, match="it needs 40"):
        check_folds(5, [Case(str(n), {"n": n}) for n in range(39)])
    with pytest.raises(pex.PexError, match="too few or too unequal"):
        fold_cases([Case(str(n), {"n": n}, group=str(n % 2)) for n in range(60)], 5, {})


def test_it_is_offered_and_its_verdict_is_about_the_search(
    project: Path, lab: FaultyEndpoint
) -> None:
    lab.reply = answer
    exp = experiment(60)
    with pytest.raises(pex.PexError, match="too few for three sets") as refused:
        pex.improve("short", exp, budget_usd=1, ways=[Listed([f"{START} {GOOD}"])])
    assert "cross_fit=5" in str(refused.value.hint)
    assert lab.calls == 0

    class Same(Listed):
        """Proposes the same in every search."""

        def propose(self, parent, bench):
            self._texts = [f"{START} {GOOD}", f"{START} {BAD}"]
            return super().propose(parent, bench)

    options = {"budget_usd": 1, "ways": [Same([])], "rounds": 1, "show": False, "cross_fit": 3}
    found = pex.improve("short", exp, **options)
    assert found.verdict == "better"
    assert GOOD in found.prompt.text
    assert "Cross-fitted over 3 folds" in found.sentence
    assert "not confirmed itself" in " ".join(found.notes)
    assert not found.improved  # the prompt itself is not confirmed
    assert "confirm" not in found.page().split("<tbody>")[0].split("<thead>")[1]
    run = mlflow.MlflowClient(f"sqlite:///{project / 'mlruns' / 'mlflow.db'}").get_run(found.run_id)
    assert run.data.params["cross_fit"] == "3"
    # The same again is the same, and free; another one is no longer fresh.
    calls = lab.calls
    again = pex.improve("short", exp, **options)
    assert lab.calls == calls
    assert again.sentence == found.sentence
    assert "before" not in " ".join(again.notes)
    other = pex.improve("short", exp, seed=1, **options)
    assert "these cases were cross-fitted once before" in " ".join(other.notes)


def test_only_cases_that_a_model_got_are_remembered_as_seen(
    project: Path, lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.reply = answer
    exp = experiment(60)
    options = {"budget_usd": 1, "ways": [Same([])], "rounds": 1, "show": False, "cross_fit": 3}
    uri = f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pex.improvement.improvement.run_folds", stopped)
        with pytest.raises(pex.Interrupted):
            pex.improve("short", exp, **options)
    assert lab.calls == 0
    [begun] = earlier_improvements(uri, "parity")
    assert (dict(begun.membership), begun.confirmed) == ({}, ())
    # After the first set of the first search, only its cases.
    measure = Lab.measure

    def once(self: Lab, prompts: Sequence[pex.Prompt], cases: Sequence[Case]) -> list[Measured]:
        if lab.calls:
            raise KeyboardInterrupt
        return measure(self, prompts, cases)

    with monkeypatch.context() as patch:
        patch.setattr(Lab, "measure", once)
        with pytest.raises(pex.Interrupted):
            pex.improve("short", exp, **options)
    [begun] = earlier_improvements(uri, "parity")
    assert 0 < len(begun.membership) == lab.calls < 60
    found = pex.improve("short", exp, **options)
    [whole] = earlier_improvements(uri, "parity")
    assert (whole.run_id, len(whole.membership), len(whole.confirmed)) == (found.run_id, 60, 1)
    client = mlflow.MlflowClient(uri)
    place = client.get_experiment_by_name("parity (improvement)")
    names = {run.info.run_name for run in client.search_runs([place.experiment_id])}
    digest = found.prompt.digest[:6]
    assert {f"fold {n} of 3, {digest}" for n in (1, 2, 3)} <= names


def test_the_command_says_what_it_would_do(project: Path, lab: FaultyEndpoint) -> None:
    experiment(60).save(project / "experiments" / "parity" / "experiment.yaml")
    done = pexlab(
        "improve", "parity", "--cross-fit", "5", "--budget", "1", "--dry-run", folder=project
    )
    assert done.returncode == 0, done.stderr
    assert "one search for each of 5 folds" in done.stdout
    assert lab.calls == 0


def test_searches_that_the_budget_cut_short_say_nothing(project: Path, lab: FaultyEndpoint) -> None:
    lab.reply = answer
    toml = project / "pex.toml"
    toml.write_text(
        toml.read_text().replace("free = true", "")
        + '[prices."lab/m1"]\ninput_usd_per_million = 1000.0\noutput_usd_per_million = 1000.0\n'
    )
    exp = experiment(60)
    many = Same([], at_once=12)
    many.more = [f"{START} Rule {number}." for number in range(10)]
    options = {"ways": [many], "rounds": 1, "show": False, "cross_fit": 3, "proposals": 12}
    found = pex.improve("short", exp, budget_usd=5.0, **options)
    assert (found.verdict, found.status) == ("budget", "budget")
    assert found.confirmation is None
    assert found.spent_usd <= 5.0
    assert pex.improve("short", exp, budget_usd=100.0, **options).verdict == "better"


def test_generated_cases_that_nobody_accepted_are_in_no_set(
    project: Path, lab: FaultyEndpoint
) -> None:
    lab.reply = answer
    exp = experiment(60)
    rows = [
        {
            "number": n, "expected": "even" if n % 2 == 0 else "odd",
            "origin": "generated" if n < 15 else "", "accepted_by": "",
        }
        for n in range(60)
    ]  # fmt: skip
    own = pex.Experiment("parity", exp.variants, rows, ["label"])
    options = {"budget_usd": 1, "ways": [Same([])], "rounds": 1, "show": False, "record": False}
    found = pex.improve("short", own, cross_fit=2, **options)
    assert sum(found.sizes().values()) == 45
    assert "15 generated cases that nobody has accepted are left out" in found.notes
