"""What a draft begins as, and what is said about it: whether it was restored, or is a part."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from pex import local
from pex.core.canonical_json import digest
from pex.experiment.experiment import Experiment
from pex.playground import drafting, images
from pex.playground.draft import Column, Draft, Entry, Message, column_of
from pex.playground.draft_files import Kept
from pex.playground.history import with_cases
from pex.playground.starting import BUILT_IN_MODEL
from pex.playground.typed_values import sound_all

FIRST_VARIANTS = 4
FIRST_CASES = 3
SHOWN = "Showing"


class Beginning:
    """The first draft of an experiment, or of nothing, with a notice for the view.

    Args:
        base: the experiment.
    """

    def __init__(self, base: Experiment | None) -> None:
        self.first, self.notice = begin(base)
        self.fingerprint = source_fingerprint(base)
        """Of the experiment as it was when the draft began."""

    def reopen(self, base: Experiment | None) -> None:
        """The experiment may have changed, the draft stays."""
        if source_fingerprint(base) != self.fingerprint:
            self.first, _ = begin(base)
            self.notice = _restored_notice("", changed=True)

    def restore(self, kept: Kept) -> None:
        """The draft began earlier: it was read from its file."""
        changed = kept.begun_from != self.fingerprint
        self.notice = _restored_notice(kept.saved_at, changed=changed)
        self.fingerprint = kept.begun_from

    def follow(self, draft: Draft) -> None:
        """The draft is this one now: who has chosen knows that there are others."""
        sizes = [(len(d.columns), len(d.entries)) for d in (draft, self.first)]
        if self.notice.startswith(SHOWN) and sizes[0] != sizes[1]:
            self.notice = ""


def begin(experiment: Experiment | None) -> tuple[Draft, str]:
    """The first draft of an experiment, or of nothing, and a notice about it."""
    if experiment is None:
        model = BUILT_IN_MODEL if local.missing() is None else ""
        column = Column(_id_of("draft"), "draft", model, {}, (Message("user", "{{ text }}"),))
        return Draft((column,), (Entry(_id_of("case")),), column.id), ""
    columns = [column_of(v, _id_of(v.name)) for v in experiment.variants[:FIRST_VARIANTS]]
    for column in columns:
        if column.base is not None and not column.locked:
            images.keep_data(drafting.settings_of(experiment)[0], column.base.messages)
    for number, column in enumerate(columns):
        if column.name in [other.name for other in columns[:number]]:  # "a|b" and "a-b"
            columns[number] = dataclasses.replace(column, name=f"{column.name}-{number + 1}")
    parts = []
    if len(experiment.variants) > FIRST_VARIANTS:
        parts.append(f"the first {FIRST_VARIANTS} of {len(experiment.variants)} variants")
    if len(experiment.cases) > FIRST_CASES:
        parts.append(f"the first {FIRST_CASES} of {len(experiment.cases):,} cases")
    said = f"{SHOWN} {' and '.join(parts)} of '{experiment.name}'." if parts else ""
    draft = with_cases(Draft(tuple(columns), (), columns[0].id), experiment.cases[:FIRST_CASES])
    named = [dataclasses.replace(e, id=_id_of(e.base.id)) for e in draft.entries if e.base]
    return dataclasses.replace(draft, entries=tuple(named)), said


def alike(one: Draft, other: Draft) -> bool:
    """Whether two drafts say the same, whatever the ids are."""

    def said(draft: Draft) -> list[Any]:
        columns = [
            (c.name, c.model, dict(c.params), c.messages, c.tools, c.schema) for c in draft.columns
        ]
        entries = [(e.base, dict(e.texts), e.expected) for e in draft.entries]
        return [columns, entries, list(draft.checks)]

    return said(one) == said(other)


def source_fingerprint(experiment: Experiment | None) -> str:
    """Changes when the experiment that a draft started from does."""
    if experiment is None:
        return ""
    variants = [
        [v.name, v.model, v.all_params, list(v.prompt.messages)]
        + [form for form in (v.prompt.response_schema, v.prompt.tools) if form]
        for v in experiment.variants
    ]
    cases = [[case.id, case.inputs, case.expected] for case in experiment.cases]
    return digest(sound_all([experiment.name, variants, cases]))


def _id_of(name: str) -> str:
    """The same in every kernel, for edits made while there was none."""
    return digest(["begin", name], 8)


def _restored_notice(saved_at: str, *, changed: bool) -> str:
    try:
        when = datetime.datetime.fromisoformat(saved_at)
        said = f"Your draft of {when.day} {when:%b}, {when:%H:%M}, was restored"
    except ValueError:
        said = "Your draft was restored"
    return f"{said}; its experiment has changed since." if changed else f"{said}."
