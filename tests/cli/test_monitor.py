from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command import pexlab
from tests.helpers.deployed import bulk_traces

MONITOR = """\
name: support
source: {{experiment: shop}}
baseline: pinned
alarms: [{{metric: error_share, above: {above}}}]
"""


def run(folder: Path, *args: str) -> tuple[int, str, str]:
    done = pexlab("monitor", *args, folder=folder)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def shop(project: Path, uri: str) -> Path:
    now = datetime.datetime.now(datetime.UTC)
    rows: list[dict[str, Any]] = [
        {"started_at": now - datetime.timedelta(hours=2 * number, minutes=1),
         "state": "error" if number % 3 == 0 else "ok"}
        for number in range(240)
    ]  # fmt: skip
    bulk_traces(uri, "shop", rows)
    return project


def test_exit_codes_files_and_json(shop: Path) -> None:
    file = shop / "monitor.yaml"
    file.write_text(MONITOR.format(above=0.05))
    code, out, _ = run(shop, "--report", "page.html", "--junit", "rules.xml", "--no-record")
    assert code == 1
    assert "Alarm: error_share" in out
    assert "error_share" in (shop / "page.html").read_text()
    assert "<failure" in (shop / "rules.xml").read_text()
    code, out, _ = run(shop, "monitor.yaml", "--json", "--no-record")
    found = json.loads(out)
    assert (code, found["code"], found["traces"]) == (1, 1, 240)
    assert found["alarms"][0]["metric"] == "error_share"

    file.write_text(MONITOR.format(above=0.9))
    (shop / ".pex" / "monitor" / "support.alarms.json").unlink()
    code, out, _ = run(shop, "--no-record")
    assert (code, "no alarm" in out) == (0, True)
    file.write_text(MONITOR.format(above=0.9).replace("error_share", "tone"))
    code, out, _ = run(shop, "--no-record")
    assert (code, "cannot tell" in out) == (3, True)


def test_accepting_writes_the_baseline(shop: Path) -> None:
    (shop / "monitor.yaml").write_text(MONITOR.format(above=0.05))
    code, out, _ = run(shop, "--accept", "a new model, agreed with support")
    assert (code, "accepted" in out) == (0, True)
    kept = json.loads(Path(out.strip().partition(": ")[2]).read_text())
    assert kept["support"]["why"] == "a new model, agreed with support"
    code, _, err = run(shop, "shop", "--accept", "why")
    assert (code, "is not a file" in err) == (2, True)


def test_wrong_use_is_code_2_with_the_nearest_name(shop: Path) -> None:
    code, _, err = run(shop, "shpo")
    assert (code, "no experiment 'shpo'" in err, "shop" in err) == (2, True, True)
    code, _, err = run(shop)
    assert (code, "has no monitor.yaml" in err) == (2, True)
    (shop / "monitor.yaml").write_text(MONITOR.format(above=0.05) + "alarm: []\n")
    code, _, err = run(shop)
    assert (code, "alarms" in err) == (2, True)
