"""The README's Python does what it says, on the built-in model."""

import re
import shutil
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.model import share


@pytest.mark.model
def test_the_readmes_python(project: Path) -> None:
    shutil.copytree(
        ROOT / "experiments", project / "experiments", ignore=shutil.ignore_patterns("outputs")
    )
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert "exp.run()" in code
    names: dict = {}
    share(project)
    exec(code.replace("exp.run()", "exp.run(limit=4)"), names)  # noqa: S102 - our own text
    assert len(names["results"]) == 8
    assert (project / "report.html").is_file()
    assert (project / "experiments/mine/experiment.yaml").is_file()
