"""What changed between two runs: prompts, models, settings, data and scorers.

They are compared before any score: a lower score alone does not show its cause.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.batch.night.answer_drift import measure_drift
from pex.core.about import About, VariantInfo
from pex.core.canonical_json import digest
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.report.word_difference import word_difference

if TYPE_CHECKING:
    import pandas as pd

PROMPT, MODEL, DATA, SETTINGS, ANSWERS = "prompt", "model", "data", "settings", "answers"
UNSTEADY = "unsteady"
"""Different answers: perhaps a different model, or one that does not repeat itself; not a cause."""

Pieces = list[tuple[str, str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One change: its kind, a sentence, and for texts the pieces that differ.

    `of` is the prompt, model or variant that it is about; empty if it is about all.
    """

    kind: str
    text: str
    pieces: Pieces = dataclasses.field(default_factory=list)
    of: str = ""


@dataclasses.dataclass(slots=True)
class Recorded:
    """A run read back: its row in the store, its frame, and its configuration."""

    run: Mapping[str, Any]
    frame: pd.DataFrame
    about: About

    @property
    def variants(self) -> dict[str, VariantInfo]:
        """The known facts about each variant, by its name."""
        return {item.name: item for item in self.about.variants}


Loader = Callable[[str], Recorded]
"""Reads a run back by its id."""


def changes(now: Recorded, before: Recorded) -> list[Change]:
    """Everything that differs between two runs, except their answers and scores."""
    return [
        *_prompts(now, before),
        *_models(now, before),
        *_settings(now, before),
        *_data(now.frame, before.frame),
        *_scorers(now, before),
    ]


def touching(found: Sequence[Change], variant: VariantInfo) -> list[Change]:
    """The changes that could affect a variant: not those of another prompt or model."""
    own = {"", variant.name, variant.prompt, variant.model}
    return [change for change in found if change.of in own]


def cause(found: Sequence[Change]) -> str:
    """The likely cause of a difference in scores, in a sentence.

    Example:
        >>> cause([Change(PROMPT, "…")])
        'Only the prompt changed, so that is the likely cause.'
        >>> cause([Change(PROMPT, "…"), Change(MODEL, "…")])
        'The prompt and the model changed at once: this night cannot tell which one it was.'
        >>> cause([])
        'No visible change: this is chance, or a different model behind the same name.'
    """
    kinds = list(dict.fromkeys(CAUSES[item.kind] for item in found if item.kind in CAUSES))
    if not kinds:
        return "No visible change: this is chance, or a different model behind the same name."
    if len(kinds) == 1:
        verb = "are" if kinds[0] in ("settings",) else "is"
        return f"Only the {kinds[0]} changed, so that {verb} the likely cause."
    listed = f"{', the '.join(kinds[:-1])} and the {kinds[-1]}"
    return f"The {listed} changed at once: this night cannot tell which one it was."


CAUSES = {PROMPT: "prompt", MODEL: "model", ANSWERS: "model", DATA: "data", SETTINGS: "settings"}


def fingerprint(recorded: Recorded, variant: str) -> str:
    """A digest of a variant: prompt, resolved model, parameters."""
    item = recorded.variants[variant]
    resolved = sorted(_resolved(recorded.frame, variant))
    return digest([item.prompt_version, item.model, item.params, resolved])


def cases_digest(frame: pd.DataFrame) -> str:
    """A digest of the cases, their inputs and expected answers."""
    return digest(sorted(_cases(frame).items()))


def resolved_now(frame: pd.DataFrame, before: pd.DataFrame) -> list[Change]:
    """Models that answered under a different name than before, by the name that was called."""
    found = []
    for model in dict.fromkeys(frame["model"]):
        now, then = (_names(part[part["model"] == model]) for part in (frame, before))
        if now and then and now != then:
            text = f"{model}: answered by {_listed(now)}, before by {_listed(then)}."
            found.append(Change(MODEL, text, of=model))
    return found


def other_answers(now: Recorded, before: Recorded) -> list[Change]:
    """What different answers to identical questions at temperature 0 mean for the model."""
    seen = measure_drift(_cold(now), _cold(before))
    if not seen.drifted:
        return []
    text = (
        f"{seen.other:,} of {seen.asked:,} identical questions got a different answer, even at "
        "temperature 0"
    )
    if seen.confident:
        return [Change(ANSWERS, f"{text}, more than the model's own variation.")]
    return [Change(UNSTEADY, f"{text}: a different model, or one that does not repeat itself.")]


