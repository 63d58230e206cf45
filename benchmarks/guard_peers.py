"""What the rule scanners of other packages flag of the texts in `benchmarks/guard`.

    python -m venv peers
    peers/bin/pip install --no-deps llm-guard==0.3.16 llamafirewall==1.0.3
    peers/bin/pip install structlog bc-detect-secrets==1.5.43 presidio-anonymizer==2.2.358
    peers/bin/python benchmarks/guard_peers.py

It runs in an environment of its own, with the default settings of each package. Scanners that need
a model (torch) are left out, so these figures say nothing about those.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import sys
import sysconfig
import types
from collections.abc import Callable
from pathlib import Path

from figures import figure

SETS = Path(__file__).parent / "guard"
Flags = Callable[[str], bool]


def main() -> None:
    """Print the rates of each package for both halves."""
    for package, scanners, make in (
        ("llm-guard", "InvisibleText, Secrets", llm_guard),
        ("llamafirewall", "HiddenASCIIScanner, RegexScanner", llamafirewall),
    ):
        flags = make()
        print(f"{package} {importlib.metadata.version(package)} ({scanners})")
        for half in ("development", "test"):
            alikes, attacks = _texts("lookalikes", half), _texts("attacks", half)
            seen = [row for row in attacks if row["detectable"] not in (None, "h")]
            said = [
                f"{what} {sum(flags(row['text']) for row in rows)} of {len(rows)}"
                for what, rows in (
                    ("look-alikes", alikes),
                    ("attacks a rule could see", seen),
                    ("all attacks", attacks),
                )
            ]
            print(f"    {half:12}", ", ".join(said))
            figure(f"{package}: attacks a rule could see, {half} half",
                   sum(flags(row["text"]) for row in seen), "",
                   floor=len(seen), floor_name="all of them")  # fmt: skip


def llm_guard() -> Flags:
    """Whether a rule scanner of LLM Guard finds the text invalid."""
    _without_init("llm_guard", "llm_guard.input_scanners")
    invisible = importlib.import_module("llm_guard.input_scanners.invisible_text").InvisibleText()
    secrets = importlib.import_module("llm_guard.input_scanners.secrets").Secrets()
    return lambda text: not all(scanner.scan(text)[1] for scanner in (invisible, secrets))


def llamafirewall() -> Flags:
    """Whether a rule scanner of LlamaFirewall blocks the text."""
    _without_init("llamafirewall", "llamafirewall.scanners")
    data = importlib.import_module("llamafirewall.llamafirewall_data_types")
    ascii_scanner = importlib.import_module("llamafirewall.scanners.hidden_ascii_scanner")
    regex_scanner = importlib.import_module("llamafirewall.scanners.regex_scanner")
    scanners = ascii_scanner.HiddenASCIIScanner(), regex_scanner.RegexScanner()

    def flags(text: str) -> bool:
        results = [asyncio.run(one.scan(data.UserMessage(content=text))) for one in scanners]
        return any(result.decision != data.ScanDecision.ALLOW for result in results)

    return flags


def _without_init(*packages: str) -> None:
    """Put packages in place whose own beginning, which loads torch and clients, does not run."""
    for name in packages:
        module = types.ModuleType(name)
        module.__path__ = [str(Path(sysconfig.get_path("purelib"), *name.split(".")))]
        sys.modules[name] = module


def _texts(name: str, half: str) -> list[dict[str, str]]:
    lines = (SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["split"] == half]


if __name__ == "__main__":
    main()
