"""The body of a chat completion, read into an answer whatever form it has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson

from pex.core.call import Answer, read_text
from pex.core.sanitized_json import sanitized_json
from pex.guard.redact import redact
from pex.run.content import ToolCalls, read_content, read_reasoning
from pex.run.error_body import message_in, message_of
from pex.run.errors import CallError, of_kind
from pex.run.failures import failure_in, named_in
from pex.run.finish_reasons import finish_meaning
from pex.run.lenient import body_text, dumped, read_leniently
from pex.run.responses import chat_form, response_id
from pex.run.usage import read_usage

LENIENT = "read_leniently"
"""The remark of an answer that was only partly readable; its body is kept."""

REASONS = ("finish_reason", "finishReason", "stop_reason", "done_reason", "native_finish_reason")
"""Under which of these a choice says why the model stopped, the first that there is."""

_USUAL = frozenset({"role", "content", "index", "message", "finish_reason"})
_INSIDE = ("data", "result", "response", "body", "completion")


def read_answer(raw: bytes, previous: str | None = None) -> Answer:
    """The answer in a body as it came; `previous` as in `answer_of`.

    Raises:
        CallError: it has none; the error keeps the body.
    """
    leniently = False
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError:
        leniently = True
        try:
            data = read_leniently(raw)
        except ValueError:
            said = message_of(raw) if raw.strip() else "it is empty"
            raise CallError(
                "bad_body", f"the answer is not valid JSON: {said}", raw_body=kept(raw)
            ) from None
    if not leniently:
        answer = _ordinary(data)
        if answer is not None:
            return answer
    return answer_of(data, raw, leniently=leniently, previous=previous)


def _ordinary(data: Any) -> Answer | None:
    """The usual answer: text that ended normally and nothing else; None if there is more.

    On the path of every call, so it is fast.
    """
    try:
        choice = data["choices"][0]
        message = choice["message"]
        output, reason = message["content"], choice["finish_reason"]
    except (KeyError, IndexError, TypeError):
        return None
    if type(output) is not str or not output or reason != "stop" or type(message) is not dict:
        return None
    if data.get("error") or _has_more(message):
        return None
    if type(choice) is not dict or _has_more(choice):
        return None
    usage, counts = _usage(data, choice)
    if usage and counts.get("prompt_tokens") is None:
        return None
    model = data.get("model")
    return Answer(
        output=output,
        finish_reason=reason,
        resolved_model=model if type(model) is str else read_text(model),
        **counts,
    )


def _has_more(part: dict[str, Any]) -> bool:
    """Whether a message or a choice says anything that is not usual."""
    return not part.keys() <= _USUAL and any(part[key] for key in part.keys() - _USUAL)


def answer_of(
    data: Any,
    raw: bytes | None = None,
    *,
    leniently: bool = False,
    previous: str | None = None,
) -> Answer:
    """The answer in the JSON value of a body: a chat completion's, or a response's.

    Args:
        data: the value.
        raw: the body as it came, kept where part of it is lost.
        leniently: something is lost already.
        previous: the response that the request went on from.

    Raises:
        CallError: there is none; the error keeps the body.

    Example:
        >>> answer_of({"choices": [{"message": {"content": "Yes"}}]}).output
        'Yes'
    """
    try:
        whole = chat_form(data)
        answer, lost = _read(whole)
        if whole is not data:
            answer.response_id = response_id(data, previous)
    except CallError as error:
        error.raw_body = kept(dumped(data) if raw is None else raw)
        raise
    except Exception as error:  # an unexpected error gets a name too
        raise unforeseen(error, dumped(data) if raw is None else raw) from error
    if lost or leniently:
        answer.remarks.append(LENIENT)
        answer.raw_body = kept(dumped(data) if raw is None else raw)
    return answer


def unforeseen(error: Exception, raw: bytes) -> CallError:
    """The error of a body at which reading itself has failed."""
    said = redact(f"the answer cannot be read: {type(error).__name__}: {error}")
    return CallError("bad_body", said, raw_body=kept(raw))


def kept(raw: bytes) -> str:
    """A body as it is kept: without keys, as a text that every file can hold."""
    return redact(body_text(raw))


def _read(data: Any) -> tuple[Answer, bool]:
    """The answer, and whether part of it could not be read."""
    whole = _unwrapped(data)
    choice = _choice(whole)
    if choice is None:
        raise _no_choice(data, whole)
    reason = _reason(choice)
    meaning = finish_meaning(reason)
    parts = _parts(choice)
    _raise_failed(whole, choice, reason, meaning, parts)
    output, calls = parts.text, parts.calls.found()
    if parts.lost and not (output or calls or parts.refusal or parts.reasoning):
        raise CallError("bad_body", "nothing in the answer's message can be read")
    if not output and parts.refusal:
        output, reason, meaning = parts.refusal, "refusal", None
    if not output and calls is None and meaning == "filtered":
        raise CallError("content_filter", "the provider's content filter blocked the answer")
    if not output and calls is None and meaning == "unsure":
        raise CallError("server", f"the model stopped without an answer: {reason}", begun=True)
    if output is None:
        output = orjson.dumps(calls).decode() if calls else ""
    logprobs, lost_logprobs = _logprobs(choice.get("logprobs"))
    usage, counts = _usage(whole, choice)
    remarks = [meaning] if meaning in ("cut_off", "filtered") else []
    if not remarks and _any_filtered(choice.get("content_filter_results")):
        remarks.append("filtered")
    answer = Answer(
        output=output,
        finish_reason=reason,
        resolved_model=read_text(whole.get("model")),
        tool_calls=calls,
        logprobs=logprobs,
        reasoning=parts.reasoning or None,
        remarks=remarks,
        **counts,
    )
    # Counts that are there and mean nothing are a loss: the worst case is booked.
    lost_usage = bool(usage) and answer.prompt_tokens is None
    return answer, parts.lost or parts.calls.lost or lost_logprobs or lost_usage


# -- where the answer is


def _unwrapped(data: Any) -> dict[str, Any]:
    """The object with the choices: some gateways put it into a list or into another object."""
    for _ in range(4):
        if isinstance(data, list) and len(data) == 1:
            data = data[0]
        elif isinstance(data, dict) and "choices" not in data:
            inside = [data[key] for key in _INSIDE if _has_choices(data.get(key))]
            if not inside:
                return data
            data = inside[0]
        else:
            break
    return data if isinstance(data, dict) else {}


def _has_choices(value: Any) -> bool:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return False
    inside = isinstance(value.get("message"), dict) or isinstance(value.get("response"), str)
    return "choices" in value or inside


def _choice(whole: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first choice that holds anything; without choices, what is a choice in all but name."""
    choices = whole.get("choices")
    if isinstance(choices, dict):
        choices = [choices] if _holds_answer(choices) else list(choices.values())
    if isinstance(choices, list):
        for choice in choices:
            if isinstance(choice, dict) and _holds_answer(choice):
                return choice
        ended = (c for c in choices if isinstance(c, dict) and finish_meaning(_reason(c)))
        return next(ended, None)
    message = whole.get("message")
    if isinstance(message, dict) and ("content" in message or "tool_calls" in message):
        return dict(whole)  # Ollama's own API
    if whole.get("role") == "assistant" and "content" in whole:
        return {"message": whole, "finish_reason": whole.get("stop_reason")}  # Anthropic's own API
    if isinstance(whole.get("response"), str):
        return {"text": whole["response"]}  # Ollama, Cloudflare
    return None


