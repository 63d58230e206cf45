"""Attacks and their harmless twins as training data, and what no training data may contain.

A family of attacks either trains or tests. An attack is answered as the task wants, as if it were
not there, with the answer that people expect to the case that carries it; its twin has the same
answer, so that a model learns the difference and not to refuse.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.cases.near_duplicates import normalised
from pex.core.attack_columns import ALL_COLUMNS, ATTACK, CATEGORY, FORM, ID, KIND, PLAIN
from pex.core.splits import COLUMN
from pex.core.text import value_text
from pex.redteam.building import attack
from pex.redteam.families import is_held_out
from pex.redteam.suite import BUILT_IN, Suite, load_suites
from pex.training.alike import HeldOutTexts, text_hash
from pex.training.example import Pick
from pex.training.finding import Finding, Findings
from pex.training.read_rows import rows as rows_of
from pex.training.sources import LeftOut, text_message

if TYPE_CHECKING:
    from pex.experiment.experiment import Experiment

TESTS = "attacks of a family that tests"
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}")
_FIXED = 16
"""Characters of an attack without its placeholders that tell it from other text."""


class HeldOutAttacks:
    """The attacks and twins of families that test: found in a text, also reworded.

    Args:
        suites: where they are from.

    Example:
        >>> held = HeldOutAttacks(load_suites([BUILT_IN], Path()))
        >>> held.find("A nice lamp."), len(held.hashes) > 10
        (None, True)
    """

    def __init__(self, suites: Sequence[Suite]) -> None:
        self._ids: list[str] = []
        texts: list[str] = []
        for suite in suites:
            for item in suite.attacks:
                if not is_held_out(item.family):
                    continue
                own = (item.text, item.translated, item.twin.text, item.twin.translated)
                for text in filter(None, own):
                    texts.append(text)
                    self._ids.append(item.id)
        self._pieces = [
            max((normalised(part) for part in _PLACEHOLDER.split(text)), key=len) for text in texts
        ]
        self._texts = HeldOutTexts([_PLACEHOLDER.sub(" ", text) for text in texts])
        self.hashes = [text_hash(text).hex() for text in texts]
        """The hash of each text, as it stands in its suite."""

    def find(self, text: str) -> str | None:
        """The id of an attack that a text has in it, or that a paragraph of it is like."""
        whole = normalised(text)
        for piece, attack_id in zip(self._pieces, self._ids, strict=True):
            if len(piece) >= _FIXED and piece in whole:
                return attack_id
        near = self._texts.find([part for part in text.split("\n\n") if part.strip()])
        return next((self._ids[place[0]] for place in near if place is not None), None)


@functools.cache
def built_in_attacks() -> HeldOutAttacks:
    """Those of the suites that come with pex."""
    return HeldOutAttacks(load_suites([BUILT_IN], Path()))


def attacks_in(path: Path) -> list[Finding]:
    """The rows of a file, whoever wrote it, that have an attack which tests, also reworded.

    Args:
        path: a file of training data in any format.

    Raises:
        PexError: the file cannot be read.
    """
    found = Findings(str(path))
    held = built_in_attacks()
    for line, row in rows_of(path, found):
        for text in _texts(row):
            if (attack_id := held.find(text)) is not None:
                found.add(
                    "attack", line, "", f"has the attack '{attack_id}', which tests, or its twin",
                    "delete the row: the red team would measure what the model was told",
                )  # fmt: skip
                break
    return found.list()


def _texts(value: Any) -> Iterator[str]:
    """Every string in a row that is long enough to be an attack."""
    if isinstance(value, str):
        if len(value) >= _FIXED:
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def attack_picks(experiment: Experiment, left_out: LeftOut) -> Iterator[Pick]:
    """Attacks and twins of the families that may be trained on, with the answers that are right.

    Args:
        experiment: whose prompts and cases; only cases that may be trained on carry attacks.
        left_out: counts what is left out.
    """
    rows = [case for case in experiment.cases if case.inputs.get(COLUMN, "train") == "train"]
    if not rows:
        left_out["no case may be trained on"] += 1
        return
    folder = experiment.path.parent if experiment.path else Path.cwd()
    suites = load_suites(experiment.redteam.suites, folder)
    held = HeldOutAttacks(suites)
    families = {item.id: item for suite in suites for item in suite.attacks}
    right = {case.id: case.expected for case in rows}
    for case in attack(experiment.drafted(experiment.variants, rows)).experiment.cases:
        inputs = case.inputs
        if inputs[KIND] == PLAIN:
            continue
        item = families[inputs[ID]]
        if is_held_out(item.family):
            left_out[TESTS] += 1
            continue
        if held.find(str(inputs["redteam_text"])) is not None:
            left_out[f"{TESTS}, reworded"] += 1
            continue
        answer = item.safe if item.place == "message" else right.get(inputs["redteam_case"])
        if item.place == "message" and inputs[KIND] != ATTACK:
            answer = None
        if answer is None or not value_text(answer).strip():
            left_out["no approved answer"] += 1
            continue
        own = {name: value for name, value in inputs.items() if name not in ALL_COLUMNS}
        clean = dataclasses.replace(case, inputs=own, group=f"family {item.family}")
        facts = {"attack": item.id, "family": item.family, "kind": inputs[KIND]}
        facts |= {"category": inputs[CATEGORY], "form": inputs[FORM]}
        yield Pick("attacks", clean, text_message(value_text(answer)), facts=facts)
