"""What `import pex` is: a table of contents, without side effects."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pex

HEAVY = ("mlflow", "pandas", "plotly", "papermill", "openai", "ipywidgets", "anywidget", "IPython")


def modules_after(code: str, folder: Path) -> dict:
    program = (
        "import json, os, sys; before = dict(os.environ)\n"
        f"{code}\n"
        "print(json.dumps({'modules': sorted(sys.modules), 'same': before == dict(os.environ)}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_import_is_light_and_has_no_side_effect(tmp_path: Path) -> None:
    found = modules_after("import pex", tmp_path)
    assert not set(HEAVY) & set(found["modules"])
    assert found["same"]
    assert list(tmp_path.iterdir()) == []


def test_the_doors_are_light_too(tmp_path: Path) -> None:
    found = modules_after("import pex; pex.Experiment; pex.Prompt; pex.Results", tmp_path)
    assert not set(HEAVY) & set(found["modules"])


def test_all_is_what_is_public() -> None:
    assert sorted(pex.__all__) == pex.__all__ == dir(pex)
    for name in pex.__all__:
        assert getattr(pex, name) is not None
    from pex import _HOMES

    assert set(_HOMES) == set(pex.__all__) - {"__version__"}


def test_every_public_name_has_one_home_and_none_is_a_room() -> None:
    from pex import _HOMES

    for name, home in _HOMES.items():
        found = getattr(pex, name)
        if home == f"pex.{name}":
            assert found.__name__ == home
        else:
            assert found.__module__ == home
            assert not (Path(pex.__file__).parent / name).exists()  # importing it would rebind it


def test_notebooks_that_were_copied_from_an_earlier_version_go_on_working() -> None:
    from pex.batch.night.again import read_night

    assert read_night is pex.read_night


def test_the_environment_of_the_tests_has_no_key() -> None:
    assert "OPENAI_API_KEY" not in os.environ
