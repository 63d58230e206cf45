"""Files of PyRIT in tests/importers/files/pyrit, made by PyRIT itself.

Run it from the root of the repository, with the Python of an environment that has PyRIT; pexlab is
that of the repository:

    python -m venv /tmp/pyrit && /tmp/pyrit/bin/pip install pyrit==0.14.0 aiohttp
    /tmp/pyrit/bin/python tests/made_by/pyrit_memory.py .venv/bin/pexlab

It sends a few prompts to the built-in model, which `pexlab model serve` offers as an endpoint: as
they are, in Base64, after a system message and an example, and to an address where nothing listens.
A scorer looks for a word in the answers. No network is used.

Up to 0.14 the memory exports its messages, with their scores (`memory-0.14.0.json` and `.csv`).
From 1.0 on it does not, and a message has neither its score nor its target: what is kept there are
the results of attacks (`attacks-1.1.0.json`), each with its last answer and score.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyrit
from pyrit.executor.attack import (
    AttackConverterConfig,
    AttackScoringConfig,
    PromptSendingAttack,
)
from pyrit.memory import CentralMemory
from pyrit.models import Message, MessagePiece
from pyrit.prompt_target import OpenAIChatTarget
from pyrit.score import SubStringScorer
from pyrit.setup import initialize_pyrit_async

try:
    from pyrit.converter import Base64Converter
    from pyrit.prompt_normalizer import ConverterConfiguration
except ImportError:  # 0.14
    from pyrit.prompt_converter import Base64Converter
    from pyrit.prompt_normalizer import PromptConverterConfiguration as ConverterConfiguration

FILES = Path(__file__).parent.parent / "importers" / "files" / "pyrit"
PORT = 8792
KEY = "made-up"
OBJECTIVES = ["Say the word tomato.", "What is the capital of France?", "Say tomato and cup."]


def target(port: int) -> Any:
    """The built-in model, or with another port an address where nothing listens."""
    return OpenAIChatTarget(endpoint=f"http://127.0.0.1:{port}/v1", api_key=KEY,
                            model_name="local/smollm2", temperature=0.0,
                            max_completion_tokens=24)  # fmt: skip


def said(role: Any, text: str) -> Any:
    """A message of the conversation before the attack."""
    return Message(message_pieces=[MessagePiece(role=role, original_value=text)])


async def attack(**more: Any) -> None:
    """Send the objectives, with what is different this time."""
    objectives = more.pop("objectives", OBJECTIVES)
    before = more.pop("before", None)
    scorer = SubStringScorer(substring="tomato", categories=["vegetables"])
    sending = PromptSendingAttack(
        objective_target=target(more.pop("port", PORT)),
        attack_scoring_config=AttackScoringConfig(objective_scorer=scorer),
        **more,
    )
    for objective in objectives:
        given = {"prepended_conversation": before} if before else {}
        try:
            await sending.execute_async(
                objective=objective, memory_labels={"harm_category": "vegetables"}, **given
            )
        except Exception as error:  # noqa: BLE001 an attack that fails is in the memory as well
            print(f"{objective}: {type(error).__name__}")


async def main() -> None:
    """Attack, and keep what the memory has."""
    await initialize_pyrit_async(memory_db_type="InMemory")
    await attack()
    coded = ConverterConfiguration.from_converters(converters=[Base64Converter()])
    await attack(
        attack_converter_config=AttackConverterConfig(request_converters=coded),
        objectives=OBJECTIVES[:1],
    )
    await attack(
        objectives=OBJECTIVES[:1],
        before=[said("system", "Answer with one word."), said("user", "Say cup."),
                said("assistant", "cup")],
    )  # fmt: skip
    await attack(objectives=["Nobody is there."], port=1)
    memory = CentralMemory.get_memory_instance()
    FILES.mkdir(parents=True, exist_ok=True)
    if hasattr(memory, "export_conversations"):
        for kind in ("json", "csv"):
            path = FILES / f"memory-{pyrit.__version__}.{kind}"
            memory.export_conversations(file_path=path, export_type=kind)
            keep(path, path.read_text(encoding="utf-8"))
        return
    results = [result.model_dump(mode="json") for result in memory.get_attack_results()]
    for result in results:
        result["error_traceback"] = result["error_traceback"] and "Traceback, cut short here."
    keep(FILES / f"attacks-{pyrit.__version__}.json", json.dumps(results, indent=1) + "\n")


def keep(path: Path, text: str) -> None:
    """Write a file without the paths of the machine that made it."""
    text = text.replace(str(Path(sys.prefix).resolve()), "/venv").replace(str(Path.cwd()), "/run")
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [Path(sys.argv[1]).resolve(), "model", "serve", "--port", str(PORT),
             "--api-key-env", "PEX_MADE_BY_KEY"],
            cwd=folder,
            env={**os.environ, "PEX_MADE_BY_KEY": KEY},
        )  # fmt: skip
        try:
            time.sleep(10)
            asyncio.run(main())
        finally:
            server.terminate()
            server.wait()
