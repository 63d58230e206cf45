"""What a run says of itself: read, written, and read by older and newer versions."""

import copy
import json
import pickle
from typing import Any

import pytest

from pex.core.about import FORMAT, About, JudgeInfo, VariantInfo
from pex.core.errors import PexError

DATA: dict[str, Any] = {
    "name": "x", "purpose": "", "note": "", "status": "finished", "run_id": "r1",
    "tracking_uri": None, "experiment_id": "0", "started_at": "2026-01-01T00:00:00+00:00",
    "elapsed_s": 1.0, "cases": 2, "repeats": 1,
    "variants": [{"name": "a", "prompt": "a", "prompt_version": "1", "model": "lab/m",
                  "params": {"stop": ["."]}, "own_params": {}}],
    "prompts": [{"name": "a", "text": "{{ q }}", "description": "", "origin": None}],
    "models": ["lab/m"], "scorers": ["label"], "scorer_items": ["label"], "judges": [],
    "gate": {"baseline": "a", "metric": "label"}, "max_error_share": 0.05, "budget_usd": 1.0,
    "spent_usd": 0.5, "journal": {"run": "j", "mode": "reuse", "continued": False},
    "counts": {"requests": 2, "answered": 1, "replayed": 0, "errors": 1, "not_asked": 0},
    "versions": {"python": "3"}, "how_to": ["pexlab ui"],
    "cases_file": {"path": "cases.csv", "columns": {}},
}  # fmt: skip


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in DATA.items() if name != key}


def test_what_is_read_is_what_is_written() -> None:
    about = About.from_json(DATA)
    assert about.to_json() == {"format": FORMAT, **DATA}
    again = About.from_json(json.loads(json.dumps(about.to_json())))
    assert again == about == copy.deepcopy(about) == pickle.loads(pickle.dumps(about))


def test_it_is_a_mapping_that_nobody_changes() -> None:
    about = About.from_json(DATA)
    assert about["counts"]["answered"] == about.counts.answered == 1
    assert {**about}["variants"][0]["params"] == {"stop": ["."]}
    assert about.get("record_error") is None
    assert "record_error" not in about
    about["models"].append("lab/other")
    assert list(about.models) == ["lab/m"]
    with pytest.raises(TypeError):
        about["name"] = "y"  # type: ignore[index]


def test_keys_of_a_newer_version_are_kept() -> None:
    data = copy.deepcopy(DATA) | {"weather": "fine"}
    data["variants"][0]["colour"] = "blue"
    data["counts"]["skipped"] = 3
    about = About.from_json(data)
    assert about.variants == [
        VariantInfo("a", "a", "1", "lab/m", {"stop": ["."]}, {}, extra={"colour": "blue"})
    ]
    assert about.to_json() == {"format": FORMAT, **data}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (without("status"), "run 'r', about.json: 'status' is missing"),
        (DATA | {"counts": {"requests": 1}}, "about.json: counts: 'answered' is missing"),
        (DATA | {"variants": [{}]}, r"about.json: variants\[0\]: 'name' is missing"),
        (DATA | {"prompts": {"a": "b"}}, "about.json: prompts: expected a list, got"),
        ([], r"about.json: expected an object, got \[\]"),
        (DATA | {"format": FORMAT + 1}, "written by a newer version of pexlab"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_the_file(data: Any, said: str) -> None:
    with pytest.raises(PexError, match=said):
        About.from_json(data, "run 'r', about.json")


def test_judges_that_nobody_calibrated_are_named() -> None:
    judges = [{"name": "polite", "calibrated": False}, {"name": "kind", "calibrated": True}]
    about = About.from_json(DATA | {"judges": judges})
    assert about.uncalibrated == ["polite"]
    assert about.judges[0] == JudgeInfo("polite")