def _holds_answer(choice: Mapping[str, Any]) -> bool:
    return any(choice.get(key) is not None for key in ("message", "delta", "text", "error"))


def _no_choice(data: Any, whole: Mapping[str, Any]) -> CallError:
    error = failure_in(data) or failure_in(whole) or named_in(data)
    if error is not None:
        return error
    if _any_filtered(whole.get("prompt_filter_results")):
        return CallError("content_filter", "the provider's content filter blocked the prompt")
    if whole.get("choices") in ([], {}):
        return CallError("empty", "the answer's list of choices is empty")
    if isinstance(whole.get("choices"), list):
        return CallError("bad_body", "the answer's first choice has no message")
    return CallError("bad_body", f"the answer has no choices: {message_in(data)}")


def _raise_failed(
    whole: Mapping[str, Any],
    choice: Mapping[str, Any],
    reason: str | None,
    meaning: str | None,
    parts: _Parts,
) -> None:
    """Raise if the choice, or the body around it, says that the answer is not complete."""
    begun = bool(parts.text or parts.reasoning or parts.calls)
    message = choice.get("message")
    inside = message.get("error") if isinstance(message, dict) else None
    error = failure_in({"error": choice.get("error") or inside}, begun=begun)  # OpenRouter
    if error is None and not (parts.text and reason is not None and meaning in (None, "cut_off")):
        error = failure_in(dict(whole), begun=begun)
    if error is not None:
        raise error
    if meaning not in (None, "cut_off", "filtered", "unsure"):
        given = choice.get("finish_reason")  # SGLang sends an object with the reason in it
        told = failure_in({"error": given}, begun=True) if isinstance(given, dict) else None
        if told is not None and told.kind != "server":
            raise told
        text = f"the model did not finish its answer: finish_reason '{reason}'"
        raise of_kind(str(meaning), text, begun=True)


