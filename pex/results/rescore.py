"""New scores for existing answers: no model is called, except by judges."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.about import About, CheckInfo
from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.events import RowKey
from pex.core.prompty import split_roles
from pex.core.score import Score
from pex.score.base import scored
from pex.score.build import build, imported, parted
from pex.score.field_outcomes import field_options
from pex.score.frame import (
    is_part,
    restore,
    score_columns,
    score_names,
    spread_failures,
    with_scores,
)
from pex.score.judge import asking
from pex.score.model_rules import with_rules
from pex.score.requirements import check_known, checks_of

if TYPE_CHECKING:
    import pandas as pd


def rescore(
    frame: pd.DataFrame,
    about: About,
    items: Sequence[Any],
    project: Path,
    base: Path,
    budget_usd: float | None = None,
    models: Sequence[Any] = (),
) -> tuple[pd.DataFrame, About]:
    """Return a long frame with further scores, and the updated description.

    Args:
        frame: the long frame.
        about: the run's description.
        items: scorers and judges, as in an experiment; an existing name is replaced.
        project: the folder of the project, whose journal judges use.
        base: the folder that paths in `items` start from.
        budget_usd: the most that judges may spend.
        models: the pydantic classes of the prompts, which `fields` takes its rules from.

    Raises:
        PexError: a scorer does not fit; nothing has been scored, no judge called.
    """
    reading = about.cases_file.reading if about.cases_file else {}
    decimal = about.decimal or reading.get("decimal", "")  # older records have only a file's
    rows = list(restore(frame, about.renamed, decimal))
    cases: dict[str, Case] = {case.id: case for _, _, case in rows}
    items, _ = with_rules(items, models, list(cases.values()))
    built = build(items, list(cases.values()), base)
    checks = _checks(about, items, built, base)
    scorers, judges = parted(built)
    scorers = imported(scorers)
    scores: dict[RowKey, dict[str, Score]] = {}
    answered: dict[RowKey, Answer] = {}
    prompts = _prompts(about)
    for place, answer, case in rows:
        scores[place] = {}
        if answer.error is None:
            answered[place] = answer
            for scorer in scorers:
                scores[place] |= scored(scorer, answer, case, prompts.get(place[0]))
    if judges:
        judged = asking.judge(
            judges,
            answered,
            list(cases.values()),
            about.variants,
            project,
            about.name,
            budget_usd,
            folder=base,
        )
        for place, given in judged.scores.items():
            scores[place] |= given
        names = {item.name for item in judged.about}
        others = [item for item in about.judges if item.name not in names]
        about = dataclasses.replace(
            about,
            judges=[*others, *judged.about],
            spent_usd=round(about.spent_usd + judged.spent_usd, 6),
            judging=judged.status,
        )
    new = [*(scorer.name for scorer in scorers), *(judge.name for judge in judges)]
    known = list(dict.fromkeys([*about.scorers, *new]))
    spread = dict(zip(scores, spread_failures(list(scores.values()), new), strict=True))
    # A scorer that gave no score at all still has a column.
    nothing = dict.fromkeys(score_columns(list(spread.values()), new), Score(None))
    complete = {place: {**nothing, **given} for place, given in spread.items()}
    stale = [
        name
        for name in score_names(frame)
        if name not in nothing
        and (name in new or any(is_part(name, scorer, known) for scorer in new))
    ]
    of_fields = [*about.field_scorers, *field_options(scorers)]
    options = {str(item["name"]): item for item in of_fields if item["name"] in known}
    about = dataclasses.replace(
        about, scorers=known, checks=checks, field_scorers=list(options.values())
    )
    return with_scores(frame, complete, stale), about


def _prompts(about: About) -> dict[str, list[dict[str, str]]]:
    """The messages of the prompts, by variant, as far as the run's description has them."""
    texts = {prompt.name: split_roles(prompt.text) for prompt in about.prompts if prompt.text}
    return {v.name: texts[v.prompt] for v in about.variants if v.prompt in texts}


def _checks(
    about: About, items: Sequence[Any], built: Sequence[Any], base: Path
) -> list[CheckInfo]:
    """What the scores check now; a new scorer that does not say so checks what its name did.

    Raises:
        PexError: a scorer checks an unknown requirement.
    """
    given = checks_of(items, built, base)
    check_known(given, [item.id for item in about.requirements])
    found = {check.score: check for check in about.checks}
    for check in given:
        before = found.get(check.score)
        if before is not None and not check.requirements:
            check = dataclasses.replace(check, requirements=before.requirements)
        found[check.score] = check
    return list(found.values())
