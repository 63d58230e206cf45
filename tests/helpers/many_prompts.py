"""A registry with many prompts, written in bulk: MLflow's own client takes minutes for it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from pex.core.canonical_json import digest
from pex.core.prompt import Prompt
from pex.library.content import DIGEST, SHA256, encode

TASKS = ("classification", "extraction", "summary", "reply")
RISKS = ("low", "medium", "high")
DAY_MS = 86_400_000


def prompt_of(number: int, version: int) -> Prompt:
    """A prompt with metadata, about 150 words long."""
    words = "Read the {{ text }} and answer in one word. " * 16
    front = (
        f"---\nname: prompt-{number:04d}\ndescription: What prompt {number} is for.\n"
        f"metadata:\n  owner: owner-{number % 7}\n  tags: [team-{number % 5}]\n"
        f"  category: {{task: {TASKS[number % 4]}, risk: {RISKS[number % 3]}}}\n"
        "model: {id: smollm2, provider: local}\n---\n"
    )
    return Prompt.parse(f"{front}Attempt {version}. {words}\n", "made", f"prompt-{number:04d}")


def fill(uri: str, prompts: int, versions: int) -> None:
    """Write prompts into the tables of an existing store.

    Args:
        uri: a store that MLflow has created.
        prompts: how many; the first is `prompt-0000`.
        versions: versions of each, a day apart; the alias `champion` is the one before the newest.
    """
    engine = sa.create_engine(uri)
    tables = sa.MetaData()
    tables.reflect(engine)
    rows: dict[str, list[dict[str, Any]]] = {}
    for name, row in _rows(prompts, versions):
        rows.setdefault(name, []).append({"workspace": "default", **row})
    with engine.begin() as connection:
        for name, found in rows.items():
            for start in range(0, len(found), 5000):
                connection.execute(tables.tables[name].insert(), found[start : start + 5000])
    engine.dispose()


def _rows(prompts: int, versions: int) -> Iterator[tuple[str, dict[str, Any]]]:
    from pex.library.metadata import metadata_of

    now = int(time.time() * 1000)
    for number in range(prompts):
        first = prompt_of(number, 1)
        name = first.name
        times = [now - (versions - version) * DAY_MS for version in range(versions)]
        yield "registered_models", {
            "name": name, "creation_time": times[0], "last_updated_time": times[-1],
            "description": first.description,
        }  # fmt: skip
        words = metadata_of(first).words()
        tags = {"mlflow.prompt.is_prompt": "true", "pex.saved": "true"}
        for key, value in (tags | {key: value for key, value in words.items() if value}).items():
            yield "registered_model_tags", {"name": name, "key": key, "value": value}
        yield "registered_model_aliases", {
            "name": name, "alias": "champion", "version": max(1, versions - 1),
        }  # fmt: skip
        for version in range(1, versions + 1):
            template, written = _written(first, version)
            yield "model_versions", {
                "name": name, "version": version, "creation_time": times[version - 1],
                "last_updated_time": times[version - 1], "description": f"attempt {version}",
                "current_stage": "None", "source": "prompt-template", "status": "READY",
            }  # fmt: skip
            tags = {
                **written, "mlflow.prompt.is_prompt": "true", "mlflow.prompt.text": template,
                "pex.by": "ada",
            }  # fmt: skip
            for key, value in tags.items():
                yield "model_version_tags", {
                    "name": name, "version": version, "key": key, "value": value,
                }  # fmt: skip


def _written(first: Prompt, version: int) -> tuple[str, dict[str, str]]:
    """The template and the tags of a version, as `encode` makes them; that parses each text."""
    old, new = "Attempt 1.", f"Attempt {version}."
    text = first.as_file().replace(old, new)
    messages = [{**item, "content": item["content"].replace(old, new)} for item in first.messages]
    changed = {
        DIGEST: digest([messages, first.params, first.response_schema, first.tools]),
        SHA256: hashlib.sha256(text.encode()).hexdigest(),
        "pex.text.1": text,
    }
    return messages[0]["content"], {**encode(first).tags, **changed}
