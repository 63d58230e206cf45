"""Every notebook, and every block of Python and shell in the docs, does what it says.

They run on the built-in model, in a copy of the project that has eight cases. A block that cannot
run says why in the line before it: `<!-- not run: the reason -->`; with quoted beginnings of lines
(`<!-- not run: "pexlab ui", which serves until it is stopped -->`) the other lines do run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

from tests.helpers import ROOT
from tests.helpers.command import pexlab_process
from tests.helpers.kernel import Kernel
from tests.helpers.model import share

pytestmark = [pytest.mark.notebooks, pytest.mark.model]

LONGEST_S = 25
"""For a notebook, a block of Python, a command: nobody tries what takes longer."""
STARTING_MLFLOW_S = 2.5
"""Seconds of the processor that `import mlflow, pandas` takes in a new process, on the machine for
which `LONGEST_S` is meant."""
CASES = 8
PLAN = "experiments/review-sentiment/plan.yaml"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
THREATS = sorted((ROOT / "notebooks" / "threats").glob("*.ipynb"))
ALL_CASES = ("05_improve_prompts.ipynb",)
"""Notebooks that need more than `CASES`: three sets of a few are no sets."""
A_WHOLE_STORY = "06_after_deployment.ipynb"
"""Has a project of its own, as it leaves an alarm behind, and takes longer."""
SAYS = {
    A_WHOLE_STORY: (
        "Alarm: tells", "near in time: review-service/2", "'friendlier' is worse than",
        "exit code 1", "moved from version 2 to 1",
        "left out, held out: split 'confirm'", "The job has succeeded",
        "30 cases from traces",
    ),
    "07_test_tools.ipynb": ("calls", "▲ better", "missing: look_up_order"),
    "08_invoices.ipynb": ("Total due 285.60 EUR", "head", "lines", "sends images", "1109 × 1568"),
    "11_deploy_prompts.ipynb": ("answers with version 2: 1", " failed", " passed"),
    "12_handle_incidents.ipynb": (
        "champion: version 2 → version 1", "✓ runs every night", "closed: all demands are met",
        "put right",
    ),
    "13_cases.ipynb": (
        "1 × contradicting labels", "15 cases: nothing found", "1 changed (4112: inputs)",
    ),
    "14_training_data.ipynb": (
        "of replies, reworded: 1", "accepted by nobody: 1", "Write to me: [EMAIL_1]",
        "the leak: False", 'unknown role "bot"',
    ),
    "15_sharing.ipynb": (
        "2 prompts, 2 versions", "1 secret in what would be packed", "16 of 16 answers (16 reused)",
    ),
    "red_team.ipynb": ("open     all", "attacks that worked", "harmless, not done", "gate: fail"),
}  # fmt: skip
"""What commands in a notebook print; a failed one is no error of the cell."""
PARAMETERS = {"compare.ipynb": "limit = 4"}
"""What a plan would say, where a notebook without it asks for more than a reader waits for."""
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
    *sorted((ROOT / "experiments").glob("*/README.md")),
]
FIRST = ROOT / "docs" / "first.md"
"""Its first block of Python is what the pages of `GO_ON` go on from."""
GO_ON = {
    ROOT / "docs" / f"{name}.md"
    for name in (
        "answers", "better", "browse", "case-files", "how-many", "journal", "judges", "mlflow",
        "own-endpoint", "playground", "prompts", "rating", "running", "scorers",
    )
}  # fmt: skip
"""They share a kernel, which knows only the names of that block when one of them begins."""
KEEP_THE_FIRST = "_first = {k: v for k, v in globals().items() if not k.startswith('_')}"
ONLY_THE_FIRST = """
for _name in set(globals()) - set(_first) - {"_first", "_name"}:
    if not _name.startswith("_"):
        del globals()[_name]
