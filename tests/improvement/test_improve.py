"""A better prompt is found, chosen and confirmed on cases that it was not made from."""

from pex.improvement.improvement import improve
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.improving import BAD, GOOD, START, Listed, experiment, follow


def test_a_better_prompt_is_found_and_confirmed(lab: FaultyEndpoint) -> None:
    follow(lab)
    texts = [f"{START} {BAD}", START, f"{START} {GOOD}", f"{START} Please."]
    result = improve("short", experiment(), budget_usd=1, ways=[Listed(texts, 4)], show=False)
    assert result.prompt.text == f"{START} {GOOD}"
    assert result.verdict == "better"
    print(result)
    print(result.notes)
