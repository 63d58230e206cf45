import pytest

from pex.core.cases import load_cases
from pex.core.provenance import Provenance


@pytest.mark.parametrize("nobody", [False, True, 0, 1, " ", "", None, "False", "0", ["Ada"]])
def test_only_a_name_accepts_a_generated_case(nobody):
    (case,) = load_cases([{"q": "a", "origin": "generated", "accepted_by": nobody}])
    assert not case.accepted
    assert Provenance(accepted_by="1000").accepted


@pytest.mark.parametrize("origin", ["Generated", "generated ", " GENERATED\n"])
def test_an_origin_in_other_letters_is_still_generated(origin):
    (case,) = load_cases([{"q": "a", "origin": origin, "accepted_by": ""}])
    assert not case.accepted


def test_without_its_column_nobody_has_accepted():
    rows = [{"q": "a", "origin": "generated", "origin_model": "m"}, {"q": "b", "origin": ""}]
    cases = load_cases(rows)
    assert [(case.inputs, case.accepted) for case in cases] == [
        ({"q": "a"}, False),
        ({"q": "b"}, True),
    ]
    (own,) = load_cases([{"q": "a", "origin": "generated"}])
    assert (own.inputs, own.accepted) == ({"q": "a", "origin": "generated"}, True)
