"""How many errors `pexlab run` allows: those of unaccepted generated cases do not count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.errors import ProviderError
from pex.results.finished import check
from tests.helpers.endpoint import FaultyEndpoint, completion


@pytest.mark.parametrize("person", ["", "Ada"])
def test_errors_of_generated_cases_that_nobody_has_accepted_do_not_count(
    person: str, project: Path, lab: FaultyEndpoint
) -> None:
    def failing(body: dict[str, Any], number: int) -> Any:
        from aiohttp import web

        if body["messages"][-1]["content"] == "w0":
            return web.json_response({"error": {"message": "not allowed"}}, status=400)
        return completion("yes")

    lab.reply = failing
    cases = [
        {"case_id": f"c{n}", "word": f"w{n}", "origin": "" if n else "generated",
         "accepted_by": "" if n else person}
        for n in range(4)
    ]  # fmt: skip
    variants = pex.grid(pex.Prompt("{{ word }}", name="p"), "lab/m1")
    results = pex.Experiment("few", variants, cases, ["length"]).run(record=False, show=False)
    assert results.about.counts.errors == 1
    if not person:
        check(results, 0.05)
        return
    with pytest.raises(ProviderError, match=r"1 of 4 requests ended in an error \(25%"):
        check(results, 0.05)
