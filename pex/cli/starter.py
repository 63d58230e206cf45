"""The files that `pexlab init` and `pexlab demo` start from."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from pex.changes.workflow import workflow
from pex.project.actions import pinned
from pex.project.schemas import SCHEMAS
from pex.project.shipped import EXPERIMENT, shipped_files

NOTEBOOKS = tuple(
    Path("notebooks") / name
    for name in (
        "01_compare_prompts.ipynb",
        "02_write_prompts.ipynb",
        "03_prompt_library.ipynb",
        "04_analyse_in_mlflow.ipynb",
        "05_improve_prompts.ipynb",
        "adopt_model.ipynb",
        "compare.ipynb",
        "monitor.ipynb",
        "morning.ipynb",
    )
)

SETTINGS = """\
#:schema ./schemas/pex.schema.json
# Settings of this pex project; every key is optional. `pexlab doctor` shows what they lead to.
#
# A provider is an OpenAI-compatible endpoint. Its key is elsewhere: in the environment,
# in .pex/keys.env (LAB_KEY=…, chmod 600), or typed into the Playground's menu of models.
# [providers.lab]
# base_url = "http://127.0.0.1:9301/v1"
# api_key_env = "LAB_KEY"
#
# [prices."lab/m1"]
# input_usd_per_million = 1.0
# output_usd_per_million = 2.0

[budget]
usd_per_run = 5.0
"""

IGNORE = """\
.pex/
mlruns/
outputs/
.ipynb_checkpoints/
"""

WORKFLOW = """\
# Runs the experiment on every change of a prompt and keeps the report.
name: prompts
on:
  push:
    paths: ["experiments/**", "pex.toml"]
  workflow_dispatch:
permissions:
  contents: read
jobs:
  compare:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout
        with: {persist-credentials: false}
      - uses: actions/setup-python
        with: {python-version: "3.12"}
      - run: pip install 'pexlab[lab,local]' && pexlab model install
      - run: pexlab run EXPERIMENT --limit 40
      - run: pexlab report latest --out report.html
        if: always()
      - uses: actions/upload-artifact
        if: always()
        with: {name: report, path: report.html}
"""


def write(
    project: Path, experiment: Path = EXPERIMENT / "experiment.yaml"
) -> list[tuple[Path, bool]]:
    """Put the starter files into `project`; one that is there is left as it is.

    Args:
        project: its folder.
        experiment: the file, relative to the project, that the CI workflow runs.

    Returns:
        Each file, relative to the project, and whether it was written.
    """
    texts = {
        Path("pex.toml"): SETTINGS,
        Path(".gitignore"): IGNORE,
        Path(".github/workflows/prompts.yml"): pinned(WORKFLOW).replace(
            "EXPERIMENT", shlex.quote(experiment.as_posix())
        ),
        Path(".github/workflows/changed-prompts.yml"): workflow(),
    }
    origin = shipped_files()
    copies = [*NOTEBOOKS, *SCHEMAS, *_files(origin / EXPERIMENT, origin)]
    done = []
    for path in [*texts, *copies]:
        target = project / path
        new = not target.exists()
        if new:
            target.parent.mkdir(parents=True, exist_ok=True)
            if path in texts:
                target.write_text(texts[path], encoding="utf-8")
            else:
                shutil.copyfile(origin / path, target)
        done.append((path, new))
    return done


def _files(folder: Path, origin: Path) -> list[Path]:
    kinds = (".yaml", ".csv", ".prompty", ".md")
    return sorted(
        file.relative_to(origin)
        for file in folder.rglob("*")
        if file.suffix in kinds and "outputs" not in file.relative_to(folder).parts
    )
