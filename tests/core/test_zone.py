"""Which time zone counts."""

from pathlib import Path

import pytest

import pex
from pex.core import zone


def test_the_machines_zone_is_read_from_its_link_or_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, name = tmp_path / "localtime", tmp_path / "timezone"
    monkeypatch.setattr(zone, "_LINK", link)
    monkeypatch.setattr(zone, "_NAME", name)
    assert zone.machine_zone() == "UTC"
    name.write_text("Asia/Tokyo\n")
    assert zone.machine_zone() == "Asia/Tokyo"
    link.symlink_to("/usr/share/zoneinfo/America/Argentina/Salta")
    assert zone.machine_zone() == "America/Argentina/Salta"


def test_the_users_zone_is_tz_where_it_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":Europe/Paris")
    assert zone.users_zone() == "Europe/Paris"
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    assert zone.users_zone() == zone.machine_zone()


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "/etc/localtime", "Mars/Olympus", "\0"])
def test_no_zone(name: str) -> None:
    with pytest.raises(pex.PexError, match="there is no time zone"):
        zone.read_zone(name)
