"""A year of nights under every scheduler's own rules: each day's night once, whatever clocks do.

The rules are what each scheduler documents of times that the clocks leave out or show twice:
crond(8) of Debian and of cronie, and crons that only compare the clock; systemd.time(7), which
`test_systemd_counts_the_same_moments` asks itself; GitHub Actions, which count in UTC and are late;
Airflow, which adds a day on the wall; github.com/robfig/cron, which Kubernetes starts its jobs by.
"""

import datetime
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

import pex
from pex.batch.schedule import clocks, crontab, hosted, systemd
from pex.batch.schedule.cron import Cron, parse
from pex.batch.schedule.nightly import Night, due_name
from tests.batch.schedule.test_schedule import made

ZONES = (
    "UTC", "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/Santiago",
    "America/Havana", "America/Nuuk", "America/Scoresbysund", "Africa/Cairo", "Africa/Casablanca",
    "Asia/Beirut", "Asia/Jerusalem", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Chatham",
    "Antarctica/Troll",
)  # fmt: skip
TIMES = ("0 0 * * *", "30 1 * * *", "30 2 * * *", "0 3 * * sun", "30 23 * * *")
TODAY = datetime.date(2026, 11, 28)
FIRST, LAST = datetime.date(2027, 1, 1), datetime.date(2027, 12, 31)
UTC = ZoneInfo("UTC")
DAY = datetime.timedelta(days=1)
Moments = Iterable[datetime.datetime]


def days(first: datetime.date = FIRST, last: datetime.date = LAST) -> Iterator[datetime.date]:
    while first <= last:
        yield first
        first += DAY


def by_the_clock(line: str, zone: ZoneInfo) -> Moments:
    """Whenever the clock shows the time: never in a gap, twice where it goes back."""
    cron = parse(line)
    for day in days(FIRST - 2 * DAY, LAST + 2 * DAY):
        for start in cron.starts(day, zone):
            if not start.skipped:
                for fold in (0, 1):
                    yield start.wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def as_crond(line: str, zone: ZoneInfo) -> Moments:
    """Once each: what a gap leaves out runs right after it, nothing is run twice."""
    cron = parse(line)
    for day in days(FIRST - 2 * DAY, LAST + 2 * DAY):
        yield from (start.at.astimezone(UTC) for start in cron.starts(day, zone))


def check(night: Night, starts: Moments, machine: ZoneInfo = UTC, late_s: float = 7300) -> None:
    """The nights that these starts begin are those of the year, each once and in good time."""
    begun: dict[str, datetime.datetime] = {}
    for now in sorted(set(starts)):
        name = due_name(night, now, machine)
        if name is not None:
            begun.setdefault(name, now)  # one that has begun is not begun again
    wanted = {}
    for day in days():
        for start in night.cron.starts(day, night.zone):
            wanted[day.isoformat()] = start.at
    found = {name: at for name, at in begun.items() if "2027" <= name < "2028"}
    assert sorted(found) == sorted(wanted)
    for name, at in found.items():
        assert 0 <= (at - wanted[name]).total_seconds() <= late_s, (name, at)


def night_of(cron: str, zone: str, **options: bool) -> Night:
    return Night(Path("plan.yaml"), parse(cron), ZoneInfo(zone), **options)


@pytest.mark.parametrize(
    ("zone", "machine"),
    [
        *((zone, "UTC") for zone in ZONES),
        ("Australia/Lord_Howe", "America/New_York"),
        ("Africa/Cairo", "Europe/Berlin"),
        ("America/Nuuk", "Europe/Berlin"),
    ],
)
def test_a_crontab_of_another_zone(zone: str, machine: str) -> None:
    for cron in TIMES:
        lines = clocks.moved(parse(cron), ZoneInfo(zone), ZoneInfo(machine), TODAY)
        night = night_of(cron, zone, on_time=len(lines) > 1)
        starts = [moment for line in lines for moment in as_crond(line, ZoneInfo(machine))]
        check(night, starts, ZoneInfo(machine))