globals().update(_first)
"""


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code in a document."""

    document: Path
    line: int
    language: str
    code: str
    not_run: str | None

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    def what_runs(self) -> str:
        """Its code without the lines that cannot run."""
        left_out = tuple(re.findall(r'"([^"]+)"', self.not_run or ""))
        if self.not_run is not None and not left_out:
            return ""
        lines = self.code.splitlines(keepends=True)
        for start in left_out:
            assert any(line.startswith(start) for line in lines), f"no line begins with {start!r}"
        return "".join(line for line in lines if not line.startswith(left_out or ("\0",)))


def blocks_of(text: str, document: Path) -> list[Block]:
    found = re.finditer(
        r"(?:^<!-- not run: (?P<why>[^\n]*?) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$",
        text,
        re.MULTILINE | re.DOTALL,
    )
    return [
        Block(document, text[: m.start("language")].count("\n") + 1, m["language"], m["code"],
              m["why"])
        for m in found
    ]  # fmt: skip


BLOCKS = [
    block
    for document in DOCUMENTS
    for block in blocks_of(document.read_text("utf-8"), document)
    if block.language in ("python", "sh", "bash")
]


def small_project(folder: Path) -> Path:
    """A copy of what a reader has cloned, with few cases; it asks the server of all tests."""
    folder.mkdir(exist_ok=True)
    (folder / "pex.toml").touch()
    for name in ("notebooks", "experiments"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("outputs"))
    cases = folder / "experiments/review-sentiment/cases.csv"
    cases.write_text("".join(cases.read_text("utf-8").splitlines(keepends=True)[: CASES + 1]))
    share(folder)
    return folder


@contextlib.contextmanager
def short_enough(processor_s: Callable[[], float], longest_s: float = LONGEST_S) -> Iterator[None]:
    """What happens in the block takes a reader no longer than so many seconds.

    On a shared machine only the processor's time counts. Where that is too long, it is compared
    with how slow the machine is at that moment: the limit is one for the document.
    """
    wall, used = time.monotonic(), processor_s()
    yield
    took = min(time.monotonic() - wall, processor_s() - used)
    if took > longest_s:
        slower = max(1.0, starting_mlflow_s() / STARTING_MLFLOW_S)
        assert took <= longest_s * slower, f"{took:.0f} s, here {slower:.1f} times as slow"


def starting_mlflow_s() -> float:
    """Seconds of the processor that this machine needs now to start MLflow and pandas."""
    before = of_children()
    subprocess.run([sys.executable, "-c", "import mlflow, pandas"], check=True)
    return of_children() - before


