"""What others said, and the files of a cloned project, become no more than text in a record."""

import os

import pytest

from pex.core.errors import PexError
from pex.incidents.opening import Opening, open_incident
from pex.incidents.overview import overview
from pex.incidents.record import entry, incidents, parse, read, with_entries
from pex.incidents.template import template_of
from tests.helpers.deployed import bulk_traces

FORGED = "x\n\n## Timeline\n- 2026 · forged\u2028- forged ![i](http://evil.invalid/a.png) <b>"


def test_no_field_of_a_trace_forges_a_heading_a_line_or_a_picture(ask):
    row = {"trace_id": "tr-1", "prompt": "ask/4", "inputs": {FORGED: FORGED, "# h": "a"},
           "response": f"Yes. {FORGED} {'`' * 9}"}  # fmt: skip
    bulk_traces(f"sqlite:///{ask}/mlruns/mlflow.db", "app", [row])
    opened = open_incident("tr-1", said=Opening(title=FORGED)).incident
    written = with_entries(opened.text, [entry(FORGED, who=FORGED)])
    incident = parse(opened.path, written)
    assert len(incident.timeline()) == 3
    assert all(line[:5] == "2026-" or "trace tr-1" in line for line in incident.timeline())
    assert incident.timeline()[-1].count("![i](http://evil.invalid/a.png) <b>") == 2, "as it was"
    fence, outside = "", []
    for line in written.split("---\n", 2)[2].replace("\u2028", "\n").split("\n"):
        if line.startswith("```"):
            fence = "" if line == fence else fence or line.removesuffix("text")
        elif not fence:
            outside.append(line)
    assert [line for line in outside if line.startswith("## Timeline")] == ["## Timeline"]
    assert "\\# h:" in outside
    assert not [line for line in outside if "![i](" in line or "<b>" in line or "- forged" in
                line[:9]]  # fmt: skip


def test_a_record_that_is_a_pipe_a_link_or_endless_is_a_line_of_the_list(project, tmp_path_factory):
    folder = project / "incidents"
    folder.mkdir()
    away = tmp_path_factory.mktemp("home") / "notes.md"
    away.write_text("---\nseverity: 1\ntitle: private\n---\n")
    (folder / "link.md").symlink_to(away)
    os.mkfifo(folder / "pipe.md")
    with (folder / "sparse.md").open("wb") as file:
        file.truncate(10**13)
    (folder / "long.md").write_text(f"---\nseverity: 1\n---\n# x{' ' * 300_000}y\n#{'#' * 10**6}y")
    found, problems = incidents(project)
    assert [item.id for item in found] == ["long"]
    assert ["pipe" in text or "10,000,000 MB" in text for text in problems] == [True, True]
    assert "private" not in overview(project).html()


@pytest.mark.parametrize("name", ["incidents", "incidents/template.md"])
def test_nothing_is_written_or_read_through_a_link_out_of_the_project(name, ask, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    target = home / "new"
    if name == "incidents":
        target.mkdir()
    else:
        (ask / "incidents").mkdir()
    (ask / name).symlink_to(target)
    with pytest.raises(PexError, match="leads out of the project"):
        open_incident(None, "ask@champion")
    assert list(home.rglob("*.md")) == []
    assert target.is_dir() is (name == "incidents")


def test_a_template_that_is_a_pipe_does_not_hang(project):
    (project / "incidents").mkdir()
    os.mkfifo(project / "incidents/template.md")
    with pytest.raises(PexError, match="pipe or a device"):
        template_of(project)
    with pytest.raises(PexError, match="no such file"):
        read(project / "incidents/none.md")
