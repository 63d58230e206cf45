"""Deployed traces as data: one frame with a row for each trace, one with a row for each opinion.

The columns have the names that a run's frame has, so that a trace and an experiment's answer are
read the same way. It holds no texts: they stay in MLflow and are fetched when they are
shown or scored, so what pex keeps of people is as little as possible.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

OK, ERROR, UNFINISHED = "ok", "error", "unfinished"
"""How a trace ended; one that has no end yet is unfinished."""

COLUMNS = {
    "trace_id": "string",
    "experiment": "string",
    "name": "string",
    "service": "string",
    "started_at": "datetime64[ms, UTC]",
    "state": "string",
    "latency_s": "float64",
    "error_kind": "string",
    "finish_reason": "string",
    "refused": "boolean",
    "prompt": "string",
    "prompt_version": "Int64",
    "model": "string",
    "prompt_tokens": "Float64",
    "completion_tokens": "Float64",
    "cached_tokens": "Float64",
    "cache_write_tokens": "Float64",
    "cost_usd": "Float64",
    "input_chars": "Int64",
    "output_chars": "Int64",
    "language": "string",
    "has_expected": "boolean",
    "session": "string",
    "user_digest": "string",
}
"""The columns of `Traces.frame` and their types; further ones are `tag.<name>`, and `score.<name>`
for the traces that were scored. A value that a trace does not have is missing, never 0.

`service` is the tag `service`, else OpenTelemetry's `service.name`. `prompt` and `prompt_version`
are those of the first prompt that the trace is linked to. `error_kind` is a word for what went
wrong. `input_chars` and `language`, a code such as `en`, are of what the user said, without the
prompt around it; the language is missing where the text is too short to tell. `has_expected`
says whether somebody gave the trace an expected answer, which is not kept. `user_digest` stands for
the user, whose id is not kept.
"""

TRIAGE = "pex.triage"
"""The name of the assessment, and tag, that says what became of a trace in a triage."""
OPINIONS = {
    "trace_id": "string",
    "name": "string",
    "value": "string",
    "number": "Float64",
    "source": "string",
    "by": "string",
    "at": "datetime64[ms, UTC]",
    "rationale": "string",
}
"""The columns of `Traces.feedback`: one row per assessment that is feedback; MLflow's expectations
are none. `number` is the value as a number, 1
and 0 for yes and no, missing for a text; `source` is `person`, `code` or `judge`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Traces:
    """What was read of deployed traces.

    Args:
        frame: one row per trace, oldest first, with the columns `COLUMNS`.
        feedback: one row per feedback, oldest first, with the columns `OPINIONS`.
        new: how many traces were read now; the others were known.
        remarks: what was odd about the traces, in sentences, with counts: clocks in the future,
            traces without a model, tokens or an end.
    """

    frame: pd.DataFrame
    feedback: pd.DataFrame
    new: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def opinions(self) -> pd.DataFrame:
        """The feedback that people gave; what they decided in a triage is none."""
        said = self.feedback
        theirs = said["source"].eq("person") & said["name"].ne(TRIAGE)
        return said[theirs.fillna(False).to_numpy(dtype=bool)]
