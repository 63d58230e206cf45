"""How a file is read: found out and said, or asked if two readings fit; values stay as they are."""

import datetime
import io
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

import pex
from pex.core.cases import load_cases, read_cases
from pex.core.encodings import candidates
from pex.core.reading import AmbiguousError, Reading

ROWS = [("Größe", "3,5", "gut"), ("Maß; naß", "12,75", "schlecht")]


def _csv(delimiter: str, rows: list = ROWS) -> str:
    lines = [delimiter.join(("Text body", "n", "expected"))]
    for row in rows:
        cells = [f'"{cell}"' if delimiter in cell else cell for cell in row]
        lines.append(delimiter.join(cells))
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize(
    ("delimiter", "encoding", "sentence"),
    [
        (";", "cp1252", "read as semicolon-separated Windows-1252 with decimal commas; 2 rows"),
        (";", "utf-8-sig", "read as semicolon-separated UTF-8 with decimal commas; 2 rows"),
        ("\t", "utf-16", "read as tab-separated UTF-16 with decimal commas; 2 rows"),
        ("|", "mac_roman", "read as bar-separated Mac Roman with decimal commas; 2 rows"),
        (",", "utf-8", "read as comma-separated UTF-8; 2 rows"),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_a_table_is_read_however_it_was_saved(
    delimiter: str, encoding: str, sentence: str, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"tickets{ending}"
    path.write_bytes(_csv(delimiter).encode(encoding))
    table = read_cases(path)
    assert [case.inputs for case in table.cases] == [
        {"Text body": "Größe", "n": "3,5"},
        {"Text body": "Maß; naß", "n": "12,75"},
    ]
    assert table.sentences == [f"tickets{ending}: {sentence}"]
    assert table.unusual == ([] if delimiter == "," else table.sentences)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Très déçu, où est l’élève ? Ça coûte 5 €", "cp1252"),
        ("El año pasado ¿qué pasó? ¡Señor! Está aquí", "cp1252"),
        ("Søren får ø og æble", "cp1252"),
        ("zażółć gęślą jaźń, świat", "cp1250"),
        ("příliš žluťoučký kůň", "cp1250"),
        ("Привет мир, как дела", "cp1251"),
        ("Привет мир, как дела", "koi8-r"),
        ("Καλημέρα κόσμε", "cp1253"),
        ("Çok güzel ışık şehir ağaç", "cp1254"),
        ("שלום עולם", "cp1255"),
        ("こんにちは世界。日本語のテキスト", "cp932"),
        ("你好世界，这是中文", "gb18030"),
        ("안녕하세요 세계", "euc-kr"),
        ("Größe, señor, très déçu, ça", "cp1252"),
        ("only 5 €", "cp1252"),
        # One short word, of which only one reading is a word of any language.
        ("Tür", "cp1252"),
        ("Müller", "cp1252"),
        ("niño", "cp1252"),
        ("España", "cp1252"),
        ("più", "cp1252"),
        ("città", "cp1252"),
        ("naïve", "cp1252"),
        ("dzień", "cp1250"),
        ("pięć", "cp1250"),
        ("нет", "cp1251"),
        ("хорошо", "cp1251"),
        ("שלום", "utf-8"),
        ("á", "utf-8"),
        ("–", "utf-8"),
    ],
)
def test_the_encoding_is_that_of_the_letters(text: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(f'id,q\n1,"{text}"\n2,plain\n'.encode(encoding))
    assert [case.inputs["q"] for case in load_cases(path)] == [text, "plain"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("knæ, træ og kø", "cp1252"),
        ("það er við með", "cp1252"),
        ("ďakujem, vŕba", "cp1250"),
        ("doğdu, dağ", "cp1254"),
        ("m², 20 °C, ½ l", "cp1252"),
    ],
)
def test_no_language_is_ruled_out_by_its_own_words(text: str, encoding: str) -> None:
    assert encoding in candidates(text.encode(encoding))


@pytest.mark.parametrize(
    ("data", "key", "message"),
    [
        (
            b"id;text,label\n1;a,x\n2;b,y\n",
            "delimiter",
            r"two readings fit\n  delimiter: \",\" gives id;text='1;a', label='x'\n"
            r"  delimiter: \";\" gives id='1', text,label='a,x'\n"
            r"  choose one, for example: cases: \{file: c.csv, delimiter: \",\"",
        ),
        ("q,expected\nvocê,x\n".encode("cp1252"), "encoding",
         'encoding: "cp1252" gives você\n  encoding: "cp1250" gives vocę'),
        (b"q;expected\na;1.234\nb;5.678\n", "decimal", '"," gives 1.234 = 1234\n.*1.234 = 1.234'),
    ],
)  # fmt: skip
def test_where_two_readings_fit_both_are_shown(
    data: bytes, key: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(data)
    with pytest.raises(AmbiguousError, match=message) as caught:
        load_cases(path)
    assert caught.value.key == key
    assert caught.value.exit_code == 2
    for reading, _ in caught.value.choices:  # each of them is an answer
        again = read_cases({"file": path, **reading.given()})
        assert getattr(again.reading, key) == getattr(reading, key)


def test_the_choice_is_kept_by_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_bytes(_csv(";").encode("cp1252"))
    variants = pex.grid([pex.Prompt("{{ Text_body }}", name="p")], "local/smollm2")
    exp = pex.Experiment("tickets", variants, tmp_path / "tickets.csv", ["exact"])
    saved = exp.save(tmp_path / "experiment.yaml")
    text = saved.read_text("utf-8")
    assert "file: tickets.csv" in text
    for line in ("delimiter: ;", "encoding: cp1252", "decimal: ','"):
        assert line.replace("'", "") in text.replace("'", "").replace('"', "")
    again = pex.Experiment.load(saved)
    assert again.data.reading == Reading(";", "cp1252", ",")
    # It holds for a notebook that uses the same file, and is not questioned again.
    (tmp_path / "tickets.csv").write_bytes(b"Text body;n\nplain;1\n")
    assert pex.Experiment("x", variants, tmp_path / "tickets.csv").data.reading == (
        again.data.reading
    )


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"delimiter": ";;"}, "delimiter: expected one character"),
        ({"encoding": "cp125"}, "unknown encoding 'cp125'\n  did you mean 'cp125"),
        ({"decimal": "'"}, "decimal: expected ',' or '.'"),
        ({"sheet": "a"}, "'sheet' does not apply to a csv file"),
        ({"delimter": ";"}, "unknown key 'delimter'\n  did you mean 'delimiter'"),
        ({"encoding": "utf-8"}, "not UTF-8 .byte 24, line 2.\n.*name its encoding"),
        ({"delimiter": 3}, "delimiter: expected a string"),
        ({"file": ""}, "'file' is missing"),
    ],
)
def test_what_cannot_be_so_is_named(how: dict, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(_csv(";").encode("cp1252"))
    with pytest.raises(pex.PexError, match=message):
        load_cases({"file": path, **how})


VALUES = ["007", "1e5", "NA", "null", "12345678901234567890", "3.10", "TRUE", "2026-01-02", " a "]


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_values_stay_the_text_they_are(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"c{ending}"
    frame = pd.DataFrame({"n": [str(n) for n in range(len(VALUES))], "value": VALUES})
    frame.to_csv(path, index=False) if ending == ".csv" else frame.to_excel(path, index=False)
    assert [case.inputs["value"] for case in load_cases(path)] == VALUES


def _xlsx(path: Path, rows: list, formats: dict | None = None) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for place, number_format in (formats or {}).items():
        book.active[place].number_format = number_format
    book.save(path)
    return path


def test_what_a_spreadsheet_stores_is_text_as_a_person_reads_it(tmp_path: Path) -> None:
    day, minute = datetime.datetime(2026, 1, 2), datetime.datetime(2026, 1, 2, 9, 5)
    values = [7.0, 2.5, 1067, day, minute, datetime.time(9, 5), True, 1e15, 0.1, -3, "=a"]
    rows = [["id", "value"], *([n, value] for n, value in enumerate(values, 1))]
    path = _xlsx(tmp_path / "c.xlsx", rows, {"B4": "00000"})
    book = openpyxl.load_workbook(path)
    book.active["B12"].data_type = "s"
    book.save(path)
    table = read_cases(path, {"id": "id"})
    assert [case.inputs["value"] for case in table.cases] == [
        "7", "2.5", "01067", "2026-01-02", "2026-01-02T09:05:00", "09:05:00", "TRUE",
        "1000000000000000", "0.1", "-3", "=a",
    ]  # fmt: skip
    assert table.sentences == ["c.xlsx: 11 rows"]


def _with_value(path: Path, formula: str, value: str) -> None:
    """Store the value of a formula, as a spreadsheet program does."""
    old = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(old)) as archive, zipfile.ZipFile(path, "w") as out:
        for item in archive.namelist():
            text = archive.read(item)
            text = text.replace(
                f"<f>{formula}</f><v/>".encode(), f"<f>{formula}</f><v>{value}</v>".encode()
            ).replace(f"<f>{formula}</f><v />".encode(), f"<f>{formula}</f><v>{value}</v>".encode())
            out.writestr(item, text)


def test_of_formulas_the_values_are_read_and_that_is_said(tmp_path: Path) -> None:
    path = _xlsx(tmp_path / "c.xlsx", [["q", "n"], ["a", "=1+2"], ["b", 4]])
    with pytest.raises(pex.PexError, match=r"B2 is a formula without a value \(=1\+2\)\n.*save it"):
        load_cases(path)
    _with_value(path, "1+2", "3")
    table = read_cases(path)
    assert [case.inputs["n"] for case in table.cases] == ["3", "4"]
    assert table.notes == ("1 formula (B2) read as their last calculated values",)
    assert table.unusual[0] == "c.xlsx: 2 rows"


def test_of_several_sheets_one_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "c.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"q": ["a"]}).to_excel(writer, sheet_name="First", index=False)
        pd.DataFrame({"q": ["b"]}).to_excel(writer, sheet_name="Second", index=False)
    with pytest.raises(AmbiguousError, match='sheet: "First" gives 1 rows of q'):
        load_cases(path)
    table = read_cases({"file": path, "sheet": "Second"})
    assert table.cases[0].inputs == {"q": "b"}
    assert table.sentences[0] == "c.xlsx: read as sheet 'Second'; 1 row"
    with pytest.raises(pex.PexError, match="no sheet 'Secnd'\n  did you mean 'Second'"):
        load_cases({"file": path, "sheet": "Secnd"})


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("c.xlsx", b"PK\x03\x04 and no more", "not a readable .xlsx file"),
        ("c.xlsx", b"", "not a readable .xlsx file"),
        ("c.xlsx", OLE + "EncryptedPackage".encode("utf-16-le"), "protected with a password"),
        ("c.xlsx", OLE, "an old .xls file\n  save it as .xlsx"),
        ("c.xls", OLE, "cannot read '.xls'\n  save it as .xlsx or CSV"),
        ("c.ods", b"", "cannot read '.ods'\n  save it as .xlsx or CSV"),
    ],
)
def test_a_spreadsheet_that_cannot_be_read_is_named(
    name: str, data: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(pex.PexError, match=message):
        load_cases(path)


def test_a_broken_spreadsheet_is_named(tmp_path: Path) -> None:
    path = _xlsx(tmp_path / "c.xlsx", [["q", "n"], ["a", 1]])
    with zipfile.ZipFile(path) as archive:
        parts = {item: archive.read(item) for item in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    for broken in ({sheet: parts[sheet][:200]}, {"xl/workbook.xml": b"<"}):
        with zipfile.ZipFile(path, "w") as out:
            for item, text in (parts | broken).items():
                out.writestr(item, text)
        with pytest.raises(pex.PexError, match=r"not a readable \.xlsx file"):
            load_cases(path)
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("a.txt", "a")
    with pytest.raises(pex.PexError, match=r"a zip archive, but not an \.xlsx file"):
        load_cases(path)


def test_a_sheet_that_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pex.core import xlsx

    path = _xlsx(tmp_path / "c.xlsx", [["q"], *(["x" * 200] for _ in range(2000))])
    monkeypatch.setattr(xlsx, "_ALWAYS_BYTES", 1000)
    monkeypatch.setattr(xlsx, "_TIMES", 1)
    with pytest.raises(pex.PexError, match="unpacks to more than"):
        load_cases(path)


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_500_columns(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"c{ending}"
    frame = pd.DataFrame([{f"Column {n}": f"v{n}" for n in range(500)}])
    frame.to_csv(path, index=False) if ending == ".csv" else frame.to_excel(path, index=False)
    table = read_cases(path)
    assert table.cases[0].values["Column_499"] == "v499"
    assert "and 460 more columns" in repr(table)
    assert "and 460 more columns" in table._repr_html_()


def test_what_was_understood(tmp_path: Path) -> None:
    rows = [
        {
            "id": n,
            "Text <body>": "a\nb" if n else "",
            "label": "x",
            "lang": "de fr"[n // 2 * 3 :][:2],
        }
        for n in range(4)
    ]
    table = read_cases(rows, {"id": "id", "expected": "label", "group": "lang"})
    assert [(c.name, c.role, c.variable, c.example, c.empty) for c in table.columns] == [
        ("id", "id", "", "0", 0.0),
        ("Text <body>", "input", "Text_body", "a b", 0.25),
        ("label", "expected", "", "x", 0.0),
        ("lang", "group, input", "lang", "de", 0.0),
    ]
    assert "2 groups: the comparison counts groups, not cases; for filtering use tags" in repr(
        table
    )
    assert "Text &lt;body&gt;" in table._repr_html_()
    assert pex.Experiment(
        "e", pex.grid([pex.Prompt("{{ lang }}", name="p")], "local/smollm2"), table
    ).data is table  # fmt: skip


def test_the_decimal_sign_decides_what_is_expected(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("q;price;expected\na;0,5;1,234\nb;1,5;2\n")
    variants = pex.grid([pex.Prompt("{{ q }}", name="p")], "local/smollm2")
    exp = pex.Experiment("e", variants, path, ["number"])
    assert exp.data.reading.decimal == ","
    from pex.core.call import Answer
    from pex.score.number import number

    scored = number(0.0, 0.0)(Answer(output="It is 1.234"), exp.cases[0])
    assert scored.value is True
    assert "expected 1.234" in scored.reason
    wrong = number(0.0, 0.0)(Answer(output="It is 1234"), exp.cases[0])
    assert wrong.value is False