def _reason(choice: Mapping[str, Any]) -> str | None:
    """Why the model stopped; SGLang says it in an object."""
    for key in REASONS:
        reason = choice.get(key)
        if isinstance(reason, dict):
            reason = reason.get("type") or reason.get("reason")
        if isinstance(reason, str) and reason:
            return read_text(reason)
    return None


# -- what is in it


@dataclasses.dataclass(slots=True)
class _Parts:
    """What a choice says."""

    text: str | None
    reasoning: str
    refusal: str
    calls: ToolCalls
    lost: bool


def _parts(choice: Mapping[str, Any]) -> _Parts:
    message = choice.get("message")
    if message is None:
        message = choice.get("delta")
    if message is None and choice.get("text") is not None:
        message = {"content": choice["text"]}  # the older completions API
    if isinstance(message, str | list):
        message = {"content": message}
    calls = ToolCalls()
    if not isinstance(message, dict):
        return _Parts(None, "", "", calls, lost=message is not None)
    content = message.get("content")
    if content is None and message.get("text") is not None:
        content = message["text"]
    lost = False
    refusal = message.get("refusal")
    if not isinstance(refusal, str):
        lost, refusal = refusal not in (None, [], {}, False), ""
    if message.get("tool_calls") is not None:
        calls.add_all(message["tool_calls"])
    if message.get("function_call") is not None and not calls:
        calls.add_all({"function": message["function_call"]})
    reasoning = read_reasoning(message)
    if isinstance(content, str) or content is None:
        return _Parts(content, reasoning, refusal, calls, lost)
    found = read_content(content)
    return _Parts(
        found.text, reasoning or found.reasoning, refusal or found.refusal, calls,
        lost or found.lost,
    )  # fmt: skip


def _logprobs(value: Any) -> tuple[list[dict[str, Any]] | None, bool]:
    """One object for each token, and whether any was lost."""
    if value is None:
        return None, False
    if isinstance(value, dict):
        content = value.get("content")
        if content is None and isinstance(value.get("tokens"), list):
            content = _older_logprobs(value)
        if content is None:
            return None, bool(value.get("tokens"))
    else:
        content = value
    if not isinstance(content, list):
        return None, True
    found = [item for item in content if isinstance(item, dict)]
    lost = len(found) < len(content)
    try:
        orjson.dumps([[found]])
    except TypeError:
        found, lost = [sanitized_json(item) for item in found], True
    return found or None, lost


def _older_logprobs(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lists beside each other of the older completions API (llama.cpp, Together)."""
    tokens, values = value["tokens"], value.get("token_logprobs")
    values = values if isinstance(values, list) else []
    padded = [*values, *[None] * len(tokens)]
    return [{"token": token, "logprob": padded[n]} for n, token in enumerate(tokens)]


def _usage(whole: Mapping[str, Any], choice: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What is said of tokens, and the counts in it."""
    usage = whole.get("usage")
    if not usage and isinstance(whole.get("x_groq"), dict):
        usage = whole["x_groq"].get("usage")
    if not usage:
        usage = choice.get("usage")  # Moonshot, in a stream
    if not usage and "eval_count" in whole:  # Ollama's own API
        usage = {
            "prompt_tokens": whole.get("prompt_eval_count"),
            "completion_tokens": whole["eval_count"],
        }
    return usage, read_usage(usage)


def _any_filtered(verdicts: Any) -> bool:
    """Azure's verdicts on an answer or a prompt: something was filtered."""
    left = [verdicts] if verdicts else []
    for _ in range(200):
        if not left:
            break
        value = left.pop()
        if isinstance(value, dict):
            if value.get("filtered") is True:
                return True
            left += value.values()
        elif isinstance(value, list):
            left += value
    return False
