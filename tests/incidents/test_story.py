"""An incident from a trace to the nightly regression, on the built-in model."""

import json
from pathlib import Path

import pytest

import pex
from tests.helpers import ROOT
from tests.helpers.command import pexlab
from tests.helpers.deployed import bulk_traces
from tests.helpers.model import share

SPEC = """\
name: reviews
cases: cases.csv
prompts: [prompts/reviews.prompty]
models: [local/smollm2]
params: [{temperature: 0, max_tokens: 8}]
scorers: [label]
"""
PLAN = """\
name: nightly
steps:
  - {id: compare, notebook: compare.ipynb, parameters: {experiment: experiment.yaml, limit: 2}}
workers: 1
"""
GOOD = "---\nname: reviews\n---\nuser:\nReview: {{ review }}\nIs this review positive or negative? Answer with one word.\n"  # noqa: E501
TEXT = "Terrible. It broke on the first day. ada@firm.org"


@pytest.fixture
def shop(project: Path, uri: str) -> Path:
    share(project)
    folder = project / "experiments" / "reviews"
    (folder / "prompts").mkdir(parents=True)
    (folder / "experiment.yaml").write_text(SPEC)
    (folder / "plan.yaml").write_text(PLAN)
    (folder / "compare.ipynb").write_bytes((ROOT / "notebooks" / "compare.ipynb").read_bytes())
    (folder / "cases.csv").write_text("review,expected\nI love it.,positive\nUgly.,negative\n")
    (folder / "prompts" / "reviews.prompty").write_text(GOOD)
    good = pex.Prompt.load(folder / "prompts" / "reviews.prompty")
    pex.library.save(good, alias="champion")
    bad = pex.Prompt("Write a friendly letter about this review: {{ review }}", name="reviews")
    pex.library.save(bad, alias="champion")
    row = {"trace_id": "tr-1", "prompt": "reviews/2", "inputs": {"review": TEXT}, "request": TEXT,
           "response": "Dear Ada, how positive of you, and how negative!",
           "model": "smollm2"}  # fmt: skip
    bulk_traces(uri, "app", [row])
    return project


@pytest.mark.model
@pytest.mark.night
def test_from_a_trace_to_the_nightly_regression(shop: Path) -> None:
    folder = shop / "experiments" / "reviews"

    def said(*words: str, code: int = 0) -> str:
        done = pexlab("incident", *words, folder=shop)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "reviews/2" in said("new", "tr-1", "--title", "Letters instead of a word")
    first = said("close", code=1)
    assert "✗ users are safe: champion gives version 2, which is affected" in first
    assert "✗ case: no case has the tag incident-" in first
    assert "champion: version 2 → version 1" in said("contain", "--yes")

    assert "have expected answers: which one is right here?" in said("case", code=2)
    added = said("case", "--expected", "negative")
    assert "what users got: 0 of 1 passed; no: label" in added
    rows = (folder / "cases.csv").read_text().splitlines()
    assert rows[0].startswith("review,expected,origin,")
    assert rows[0].endswith(",tags")
    assert "[EMAIL_1]" in rows[-1]
    assert "ada@firm.org" not in rows[-1]

    late = said("close", "--repeats", "2", code=1)
    assert "✓ failed before: what users got: 0 of 1 passed" in late
    assert "✓ passes now: version 1: 2 of 2 passed" in late
    assert "✗ runs every night: experiments/reviews/plan.yaml runs the first 2 cases only" in late
    (folder / "plan.yaml").write_text(PLAN.replace(", limit: 2", ""))
    assert "✓ runs every night" in said("close", "--repeats", "2")

    night = pexlab("batch", str(folder / "plan.yaml"), "--json", folder=shop)
    assert night.returncode == 0, night.stderr
    (kept,) = json.loads(night.stdout)["incidents"]
    assert (kept["outcome"], kept["closed"] != "") == ("pass", True)
    frame = pex.load_run("reviews").frame
    (mine,) = frame[frame["tags"].map(lambda tags: any("incident-" in t for t in tags))].to_dict(
        "records"
    )
    assert mine["score.label"] == 1.0

    (found,) = json.loads(said("list", "--json").removesuffix("\n"))["incidents"]
    assert (found["state"], found["case"]) == ("closed", mine["case_id"])
    record = (shop / found["file"]).read_text()
    for part in ("moved from version 2 to 1", "2 of 2 passed", "closed: all demands are met"):
        assert part in record
    pex.library.set_alias("reviews", "champion", 2)
    assert "champion of reviews gives version 2 again" in said("list")
    status = pexlab("status", "--json", folder=shop)
    assert "gives version 2 again" in json.loads(status.stdout)["incidents"][0]
