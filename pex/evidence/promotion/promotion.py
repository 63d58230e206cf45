"""`pex.promote` and `pex.rollback`: an alias moves because a measurement passed."""

from __future__ import annotations

import dataclasses

from pex.core.errors import PexError
from pex.evidence.promotion.alias_state import AliasState
from pex.evidence.promotion.gate_evidence import find_evidence
from pex.evidence.promotion.result import (
    IN_REVIEW,
    MOVED,
    REFUSED,
    THERE,
    WOULD_MOVE,
    Promotion,
)


def promote(
    name: str,
    to: str = "champion",
    *,
    version: int | None = None,
    model: str | None = None,
    run: str | None = None,
    because: str = "",
    review: bool = False,
    dry_run: bool = False,
    instead_of: str | None = None,
    tracking_uri: str | None = None,
) -> Promotion:
    """Move an alias of a prompt to a version, if a recorded comparison allows it.

    Evidence is a finished run with a gate that compared this version with the one that the alias
    points to, on the cases that the experiment has now, with calibrated judges, not older than
    `gate.evidence_days`. Nothing moves if it is missing, undecided or worse, unless `because` says
    why: that stays with the move for ever.

    Args:
        name: the prompt's name in the library.
        to: the alias.
        version: the version; None for the newest one that is not disabled.
        model: a model that gets a version of its own: its alias is `champion--gpt-5-mini`, and only
            comparisons on this model count.
        run: the run that is the evidence; None for the newest one that fits.
        because: the reason to move it without enough evidence.
        review: ask a second person: the alias moves when they accept (see `pex.review`).
        dry_run: only say what would happen.
        instead_of: the model that `model` takes the place of: the evidence compares this version on
            `model` with the version that is used on the other one.
        tracking_uri: a store other than the project's.

    Returns:
        What happened: `.moved`, `.sentence`, `.evidence`; it prints as text.

    Raises:
        PexError: there is no such prompt, version or run, or the version is disabled.
        MovedError: somebody else moved the alias meanwhile; nothing was moved.
    """
    if instead_of is not None and model is None:
        raise PexError("instead_of: name the model that takes its place: model=")
    state = AliasState.open(name, to, model, tracking_uri)
    found = state.version(version)
    subject = state.subject(found, instead_of)
    if state.before == subject.version:
        return Promotion(name, state.alias, state.before, subject.version, THERE)
    evidence = find_evidence(state.project, state.runs, subject, state.run_id(run))
    because = because.strip()
    outcome = MOVED if evidence.enough or because else REFUSED
    made = Promotion(
        name, state.alias, state.before, subject.version, outcome, evidence,
        "" if evidence.enough else because, remarks=state.remarks(),
    )  # fmt: skip
    if outcome == REFUSED:
        return made
    if dry_run:
        return dataclasses.replace(made, outcome=WOULD_MOVE)
    if review:
        from pex.evidence.review.reviews import request

        return dataclasses.replace(made, outcome=IN_REVIEW, review=request(state, made, because))
    return dataclasses.replace(made, move=state.move(found, made, "promote", note=because))


def rollback(
    name: str,
    to: str = "champion",
    *,
    version: int | None = None,
    model: str | None = None,
    because: str = "",
    dry_run: bool = False,
    tracking_uri: str | None = None,
) -> Promotion:
    """Move an alias back to the version before, at once: a reason is needed, evidence is not.

    Args:
        name: the prompt's name in the library.
        to: the alias.
        version: the version; None for the one that the alias pointed to before, by the moves.
        model: the model whose version it is; see `promote`.
        because: the reason, kept with the move.
        dry_run: only say what would happen.
        tracking_uri: a store other than the project's.

    Raises:
        PexError: there is no reason or no earlier version, or the version is disabled.
        MovedError: somebody else moved the alias meanwhile; nothing was moved.
    """
    if not because.strip():
        raise PexError("a roll-back needs a reason", hint='--because "…", in Python because="…"')
    state = AliasState.open(name, to, model, tracking_uri)
    if state.before is None:
        raise PexError(f"'{state.alias}' of '{name}' points to no version: nothing to roll back")
    found = state.version(state.previous() if version is None else version)
    number = int(found.version)
    made = Promotion(
        name, state.alias, state.before, number, MOVED, None, because.strip(),
        remarks=state.remarks(),
    )  # fmt: skip
    if number == state.before:
        return dataclasses.replace(made, outcome=THERE)
    if dry_run:
        return dataclasses.replace(made, outcome=WOULD_MOVE)
    return dataclasses.replace(made, move=state.move(found, made, "rollback"))
