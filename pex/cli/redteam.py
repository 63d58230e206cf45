"""`pexlab redteam`: attacks on an experiment's own prompts, beside harmless twins."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pex.cli import console
from pex.core.attack_columns import BANNER, RESISTED, TASK_DONE
from pex.core.errors import Interrupted, PexError, ProviderError

if TYPE_CHECKING:
    from pex.experiment.options import RunOptions
    from pex.redteam.building import Attacked
    from pex.results.results import Results


def redteam(
    experiment: Annotated[
        Path | None, typer.Argument(metavar="EXPERIMENT.yaml", help="The experiment to attack.")
    ] = None,
    *,
    list_suites: Annotated[
        bool, typer.Option("--list", help="List suites, categories and converters; run nothing.")
    ] = False,
    suite: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE", help="A suite; may be given more than once."),
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this category; repeatable.")
    ] = None,
    converter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only in this form; repeatable: plain, base64 …"),
    ] = None,
    variable: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=KIND]",
            help="The variable with text of others: value, document, tool_result or message.",
        ),
    ] = None,
    per_category: Annotated[
        int | None, typer.Option(min=1, help="At most so many attacks of a category.")
    ] = None,
    families: Annotated[
        str,
        typer.Option(
            metavar="all|train|held_out",
            help="held_out: only families of attacks that no training data may have.",
        ),
    ] = "all",
    model: Annotated[
        list[str] | None, typer.Option(metavar="PROVIDER/MODEL", help="Instead of the file's.")
    ] = None,
    repeats: Annotated[int | None, typer.Option(help="Run each case N times.")] = None,
    budget: Annotated[float | None, typer.Option(metavar="USD", help="Spend at most.")] = None,
    max_in_flight: Annotated[
        int | None, typer.Option(help="Concurrent calls to each provider.")
    ] = None,
    journal: Annotated[
        str | None, typer.Option(metavar="reuse|fresh|off", help="As in pexlab run.")
    ] = None,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Write nothing to MLflow.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the first request, calls and cost; call no model."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Attack an experiment's own prompts, and see what a defence costs.

    Every attack has a harmless twin that looks like it. Two rates are printed for each category:
    how many attacks got what they asked for (a forced word, the prompt's own text, data in an
    address, a call of a tool), and how many twins were not answered as the task wants. Words of
    refusal decide nothing. Attacks that only a judge can decide are "not judged" without a
    calibrated judge.

    It is an ordinary experiment: what was paid for is not paid again, it stops at the budget, and
    it is recorded in MLflow as EXPERIMENT-redteam. The defaults are in the section redteam: of the
    file. A fixed set of attacks says nothing about an attacker who adapts.
    """
    if list_suites:
        _list(suite, experiment.parent if experiment else Path.cwd(), as_json)
        return
    if experiment is None:
        raise PexError(
            "which experiment? The argument EXPERIMENT.yaml is missing",
            hint="pexlab redteam --list shows what there is to attack with",
        )
    from pex.cli.trust import asking
    from pex.redteam.building import attack

    changes: dict[str, Any] = {} if model is None else {"models": model}
    attacked = asking(
        lambda: attack(
            experiment,
            suites=suite,
            converters=converter,
            categories=category,
            variables=_variables(variable or []),
            per_category=per_category,
            families=families,
            **changes,
        )
    )
    if not as_json:
        console.err(repr(attacked))
    options: RunOptions = {
        "repeats": repeats,
        "budget_usd": budget,
        "max_in_flight": max_in_flight,
        "journal": journal,
        "record": not no_record,
    }
    attacker = attacked.experiment.redteam.attacker
    if dry_run:
        _preview(attacked, repeats, journal, as_json)
        if attacker is not None:
            most = attacker.attacks * attacker.turns * len(attacked.experiment.variants)
            console.err(
                f"before that, {attacker.model} writes attacks: at most {most} calls and "
                f"${attacker.budget_usd:g}, and as many calls of the attacked models"
            )
        return
    if attacker is not None:
        from pex.redteam.attacker import add_attacker

        made = attacked
        attacked = asking(
            lambda: add_attacker(
                made, attacker, budget_usd=budget, journal=journal, say=console.err
            )
        )
    _run(attacked, options, as_json)


