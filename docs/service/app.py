"""A small service that says whether a review is positive: its prompt comes from the library.

Run it in a project, with any OpenAI-compatible endpoint:

    OPENAI_BASE_URL=… OPENAI_API_KEY=… MODEL=… uvicorn --app-dir docs/service app:app
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

import pex

PROMPT = "review-sentiment@champion"
MODEL = os.environ.get("MODEL", "gpt-5-mini")
FALLBACK = "Review: {{ review }}\nIs this review positive or negative? Answer with one word."


def load_prompt() -> pex.Prompt:
    """The version that is champion now; with a fallback, this never raises."""
    return pex.library.load(PROMPT, model=f"openai/{MODEL}", fallback=FALLBACK)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the prompt once at the start: no request waits for the registry then."""
    if os.environ.get("MLFLOW_EXPERIMENT_NAME"):  # traces; they have the version by themselves
        import mlflow

        mlflow.openai.autolog()
    load_prompt()
    yield


app = FastAPI(lifespan=lifespan)


class Review(BaseModel):
    """What a client sends."""

    text: str


@app.post("/label")
async def label(review: Review) -> dict[str, Any]:
    """Whether a review is positive, and which version of the prompt said so."""
    prompt = load_prompt()
    arguments = {"model": MODEL, **prompt.openai(review=review.text)}
    async with openai.AsyncOpenAI() as client:
        try:
            answer = await client.chat.completions.create(**arguments)
        except openai.OpenAIError as error:
            raise HTTPException(502, "the model does not answer") from error
    text = answer.choices[0].message.content or ""
    return {"label": text.strip().lower(), "prompt": prompt.origin, "source": prompt.source}


@app.get("/health")
def health() -> list[dict[str, Any]]:
    """Which version of each prompt is served, how old that is, and what is wrong, if anything."""
    return [
        {"reference": line.reference, "version": line.version, "asked_at": line.asked_at,
         "problem": line.problem}
        for line in pex.library.status()
    ]  # fmt: skip
