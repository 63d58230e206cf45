"""The journal: nothing paid for is asked again, and nothing is used before it is on disk."""

import concurrent.futures
import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from aiohttp import web

import pex
from pex.core.errors import JournalError
from pex.run import database, journal, schema
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.journals import SCRIPT, experiment, kill_at_random, rows, run


def test_an_answer_is_never_asked_twice(lab: FaultyEndpoint, project: Path) -> None:
    first = run(experiment())
    second = run(experiment())
    assert lab.calls == 10
    assert not first.frame["from_journal"].any()
    assert second.frame["from_journal"].all()
    assert second.about["counts"]["replayed"] == 10
    same = ["output", "cost_usd", "latency_s", "started_at", "score.exact", "request_key"]
    assert first.frame[same].equals(second.frame[same])


def test_a_replay_needs_no_endpoint(project: Path) -> None:
    server = FaultyEndpoint()
    with server.running():
        text = f'[providers.lab]\nbase_url = "{server.url}"\nfree = true\n'
        (project / "pex.toml").write_text(text)
        run(experiment())
    assert len(run(experiment())) == 10
    with pytest.raises(pex.PexError, match="cannot be reached"):
        run(experiment(11))


def test_results_and_report_say_what_was_replayed(lab: FaultyEndpoint, project: Path) -> None:
    first, second = run(experiment()), run(experiment())
    assert "reused" not in repr(first)
    assert "10 of 10 answers (10 reused)" in repr(second)
    page = second.report(project / "report.html").read_text()
    assert "10 of 10 requests answered (10 reused, at no cost)" in page


def test_another_experiment_finds_the_answers_too(lab: FaultyEndpoint) -> None:
    run(experiment(10))
    run(experiment(12, name="others"))
    assert lab.calls == 12


def test_repeats_are_answers_of_their_own(lab: FaultyEndpoint) -> None:
    run(experiment(5))
    assert run(experiment(5), repeats=3).about["counts"]["replayed"] == 5
    assert lab.calls == 15


def test_fresh_asks_anew_and_off_keeps_nothing(lab: FaultyEndpoint, project: Path) -> None:
    run(experiment())
    run(experiment(), journal="fresh")
    assert lab.calls == 20
    run(experiment(), journal="fresh")
    assert lab.calls == 30
    kept = rows(project, "SELECT count(*) FROM answers")
    off = run(experiment(), journal="off")
    assert lab.calls == 40
    assert not off.frame["from_journal"].any()
    assert rows(project, "SELECT count(*) FROM answers") == kept == [(30,)]
    assert rows(project, "SELECT count(*) FROM ledger") == [(40,)]


def test_an_unknown_mode(lab: FaultyEndpoint) -> None:
    with pytest.raises(pex.PexError, match="did you mean 'fresh'"):
        run(experiment(), journal="frsh")
    assert lab.calls == 0


def test_a_batch_is_fresh_and_continues(
    lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(experiment())
    monkeypatch.setenv("PEX_BATCH_ID", "night-1")
    run(experiment())
    assert lab.calls == 20
    assert run(experiment(12)).about["counts"]["replayed"] == 10
    monkeypatch.setenv("PEX_BATCH_ID", "night-2")
    run(experiment())
    assert lab.calls == 32


def test_two_plans_with_one_batch_id_share_no_answer_no_run_and_no_budget(
    lab: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{lab.url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
    )
    monkeypatch.setenv("PEX_BATCH_ID", "2026-11-26")
    monkeypatch.setenv("PEX_JOB_ID", "compare")
    monkeypatch.setenv("PEX_BATCH_BUDGET_USD", "1.5")
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"word{i}"} for i in range(100)]
    found: dict[str, list[pex.Results]] = {}
    for plan in ("first", "second", "first"):
        monkeypatch.setenv("PEX_PLAN", plan)
        exp = pex.Experiment("e", pex.grid(prompt, "lab/m1", {"max_tokens": 2}), cases)
        found.setdefault(plan, []).append(run(exp, budget_usd=5, max_in_flight=2))
    assert lab.calls == 200
    assert {results.status for several in found.values() for results in several} == {"finished"}
    first, again = found["first"]
    assert (first.about["counts"]["replayed"], again.about["counts"]["replayed"]) == (0, 100)


