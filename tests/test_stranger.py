"""A stranger's project that is looked at: nothing of it is run, and nothing is sent anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.stranger import (
    ODD_PIECES,
    PIECES,
    PRIVATE,
    RUN_ID,
    Stranger,
    make,
    remote_record,
)
from tests.helpers.watched import Seen, Sink

pytestmark = pytest.mark.slow

OWN = {("127.0.0.1", str(port)) for port in (11434, 1234, 8000, 8080)}
"""Where the user's own servers of the built-in providers would be."""

EXPERIMENT = "experiments/lure/experiment.yaml"

_PLAYGROUND = f"""
import pex
exp = pex.Experiment.load({EXPERIMENT!r})
print(exp)
print(exp.preview())
pex.Playground(exp)._ipython_display_()
"""
_MAGICS = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "pex")
shell.run_line_magic("pex", "")
shell.run_line_magic("pex", "show lure")
"""

LOOKS: dict[str, list[str]] = {
    "doctor": ["-m", "pex.cli", "doctor"],
    "doctor --json": ["-m", "pex.cli", "doctor", "--json"],
    "library list": ["-m", "pex.cli", "library", "list"],
    "library show": ["-m", "pex.cli", "library", "show", "p"],
    "report": ["-m", "pex.cli", "report"],
    "report RUN": ["-m", "pex.cli", "report", RUN_ID],
    "compare": ["-m", "pex.cli", "compare", RUN_ID, RUN_ID],
    "--dry-run": ["-m", "pex.cli", "run", EXPERIMENT, "--dry-run"],
    "spend": ["-m", "pex.cli", "spend"],
    "gc": ["-m", "pex.cli", "gc"],
    "record": ["-m", "pex.cli", "record"],
    "ui": ["-m", "pex.cli", "ui"],
    "Playground": ["-c", _PLAYGROUND],
    "%pex": ["-c", _MAGICS],
}


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink().running() as running:
        yield running


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory, sink: Sink, empty_store: Path) -> Stranger:
    return make(tmp_path_factory.mktemp("stranger"), sink.url, empty_store)


@pytest.fixture(scope="module")
def recorded_away(
    tmp_path_factory: pytest.TempPathFactory, sink: Sink, empty_store: Path
) -> Stranger:
    parent = tmp_path_factory.mktemp("remote")
    return make(parent, sink.url, empty_store, [*PIECES, remote_record])


def check_silent(seen: Seen, stranger: Stranger, sink: Sink) -> None:
    __tracebackhide__ = True
    assert sink.got == [], seen
    assert stranger.marked() == [], seen
    assert seen.hosts <= OWN, seen
    # What the platform is called is asked by a package below MLflow.
    assert [words for words in seen.started if words[:1] != ["uname"]] == [], seen
    assert "Traceback" not in seen.err, seen.err
    for secret in ("4711", "4712", "4713"):
        assert secret not in seen.out + seen.err


@pytest.mark.parametrize("name", LOOKS)
def test_looking_sends_and_runs_nothing(name: str, stranger: Stranger, sink: Sink) -> None:
    seen = stranger.look("-P", *LOOKS[name])
    check_silent(seen, stranger, sink)
    assert "not valid" not in seen.out + seen.err, "the project is broken"


@pytest.mark.soak
@pytest.mark.parametrize("name", LOOKS)
def test_nor_does_it_where_the_record_is_away(
    name: str, recorded_away: Stranger, sink: Sink
) -> None:
    seen = recorded_away.look("-P", *LOOKS[name])
    check_silent(seen, recorded_away, sink)
    assert "not valid" not in seen.out + seen.err, "the project is broken"


def test_its_pages_are_not_served_while_their_files_are_elsewhere(stranger: Stranger) -> None:
    seen = stranger.pexlab("ui")
    assert seen.code == 2
    assert "the files of runs are at" in seen.err
    assert f"pexlab trust {stranger.folder}" in seen.err


MEMORY = 6_000_000_000
"""Bytes of addresses that a command may take; the files of `odd` ask for more."""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, sink: Sink, empty_store: Path) -> Stranger:
    return make(tmp_path_factory.mktemp("odd"), sink.url, empty_store, ODD_PIECES)


@pytest.mark.parametrize(
    "command",
    [["doctor"], ["library", "list"], ["library", "show", "p"], ["spend"], ["gc"], ["record"]],
    ids=" ".join,
)
def test_files_that_are_no_good_end_no_listing(
    command: list[str], odd: Stranger, sink: Sink
) -> None:
    seen = odd.pexlab(*command, PEX_TEST_MEMORY=str(MEMORY))
    check_silent(seen, odd, sink)
    assert PRIVATE not in seen.out + seen.err


def test_an_experiment_with_a_file_that_is_no_good_is_refused(odd: Stranger, sink: Sink) -> None:
    for folder in sorted((odd.folder / "experiments").iterdir()):
        path = f"experiments/{folder.name}/experiment.yaml"
        seen = odd.pexlab("run", path, "--dry-run", PEX_TEST_MEMORY=str(MEMORY))
        check_silent(seen, odd, sink)
        assert PRIVATE not in seen.out + seen.err, folder.name
        assert seen.code == 2, (folder.name, seen)
        assert len(seen.err) < 3000, folder.name
        named = (folder.name, "p.prompty", "cases.", "experiment.yaml")
        assert any(name in seen.err for name in named), (folder.name, seen.err)
