"""Each format is read back by its own reader: `datasets`, or the schema of its page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pex.training.example import Example
from pex.training.formats import FORMATS, TRL
from pex.training.validate import check_file, detect_format
from pex.training.writers import WRITERS

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "track",
            "description": "Where a parcel is",
            "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}},
        },
    }
]


def examples(*, tools: bool) -> list[Example]:
    found = []
    for number in range(12):
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": f"Where is parcel {number}? Grüße 🎁"},
        ]
        answer: dict[str, Any] = {"role": "assistant", "content": f"In Bern, shelf {number}."}
        if tools and number % 2:
            arguments = json.dumps({"id": number} if number % 3 else {"code": "x", "day": 1})
            function = {"name": "track", "arguments": arguments}
            call = {"id": f"c{number}", "type": "function", "function": function}
            answer = {"role": "assistant", "tool_calls": [call]}
        rejected = {"role": "assistant", "content": "No idea."}
        own = TOOLS if tools else None
        found.append(Example(messages, answer, rejected, bool(number % 4), own))
    return found


def written(folder: Path, name: str, *, tools: bool = False) -> Path:
    path = folder / f"{name}{'-tools' * tools}.jsonl"
    rows = [WRITERS[name](example) for example in examples(tools=tools)]  # type: ignore[index]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


STRING = {"type": "string", "minLength": 1}
MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"enum": ["system", "user", "assistant", "tool"]},
        "content": {"type": ["string", "array"]},
        "tool_calls": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "type", "function"],
                "properties": {
                    "type": {"const": "function"},
                    "function": {
                        "type": "object",
                        "required": ["name", "arguments"],
                        "properties": {"name": STRING, "arguments": STRING},
                        "additionalProperties": False,
                    },
                },
                "additionalProperties": {"type": "string"},
            },
        },
    },
    "anyOf": [{"required": ["content"]}, {"required": ["tool_calls"]}],
    "additionalProperties": False,
}
SIDE = {
    "type": "array", "minItems": 1, "maxItems": 1,
    "items": {**MESSAGE, "properties": {**MESSAGE["properties"], "role": {"const": "assistant"}}},
}  # fmt: skip
TOOL_LIST = {"type": "array", "items": {"type": "object", "required": ["type", "function"]}}
SCHEMAS: dict[str, dict[str, Any]] = {
    "openai-chat": {
        "type": "object",
        "required": ["messages"],
        "properties": {"messages": {"type": "array", "items": MESSAGE}, "tools": TOOL_LIST},
        "additionalProperties": False,
    },
    "openai-dpo": {
        "type": "object",
        "required": ["input", "preferred_output", "non_preferred_output"],
        "properties": {
            "input": {
                "type": "object",
                "required": ["messages", "tools", "parallel_tool_calls"],
                "properties": {
                    "messages": {"type": "array", "items": MESSAGE, "minItems": 1},
                    "tools": TOOL_LIST,
                    "parallel_tool_calls": {"type": "boolean"},
                },
                "additionalProperties": False,
            },
            "preferred_output": SIDE,
            "non_preferred_output": SIDE,
        },
        "additionalProperties": False,
    },
    "alpaca": {
        "type": "object",
        "required": ["instruction", "input", "output"],
        "properties": {
            "instruction": STRING, "input": {"type": "string"}, "output": STRING,
            "system": {"type": "string"},
            "history": {"type": "array", "items": {
                "type": "array", "items": STRING, "minItems": 2, "maxItems": 2}},
        },
        "additionalProperties": False,
    },
    "sharegpt": {
        "type": "object",
        "required": ["conversations"],
        "properties": {
            "conversations": {"type": "array", "minItems": 2, "items": {
                "type": "object", "required": ["from", "value"],
                "properties": {"from": {"enum": ["human", "gpt", "function_call", "observation"]},
                               "value": STRING},
                "additionalProperties": False}},
            "system": {"type": "string"}, "tools": {"type": "string"},
        },
        "additionalProperties": False,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_has_no_finding_and_fits_its_schema(name: str, tmp_path: Path) -> None:
    from jsonschema import Draft202012Validator

    for tools in (False, True) if name != "alpaca" else (False,):
        path = written(tmp_path, name, tools=tools)
        assert check_file(path, name) == []
        assert detect_format(path) == ("openai-chat" if name == "trl-messages" else name)
        if name in SCHEMAS:
            validator = Draft202012Validator(SCHEMAS[name])
            for line in path.read_text().splitlines():
                validator.validate(json.loads(line))


@pytest.mark.slow
def test_datasets_reads_every_format_without_nulls_that_nobody_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    datasets = pytest.importorskip("datasets", reason="the dev dependency datasets")
    for name in FORMATS:
        if name.startswith("openai-dpo"):
            continue  # it is uploaded, not read by datasets
        for tools in (False, True) if name in TRL else (False,):
            path = written(tmp_path, name, tools=tools)
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            read = datasets.load_dataset(
                "json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
            ).to_list()
            assert [_without_nulls(row) for row in read] == rows


def _without_nulls(value: Any) -> Any:
    """A row as it was written; the keys of tool calls that some messages lack come back null."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


CHECK = """
import json, sys
from trl.data_utils import is_conversational, is_conversational_from_value, maybe_extract_prompt
for name in sys.argv[1:]:
    rows = [json.loads(line) for line in open(name)]
    assert all(map(is_conversational, rows)), name
    assert not any(map(is_conversational_from_value, rows)), name
    if "implicit" in name:
        for row in rows:
            found = maybe_extract_prompt(row)
            assert found["prompt"] == row["chosen"][:-1], name
            assert found["chosen"] == row["chosen"][-1:], name
"""


@pytest.mark.soak
def test_trl_takes_its_formats(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
    done = subprocess.run(
        [*pip, str(tmp_path / "trl"), "trl"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"trl cannot be installed: {done.stderr.strip()[-200:]}")
    paths = [str(written(tmp_path, name)) for name in FORMATS if name in TRL]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "trl"), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", CHECK, *paths],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if "ModuleNotFoundError" in run.stderr or "ImportError" in run.stderr:
        pytest.skip(f"trl's import wants more: {run.stderr.strip().splitlines()[-1]}")
    assert run.returncode == 0, run.stderr
