"""`pexlab incident`: harm done by a deployed prompt, recorded, stopped, fixed, tested for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.cli.incident_words import (
    confirm,
    document,
    inside,
    numbers,
    pair,
    show,
    show_done,
    time_given,
    times_of,
    undoing,
    which_trace,
)
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.report.terminal import text_table

app = typer.Typer(
    help="Incidents: harm done by a deployed prompt is recorded, stopped, fixed and tested.",
    epilog="At night: pexlab incident new TRACE, then pexlab incident contain. What contain does, "
    "--undo takes back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_Id = Annotated[
    str | None,
    typer.Argument(
        metavar="ID", help="The incident, or a part of its id; else the only one not closed."
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: at night, in a script.")]
_Time = "such as '2026-11-30 03:12 UTC'"


@app.callback()
def _before() -> None:
    """Put back what a drill has left that was killed."""
    from pex.incidents.drill import put_back

    for line in put_back(find_project()):
        console.err(f"a drill was stopped before: {line}")


@app.command()
def new(
    trace: Annotated[
        str | None,
        typer.Argument(
            metavar="TRACE", help="The id of a trace in MLflow, or from a triage's queue."
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="NAME@ALIAS", help="Without a trace, or if it names no version; or NAME/3."
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="What it is about, in a line.")] = "",
    severity: Annotated[
        int | None, typer.Option(min=1, help="1 is the worst; what each means: the template.")
    ] = None,
    affected: Annotated[
        str, typer.Option(metavar="2,3", help="The versions that do harm; else the trace's.")
    ] = "",
    experiment: Annotated[
        str | None, typer.Option(help="Whose cases test the prompt, if several use it.")
    ] = None,
    began: Annotated[
        str, typer.Option(metavar="TIME", help=f"When it began, {_Time}; else the trace's time.")
    ] = "",
    noticed: Annotated[
        str, typer.Option(metavar="TIME", help="When it was noticed; else the triage's, or now.")
    ] = "",
    as_json: _Json = False,
) -> None:
    """Open an incident: write its record to incidents/, with what is known filled in.

    The record is a Markdown file of the team's: edit it as you like, pex adds to its front matter
    and its timeline only. It begins as a copy of incidents/template.md, which is written at the
    first use. A trace that has a record already gets no second one.
    """
    from pex.incidents.opening import Opening, open_incident

    if trace is None and prompt is None:
        raise which_trace()
    said = Opening(
        title=title,
        severity=severity,
        affected=numbers(affected),
        experiment=experiment,
        began=time_given("--began", began),
        noticed=time_given("--noticed", noticed),
    )
    opened = open_incident(trace, prompt, said)
    incident = opened.incident
    for remark in opened.remarks:
        console.err(remark)
    if as_json:
        console.document(document(incident))
        return
    console.out(f"{'opened' if opened.new else 'there already'}  {incident.id}")
    show(incident)


@app.command()
def contain(
    incident: _Id = None,
    disable: Annotated[
        bool,
        typer.Option("--disable", help="Serve the affected versions to nobody, by any alias."),
    ] = False,
    to: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="The version to go back to; else that before the first affected one.",
        ),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take containment back.")] = False,
    yes: _Yes = False,
    as_json: _Json = False,
) -> None:
    """Stop the harm: aliases go back to where they pointed before the first affected version.

    Shows what applications get before and after, and asks. Applications see it at once in this
    project, elsewhere within their `ttl_s`. What was done is in the record's timeline. Doing it
    twice changes nothing; --undo takes it back.
    """
    from pex.incidents.containment import contain as carry_out
    from pex.incidents.containment import plan_containment
    from pex.incidents.containment import undo as take_back
    from pex.incidents.record import find

    project = find_project()
    found = find(project, incident)
    if undo:
        steps = [undoing(step) for step in reversed(found.containment)]
        if steps:
            confirm(steps, "Take this back? Users may get the affected version again.", yes)
        found, said = take_back(project, found)
        show_done(found, said or ["nothing is left to take back"], as_json)
        return
    planned = plan_containment(project, found, disables=disable, to=to)
    for line in (*planned.already, *planned.warnings):
        console.err(line)
    if planned.steps:
        lines = [f"{found.prompt}, {step}" for step in planned.steps]
        confirm(lines, "Contain it?", yes)
    found, done = carry_out(project, found, disables=disable, to=to)
    said = [f"{found.prompt}, {step}" for step in done.steps] or ["nothing is left to contain"]
    show_done(found, said, as_json)


@app.command()
def update(
    incident: _Id = None,
    note: Annotated[
        str, typer.Option("--note", "-m", help="A line of the timeline, with time and name.")
    ] = "",
    severity: Annotated[int | None, typer.Option(min=1, help="1 is the worst.")] = None,
    title: Annotated[str, typer.Option(help="What it is about, in a line.")] = "",
    affected: Annotated[str, typer.Option(metavar="2,3", help="All versions that do harm.")] = "",
    prompt: Annotated[str, typer.Option(metavar="NAME", help="The prompt in the library.")] = "",
    experiment: Annotated[
        str, typer.Option(metavar="NAME", help="The experiment whose cases test it.")
    ] = "",
    contained: Annotated[
        str, typer.Option(metavar="HOW", help="It was contained otherwise: what was done.")
    ] = "",
    began: Annotated[str, typer.Option(metavar="TIME", help=f"When it began, {_Time}.")] = "",
    as_json: _Json = False,
) -> None:
    """Add to an incident's timeline, or correct what its record says.

    The file can also be edited by hand.
    """
    from pex.incidents.record import find
    from pex.incidents.updating import Changes, update_incident

    changes = Changes(
        note=note, severity=severity, title=title, affected=numbers(affected), prompt=prompt,
        experiment=experiment, contained=contained, began=time_given("--began", began),
    )  # fmt: skip
    found = update_incident(find_project(), find(find_project(), incident), changes)
    if as_json:
        console.document(document(found))
    else:
        console.out(found.timeline()[-1] if found.timeline() else "done")


@app.command()
def case(
    incident: _Id = None,
    expected: Annotated[
        str | None, typer.Option(help="The right answer; else the one that the trace was given.")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--input", metavar="NAME=VALUE", help="An input that the trace does not have."
        ),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Write the case of an incident into the experiment's cases, with the incident's tag.

    Its inputs are those of the trace, without personal data. It says at once whether the
    experiment's scorers see what was wrong: a case that never failed tests nothing.
    """
    from pex.incidents.record import find
    from pex.incidents.regression import add_case

    inputs = dict(pair(text) for text in given or ())
    project = find_project()
    found = find(project, incident)
    added = add_case(project, found, expected, inputs or None)
    for remark in added.remarks:
        console.err(remark)
    if as_json:
        console.document(
            {"case": added.case_id, "file": str(added.file), "new": added.new,
             "before": added.before and added.before.sentence, "tag": found.tag}
        )  # fmt: skip
        return
    console.out(
        f"{'added' if added.new else 'there already'}  case {added.case_id} in "
        f"{inside(project, added.file)}, tag {found.tag}"
    )
    if added.before is not None:
        console.out(added.before.sentence)
        if not added.before.failing:
            console.err(
                "no scorer sees what was wrong: add one that does, or correct the expected answer"
            )


