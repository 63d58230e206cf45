"""pyproject.toml, environment.yml and the wheel say the same."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pex.core.version import __version__
from tests.helpers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def split(requirement: str) -> tuple[str, str]:
    name, rest = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*(.*)", requirement).groups()
    return name.lower().replace("_", "-"), rest.replace(" ", "")


def test_conda_and_pip_agree() -> None:
    environment = YAML(typ="safe").load((ROOT / "environment.yml").read_text())
    conda = [item for item in environment["dependencies"] if isinstance(item, str)]
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    named = dict(split(item) for item in [*conda, *pip])
    assert named.pop("python") == PROJECT["requires-python"]
    named.pop("pip")
    wanted = [*PROJECT["dependencies"], *EXTRAS["lab"], *EXTRAS["local"]]
    assert named == dict(split(item) for item in wanted)


def test_the_recipe_for_conda_forge_agrees() -> None:
    recipe = YAML(typ="safe").load((ROOT / "conda/recipe.yaml").read_text())
    base, lab = recipe["outputs"]
    assert recipe["context"]["version"] == __version__
    python, *needed = base["requirements"]["run"]
    assert python == "python >=${{ python_min }}"
    assert f">={recipe['context']['python_min']}" == PROJECT["requires-python"]
    assert dict(map(split, needed)) == dict(map(split, PROJECT["dependencies"]))
    pinned, *needed = lab["requirements"]["run"]
    assert pinned == '${{ pin_subpackage("pexlab", exact=True) }}'
    assert dict(map(split, needed)) == dict(map(split, EXTRAS["lab"]))
    scripts = [f"{name} = {target}" for name, target in PROJECT["scripts"].items()]
    assert base["build"]["python"]["entry_points"] == scripts
    assert recipe["about"]["license"] == PROJECT["license"]


def test_extras() -> None:
    assert set(EXTRAS) == {
        "lab",
        "local",
        "dask",
        "improve",
        "postgres",
        "keyring",
        "mcp",
        "pii",
        "change-points",
        "documents",
        "docs",
        "inspect",
        "dev",
    }


@pytest.mark.slow
def test_the_wheel_brings_everything(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "pex/py.typed",
        "pex/widgets/grid.js",
        "pex/widgets/shared.css",
        "pex/report/style.css",
        "pex/report/page.html.jinja",
        "pex/report/night.css",
        "pex/report/night_body.html.jinja",
        "pex/starter/notebooks/01_compare_prompts.ipynb",
        "pex/starter/notebooks/02_write_prompts.ipynb",
        "pex/starter/notebooks/03_prompt_library.ipynb",
        "pex/starter/notebooks/04_analyse_in_mlflow.ipynb",
        "pex/starter/notebooks/05_improve_prompts.ipynb",
        "pex/adoption/page.html.jinja",
        "pex/starter/notebooks/adopt_model.ipynb",
        "pex/starter/notebooks/compare.ipynb",
        "pex/starter/notebooks/monitor.ipynb",
        "pex/starter/notebooks/morning.ipynb",
        "pex/starter/experiments/review-sentiment/cases.csv",
        "pex/starter/schemas/experiment.schema.json",
    ):
        assert name in names, name
    assert not [name for name in names if "/outputs/" in name or name.endswith(".db")]


def test_nothing_names_another_host_or_machine() -> None:
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    places = re.compile(r"/home/\w+/|/root/\w|/Users/\w+/")
    for name in filter(None, files):
        path = ROOT / name
        if (
            path.suffix in (".png", ".zip", ".eval", "")
            or not path.is_file()
            or path == Path(__file__)
        ):
            continue
        assert not places.search(path.read_text(encoding="utf-8")), name


def test_the_citation_names_the_version() -> None:
    cited = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == __version__
    assert cited["license"] == PROJECT["license"]


def test_workflows_call_targets_that_exist_and_pin_what_they_use() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        workflow = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {}
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                if "uses" in step:
                    assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"]), step
                words = step.get("run", "").split()
                called = (
                    [word for word in words[1:] if "=" not in word] if words[:1] == ["make"] else []
                )
                assert set(called) <= targets, (path.name, called)


def test_security_names_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []
