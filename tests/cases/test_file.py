"""One change in a file of cases: what else is in it stays, byte for byte."""

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pex.cases.file import add, correct, row_text
from pex.core.cases import Case, parse_cases
from pex.core.errors import PexError

CSV = Path("cases.csv")
JSONL = Path("cases.jsonl")
COLUMNS = {"id": "nr", "expected": "label"}


@pytest.mark.parametrize(
    "text",
    [
        "nr,q,label\n1,a,x\n2,b,@\n",
        "\ufeffnr,q,label\r\n1,a,x\r\n2,b,@",
        '"nr","q","label"\n"1","a","x"\n"2","b","@"\n',
        'label, q ,nr\nx,"two\r\nlines, ""so""",1\n\n,,\n@,"b",2\n',
        "nr,q,label\r1,a,x\r2,b,@\r",
        "nr,q,label\n1,a\u2028b,x\n2,請 \x0b,@\n",
    ],
)
def test_one_field_of_a_csv_changes_and_nothing_else(text: str) -> None:
    for before, after in (("y", "new"), ("", "new"), ("y", "")):
        data = text.replace("@", before).encode()
        assert correct(data, CSV, COLUMNS, "2", after).decode() == text.replace("@", after)


@pytest.mark.parametrize(
    "text",
    [
        '{"nr": 1, "q": "a"}\n{"nr": 2, "q": "b", "label": @}\n',
        '{"q":"a","nr":"1","label":"x"}\r\n\r\n{"q":"\\u00e9","label":@,"nr":"2"}',
        '\ufeff {"nr":1,"q":"}\\"{","label":"x"}\n{ "nr" : 2 , "q" : {"label": 1.50} , '
        '"label" :@ }\n{"nr":3,"q":"\u2028","label":"z"}\n',
    ],
)
def test_one_value_of_a_jsonl_changes_and_nothing_else(text: str) -> None:
    for before in ('"y"', "null", '["y"]'):
        data = text.replace("@", before).encode()
        assert correct(data, JSONL, COLUMNS, "2", "NEW").decode() == text.replace("@", '"NEW"')


def test_a_jsonl_row_without_the_key_gets_it_in_its_own_way() -> None:
    lines = '{"nr": 1, "label": "x"}\n{"nr": 2, "q": 1.50 }\n'
    assert correct(lines.encode(), JSONL, COLUMNS, "2", "y").decode() == lines.replace(
        "1.50 }", '1.50, "label": "y" }'
    )
    lines = '{"nr":1,"label":"x","q":"a"}\n{"nr":2,"q":"b"}'
    assert correct(lines.encode(), JSONL, COLUMNS, "2", "y").decode() == lines.replace(
        '"b"}', '"b","label":"y"}'
    )


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)


@given(
    rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6, unique_by=lambda row: row[0]),
    value=TEXT | st.just('a\r\n"b",'),
    quoted=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_is_written_is_read_again_and_the_rest_stays(rows, value, quoted, end) -> None:
    table = [("nr", "q", "label"), *((str(n), *row) for n, row in enumerate(rows))]
    out = io.StringIO()
    csv.writer(out, quoting=int(quoted), lineterminator=end).writerows(table)
    lines = [json.dumps(dict(zip(table[0], row, strict=True)), ensure_ascii=False) + end
             for row in table[1:]]  # fmt: skip
    for path, text in ((CSV, out.getvalue()), (JSONL, "".join(lines))):
        data = text.encode()
        number = len(rows) // 2
        before = parse_cases(data, path, COLUMNS)
        after = parse_cases(correct(data, path, COLUMNS, str(number), value), path, COLUMNS)
        assert [case.expected for case in after] == [
            (value or None if path is CSV else value) if n == number else case.expected
            for n, case in enumerate(before)
        ]
        changed = correct(data, path, COLUMNS, str(number), value)
        back = correct(changed, path, COLUMNS, str(number), rows[number][1])
        # A value that needed quotes leaves them where it stood.
        assert back.replace(b'"', b"") == data.replace(b'"', b"")


def test_ids_that_are_digests_of_the_inputs_find_their_row() -> None:
    data = b"q,expected\na,x\nb,y\n"
    second = parse_cases(data, CSV)[1]
    assert correct(data, CSV, {}, second.id, "z, z") == b'q,expected\na,x\nb,"z, z"\n'