def test_errors_are_not_kept(lab: FaultyEndpoint) -> None:
    broken = {"word2", "word3"}
    lab.reply = lambda body, number: (
        web.json_response({"error": "bad"}, status=400)
        if body["messages"][0]["content"] in broken
        else None
    )
    exp = experiment()
    assert run(exp).about["counts"]["errors"] == 2
    broken.clear()
    again = run(exp, only="errors")
    assert sorted(again.frame["case.word"]) == ["word2", "word3"]
    assert lab.calls == 12
    whole = run(exp)
    assert lab.calls == 12
    assert whole.about["counts"] == {
        "requests": 10,
        "answered": 10,
        "replayed": 10,
        "errors": 0,
        "not_asked": 0,
    }


def test_an_answer_is_on_disk_before_it_is_told(lab: FaultyEndpoint, project: Path) -> None:
    seen = []
    execution = None

    def look(event: object) -> None:
        if isinstance(event, pex.core.events.Answered):
            seen.append(rows(project, "SELECT count(*) FROM answers")[0][0])

    exp = experiment(40)
    execution, _ = exp.prepare(record=False, max_in_flight=4)
    execution.listen(look)
    execution.start().wait()
    assert len(seen) == 40
    assert all(count >= number for number, count in enumerate(seen, 1))


def test_the_next_start_continues_the_mlflow_run(lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.05
    exp = experiment(60, max_in_flight=4)
    execution = exp.start()
    while execution.progress.answered < 8:
        time.sleep(0.01)
    execution.cancel()
    stopped = execution.wait()
    assert stopped.status == "interrupted"
    done = run(exp, record=True)
    assert done.run_id == stopped.run_id
    assert done.about["journal"]["continued"]
    assert done.about["counts"]["answered"] == 60
    assert lab.calls == 60
    again = pex.load_run(done.run_id)
    assert len(again.frame) == 60
    assert again.status == "finished"

    import json

    import mlflow

    client = mlflow.MlflowClient(done.about["tracking_uri"])
    parent = client.get_run(done.run_id)
    assert parent.info.status == "FINISHED"
    table = json.loads(
        Path(client.download_artifacts(done.run_id, "results.json")).read_text("utf-8")
    )
    assert len(table["data"]) == 60
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{done.run_id}'"
    )
    assert [child.data.metrics["answers"] for child in children] == [60]
    assert run(exp, record=True).run_id != done.run_id


def test_killed_runs_pay_only_what_was_in_flight(lab: FaultyEndpoint, project: Path) -> None:
    dice = random.Random(time.time())
    kill_at_random(lab, project, dice, "fresh")
    for _ in range(2):
        (project / ".pex" / "journal.db").unlink()
        kill_at_random(lab, project, dice, "reuse")


def test_many_processes_write_at_once(lab: FaultyEndpoint, project: Path) -> None:
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
    assert rows(project, "SELECT count(*), count(DISTINCT scope) FROM answers") == [(800, 4)]


