"""Claims and decisions in MLflow: a claim is a tag, a decision an assessment and a tag."""

from __future__ import annotations

import contextlib
import datetime
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError
from pex.monitoring.traces import TRIAGE
from pex.tracking.store import connect, errors_of

if TYPE_CHECKING:
    from mlflow.entities import TraceInfo

CLAIM = "pex.triage.claim"
MINUTES = 30
"""How long a claim lasts."""
SKEW_S = 120
"""Clocks may differ by so much: a claim ends this much later for others."""
OUTCOMES = ("case", "requirement", "known", "not ours", "incident")


class GoneError(PexError):
    """The trace was deleted."""


class TakenError(PexError):
    """Somebody else has the trace, or has decided on it."""


class Marks:
    """What one person writes on traces.

    Args:
        uri: MLflow's store.
        who: the person's name.
    """

    def __init__(self, uri: str, who: str) -> None:
        connect(uri)
        self.uri, self.who = uri, who
        self._token = uuid.uuid4().hex[:12]
        self._first_seen: dict[str, datetime.datetime] = {}

    def info(self, trace_id: str) -> TraceInfo:
        """A trace's tags and assessments as they are now.

        Raises:
            GoneError: it was deleted.
            PexError: the store does not answer.
        """
        from mlflow.exceptions import MlflowException

        with self._errors():
            try:
                info: TraceInfo = self._client().get_trace_info(trace_id)
                return info
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        raise GoneError(f"the trace '{trace_id}' was deleted: nothing can be decided on it")

    def claim(
        self,
        trace_id: str,
        now: datetime.datetime,
        *,
        second: bool = False,
        again: bool = False,
    ) -> TraceInfo:
        """Claim a trace for half an hour, or again.

        Args:
            trace_id: the trace.
            now: this machine's clock.
            second: a second opinion: only one's own decision counts as decided.
            again: a decision of ours that failed is repeated: what it may have left is no decision.

        Raises:
            TakenError: somebody else has it, or it is decided.
            GoneError: it was deleted.
        """
        info = self.info(trace_id)
        said = decisions(info)
        own = [item for item in said if item.source.source_id == self.who]
        if again:
            said, own = [item for item in said if item not in own], []
        if own or (not second and said):
            by = (own or said)[-1]
            raise TakenError(
                f"the trace '{trace_id}' is decided: '{by.value}' by {by.source.source_id}"
            )
        self._check_free(info, now)
        until = now + datetime.timedelta(minutes=MINUTES)
        value = {"who": self.who, "until": until.isoformat(timespec="seconds"), "by": self._token}
        with self._errors():
            self._client().set_trace_tag(trace_id, CLAIM, json.dumps(value))
        # Of two who wrote at once, the later one has it; both read what is there now.
        info = self.info(trace_id)
        self._check_free(info, now)
        return info

    def release(self, trace_id: str) -> None:
        """Give a trace back, if it is still ours."""
        with contextlib.suppress(GoneError):
            if _claim(self.info(trace_id)).get("by") == self._token:
                with self._errors():
                    self._client().delete_trace_tag(trace_id, CLAIM)

    def decide(
        self, trace_id: str, outcome: str, reason: str, about: Mapping[str, str], *, first: bool
    ) -> str:
        """Write a decision; one of ours that is there already is replaced.

        The assessment comes last: without it, nothing is decided.

        Returns:
            The id of the assessment.
        """
        from mlflow.entities import AssessmentSource, Feedback

        info = self.info(trace_id)
        source = AssessmentSource("HUMAN", self.who)
        feedback = Feedback(
            name=TRIAGE, value=outcome, rationale=reason or None, source=source,
            metadata=dict(about) or None,
        )  # fmt: skip
        with self._errors():
            client = self._client()
            for item in decisions(info):
                if item.source.source_id == self.who:
                    client.delete_assessment(trace_id, str(item.assessment_id))
            if first:
                client.set_trace_tag(trace_id, TRIAGE, outcome)
            written = client.log_assessment(trace_id, feedback)
        with contextlib.suppress(PexError), self._errors():
            if CLAIM in info.tags:  # else it ends by itself
                client.delete_trace_tag(trace_id, CLAIM)
        return str(written.assessment_id)

    def take_back(self, trace_id: str) -> None:
        """Delete our decision on a trace, and its tag if nobody else has decided."""
        info = self.info(trace_id)
        mine = [item for item in decisions(info) if item.source.source_id == self.who]
        with self._errors():
            client = self._client()
            for item in mine:
                client.delete_assessment(trace_id, str(item.assessment_id))
            if len(mine) == len(decisions(info)) and TRIAGE in info.tags:
                client.delete_trace_tag(trace_id, TRIAGE)

    def decided(self, experiments: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        """The decided traces of MLflow experiments, each with (person, outcome)."""
        found: dict[str, list[tuple[str, str]]] = {}
        with self._errors():
            client = connect(self.uri)
            numbers = [
                experiment.experiment_id
                for name in experiments
                if (experiment := client.get_experiment_by_name(name)) is not None
            ]
            token = None
            while numbers:
                page = client.search_traces(
                    locations=numbers, filter_string=f"tag.`{TRIAGE}` LIKE '%'",
                    max_results=500, page_token=token, include_spans=False,
                )  # fmt: skip
                for trace in page:
                    said = decisions(trace.info)
                    if said:  # a kill may have left the tag alone
                        found[trace.info.trace_id] = [
                            (str(item.source.source_id), str(item.value)) for item in said
                        ]
                token = page.token
                if not token:
                    break
        return found

    def _check_free(self, info: TraceInfo, now: datetime.datetime) -> None:
        claim = _claim(info)
        if not claim or claim.get("by") == self._token or claim.get("who") == self.who:
            return
        # A clock far ahead does not make a claim last longer than from when it was first seen.
        seen = self._first_seen.setdefault(str(claim["by"]), now)
        until = min(_moment(claim["until"], now), seen + datetime.timedelta(minutes=MINUTES))
        if now <= until + datetime.timedelta(seconds=SKEW_S):
            raise TakenError(
                f"{claim['who']} is looking at the trace '{info.trace_id}', until "
                f"{until:%H:%M} UTC at the latest"
            )

    def _client(self) -> Any:
        from mlflow.tracing.client import TracingClient

        return TracingClient(self.uri)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        hint = "nothing is lost: repeat it when the store answers again"
        with errors_of(self.uri, "does not answer", hint):
            yield


def decisions(info: TraceInfo) -> list[Any]:
    """The decisions on a trace, oldest first."""
    found = [item for item in info.assessments or [] if item.name == TRIAGE and item.valid]
    return sorted(found, key=lambda item: item.create_time_ms or 0)


def _claim(info: TraceInfo) -> dict[str, Any]:
    try:
        value = json.loads(info.tags.get(CLAIM) or "{}")
    except ValueError:
        return {}
    there = isinstance(value, dict) and {"who", "until", "by"} <= value.keys()
    return value if there else {}


def _moment(text: Any, now: datetime.datetime) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(str(text))
    except ValueError:
        return now - datetime.timedelta(days=1)
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