@pytest.mark.parametrize("zone", ZONES)
def test_a_crontab_of_the_machines_own_zone(zone: str) -> None:
    for cron in TIMES:
        (line,) = clocks.moved(parse(cron), ZoneInfo(zone), ZoneInfo(zone), TODAY)
        check(night_of(cron, zone), as_crond(line, ZoneInfo(zone)), late_s=0)


def test_the_night_that_a_machine_in_utc_lost(tmp_path: Path) -> None:
    lines = crontab.crontab(made(tmp_path, "30 2 * * *"), UTC, TODAY).splitlines()[1:-1]
    assert all("--on-time" in line for line in lines)
    night = night_of("30 2 * * *", "Europe/Berlin", on_time=True)
    spring = [datetime.datetime(2027, 3, 28, hour, 30, 2, tzinfo=UTC) for hour in (0, 1)]
    assert [due_name(night, now, UTC) for now in spring] == [None, "2027-03-28"]
    autumn = [datetime.datetime(2027, 10, 31, hour, 30, 2, tzinfo=UTC) for hour in (0, 1)]
    assert [due_name(night, now, UTC) for now in autumn] == ["2027-10-31", None]


@pytest.mark.parametrize("zone", ZONES)
def test_systemd(zone: str) -> None:
    for cron in TIMES:
        parsed, place = parse(cron), ZoneInfo(zone)
        starts = [start.at.astimezone(UTC) for day in days() for start in parsed.starts(day, place)
                  if not start.skipped]  # fmt: skip
        for line in systemd.after_gaps(parsed, place, TODAY):
            wall, _, name = line.rpartition(" ")
            assert name == zone
            moment = datetime.datetime.fromisoformat(wall).replace(tzinfo=place)
            assert moment.astimezone(UTC).astimezone(place) == moment
            starts.append(moment.astimezone(UTC))
        check(night_of(cron, zone), starts, late_s=0)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Africa/Cairo"])
def test_systemd_counts_the_same_moments(zone: str) -> None:
    """Around each change of clocks in two years."""
    cron, place = parse("30 2 * * *" if zone != "Africa/Cairo" else "30 0 * * *"), ZoneInfo(zone)
    for start in list(clocks.skipped(cron, place, TODAY))[:2]:
        for change in (start.at, start.at + 217 * DAY):
            base = change.astimezone(UTC) - 4 * DAY
            shown: set[str] = set()
            lines = [*systemd.calendar(cron, place), *systemd.after_gaps(cron, place, TODAY)]
            for line in lines:
                done = subprocess.run(
                    ["systemd-analyze", "calendar", "--iterations=8",
                     f"--base-time={base:%Y-%m-%d %H:%M:%S} UTC", line],
                    env={**os.environ, "TZ": "UTC", "LANG": "C"},
                    capture_output=True, text=True, check=True,
                )  # fmt: skip
                shown |= set(re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d):00 UTC", done.stdout))
            coming = cron.coming(base, place)
            wanted = [f"{next(coming).astimezone(UTC):%Y-%m-%d %H:%M}" for _ in range(8)]
            assert sorted(shown)[:8] == wanted


@pytest.mark.parametrize(
    ("zone", "late_min"), [*((zone, 0) for zone in ZONES), *((zone, 50) for zone in ZONES[::4])]
)
def test_github(zone: str, late_min: int) -> None:
    for cron in TIMES:
        for today in (TODAY, datetime.date(2027, 6, 1)):
            lines, most = clocks.latest_in_utc(parse(cron), ZoneInfo(zone), today)
            late = datetime.timedelta(minutes=late_min)
            starts = [moment + late for line in lines for moment in by_the_clock(line, UTC)]
            check(night_of(cron, zone), starts, late_s=60 * (max(most, 120) + late_min))


