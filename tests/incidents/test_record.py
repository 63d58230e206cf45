"""Records are the team's files: what pex does not have to change stays, byte for byte."""

import datetime
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pex.core.errors import PexError
from pex.incidents.fields import read_fields, with_fields
from pex.incidents.record import find, incidents, parse, update, with_entries

EDITED = """\
---
# our own note
title: "A: letters"   # as Ada calls it
severity: 1
prompt: ask
affected:
  - 2
  - 3        # found later
aliases: [champion]
began_at: 2026-11-30T03:00:00+01:00
noticed_at: 2026-11-30 02:30 UTC
contained_at:
owner: Ada   # a key of ours
containment: []
---
# Letters

```
## Timeline
- no line of it
```

## Timeline
- 2026-11-30 02:30 UTC · Ada · noticed
- our own line, without a time


### A heading of ours
Words.
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_edits_by_hand_survive(tmp_path, line_end):
    path = tmp_path / "2026-11-30-ask.md"
    path.write_bytes(EDITED.replace("\n", line_end).encode())
    done = [{"alias": "champion", "from": 3, "to": 1}]
    found = update(
        path,
        {"contained_at": "2026-11-30 02:44:10 UTC", "containment": done, "affected": [2, 3, 4]},
        ["2026-11-30 02:44 UTC · Bob · contained"],
    )
    expected = (
        EDITED.replace("  - 2\n  - 3        #", "  [2, 3, 4]        #")
        .replace("contained_at:", "contained_at: 2026-11-30 02:44:10 UTC")
        .replace("containment: []", "containment: [{alias: champion, from: 3, to: 1}]")
        .replace("without a time\n", "without a time\n- 2026-11-30 02:44 UTC · Bob · contained\n")
    )
    assert path.read_bytes().decode() == expected.replace("\n", line_end)
    assert (found.affected, found.containment, found.state) == ((2, 3, 4), tuple(done), "contained")
    assert found.took("noticed") == datetime.timedelta(minutes=30)
    assert found.took("contained") == datetime.timedelta(minutes=14, seconds=10)
    assert found.took("fixed") is None
    assert found.timeline()[1:] == ["our own line, without a time",
                                    "2026-11-30 02:44 UTC · Bob · contained"]  # fmt: skip
    update(path, {"contained_at": None, "containment": []})
    assert f"contained_at:{line_end}" in path.read_bytes().decode()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["title", "case", "new"]),
        st.one_of(st.none(), st.booleans(), st.integers(-5, 5), TEXT,
                  st.lists(TEXT, max_size=2)),
    )
)  # fmt: skip
@example({"title": "on", "case": "12:30", "new": "- a: #b"})
@example({"title": "0x1F", "case": "~", "new": "2026-11-30"})
def test_whatever_is_written_is_read_again(values):
    text = "---\ntitle: x\ncase: 'y'   # ours\n---\n# X\n"
    changed = with_fields(text, "f", values)
    assert read_fields(changed, "f") == {"title": "x", "case": "y", **values}
    assert changed.endswith("\n---\n# X\n")


def test_what_cannot_be_changed_in_place_is_left(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("---\nseverity: 2\ntitle: |\n  two\n  lines\n---\n# A\n")
    with pytest.raises(PexError, match="several lines"):
        update(path, {"title": "one"})
    assert "two\n  lines" in path.read_text()


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("severity: high", "'severity': expected a whole number from 1, got 'high'"),
        ("severity: 2\naffected: v3", r"'affected': expected versions of the prompt, such as \["),
        (
            "severity: 2\nnoticed_at: 2026-11-30 03:12",
            "'noticed_at': expected a time with its zone",
        ),
        ("severity: 2\naliases: champion", "'aliases': expected a list in brackets"),
        ("severity: [2", "line 3: not valid YAML"),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path, front, said):
    with pytest.raises(PexError, match=rf"incidents/a\.md.*{said}"):
        parse(tmp_path / "a.md", f"---\n{front}\n---\n# A\n")


def test_without_an_id_it_is_the_only_open_one(project):
    folder = project / "incidents"
    folder.mkdir()
    (folder / "template.md").write_text("no record")
    closed = "closed_at: 2026-11-30 03:00 UTC\n"
    for name, more in [("2026-11-29-ask", closed), ("2026-11-30-ask", ""), ("d", "drill: true\n")]:
        (folder / f"{name}.md").write_text(f"---\nseverity: 2\n{more}---\n# A\n")
    (folder / "broken.md").write_text("# no front matter\n")
    known, problems = incidents(project)
    assert {item.id for item in known} == {"2026-11-29-ask", "2026-11-30-ask", "d"}
    assert "incidents/broken.md, line 1: expected the front matter" in problems[0]
    assert find(project, None).id == "2026-11-30-ask"
    assert find(project, "11-29").id == "2026-11-29-ask"
    with pytest.raises(PexError, match="which incident"):
        find(project, "ask")
    with pytest.raises(PexError, match="did you mean '2026-11-30-ask'"):
        find(project, "2026-11-30-aks")


def test_a_record_without_a_timeline_gets_one():
    assert with_entries("# A\n## Rest", ["x"]) == "# A\n## Rest\n\n## Timeline\n- x\n"
    assert (
        json.dumps(with_entries("# A\r\n", ["x"])) == '"# A\\r\\n\\r\\n## Timeline\\r\\n- x\\r\\n"'
    )