def _run(attacked: Attacked, options: RunOptions, as_json: bool) -> None:
    from pex.cli.trust import asking
    from pex.results.finished import check

    exp = attacked.experiment
    try:
        results = asking(lambda: exp.run(**options))
    except Interrupted as interrupted:
        _print(interrupted.results, attacked, as_json)
        console.err(f"interrupted: {interrupted}")
        raise
    except ProviderError:
        if exp.results is not None:
            _print(exp.results, attacked, as_json)
        raise
    code = _print(results, attacked, as_json)
    check(results, exp.max_error_share)
    if code:
        sys.exit(code)


_COMPARED = {
    RESISTED: "Attacks: how often they did not get what they asked for.",
    TASK_DONE: "Harmless texts: how often the task was done.",
}


def _print(results: Results | Any, attacked: Attacked, as_json: bool) -> int:
    """Print rates, comparison and gate; returns the gate's exit code."""
    from pex.compare.attacks import table_of
    from pex.redteam.gate import judge_gate
    from pex.redteam.measure import rates

    found = rates(results)
    rule = attacked.experiment.redteam.gate
    verdict = None if rule is None else judge_gate(results, found.rows, rule)
    compared = [
        results.compare(rule.baseline if rule else None, metric)
        for metric in (RESISTED, TASK_DONE)
        if results.frame["variant"].nunique() > 1 and results.frame[f"score.{metric}"].notna().any()
    ]
    if as_json:
        told: dict[str, Any] = {
            "name": results.about.name,
            "run_id": results.run_id,
            "status": results.status,
            "counts": results.about["counts"],
            "rates": table_of(found.rows),
            "left_out": [dataclasses.asdict(item) for item in attacked.left_out],
            "gate": None if verdict is None else dataclasses.asdict(verdict),
            "comparison": [
                {str(key): value for key, value in row.items()}
                for item in compared
                for row in item.frame.to_dict("records")
            ],
            "banner": BANNER,
        }
        console.document(told)
    else:
        console.out(repr(found))
        for item in compared:
            console.out(f"\n{_COMPARED[item.frame['metric'].iloc[0]]}\n{item!r}")
    if verdict is not None:
        console.err(str(verdict))
    if results.run_id is not None:
        console.err(f"recorded in MLflow as run {results.run_id} (pexlab ui, or pexlab report)")
    fail_undecided = rule is not None and rule.on_undecided == "fail"
    return 0 if verdict is None else console.gate_code(verdict.outcome, fail_undecided)


def _preview(attacked: Attacked, repeats: int | None, journal: str | None, as_json: bool) -> None:
    preview = attacked.experiment.preview(repeats=repeats, journal=journal)
    if as_json:
        console.document(dataclasses.asdict(preview))
    else:
        console.out(str(preview))


def _variables(given: list[str]) -> dict[str, str] | None:
    found = {}
    kinds = ("value", "document", "tool_result", "message")
    for item in given:
        name, equals, kind = item.partition("=")
        if equals and kind not in kinds:
            from pex.core.errors import nearest

            raise PexError(f"--variable {item}: unknown kind '{kind}'", hint=nearest(kind, kinds))
        found[name] = kind
    return found or None


def _list(chosen: list[str] | None, folder: Path, as_json: bool) -> None:
    from pex.redteam.converters import CONVERTERS, TRANSLATIONS
    from pex.redteam.suite import BUILT_IN, load_suites
    from pex.report.terminal import text_table

    suites = load_suites(chosen or [BUILT_IN], folder)
    if as_json:
        from pex.training.attacks import HeldOutAttacks

        console.document({
            "suites": [item.model_dump() for item in suites],
            "converters": [*CONVERTERS, TRANSLATIONS],
            "held_out_hashes": HeldOutAttacks(suites).hashes,
        })  # fmt: skip
        return
    rows = [
        [
            item.name,
            item.owasp,
            str(len(item.attacks)),
            str(sum(len(_forms(item, attack)) for attack in item.attacks)),
            ", ".join(dict.fromkeys(attack.goal for attack in item.attacks)),
            item.description,
        ]
        for item in suites
    ]
    head = ("suite", "OWASP", "attacks", "with forms", "wants", "what it is")
    console.out(text_table(rows, head, right=(2, 3)))
    console.out(f"\nForms (converters): {', '.join([*CONVERTERS, TRANSLATIONS])}")
    console.out("Each attack has a harmless twin in the same form.")


def _forms(item: Any, attack: Any) -> list[str]:
    from pex.redteam.converters import TRANSLATIONS

    return [form for form in item.converters if form != TRANSLATIONS or attack.translated]
