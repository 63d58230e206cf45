"""Logs of inspect-ai in tests/importers/files/inspect, made by inspect-ai itself.

Run it in an environment that has inspect-ai, from the root of the repository:

    python -m venv /tmp/inspect && /tmp/inspect/bin/pip install inspect-ai==0.3.285
    /tmp/inspect/bin/python tests/made_by/inspect_logs.py

With `--check FILE` it reads a log with `read_eval_log` and prints what inspect-ai finds in it.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import zipfile
from pathlib import Path

from inspect_ai import Epochs, Task
from inspect_ai import eval as run
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import read_eval_log, write_eval_log
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    ContentImage,
    ContentText,
    ModelOutput,
    ModelUsage,
    get_model,
)
from inspect_ai.scorer import Score, accuracy, choice, includes, mean, model_graded_qa, scorer
from inspect_ai.solver import (
    generate,
    multiple_choice,
    prompt_template,
    solver,
    system_message,
    use_tools,
)
from inspect_ai.tool import tool

FILES = Path(__file__).parent.parent / "importers" / "files" / "inspect"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwAD"
    "hgGAWjR9awAAAABJRU5ErkJggg=="
)
LONG = "A long review that is kept as an attachment. " * 12


def said(text: str, usage: ModelUsage | None = None) -> ModelOutput:
    """An answer of the mock model."""
    output = ModelOutput.from_content("mockllm/model", text)
    output.usage = usage or ModelUsage(
        input_tokens=12, output_tokens=3, total_tokens=15, input_tokens_cache_read=4
    )
    output.time = 0.25
    return output


@tool
def stock():
    """A tool of the desk."""

    async def execute(item: str) -> str:
        """How many there are.

        Args:
            item: The item's name.
        """
        return f"3 {item}"

    return execute


@solver
def fails_on(word: str):
    """Fail on inputs with a word."""

    async def solve(state, generate):
        if word in state.input_text:
            raise RuntimeError(f"the solver does not take '{word}'")
        return state

    return solve


@scorer(metrics={"polite": [mean()], "words": [mean()]})
def manners():
    """Two numbers, one of which cannot always be given."""

    async def score(state, target):
        text = state.output.completion
        polite = math.nan if "…" in text else float("please" in text)
        return Score(value={"polite": polite, "words": len(text.split())}, explanation="counted")

    return score


@scorer(metrics=[accuracy()])
def in_part():
    """Correct, in part, or none."""

    async def score(state, target):
        text = state.output.completion
        value = "N" if "…" in text else "C" if text == target.text else "P"
        return Score(value=value, answer=text, explanation="compared with the target")

    return score


def reviews() -> Task:
    """Two epochs, a solver that fails, a dict, a list of targets, metadata."""
    samples = [
        Sample("I love it. {braces}", target="positive", id="r1", metadata={"topic": "shop"}),
        Sample("It broke.", target=["negative", "bad"], id="r2", metadata={"topic": "post"}),
        Sample("Poison in the text.", target="negative", id="r3"),
        Sample(LONG, target="negative", id=4),
    ]
    return Task(
        name="reviews",
        dataset=MemoryDataset(samples, name="reviews"),
        solver=[
            system_message("You label reviews for {topic}.", topic="a shop"),
            prompt_template("Review: {prompt}\nPositive or negative?"),
            fails_on("Poison"),
            generate(),
        ],
        scorer=[includes(), manners(), in_part()],
        epochs=Epochs(2, "mean"),
        fail_on_error=False,
    )


def letters() -> Task:
    """Multiple choice, with messages as the input of one sample."""
    samples = [
        Sample("What is water?", choices=["H2O", "CO2", "NaCl"], target="A", id="water"),
        Sample(
            [ChatMessageSystem(content="Be brief."), ChatMessageUser(content="What is salt?")],
            choices=["H2O", "CO2", "NaCl"],
            target="C",
            id="salt",
        ),
    ]
    return Task(name="letters", dataset=samples, solver=[multiple_choice()], scorer=choice())


def desk() -> Task:
    """A tool that is called, and a model that grades."""
    picture = [ContentText(text="What is this?"), ContentImage(image=PIXEL)]
    samples = [
        Sample("How many pens are there?", target="3", id="pens"),
        Sample([ChatMessageUser(content=picture)], target="a pen", id="photo"),
    ]
    return Task(
        name="desk",
        dataset=samples,
        solver=[use_tools(stock()), generate()],
        scorer=model_graded_qa(model=get_model("mockllm/model", custom_outputs=[said("GRADE: C")])),
    )


def model(*outputs: ModelOutput):
    """The mock model with these answers."""
    return get_model("mockllm/model", custom_outputs=list(outputs), memoize=False)


def made(task: Task, name: str, kind: str, *outputs: ModelOutput) -> None:
    """Run a task and keep its log."""
    with tempfile.TemporaryDirectory() as folder:
        (log,) = run(
            task,
            model=model(*outputs),
            log_dir=folder,
            log_format=kind,
            temperature=0.2,
            max_tokens=64,
            max_samples=1,
            display="none",
        )
        without_paths(Path(log.location), FILES / f"{name}.{kind}")


def without_paths(path: Path, to: Path) -> None:
    """Copy a log, packed as it is, without the folders of the machine that tracebacks have."""
    places = [str(Path(sys.prefix)), str(Path(sys.base_prefix)), str(FILES.parents[2])]

    def plain(data: bytes) -> bytes:
        for place in places:
            data = data.replace(place.encode(), b"...")
        return data

    if path.suffix == ".json":
        to.write_bytes(plain(path.read_bytes()))
        return
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for entry in old.infolist():
            new.writestr(entry, plain(old.read(entry)), compress_type=entry.compress_type)


def main() -> None:
    """Make the files."""
    FILES.mkdir(parents=True, exist_ok=True)
    answers = ["positive", "positive please", "negative", "Bad, … I think", "negative", "negative"]
    made(reviews(), "reviews", "eval", *map(said, answers))
    made(letters(), "letters", "json", said("ANSWER: A"), said("ANSWER: B"))
    call = ModelOutput.for_tool_call("mockllm/model", "stock", {"item": "pens"})
    call.usage = ModelUsage(input_tokens=20, output_tokens=8, total_tokens=28)
    thinking = ModelOutput.from_message(
        ChatMessageAssistant(content=[ContentText(text="There are "), ContentText(text="3.")])
    )
    thinking.usage = ModelUsage(input_tokens=30, output_tokens=5, total_tokens=35)
    made(desk(), "desk", "eval", call, thinking, said("A pen."))


def check(path: Path) -> None:
    """What inspect-ai reads in a log."""
    log = read_eval_log(str(path), resolve_attachments=True)
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "again.eval"
        write_eval_log(log, str(again))
        samples = read_eval_log(str(again)).samples or []
    print(
        json.dumps(
            {
                "version": log.version,
                "status": log.status,
                "task": log.eval.task,
                "model": log.eval.model,
                "samples": [
                    {
                        "id": sample.id,
                        "epoch": sample.epoch,
                        "answer": sample.output.completion,
                        "scores": {k: v.value for k, v in (sample.scores or {}).items()},
                        "error": sample.error and sample.error.message,
                    }
                    for sample in samples
                ],
            }
        )
    )


if __name__ == "__main__":
    check(Path(sys.argv[2])) if sys.argv[1:2] == ["--check"] else main()
