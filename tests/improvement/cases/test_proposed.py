import pytest

from pex.core.canonical_json import digest
from pex.core.case import Case
from pex.core.cases import load_cases
from pex.core.errors import PexError
from pex.core.provenance import Provenance
from pex.improvement.cases.proposed import Proposals
from pex.improvement.cases.review import review

COLUMNS = "origin,origin_model,origin_way,origin_seed,accepted_by,accepted_on"


def case_of(text, expected="x", **more):
    inputs = {"q": text, **more.pop("inputs", {})}
    return Case(digest(inputs), inputs, expected, provenance=Provenance("m", "edge", "s"), **more)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("b,x,generated,m,edge,s,,", "which nobody has accepted"),
        ("b,other,,,,,,", "with the expected answer 'other'"),
    ],
)
def test_a_case_that_the_file_has_otherwise_is_told_and_nothing_changes(tmp_path, row, said):
    path = tmp_path / "cases.csv"
    path.write_text(f"q,expected,{COLUMNS}\n{row}\n")
    before = path.read_bytes()
    proposals = Proposals(tmp_path / "proposed_cases.jsonl", path)
    case = case_of("b")
    proposals.add([case])
    with pytest.raises(PexError, match=said):
        proposals.accept(case.id)
    assert path.read_bytes() == before
    assert [item.case.id for item in proposals.open()] == [case.id]


def test_a_case_that_was_added_before_a_kill_is_accepted_again(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("q,expected\na,x\n")
    proposals = Proposals(tmp_path / "proposed_cases.jsonl", path)
    case = case_of("b")
    proposals.add([case])
    waiting = proposals.path.read_bytes()
    proposals.accept(case.id)
    proposals.path.write_bytes(waiting)
    proposals.accept(case.id)
    assert [item.inputs["q"] for item in load_cases(path)] == ["a", "b"]
    assert proposals.open() == []


def test_without_a_file_of_cases_it_says_what_to_do(tmp_path):
    proposals = Proposals(tmp_path / "reviews" / "proposed_cases.jsonl", None)
    proposals.add([case_of("b")])
    with pytest.raises(PexError, match=r'exp\.save\("experiments/reviews/experiment\.yaml"\)'):
        proposals.accept(case_of("b").id)
    assert len(proposals.open()) == 1


def test_an_edited_group_is_the_group(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("q,product,expected\na,chair,x\n")
    columns = {"group": "product"}
    proposals = Proposals(tmp_path / "proposed_cases.jsonl", path, columns)
    case = case_of("b", inputs={"product": "chair"}, group="chair")
    proposals.add([case])
    proposals.accept(case.id, {"product": "table"})
    assert [item.group for item in load_cases(path, columns)] == ["chair", "table"]


def test_taking_back_a_no_does_not_ask_again_about_what_was_accepted(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("q,expected\na,x\n")
    proposals = Proposals(tmp_path / "proposed_cases.jsonl", path)
    proposals.add([case_of("b"), case_of("c"), case_of("d")])
    answers = iter(["n", "y", "u", "y", "n"])  # one more question would be an error
    assert review(proposals, lambda question: next(answers), lambda text: None) == (2, 1)
    assert [item.inputs["q"] for item in load_cases(path)] == ["a", "c", "b"]