@app.command()
def close(
    incident: _Id = None,
    repeats: Annotated[
        int | None,
        typer.Option(min=1, help="How often the case is run; else the experiment's, at least 3."),
    ] = None,
    without: Annotated[
        str, typer.Option(metavar="WHY", help="Close it although something is missing.")
    ] = "",
    as_json: _Json = False,
) -> None:
    """Close an incident, if its case failed before, passes now, and runs every night.

    Runs the version that applications get now on the case, by the ordinary runner, with new
    answers; every repeat has to pass. Exit code 1 if something is missing: it says what.
    """
    from pex.cli.trust import asking
    from pex.incidents.closing import close_incident
    from pex.incidents.record import find

    project = find_project()
    found = find(project, incident)
    result = asking(
        lambda: close_incident(project, found, repeats=repeats, without=without, say=console.err)
    )
    closed = result.incident.state == "closed"
    if as_json:
        demands = [
            {"name": item.name, "met": item.met, "text": item.text, "command": item.command}
            for item in result.demands
        ]
        console.document({**document(result.incident), "demands": demands})
    elif result.already:
        console.out(f"closed already  {result.incident.id}")
    else:
        for demand in result.demands:
            console.out(str(demand))
        verdict = "closed" if closed else f"not closed: {len(result.missing)} missing"
        console.out(f"{verdict}  {result.incident.id}")
        if closed:
            console.out(times_of(result.incident))
            console.err(f"what was learned belongs in {inside(project, result.incident.path)}")
    if not closed:
        sys.exit(1)


@app.command("list")
def list_incidents(
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write the page: one HTML file.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """List the incidents, with the time to notice, to contain and to fix each, and the medians."""
    from pex.incidents.moments import duration, minute_of
    from pex.incidents.overview import SPANS, TITLES, overview

    if html is not None and html.suffix not in (".html", ".htm"):
        raise PexError(f"--html {html}: expected a name that ends in .html")
    found = overview(find_project())
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(found.html(), encoding="utf-8")
        console.err(f"page: {html}")
    if as_json:
        console.document(found.to_json())
        return
    console.out(found.sentence)
    for text in (*found.again, *found.problems):
        console.err(text)
    rows = []
    for item in (*found.known, *found.drills):
        noticed = item.times.get("noticed_at")
        spans = [duration(item.took(span)) for span in SPANS]
        when = minute_of(noticed) if noticed else "not known"
        mark = "drill, nobody was asked" if item.unattended else "drill"
        state = f"{item.state} ({mark})" if item.drill else item.state
        rows.append((item.id, state, str(item.severity), when, *spans, item.title[:60]))
    if rows:
        head = ("incident", "state", "severity", "noticed", *TITLES.values(), "title")
        console.out(text_table(rows, head))
    for span in SPANS:
        value, count = found.median(span)
        if count > 1:
            console.out(f"{TITLES[span]}: median {duration(value)} of {count}")


@app.command()
def drill(
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME@ALIAS",
            help="A prompt of the library; else one is made, and deleted at the end.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nobody: measures the machine alone.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Practise on a made-up incident with real containment, and measure the minutes.

    With a prompt of yours, applications really get its earlier version until the drill is over.
    The alias is put back at the end, also after Ctrl-C; after a crash, by the next
    `pexlab incident`. The result is a record, marked as a drill.
    """
    from pex.incidents.drill import start_drill

    project = find_project()
    attended = sys.stdin.isatty() and not yes
    if not attended and not yes:
        raise PexError("nobody is here to practise", hint="--yes measures the machine alone")
    if prompt is not None and attended:
        console.err(f"Applications get an earlier version of {prompt} until the drill is over.")
        if not typer.confirm("Begin?", default=False, err=True):
            raise PexError("not begun: nothing has moved")

    def wait(text: str) -> None:
        console.err(f"\n{text}")
        sys.stdin.readline()

    found = start_drill(project, prompt, wait=wait if attended else None, say=console.err)
    if as_json:
        console.document({**document(found.incident), "sentence": found.sentence})
        return
    console.out(found.sentence)
    if not attended:
        console.out("nobody was asked: these are the times of the machine, not of people")
    console.out(f"record  {inside(project, found.incident.path)}")
