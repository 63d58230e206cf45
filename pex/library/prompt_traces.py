"""The version of a served prompt on the application's traces, in MLflow and OpenTelemetry.

`prompt.messages(…)` and `prompt.openai(…)` do this by themselves. Neither package is imported for
it: an application that uses one has imported it. MLflow gets the link that its own `load_prompt`
makes, OpenTelemetry the attributes of its conventions for generative AI.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any

from pex.core import prompt_messages

if TYPE_CHECKING:
    from mlflow.entities import LiveSpan

NAME, VERSION = "gen_ai.prompt.name", "gen_ai.prompt.version"
_LINKED = "mlflow.linkedPrompts"
_MOST = 1000

_made: collections.OrderedDict[bytes, str] = collections.OrderedDict()
"""Which version recent messages were made from, for spans that begin only when they are sent."""


def follow() -> None:
    """Show the version on the traces of whatever is made from a library prompt from now on."""
    if show_version not in prompt_messages.on_use:
        prompt_messages.on_use.append(show_version)


def show_version(origin: str, messages: list[dict[str, Any]]) -> None:
    """Put a version on the span that is active in MLflow or OpenTelemetry; never raises.

    Args:
        origin: the version, such as "short/3".
        messages: what was made from it.
    """
    with contextlib.suppress(Exception):
        telemetry = sys.modules.get("opentelemetry.trace")
        if telemetry is not None:
            span = telemetry.get_current_span()
            if span.is_recording():
                name, _, version = origin.rpartition("/")
                span.set_attributes({NAME: name, VERSION: version})
    with contextlib.suppress(Exception):
        if "mlflow.tracing.fluent" in sys.modules:
            import mlflow

            active = mlflow.get_current_active_span()
            if active is not None:
                _link(active, origin)
            if "mlflow.openai.autolog" in sys.modules:
                _made[_key(messages)] = origin
                _made.move_to_end(_key(messages))
                while len(_made) > _MOST:
                    _made.popitem(last=False)
                _watch_spans()


def _watch_spans() -> None:
    """Let MLflow show us each span before it is exported: those of autolog begin with the call."""
    import mlflow
    from mlflow.tracing.config import get_config

    others = get_config().span_processors
    if _show_on_call not in others:  # before the others, which may hide what was sent
        mlflow.tracing.configure(span_processors=[_show_on_call, *others])


def _show_on_call(span: LiveSpan) -> None:
    """Put the version on the span of a call whose first messages were made from it."""
    inputs = span.inputs
    sent = inputs.get("messages", inputs.get("input")) if isinstance(inputs, dict) else None
    if not isinstance(sent, list):
        return
    for length in range(len(sent), 0, -1):
        origin = _made.get(_key(sent[:length]))
        if origin is not None:
            _link(span, origin)
            return


def _link(span: LiveSpan, origin: str) -> None:
    """Link a version to a span and its trace, as MLflow's `load_prompt` does."""
    from mlflow.tracing.trace_manager import InMemoryTraceManager

    name, _, version = origin.rpartition("/")
    linked = json.loads(span.attributes.get(_LINKED) or "[]")
    entry = {"name": name, "version": version}
    if entry not in linked:
        span.set_attribute(_LINKED, json.dumps([*linked, entry]))
        span.set_attributes({NAME: name, VERSION: version})
        traces: Any = InMemoryTraceManager
        manager = traces.get_instance()
        manager.register_prompt(span.trace_id, _version(name, version))


@functools.lru_cache(maxsize=256)
def _version(name: str, version: str) -> Any:
    from mlflow.entities import model_registry

    entity: Any = model_registry.PromptVersion
    return entity(name, int(version), template=name)  # only name and version are linked


def _key(messages: list[dict[str, Any]]) -> bytes:
    return hashlib.blake2b(json.dumps(messages, sort_keys=True).encode(), digest_size=16).digest()
