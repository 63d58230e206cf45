"""From variants and cases to requests: the body that is sent, and the key that names it."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from pex.core.call import Answer, Request, ToolLoop, UserTurns
from pex.core.cases import Case, known_variables
from pex.core.columns import nearest_variable
from pex.core.errors import PexError
from pex.core.hidden import CANARY, MARKS, SHOWN, Hidden, replaced
from pex.core.messages import Message
from pex.core.params import level_remarks
from pex.core.prompt import warn
from pex.core.prompty_schema import response_format
from pex.core.variant import Variant
from pex.run.hidden_words import in_key
from pex.run.images import BYTES_PER_TOKEN as BYTES_PER_TOKEN  # noqa: PLC0414 - used with requests

PATH = "chat/completions"
USER = "simulated user"
"""The variant under which a simulated user's calls are in the journal and the ledger."""
NO_REPLY = "(no reply)"
"""What a simulated user reads where the model's answer is empty."""
_PATHS = {"chat": PATH, "responses": "responses"}
_NEWER_NAME = re.compile(r"(openai|azure)/(o\d|gpt-[5-9])")
_OWN_LIMITS = ("max_tokens", "max_completion_tokens")
_LIMITS = frozenset({
    *_OWN_LIMITS, "max_output_tokens", "maxOutputTokens", "max_new_tokens", "max_gen_len",
    "max_tokens_to_sample", "max_generated_tokens", "n_predict", "num_predict", "maxTokens",
})  # fmt: skip
_ORDINARY = frozenset({
    *_OWN_LIMITS, "model", "messages", "temperature", "top_p", "seed", "stop", "tools",
    "tool_choice", "response_format", "reasoning_effort", "verbosity", "logprobs",
    "top_logprobs",
})  # fmt: skip
"""Settings that say nothing else of the answer's length, so most requests need no more checks."""

_BESIDES = frozenset({"thinking_budget", "thinkingBudget", "budget_tokens", "reasoning_budget"})
_TIMES = frozenset({"n", "best_of", "num_return_sequences", "candidateCount", "candidate_count"})
_CONTENT = frozenset({"messages", "tools", "response_format", "logit_bias", "metadata"})
"""What says nothing of the answer's length, whatever its parts are called."""


def requests(
    variants: Sequence[Variant],
    cases: Sequence[Case],
    repeats: int,
    max_tokens: int | None = None,
    folder: Path | None = None,
    api_of: Callable[[str], str] = lambda ref: "chat",
    loop_of: Callable[[Variant, Case], ToolLoop | None] = lambda variant, case: None,
    user_of: Callable[[Case, Sequence[Message]], UserTurns | None] = lambda case, messages: None,
) -> Iterator[Request]:
    """Every request of a run, case by case, so the rows of the table fill one after another.

    Args:
        variants: what is compared.
        cases: of the run.
        repeats: how often, at least 1.
        max_tokens: sent where neither prompt nor variant says how long an answer may be.
        folder: where the paths of images start; left out, the current folder.
        api_of: which API answers for a model: "chat" or "responses".
        loop_of: the tools that run for a variant and a case.
        user_of: the simulated user of a case, given the messages of the first request.

    Raises:
        PexError: a variable that a case does not have, an image that is not there.
    """
    apis = {variant.model: api_of(variant.model) for variant in variants}
    words = {variant.name: MARKS if variant.prompt.hides else None for variant in variants}
    for case in cases:
        for variant in variants:
            body = body_of(variant, case, max_tokens, folder, words[variant.name])
            turns = tuple(variant.prompt.turns(case.values)[1:])
            api = apis[variant.model]
            loop = loop_of(variant, case)
            marked, shown = None, body
            if words[variant.name] is not None:
                marked = body["messages"]
                shown = {**body, "messages": replaced(marked, MARKS, SHOWN)}
            user = user_of(case, shown["messages"])
            stem = _stem(variant.model, body, turns, api, loop, user)
            body = shown
            for repeat in range(1, repeats + 1):
                key = _key(stem, repeat)
                yield Request(
                    variant.name, case.id, repeat, variant.model, body, key, case.group, turns, api,
                    marked, loop, user,
                )  # fmt: skip


def turn_of(request: Request, body: dict[str, Any]) -> Request:
    """One turn of a conversation, or step of a path, as a request of its own, so it is kept too.

    Its key is not that of the same request outside of a conversation: both may be in flight at
    once, and a row must come back from the journal as it was.
    """
    key = _key(_stem(request.model, body, (), request.api) + b"\nturn", request.repeat)
    return dataclasses.replace(request, body=body, key=key, turns=(), loop=None, user=None)


