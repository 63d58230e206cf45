"""The journal on a real PostgreSQL: the same promises, for several machines."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pex
from pex.core.errors import JournalError
from pex.project.settings import load_settings
from pex.run.database import database_of
from pex.run.ledger import spending
from pex.run.retention import AnswerFilter, answers, delete
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.journals import SCRIPT, experiment, run
from tests.helpers.postgres import PASSWORD, postgres

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture
def shared(
    server: str, lab: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> FaultyEndpoint:
    """The project's journal is on the server, emptied."""
    monkeypatch.setenv("PEX_JOURNAL_URL", server)
    with (project / "pex.toml").open("a") as file:
        file.write('[journal]\nurl_env = "PEX_JOURNAL_URL"\n')
    sql(server, "DROP SCHEMA IF EXISTS pex CASCADE")
    return lab


def sql(url: str, statement: str) -> list[tuple]:
    import pg8000.dbapi

    _, _, rest = url.partition("@")
    host, _, tail = rest.partition(":")
    port, _, name = tail.partition("/")
    connection = pg8000.dbapi.connect(
        user="pex", password=PASSWORD, host=host, port=int(port), database=name
    )
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(statement)
    found = list(cursor.fetchall()) if cursor.description else []
    connection.close()
    return [tuple(row) for row in found]


def test_answers_are_kept_and_found(shared: FaultyEndpoint, project: Path, server: str) -> None:
    odd = "a % b ? ' \" \u0000 \\ 😀 {{x}}"
    shared.reply = lambda body, number: None
    first = run(experiment(50))
    second = run(experiment(50))
    assert shared.calls == 50
    assert second.frame["from_journal"].all()
    assert first.frame["output"].equals(second.frame["output"])
    prompt = pex.Prompt("{{ word }}", name="echo")
    exp = pex.Experiment("odd", pex.grid(prompt, "lab/m1"), [{"word": odd}], ["length"])
    assert run(exp).frame["output"].tolist() == run(exp).frame["output"].tolist() == [odd]
    assert sql(server, "SELECT count(*) FROM pex.answers") == [(51,)]
    assert not (project / ".pex" / "journal.db").exists()


def test_an_interrupted_run_is_continued(shared: FaultyEndpoint) -> None:
    shared.latency_s = 0.05
    execution = experiment(60, max_in_flight=4).start(record=False)
    while execution.progress.answered < 8:
        time.sleep(0.01)
    execution.cancel()
    execution.wait()
    done = run(experiment(60, max_in_flight=4))
    assert done.about["journal"]["continued"]
    assert done.about["counts"]["answered"] == 60
    assert shared.calls == 60


def test_many_processes_write_at_once(shared: FaultyEndpoint, project: Path, server: str) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, "200", "fresh"],
            cwd=project,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    outs = [worker.communicate(timeout=300)[0].split()[1:] for worker in workers]
    assert outs == [["200", "0", "0", "200", "200.0", "200"]] * 4
    assert sql(server, "SELECT count(*), count(DISTINCT scope) FROM pex.answers") == [(800, 4)]


def test_the_ledger_the_estimate_and_the_house(
    shared: FaultyEndpoint, project: Path, server: str
) -> None:
    exp = experiment(20)
    run(exp)
    database = database_of(project / ".pex", load_settings(project))
    for by in ("model", "experiment", "day"):
        (item,) = spending(database, by)
        assert (item.calls, item.prompt_tokens, item.completion_tokens) == (20, 200, 40)
    preview = exp.preview(journal="fresh")
    assert preview.tokens_from == ("earlier calls",)
    assert (preview.prompt_tokens, preview.completion_tokens) == (200, 40)
    count, size = answers(database, AnswerFilter())
    assert (count, size > 20 * 200) == (20, True)
    case = exp.cases[0].id
    assert delete(database, AnswerFilter(case_id=case)) == 1
    assert answers(database, AnswerFilter(older_than_days=1)) == (0, 0)
    assert run(exp).about["counts"]["replayed"] == 19


def test_a_newer_format_is_an_error(shared: FaultyEndpoint, server: str) -> None:
    run(experiment(1))
    sql(server, "UPDATE pex.format SET version = 99")
    with pytest.raises(JournalError, match="newer pexlab") as caught:
        run(experiment(1))
    assert PASSWORD not in str(caught.value)


def test_an_older_format_is_migrated(shared: FaultyEndpoint, project: Path, server: str) -> None:
    run(experiment(5))
    sql(server, "ALTER TABLE pex.budget_shares RENAME TO purses")
    sql(server, "UPDATE pex.format SET version = 5")
    with database_of(project / ".pex", load_settings(project)).opened() as connection:
        assert connection.rows("SELECT * FROM budget_shares") == []
    assert run(experiment(5)).about["counts"]["replayed"] == 5


def test_lost_connections_are_made_again(shared: FaultyEndpoint, server: str) -> None:
    shared.latency_s = 0.05
    exp = experiment(400)
    execution = exp.start(record=False, max_in_flight=4)
    while execution.progress.answered < 8:
        time.sleep(0.01)
    sql(
        server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )
    results = execution.wait()
    assert results.about["counts"]["answered"] == 400
    assert sql(server, "SELECT count(*) FROM pex.answers") == [(400,)]
    assert sql(server, "SELECT count(*) FROM pex.ledger") == [(400,)]


def test_bad_addresses(
    shared: FaultyEndpoint, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEX_JOURNAL_URL", "mysql://u:hidden-password@host/db")
    with pytest.raises(JournalError, match="does not hold a PostgreSQL address") as caught:
        run(experiment(1))
    assert "hidden" not in str(caught.value)
    monkeypatch.setenv("PEX_JOURNAL_URL", server.replace(PASSWORD, "wrong-password"))
    with pytest.raises(JournalError, match="password authentication failed") as caught:
        run(experiment(1))
    assert "wrong-password" not in str(caught.value)
    monkeypatch.setenv("PEX_JOURNAL_URL", "postgresql://pex:secret-pw@127.0.0.1:9/db")
    with pytest.raises(JournalError, match=r"127\.0\.0\.1:9") as caught:
        run(experiment(1))
    assert "secret-pw" not in str(caught.value)
    monkeypatch.delenv("PEX_JOURNAL_URL")
    with pytest.raises(JournalError, match="PEX_JOURNAL_URL is not set"):
        run(experiment(1))
    assert shared.calls == 0
