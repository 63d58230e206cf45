"""New scores for answers that are there."""

from pathlib import Path

import pex
from pex.core.cases import parse_table
from pex.core.reading import Reading
from tests.helpers.endpoint import FaultyEndpoint


def test_the_decimal_sign_of_data_without_a_file_is_kept(
    project: Path, lab: FaultyEndpoint
) -> None:
    # As the Playground reads what is pasted: there is no file that a rescoring could look at.
    pasted = b"q;price;expected\n1.234;0,5;1,234\n2;1,5;2\n"
    table = parse_table(pasted, Path("pasted.csv"), {}, Reading())
    assert table.reading.decimal == ","
    exp = pex.Experiment(
        "prices", pex.grid([pex.Prompt("{{ q }}", name="p")], "lab/m1"), table.cases, ["number"]
    )
    results = exp.run(show=False)
    assert list(results.frame["score.number"]) == [1.0, 1.0]
    assert "expected 1.234" in results.frame["reason.number"].iloc[0]
    close = {"kind": "number", "name": "close", "tolerance": 0.01}
    assert list(results.rescore([close]).frame["score.close"]) == [1.0, 1.0]
    loaded = pex.load_run(results.run_id)
    assert loaded.about["decimal"] == ","
    assert list(loaded.rescore([close]).frame["score.close"]) == [1.0, 1.0]
