"""The log keeps its bounds and what must not be seen out."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pex.batch.schedule import nightlog
from pex.batch.schedule.nightlog import NightLog

UTC = ZoneInfo("UTC")


def test_a_large_log_is_put_aside_and_the_oldest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nightlog, "LARGEST", 2000)
    log = NightLog(tmp_path / "logs" / "n.log", UTC)
    for night in range(100):
        log.rotate()
        for line in range(10):
            log.write(f"night {night} line {line}")
    files = sorted(file.name for file in log.path.parent.iterdir())
    assert files == ["n.log", *(f"n.log.{number}" for number in range(1, nightlog.OLDER + 1))]
    assert all(file.stat().st_size < 3000 for file in log.path.parent.iterdir())
    whole = "".join(
        log.path.with_name(name).read_text() for name in sorted(files[1:], reverse=True)
    )
    lines = [line.split("  ")[1] for line in (whole + log.path.read_text()).splitlines()]
    wanted = [f"night {night} line {line}" for night in range(100) for line in range(10)]
    assert lines == wanted[-len(lines) :]


def test_hostile_lines_and_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", "sk-12345678")
    log = NightLog(tmp_path / "n.log", UTC)
    log.write("\x1b]0;title\x07\x1b[2J a\x00b \ud800 sk-12345678\r\nnext")
    log.write("x" * 1_000_000)
    text = log.path.read_text(encoding="utf-8")
    assert len(text.splitlines()) == 2
    assert "12345678" not in text
    assert "[redacted]" in text
    assert not set(text) & set("\x00\x07\x1b\r")
    assert len(text) < 5000
