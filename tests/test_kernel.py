"""pex inside a real Jupyter kernel: errors without tracebacks, interrupts, a running event loop."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.kernel import SETUP, Kernel

pytestmark = pytest.mark.slow


@pytest.fixture
def kernel(project: Path, lab: FaultyEndpoint) -> Iterator[Kernel]:
    made = Kernel(project)
    made.run(SETUP)
    yield made
    made.client.stop_channels()
    made.manager.shutdown_kernel(now=True)


def test_an_interrupt_keeps_the_answers(kernel: Kernel, lab: FaultyEndpoint) -> None:
    lab.latency_s = 0.3
    asked = kernel.start("exp.run(max_in_flight=2)")
    while lab.calls < 4:
        time.sleep(0.05)
    kernel.manager.interrupt_kernel()
    outputs = kernel.finish(asked)
    (error,) = [output for output in outputs if output["kind"] == "error"]
    assert error["ename"] == "Interrupted"
    assert len(error["traceback"]) == 1
    assert f"stopped after {lab.calls} of 40 answers" in error["traceback"][0]
    assert kernel.text("len(exp.results), exp.results.status").strip() == f"{lab.calls} interrupted"
    # What was answered stands in the cell, for readers without a kernel.
    static = [o for o in outputs if "pex-static" in str(o.get("data", {}).get("text/html"))]
    assert "expected: w1" in static[-1]["data"]["text/html"]


def test_a_mistake_has_no_traceback(kernel: Kernel) -> None:
    (error,) = [o for o in kernel.run("exp.run(limit=0)") if o["kind"] == "error"]
    assert error["traceback"] == ["PexError: limit: expected a whole number of at least 1, got 0"]


def test_awaiting_and_starting_keep_the_kernel_free(kernel: Kernel, lab: FaultyEndpoint) -> None:
    assert kernel.text("len(await exp.arun(limit=3, record=False))").strip() == "3"
    (shown, *_) = [o for o in kernel.run("await exp.arun(limit=3)") if o["kind"] == "display_data"]
    assert "application/vnd.jupyter.widget-view+json" in shown["data"]
    lab.latency_s = 0.2
    kernel.run("run = exp.start(record=False, max_in_flight=4)")
    assert kernel.text("run.done").strip() == "False"
    assert kernel.text("len(run.wait())").strip() == "40"
