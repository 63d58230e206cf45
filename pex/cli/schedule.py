"""`pexlab schedule`: a plan every night, by the scheduler of your choice."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pex.cli import console
from pex.core.errors import PexError, nearest

if TYPE_CHECKING:
    from pex.batch.schedule.schedule import Schedule


def schedule(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="The plan.")],
    cron: Annotated[
        str, typer.Option(metavar="TIMES", help="When: minute hour day month weekday.")
    ] = "0 2 * * *",
    to: Annotated[
        str, typer.Option(metavar="WHAT", help="crontab, systemd, github, airflow or kubernetes.")
    ] = "crontab",
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Their time zone; default: this machine's."),
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Variables as NAME=value lines; default: .pex/schedule.env."
        ),
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Install it in your crontab or systemd.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove it.")] = False,
) -> None:
    """Print the lines that make a scheduler run a plan every night, or install them."""
    from pex.batch.plan import load_plan
    from pex.batch.schedule.cron import parse
    from pex.batch.schedule.envfile import key_names
    from pex.batch.schedule.nightly import default_env_file, log_of
    from pex.batch.schedule.schedule import KINDS, make
    from pex.batch.schedule.timezones import read_zone, users_zone
    from pex.cli.trust import asking
    from pex.core.project import find_project
    from pex.project.settings import load_settings
    from pex.run.provider_trust import check_trusted

    if to not in KINDS:
        raise PexError(f"--to {to}: no such scheduler", hint=nearest(to, KINDS))
    if install and remove:
        raise PexError("--install and --remove: give only one of them")
    if (install or remove) and to not in ("crontab", "systemd"):
        raise PexError(
            f"--to {to}: only a crontab or systemd can be changed from here",
            hint="leave out --install and --remove, and put the printed text where it belongs",
        )
    zone = read_zone(timezone or users_zone())
    if remove:  # also for a plan that is missing or broken
        _remove(make(plan, parse(cron), zone, None, []), to)
        return
    loaded = load_plan(plan)
    # Reported now, not by the first night.
    asking(lambda: check_trusted(load_settings(find_project(loaded.folder))))
    env_file = env_file or default_env_file(plan)
    made = make(plan, parse(cron), zone, env_file, key_names(loaded, env_file))
    text = _text(made, to)
    _warn(made, to)
    if install:
        _install(made, to, text)
    else:
        console.out(text)
    _say_when(made)
    if to in ("crontab", "systemd"):
        console.err(f"log: {log_of(plan)}")
    if install:
        console.err(f"undo: pexlab schedule {plan} --to {to} --remove")
    elif to in ("crontab", "systemd"):
        console.err("nothing was changed; --install installs it")


def _text(made: Schedule, to: str) -> str:
    from pex.batch.schedule import crontab, hosted, systemd
    from pex.batch.schedule.install import units
    from pex.batch.schedule.timezones import machine_zone

    now = datetime.datetime.now(made.zone)
    if to == "crontab":
        return crontab.crontab(made, ZoneInfo(machine_zone()), now.date())
    if to == "systemd":
        service, timer = units(made)
        return f"# {service}\n{systemd.service(made)}\n# {timer}\n{systemd.timer(made, now.date())}"
    if to == "github":
        return hosted.github(made, now)
    if to == "airflow":
        return hosted.airflow(made, now.date())
    return hosted.kubernetes(made, now.date())


def _install(made: Schedule, to: str, text: str) -> None:
    from pex.batch.schedule import install, systemd

    if to == "crontab":
        changed = install.change_crontab(made, text)
        console.out(f"{'installed' if changed else 'already there'}, in your crontab:\n{text}")
        if not install.cron_runs():
            console.err("warning: no cron daemon is running here, so nothing starts the nights")
        return
    today = datetime.datetime.now(made.zone).date()
    install.add_units(made, systemd.service(made), systemd.timer(made, today))
    for file in install.units(made):
        console.out(f"installed  {file}")
    console.err("to run it also while you are logged out: loginctl enable-linger")


def _remove(made: Schedule, to: str) -> None:
    from pex.batch.schedule import install

    gone = install.change_crontab(made, "") if to == "crontab" else install.remove_units(made)
    console.out(f"{'removed' if gone else 'nothing to remove'}: {made.relative}, {to}")


def _warn(made: Schedule, to: str) -> None:
    from pex.project import keys
    from pex.project.env_file import exposed, read_env

    if to == "github":
        if made.keys:
            console.err(f"secrets to set in the repository: {', '.join(made.keys)}")
        return
    if made.env_file is not None and (warning := exposed(made.env_file)):
        console.err(f"warning: {warning}")
    known = read_env(made.env_file) if made.env_file else {}
    own = keys.names_in_file(made.project)
    lost = [name for name in made.keys if name not in known and name not in own]
    if lost:
        console.err(
            f"warning: {', '.join(lost)}: not in {made.env_file or '.pex/schedule.env'} nor in "
            f".pex/{keys.FILE}, so the nights will not have it"
        )


def _say_when(made: Schedule) -> None:
    now = datetime.datetime.now(made.zone)
    coming = itertools.islice(made.cron.coming(now, made.zone), 3)
    shown = ", ".join(f"{start:%a} {start.day} {start:%b %Y %H:%M}" for start in coming)
    console.err(f"next: {shown} ({made.zone.key})")
