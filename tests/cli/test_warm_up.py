"""`pexlab run --warm-up`, and what `--dry-run` says of a prompt's prefix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.caching_endpoint import CachingEndpoint, settings
from tests.helpers.command import pexlab

EXPERIMENT = (
    "name: warm\ncases: cases.csv\nprompts: [p.prompty]\nmodels: [lab/m1]\nscorers: [exact]\n"
)
RULES = "Answer with the word and nothing else. " * 130


@pytest.fixture
def cache(project: Path) -> Iterator[CachingEndpoint]:
    endpoint = CachingEndpoint()
    endpoint.latency_s = 0.05
    with endpoint.running():
        (project / "pex.toml").write_text(settings(endpoint))
        head = "---\nname: p\nmodel: {parameters: {max_tokens: 8}}\n---\n"
        (project / "p.prompty").write_text(f"{head}system:\n{RULES}\nuser:\n{{{{ word }}}}\n")
        rows = "".join(f"c{n},w{n},w{n}\n" for n in range(12))
        (project / "cases.csv").write_text(f"case_id,word,expected\n{rows}")
        (project / "experiment.yaml").write_text(EXPERIMENT)
        yield endpoint


def test_the_command_warms_up_and_says_what_was_read(cache: CachingEndpoint, project: Path) -> None:
    told = pexlab("run", "experiment.yaml", "--dry-run", "--json", folder=project)
    assert told.returncode == 0, told.stderr
    (prefix,) = json.loads(told.stdout)["prefixes"]
    assert prefix["shared"] > prefix["cached_from"] == 1024
    shown = pexlab("run", "experiment.yaml", "--dry-run", folder=project)
    assert "read from the provider's cache; saves about $" in shown.stdout
    assert cache.calls == 0
    common = ("run", "experiment.yaml", "--no-record", "--journal", "fresh")
    cold = pexlab(*common, "--no-warm-up", "--out", "cold.csv", folder=project)
    cache.held.clear()
    warm = pexlab(*common, "--warm-up", "--out", "warm.csv", folder=project)
    assert (cold.returncode, warm.returncode) == (0, 0)
    assert "from cache" in warm.stdout
    import pandas as pd

    tables = [pd.read_csv(project / f"{name}.csv") for name in ("cold", "warm")]
    first = [int((table["cached_tokens"] == 0).sum()) for table in tables]
    assert first[0] > 1
    assert first[1] == 1
    spent = pexlab("spend", "--json", folder=project)
    whole = json.loads(spent.stdout)["total"]
    assert whole["cached_tokens"] == sum(int(table["cached_tokens"].sum()) for table in tables)
    assert whole["cache_write_tokens"] > 0


def test_what_is_worth_its_price_is_printed_where_there_is_a_choice(
    cache: CachingEndpoint, project: Path
) -> None:
    command = ("run", "experiment.yaml", "--no-record", "--limit", "4")
    assert "Highest score" not in pexlab(*command, folder=project).stdout
    (project / "experiment.yaml").write_text(EXPERIMENT.replace("[p.", "[q.prompty, p."))
    short = (
        (project / "p.prompty").read_text().replace(RULES, "Be brief.").replace(": p\n", ": q\n")
    )
    (project / "q.prompty").write_text(short)
    said = pexlab(*command, folder=project)
    assert said.returncode == 0, said.stderr
    assert "Highest score on these cases, and cheapest: q ($" in said.stdout.splitlines()[-1]
    told = json.loads(pexlab(*command, "--json", folder=project).stdout)
    assert told["frontier"]["named"] == "q"
    assert told["frontier"]["finding"] in said.stdout
