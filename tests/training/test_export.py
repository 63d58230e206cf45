"""Training data of an experiment: what is chosen, what never is, and what is written."""

from __future__ import annotations

import hashlib
import json
import random
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

from pex.core.errors import PexError
from pex.project.settings import load_settings
from pex.training.export import export

PROMPT = (
    "---\nname: short\n---\nsystem:\nAnswer with one word.\n\nuser:\n"
    "Positive or negative? {{ review }}\n"
)


def review(number: int) -> str:
    """A text unlike the others."""
    dice = random.Random(number)
    return " ".join("".join(dice.choices("abcdefghijklmnoprstuvw", k=6)) for _ in range(8))


def cases(first: int, end: int, **others: Any) -> list[dict[str, Any]]:
    return [
        {
            "case_id": f"c{number}", "review": review(number), "product": f"p{number // 3}",
            "label": ("positive", "negative")[number % 2], **others,
        }
        for number in range(first, end)
    ]  # fmt: skip


def experiment(
    project: Path, rows: list[dict[str, Any]], name: str = "reviews", more: str = "",
    prompt: str = PROMPT,
) -> Path:  # fmt: skip
    folder = project / "experiments" / name
    (folder / "prompts").mkdir(parents=True, exist_ok=True)
    (folder / "prompts" / "short.prompty").write_text(prompt)
    (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "experiment.yaml"
    path.write_text(
        f"name: {name}\ncases: cases.jsonl\nprompts: [prompts/short.prompty]\n"
        "models: [lab/m1, lab/m2]\n"
        f"scorers: [label]\ncolumns: {{expected: label, group: product}}\n{more}"
    )
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


GATE = "gate: {baseline: lab/m1, metric: label, margin: 0.02}\n"


def test_rows_groups_card_and_manifest(project: Path) -> None:
    experiment(project, cases(0, 60))
    found = export("reviews", "openai-chat", "data", validation=0.2, price=25.0, licence="CC0")
    train, validation = (rows_of(project / "data" / f"{n}.jsonl") for n in ("train", "validation"))
    assert len(train) + len(validation) == 60
    assert 9 <= len(validation) <= 15
    first = next(row for row in (*train, *validation) if review(0) in str(row))
    assert first["messages"] == [
        {"role": "system", "content": "Answer with one word."},
        {"role": "user", "content": f"Positive or negative? {review(0)}"},
        {"role": "assistant", "content": "positive"},
    ]
    about = rows_of(project / "data" / "rows.jsonl")
    groups = {name: {one["group"] for one in about if one["file"] == name} for name in found.files}
    assert not groups["train.jsonl"] & groups["validation.jsonl"]
    lines = {name: (project / "data" / name).read_bytes().splitlines() for name in found.files}
    for one in about:
        line = lines[one["file"]][one["line"] - 1]
        assert hashlib.sha256(line).hexdigest() == one["sha256"]
        assert review(int(one["case_id"][1:])) in line.decode()
    card = (project / "data" / "README.md").read_text()
    tokens = found.files["train.jsonl"]["tokens"]
    assert f"about ${tokens * 25 / 1e6:.2f} at $25 a million" in card
    assert "- CC0: 60" in card
    manifest = json.loads((project / "data" / "export.json").read_text())
    assert manifest["files"] == found.files
    assert found.findings == []


def test_held_out_cases_are_never_exported_not_even_reworded(project: Path) -> None:
    held = cases(30, 40, split="test")
    reworded = {**cases(50, 51)[0], "review": review(31).upper() + " !", "split": "train"}
    other = {**cases(51, 52)[0], "review": review(70), "split": "train"}
    experiment(project, [*cases(0, 30, split="train"), *held, reworded, other])
    # The other experiment calls the column otherwise and has a gate: all its cases test.
    tested = [{"case_id": "x", "text": review(70), "label": "positive", "product": "q"}]
    experiment(project, tested, "other", GATE, PROMPT.replace("review", "text"))
    found = export("reviews", "openai-chat", "data", validation=0)
    assert found.left_out == {
        "held out: split 'test' of reviews": 10,
        "held out: split 'test' of reviews, reworded": 1,
        "held out: cases test (a gate, no splits) of other, reworded": 1,
    }
    text = (project / "data" / "train.jsonl").read_text()
    assert len(text.splitlines()) == 30
    for number in (*range(30, 40), 70):
        assert review(number) not in text


def test_an_experiment_with_a_gate_and_no_splits_is_all_test(project: Path) -> None:
    experiment(project, cases(0, 20), more=GATE)
    with pytest.raises(PexError, match="nothing is left to export") as raised:
        export("reviews", "openai-chat", "data")
    assert "a column 'split'" in str(raised.value)
    assert not list(project.glob(".data*")) + list(project.glob("data"))
    experiment(project, cases(0, 20), more="")
    plan = project / "experiments" / "reviews" / "plan.yaml"
    plan.write_text("name: nightly\ngate: {baseline: pinned, metric: label, margin: 0.02}\n")
    with pytest.raises(PexError, match="cases test"):
        export("reviews", "openai-chat", "data")
    plan.unlink()
    shares = "splits: {train: 0.5, select: 0.25, confirm: 0.25}\n"
    experiment(project, cases(0, 80), more=GATE + shares)
    found = export("reviews", "openai-chat", "data", validation=0)
    assert 30 <= found.files["train.jsonl"]["rows"] <= 50
    assert {"held out: split 'select' of reviews", "held out: split 'confirm' of reviews"} <= set(
        found.left_out
    )


def test_an_unreadable_experiment_stops_the_export(project: Path) -> None:
    experiment(project, cases(0, 20))
    broken = experiment(project, cases(30, 40), "broken")
    broken.write_text("name: broken\ncase: x\n")
    with pytest.raises(PexError, match="the held-out cases of broken are not known"):
        export("reviews", "openai-chat", "data")


def test_duplicates_contradictions_and_missing_answers_are_counted(project: Path) -> None:
    rows = cases(0, 15)
    again = {**rows[0], "case_id": "again", "review": review(0)}
    near = {**rows[1], "case_id": "near", "review": review(1) + "!"}
    contradicts = {**rows[2], "case_id": "other", "label": "negative"}
    missing = {**cases(20, 21)[0], "label": None}
    experiment(project, [*rows, again, near, contradicts, missing])
    found = export("reviews", "trl-messages", "data", validation=0)
    assert found.left_out == {
        "no expected answer": 1, "a duplicate": 1, "a near-duplicate of an earlier row": 1,
        "the same inputs with another answer": 1,
    }  # fmt: skip


def test_personal_data_and_secrets(project: Path) -> None:
    rows = cases(0, 15)
    rows[3]["review"] += " write to ada.lovelace@firm.org"
    rows[4]["review"] += " or ada.lovelace@firm.org, grace@firm.org"
    experiment(project, rows)
    found = export("reviews", "openai-chat", "data", validation=0)
    text = (project / "data" / "train.jsonl").read_text()
    assert "firm.org" not in text
    assert sum(found.personal.values()) == 3
    kept = export("reviews", "openai-chat", "kept", validation=0, personal="keep")
    assert "ada.lovelace@firm.org" in (project / "kept" / "train.jsonl").read_text()
    assert kept.personal == found.personal == {"e-mail address": 3}
    with pytest.raises(PexError, match="keep: "):
        export("reviews", "openai-chat", "part", keep=["re:("])
    with pytest.raises(
        PexError, match="2 rows look as if they had personal data: cases 'c3', 'c4'"
    ):
        export("reviews", "openai-chat", "refused", personal="refuse")
    rows[5]["review"] += " AKIA" + "IOSFODNN7EXAMPL2"
    experiment(project, rows)
    with pytest.raises(PexError, match="case 'c5' has a secret") as raised:
        export("reviews", "openai-chat", "refused")
    assert "EXAMPL2" not in str(raised.value)
    assert not (project / "refused").exists()


def test_a_placeholder_stands_for_one_value_and_what_is_kept_stays(project: Path) -> None:
    rows = cases(0, 12)
    rows[1]["review"] += " for ada@firm.org and help@shop.org"
    rows[2]["review"] += " again Ada@firm.org"
    rows[9]["review"] += " hidden before: [EMAIL_1]"
    rows[3] |= {
        "origin": "trace", "origin_trace": "tr-1", "origin_prompt": "short/3",
        "origin_user": "u-77", "origin_reason": "thumb down", "accepted_by": "Ada",
    }  # fmt: skip
    experiment(project, rows)
    (project / "pex.toml").write_text('[models."lab/m1"]\ntraining_usd_per_million = 8.0\n')
    found = export("reviews", "trl-messages", "data", validation=0, keep=["@shop.org"])
    text = (project / "data" / "train.jsonl").read_text()
    # [EMAIL_1] was there before, for another address.
    assert text.count("[EMAIL_2]") == 2
    assert text.count("[EMAIL_1]") == 1
    assert "help@shop.org" in text
    assert "at $8 a million tokens (`lab/m1`)." in found.card
    about = {row["case_id"]: row for row in rows_of(project / "data" / "rows.jsonl")}
    assert about["c3"]["origin"] == "a deployed trace"
    assert [about["c3"][f"origin_{key}"] for key in ("trace", "user", "prompt")] == [
        "tr-1", "u-77", "short/3",
    ]  # fmt: skip
    assert "origin_trace" not in about["c2"]


def test_a_kit_has_what_an_open_model_is_trained_with(project: Path) -> None:
    experiment(project, cases(0, 40))
    found = export("reviews", "lora-kit", "kit")
    kit = project / "kit"
    assert {path.name for path in kit.iterdir()} == {
        "README.md", "export.json", "requirements.txt", "rows.jsonl", "train.jsonl", "train.py",
        "validation.jsonl",
    }  # fmt: skip
    script = runpy.run_path(str(kit / "train.py"))
    rows = script["load_rows"](kit / "train.jsonl")
    assert len(rows) == found.files["train.jsonl"]["rows"]
    assert [message["role"] for message in rows[0]["messages"]] == ["system", "user", "assistant"]
    (kit / "bad.jsonl").write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n')
    with pytest.raises(ValueError, match=r"bad\.jsonl:1: no messages"):
        script["load_rows"](kit / "bad.jsonl")
    card = (kit / "README.md").read_text()
    assert card == found.card
    toml = card.partition("```toml\n")[2].partition("```")[0]
    (project / "pex.toml").write_text(toml)
    assert load_settings(project).providers["own"].base_url == "http://127.0.0.1:8000/v1"


def test_nothing_is_overwritten_and_an_interruption_leaves_nothing(project: Path) -> None:
    experiment(project, cases(0, 1500))
    export("reviews", "alpaca", "data")
    before = (project / "data" / "train.jsonl").read_bytes()
    with pytest.raises(PexError, match="already there"):
        export("reviews", "sharegpt", "data")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export("reviews", "sharegpt", "data", force=True, on_progress=stop)
    assert (project / "data" / "train.jsonl").read_bytes() == before
    export("reviews", "sharegpt", "data", force=True, dry_run=True)
    assert (project / "data" / "train.jsonl").read_bytes() == before
    export("reviews", "sharegpt", "data", force=True)
    assert "conversations" in rows_of(project / "data" / "train.jsonl")[0]
    assert [path.name for path in project.glob(".data*")] == []
    (project / "own").mkdir()
    (project / "own" / "notes.txt").write_text("mine")
    with pytest.raises(PexError, match="is there and is not an export"):
        export("reviews", "sharegpt", "own", force=True)


def test_images_and_tools_where_the_format_has_them(project: Path) -> None:
    prompt = (
        "---\nname: short\ntools:\n  - {name: look, parameters: {place: {kind: string}}}\n"
        "---\nuser:\nWhat is it? ![]({{ picture }})\n"
    )
    rows = [
        {"case_id": f"c{n}", "picture": f"https://example.org/{review(n).replace(' ', '-')}.png",
         "label": f"thing {n}", "product": f"p{n}"}
        for n in range(12)
    ]  # fmt: skip
    experiment(project, rows, prompt=prompt)
    found = export("reviews", "openai-chat", "data", validation=0)
    row = rows_of(project / "data" / "train.jsonl")[0]
    assert row["messages"][0]["content"][1]["image_url"]["url"] == rows[0]["picture"]
    assert row["tools"][0]["function"]["name"] == "look"
    assert found.findings == []
    for format_name in ("alpaca", "trl-messages"):
        with pytest.raises(PexError, match=r"nothing is left to export .*it has an image"):
            export("reviews", format_name, "none", validation=0)


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"format": "openai-chats"}, "unknown format", "openai-chat"),
        ({"what": "review"}, "review", "reviews"),
        ({"sources": ["expcted"]}, "no source 'expcted'", "expected"),
        ({"format": "openai-dpo", "sources": ["expected"]}, "does not fit openai-dpo", "ratings"),
        ({"personal": "hidden"}, "unknown 'hidden'", "hide"),
        ({"validation": 1.0}, "a share from 0 to below 1", ""),
        ({"prompt": "shrt"}, "no prompt 'shrt'", "short"),
    ],
)
def test_wrong_use_is_named(
    project: Path, changes: dict[str, Any], message: str, hint: str
) -> None:
    experiment(project, cases(0, 12))
    given = {"what": "reviews", "format": "openai-chat", "out": "data", **changes}
    with pytest.raises(PexError) as raised:
        export(given.pop("what"), given.pop("format"), given.pop("out"), **given)
    assert message in raised.value.message
    assert hint in str(raised.value)
    assert not (project / "data").exists()
    shutil.rmtree(project / "experiments")
