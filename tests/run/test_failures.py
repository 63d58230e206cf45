"""What each provider's errors mean: rows of (HTTP status, body, kind), with their sources."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.run import retry
from pex.run.errors import CallError
from pex.run.failures import failure_in, refusal
from pex.run.finish_reasons import finish_meaning
from pex.run.reading import read_answer
from pex.run.stream import Stream
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.run.test_faults import experiment, ledger, paid, run

__all__ = ["paid"]


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


GEMINI_MINUTE = [
    {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota, please check your plan and billing.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
                 "violations": [{"quotaId": "GenerateRequestsPerMinutePerProject-FreeTier"}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23s"},
            ],
        }
    }
]  # fmt: skip
GEMINI_DAY = json.loads(json.dumps(GEMINI_MINUTE).replace("PerMinute", "PerDay"))
FASTAPI = {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs"}]}
AZURE_FILTER = error(
    "The response was filtered due to the prompt triggering content management policy.",
    param="prompt", code="content_filter", status=400,
    innererror={"code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"violence": {"filtered": True, "severity": "high"}}},
)  # fmt: skip
INNER = json.dumps({"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}})

REPLIES: list[tuple[str, int, Any, str]] = [
    # -- flagged prompts
    ("Azure", 400, AZURE_FILTER, "content_filter"),
    ("Azure, words only", 400, error("triggered Azure OpenAI's content management policy"),
     "content_filter"),
    ("OpenAI reasoning", 400,
     error("Invalid prompt: your prompt was flagged", code="invalid_prompt"), "content_filter"),
    ("OpenAI policy", 400, error("no", code="content_policy_violation"), "content_filter"),
    ("OpenAI cyber", 400, error("no", code="cyber_policy_violation"), "content_filter"),
    ("DeepSeek", 400, error("Content Exists Risk", type="invalid_request_error"),
     "content_filter"),
    ("Moonshot", 400, error("The request was rejected because it was considered high risk",
                            type="content_filter"), "content_filter"),
    ("DashScope", 400, error("Input data may contain inappropriate content.",
                             code="data_inspection_failed"), "content_filter"),
    ("Zhipu", 400, {"contentFilter": [{"level": 1}], "error": {"code": "1301", "message": "x"}},
     "content_filter"),
    ("OpenRouter", 403, error("Your input was flagged", code=403, metadata={
        "reasons": ["violence"], "flagged_input": "…", "provider_name": "X"}), "content_filter"),
    ("OpenRouter reasons", 403, error("Forbidden", code=403, metadata={"reasons": ["hate"]}),
     "content_filter"),
    ("Gemini", 400, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "content_filter"),
    ("Mistral", 403, {"object": "error", "type": "guardrail_violation", "message": "no"},
     "content_filter"),
    ("LiteLLM", 400, error("litellm.ContentPolicyViolationError: " + json.dumps(AZURE_FILTER),
                           code="400"), "content_filter"),
    ("Together", 422, error("Input flagged by the moderation model"), "content_filter"),
    ("a guardrail by words", 422, {"detail": "Guardrail violation"}, "content_filter"),
    ("a gateway's guardrail", 400, {"message": "blocked by guardrail", "code": "x"},
     "content_filter"),
    ("words that may not be said", 400, error("Sensitive words detected"), "content_filter"),
    ("words that are prohibited", 400, error("Prompt contains prohibited words"),
     "content_filter"),
    ("a jailbreak", 400, error("Request blocked: jailbreak detected"), "content_filter"),
    ("personal data", 400, error("PII detected in prompt", type="policy_error"),
     "content_filter"),
    ("not safe", 403, error("The content is not safe"), "content_filter"),
    # -- a limit by the minute, whatever it is called
    ("with status 403", 403, error("Rate limit exceeded, retry in 30s"), "rate_limit"),
    ("a gateway's 500", 500, error("upstream: 429 Too Many Requests"), "rate_limit"),
    ("a gateway's 502", 502, error("Request was throttled"), "rate_limit"),
    ("OpenAI", 429, error("Rate limit reached for gpt-4.1 on tokens per min (TPM)",
                          type="tokens", code="rate_limit_exceeded"), "rate_limit"),
    ("Azure calls", 429, error("have exceeded call rate limit of your current pricing tier. "
                               "Please retry after 26 seconds.", code="429"), "rate_limit"),
    ("Gemini a minute", 429, GEMINI_MINUTE, "rate_limit"),
    ("Gemini short", 429, [error("Resource has been exhausted (e.g. check quota).", code=429,
                                 status="RESOURCE_EXHAUSTED")], "rate_limit"),
    ("quota by words", 429, error("You exceeded your current quota of 20 requests per minute"),
     "rate_limit"),
    ("quota with a wait", 429, error("You exceeded your current quota", retry_after=5),
     "rate_limit"),
    ("Mistral", 429, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited",
                      "code": "1300"}, "rate_limit"),
    ("Mistral tier", 429, {"object": "error", "message": "Service tier capacity exceeded",
                           "type": "service_tier_capacity_exceeded", "code": "3505"},
     "rate_limit"),
    ("Groq flex", 498, error("no capacity", code="capacity_exceeded"), "rate_limit"),
    ("Together", 429, error("slow", type="dynamic_request_limited"), "rate_limit"),
    ("DashScope", 429, {"code": "Throttling.RateQuota", "message": "quota"}, "rate_limit"),
    ("gateway", 500, error("upstream: " + INNER, type="upstream_error"), "rate_limit"),
    ("OpenRouter in flight", 402, error("x", code="in_flight_budget_exhausted"), "rate_limit"),
    ("nothing", 429, "slow down", "rate_limit"),
    # -- no money
    ("OpenAI", 429, error("You exceeded your current quota, please check your plan",
                          type="insufficient_quota", code="insufficient_quota"), "quota"),
    ("OpenAI, a minute said", 429, error("20 requests per minute", code="insufficient_quota"),
     "quota"),
    ("Gemini a day", 429, GEMINI_DAY, "quota"),
    ("DeepSeek", 402, error("Insufficient Balance", type="unknown_error",
                            code="invalid_request_error"), "quota"),
    ("Moonshot", 429, error("Your account is not active", type="exceeded_current_quota_error"),
     "quota"),
    ("Anthropic", 400, error("Your credit balance is too low", type="invalid_request_error"),
     "quota"),
    ("Together", 402, error("no", type="credit_limit"), "quota"),
    # -- keys and rights
    ("OpenAI", 401, error("Incorrect API key", code="invalid_api_key"), "auth"),
    ("Gemini", 400, [error("API key not valid.", code=400, status="INVALID_ARGUMENT", details=[
        {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}])], "auth"),
    ("Gemini, words only", 400, [error("API key not valid. Please pass a valid API key.",
                                       code=400, status="INVALID_ARGUMENT")], "auth"),
    ("Mistral", 401, {"detail": "Unauthorized"}, "auth"),
    ("Anthropic", 403, {"type": "error", "error": {"type": "permission_error", "message": "x"}},
     "auth"),
    ("OpenAI country", 403, error("x", code="unsupported_country_region_territory"), "auth"),
    # -- models
    ("OpenAI", 404, error("The model `x` does not exist", code="model_not_found"),
     "unknown_model"),
    ("Azure", 404, error("x", code="DeploymentNotFound"), "unknown_model"),
    ("Groq", 400, error("x", code="model_decommissioned"), "unknown_model"),
    ("Mistral", 400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model",
                      "code": "1500"}, "unknown_model"),
    ("Ollama", 404, error("model 'x' not found", type="api_error"), "unknown_model"),
    ("vLLM", 404, {"object": "error", "message": "The model `x` does not exist.",
                   "type": "NotFoundError", "code": 404}, "unknown_model"),
    ("a page that takes no POST", 405, {"detail": "Method Not Allowed"}, "unknown_model"),
    # -- too long
    ("OpenAI", 400, error("maximum context length is 8192 tokens", param="messages",
                          code="context_length_exceeded"), "too_long"),
    ("llama.cpp", 400, error("the request exceeds the available context size", code=400,
                             type="exceed_context_size_error"), "too_long"),
    ("vLLM", 400, {"object": "error", "message": "This model's maximum context length is 4096",
                   "type": "BadRequestError", "code": 400}, "too_long"),
    ("Groq", 413, error("Request too large for model on tokens per minute", type="tokens",
                        code="rate_limit_exceeded"), "too_long"),
    ("OpenAI by the minute", 429, error("Request too large for gpt-4o on tokens per min",
                                        code="rate_limit_exceeded"), "too_long"),
    ("Anthropic", 413, {"type": "error", "error": {"type": "request_too_large"}}, "too_long"),
    # -- busy, broken, late
    ("Anthropic", 529, {"type": "error", "error": {"type": "overloaded_error"}}, "server"),
    ("llama.cpp loads", 503, error("Loading model", type="unavailable_error", code=503), "server"),
    ("Gemini", 503, [error("overloaded", code=503, status="UNAVAILABLE")], "server"),
    ("Moonshot", 429, error("busy", type="engine_overloaded_error"), "server"),
    ("Gemini late", 504, [error("x", code=504, status="DEADLINE_EXCEEDED")], "timeout"),
    ("Cloudflare", 524, "<html>A timeout occurred</html>", "timeout"),
    ("proxy", 502, "<html>Bad gateway</html>", "server"),
    ("gateway's 500 for a 401", 500, error("x", code=401), "auth"),
    # -- what the model itself got wrong
    ("Groq JSON", 400, error("Failed to generate JSON", code="json_validate_failed"), "bad_body"),
    ("Groq tools", 400, error("Failed to call a function", code="tool_use_failed"), "bad_body"),
    # -- parameters
    ("OpenAI", 400, error("Unsupported value: 'temperature'", param="temperature",
                          code="unsupported_value"), "refused_parameter"),
    ("OpenAI limit", 400, error("max_tokens is too large: 100000. This model supports at most "
                                "16384 completion tokens", param="max_tokens"),
     "refused_parameter"),
    ("Mistral", 422, {"object": "error", "message": FASTAPI, "type": "invalid_request_error"},
     "refused_parameter"),
    ("FastAPI", 422, FASTAPI, "refused_parameter"),
    ("a word in passing", 400, error("Unknown parameter in this context: 'seed'"),
     "refused_parameter"),
]  # fmt: skip


REPLIES += [
    # -- more than a minute will help with
    ("a month's quota", 429, error("monthly quota exhausted"), "quota"),
    ("a month's limit", 429, error("Usage limit reached for this month"), "quota"),
    ("a day's limit", 429, error("Daily limit reached"), "quota"),
    ("requests a day, with a wait", 429,
     error("Rate limit reached on requests per day (RPD). Please try again in 7m12s."),
     "rate_limit"),
    ("a proxy's login", 407, "", "auth"),
    # -- a parameter whose name sounds like a filter's
    ("a parameter of guardrails", 400,
     error("Unrecognized request argument supplied: guardrails"), "refused_parameter"),
    ("a parameter of moderation", 400, error("Unknown parameter: moderation"),
     "refused_parameter"),
    # -- tokens of a text are not those of a login
    ("a limit of tokens", 400, error("max_tokens is invalid"), "refused_parameter"),
    ("a count of tokens", 400, error("Invalid token count"), "refused_parameter"),
    ("one token of a text", 400, error("logit_bias: token 999999 is invalid"),
     "refused_parameter"),
    ("a token that has run out", 400, error("Your token has been revoked"), "auth"),
    ("an access token", 400, error("access_token expired"), "auth"),
    ("a parameter about content", 400, error("sensitive information type not supported"),
     "refused_parameter"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "status", "body", "kind"), REPLIES, ids=[f"{r[3]}-{r[0]}" for r in REPLIES]
)
def test_a_reply_is_named_by_what_is_known(name: str, status: int, body: Any, kind: str) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert refusal(status, raw, {}).kind == kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (error("No auth credentials found", code=401), "auth"),
        ([error("Invalid key", code=401)], "auth"),
        ({"error": "Unauthorized"}, "auth"),
        ({"error": {"error": {"message": "x", "code": "invalid_api_key"}}}, "auth"),
        ({"errors": [{"code": "invalid_api_key", "message": "x"}]}, "auth"),
        ({"detail": "Invalid API key"}, "auth"),
        ({"message": "Unauthorized", "code": 401}, "auth"),
        ({"success": False, "message": "Invalid API key"}, "auth"),
        (error("slow down", code=429), "rate_limit"),
        (error("x", status="RESOURCE_EXHAUSTED"), "rate_limit"),
        (error("no credits", code=402), "quota"),
        (error("Provider returned error", code=502), "server"),
        (error("Overloaded", type="overloaded_error"), "server"),
        ({"error": "Unexpected endpoint or method. (POST /chat). Returning 200 anyway"},
         "unknown_model"),  # LM Studio
        ({"error": "model 'x' not found, try pulling it first"}, "unknown_model"),
        (error("Unsupported parameter: 'seed'", type="invalid_request_error"),
         "refused_parameter"),
        (error("x", type="invalid_request_error"), "refused_parameter"),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "content_filter"),
        ({"choices": [], "prompt_filter_results": [
            {"content_filter_results": {"hate": {"filtered": True}}}]}, "content_filter"),
        ({"choices": [{"error": {"code": 429, "message": "slow"}, "finish_reason": "error",
                       "message": {"content": "half"}}]}, "rate_limit"),
        ({"object": "error", "message": "boom", "type": "InternalServerError", "code": 500},
         "server"),
        ({"detail": "Not Found"}, "unknown_model"),
        ({"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]},
         "auth"),  # Cloudflare
        ({"error_code": 110, "error_msg": "Access token invalid or no longer valid"},
         "auth"),  # Baidu
        ({"error_code": 18, "error_msg": "Open api qps request limit reached"}, "rate_limit"),
        ({"httpStatus": 429, "message": "slow"}, "rate_limit"),
        ({"choices": [{"message": {"content": "", "error": {"code": 401, "message": "no"}},
                       "finish_reason": "error"}]}, "auth"),
    ],
)  # fmt: skip
def test_an_error_with_status_200_is_one(body: Any, kind: str) -> None:
    raw = json.dumps(body).encode()
    with pytest.raises(CallError) as caught:
        read_answer(raw)
    assert (caught.value.kind, caught.value.raw_body) == (kind, raw.decode())
    stream = Stream()
    stream.feed(b"event: error\ndata: " + raw + b"\n\n")
    with pytest.raises(CallError) as streamed:
        stream.answer()
    assert streamed.value.kind == kind


@pytest.mark.parametrize(
    "body",
    [
        {"status": 401, "title": "Unauthorized", "type": "about:blank"},
        {"fault": {"faultstring": "Invalid ApiKey", "detail": {"errorcode": "InvalidApiKey"}}},
        {"code": "InvalidApiKey", "message": "Invalid API-key provided."},
    ],
)
def test_a_body_without_an_answer_is_named_by_its_codes(body: Any) -> None:
    with pytest.raises(CallError) as caught:
        read_answer(json.dumps(body).encode())
    assert caught.value.kind == "auth"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("login fail: Please carry the API secret key", "auth"),
        ("insufficient balance", "quota"),
        ("rate limit", "rate_limit"),
        ("input new_sensitive", "content_filter"),
    ],
)
def test_a_body_without_choices_is_named_by_its_words(said: str, kind: str) -> None:
    """MiniMax: the status is one of its own."""
    body = {"choices": None, "base_resp": {"status_code": 1004, "status_msg": said}}
    with pytest.raises(CallError) as caught:
        read_answer(json.dumps(body).encode())
    assert caught.value.kind == kind


@pytest.mark.parametrize("levels", [30, 260, 900])
def test_an_error_that_is_nested_too_deep_is_an_error(levels: int) -> None:
    error = '{"a": ' * levels + '"x"' + "}" * levels
    with pytest.raises(CallError) as caught:
        read_answer(f'{{"error": {error}}}'.encode())
    assert caught.value.kind == "server"


def test_an_empty_error_beside_an_answer_is_none() -> None:
    for empty in (None, "", {}, [], False, {"message": None, "code": ""}, 0):
        assert read_answer(json.dumps(completion("Hi") | {"error": empty}).encode()).output == "Hi"
        assert failure_in({"error": empty, "choices": []}) is None


FINISHES = [
    ("error", None, "server"),
    ("abort", None, "server"),
    ({"type": "abort", "message": "context length exceeded", "status_code": 400}, None, "too_long"),
    ("insufficient_system_resource", None, "server"),
    ("MALFORMED_FUNCTION_CALL", None, "bad_body"),
    ("function_call_filter: MALFORMED_FUNCTION_CALL", None, "bad_body"),
    ("UNEXPECTED_TOOL_CALL", None, "bad_body"),
    ("network_error", None, "server"),
    ("internal_server_error", None, "server"),
    ("engine_error", None, "server"),
    ("request_failed", None, "server"),
    ("CANCELLED_BY_SERVER", None, "server"),
    ("USER_CANCEL", None, "server"),
    ("out_of_memory", None, "server"),
    ("SERVICE_UNAVAILABLE", None, "server"),
    ("rate_limited", None, "rate_limit"),
    ("generation_timeout", None, "timeout"),
    ("ERROR_TOXIC", None, "filtered"),
    ("content_filter_triggered", None, "filtered"),
    ("ERROR_LIMIT", "cut_off", None),
    ("max_tokens_reached", "cut_off", None),
    ("timeout", None, "timeout"),
    ("content_filter", None, "filtered"),
    ("SAFETY", None, "filtered"),
    ("content_filter: PROHIBITED_CONTENT", None, "filtered"),
    ("FINISH_REASON_SAFETY", None, "filtered"),
    ("sensitive", None, "filtered"),
    ("refusal", None, "filtered"),
    ("guardrail_intervened", None, "filtered"),
    ("length", "cut_off", None),
    ("MAX_TOKENS", "cut_off", None),
    ("model_length", "cut_off", None),
    ({"type": "length", "length": 8}, "cut_off", None),
    ("stop", None, None),
    ("tool_calls", None, None),
    ("eos", None, None),
    (None, None, None),
]


@pytest.mark.parametrize(("reason", "remark", "kind"), FINISHES, ids=str)
@pytest.mark.parametrize("text", ["half an ans", None])
def test_why_a_model_stopped(reason: Any, remark: str | None, kind: str | None, text: Any) -> None:
    body = completion(text)
    body["choices"][0]["finish_reason"] = reason
    if kind in (None, "filtered") and text:
        answer = read_answer(json.dumps(body).encode())
        assert answer.output == text
        assert answer.remarks == [word for word in (remark or kind,) if word]
        return
    if kind is None:
        assert read_answer(json.dumps(body).encode()).output == ""
        return
    with pytest.raises(CallError) as caught:
        read_answer(json.dumps(body).encode())
    assert caught.value.kind == ("content_filter" if kind == "filtered" else kind)


def test_an_ordinary_end_means_nothing() -> None:
    assert [finish_meaning(word) for word in ("stop", "end_turn", "stop_sequence")] == [None] * 3


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (GEMINI_MINUTE, 23.0),
        (error("Rate limit reached. Please try again in 1.2s. Visit …"), 1.2),
        (error("Please try again in 1m3s."), 60.0),
        (error("Please try again in 340ms."), 0.34),
        (error("Please retry after 26 seconds."), 26.0),
        (error("Please retry in 23.5s."), 23.5),
        (error("slow", retry_after=7), 7.0),
        (error("slow", retry_after_ms=250), 0.25),
        (error("slow", metadata={"headers": {"Retry-After": "9"}}), 9.0),
        ({"detail": "slow", "retry_after": "2"}, 2.0),
        (error("slow", retry_after=float("nan")), None),
        (error("slow", retry_after=-5), 0.0),
        (error("slow"), None),
        ({"Retry-After": "3"}, 3.0),
        ({"retryAfterSeconds": 3}, 3.0),
        ({"retry_delay_secs": "3"}, 3.0),
        ({"wait_seconds": 4}, 4.0),
        ({"reset-in": "4s"}, 4.0),
        ({"retry_after_millis": 1500}, 1.5),
        ({"retry_after": "PT3S"}, 3.0),
        ({"retries": 3, "retry": True, "wait_list": 9}, None),
        ("Retry-After: 33", 33.0),
        ("retry_after=40", 40.0),
        ("Try again in about 30 seconds", 30.0),
        ("please retry your requests after 45 seconds", 45.0),
        ("cooldown 20 seconds", 20.0),
        ("we will retry 3 times", None),
    ],
)
def test_the_wait_that_a_body_names_is_read(body: Any, seconds: float | None) -> None:
    assert refusal(429, json.dumps(body).encode(), {}).retry_after_s == seconds


def test_a_wait_in_headers_comes_first_and_is_a_number() -> None:
    def wait(**headers: str) -> float | None:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return refusal(429, b'{"error": {"message": "x", "retry_after": 9}}', named).retry_after_s

    assert wait(Retry_After="3") == 3
    assert [wait(Retry_After=odd) for odd in ("nan", "soon", "")] == [9.0] * 3
    assert wait(Retry_After="inf") == 60
    assert wait(Retry_After="-1") == 0
    assert wait(Retry_After_Ms="1500.5") == 1.5005
    later = wait(Retry_After=str(int(time.time()) + 100))
    assert later is not None
    assert 0 < later <= 100


def replies(status: int, body: Any) -> Callable[[], web.Response]:
    return lambda: web.json_response(body, status=status)


def test_a_refused_key_in_a_good_reply_ends_early(paid: FaultyEndpoint, project: Path) -> None:
    paid.reply = lambda body, number: replies(200, error("No auth credentials found", code=401))()
    exp = experiment(200)
    with pytest.raises(pex.ProviderError, match="No auth credentials"):
        run(exp, max_in_flight=1)
    assert paid.calls == 3
    assert ledger(project) == (0, 0)
    assert set(exp.results.frame["error_kind"]) == {"auth"}


@pytest.mark.parametrize(
    "form", [r for r in REPLIES if r[3] == "content_filter"], ids=lambda r: r[0]
)
def test_flagged_prompts_never_end_a_models_run(paid: FaultyEndpoint, form: Any) -> None:
    _, status, body, _ = form
    paid.reply = lambda sent, number: (
        replies(status, body)() if sent["messages"][0]["content"] < "word2" else None
    )
    results = run(experiment(14), max_in_flight=1)  # word0, word1 and word10 to word13 are flagged
    assert results.frame["error_kind"].dropna().tolist() == ["content_filter"] * 6
    assert paid.calls == 14


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Invalid image.", "code": "image_parse_error", "param": None},
        {"message": "not a valid URL", "param": "messages[0].content[1].image_url"},
        {"message": "a role is missing", "param": "input[0].role"},
    ],
)
def test_what_is_refused_for_one_case_never_ends_a_models_run(
    paid: FaultyEndpoint, error: dict[str, Any]
) -> None:
    paid.reply = lambda sent, number: (
        replies(400, {"error": error})() if sent["messages"][0]["content"] < "word2" else None
    )
    results = run(experiment(14), max_in_flight=1)
    assert results.frame["error_kind"].dropna().tolist() == ["refused_parameter"] * 6
    assert paid.calls == 14


def test_refusals_that_name_nothing_do_not_end_a_models_run(paid: FaultyEndpoint) -> None:
    """In words that nobody has thought of: they may be about what these cases ask."""
    paid.reply = lambda sent, number: (
        replies(400, error("我不能回答"))() if sent["messages"][0]["content"] < "word2" else None
    )
    results = run(experiment(14), max_in_flight=1)
    assert results.frame["error_kind"].dropna().tolist() == ["refused_parameter"] * 6
    assert paid.calls == 14


def test_a_model_that_refuses_everything_is_given_up(paid: FaultyEndpoint) -> None:
    paid.reply = lambda sent, number: replies(400, error("no"))()
    with pytest.raises(pex.ProviderError):
        run(experiment(40), max_in_flight=1)
    assert paid.calls == retry.LOST_AFTER


def test_a_run_survives_what_it_cannot_read(
    paid: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts that PostgreSQL cannot hold, halves of characters, and a replay of it all."""
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    usages = [
        {"prompt_tokens": 10**19},
        {"prompt_tokens": 10.5},
        "many",
        [1],
        {"prompt_tokens": -3},
    ]

    def reply(body: dict[str, Any], number: int) -> Any:
        at = int(body["messages"][0]["content"][4:])
        whole = completion("a \ud83d b" if at == 5 else "fine")
        if at < 5:
            whole["usage"] = usages[at]
        return web.Response(text=json.dumps(whole), content_type="application/json")

    paid.reply = reply
    frame = run(experiment(6)).frame
    assert frame["error"].isna().all()
    assert frame["output"].tolist() == ["fine"] * 5 + ["a � b"]
    assert [list(words) for words in frame["remarks"]] == [["read_leniently"]] * 6
    assert frame["raw_body"].notna().all()
    assert ledger(project)[1] == 5  # of these nobody says what they cost
    again = run(experiment(6))
    assert again.frame["from_journal"].all()
    assert again.frame["output"].tolist() == frame["output"].tolist()


def test_a_stream_of_which_nothing_is_understood(
    paid: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)

    async def junk(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: hello\n\ndata: [DONE]\n\n")
        await asyncio.sleep(0)
        return response

    paid.reply = lambda body, number: junk
    frame = run(experiment(1), stream=True).frame
    assert frame["error_kind"].tolist() == ["bad_body"]
    assert "hello" in frame["raw_body"][0]