def of_children() -> float:
    """Seconds of the processor that ended children of this process have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def of_family(pid: int) -> Callable[[], float]:
    """Seconds of the processor that a process and its children have used so far.

    Without the built-in model's, as for documents whose project shares the server of all tests.
    """

    def used() -> float:
        process = psutil.Process(pid)
        family = [process, *(one for one in process.children(True) if not is_model(one))]
        return sum(sum(member.cpu_times()) for member in family)

    return used


def is_model(process: psutil.Process) -> bool:
    """Whether a process serves the built-in model."""
    try:
        return "pex.local.child" in process.cmdline()
    except psutil.Error:  # it has just ended
        return False


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a night behind it, which is what the other notebooks read."""
    project = small_project(tmp_path_factory.mktemp("night"))
    done = pexlab_process("batch", PLAN, folder=project)
    assert done.returncode == 0, done.stderr
    return project


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_as_it_stands(
    path: Path, night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path.name == A_WHOLE_STORY:
        night = small_project(tmp_path / "story")
    cases = night / "experiments/review-sentiment/cases.csv"
    few = cases.read_bytes()
    if path.name in ALL_CASES:
        shutil.copy(ROOT / "experiments/review-sentiment/cases.csv", cases)
    # As in JupyterLab from `pexlab lab`: `!pexlab` is the one of this environment.
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", places)
    content = nbformat.read(path, as_version=4)
    if path.name in PARAMETERS:
        at = next(n for n, cell in enumerate(content.cells)
                  if "parameters" in cell.metadata.get("tags", []))  # fmt: skip
        content.cells.insert(at + 1, nbformat.v4.new_code_cell(PARAMETERS[path.name]))
    resources = {"metadata": {"path": str(night / "notebooks")}}
    client = NotebookClient(content, kernel_name="python3", resources=resources)
    with client.setup_kernel():
        assert client.km is not None
        longest_s = 4 * LONGEST_S if path.name == A_WHOLE_STORY else LONGEST_S
        with short_enough(of_family(client.km.provisioner.pid), longest_s):
            client.reset_execution_trackers()
            for number, cell in enumerate(content.cells):
                client.execute_cell(cell, number)
    said = "".join(
        output.get("text", "") + output.get("data", {}).get("text/plain", "")
        for cell in content.cells
        for output in cell.get("outputs", [])
    )
    assert [text for text in SAYS.get(path.name, ()) if text not in said] == [], said
    cases.write_bytes(few)


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all of them: each would import everything anew."""
    project = small_project(tmp_path_factory.mktemp("threats"))
    kernel = Kernel(project / "notebooks" / "threats")
    yield kernel
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", THREATS, ids=lambda path: path.name)
def test_a_threat_is_tried_and_gives_a_number(path: Path, lessons: Kernel) -> None:
    cells = nbformat.read(path, as_version=4).cells
    said = []
    with short_enough(of_family(lessons.manager.provisioner.pid)):
        for cell in cells:
            if cell.cell_type == "code":
                outputs = lessons.run(cell.source)
                no_errors(outputs)
                said += [output["data"] for output in outputs if "data" in output]
    number = said[-1]["text/plain"]
    assert re.match(r".+ in [1-3] of [23] tries \(with so few", number), number
    assert "All of these are the examples" in number
    tables = [data["text/html"] for data in said if "text/html" in data]
    assert any("▼" in table for table in tables), "no example shows an attack that works"
    assert cells[-1].source.startswith("**Stuck?**")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Kernel]]:
    """For each document a kernel in a project: its blocks go on from one another."""
    kernels: dict[Path, Kernel] = {}
    last, shared = FIRST, FIRST.parent

    def kernel_of(document: Path) -> Kernel:
        nonlocal last
        home = shared if document in GO_ON else document
        if home not in kernels:
            kernels[home] = Kernel(small_project(tmp_path_factory.mktemp(home.stem)))
            if document in GO_ON:
                code = next(block.code for block in BLOCKS if block.document == FIRST
                            and block.language == "python")  # fmt: skip
                no_errors(kernels[home].run(code.replace("exp.run(", "exp.run(show=False, ")))
                no_errors(kernels[home].run(KEEP_THE_FIRST))
        if document in GO_ON and document != last:
            no_errors(kernels[home].run(ONLY_THE_FIRST))
            last = document
        return kernels[home]

    yield kernel_of
    for kernel in kernels.values():
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel(now=True)


def no_errors(outputs: list[dict]) -> None:
    assert [output["traceback"] for output in outputs if output["kind"] == "error"] == []


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "python"], ids=str)
def test_python_in_the_docs(block: Block, documents: Callable[[Path], Kernel]) -> None:
    code = block.what_runs()
    if not code:
        pytest.skip(str(block.not_run))
    kernel = documents(block.document)
    with short_enough(of_family(kernel.manager.provisioner.pid)):
        no_errors(kernel.run(code))


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language != "python"], ids=str)
def test_shell_in_the_docs(block: Block, tmp_path: Path) -> None:
    code = block.what_runs()
    if not code:
        pytest.skip(str(block.not_run))
    project = small_project(tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in code.splitlines():
        with short_enough(of_children):
            done = subprocess.run(
                ["sh", "-c", command],
                cwd=project,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, (command, done.stderr)


def test_a_block_says_what_of_it_cannot_run() -> None:
    text = (
        '<!-- not run: "b", which serves -->\n```sh\na 1\nb 2\n```\n'
        "<!-- not run: no key -->\n```python\nx\n```\n```sh\nc\n```\n"
    )
    some, none, whole = blocks_of(text, ROOT / "README.md")
    assert (some.what_runs(), none.what_runs(), whole.what_runs()) == ("a 1\n", "", "c\n")
    assert (some.line, whole.line) == (2, 10)
