"""A crontab and units of one's own; programs stand in for those that would change the machine's."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pex
from pex.batch.schedule import install
from pex.batch.schedule.crontab import marks
from tests.helpers.schedules import made, stand_ins

LINES = st.lists(
    st.text(
        st.characters(exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=20
    ),
    max_size=5,
)
BLOCK = "# begin\n0 2 * * * night\n# end\n"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return stand_ins(tmp_path, monkeypatch)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a machine may be slow
@given(LINES, LINES)
def test_lines_of_others_stay_and_the_block_is_there_once(
    before: list[str], after: list[str]
) -> None:
    others = "".join(f"{line}\n" for line in [*before, *after])
    once = install.merged("".join(f"{line}\n" for line in before), BLOCK, "# begin", "# end")
    with_more = once + "".join(f"{line}\n" for line in after)
    again = install.merged(with_more, BLOCK, "# begin", "# end")
    assert again == with_more
    assert again.count(BLOCK) == 1
    assert install.merged(again, "", "# begin", "# end") == others


def test_a_crontab_without_its_last_line_end() -> None:
    assert install.merged("MAILTO=me", BLOCK, "# begin", "# end") == f"MAILTO=me\n{BLOCK}"
    assert install.merged("MAILTO=me", "", "# begin", "# end") == "MAILTO=me"


def test_half_a_block_is_not_touched() -> None:
    with pytest.raises(pex.PexError, match="without '# end' after it\n  fix it"):
        install.merged("# begin\n0 3 * * * mine\n", BLOCK, "# begin", "# end")


def test_into_the_crontab_and_out_again(tmp_path: Path, stand_in: Path) -> None:
    schedule = made(tmp_path)
    begin, end = marks(schedule)
    block = f"{begin}\n0 2 * * * true\n{end}\n"
    assert not install.change_crontab(schedule, "")
    assert install.change_crontab(schedule, block)
    assert not install.change_crontab(schedule, block)
    table = stand_in / "table"
    table.write_text("MAILTO=me\n" + table.read_text() + "5 5 * * * mine\n")
    assert install.change_crontab(schedule, block.replace("0 2", "0 3"))
    assert table.read_text() == f"MAILTO=me\n{block.replace('0 2', '0 3')}5 5 * * * mine\n"
    assert install.change_crontab(schedule, "")
    assert table.read_text() == "MAILTO=me\n5 5 * * * mine\n"


def test_a_crontab_that_cannot_be_read_is_not_overwritten(tmp_path: Path, stand_in: Path) -> None:
    (stand_in / "crontab").write_text("#!/bin/sh\necho 'not allowed to use this' >&2\nexit 1\n")
    (stand_in / "crontab").chmod(0o755)
    with pytest.raises(pex.PexError, match="crontab -l: not allowed"):
        install.change_crontab(made(tmp_path), "x\n")


def test_units_are_written_and_started_and_taken_out(tmp_path: Path, stand_in: Path) -> None:
    schedule = made(tmp_path)
    install.add_units(schedule, "service", "timer")
    service, timer = install.units(schedule)
    assert service == tmp_path / "config/systemd/user/pexlab-sums-plan.service"
    assert (service.read_text(), timer.read_text()) == ("service", "timer")
    asked = stand_in / "asked"
    assert asked.read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable pexlab-sums-plan.timer",
        "--user restart pexlab-sums-plan.timer",
    ]
    assert install.remove_units(schedule)
    assert not service.exists()
    assert not timer.exists()
    assert "--user disable --now pexlab-sums-plan.timer" in asked.read_text()
    assert not install.remove_units(schedule)


def test_without_a_session_of_systemd_no_file_stays(tmp_path: Path, stand_in: Path) -> None:
    schedule = made(tmp_path)
    (stand_in / "broken").touch()
    with pytest.raises(pex.PexError, match=r"Failed to connect to bus\n.*--to crontab"):
        install.add_units(schedule, "service", "timer")
    assert not any(file.exists() for file in install.units(schedule))


def test_a_machine_without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pex.PexError, match=r"no 'crontab' on this machine\n.*--to systemd"):
        install.change_crontab(made(tmp_path), "x\n")