def user_turn(request: Request, said: Sequence[dict[str, Any]]) -> Request:
    """What a simulated user is asked for its next message, as a request of its own.

    Its key is made of nothing but that and the repeat: variants whose conversations are the same
    have the same user.

    Args:
        request: the one with the user.
        said: the messages after its first request.
    """
    user = request.user
    assert user is not None  # the path has looked
    messages = [*user.body["messages"], *seen_by_user(said)]
    body = {**user.body, "messages": messages}
    if isinstance(body.get("seed"), int):
        body["seed"] += request.repeat - 1
    key = _key(_stem(user.model, body, (), user.api) + b"\nuser", request.repeat)
    return Request(
        USER, request.case_id, request.repeat, user.model, body, key, request.case_group,
        api=user.api,
    )  # fmt: skip


def seen_by_user(said: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A conversation with its roles reversed, without tools and what is said while they run.

    Example:
        >>> seen_by_user([{"role": "assistant", "content": "Which order?"}])
        [{'role': 'user', 'content': 'Which order?'}]
    """
    roles = {"assistant": "user", "user": "assistant"}
    return [
        {"role": roles[message["role"]], "content": message["content"] or NO_REPLY}
        for message in said
        if message["role"] in roles and not message.get("tool_calls")
    ]


def next_body(request: Request, earlier: Sequence[Answer]) -> dict[str, Any]:
    """What is sent for the turn after `earlier`."""
    if not earlier:
        return request.body
    messages = [*request.body["messages"], *_turn_messages(request, earlier)]
    return {**request.body, "messages": messages}


def conversation(request: Request, answers: Sequence[Answer]) -> Answer:
    """All turns as one answer: the last output, everything that was said, sums of what it took."""
    return together(answers, _turn_messages(request, answers))


def together(answers: Sequence[Answer], said: list[dict[str, Any]]) -> Answer:
    """Answers that follow each other as one.

    Args:
        answers: at least one.
        said: the messages after the first request.
    """

    def added(name: str) -> Any:
        values = [getattr(answer, name) for answer in answers]
        known = [value for value in values if value is not None]
        return sum(known) if len(known) == len(values) else None

    sums = ("latency_s", "prompt_tokens", "completion_tokens", "reasoning_tokens",
            "cached_tokens", "cache_write_tokens", "cost_usd", "attempts")  # fmt: skip
    return dataclasses.replace(
        answers[-1],
        **{name: added(name) for name in sums},
        canary=_forms(answers),
        started_at=answers[0].started_at,
        ttft_s=answers[0].ttft_s,
        conversation=said,
        remarks=list(dict.fromkeys(word for answer in answers for word in answer.remarks)),
    )


def _forms(answers: Sequence[Answer]) -> list[str] | None:
    """The forms in which any of the turns has the canary."""
    noted = [answer.canary for answer in answers if answer.canary is not None]
    return sorted({form for forms in noted for form in forms}) if noted else None


def _turn_messages(request: Request, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The messages after the first request: each answer, and the user's turn after it."""
    said: list[dict[str, Any]] = []
    for number, answer in enumerate(answers):
        said.append({"role": "assistant", "content": answer.output or ""})
        if number < len(request.turns):
            said.append({"role": "user", "content": request.turns[number]})
    return said


def body_of(
    variant: Variant,
    case: Case,
    max_tokens: int | None = None,
    folder: Path | None = None,
    words: Hidden | None = SHOWN,
) -> dict[str, Any]:
    """The JSON body of one chat completion.

    Args:
        variant: whose.
        case: with the values of its variables.
        max_tokens: as in `requests`.
        folder: as in `requests`.
        words: what stands for its canary and delimiter.

    Raises:
        PexError: the case has no value for a variable of the prompt, or an image that is not there.
    """
    params = _limited(variant.all_params, variant.model, max_tokens)
    try:
        messages = variant.prompt.render_with_images(
            case.values, folder or Path(), words, by_digest=True
        )
    except PexError as error:
        raise PexError(f"{error.message} (case '{case.id}')", hint=error.hint) from None
    body = {"model": variant.model.partition("/")[2], "messages": messages, **params}
    if variant.prompt.response_schema:
        body["response_format"] = response_format(variant.prompt.response_schema)
    if variant.prompt.tools:
        body["tools"] = variant.prompt.tools
    return body


def _limited(params: Mapping[str, Any], model: str, default: int | None) -> dict[str, Any]:
    """The parameters with a limit of the answer's length, under the name that the model takes.

    One that is null takes away what the prompt has and is not sent; if it is a limit, the
    default is sent in its place. A limit under either name keeps the default out.
    """
    found = {name: value for name, value in params.items() if value is not None}
    if default is not None and not any(name in found for name in _OWN_LIMITS):
        found["max_tokens"] = default
    if "max_tokens" in found and _NEWER_NAME.match(model):
        longest = found.pop("max_tokens")
        found.setdefault("max_completion_tokens", longest)
    return found


def max_tokens(body: Mapping[str, Any]) -> int:
    """The longest answer that a request allows, 0 if it does not say.

    An endpoint may go by any limit in it, so the largest counts; so do room for thinking and
    predicted text that are paid for in addition, and the number of answers.

    Example:
        >>> max_tokens({"max_tokens": 8, "max_completion_tokens": 20, "best_of": 3})
        60
    """
    if body.keys() <= _ORDINARY:
        return max(int(body.get(name) or 0) for name in _OWN_LIMITS)
    limits, besides, times = [0], 0, 1
    for name, value in _settings(body):
        if name == "prediction":
            besides += len(orjson.dumps(value))
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < math.inf:
            continue
        if name in _LIMITS:
            limits.append(math.ceil(value))
        elif name in _BESIDES:
            besides += math.ceil(value)
        elif name in _TIMES:
            times *= math.ceil(value)
    return (max(limits) + besides) * times


def _settings(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every setting of a request by its name, also those in a nest such as `extra_body`."""
    for name, value in body.items():
        if name in _CONTENT:
            continue
        if isinstance(value, dict) and name != "prediction":
            yield from _settings(value)
        else:
            yield name, value


def check_variables(variants: Sequence[Variant], cases: Sequence[Case]) -> None:
    """Raise a `PexError` for a variable that no case has, before anything is rendered.

    What looks like a mistake in a prompt that was made in Python is said in a warning; for a file,
    that was done when it was loaded.
    """
    known = known_variables(cases)
    for variant in variants:
        _check_canary(variant, known)
        if variant.prompt.path is None:
            place = f"prompt '{variant.prompt.name}'"
            warn(variant.prompt.remarks, place, place)
        warn(level_remarks(variant.all_params), f"variant '{variant.name}'", variant.name)
        for name in variant.prompt.variables:
            if name not in known and name not in variant.prompt.defaults:
                raise PexError(
                    f"prompt '{variant.prompt.name}': no case has a value for '{{{{ {name} }}}}'",
                    hint=nearest_variable(name, list(known.values())),
                )


def _check_canary(variant: Variant, known: Mapping[str, str]) -> None:
    if CANARY not in variant.prompt.hides:
        return
    name = variant.prompt.name
    if CANARY in known:
        raise PexError(
            f"prompt '{name}': the cases have a column '{known[CANARY]}', and {{{{ canary }}}} is "
            "a word that pex fills in",
            hint="give the column and its variable another name",
        )
    if CANARY in variant.prompt.defaults:
        raise PexError(
            f"prompt '{name}': defaults: canary: {{{{ canary }}}} is a word that pex fills in",
            hint="leave it out",
        )


def _key(stem: bytes, repeat: int) -> str:
    return hashlib.sha256(stem + b"\n%d" % repeat).hexdigest()


def _stem(
    model: str,
    body: dict[str, Any],
    turns: tuple[str, ...],
    api: str,
    loop: ToolLoop | None = None,
    user: UserTurns | None = None,
) -> bytes:
    # Provider name and path, never host, port or key: the built-in server's port is random.
    provider = model.partition("/")[0]
    # The canonical form; prompts, parameters and cases have made their values plain already.
    whole = {**body, "turns": turns} if turns else body
    if loop is not None:
        whole = {**whole, "tool_loop": [loop.digest, loop.max_steps]}
    if user is not None:
        whole = {**whole, "user": [user.model, user.api, user.max_turns, user.stop, user.body]}
    try:
        text = in_key(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS))
    except TypeError as error:
        raise _unwritable(model, whole, error) from None
    return b"\n".join([provider.encode(), _PATHS[api].encode(), text])


def _unwritable(model: str, body: Mapping[str, Any], error: TypeError) -> PexError:
    """The error of a request that JSON has no form for, such as a whole number beyond 64 bits."""
    for name, value in body.items():
        try:
            orjson.dumps({name: value})
        except TypeError as found:
            return PexError(f"model '{model}': '{name}' cannot be sent as JSON: {found}")
    return PexError(f"model '{model}': the request cannot be sent as JSON: {error}")
