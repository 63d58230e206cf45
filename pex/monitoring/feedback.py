"""What a user thought of an answer, sent by the application that gave it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest
from pex.guard.redact import redact
from pex.monitoring.columns import user_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Assessment

_log = logging.getLogger(__name__)
_ANYBODY = "user"
_GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_EXPECTED = "expected_response"
_RECENT = 100


def feedback(
    trace_id: str,
    value: bool | int | float | str,
    *,
    name: str = "user",
    comment: str | None = None,
    user: str | None = None,
    show_user: bool = False,
    expected: Any = None,
    uri: str | None = None,
    strict: bool = False,
) -> bool:
    """Record what a user thought of an answer: an assessment of its trace in MLflow.

    The newer feedback of the same user under the same name replaces the older one, which stays in
    MLflow as overridden; the same feedback once more changes nothing. Feedback without a user is
    that of "user", one opinion for each trace.

    An application that serves people must not fail because of feedback: where it cannot be
    recorded, this logs a warning and returns False. With `strict` it raises instead.

    Args:
        trace_id: the trace, as `mlflow.get_active_trace_id()` gives it in the application.
        value: yes or no, a number, or a word such as "too long".
        name: what was judged.
        comment: the user's own words.
        user: who it was. MLflow gets a digest of it, by which the deletion of a user finds it.
        show_user: give MLflow the user as it is.
        expected: what the answer should have been; it is recorded as an expectation.
        uri: MLflow's store; without it the one that the application uses.
        strict: raise what goes wrong.

    Returns:
        Whether it was recorded.

    Raises:
        PexError: only with `strict`: there is no such trace (any more), the value cannot be
            recorded, or the store does not answer.

    Example:
        >>> pex.feedback(trace_id, False, comment="It is the wrong shop.")  # doctest: +SKIP
        True
    """
    try:
        _record(trace_id, value, name, comment, _source_id(user, show_user), expected, uri)
    except Exception as error:
        if strict:
            raise
        _log.warning("the feedback was not recorded: %s", redact(str(error)))
        return False
    return True


def _source_id(user: str | None, show_user: bool) -> str:
    if user is None:
        return _ANYBODY
    return user if show_user else user_digest(user)


def _record(
    trace_id: str,
    value: Any,
    name: str,
    comment: str | None,
    by: str,
    expected: Any,
    uri: str | None,
) -> None:
    from mlflow import get_tracking_uri
    from mlflow.entities import AssessmentSource, Expectation, Feedback
    from mlflow.exceptions import MlflowException
    from mlflow.tracing.client import TracingClient

    from pex.tracking.store import connect

    if not isinstance(value, bool | int | float | str):
        raise PexError(f"feedback is yes or no, a number or a word, not {type(value).__name__}")
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        raise PexError(f"feedback of {value} cannot be recorded")
    if not isinstance(trace_id, str) or not trace_id:
        raise PexError("feedback needs the id of a trace")
    uri = uri or get_tracking_uri()
    source = AssessmentSource(source_type="HUMAN", source_id=by)
    try:
        client = connect(uri)
        log = TracingClient(uri).log_assessment
        given = _assessments(client, uri, trace_id)
        old = _own(given, name, by, "feedback")
        if old is None or old.feedback.value != value or (old.rationale or None) != comment:
            log(
                trace_id,
                Feedback(
                    name=name, value=value, source=source, rationale=comment,
                    overrides=None if old is None else old.assessment_id,
                ),
            )  # fmt: skip
        if expected is not None:
            known = _own(given, _EXPECTED, by, "expectation")
            if known is None or known.expectation.value != expected:
                found = Expectation(name=_EXPECTED, value=expected, source=source)
                found.overrides = None if known is None else known.assessment_id
                log(trace_id, found)
    except MlflowException as error:
        first = redact(error.message.strip().partition("\n")[0])
        raise PexError(f"the feedback on trace '{trace_id}' was not recorded: {first}") from None


def _assessments(client: MlflowClient, uri: str, trace_id: str) -> list[Assessment]:
    """The assessments of a trace.

    Raises:
        PexError: there is no such trace.
    """
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.tracing.client import TracingClient

    tracing = TracingClient(uri)
    # A trace that has ended but was not sent yet is still in memory; the store cannot judge it.
    active = trace_id == mlflow.get_active_trace_id()
    info = tracing.get_trace_info if active else tracing.store.get_trace_info
    for again in (False, True):
        if again:  # the application may not have sent its latest traces yet
            mlflow.flush_trace_async_logging()
        try:
            return list(info(trace_id).assessments or [])
        except MlflowException as error:
            if error.error_code not in _GONE:
                raise
    raise PexError(
        f"there is no trace '{trace_id}', or it was deleted", hint=_nearest(client, trace_id)
    )


def _nearest(client: MlflowClient, trace_id: str) -> str:
    numbers = [item.experiment_id for item in client.search_experiments(max_results=_RECENT)]
    recent = client.search_traces(
        locations=numbers, max_results=_RECENT, order_by=["timestamp_ms DESC"], include_spans=False
    )
    return nearest(trace_id, [trace.info.trace_id for trace in recent])


def _own(given: list[Assessment], name: str, by: str, kind: str) -> Any:
    mine = [
        item
        for item in given
        if item.name == name
        and item.valid is not False
        and item.source.source_id == by
        and getattr(item, kind) is not None
    ]
    return max(mine, key=lambda item: item.create_time_ms or 0, default=None)
