"""What an installation without extras can do, and what it says of the rest."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pex.core.extras import PACKAGES
from tests.helpers import ROOT
from tests.test_packaging import EXTRAS, PROJECT, split

SUPPLIED_BY_LAB = {"IPython", "ipykernel", "jupyter_client", "jupyter_core", "jupyter_server",
    "nbclient", "numpy", "opentelemetry", "sqlalchemy", "threadpoolctl", "traitlets"}  # fmt: skip
"""Packages that those of `lab` bring along."""
SUPPLIED_BY_BASE = {"anyio", "certifi", "markupsafe", "pydantic_core", "referencing"}
"""Packages that those of an installation without extras bring along."""
THE_USERS_OWN = {"pytest"}
"""Packages whose plugin pex is: whoever loads it has them."""
DISTRIBUTIONS = {"PIL": "pillow", "markdown_it": "markdown-it-py", "ruamel": "ruamel.yaml"}


def imported() -> dict[str, str]:
    """Each package of others that pex imports, with one place where it does."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "pex").rglob("*.py")):
        if path.name == "lora_train.py":  # runs on another machine, with requirements of its own
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in names:
                found.setdefault(name.partition(".")[0], str(path.relative_to(ROOT)))
    own = {"pex", "__future__", *sys.stdlib_module_names}
    return {name: place for name, place in found.items() if name not in own}


def distribution(package: str) -> str:
    return split(DISTRIBUTIONS.get(package, package))[0]


def test_every_package_that_is_imported_has_its_extra() -> None:
    base = {split(line)[0] for line in PROJECT["dependencies"]}
    listed = {name for packages in PACKAGES.values() for name in packages}
    for name, place in imported().items():
        known = (
            name in listed | SUPPLIED_BY_LAB | SUPPLIED_BY_BASE | THE_USERS_OWN
            or distribution(name) in base
        )
        assert known, f"{place} imports {name}, which no extra in pex.core.extras brings"


def test_the_table_and_pyproject_agree() -> None:
    for extra, packages in PACKAGES.items():
        brought = {split(line)[0] for line in EXTRAS[extra]}
        for name in set(packages) - SUPPLIED_BY_LAB:
            assert distribution(name) in brought, (extra, name)


def without_extras(program: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program run where the packages of the extras cannot be imported."""
    absent = [name for packages in PACKAGES.values() for name in packages]
    hide = f"import sys; sys.modules |= dict.fromkeys({absent}); sys.argv[1:] = {list(arguments)}\n"
    return subprocess.run(
        [sys.executable, "-c", hide + program], cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def pexlab(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return without_extras("from pex.cli.main import main; main()", folder, *arguments)


def test_prompts_the_guard_and_the_library_need_no_extra(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").write_text("")
    prompts = tmp_path / "experiments" / "reviews" / "prompts"
    prompts.mkdir(parents=True)
    (prompts / "short.prompty").write_text(
        "---\nname: short\n---\nuser:\nPositive or negative? {{ review }}\n"
    )
    done = without_extras(
        "import json, pex\n"
        "prompt = pex.Prompt.load('experiments/reviews/prompts/short.prompty')\n"
        "print(json.dumps([prompt.messages(review='Nice.')[0]['content'],\n"
        "    pex.guard.check('Nice.\\u200bIgnore').cleaned,\n"
        "    pex.grid([prompt], 'local/smollm2')[0].name, pex.Model.__name__]))",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        "Positive or negative? Nice.",
        "Nice.Ignore",
        "short",
        "Model",
    ]


def test_a_service_loads_a_chat_prompt_without_the_laboratory(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").write_text("")
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{ x }}"}]
    prompt = f"pex.Prompt({messages!r}, 'reviews')"
    program = f"import pex; pex.library.save({prompt}, alias='champion')"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    load = "import pex; print(pex.library.load('reviews@champion').messages(x='Hi')[1]['content'])"
    assert without_extras(load, tmp_path).stdout == "Hi\n"


@pytest.mark.parametrize("name", ["Experiment", "Playground", "stats", "load_run"])
def test_a_name_of_the_laboratory_says_what_to_install(name: str, tmp_path: Path) -> None:
    done = without_extras(f"import pex; pex.{name}", tmp_path)
    assert f"pex.{name} needs the extra 'lab'" in done.stderr
    assert 'pip install "pexlab[lab]"' in done.stderr


def test_a_test_of_a_service_says_so_before_a_model_is_called(tmp_path: Path) -> None:
    assert pexlab(tmp_path, "init", ".").returncode == 0
    (tmp_path / "test_prompts.py").write_text(
        "import pex\n\n\n"
        "EXPERIMENT = 'experiments/review-sentiment/experiment.yaml'\n\n\n"
        "@pex.testing.cases(EXPERIMENT, prompt='short', limit=2)\n"
        "def test_short(case):\n    assert case.output\n"
    )
    hide = "import sys; sys.modules['pandas'] = None"
    done = subprocess.run(
        [sys.executable, "-c", f"{hide}; import pytest; pytest.main(['-q'])"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "PexError: pex.testing needs the extra 'lab' (pandas)" in done.stdout
    assert not list((tmp_path / ".pex").glob("journal*"))


def test_commands_without_the_laboratory(tmp_path: Path) -> None:
    made = pexlab(tmp_path, "init", ".")
    assert made.returncode == 0
    assert 'Next: pip install "pexlab[lab]"   # runs and notebooks need it\n' in made.stdout
    assert pexlab(tmp_path, "scan", ".").returncode == 0
    lint = pexlab(tmp_path, "lint", "experiments")
    assert "5 prompts" in lint.stderr, lint.stderr
    assert pexlab(tmp_path, "doctor").returncode == 0
    experiment = "experiments/review-sentiment/experiment.yaml"
    refused = pexlab(tmp_path, "run", experiment)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: pexlab run needs the extra 'lab' (")
    assert 'pip install "pexlab[lab]"' in refused.stderr
    assert pexlab(tmp_path, "run", "--help").returncode == 0
