"""The grid of a run, live and afterwards."""

import pex
from pex.widgets.grid import ResultGrid
from tests.helpers.endpoint import FaultyEndpoint


def texts(grid: ResultGrid) -> list[tuple[str, str, str | None]]:
    return [(line.text, line.expected, line.group) for line in grid._sheet.lines]


def test_live_and_afterwards_a_case_has_the_same_text(lab: FaultyEndpoint) -> None:
    prompt = pex.Prompt("Translate: {{ text }}", name="translate")
    cases = [
        {"case_id": f"c{n}", "text": f"こんにちは {n}", "language": "ja", "expected": "Hello"}
        for n in range(3)
    ]
    exp = pex.Experiment(
        "t", pex.grid(prompt, "lab/m1"), cases, ["exact"], columns={"group": "language"}
    )
    started = exp.start()
    live = started.show()
    results = started.wait()
    after = results.show()
    assert texts(live) == texts(after) == [(f"こんにちは {n}", "Hello", "ja") for n in range(3)]
    # What is left without a kernel has no other text either.
    assert after.html.count(">ja<") == 0


def test_of_a_prompt_without_variables_all_inputs_are_shown(lab: FaultyEndpoint) -> None:
    prompt = pex.Prompt("Say hello.", name="hello")
    exp = pex.Experiment("t", pex.grid(prompt, "lab/m1"), [{"case_id": "c1", "note": "x"}], [])
    started = exp.start()
    live = started.show()
    assert texts(live) == texts(started.wait().show()) == [("x", "", None)]
