"""Two runs as one frame, to be compared like two variants of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pex.core.about import VariantInfo
from pex.core.errors import PexError
from pex.score.frame import score_names

if TYPE_CHECKING:
    import pandas as pd

BASELINE = "A"
CANDIDATE = "B"


def both(
    baseline: pd.DataFrame, candidate: pd.DataFrame
) -> tuple[pd.DataFrame, list[VariantInfo], list[str]]:
    """Combine two runs in one frame; also returns its variants with their factors, and caveats.

    Variants of the same name are paired; if each run has only one variant, those are paired. The
    run is the factor by which `compare` finds the pairs.

    Raises:
        PexError: no variant, score or case in common.
    """
    import pandas as pd

    frames = {BASELINE: baseline, CANDIDATE: candidate}
    names = {run: list(dict.fromkeys(frame["variant"])) for run, frame in frames.items()}
    common = [name for name in names[BASELINE] if name in names[CANDIDATE]]
    single = all(len(found) == 1 for found in names.values())
    if not common and not single:
        listed = "; ".join(f"{run}: {', '.join(found)}" for run, found in names.items())
        raise PexError(
            f"the runs have no variant in common ({listed})",
            hint="in MLflow each variant has a run of its own: give one of those",
        )
    _check_common(baseline, candidate)
    notes = []
    kept, variants = [], []
    for run, frame in frames.items():
        wanted = names[run] if single else common
        left = [name for name in names[run] if name not in wanted]
        if left:
            notes.append(f"only in {run}, so not compared: {', '.join(left)}")
        part = frame[frame["variant"].isin(wanted)]
        kept.append(part.assign(variant=run + ": " + part["variant"].astype(str)))
        variants += [
            VariantInfo(f"{run}: {name}", run, params={} if single else {"variant": name})
            for name in wanted
        ]
    notes += _changed(baseline, candidate)
    _check_imported(baseline, candidate)
    return pd.concat(kept, ignore_index=True), variants, notes


def _check_common(baseline: pd.DataFrame, candidate: pd.DataFrame) -> None:
    cases = [frame["case_id"].unique() for frame in (baseline, candidate)]
    if not set(cases[0]) & set(cases[1]):
        raise PexError(
            f"the runs have no case in common: case '{cases[0][0]}' is only in the first, "
            f"'{cases[1][0]}' only in the second",
            hint="a comparison needs the same cases; ids come from the inputs unless the cases "
            "have ids of their own",
        )
    scores = [score_names(frame) for frame in (baseline, candidate)]
    if all(scores) and not set(scores[0]) & set(scores[1]):
        raise PexError(
            f"the runs have no score in common ({', '.join(scores[0])}; {', '.join(scores[1])})",
            hint="rescore one of them: pexlab score RUN --scorer …",
        )


def _check_imported(baseline: pd.DataFrame, candidate: pd.DataFrame) -> None:
    """Refuse imported runs over different data: their ids are often just numbers from 1 on.

    Rows of an imported run have no key of a request, as pex sent none.
    """
    frames = [
        frame.drop_duplicates("case_id").set_index("case_id") for frame in (baseline, candidate)
    ]
    if not any("request_key" in f and f["request_key"].fillna("").eq("").all() for f in frames):
        return
    ids = _other_contents(*frames)
    if len(ids):
        common = len(frames[0].index.intersection(frames[1].index))
        raise PexError(
            f"the runs are over different data: {len(ids):,} of {common:,} cases have the same id "
            f"but different inputs or expected answers, such as case '{ids[0]}'",
            hint="import results over the same data set, or of the cases that have not changed",
        )


def _other_contents(a: pd.DataFrame, b: pd.DataFrame) -> pd.Index:
    """The ids of cases in both that have other inputs or another expected answer."""
    common = a.index.intersection(b.index)
    inputs = [n for n in a.columns if n.startswith("case.") and n in b.columns]
    inputs += ["expected"] if "expected" in a.columns and "expected" in b.columns else []
    first, second = (side.loc[common, inputs].astype(object).map(str) for side in (a, b))
    return common[(first != second).any(axis=1)]


def _changed(baseline: pd.DataFrame, candidate: pd.DataFrame) -> list[str]:
    """Differences in the data: cases missing from one run, or with other contents."""
    a, b = (
        frame.drop_duplicates("case_id").set_index("case_id") for frame in (baseline, candidate)
    )
    notes = []
    common = a.index.intersection(b.index)
    alone = [len(a) - len(common), len(b) - len(common)]
    if any(alone):
        notes.append(
            f"the runs have different cases: {alone[0]} only in {BASELINE}, {alone[1]} only in "
            f"{CANDIDATE}; the {len(common)} in both are compared"
        )
    changed = len(_other_contents(a, b))
    if changed:
        cases = "1 case has" if changed == 1 else f"{changed:,} cases have"
        notes.append(f"{cases} the same id but different inputs or expected answers")
    return notes
