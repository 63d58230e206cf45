"""`pexlab export`: what it prints, its document, its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.command import pexlab
from tests.training.test_export import GATE, cases, experiment


def test_it_writes_and_tells(project: Path) -> None:
    experiment(project, [*cases(0, 20, split="train"), *cases(20, 25, split="test")])
    done = pexlab("export", "openai-chat", "--out", "data", "--dry-run", folder=project)
    assert "left out, held out: split 'test' of reviews: 5" in done.stdout
    assert "nothing has been written" in done.stderr
    assert not (project / "data").exists()
    done = pexlab("export", "openai-chat", "reviews", "--out", "data", "--json", folder=project)
    document = json.loads(done.stdout)
    assert document["folder"] == "data"
    assert sum(file["rows"] for file in document["files"].values()) == 20
    done = pexlab("export", "openai-chat", "reviews", "--out", "data", folder=project)
    assert done.returncode == 2
    assert "--force replaces it" in done.stderr


def test_what_the_provider_would_refuse_is_told(project: Path) -> None:
    experiment(project, cases(0, 5))
    few = pexlab("export", "openai-chat", "--out", "data", "--validation", "0", folder=project)
    assert few.returncode == 0
    assert "5 rows: at least 10 are needed" in few.stderr
    again = pexlab("export", "openai-chat", "--out", "data", "--json", "--force", folder=project)
    assert json.loads(again.stdout)["findings"][0]["line"] == 0
    experiment(project, cases(0, 5), more=GATE)
    gated = pexlab("export", "openai-chat", "--out", "more", folder=project)
    assert gated.returncode == 2
    assert "mark cases to train on" in gated.stderr
    wrong = pexlab("export", "openai-chats", "--out", "more", folder=project)
    assert "did you mean 'openai-chat'?" in wrong.stderr
