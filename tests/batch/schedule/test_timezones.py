"""Which time zone counts."""

from pathlib import Path

import pytest

import pex
from pex.batch.schedule import timezones


def test_the_machines_zone_is_read_from_its_link_or_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, name = tmp_path / "localtime", tmp_path / "timezone"
    monkeypatch.setattr(timezones, "_LINK", link)
    monkeypatch.setattr(timezones, "_NAME", name)
    assert timezones.machine_zone() == "UTC"
    name.write_text("Asia/Tokyo\n")
    assert timezones.machine_zone() == "Asia/Tokyo"
    link.symlink_to("/usr/share/zoneinfo/America/Argentina/Salta")
    assert timezones.machine_zone() == "America/Argentina/Salta"


def test_the_users_zone_is_tz_where_it_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":Europe/Paris")
    assert timezones.users_zone() == "Europe/Paris"
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    assert timezones.users_zone() == timezones.machine_zone()


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "/etc/localtime", "Mars/Olympus", "\0"])
def test_no_zone(name: str) -> None:
    with pytest.raises(pex.PexError, match="there is no time zone"):
        timezones.read_zone(name)
