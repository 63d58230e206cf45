"""`pexlab guard`: what goes into a prompt is checked, and the check is measured."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pex.cli import console
from pex.cli.first_word import group_or
from pex.core import safe_text
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.guard.findings import Checked, Finding
from pex.guard.input_check import RULES, Policy, check

if TYPE_CHECKING:
    from pex.redteam.guard_rates import GuardRates, Share, Text

_TABLES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")
_ROLES = ("case_id", "expected", "group", "tags", "attack", "split")
_YES, _NO = ("true", "1", "yes", "attack", "y"), ("false", "0", "no", "", "n", "none")
_NOTHING_STOPS = "flags known patterns; it does not stop prompt injection"

_FILES = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE…",
        help="Texts, or files of cases (.csv, .jsonl, .parquet, .xlsx); - reads standard input.",
    ),
]
_COLUMN = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Only these columns of cases; default: every input."),
]
_JSON = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]

app = typer.Typer(
    cls=group_or("check"),
    help="Check texts that go into a prompt, and measure what the check catches. To check: "
    f"`pexlab guard FILE…`. It {_NOTHING_STOPS}. The policy is the section [guard] of pex.toml.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("check", hidden=True)
def check_files(
    files: _FILES,
    column: _COLUMN = None,
    signals: Annotated[
        bool, typer.Option("--signals", help="Also list signals, which harmless texts have too.")
    ] = False,
    clean: Annotated[
        bool,
        typer.Option("--clean", help="Print the text without what can be taken out; one file."),
    ] = False,
    as_json: _JSON = False,
) -> None:
    """Check texts for known patterns: hidden characters, forged roles, secrets and more.

    Exit codes: 0 nothing is flagged, 1 something is, 2 wrong use. Nothing found does not mean
    that a text is harmless.
    """
    policy = _policy()
    texts = [text for file in files for text in _texts(file, column, attacks=False)]
    found = [(text, check(text.text, policy)) for text in texts]
    flagged = [item for item in found if item[1].flagged]
    if clean:
        if len(texts) != 1:
            raise PexError(f"--clean is for one text, not {len(texts):,}")
        cleaned = found[0][1].cleaned
        # A policy can leave control characters in: a file gets them, a terminal does not.
        sys.stdout.write(safe_text.clean(cleaned) if sys.stdout.isatty() else cleaned)
        for line in _lines(*found[0], signals):
            console.err(line)
    elif as_json:
        rows = [{"place": text.place, **checked.to_dict()} for text, checked in found]
        console.document({"texts": len(texts), "flagged": len(flagged), "results": rows})
    else:
        for text, checked in found:
            for line in _lines(text, checked, signals):
                console.out(line)
        console.err(_summary(found, signals))
    sys.exit(1 if flagged else 0)


@app.command()
def measure(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE…",
            help="Your own texts or files of cases. Rows whose column `attack` is true are "
            "attacks; all others count as ordinary.",
        ),
    ] = None,
    attacks: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="All texts of this file are attacks; repeatable."),
    ] = None,
    traces: Annotated[
        str | None,
        typer.Option(
            metavar="MONITOR.yaml|EXPERIMENT",
            help="Also what users said in deployed traces, as ordinary texts.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Of traces, the newest so many.")
    ] = 2000,
    column: _COLUMN = None,
    show: Annotated[
        int, typer.Option(min=0, metavar="N", help="Texts that are shown of either kind.")
    ] = 5,
    as_json: _JSON = False,
) -> None:
    """How often the check flags your own texts: attacks it catches, ordinary ones it flags.

    Both rates have their 95 % Wilson interval, by rule, and the texts that were flagged for
    nothing or missed are shown. Nothing is sent anywhere. The exit code is 0 whatever is found.
    """
    from pex.redteam.guard_rates import guard_rates

    if not (files or attacks or traces):
        raise PexError("nothing to measure", hint="name files, or --traces EXPERIMENT")
    parts = [_texts(file, column, attacks=False) for file in files or ()]
    parts += [_texts(file, column, attacks=True) for file in attacks or ()]
    texts = list(itertools.chain.from_iterable(parts))
    if traces is not None:
        texts += _from_traces(traces, limit)
    if not texts:
        raise PexError("the files and traces that were named contain no text")
    with _progress(len(texts)) as on_text:
        rates = guard_rates(texts, _policy(), on_text)
    if as_json:
        console.document(rates.to_dict())
        return
    for line in _report(rates, show):
        console.out(line)
    console.err(f"the check {_NOTHING_STOPS}")


@app.command()
def rules(as_json: _JSON = False) -> None:
    """List the rules: what each finds, and its risk in the OWASP LLM Top 10 (2026)."""
    from pex.report.terminal import text_table

    if as_json:
        console.document(
            [{"rule": rule.name, "owasp": rule.owasp, "finds": rule.about} for rule in RULES]
        )
        return
    rows = [[rule.name, rule.owasp, rule.about] for rule in RULES]
    console.out(text_table(rows, ["rule", "OWASP LLM", "finds"]))


def _policy() -> Policy:
    from pex.project.settings import load_settings

    return load_settings(find_project()).guard.policy()


def _texts(file: Path, columns: list[str] | None, *, attacks: bool) -> Iterator[Text]:
    """The texts of a file: one of a plain file, each text of each row of a file of cases."""
    from pex.redteam.guard_rates import Text

    if file.suffix.lower() not in _TABLES:
        if columns:
            raise PexError(f"{file}: --column is for files of cases ({', '.join(_TABLES)})")
        yield Text("standard input" if str(file) == "-" else str(file), _read(file), attacks)
        return
    from pex.core.case_files import case_file_bytes, rows_of

    asked = set(columns or ())
    for place, row in rows_of(case_file_bytes(file), file):
        for name in asked - row.keys():
            raise PexError(
                f"{place}: there is no column '{name}'", hint=nearest(name, map(str, row))
            )
        attack = attacks or _is_attack(row, place)
        for name, value in row.items():
            if isinstance(value, str) and (name in asked if asked else name not in _ROLES):
                yield Text(f"{file}, {place}, {name}", value, attack)


def _is_attack(row: dict[str, Any], place: str) -> bool:
    said = str(row.get("attack", "")).strip().lower()
    if said not in (*_YES, *_NO):
        raise PexError(f"{place}: attack: expected true or false, got {row['attack']!r}")
    return said in _YES


def _read(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise PexError(f"{file} cannot be read: {error.strerror}") from None


def _from_traces(source: str, limit: int) -> list[Text]:
    from pex.monitoring.fetch_texts import fetch_texts
    from pex.monitoring.monitor import spec_of
    from pex.monitoring.reading import read_traces
    from pex.project.settings import load_settings
    from pex.redteam.guard_rates import Text
    from pex.tracking.store import tracking_uri

    spec, folder = spec_of(source)
    project = find_project(folder)
    settings = load_settings(project)
    uri = tracking_uri(project, settings)
    state = project / settings.journal.path / "monitor"
    ids = read_traces(uri, spec.source, state, settings=settings).frame["trace_id"].tail(limit)
    return [
        Text(f"trace {key}", found.request)
        for key, found in fetch_texts(uri, ids).items()
        if found.request is not None
    ]


def _lines(text: Text, checked: Checked, signals: bool) -> Iterator[str]:
    """A line for each finding, with the line and the column of its beginning."""
    breaks = [found.start() for found in re.finditer("\n", text.text)] if checked.findings else []
    for one in checked.findings:
        if signals or one.severity != "signal":
            number = bisect.bisect_left(breaks, one.start)
            column = one.start - (breaks[number - 1] if number else -1)
            yield f"{text.place}:{number + 1}:{column}: {_said(one)}"


def _said(one: Finding) -> str:
    shown = f": {one.shown}" if one.shown else ""
    return f"{one.severity} {one.rule}: {one.message}{shown}"


def _summary(found: Iterable[tuple[Text, Checked]], signals: bool) -> str:
    checked = [one for _, one in found]
    flagged = sum(one.flagged for one in checked)
    texts = f"{len(checked):,} text{'s' * (len(checked) != 1)}"
    said = f"{texts}: {flagged:,} flagged" if flagged else f"{texts}: nothing flagged"
    quiet = sum(one.severity == "signal" for finding in checked for one in finding.findings)
    if quiet and not signals:
        said += f"; {quiet:,} signal{'s' * (quiet != 1)} (--signals lists them)"
    return f"{said}. The check {_NOTHING_STOPS}"


def _report(rates: GuardRates, show: int) -> Iterator[str]:
    from pex.report.terminal import text_table

    attacks, others = rates.caught.of, rates.false_alarms.of
    if attacks:
        yield f"attacks caught           {rates.caught}"
    if others:
        yield f"ordinary texts flagged   {rates.false_alarms}"
        if rates.signals:
            yield f"ordinary texts with a signal only   {rates.signals:,}"
    if not attacks:
        yield "no text is known to be an attack (column attack, or --attacks FILE)"
    if rates.by_rule:
        yield ""
        rows = [[rule, _cell(pair[1]), _cell(pair[0])] for rule, pair in rates.by_rule.items()]
        yield text_table(rows, ["rule", "ordinary flagged", "attacks caught"], right=(1, 2))
    yield from _shown("flagged, of the ordinary", rates.wrongly_flagged, show)
    yield from _shown("missed, of the attacks", rates.missed, show)


def _cell(share: Share) -> str:
    if not share.of:
        return "–"
    low, high = share.interval or (0.0, 1.0)
    return f"{share.count:,} ({low:.1%} to {high:.1%})"


def _shown(title: str, items: Any, show: int) -> Iterator[str]:
    if not items or not show:
        return
    yield ""
    more = f", the first {show}" if len(items) > show else ""
    yield f"{title} ({len(items):,}{more}):"
    for text, checked in items[:show]:
        begin = " ".join(text.text.split())
        yield f"  {text.place}: {begin[:100]}{'…' if len(begin) > 100 else ''}"
        strong = [one for one in checked.findings if one.severity != "signal"]
        for one in strong[:3]:
            yield f"      {_said(dataclasses.replace(one, shown=one.shown[:80]))}"


def _progress(total: int) -> Any:
    """A bar on stderr while many texts are checked, only in a terminal."""
    import contextlib

    if total < 5_000 or not sys.stderr.isatty():
        return contextlib.nullcontext()
    return _bar(total)


def _bar(total: int) -> Any:
    import contextlib

    from rich.console import Console
    from rich.progress import Progress

    @contextlib.contextmanager
    def shown() -> Iterator[Any]:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("checking", total=total)
            yield lambda: bar.advance(task)

    return shown()