def test_a_damaged_journal_is_an_error(lab: FaultyEndpoint, project: Path) -> None:
    run(experiment())
    path = project / ".pex" / "journal.db"
    whole = path.read_bytes()
    path.write_bytes(b"this is not a database at all " * 300)
    with pytest.raises(JournalError, match=r"journal\.db is damaged.*\n.*recover"):
        run(experiment())
    for extra in project.joinpath(".pex").glob("journal.db-*"):
        extra.unlink()
    path.write_bytes(whole[: len(whole) // 2] + b"\xff" * (len(whole) // 2))
    with pytest.raises(JournalError, match="damaged"):
        run(experiment())
    assert lab.calls == 10


def test_an_answer_that_cannot_be_read_is_an_error(lab: FaultyEndpoint, project: Path) -> None:
    run(experiment())
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        connection.execute("UPDATE answers SET answer = 'half of a li'")
    with pytest.raises(JournalError, match="cannot be read"):
        run(experiment())
    assert lab.calls == 10


def test_a_newer_journal_is_an_error(lab: FaultyEndpoint, project: Path) -> None:
    run(experiment())
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match=r"newer pexlab \(format 99.*\n.*upgrade"):
        run(experiment())


def test_an_older_journal_is_migrated_and_keeps_its_answers(
    lab: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(experiment())
    path = project / ".pex" / "journal.db"
    old = project / "old.db"
    with sqlite3.connect(old) as connection:
        connection.executescript(schema.MIGRATIONS[0])
        connection.execute("PRAGMA user_version = 1")
        connection.execute(f"ATTACH '{path}' AS new")
        for table in ("runs", "answers", "ledger"):
            columns = connection.execute(f"SELECT * FROM {table}").description
            names = ", ".join(column[0] for column in columns)
            connection.execute(f"INSERT INTO {table} SELECT {names} FROM new.{table}")
    for extra in project.joinpath(".pex").glob("journal.db*"):
        extra.unlink()
    old.rename(path)
    assert run(experiment()).about["counts"]["replayed"] == 10
    assert rows(project, "PRAGMA user_version") == [(schema.VERSION,)]


def tables(path: Path) -> set[tuple[str, str]]:
    """The columns of every table, and the indexes."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {
            (name, str(column))
            for kind, name in connection.execute("SELECT type, name FROM sqlite_master").fetchall()
            for column in [kind, *connection.execute(f"PRAGMA table_info({name})").fetchall()]
        }


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_a_journal_of_each_older_format_becomes_like_a_new_one(
    version: int, tmp_path: Path
) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    with contextlib.closing(sqlite3.connect(old)) as connection:
        for step in schema.MIGRATIONS[:version]:
            connection.executescript(step)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
    for path in (old, new):
        database.SqliteDatabase(path).connect().close()
    assert tables(old) == tables(new)


def test_an_older_journal_that_many_open_at_once_is_migrated_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as connection:
        for step in schema.MIGRATIONS[:5]:
            connection.executescript(step)
        connection.execute("INSERT INTO purses VALUES ('run', 'batch', 0.5, 9e9)")
        connection.execute("PRAGMA user_version = 5")
    connection.close()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        opened = [pool.submit(database.SqliteDatabase(path).connect) for _ in range(8)]
        for each in opened:
            found = each.result().rows("SELECT run_id, allowed_usd FROM budget_shares")
            assert found == [("run", 0.5)]


def test_a_folder_that_cannot_be_written(project: Path) -> None:
    folder = project / "locked"
    folder.mkdir()
    database.SqliteDatabase(folder / "journal.db").connect().close()
    for parent in (folder, *folder.parents[:4]):
        parent.chmod(0o755)
    folder.chmod(0o555)
    (folder / "journal.db").chmod(0o444)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:  # root may write everywhere, so somebody else tries
            os.setgid(65534)
            os.setuid(65534)
        try:
            database.SqliteDatabase(folder / "journal.db").connect()
            os.write(writer, b"opened")
        except JournalError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert b"cannot be written" in os.read(reader, 10_000)


def test_a_full_disk_stops_the_run_and_loses_no_answer(
    lab: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself says that it is full; what was answered is handed over all the same."""
    lab.reply = lambda body, number: completion("x" * 5000)
    lab.latency_s = 0.01
    connect = database.SqliteDatabase.connect

    def small(self: database.SqliteDatabase, *, durable: bool = True) -> database.Connection:
        connection = connect(self, durable=durable)
        connection.rows("PRAGMA max_page_count = 60")
        return connection

    exp = experiment(400)
    with monkeypatch.context() as full:
        full.setattr(database.SqliteDatabase, "connect", small)
        with pytest.raises(JournalError, match="no space left on the disk") as caught:
            run(exp, max_in_flight=8)
    assert caught.value.exit_code == 5
    assert exp.results.status == "failed"
    assert len(exp.results.frame) == lab.calls < 400
    done = run(exp)
    assert done.about["counts"]["answered"] == 400


def test_the_journal_holds_no_key(
    project: Path, endpoint: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "sk-very-secret-1234")
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\napi_key_env = "LAB_KEY"\nfree = true\n'
    )
    run(experiment(3))
    for file in (project / ".pex").glob("journal.db*"):
        assert b"sk-very-secret" not in file.read_bytes()


def test_two_runs_in_one_process_at_once(lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.02
    threads = [
        threading.Thread(target=run, args=[experiment(30, name=f"e{number}")], kwargs={})
        for number in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert run(experiment(30)).about["counts"]["replayed"] == 30


def test_the_modes_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert journal.check_mode(None) == "reuse"
    monkeypatch.setenv("PEX_BATCH_ID", "b")
    assert journal.check_mode(None) == "fresh"
    monkeypatch.setenv("PEX_JOURNAL", "reuse")
    assert journal.check_mode(None) == "reuse"
