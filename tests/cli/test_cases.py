"""`pexlab cases`, from a proposal to its row in the file."""

import io
import json
import sys
from pathlib import Path
from unittest import mock

import pytest

from tests.helpers.command import pexlab
from tests.helpers.endpoint import completion

SPEC = """name: reviews
cases: cases.csv
prompts: [short.prompty]
models: [lab/m1]
params: [{max_tokens: 4}]
scorers: [label]
"""
PROMPT = "---\nname: short\n---\nuser:\nReview: {{ review }}\npositive or negative?\n"
ROWS = [
    "The lamp broke after a day.,negative", "I love this kettle.,positive",
    "Arrived late and scratched.,negative", "Great value for what it costs.,positive",
]  # fmt: skip


@pytest.fixture
def spec(project, lab):
    folder = project / "experiments" / "reviews"
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text(SPEC)
    (folder / "short.prompty").write_text(PROMPT)
    (folder / "cases.csv").write_text("review,expected\n" + "\n".join(ROWS) + "\n")
    return folder / "experiment.yaml"


def invoke(*args, answers=""):
    with mock.patch.object(sys, "stdin", io.StringIO(answers)):
        return pexlab("cases", *map(str, args), folder=Path.cwd())


def test_from_a_proposal_to_a_row_in_the_file(spec, lab):
    texts = ["Stopped working.", "A joy, every morning.", "The handle came off."]
    rows = [{"review": text, "expected": "negative"} for text in texts]
    lab.reply = lambda body, number: completion("\n".join(map(json.dumps, rows)))
    done = invoke("generate", spec, "--model", "lab/m1", "-n", 3, "--way", "edge", "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["kept"] == 3
    assert len((spec.parent / "proposed_cases.jsonl").read_text().splitlines()) == 3
    # A wrong key is asked again; the first no is taken back and becomes an edit.
    done = invoke("review", spec, answers="x\nn\nu\ne\n\npositive\ny\nq\n")
    assert done.returncode == 0, done.stdout
    assert "2 accepted, 0 rejected, 1 left" in done.stdout
    lines = (spec.parent / "cases.csv").read_text().splitlines()
    assert lines[1] == ROWS[0] + ",,,,,,"
    assert lines[5].startswith("Stopped working.,positive,generated,lab/m1,edge,")
    assert lines[6].startswith('"A joy, every morning.",negative,generated,')
    done = invoke("review", spec, answers="n\n")
    assert "0 accepted, 1 rejected, 0 left" in done.stdout
    assert "no proposed case waits" in invoke("review", spec).stdout


def test_audit_and_needed(spec):
    assert invoke("audit", spec).returncode == 0
    path = spec.parent / "cases.csv"
    path.write_text(path.read_text() + "the lamp broke after a day,positive\n")
    done = invoke("audit", spec, "--json")
    assert done.returncode == 1
    (finding, *_) = json.loads(done.stdout)["findings"]
    assert finding["kind"] == "contradicting labels"
    done = invoke("needed", spec, "--difference", "0.1", "--json")
    assert json.loads(done.stdout)["cases"] == 159
