"""What a Playground starts from: prompts, experiments, and anybody's own data."""

from pathlib import Path

import pandas as pd
import pytest

import pex

CSV = "Ticket no;Text body;expected\n1;Größe passt nicht;return\n2;Danke!;thanks\n"
ROWS = [
    {"Text body": f"It broke, says {n}.", "expected": "no" if n % 2 else "yes"} for n in range(8)
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pex.toml").touch()
    (tmp_path / "tickets.csv").write_bytes(CSV.encode("cp1252"))


def _experiment(*given: object, **options: object) -> pex.Experiment:
    return pex.Playground(*given, record=False, **options).experiment


@pytest.mark.parametrize("kind", ["frame", "list", "csv", "xlsx", "parquet", "jsonl"])
def test_it_opens_with_the_rows_of_a_table_as_cases(kind: str) -> None:
    frame = pd.DataFrame(ROWS)
    source: object = {"frame": frame, "list": ROWS}.get(kind, f"rows.{kind}")
    match kind:
        case "csv":
            frame.to_csv("rows.csv", index=False, sep=";", encoding="utf-16")
        case "xlsx":
            frame.to_excel("rows.xlsx", index=False)
        case "parquet":
            frame.to_parquet("rows.parquet")
        case "jsonl":
            frame.to_json("rows.jsonl", orient="records", lines=True)
    exp = _experiment(source)
    assert [case.inputs["Text body"] for case in exp.cases] == [row["Text body"] for row in ROWS][
        :3
    ]
    (variant,) = exp.variants
    assert variant.prompt.text == "{{ Text_body }}\n\nAnswer with one of: no, yes."
    assert exp.name == ("rows" if kind not in ("frame", "list") else "playground")


def test_columns_and_reading_are_the_users() -> None:
    file = {"file": "tickets.csv", "delimiter": ";", "encoding": "cp1252"}
    exp = _experiment(file, columns={"id": "Ticket no", "text": "Text body"})
    assert [case.id for case in exp.cases] == ["1", "2"]
    assert exp.variants[0].prompt.text == "{{ text }}"
    assert exp.cases[0].values["text"] == "Größe passt nicht"


def test_prompts_and_cases_together() -> None:
    prompts = ["Topic of {{ Text_body }}", "Is it urgent? {{ Text_body }}"]
    exp = _experiment(prompts, cases="tickets.csv")
    assert [variant.name for variant in exp.variants] == ["draft", "draft-2"]
    assert len(exp.cases) == 2
    (only,) = _experiment(["Topic of {{ text }}"]).variants
    assert only.prompt.text == "Topic of {{ text }}"


def test_an_edited_cell_of_a_column_with_a_space_stays_in_its_column() -> None:
    from pex.playground import starting
    from pex.playground.session import Session

    session = Session("", starting.given("tickets.csv"), record=False)
    entry = session.draft.entries[0]
    shown = session.document()["cases"][0]["inputs"]
    assert shown == {"Text_body": "Größe passt nicht"}
    session.edit({"act": "edit_case", "case": entry.id, "field": "Text_body", "value": "Neu"})
    case = session.draft.cases[entry.id]
    assert case.inputs == {"Ticket no": "1", "Text body": "Neu"}
    assert session.document()["cases"][0]["inputs"] == {"Text_body": "Neu"}
    session.edit(
        {"act": "edit_case", "case": entry.id, "field": "Text_body", "value": "Größe passt nicht"}
    )
    assert not session.draft.entries[0].typed
    assert not any(session.draft.column_problems.values())


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("tickts.csv", {}, "no such file\n  did you mean 'tickets.csv'"),
        ("pex.toml", {}, "cannot read '.toml'\n  use .csv"),
        ("folder.csv", {}, "this is a folder"),
        ([], {}, "it has no cases"),
        ([1, 2], {}, "row 1: expected a dict, got int"),
        (5, {}, "expected a file or rows, got int"),
        ("no-such", {}, "there is no experiment 'no-such'"),
        ("tickets.csv", {"cases": ROWS}, "two tables of cases"),
        ("exp", {"cases": ROWS}, "an experiment has its own cases"),
    ],
)
def test_what_cannot_be_opened_is_named(source: object, options: dict, message: str) -> None:
    Path("folder.csv").mkdir()
    if source == "exp":
        variants = pex.grid([pex.Prompt("{{ q }}", name="p")], "local/smollm2")
        source = pex.Experiment("e", variants, [{"q": "a"}])
    with pytest.raises(pex.PexError, match=message):
        pex.Playground(source, record=False, **options)


def test_a_typed_case_beside_those_of_a_file_can_be_saved(tmp_path: Path) -> None:
    from pex.playground import starting
    from pex.playground.session import Session

    session = Session("", starting.given("tickets.csv", columns={"text": "Text body"}), False)
    session.edit({"act": "add_case"})
    entry = session.draft.entries[-1]
    session.edit({"act": "edit_case", "case": entry.id, "field": "text", "value": "Typed"})
    saved = session.save_to({"to": "experiment", "path": str(tmp_path / "mine/experiment.yaml")})
    assert "experiment.yaml" in saved
    exp = pex.Experiment.load(tmp_path / "mine/experiment.yaml")
    assert [case.values["text"] for case in exp.cases] == ["Größe passt nicht", "Danke!", "Typed"]
    assert [case.id for case in exp.cases] == [case.id for case in session.draft.cases.values()]
