"""`pexlab run`: run an experiment, record it, print the table."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pex.cli import console
from pex.core.errors import Interrupted, PexError, ProviderError
from pex.core.yamltext import load_yaml
from pex.experiment.gate_rule import PINNED
from pex.guard.redact import redact
from pex.results.finished import check

if TYPE_CHECKING:
    from pex.experiment.options import RunOptions
    from pex.results.results import Results


def run(
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT.yaml", help="The experiment's file.")
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Replace a key of the file; the value is YAML: --set repeats=3, "
            "--set models=[local/smollm2], --set params.temperature=0.",
        ),
    ] = None,
    cases: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Other cases: a CSV, TSV, JSONL, Parquet or Excel file. Delimiter and encoding "
            "are found out and printed; if two readings fit, both are shown (exit code 2).",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N cases.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only cases with this tag.")] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="failed|errors", help="Only what failed in the last run."),
    ] = None,
    repeats: Annotated[int | None, typer.Option(help="Run each case N times.")] = None,
    budget: Annotated[float | None, typer.Option(metavar="USD", help="Spend at most.")] = None,
    max_in_flight: Annotated[
        int | None, typer.Option(help="Concurrent calls to each provider.")
    ] = None,
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="reuse|fresh|off",
            help="reuse: reuse every answer that was ever paid for (the default); fresh: get new "
            "answers; off: keep nothing.",
        ),
    ] = None,
    provider_batch: Annotated[
        bool,
        typer.Option(
            "--provider-batch",
            help="Use the provider's Batch API: half the price, up to a day. If interrupted, the "
            "same command fetches the answers.",
        ),
    ] = False,
    allow_effects: Annotated[
        bool,
        typer.Option(
            "--allow-effects",
            help="Also run tools marked `effects: true`; otherwise the model is told that they "
            "did not run.",
        ),
    ] = False,
    warm_up: Annotated[
        bool | None,
        typer.Option(
            "--warm-up/--no-warm-up",
            help="One call of each variant goes first, so the others hit the provider's cache; "
            "by default where that saves money.",
            show_default=False,
        ),
    ] = None,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Write nothing to MLflow.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the first request, calls and cost; call no model."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.parquet", help="Also write the long table.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Run an experiment: call the models, score, record in MLflow, print the table."""
    from pex.cli.readings import choosing
    from pex.cli.trust import asking
    from pex.experiment.experiment import Experiment
    from pex.experiment.extend import extend

    keys, params = _changes(changes or [])
    if out is not None and out.suffix not in (".parquet", ".csv"):
        raise PexError(f"--out {out}: expected a name that ends in .parquet or .csv")
    if cases is not None:
        keys["cases"] = str(Path(cases).absolute())

    def load(chosen: Mapping[str, Any] | None) -> Experiment:
        own = keys if chosen is None else {**keys, "cases": chosen}
        return asking(lambda: Experiment.load(experiment, set_params=params, **own))

    exp = choosing(load, experiment)
    for sentence in exp.data.unusual:
        console.err(sentence)
    if dry_run:
        preview = exp.preview(
            limit=limit,
            tags=tag,
            repeats=repeats,
            journal=journal,
            provider_batch=provider_batch,
            allow_effects=allow_effects,
        )
        if as_json:
            console.document(dataclasses.asdict(preview))
        else:
            console.out(str(preview))
        return
    options: RunOptions = {
        "limit": limit,
        "tags": tag,
        "only": only,
        "repeats": repeats,
        "budget_usd": budget,
        "max_in_flight": max_in_flight,
        "journal": journal,
        "provider_batch": provider_batch,
        "allow_effects": allow_effects,
        "warm_up": warm_up,
        "record": not no_record,
    }
    try:
        results = asking(lambda: exp.run(**options))
        rule = results.about.gate or {}
        if rule.get("on_undecided") == "extend" and rule["baseline"] != PINNED and only is None:
            results = extend(exp, results, options, console.err)
    except Interrupted as interrupted:
        _print_results(interrupted.results, as_json, out)
        # Typer itself exits with 130 and prints nothing.
        console.err(f"interrupted: {interrupted}")
        raise
    except ProviderError:
        if exp.results is not None:
            _print_results(exp.results, as_json, out)
        raise
    _print_results(results, as_json, out)
    check(results, exp.max_error_share)
    code = gate_code(results)
    if code:
        sys.exit(code)


def gate_code(results: Results) -> int:
    """Print what the experiment's gate says; returns its exit code, 0 if there is no gate."""
    rule = results.about.gate
    if rule is None:
        return 0
    if rule["baseline"] == PINNED:
        console.err("the gate's baseline is pinned: batches are judged by it, not single runs")
        return 0
    gate = results.gate()
    console.err(str(gate))
    return console.gate_code(gate.outcome, rule.get("on_undecided") == "fail")


def _changes(items: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys to replace, and the parameters (`params.temperature=0`) to set in all variants."""
    keys: dict[str, Any] = {}
    params: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise PexError(f"--set {item}: expected KEY=VALUE")
        try:
            value = load_yaml(text, "").data
        except PexError:
            raise PexError(f"--set {item}: the value is not valid YAML") from None
        target, name = (params, key[7:]) if key.startswith("params.") else (keys, key)
        target[name] = value
    return keys, params


def _print_results(results: Any, as_json: bool, out: Path | None) -> None:
    from pex.core.spreadsheet import table_text

    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".csv":
            out.write_text(table_text(results.frame), encoding="utf-8", newline="")
        else:
            _to_parquet(results.frame, out)
        console.err(f"table: {out}")
    if as_json:
        left_out = ("format", "prompts", "how_to")
        about = {k: v for k, v in results.about.items() if k not in left_out}
        about["tracking_uri"] = redact(about["tracking_uri"] or "") or None
        verdicts = results.verdicts()
        told = {"summary": results.summary().to_dict("records"), "remarks": results.remarks()}
        told["comparison"] = [] if verdicts is None else _records(verdicts)
        if verdicts is not None:
            worth = results.frontier()
            told["frontier"] = {"named": worth.named, "finding": worth.finding}
        told["requirement_states"] = _records(results.requirements)
        if (results.about.gate or {}).get("baseline", PINNED) != PINNED:
            told["gate"] = results.gate().outcome
        console.document({**about, **told})
    else:
        console.out(repr(results))
        if results.verdicts() is not None:
            console.out("\n" + repr(results.compare(results.baseline)))
            if (results.summary()["cost_usd"] > 0).any():
                console.out("\n" + results.frontier().finding)
    if results.run_id is not None:
        console.err(f"recorded in MLflow as run {results.run_id} (pexlab ui, or pexlab report)")


def _records(table: Any) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _to_parquet(frame: Any, path: Path) -> None:
    from pex.record.files import storable

    storable(frame)[0].to_parquet(path, index=False)
