"""The pytest plugin. Only what a test uses imports more of pex than this file."""

from __future__ import annotations

import functools
import re
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pex.testing import active

if TYPE_CHECKING:
    from pex.testing.session import Session

MARK = "pex_cases"
FOLDER = "pex_shared_folder"
"""What the processes of pytest-xdist get from the one that started them."""
_SESSION = pytest.StashKey["Session"]()
_MADE = pytest.StashKey[Path]()
_TAGS = pytest.StashKey[set[str]]()
_OUTCOME = "pex_undecided"
"""On a report: what was undecided, as text."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the command line."""
    group = parser.getgroup("pex", "pex: prompts in tests")
    group.addoption(
        "--pex-budget", metavar="USD", help="The most that all tests together may spend on models."
    )
    group.addoption(
        "--pex-fresh",
        action="store_true",
        help="Get new answers, instead of reusing those that were paid for before.",
    )
    group.addoption(
        "--pex-undecided",
        choices=("warn", "fail"),
        default="warn",
        help="Whether an undecided comparison makes pytest exit with an error (default: warn).",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark, and be found by the functions of `pex.testing`."""
    active.make = functools.partial(_session, config)
    config.addinivalue_line(
        "markers", f"{MARK}(experiment, …): made by pex.testing.cases: a test for each case"
    )
    if config.getoption("--pex-budget") is not None:
        from pex.core.errors import PexError
        from pex.testing.session import budget_of

        try:
            budget_of(config.getoption("--pex-budget"))
        except PexError as error:
            raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist which folder they share."""
    node.workerinput[FOLDER] = str(_folder(node.config))


def _folder(config: pytest.Config) -> Path:
    """The folder of this run of pytest, the same in all its processes."""
    given = getattr(config, "workerinput", {}).get(FOLDER)
    if given:
        return Path(given)
    if _MADE not in config.stash:
        config.stash[_MADE] = Path(tempfile.mkdtemp(prefix="pex-pytest-"))
    return config.stash[_MADE]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Delete the shared folder."""
    active.make = None
    if _MADE in config.stash:
        shutil.rmtree(config.stash[_MADE], ignore_errors=True)


def _session(config: pytest.Config) -> Session:
    """The session of pex, made at its first use."""
    from pex.testing.session import Session, budget_of

    if _SESSION not in config.stash:
        budget = config.getoption("--pex-budget")
        config.stash[_SESSION] = Session(
            root=config.rootpath,
            budget_usd=None if budget is None else budget_of(budget),
            fresh=config.getoption("--pex-fresh"),
            shared=_folder(config),
        )
    return config.stash[_SESSION]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each case."""
    mark = metafunc.definition.get_closest_marker(MARK)
    if mark is None:
        return
    from pex.core.errors import PexError
    from pex.testing.answered import answered_cases

    if "case" not in metafunc.fixturenames:
        raise pytest.Collector.CollectError(
            f"{metafunc.definition.nodeid}: a test with pex.testing.cases has an argument 'case'"
        )
    try:
        found = answered_cases(_session(metafunc.config), *mark.args, **mark.kwargs)
    except PexError as error:
        raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: {error}") from None
    params = [
        pytest.param(case, id=name, marks=[_tag(metafunc.config, tag) for tag in case.tags])
        for name, case in found.items()
    ]
    metafunc.parametrize("case", params)


def _tag(config: pytest.Config, tag: str) -> pytest.MarkDecorator:
    """The mark of a case's tag; its prefix keeps a tag `skip` from skipping."""
    name = "tag_" + re.sub(r"[^\w.+-]", "_", tag)
    known = config.stash.setdefault(_TAGS, set())
    if name not in known:
        known.add(name)
        config.addinivalue_line("markers", f"{name}: cases with the tag {tag!r}")
    found: pytest.MarkDecorator = getattr(pytest.mark, name)
    return found


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which cases are left after -k, -m and the like: only their answers are fetched."""
    for item in session.items:
        if item.get_closest_marker(MARK) is not None:
            item.callspec.params["case"].select()  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Undecided becomes an outcome, a mistake its message, a failed case shows its answer."""
    report = yield
    if _SESSION not in item.config.stash:
        return report
    if call.when == "call":
        item.user_properties += _properties(item.config.stash[_SESSION])
        report.user_properties = list(item.user_properties)
    if call.excinfo is not None:
        _explain(item, call.excinfo.value, report)
    return report


def _explain(item: pytest.Item, error: BaseException, report: pytest.TestReport) -> None:
    from pex.core.errors import PexError
    from pex.core.safe_text import clean
    from pex.testing.undecided import Undecided

    if isinstance(error, Undecided):
        text = clean(str(error))
        setattr(report, _OUTCOME, text)
        file, line, _ = item.location
        if item.config.getoption("--pex-undecided") == "fail":
            report.outcome, report.longrepr = "failed", f"undecided: {text}"
        else:
            report.outcome, report.longrepr = "skipped", (file, line or 0, f"undecided: {text}")
    elif isinstance(error, PexError):
        report.longrepr = f"{type(error).__name__}: {error}"
    elif report.failed and item.get_closest_marker(MARK) is not None:
        case = item.callspec.params["case"]  # type: ignore[attr-defined]
        if told := case.told():
            report.sections.append((f"case {case.id} of {case.variant}", clean(told)))


def _properties(session: Session) -> list[tuple[str, object]]:
    """What JUnit XML says of the comparisons of a test."""
    found: list[tuple[str, object]] = []
    for verdict in session.verdicts:
        found.append(("pex.outcome", verdict["outcome"]))
        for row in verdict["rows"]:
            names = ("verdict", "metric", "candidate", "baseline", "n_cases", "diff", "lo", "hi",
                     "margin", "confidence", "more_cases")  # fmt: skip
            found += [(f"pex.{name}", row[name]) for name in names if row[name] is not None]
    session.verdicts.clear()
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show undecided as what it is."""
    if hasattr(report, _OUTCOME):
        return "undecided", "U", ("UNDECIDED", {"yellow": True})
    return None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List what is undecided, and say what was spent."""
    reports = terminalreporter.stats.get("undecided", [])
    if reports:
        fails = config.getoption("--pex-undecided") == "fail"
        terminalreporter.section("undecided" + (" (--pex-undecided=fail)" if fails else ""))
        for report in reports:
            terminalreporter.write_line(f"{report.nodeid}", yellow=True)
            for line in getattr(report, _OUTCOME).splitlines():
                terminalreporter.write_line(f"  {line}")
    made = config.stash.get(_MADE, None)
    if made is not None and (made / "spent.json").is_file():
        from pex.testing.session import Session

        spent = Session(config.rootpath, shared=made).spent_usd()
        terminalreporter.write_line(f"pex: the tests spent ${spent:.4f}")
