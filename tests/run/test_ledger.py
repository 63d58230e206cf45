"""What a run would cost, and what the project has spent."""

import sqlite3
from pathlib import Path

import pytest

import pex
from pex import local
from pex.project.settings import load_settings
from pex.run.database import SqliteDatabase, database_of
from pex.run.ledger import spending, total
from tests.helpers.endpoint import FaultyEndpoint, completion


@pytest.fixture
def paid(project: Path, endpoint: FaultyEndpoint) -> FaultyEndpoint:
    """A provider that charges $1 for a thousand tokens, half for cached ones."""
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
        "cached_input_usd_per_million = 500\n"
    )
    return endpoint


def experiment(count: int = 10, name: str = "echo", max_tokens: int = 20) -> pex.Experiment:
    prompt = pex.Prompt("Say {{ word }}", name="say")
    cases = [{"word": f"word{i}"} for i in range(count)]
    return pex.Experiment(name, pex.grid(prompt, "lab/m1", {"max_tokens": max_tokens}), cases)


def test_without_a_past_it_goes_by_bytes_and_the_longest_answers(
    paid: FaultyEndpoint, project: Path
) -> None:
    preview = experiment().preview()
    assert (preview.calls, preview.replayed, preview.tokens_from) == (10, 0, ("bytes",))
    assert preview.completion_tokens == preview.longest_tokens == 200
    size = len('[{"role":"user","content":"Say word0"}]') / 3.5 * 10
    assert preview.prompt_tokens == pytest.approx(size, abs=1)
    assert preview.cost_usd == preview.at_most_usd == pytest.approx((size + 200) / 1000, rel=0.05)
    assert preview.seconds is None
    assert "a rough estimate" in str(preview)
    assert not (project / ".pex").exists()


def test_earlier_calls_say_more(paid: FaultyEndpoint) -> None:
    experiment().run(record=False, show=False)
    preview = experiment(30).preview()
    assert (preview.calls, preview.replayed) == (20, 10)
    assert preview.tokens_from == ("earlier calls",)
    assert preview.prompt_tokens == pytest.approx(20 * 10, rel=0.05)
    assert (preview.completion_tokens, preview.longest_tokens) == (40, 400)
    assert preview.cost_usd == pytest.approx(20 * 0.012, rel=0.05)
    assert preview.at_most_usd == pytest.approx(20 * 0.03, rel=0.05)
    assert preview.seconds is not None
    assert "20 calls (10 more answers are reused)" in str(preview)
    other = experiment(5, "another").preview(journal="fresh")
    assert (other.calls, other.tokens_from) == (5, ("earlier calls",))
    assert other.completion_tokens == other.longest_tokens
    assert other.seconds is None
    everything = experiment(10).preview()
    assert "no calls, no cost" in str(everything)
    assert everything.cost_usd == 0


@pytest.mark.model
def test_the_built_in_model_counts_its_own_tokens(project: Path) -> None:
    prompt = pex.Prompt("Say {{ word }} \N{SNOWMAN}", name="say")
    variants = pex.grid(prompt, "local/smollm2", {"max_tokens": 1})
    exp = pex.Experiment("own", variants, [{"word": "yes"}])
    assert exp.preview().tokens_from == ("bytes",)
    state = project / ".pex"
    local.ensure(state)
    try:
        preview = exp.preview()
        text = '[{"role":"user","content":"Say yes \N{SNOWMAN}"}]'
        assert preview.tokens_from == ("the model's tokenizer",)
        assert preview.prompt_tokens == local.count_tokens(state, text)
        assert preview.cost_usd == 0
    finally:
        local.stop(state)


def test_the_ledger_adds_up(
    paid: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cached(body: dict, number: int) -> dict:
        whole = completion("x")
        whole["usage"]["prompt_tokens_details"] = {"cached_tokens": 4}
        return whole

    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    experiment(3).run(record=False, show=False)
    paid.reply = cached
    experiment(2, "other").run(record=False, show=False, journal="fresh")
    paid.reply = lambda body, number: "drop" if number == 6 else None
    experiment(1, "third").run(record=False, show=False, journal="fresh")
    database = database_of(project / ".pex", load_settings(project))
    by = {item.name: item for item in spending(database, "experiment")}
    assert list(by) == ["echo", "other", "third"]
    assert (by["echo"].calls, by["echo"].prompt_tokens, by["echo"].completion_tokens) == (3, 30, 6)
    assert by["echo"].usd == pytest.approx(3 * 0.012)
    assert by["other"].cached_tokens == 8
    assert by["other"].usd == pytest.approx(2 * 0.010)
    assert by["third"].usd == pytest.approx(0.012)
    assert by["third"].unsure_usd > 0.02
    assert [item.name for item in spending(database, "model")] == ["lab/m1"]
    assert total(spending(database, "day")).usd == pytest.approx(0.068)
    with pytest.raises(pex.PexError, match="did you mean 'model'"):
        spending(database, "modle")


def test_replays_cost_nothing(paid: FaultyEndpoint, project: Path) -> None:
    experiment(4).run(record=False, show=False)
    experiment(4).run(record=False, show=False)
    database = database_of(project / ".pex", load_settings(project))
    assert total(spending(database, "model")).calls == 4


def test_days_are_those_of_the_calendar_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    database = SqliteDatabase(tmp_path / "journal.db")
    database.connect().close()
    with sqlite3.connect(database.path) as connection:
        connection.execute(
            "INSERT INTO runs VALUES ('r', 'e', '', '', NULL, NULL, '', '', 0, 0, 0, NULL, NULL)"
        )
        for name, at in (("a", 1_800_000_000), ("b", 1_800_000_000 + 3 * 3600)):  # 08:00, 11:00
            connection.execute(
                "INSERT INTO ledger (id, run_id, at, model, variant, usd, latency_s) "
                "VALUES (?, 'r', ?, 'm', 'v', 1, 1)",
                [name, at],
            )
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        assert [item.calls for item in spending(database, "day")] == [2]
        monkeypatch.setenv("TZ", "Pacific/Kiritimati")  # 14 hours ahead: midnight between them
        time.tzset()
        days = spending(database, "day")
        assert [(item.name, item.calls) for item in days] == [("2027-01-15", 1), ("2027-01-16", 1)]
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
