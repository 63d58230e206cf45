"""Small files that unpack to more than memory, are nested without end or hold endless numbers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from pex.core import jsontext, parquet
from pex.core.cases import load_cases
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.yamltext import load_yaml
from pex.project.files import read_toml, read_yaml


def aliases(form: str, depth: int = 9) -> str:
    more = (form.format(n=n, of=", ".join([f"*a{n - 1}"] * 9)) for n in range(1, depth))
    return "\n".join(["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]", *more])


DEEP = "it is nested more than 100 levels deep"
MANY = "its aliases expand to more than 100,000 values"
BOMBS: dict[str, tuple[str, str]] = {
    "lists of aliases": (aliases("a{n}: &a{n} [{of}]"), f"line 6: not valid YAML: {MANY}"),
    "merged mappings": (
        "a0: &a0 {x: 1, y: 2}\n"
        + "\n".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 9)),
        f"not valid YAML: {MANY}",
    ),
    "keys that are aliases": (
        "a: &a [" + ", ".join(["x"] * 999) + "]\n" + "b: [" + ", ".join(["*a"] * 999) + "]",
        f"line 2: not valid YAML: {MANY}",
    ),
    "an alias of itself": ("a: &a [1, *a]", "line 1: not valid YAML: an alias inside"),
    "a mapping of itself": ("a: &a\n  b: *a", "line 2: not valid YAML: an alias inside"),
    "deep by aliases": (
        "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 2000)),
        f"not valid YAML: {DEEP}",
    ),
    "deep in one line": ("a: " + "[" * 100_000, f"line 1: not valid YAML: {DEEP}"),
    "deep mappings": ("a: " + "{a: " * 5000, f"line 1: not valid YAML: {DEEP}"),
    "deep by indent": (
        "\n".join(" " * n + f"a{n}:" for n in range(500)),
        f"not valid YAML: {DEEP}",
    ),
    "deep dashes": ("- " * 3000 + "x", f"not valid YAML: {DEEP}"),
    "deep keys": ("? " * 3000 + "x", f"not valid YAML: {DEEP}"),
    "a long number": ("a: 1\nb: " + "9" * 10**6, "line 2: not valid YAML: a number of 1,000,000"),
    "a long number in hexadecimal": ("a: 0x" + "f" * 10**6, "line 1: not valid YAML: a number of"),
    "a long decimal": ("a: 1." + "3" * 10**6, "line 1: not valid YAML: a number of"),
    "minutes": ("%YAML 1.1\n---\na: 1" + ":59" * 10**5, "not valid YAML"),
    "many documents": ("a: 1\n---\nb: 2\n" * 1000, "not valid YAML: but found another document"),
    "a list as a key": ("? [a, b]\n: c\n? [a, [b]]\n: d\n? {a: b}\n: c", "not valid YAML"),
    "a strange boolean": ("a: !!bool perhaps", "not valid YAML"),
    "a strange number": ("a: !!int many", ""),
    "a Python object": ("a: !!python/object/apply:os.system [ls]", "not valid YAML"),
}


@pytest.mark.parametrize(("text", "said"), BOMBS.values(), ids=list(BOMBS))
def test_a_hostile_yaml_text_is_an_error_with_its_place(text: str, said: str) -> None:
    if not said:
        load_yaml(text, "f.yaml")
        return
    with pytest.raises(PexError) as raised:
        load_yaml(text, "f.yaml")
    assert raised.value.message.startswith("f.yaml")
    assert said in raised.value.message
    assert len(raised.value.message) < 300


def test_aliases_that_people_write_are_read() -> None:
    text = "base: &base {model: m, params: {temperature: 0}}\nuse:\n"
    text += "".join(f"  v{n}: {{<<: *base, name: n{n}}}\n" for n in range(1000))
    data = load_yaml(text, "f").data
    assert data["use"]["v999"] == {"model": "m", "params": {"temperature": 0}, "name": "n999"}


def test_a_prompt_file_with_a_bomb_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bomb.prompty"
    path.write_text(f"---\n{BOMBS['lists of aliases'][0]}\n---\nHello {{{{ x }}}}")
    with pytest.raises(PexError, match=rf"bomb\.prompty, line 7: not valid YAML: {MANY}"):
        Prompt.load(path)


class _Any(BaseModel):
    a: Any = None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, DEEP),
        ("a = " + "[" * 150 + "]" * 150, DEEP),
        ("a = " + "{a = " * 5000 + "1" + "}" * 5000, DEEP),
        ("a" + ".a" * 50_000 + " = 1", "line 1: not valid TOML: a key of more than 100 parts"),
        ("x = 1\n[a" + ' . "b"' * 50_000 + "]", "line 2: not valid TOML: a key of more than 100"),
        ("a = " + "9" * 5000, "a number that is too long"),
    ],
)
def test_a_hostile_toml_file_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "pex.toml"
    path.write_text(text)
    with pytest.raises(PexError) as raised:
        read_toml(path, _Any)
    assert str(path) in raised.value.message
    assert said in raised.value.message


def test_a_yaml_file_of_settings_is_read_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("a: 1\nb: " + "[" * 300)
    with pytest.raises(PexError, match=rf"plan\.yaml, line 2: not valid YAML: {DEEP}"):
        read_yaml(path, _Any, "plan")


DEEP_JSON = '{"x": ' + "[" * 500 + "]" * 500 + "}"
VERY_DEEP_JSON = '{"x": ' + "[" * 200_000 + "]" * 200_000 + "}"
LONG_JSON = '{"x": ' + "9" * 5000 + "}"


@pytest.mark.parametrize("text", [DEEP_JSON, VERY_DEEP_JSON, LONG_JSON, "[" * 200_000])
def test_hostile_json_is_a_value_error(text: str) -> None:
    for given in (text, text.encode()):
        with pytest.raises(ValueError):
            jsontext.loads(given)


def test_the_line_in_which_json_becomes_too_deep() -> None:
    text = '{"a": "[[[[",\n"b": ["\\"[", 1],\n"c": ' + "[" * 300 + "]" * 300 + "}"
    with pytest.raises(ValueError, match=r"^line 3: it is nested more than 100 levels deep"):
        jsontext.loads(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DEEP_JSON, DEEP),
        (VERY_DEEP_JSON, DEEP),
        (LONG_JSON, "a whole number of more than 4300 digits; put it in quotes"),
    ],
)
def test_a_hostile_line_of_cases_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(f'{{"x": 1}}\n{text}\n')
    with pytest.raises(PexError) as raised:
        load_cases(path)
    assert f"{path}, line 2: not valid JSON: " in raised.value.message
    assert said in raised.value.message


def test_a_csv_with_too_many_columns_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(",".join(f"c{n}" for n in range(200_000)) + "\n" + "," * 199_999 + "x\n")
    with pytest.raises(PexError, match="200,000 columns"):
        load_cases(path)


def written(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def repeated(text: str, rows: int) -> pa.Table:
    indices = pa.array([0] * rows, pa.int32())
    return pa.table({"x": pa.DictionaryArray.from_arrays(indices, [text]).cast(pa.string())})


PARQUETS: dict[str, Callable[[], bytes]] = {
    "zeros": lambda: written(pa.table({"x": pa.nulls(1, pa.binary(400_000)).fill_null(
        bytes(400_000))}).take([0] * 500), compression="gzip", use_dictionary=False),
    "one text in every row": lambda: written(repeated("a" * 10**5, 2000), compression="gzip"),
    "a long list": lambda: written(pa.table({"x": pa.array([[None] * 30_000_000])})),
}  # fmt: skip


@pytest.mark.parametrize("make", PARQUETS.values(), ids=list(PARQUETS))
def test_a_parquet_file_that_unpacks_to_far_more_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[], bytes]
) -> None:
    monkeypatch.setattr(parquet, "_ALWAYS_BYTES", 50_000_000)
    monkeypatch.setattr(parquet, "_PART_BYTES", 10_000_000)
    data = make()
    assert len(data) < 2_500_000
    path = tmp_path / "cases.parquet"
    path.write_bytes(data)
    before = pa.total_allocated_bytes()
    with pytest.raises(PexError, match=r"cases\.parquet: its .* bytes unpack to more than"):
        load_cases(path)
    assert pa.total_allocated_bytes() - before < 100_000_000


def test_a_parquet_file_that_is_read_in_parts_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({"x": [f"text {n}" * 50 for n in range(500)], "n": list(range(500))})
    data = written(table)
    monkeypatch.setattr(parquet, "_ALWAYS_BYTES", 5_000_000)
    monkeypatch.setattr(parquet, "_PART_BYTES", 1_000_000)
    assert parquet.read_table(data, "f").equals(table)
    assert len(parquet.read_table(written(table.slice(0, 0)), "f")) == 0


def test_levels_are_counted() -> None:
    wide = [[n] for n in range(100_000)]
    assert not jsontext.is_deep(wide)
    assert jsontext.is_deep(json.loads("[" * 101 + "]" * 101))
    assert not jsontext.is_deep(json.loads("[" * 100 + "]" * 100))
