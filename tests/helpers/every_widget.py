"""The cells of a notebook with each of pex's widgets, and what each leaves without a kernel."""

from pathlib import Path

from tests.helpers.lab import MADE
from tests.helpers.notebooks import notebook

START = f"""%load_ext pex
{MADE}
import os, pathlib, pex
from pex.core.case import Case
from pex.core.provenance import Provenance
from pex.improvement.cases.proposed import Proposals
from pex.improvement.cases.review_widget import ReviewWidget
from tests.helpers.deployed import bulk_traces
prompts = [pex.Prompt(f"{{word}} {{{{{{{{ subject }}}}}}}}", word) for word in ("Say", "Shout")]
cases = [{{"case_id": f"c{{n}}", "subject": subject}}
         for n, subject in enumerate(("<b>one</b>", "two", "three"))]
exp = pex.Experiment("words", pex.grid(prompts, "lab/m1"), cases, ["length"])
proposed = Proposals(pathlib.Path("proposed_cases.jsonl"), pathlib.Path("own.csv"))
origin = Provenance("m", "edge", "c1")
proposed.add([Case("c7", {{"subject": "<i>seven</i>"}}, "no", provenance=origin)])
pex.library.save(prompts[0])
bulk_traces(f"sqlite:///{{os.getcwd()}}/mlruns/mlflow.db", "app",
            [{{"request": "Where is <u>it</u>?", "response": "No.", "finish_reason": "length"}}])
"""
CELLS = {
    ".pex-grid": ("results = exp.run()", "<b>one</b>"),
    ".pex-play": ("pex.Playground(exp, record=False)", "Shout {{ subject }}"),
    ".pex-rating": ("results.rate(rater='ada')", "Blind rating: 0 of"),
    ".pex-browser": ("pex.browse()", "Say"),
    ".pex-triage": ("pex.triage('app', who='Ada')", "Where is <u>it</u>?"),
    ".pex-review": ("ReviewWidget(proposed)", "Review of proposed cases: 0 of 1 decided"),
}
"""By selector: the cell, and words of what stays."""


def every_widget(path: Path) -> Path:
    """A notebook with each widget; its project needs the provider `lab`."""
    (path.parent / "own.csv").write_text("subject,expected\nzero,no\n")
    return notebook(path, None, START, *(cell for cell, _ in CELLS.values()))