@pytest.mark.parametrize(
    ("data", "case_id", "message"),
    [
        (b"nr,q\n1,a\n", "1", "no column 'label'"),
        (b"nr,q,label\n1,a,x\n", "9", "no longer has a case '9'"),
        (b"nr,q\n\x81\xaa\x8d,\xbc", "1", "not UTF-8"),
    ],
)
def test_what_cannot_be_corrected_is_said(data: bytes, case_id: str, message: str) -> None:
    columns = {"id": "nr"} if message == "no column 'expected'" else COLUMNS
    with pytest.raises(PexError, match=message):
        correct(data, CSV, columns, case_id, "z")


@pytest.mark.parametrize(
    ("path", "before", "row"),
    [
        (CSV, "nr,kind,q,label\n1,a;b,one,x", '\n2,c,"two, ""3""",y'),
        (CSV, '"nr","q","label","kind"\r\n"1","one","x","a"\r\n',
         '"2","two, ""3""","y","c"\r\n'),
        (JSONL, '{"nr":1,"kind":["a"],"q":"one","label":"x"}\n',
         '{"nr":2,"kind":["c"],"q":"two, \\"3\\"","label":"y"}\n'),
        (JSONL, '{"nr": "1", "label": "x", "q": "one", "kind": "a"}',
         '\n{"nr": "2", "label": "y", "q": "two, \\"3\\"", "kind": "c"}'),
    ],
)  # fmt: skip
def test_a_row_is_added_in_the_way_of_the_others(path: Path, before: str, row: str) -> None:
    case = Case("2", {"q": 'two, "3"'}, "y", None, ("c",))
    columns = {**COLUMNS, "tags": "kind"}
    assert add(before.encode(), path, columns, case).decode() == before + row
    assert row_text(before.encode(), path, columns, case) == row.strip()


def test_a_row_that_the_file_has_no_place_for_is_refused() -> None:
    for case, message in (
        (Case("1", {"q": "b"}, "y"), "same inputs|the id '1'"),
        (Case("2", {"question": "b"}, "y"), "no column 'question'"),
        (Case("2", {"q": "b"}, "y", None, ("t",)), "no column for tags"),
        (Case("2", {"q": "b"}, "y", "g"), "no column for groups"),
    ):
        with pytest.raises(PexError, match=message):
            add(b"nr,q,label\n1,a,x\n", CSV, COLUMNS, case)
    with pytest.raises(PexError, match="no column for expected answers"):
        add(b"nr,q\n1,a\n", CSV, {"id": "nr"}, Case("2", {"q": "b"}, "y"))


@pytest.mark.parametrize("ending", [".parquet", ".xlsx"])
def test_a_parquet_or_excel_file_is_only_read(ending: str) -> None:
    frame = pd.DataFrame({"nr": [1, 2], "turns": ["a", "b"], "label": ["x", "y"]})
    out = io.BytesIO()
    frame.to_parquet(out) if ending == ".parquet" else frame.to_excel(out, index=False)
    path, data = Path(f"cases{ending}"), out.getvalue()
    for change in (
        lambda: correct(data, path, COLUMNS, "2", "z"),
        lambda: add(data, path, COLUMNS, Case("3", {"turns": "c"}, "z")),
    ):
        with pytest.raises(PexError, match=r"file is only read\n.*save its cases as CSV"):
            change()
    # The row can still be copied, to be pasted where the file is made.
    row = row_text(data, path, COLUMNS, Case("3", {"turns": "c"}, "z"))
    assert row == ('{"nr": 3, "turns": "c", "label": "z"}' if ending == ".parquet" else "3\tc\tz")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_delimiter_quoting_encoding_and_line_ends_are_kept(encoding: str, end: str) -> None:
    lines = ["nr;q;label", '1;"Größe; naß";@', "2;Öl, 3,5 l;x", ""]
    text = end.join(lines)
    data = text.replace("@", "gut").encode(encoding)
    changed = correct(data, CSV, COLUMNS, "1", "sehr gut; übel")
    assert changed == text.replace("@", '"sehr gut; übel"').encode(encoding)
    added = add(data, CSV, COLUMNS, Case("3", {"q": "Maß"}, "y"))
    assert added == (text.replace("@", "gut") + f"3;Maß;y{end}").encode(encoding)


def test_a_character_that_the_encoding_does_not_have_is_refused() -> None:
    data = "nr;q;label\n1;Größe;gut\n".encode("cp1252")
    with pytest.raises(PexError, match="is in Windows-1252, which has no '請'"):
        correct(data, CSV, COLUMNS, "1", "請")
