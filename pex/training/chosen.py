"""Which rows of an export are written: those that are not held out, and none twice."""

from __future__ import annotations

import collections
import functools
import itertools
from typing import Any, NamedTuple

from pex.core.canonical_json import json_text
from pex.core.errors import PexError
from pex.core.text import value_text
from pex.training.alike import SeenTexts, SharedKeys, shared_keys, text_hash, text_keys
from pex.training.clean_rows import RowCleaner
from pex.training.example import Pick, case_text
from pex.training.held_out import GATED, HOW_TO_MARK, HeldOut, Match, held_out_cases
from pex.training.material import Material
from pex.training.sources import LeftOut

_CHUNK = 512


class _Candidate(NamedTuple):
    """A pick, with hashes of its inputs, of all of it and of its text, and its held-out match.

    `bracket` is whether its text has a `[`, as placeholders have.
    """

    pick: Pick
    inputs: bytes
    whole: bytes
    text: bytes
    match: Match | None
    bracket: bool


def chosen_picks(material: Material, left_out: LeftOut, cleaner: RowCleaner) -> list[Pick]:
    """The picks without held-out cases and duplicates.

    Args:
        material: what is exported.
        left_out: counts those that are left out.
        cleaner: is told the texts with placeholders.

    Raises:
        PexError: nothing is left.
    """
    candidates, shared = _candidates(material)
    kept: list[Pick] = []
    gated: set[str] = set()
    seen, answered = set[bytes](), dict[bytes, bytes]()
    # A good and a bad answer to a case can be much alike: each label has texts of its own.
    alike: dict[bool | None, SeenTexts] = collections.defaultdict(lambda: SeenTexts(shared))
    for place in range(len(candidates)):
        pick, inputs, whole, text, match, bracket = candidates.popleft()
        if match is not None:
            if match.why == GATED:
                gated.add(match.experiment)
            how = "" if match.likeness == 1 else ", reworded"
            left_out[f"held out: {_why(match.why)} of {match.experiment}{how}"] += 1
            continue
        alone = pick.rejected is None and pick.label is None
        if whole in seen:
            left_out["a duplicate"] += 1
        elif alone and answered.setdefault(inputs, whole) != whole:
            left_out["the same inputs with another answer"] += 1
        elif alike[pick.label].add(place, text, functools.partial(pick_text, pick)) is not None:
            left_out["a near-duplicate of an earlier row"] += 1
        else:
            seen.add(whole)
            if bracket:
                cleaner.reserve(pick_text(pick))
            kept.append(pick)
    if not kept:
        reasons = "; ".join(f"{why}: {count:,}" for why, count in left_out.items())
        raise PexError(
            f"nothing is left to export ({reasons or 'there are no cases'})",
            hint=HOW_TO_MARK if gated else None,
        )
    return kept


def _candidates(material: Material) -> tuple[collections.deque[_Candidate], SharedKeys]:
    """All picks, compared with what is held out, and the keys that two of them have."""
    import numpy as np

    known = held_out_cases(material.project, material.uri, material.read)
    held = HeldOut([*known, *material.held_out])
    candidates = collections.deque[_Candidate]()
    keys = []
    picks = iter(material.picks)
    while chunk := list(itertools.islice(picks, _CHUNK)):
        texts = [case_text(pick.case) for pick in chunk]
        said = [_with_answers(pick, text) for pick, text in zip(chunk, texts, strict=True)]
        exact, own = text_keys(said)
        keys.append(own)
        matches = held.find(texts)
        for pick, text, one, match, all_of_it in zip(
            chunk, texts, exact, matches, said, strict=True
        ):
            inputs = text_hash(text)
            whole = text_hash(json_text([text, pick.answer, pick.rejected, pick.label]))
            candidates.append(_Candidate(pick, inputs, whole, one, match, "[" in all_of_it))
    every = np.concatenate(keys) if keys else np.zeros((0, 1), dtype="uint64")
    return candidates, shared_keys(every)


def _why(reason: str) -> str:
    return "cases test (a gate, no splits)" if reason == GATED else f"split '{reason}'"


def pick_text(pick: Pick) -> str:
    """The inputs and the answers of a pick, by which it is compared with others."""
    return _with_answers(pick, case_text(pick.case))


def _with_answers(pick: Pick, text: str) -> str:
    parts = [text, *(value_text(_said(m)) for m in (pick.answer, pick.rejected) if m)]
    return "\n".join(parts)


def _said(message: Any) -> Any:
    return message.get("tool_calls") or message.get("content") or ""
