"""Run the browser tests many times in a row and say how often each has passed.

`make soak` runs it; `python -m tests.again 2 tests/test_grid.py` runs some of them twice.
"""

from __future__ import annotations

import collections
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path


def once(report: Path, where: list[str]) -> dict[str, bool]:
    """One round: each test, and whether it passed."""
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-m", "browser and not soak"),
        *("--tb=short", f"--junitxml={report}", *where),
    ]
    subprocess.run(command, check=False)
    found = {}
    for case in ET.parse(report).iter("testcase"):
        if case.find("skipped") is None:
            failed = case.find("failure") is not None or case.find("error") is not None
            found[f"{case.get('classname')}: {case.get('name')}"] = not failed
    return found


def main(times: int, where: list[str]) -> int:
    """All rounds; 0 where every test passed in each."""
    passed: collections.Counter[str] = collections.Counter()
    ran: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, times + 1):
            found = once(Path(folder) / "report.xml", where)
            ran.update(found.keys())
            passed.update(name for name, good in found.items() if good)
            print(
                f"round {number} of {times}: {sum(found.values())} of {len(found)} passed",
                flush=True,
            )
    for name, count in sorted(ran.items()):
        print(f"{passed[name]:3} of {count:3}  {name}")
    return 0 if ran and passed == ran else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:] or ["tests"]))
