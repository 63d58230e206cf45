"""A small application: it tells customers' reviews apart, and every answer is a trace in MLflow.

The prompt comes from the library (`review-service@champion`), so a release is a move of the alias.
The clock is given, so that a load script can live through days in minutes.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import mlflow
import openai
from mlflow.entities import SpanType
from mlflow.tracing.constant import SpanAttributeKey, TraceMetadataKey
from mlflow.tracing.provider import safe_set_span_in_context

import pex

PROMPT = "review-service"
MAX_TOKENS = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What a customer got; `trace_id` is what feedback is given on."""

    trace_id: str
    text: str


class ReviewService:
    """The application.

    Args:
        client: of any OpenAI-compatible endpoint.
        model: the model's name there.
        experiment: the MLflow experiment that its traces go to.
    """

    def __init__(self, client: openai.OpenAI, model: str, experiment: str) -> None:
        self.client, self.model = client, model
        self.experiment_id = mlflow.set_experiment(experiment).experiment_id

    def answer(self, review: str, user: str, at: datetime.datetime) -> Reply:
        """Answer one customer; a failed call is a failed trace and an empty reply."""
        start = int(at.timestamp() * 1e9)
        root = mlflow.start_span_no_context(
            "review",
            SpanType.CHAIN,
            inputs={"review": review},
            tags={"service": "reviews"},
            metadata={TraceMetadataKey.TRACE_USER: user},
            experiment_id=self.experiment_id,
            start_time_ns=start,
        )
        with safe_set_span_in_context(root):
            prompt = pex.library.load(f"{PROMPT}@champion")
            messages = prompt.messages(review=review)
        call = mlflow.start_span_no_context(
            "chat", SpanType.CHAT_MODEL, parent_span=root, inputs={"messages": messages},
            start_time_ns=start,
        )  # fmt: skip
        call.set_attribute(SpanAttributeKey.MODEL, self.model)
        begun = datetime.datetime.now(datetime.UTC)
        text, state = "", "OK"
        try:
            answer = self.client.chat.completions.create(
                model=self.model, messages=messages, max_tokens=MAX_TOKENS, temperature=0
            )
            text = answer.choices[0].message.content or ""
            call.set_outputs(answer.model_dump(exclude_none=True))
            call.set_attribute(SpanAttributeKey.CHAT_USAGE, _usage(answer))
        except openai.OpenAIError as error:
            call.record_exception(error)
            state = "ERROR"
        took = datetime.datetime.now(datetime.UTC) - begun
        end = start + int(took.total_seconds() * 1e9)
        call.end(status=state, end_time_ns=end)
        root.end(outputs=text, status=state, end_time_ns=end)
        return Reply(root.trace_id, text)


def _usage(answer: Any) -> dict[str, int]:
    usage = answer.usage
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
