"""Eight days of customers in a few minutes: traffic, feedback, a drift and a bad release.

The days are in the past, today being the last. Which day the bad release comes and which kind of
customer the drift brings follow from the seed; nobody else is told.
"""

from __future__ import annotations

import concurrent.futures
import csv
import dataclasses
import datetime
import json
import random
from collections.abc import Callable
from pathlib import Path

import mlflow
from service import PROMPT, Reply, ReviewService

import pex

HERE = Path(__file__).parent
TAG = "review-service.story"
GOOD, BAD = "prompts/review-service.prompty", "prompts/friendlier.prompty"


@dataclasses.dataclass(frozen=True, slots=True)
class Story:
    """What really happened, for whoever wants to check what a monitor says.

    Args:
        released: when the bad release came.
        drifted: when customers who write in other languages came.
        traces: how many answers were given.
        opinions: how many customers said what they think of theirs.
    """

    released: datetime.datetime
    drifted: datetime.datetime
    traces: int
    opinions: int


def live(
    service: ReviewService,
    days: int = 8,
    per_day: int = 30,
    seed: int = 1,
    opinion_rate: float = 0.9,
    on_day: Callable[[int, int], None] | None = None,
) -> Story:
    """Let customers come for some days, with a drift and a bad release among them.

    Where they have come already, nothing happens: the story is kept in MLflow, with the traces.

    Args:
        service: the application.
        days: how many; the last one is yesterday.
        per_day: how many customers a day.
        seed: decides who comes, and when drift and release happen.
        opinion_rate: the share of customers who give a thumb.
        on_day: gets the number of the day and how many there are.
    """
    if (known := kept(service)) is not None:
        return known
    chance = random.Random(seed)
    customers = reviews()
    local = [row for row in customers if row["language"] == "en"]
    foreign = [row for row in customers if row["language"] != "en"]
    drift_day = chance.randrange(days // 2, days // 2 + 2)
    release_day = chance.randrange(drift_day + 1, days - 1)
    today = datetime.datetime.now(datetime.UTC).date()
    midnight = datetime.datetime.combine(today, datetime.time(), datetime.UTC)
    first = midnight - datetime.timedelta(days=days)
    release(GOOD, "the first release")
    traces = opinions = 0
    for day in range(days):
        if day == release_day:
            release(BAD, "a friendlier tone")
        visits = []
        for number in range(per_day):
            other = day >= drift_day and chance.random() < 0.4
            row = chance.choice(foreign if other else local)
            at = first + datetime.timedelta(days=day, seconds=86400 * (number + 0.5) / per_day)
            visits.append((row, f"customer-{chance.randrange(200):03}", at))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            replies = list(
                pool.map(lambda visit: service.answer(visit[0]["review"], *visit[1:]), visits)
            )
        for (row, user, _), reply in zip(visits, replies, strict=True):
            if chance.random() < opinion_rate:
                pex.feedback(reply.trace_id, liked(row["label"], reply, chance), user=user)
                opinions += 1
        traces += len(replies)
        if on_day is not None:
            on_day(day + 1, days)
    story = Story(
        released=first + datetime.timedelta(days=release_day),
        drifted=first + datetime.timedelta(days=drift_day),
        traces=traces,
        opinions=opinions,
    )
    keep(service, story)
    return story


def kept(service: ReviewService) -> Story | None:
    """What happened already, from a tag of the experiment."""
    text = mlflow.get_experiment(service.experiment_id).tags.get(TAG)
    if text is None:
        return None
    data = json.loads(text)
    times = {key: datetime.datetime.fromisoformat(data[key]) for key in ("released", "drifted")}
    return Story(**data | times)


def keep(service: ReviewService, story: Story) -> None:
    """Write down what happened, once all traces are in MLflow."""
    mlflow.flush_trace_async_logging()
    text = json.dumps(dataclasses.asdict(story), default=str)
    mlflow.MlflowClient().set_experiment_tag(service.experiment_id, TAG, text)


def reviews() -> list[dict[str, str]]:
    """What customers write, what they mean by it, and in which language; no case is among it."""
    with (HERE / "customers.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def release(file: str, why: str) -> None:
    """Make a version of the prompt and move the alias to it."""
    prompt = pex.Prompt.load(HERE / file)
    pex.library.save(prompt, name=PROMPT, alias="champion", note=why)


def liked(label: str, reply: Reply, chance: random.Random) -> bool:
    """Whether the customer's thumb is up; one in ten presses the wrong one."""
    said = {word for word in ("positive", "negative") if word in reply.text.lower()}
    right = said == {label}
    return right != (chance.random() < 0.1)