def test_times_that_github_cannot_tell_apart_are_refused() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    with pytest.raises(pex.PexError, match="less than 60 minutes apart"):
        clocks.latest_in_utc(parse("0,30 2 * * *"), berlin, TODAY)
    for cron in ("0,30 2 * * *", "*/20 * * * *", "0 */6 * * *"):
        assert clocks.latest_in_utc(parse(cron), UTC, TODAY) == ([str(parse(cron))], 0)
    assert clocks.latest_in_utc(parse("0 */6 * * *"), berlin, TODAY)[1] == 60
    assert clocks.latest_in_utc(parse("*/20 * * * *"), berlin, TODAY)[1] == 60


@pytest.mark.parametrize("zone", ZONES)
def test_airflow(zone: str) -> None:
    place = ZoneInfo(zone)
    for cron in TIMES:
        parsed = parse(cron)
        walls = [start.wall for day in days() for start in parsed.starts(day, place)]
        for fold in (0, 1):  # a time that is left out is moved by the gap
            starts = [wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for wall in walls]
            starts = [max(now, parsed.due(now, place).at.astimezone(UTC)) for now in starts]
            if fold == 0:
                check(night_of(cron, zone), starts)


@pytest.mark.parametrize("zone", ZONES)
def test_kubernetes(zone: str, tmp_path: Path) -> None:
    place = ZoneInfo(zone)
    for cron in TIMES:
        jobs = list(yaml.safe_load_all(hosted.kubernetes(made(tmp_path, cron, place), TODAY)))
        assert len({job["metadata"]["name"] for job in jobs}) == len(jobs)
        found: dict[str, datetime.datetime] = {}
        for job in jobs:
            spec = job["spec"]
            (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
            night = night_of(cron, zone, only_skipped="--only-skipped" in container["args"])
            assert (night.only_skipped, spec["timeZone"]) == (job is not jobs[0], zone)
            for now in by_the_clock(spec["schedule"], ZoneInfo(spec["timeZone"])):
                name = due_name(night, now, UTC)
                if name is not None and "2027" <= name < "2028":
                    found[name] = min(now, found.get(name, now))
        wanted = {f"{s.wall:%Y-%m-%d}": s.at for d in days() for s in parse(cron).starts(d, place)}
        assert found == {name: at.astimezone(UTC) for name, at in wanted.items()}


def test_a_zone_that_left_out_a_whole_day_has_no_night_of_it() -> None:
    apia = ZoneInfo("Pacific/Apia")
    coming = parse("30 2 * * *").coming(datetime.datetime(2011, 12, 29, tzinfo=apia), apia)
    assert [next(coming).day for _ in range(3)] == [29, 31, 1]
    cron = parse("30 2 * * *")
    assert cron.starts(datetime.date(2011, 12, 30), apia) == []


def test_several_times_of_a_day_are_named_by_their_moments() -> None:
    night = night_of("0,20,40 2 * * *", "Europe/Berlin")
    spring = datetime.datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
    assert due_name(night, spring, UTC) == "2027-03-28T03-00"
    both = [datetime.datetime(2027, 10, 31, hour, 20, tzinfo=UTC) for hour in (0, 1)]
    assert [due_name(night, now, UTC) for now in both] == ["2027-10-31T02-20", "2027-10-31T02-40"]


def test_every_hour_is_every_hour() -> None:
    cron: Cron = parse("0 * * * *")
    for name in ("Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"):
        zone = ZoneInfo(name)
        coming = cron.coming(datetime.datetime(2027, 1, 1, tzinfo=zone), zone)
        moments = [next(coming) for _ in range(24 * 365)]
        assert len({moment.timestamp() for moment in moments}) == len(moments)


def test_a_start_that_only_another_cron_makes_is_one_too() -> None:
    """An hourly line of Debian's cron also runs in the hour that the clocks show twice."""
    casablanca = ZoneInfo("Africa/Casablanca")
    night = night_of("0 * * * *", "Asia/Kolkata", on_time=True)
    for hour in (1, 2, 3):  # at 02:00 UTC it is two o'clock there for the second time
        now = datetime.datetime(2027, 2, 7, hour, 30, tzinfo=UTC)
        assert due_name(night, now, casablanca) == f"2027-02-07T{hour + 6:02d}-00"
