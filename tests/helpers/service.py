"""A service with an experiment and tests of its own, run by a pytest of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.helpers.endpoint import FaultyEndpoint, completion

WRONG = {"good": 0, "poor": 20, "odd": 3, "odder": 4}
"""By prompt: how many of its 40 answers are wrong; those of `odd` and `odder` are other cases."""
EXPERIMENT = "experiments/words/experiment.yaml"


def service(project: Path, lab: FaultyEndpoint) -> None:
    """Write the experiment; each answer costs 2 cents."""
    with (project / "pex.toml").open("w") as settings:
        settings.write(f'[providers.lab]\nbase_url = "{lab.url}"\n[prices."lab/m1"]\n')
        settings.write("input_usd_per_million = 1000.0\noutput_usd_per_million = 5000.0\n")
    folder = project / "experiments" / "words"
    (folder / "prompts").mkdir(parents=True)
    for name in WRONG:
        text = f"---\nname: {name}\n---\nuser:\n{name}: {{{{ word }}}}\n"
        (folder / "prompts" / f"{name}.prompty").write_text(text)
    rows = [{"case_id": f"c{n:02}", "word": f"w{n}", "expected": "yes",
             "tags": ["skip", "hard one"] if n == 1 else []} for n in range(40)]  # fmt: skip
    (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prompts = ", ".join(f"prompts/{name}.prompty" for name in WRONG)
    (folder / "experiment.yaml").write_text(
        f"name: words\ncases: cases.jsonl\nprompts: [{prompts}]\nmodels: [lab/m1]\n"
        "params: [{max_tokens: 8}]\nscorers: [label]\n"
    )
    lab.reply = reply


def reply(body: dict[str, Any], number: int) -> Any:
    """The answer: wrong for the first cases, of `odder` for the last."""
    name, _, word = body["messages"][-1]["content"].partition(": w")
    place = 39 - int(word) if name == "odder" else int(word)
    return completion("no" if place < WRONG.get(name, 0) else "yes")


def run_pytest(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder as its owner does, with only the plugin of pex and of xdist."""
    options = ["-p", "pex.testing.plugin", "-p", "xdist", "-p", "no:cacheprovider", "--color=no"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *arguments],
        cwd=project,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
