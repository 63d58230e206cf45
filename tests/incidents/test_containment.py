"""The real switch: aliases of a registry go back, versions are disabled, and both are undone."""

import datetime

import pytest

import pex
from pex.core.errors import PexError
from pex.incidents.containment import contain, plan_containment, undo
from pex.incidents.moments import text_of
from pex.incidents.opening import Opening, open_incident
from pex.incidents.record import read
from pex.incidents.switch import MovedError, Switch, before_first
from pex.library.moves import Move
from tests.helpers.command import pexlab
from tests.helpers.promoting import aliases

AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def opened(**said):
    """An incident of versions 2 and 4."""
    return open_incident(None, "ask@champion", Opening(**{"affected": [2, 4], **said})).incident


def test_it_goes_back_to_before_the_first_affected_version_and_twice_does_no_harm(ask):
    incident = opened(title="It swears")
    planned = plan_containment(ask, incident)
    assert [str(step) for step in planned.steps] == ["champion: version 4 → version 3"]
    assert aliases(ask) == {"champion": 4}
    contained, _ = contain(ask, incident)
    assert aliases(ask) == {"champion": 3}
    assert contained.state == "contained"
    assert contained.timeline()[-1].endswith("contained: champion of ask moved from version 4 to 3")
    text = contained.path.read_text()
    again, done = contain(ask, contained)
    assert (done.steps, again.path.read_text()) == ((), text)
    last = Switch.of(ask, "ask").moves("champion")[-1]
    assert (last.kind, last.because) == ("rollback", f"incident {incident.id}: It swears")

    back, said = undo(ask, contained)
    assert (aliases(ask), back.state, len(said)) == ({"champion": 4}, "open", 1)
    assert undo(ask, back)[1] == []


def test_what_somebody_moved_meanwhile_is_not_undone(ask):
    contained, _ = contain(ask, opened())
    pex.library.set_alias("ask", "champion", 1)
    with pytest.raises(MovedError, match=r"points to version 1, not to version 3; nothing was"):
        undo(ask, contained)
    assert aliases(ask) == {"champion": 1}
    assert read(contained.path).containment == contained.containment


def test_disabling_serves_the_version_before_and_is_undone(ask):
    contained, done = contain(ask, opened(), disables=True)
    assert str(done.steps[0]) == ("champion: version 4 → version 3 (version 2 is disabled)")
    assert aliases(ask) == {"champion": 4}
    assert pex.library.load("ask@champion", ttl_s=0).origin == "ask/3"
    assert contained.state == "contained"
    undo(ask, contained)
    assert pex.library.load("ask@champion", ttl_s=0).origin == "ask/4"


def test_a_switch_by_hand_counts_with_its_own_time(ask):
    incident = opened()
    pex.library.set_alias("ask", "champion", 1)
    contained, done = contain(ask, incident)
    moved = Switch.of(ask, "ask").moves("champion")[-1].at
    assert done.steps == ()
    assert text_of(contained.times["contained_at"]) == text_of(moved)
    assert "outside of this record" in contained.timeline()[-1]


def test_without_a_version_to_go_back_to_it_says_what_to_do(project, uri):
    pex.library.save(pex.Prompt("One: {{ q }}", name="ask"), alias="champion")
    open_incident(None, "ask@champion", Opening())
    refused = pexlab("incident", "contain", "--yes", folder=project)
    assert refused.returncode == 2
    assert "no move says where 'champion' of 'ask' pointed before version 1" in refused.stderr
    assert "--disable" in refused.stderr
    assert aliases(project) == {"champion": 1}


def test_nothing_changes_without_somebody_who_confirms(ask):
    name = opened().id
    refused = pexlab("incident", "contain", folder=ask)
    assert "nobody is here to confirm it" in refused.stderr
    assert "champion: version 4 → version 3" in refused.stderr
    assert aliases(ask) == {"champion": 4}
    done = pexlab("incident", "contain", "--to", "1", "--yes", folder=ask)
    assert (done.returncode, aliases(ask)) == (0, {"champion": 1})
    assert f"contained  {name}" in done.stdout
    with pytest.raises(PexError, match="version 2 is affected itself"):
        plan_containment(ask, opened(), to=2)


@pytest.mark.parametrize(
    ("way", "affected", "usable", "target"),
    [
        ([(None, 1), (1, 3), (3, 2), (2, 4)], {2, 4}, {1, 3}, 3),
        ([(None, 1), (1, 3), (3, 2), (2, 4)], {2, 4}, {1}, 1),  # 3 was disabled since
        ([(None, 1), (1, 2), (2, 1), (1, 3), (3, 2)], {2}, {1, 3}, 1),
        ([(None, 2), (2, 3)], {2}, {3}, None),
        ([(None, 1)], {2}, {1}, None),
    ],
)
def test_before_the_first_affected_version(way, affected, usable, target):
    moves = [
        Move(prompt="ask", alias="champion", before=before, to=to, by="ada", at=AT)
        for before, to in way
    ]
    assert before_first(moves, affected, usable) == target
