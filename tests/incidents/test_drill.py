"""A drill moves the real switch and puts it back, whatever happens."""

import json

import pytest

import pex
from pex.core import private
from pex.core.errors import PexError
from pex.incidents.drill import put_back, start_drill
from pex.incidents.overview import overview
from pex.incidents.record import incidents
from pex.library.registry_api import cards
from pex.tracking.store import connect
from tests.helpers.command import pexlab
from tests.helpers.promoting import aliases


def test_a_drill_on_a_prompt_of_the_project_measures_and_puts_back(ask):
    seen = []

    def wait(text):
        assert put_back(ask) == []  # another command meanwhile
        seen.append(aliases(ask))

    done = start_drill(ask, "ask@champion", wait=wait, say=lambda line: None)
    assert seen == [{"champion": 4}, {"champion": 4}, {"champion": 2}]
    assert aliases(ask) == {"champion": 4}
    assert (done.incident.drill, done.incident.state) == (True, "closed")
    assert None not in [done.incident.took(name) for name in ("noticed", "contained", "fixed")]
    assert overview(ask).median("contained", drills=True)[1] == 1
    assert overview(ask).known == ()


def test_ctrl_c_puts_back(ask):
    def stop(text):
        if aliases(ask)["champion"] == 2:
            raise KeyboardInterrupt

    said = []
    with pytest.raises(KeyboardInterrupt):
        start_drill(ask, "ask@champion", wait=stop, say=said.append)
    assert aliases(ask) == {"champion": 4}
    assert "put back: champion of ask is at version 4 again" in said
    (record,), _ = incidents(ask)
    assert "drill stopped; champion was put back" in record.timeline()[-1]
    assert record.state == "closed"


def test_after_a_crash_the_next_command_puts_back_unless_somebody_moved_it(ask):
    left = {
        "prompt": "ask",
        "alias": "champion",
        "made": False,
        "at": 4,
        "moved_to": 2,
        "record": "a.md",
    }
    state = ask / ".pex" / "drill.json"
    private.folder(state.parent)
    record = ask / "incidents" / "a.md"
    record.parent.mkdir()
    record.write_text("---\nseverity: 2\ndrill: true\ncontainment: [{alias: champion}]\n---\n")
    state.write_text(json.dumps(left))
    pex.library.set_alias("ask", "champion", 2)
    done = pexlab("incident", "list", folder=ask)
    assert "put back: champion of ask is at version 4 again" in done.stderr
    assert aliases(ask) == {"champion": 4}
    assert not state.exists()
    found = incidents(ask)[0][0]
    assert (found.state, found.containment) == ("closed", ())

    pex.library.set_alias("ask", "champion", 1)
    state.write_text(json.dumps(left))
    assert "somebody moved it" in pexlab("incident", "list", folder=ask).stderr
    assert aliases(ask) == {"champion": 1}


def test_without_a_prompt_one_is_made_and_leaves_nothing(project, uri):
    done = pexlab("incident", "drill", "--yes", folder=project)
    assert done.returncode == 0, done.stderr
    assert "who asks for incident-drill@champion now gets version 1" in done.stderr
    assert "nobody was asked" in done.stdout
    assert list(cards(connect(uri))) == []
    assert not (project / "library").exists()
    found = overview(project)
    assert (len(found.drills), found.median("contained", drills=True)) == (1, (None, 0))


def test_a_prompt_that_never_pointed_elsewhere_is_refused_and_nobody_is_asked(project, uri):
    pex.library.save(pex.Prompt("One: {{ q }}", name="ask"), alias="champion")
    with pytest.raises(PexError, match="has never pointed to another version"):
        start_drill(project, "ask", wait=None, say=lambda line: None)
    assert not (project / "incidents").exists()
    assert "nobody is here to practise" in pexlab("incident", "drill", folder=project).stderr
