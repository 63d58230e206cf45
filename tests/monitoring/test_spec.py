"""`monitor.yaml`: what is read, and what a mistake is told."""

from pathlib import Path

import pytest

from pex.core.errors import PexError
from pex.monitoring.spec import load_monitor

WHOLE = """\
name: support
source: {experiment: support-production, filter: "tag.service = 'reviews'"}
sample: {rate: 0.02, per_day: 500, budget_usd: 2}
scorers: [label]
baseline: champion
alarms: [{metric: polite, drop: 0.05}, {metric: error_share, above: 0.02}, {drift: language}]
notify: [{webhook_env: SLACK_URL}]
"""


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(WHOLE)
    spec = load_monitor(path)
    assert spec.source.experiments == ["support-production"]
    assert [rule.drop for rule in spec.alarms] == [0.05, None, None]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("drop: 0.05", "dorp: 0.05", "drop"),
        ("drop: 0.05", "drop: 0.05, above: 1", "exactly one of"),
        ("drift: language", "drift: language, above: 1", "no limit of its own"),
        ("rate: 0.02", "rate: 2", "rate"),
        (
            "baseline: champion",
            "baseline_dates: {first: 2026-11-02, last: 2026-11-01}",
            "before first",
        ),
        ("webhook_env: SLACK_URL", "webhook_env: 'https://x.test'", "not its value"),
    ],
)
def test_a_mistake_names_the_file_and_what_was_expected(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(WHOLE.replace(old, new))
    with pytest.raises(PexError, match=r"monitor\.yaml") as caught:
        load_monitor(path)
    assert expected in f"{caught.value.message} {caught.value.hint}"