def _cold(recorded: Recorded) -> pd.DataFrame:
    """The rows that should give the same answers again."""
    names = [n for n, item in recorded.variants.items() if item.params.get("temperature") == 0]
    return recorded.frame[recorded.frame["variant"].isin(names)]


def _prompts(now: Recorded, before: Recorded) -> list[Change]:
    texts = [{p.name: p.text for p in r.about.prompts} for r in (now, before)]
    digests = [{v.prompt: v.prompt_version for v in r.variants.values()} for r in (now, before)]
    found = []
    for name, version in digests[0].items():
        if name not in digests[1]:
            found.append(Change(PROMPT, f"The prompt '{name}' was added.", of=name))
        elif version != digests[1][name]:
            new, old = texts[0].get(name, ""), texts[1].get(name, "")
            what = "" if new != old else " (not its words: its tools, schema or parameters)"
            pieces = word_changes(new, old) if new != old else []
            found.append(Change(PROMPT, f"The prompt '{name}' was changed{what}.", pieces, name))
    gone = [name for name in digests[1] if name not in digests[0]]
    return found + [Change(PROMPT, f"The prompt '{name}' was removed.", of=name) for name in gone]


def word_changes(new: str, old: str, *, min_similarity: float = 0.0) -> Pieces:
    """Two texts word by word, without invisible characters; the new one alone if too unlike."""
    pieces = word_difference(new, old, min_similarity=min_similarity)
    return [(kind, clean(text)) for kind, text in ([("same", new)] if pieces is None else pieces)]


def _models(now: Recorded, before: Recorded) -> list[Change]:
    found = []
    models = [list(dict.fromkeys(r.about.models)) for r in (now, before)]
    new, gone = ([m for m in a if m not in b] for a, b in (models, models[::-1]))
    if new or gone:
        said = [f"{_listed(new)} added" if new else "", f"{_listed(gone)} removed" if gone else ""]
        # Requests to a different model belong to another variant: no remaining one was affected.
        named = ", ".join([*new, *gone])
        found.append(Change(MODEL, f"Models: {', '.join(filter(None, said))}.", of=named))
    return found + resolved_now(now.frame, before.frame)


def _settings(now: Recorded, before: Recorded) -> list[Change]:
    found = []
    for name, item in now.variants.items():
        other = before.variants.get(name)
        if other is None or other.params == item.params:
            continue
        new, old = item.params, other.params
        said = [
            f"{key} {_setting(new.get(key))} instead of {_setting(old.get(key))}"
            for key in sorted({*new, *old})
            if new.get(key) != old.get(key)
        ]
        found.append(Change(SETTINGS, f"'{name}': {', '.join(said)}.", of=name))
    if now.about.repeats != before.about.repeats:
        text = f"Each case is run {now.about.repeats} times instead of {before.about.repeats}."
        found.append(Change(SETTINGS, text))
    return found


def _setting(value: Any) -> str:
    return "not set" if value is None else clean(value_text(value))[:200]


def _data(now: pd.DataFrame, before: pd.DataFrame) -> list[Change]:
    new, old = _cases(now), _cases(before)
    counts = [
        (len(new.keys() - old.keys()), "added"),
        (len(old.keys() - new.keys()), "removed"),
        (sum(new[key] != old[key] for key in new.keys() & old.keys()), "changed"),
    ]
    said = [f"{count:,} {what}" for count, what in counts if count]
    return [Change(DATA, f"Cases: {', '.join(said)}.")] if said else []


def _scorers(now: Recorded, before: Recorded) -> list[Change]:
    def told(recorded: Recorded) -> Any:
        return recorded.about.scorer_items or recorded.about.scorers

    if told(now) == told(before):
        return []
    return [Change(SETTINGS, "The scorers differ: scores may not be comparable.")]


def _cases(frame: pd.DataFrame) -> dict[str, str]:
    first = frame.drop_duplicates("case_id")
    columns = [name for name in first.columns if name.startswith("case.")] + ["expected"]
    columns = [name for name in columns if name in first.columns]
    texts = (first[name].astype(str) for name in columns)
    rows = ["\x1f".join(row) for row in zip(*texts, strict=True)]
    return dict(zip(first["case_id"].astype(str), rows, strict=True))


def _resolved(frame: pd.DataFrame, variant: str) -> set[str]:
    return _names(frame[frame["variant"] == variant])


def _names(rows: pd.DataFrame) -> set[str]:
    return {clean(str(name))[:200] for name in rows["resolved_model"].dropna()}


def _listed(names: Sequence[str] | set[str]) -> str:
    return " and ".join(sorted(names)) or "nobody"
