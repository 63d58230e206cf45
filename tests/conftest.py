"""Shared ground: a project of one's own for each test, and an endpoint that can misbehave."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pex import local
from pex.experiment import options
from pex.guard import project_secrets, redact
from pex.project import keys
from pex.project.settings import Settings
from pex.tracking.store import connect
from tests.helpers import browser, model, postgres
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.processes import traces_are_written

# The same examples on every machine, however slow it is, and no folder of found ones in the tree.
settings.register_profile(
    "pex",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("pex")

# Started in the background, a shell's jobs ignore Ctrl-C, and so would every process that a test
# starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


PROGRAMS: dict[str, tuple[Callable[[], object], str]] = {
    "browser": (browser.chromium, "Chromium is not installed: sh .ci/programs"),
    "postgres": (postgres.installed, "PostgreSQL is not installed: sh .ci/programs"),
    "model": (lambda: not local.missing(), "the built-in model is not: pexlab model install"),
}
"""By marker: what a test needs of the machine. In CI a test without it fails instead."""


OF_THE_MACHINE = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_WORKSPACE",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "PEX_BATCH_ID",
    "PEX_JOB_ID",
    "PEX_JOURNAL",
    "PEX_PLAN",
    "PEX_PLAN_FOLDER",
    "PEX_TAGS",
    "PEX_KEY_NAMES",
    "PEX_REPEATS_TIMES",
    "PEX_BATCH_BUDGET_USD",
)
OF_MLFLOW = {
    "mlflow.tracking.fluent": "_active_experiment_id",
    "mlflow.tracking._tracking_service.utils": "_tracking_uri",
    "mlflow.tracking._model_registry.utils": "_registry_uri",
}


def forget_what_was_before() -> None:
    """No key, store or batch of the machine, or of a test before, gets into a test.

    It is no fixture: one for the whole session would be made before it.
    """
    for name in OF_THE_MACHINE:
        os.environ.pop(name, None)
    for module, name in OF_MLFLOW.items():
        if module in sys.modules:
            setattr(sys.modules[module], name, None)
    redact._registered = set()
    project_secrets.noted = project_secrets.Noted()
    keys._refused = set()
    for cached in ("_entered", "_files", "_keyring"):
        setattr(keys, cached, {})


def pytest_runtest_setup(item: pytest.Item) -> None:
    forget_what_was_before()
    for marker, (there, reason) in PROGRAMS.items():
        if item.get_closest_marker(marker) is not None and not there():
            if os.environ.get("CI"):
                pytest.fail(f"{reason} (CI is set)")
            pytest.skip(reason)


def pytest_configure(config: pytest.Config) -> None:
    # Tests make projects whose endpoints take keys; those of trust itself take this away.
    os.environ["PEX_TRUST"] = "1"
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="pex-config-")
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="pex-cache-")
    model.open_state()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the workers of pytest-xdist share the server
        model.close_state()
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        shutil.rmtree(os.environ[name], ignore_errors=True)


FEW_TRACES = 4


@pytest.fixture(autouse=True)
def few_traces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test does not look at them, most traces are left out: they are half of a run's work.

    What a run or the project asks for is still written; a test that looks has the marker `traces`.
    """
    if request.node.get_closest_marker("traces") is not None:
        return
    usual = options.traces

    def fewer(chosen: options.RunOptions, settings: Settings) -> int | str:
        found = usual(chosen, settings)
        own = chosen["traces"] is not None or "traces" in settings.record.model_fields_set
        return found if own else FEW_TRACES

    monkeypatch.setattr(options, "traces", fewer)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty project that is the current folder; nothing writes to it any more at the end."""
    (tmp_path / "pex.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    traces_are_written()


@pytest.fixture
def uri(project: Path, empty_store: Path) -> str:
    """An empty store, the one of the project that is the current folder."""
    path = project / "mlruns" / "mlflow.db"
    path.parent.mkdir()
    shutil.copy(empty_store, path)
    return f"sqlite:///{path}"


@pytest.fixture
def endpoint() -> Iterator[FaultyEndpoint]:
    """An OpenAI-compatible endpoint on a free port whose faults the test chooses."""
    server = FaultyEndpoint()
    with server.running():
        yield server


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database as it is when new: it takes two seconds to make and none to copy."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def lab(project: Path, endpoint: FaultyEndpoint, empty_store: Path) -> FaultyEndpoint:
    """The endpoint as the provider `lab` of the project, free of charge, and an empty store."""
    (project / "mlruns").mkdir()
    shutil.copyfile(empty_store, project / "mlruns" / "mlflow.db")
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\nfree = true\n'
    )
    return endpoint
