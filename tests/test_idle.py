"""What a run costs the kernel that watches it: no polling, no growth."""

import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pex.core.call import Answer
from pex.core.events import Answered, Delta, Done, Pace, Queued, Spent, Started
from pex.widgets.cell import Line
from pex.widgets.grid import ResultGrid
from pex.widgets.sheet import Sheet
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


@pytest.mark.parametrize(
    "code",
    [
        "exp.run(record=False)",
        "run = exp.start(record=False); display(run)",
        "await exp.arun(record=False)",
    ],
)
def test_a_kernel_that_waits_for_answers_does_next_to_nothing(
    kernel: Kernel, lab: FaultyEndpoint, code: str
) -> None:
    lab.reply = lambda body, number: "hang"
    process = psutil.Process(int(kernel.text("__import__('os').getpid()")))
    kernel.start(code)
    deadline = time.monotonic() + 300
    while lab.calls < 4:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    before, begun = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(10)
    share = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - begun)
    print(f"{share:.2%} of a core")
    assert share < 0.02


def test_ten_thousand_pieces_of_text_leave_nothing_behind() -> None:
    others = set(threading.enumerate())
    grid = ResultGrid(Sheet(["a"], [Line(f"c{n}", "x") for n in range(10)], 1))
    grid.on_event(Queued(("a",), tuple(f"c{n}" for n in range(10)), 1, 10))
    places = [("a", f"c{n}", 1) for n in range(10)]

    def once() -> None:
        for place in places:
            grid.on_event(Started(place))
            for _ in range(100):
                grid.on_event(Delta(place, "word "))
            grid.on_event(Spent(0.1, 1.0))
            grid.on_event(Pace("lab", 3, 8, 8))

    once()
    time.sleep(0.3)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            once()
        time.sleep(0.3)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    print(f"{grown / 1000:.0f} kB more after 10,000 pieces")
    assert grown < 200_000
    grid.on_event(Answered(places[0], Answer(output="x")))
    grid.on_event(Done("finished", 1.0))
    grid.close_run()
    deadline = time.monotonic() + 300
    while any(t.name == "pex-view" for t in set(threading.enumerate()) - others):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_memory_of_a_long_run_grows_by_its_answers_only(
    kernel: Kernel, lab: FaultyEndpoint
) -> None:
    lab.keep = False
    process = psutil.Process(int(kernel.text("__import__('os').getpid()")))
    kernel.run(
        "big = pex.Experiment('big', pex.grid(prompt, 'lab/m1'),"
        " [{'word': f'w{n}'} for n in range(10_000)], ['length'])"
    )
    kernel.run("run = big.start(record=False, max_in_flight=64); display(run)")
    sizes: dict[int, float] = {}
    for count in (2_000, 6_000, 10_000):
        deadline = time.monotonic() + 300
        while lab.calls < count:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        sizes[count] = process.memory_info().rss / 1e6
    print(sizes)
    assert sizes[10_000] - sizes[6_000] < 1.5 * (sizes[6_000] - sizes[2_000]) + 20
    assert sizes[10_000] - sizes[2_000] < 80
