"""Jobs at an endpoint: one upload and one job whatever happens, priced, followed, booked."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from pex.core.errors import PexError, ProviderError
from pex.project.settings import load_settings
from pex.run.database import database_of
from pex.run.ledger import spending
from pex.training.jobs.closing import check_open
from pex.training.jobs.endpoint_client import JobsClient
from pex.training.jobs.events import Event
from pex.training.jobs.follow import cancel_job, follow_job
from pex.training.jobs.intent import Intent, Intents
from pex.training.jobs.priced import checked_file
from pex.training.jobs.start import start_job
from tests.helpers.finetune_endpoint import FinetuneEndpoint


@pytest.fixture
def server(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FinetuneEndpoint]:
    """The endpoint as the provider `lab`, which takes one key and has a price for training."""
    monkeypatch.setattr("pex.training.jobs.endpoint_client._WAIT_S", 0.01)
    monkeypatch.setenv("LAB_KEY", "sesame-4711")
    endpoint = FinetuneEndpoint()
    endpoint.key = "sesame-4711"
    with endpoint.running():
        (project / "pex.toml").write_text(
            f'[providers.lab]\nbase_url = "{endpoint.url}"\napi_key_env = "LAB_KEY"\n'
            '[models."lab/m1"]\ntraining_usd_per_million = 8.0\n'
        )
        write_data(project / "train.jsonl")
        yield endpoint


def write_data(path: Path, rows: int = 12) -> None:
    lines = [
        orjson.dumps({"messages": [{"role": "user", "content": f"Review {number}"},
                                   {"role": "assistant", "content": "positive"}]})
        for number in range(rows)
    ]  # fmt: skip
    path.write_bytes(b"\n".join(lines) + b"\n")


class Desk:
    """What a start needs, made of the project in the current folder."""

    def __init__(self, project: Path) -> None:
        self.settings = load_settings(project)
        self.intents = Intents(project / ".pex")
        self.database = database_of(project / ".pex", self.settings)
        self.client = JobsClient("lab/m1", self.settings, project / ".pex")
        self.said: list[str] = []
        data = checked_file(project / "train.jsonl")
        self.intent = Intent(
            "lab/m1", str(data.path), data.sha256, data.size, "supervised", 2, "shop",
            tokens=data.tokens, usd_per_million=8.0,
        )  # fmt: skip

    def start(self) -> Intent:
        return start_job(self.intent, self.intents, self.client, self.database, self.said.append)

    def follow(self, intent: Intent, **options: object) -> tuple[Intent, list[Event]]:
        events: list[Event] = []
        done = follow_job(
            intent, self.intents, self.client, self.database, on_event=events.append,
            tell=self.said.append, every_s=0.0, sleep=lambda s: None, **options,  # type: ignore[arg-type]
        )  # fmt: skip
        return done, events

    def spent(self) -> tuple[float, float]:
        (line,) = spending(self.database, "experiment")
        return line.usd, line.unsure_usd


POINTS = ("upload received", "upload done", "create received", "create done")


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_there_is_one_upload_and_one_job(
    server: FinetuneEndpoint, project: Path, point: str
) -> None:
    command = [sys.executable, "-m", "pex.cli", "finetune", "start", "train.jsonl", "--model",
               "lab/m1", "--budget", "1", "--epochs", "2", "--suffix", "shop"]  # fmt: skip
    killed: list[int] = []

    def kill(reached: str) -> None:
        if reached == point and not killed:
            killed.append(started.pid)
            os.kill(started.pid, signal.SIGKILL)

    server.on_reached = kill
    started = subprocess.Popen(command, stderr=subprocess.PIPE)
    _, told = started.communicate(timeout=120)
    assert killed, told.decode()
    assert started.returncode == -signal.SIGKILL
    desk = Desk(project)
    assert desk.intents.load(desk.intent.id) is not None  # it was on disk before the upload
    again = desk.start()
    assert again.job_id in server.jobs
    # What came in as the process died is done by the endpoint, and is found again.
    assert (len(server.files), len(server.jobs)) == (1, 1)
    assert desk.start().job_id == again.job_id
    assert (server.uploads, server.creations) == (1, 1)
    assert desk.spent() == (0.0, pytest.approx(again.usd))


@pytest.mark.parametrize("what", ["upload", "create"])
@pytest.mark.parametrize("metadata", [True, False])
def test_a_lost_answer_is_no_second_upload_or_job(
    server: FinetuneEndpoint, project: Path, what: str, metadata: bool
) -> None:
    server.keeps_metadata, server.page = metadata, 1
    server.unanswered.add(what)
    desk = Desk(project)
    assert desk.start().job_id == "ftjob-1"
    assert (server.uploads, server.creations) == (1, 1)
    body = server.bodies[0]
    assert body["suffix"] == "shop"
    assert body["method"]["supervised"] == {"hyperparameters": {"n_epochs": 2}}
    assert server.contents["file-1"] == (project / "train.jsonl").read_bytes()


def test_a_lost_upload_is_sent_once_more_and_not_for_ever(
    server: FinetuneEndpoint, project: Path
) -> None:
    server.lose_uploads = 1
    desk = Desk(project)
    desk.start()
    assert server.uploads == 2
    assert any("lost the upload file-1" in text for text in desk.said)
    server.lose_uploads = 9
    desk.intent.again = 1
    with pytest.raises(ProviderError, match="lost an upload twice"):
        desk.start()
    assert server.uploads == 4


def test_it_is_followed_through_errors_and_booked(server: FinetuneEndpoint, project: Path) -> None:
    server.page = 2
    desk = Desk(project)
    intent = desk.start()
    server.refused_looks = 5  # more than one look tries
    done, events = desk.follow(intent)
    assert done.tuned_ref == "lab/ft:m1:org:shop:1"
    assert [event.step for event in events if event.step] == [1, 2, 3, 4]
    assert events[1].metrics == {"train_loss": 2.0}
    assert len({event.id for event in events}) == len(events) == 6
    assert any("the job goes on" in text for text in desk.said)
    assert "the endpoint answers again" in desk.said
    assert desk.spent() == (pytest.approx(1234 * 8.0 / 1e6), 0.0)
    assert desk.intents.find(intent.job_id).status == "succeeded"


def test_it_is_followed_through_lost_connections(server: FinetuneEndpoint, project: Path) -> None:
    desk = Desk(project)
    intent = desk.start()
    asked: list[str] = []

    def down(request: web.Request) -> bool:
        asked.append(request.path)
        return len(asked) in (1, 4, 6) or 8 <= len(asked) < 14  # once, and for longer than a look

    server.down = down
    done, events = desk.follow(intent)
    assert (done.status, server.creations) == ("succeeded", 1)
    assert any(path.endswith("/events") for path in asked[:6])
    assert [event.step for event in events if event.step] == [1, 2, 3, 4]
    assert len({event.id for event in events}) == len(events) == 6
    assert sum("the job goes on" in text for text in desk.said) == 1


@pytest.mark.parametrize("point", POINTS)
def test_a_line_that_stays_lost_ends_the_start_and_the_next_goes_on(
    server: FinetuneEndpoint, project: Path, point: str
) -> None:
    reached: list[str] = []
    server.on_reached = reached.append
    server.down = lambda request: point in reached
    # What is done as the line goes down is done; its answer is lost.
    server.unanswered.add(point.partition(" ")[0])
    desk = Desk(project)
    with pytest.raises(ProviderError, match="lab at"):
        desk.start()
    server.down = lambda request: False
    assert Desk(project).start().job_id == "ftjob-1"
    assert (server.uploads, server.creations) == (1, 1)
    assert desk.spent()[1] == pytest.approx(desk.intent.usd)


def test_a_failed_job_says_why_and_keeps_the_estimate(
    server: FinetuneEndpoint, project: Path
) -> None:
    server.fails, server.trained_tokens = "the machine went away", None
    desk = Desk(project)
    done, _ = desk.follow(desk.start())
    assert (done.status, done.error) == ("failed", "the machine went away")
    assert desk.spent() == (0.0, pytest.approx(done.usd))


def test_a_time_out_leaves_the_job_and_cancel_ends_it(
    server: FinetuneEndpoint, project: Path
) -> None:
    server.states = ["queued"]
    desk = Desk(project)
    going, _ = desk.follow(desk.start(), timeout_s=0.0)
    assert not going.ended
    assert cancel_job(going, desk.intents, desk.client, desk.database).status == "cancelled"


def test_a_refused_key_is_named_and_nothing_is_booked(
    server: FinetuneEndpoint, project: Path
) -> None:
    server.key = "another"
    desk = Desk(project)
    with pytest.raises(ProviderError, match="Incorrect API key") as caught:
        desk.start()
    assert "sesame" not in str(caught.value)
    assert spending(desk.database, "experiment") == []


def test_openais_own_closes() -> None:
    url = "https://api.openai.com/v1"
    assert "6 January 2027" in check_open(url, datetime.date(2027, 1, 5))
    with pytest.raises(PexError, match="since 6 January 2027") as caught:
        check_open(url, datetime.date(2027, 1, 6))
    assert "lora-kit" in str(caught.value)
