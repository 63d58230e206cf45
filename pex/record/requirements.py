"""The state of a run's requirements in MLflow: a table among its files, and short tags."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pex.compare.requirements import counted, states
from pex.core.canonical_json import json_text
from pex.core.values import to_json_value
from pex.record.search import CASES_SHA256, MOST, is_scratch
from pex.score.requirements import requirement_digest
from pex.tracking.store import connect

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from pex.core.about import About

FILE = "requirements.json"
TAG = "pex.requirements"
"""The tag of a run and of its variants: "3 met, 1 not met, 1 untested"."""
STATES = "pex.requirement_states"
"""The tag of a variant with each requirement's state and figures, as JSON."""
_LONGEST = 500
_LONGEST_STATES = 5000
_PAGES = 5
_IDS = 200
"""Ids in one query."""


class VariantStates(NamedTuple):
    """The states of the requirements of a recorded variant, by id, and the cases that it ran.

    `cases_sha256` is the hash of the run's cases, `cases` how many they are; empty and 0 if the
    record does not say it.
    """

    digest: str
    model: str
    experiment: str
    run_id: str
    started_at: float
    states: Mapping[str, Any]
    cases_sha256: str = ""
    cases: int = 0


def table_of(frame: pd.DataFrame, about: About) -> pd.DataFrame | None:
    """The state of each requirement for each variant; None if the run has no requirements."""
    if not about.requirements or not len(frame):
        return None
    return states(frame, about.requirements, about.checks)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table arranged for MLflow's page: what was asked for, who meets it, and why."""
    first = ["requirement", "text", "variant", "state", "sentence", "priority", "source"]
    rest = [name for name in table.columns if name not in first]
    table = table[[*first, *rest]].copy()
    table["failing"] = table["failing"].map(", ".join)
    return table.round(6)


def states_tags(table: pd.DataFrame) -> dict[str, str]:
    """By variant, the states and figures as JSON; none for one whose JSON is too long for a tag."""
    found: dict[str, dict[str, Any]] = {}
    for row in table.to_dict("records"):
        digits = requirement_digest(row["text"], row["priority"], to_json_value(row["at_least"]))
        figures = {name: to_json_value(row[name]) for name in ("value", "lo", "hi")}
        found.setdefault(str(row["variant"]), {})[row["requirement"]] = {
            "state": row["state"],
            **{name: round(value, 4) for name, value in figures.items() if value is not None},
            "n": int(row["n"]),
            **({} if row["share"] else {"share": False}),
            "digest": digits,
        }
    texts = {name: json_text(states) for name, states in found.items()}
    return {name: text for name, text in texts.items() if len(text) <= _LONGEST_STATES}


def newest_states(uri: str, digests: Collection[str]) -> list[VariantStates]:
    """The recorded states of variants with these prompts, the newest first.

    Args:
        uri: the store.
        digests: the prompts' digests (`Prompt.digest`).
    """
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    query = f"tags.`pex.kind` = 'variant' and tags.`{STATES}` LIKE '%'"
    found: list[VariantStates] = []
    token, pages = None, 0
    while everywhere and pages < _PAGES:
        page = client.search_runs(everywhere, query, max_results=MOST, page_token=token)
        found += [one for run in page if (one := _variant(run)) and one.digest in digests]
        token, pages = page.token, pages + 1
        if not token or {one.digest for one in found} >= set(digests):
            break
    return _with_cases(client, everywhere, found)


def _with_cases(
    client: MlflowClient, everywhere: list[str], found: Sequence[VariantStates]
) -> list[VariantStates]:
    """The states with the cases of their runs, which only the runs above the variants know."""
    ids = list(dict.fromkeys(one.run_id for one in found if one.run_id))
    cases: dict[str, tuple[str, int]] = {}
    for start in range(0, len(ids), _IDS):
        listed = ", ".join(f"'{run_id}'" for run_id in ids[start : start + _IDS])
        query = f"attributes.run_id IN ({listed})"
        for run in client.search_runs(everywhere, query, max_results=_IDS):
            count = str(run.data.params.get("cases", ""))
            cases[str(run.info.run_id)] = (
                run.data.tags.get(CASES_SHA256, ""),
                int(count) if count.isdecimal() else 0,
            )
    known = [(one, cases.get(one.run_id, ("", 0))) for one in found]
    return [one._replace(cases_sha256=digits, cases=count) for one, (digits, count) in known]


def _variant(run: Run) -> VariantStates | None:
    if is_scratch(run) or run.info.status != "FINISHED":
        return None
    try:
        states = json.loads(run.data.tags[STATES])
    except ValueError:  # not written by pex
        return None
    params, tags = run.data.params, run.data.tags
    return VariantStates(
        params.get("prompt_version", ""),
        params.get("model", ""),
        tags.get("pex.experiment", ""),
        tags.get("mlflow.parentRunId", ""),
        run.info.start_time / 1000,
        states,
    )


def tags_of(table: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """The tag of the run, and that of each of its variants.

    Example:
        >>> import pandas as pd
        >>> rows = [("a", "met"), ("a", "untested"), ("b", "not met"), ("b", "untested")]
        >>> tags_of(pd.DataFrame(rows, columns=["variant", "state"]))[0]
        'a: 1 met, 1 untested; b: 1 not met, 1 untested'
    """
    each = {
        str(variant): counted(rows)
        for variant, rows in table.groupby("variant", sort=False, observed=True)
    }
    if len(each) == 1:
        return next(iter(each.values())), each
    return "; ".join(f"{name}: {said}" for name, said in each.items())[:_LONGEST], each
