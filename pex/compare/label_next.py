"""Which cases without an expected answer are worth labelling next."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pex.cases.near_duplicates import normalised
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.core.values import missing
from pex.score.frame import percentages, score_names

if TYPE_CHECKING:
    import pandas as pd

_MOST = 500
"""Cases that are compared with the labelled ones: those where variants disagree most."""
_ANSWERS = 12
_CHARS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class LabelNext:
    """Cases to label, the most useful first; `frame` has the numbers and the reason for each.

    A case's rank is its disagreement (how unlike the answers are, from 0 to 1) plus half of how
    unsure yes/no scores are (1 where half of them are yes), times how unlike it is to what is
    labelled or above it in the list. There is no model behind it.
    """

    frame: pd.DataFrame
    unlabelled: int

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        if not self.unlabelled:
            return "every case has an expected answer"
        lines = [f"{len(self)} of {self.unlabelled} cases without an expected answer"]
        rows = zip(self.frame["case_id"], self.frame["reason"], self.frame["text"], strict=True)
        lines += [f"  {case_id}: {reason} · {text[:80]}" for case_id, reason, text in rows]
        return clean("\n".join(lines))

    def _repr_html_(self) -> str:
        from html import escape

        if not self.unlabelled:
            return "<p>every case has an expected answer</p>"
        left = "style='text-align:left'"
        names = ("case_id", "reason", "text")
        head = "".join(f"<th {left}>{name}</th>" for name in ("case", "why", "text"))
        body = "".join(
            "<tr>"
            + "".join(f"<td {left}>{escape(clean(row[n])[:300])}</td>" for n in names)
            + "</tr>"
            for row in self.frame.to_dict("records")
        )
        said = f"{len(self)} of {self.unlabelled} cases without an expected answer"
        return f"<p>{said}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def label_next(frame: pd.DataFrame, n: int = 20) -> LabelNext:
    """The cases without an expected answer whose label would say most.

    Args:
        frame: the long frame.
        n: how many.

    Raises:
        PexError: `n` is not a whole number of at least 1.

    Example:
        >>> import pandas as pd
        >>> rows = [(v, c, None, v if c == "2" else "yes") for v in "ab" for c in "12"]
        >>> frame = pd.DataFrame(rows, columns=["variant", "case_id", "expected", "output"])
        >>> label_next(frame, 1).frame["case_id"].tolist()
        ['2']
    """
    import pandas as pd

    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise PexError(f"n: expected a whole number of at least 1, got {n!r}")
    scores = [f"score.{name}" for name in score_names(frame) if name in percentages(frame)]
    inputs = [name for name in frame.columns if name.startswith("case.")]
    rows: list[dict[str, Any]] = []
    labelled: list[str] = []
    for case_id, part in frame.groupby("case_id", sort=False):
        first = part.iloc[0]
        text = " ".join(value_text(first[name]) for name in inputs if not missing(first[name]))
        if not missing(first["expected"]):
            labelled.append(normalised(text)[:_CHARS])
            continue
        outputs = [value_text(value) for value in part["output"] if not missing(value)]
        shares = [float(part[name].mean()) for name in scores if part[name].notna().sum() > 1]
        unsure = max((4 * share * (1 - share) for share in shares), default=0.0)
        rows.append(
            {
                "case_id": str(case_id),
                "disagreement": _disagreement(outputs[:_ANSWERS]),
                "unsure": unsure,
                "answers": len(outputs),
                "different": len({normalised(output) for output in outputs}),
                "text": text,
            }
        )
    rows.sort(key=lambda row: -_interest(row))
    chosen = _diverse(rows[: max(_MOST, n)], labelled, n)
    names = ["case_id", "rank", "reason", "disagreement", "unsure", "novelty", "text"]
    return LabelNext(pd.DataFrame(chosen, columns=names), len(rows))


def _interest(row: dict[str, Any]) -> float:
    return float(row["disagreement"] + row["unsure"] / 2)


def _disagreement(outputs: list[str]) -> float:
    """How unlike the answers are on average over all pairs, from 0 to 1."""
    from itertools import combinations

    from rapidfuzz import fuzz

    texts = [normalised(output)[:_CHARS] for output in outputs]
    found = [1 - fuzz.ratio(one, two) / 100 for one, two in combinations(texts, 2)]
    return sum(found) / len(found) if found else 0.0


def _diverse(rows: list[dict[str, Any]], labelled: list[str], n: int) -> list[dict[str, Any]]:
    """Take the best row, again and again; what is like one that was taken counts less."""
    import numpy as np
    from rapidfuzz import fuzz, process

    if not rows:
        return []
    texts = [normalised(row["text"])[:_CHARS] for row in rows]
    interest = np.array([_interest(row) for row in rows]) + 0.01
    nearest = np.zeros(len(rows))
    if labelled:
        nearest = process.cdist(texts, labelled, scorer=fuzz.ratio).max(axis=1) / 100
    left = np.ones(len(rows), dtype=bool)
    chosen: list[dict[str, Any]] = []
    while len(chosen) < n and left.any():
        values = np.where(left, interest * (1 - nearest), -1.0)
        place = int(values.argmax())
        row, novelty = rows[place], float(1 - nearest[place])
        left[place] = False
        reason = f"{row['different']} different answers of {row['answers']}"
        if row["unsure"] >= 0.5:
            reason += ", scores unsure"
        reason += f", {100 * (1 - novelty):.0f} % like the nearest labelled or listed case"
        kept = {key: row[key] for key in ("case_id", "disagreement", "unsure", "text")}
        chosen.append({**kept, "rank": len(chosen) + 1, "novelty": novelty, "reason": reason})
        alike = process.cdist([texts[place]], texts, scorer=fuzz.ratio)[0] / 100
        nearest = np.maximum(nearest, alike)
    return chosen
