"""A card says what is known of a prompt, and what is missing; private cases are only counted."""

from __future__ import annotations

import json

import mlflow
import pytest

import pex
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.evidence.card.requirement_states import NewestRun, requirement_states
from pex.evidence.card.run_facts import VariantFacts
from pex.evidence.card.text_change import text_change
from pex.library.registry import save, set_alias
from pex.project.spec import Requirement
from pex.record.measurements import Measurement
from pex.score.requirements import requirement_digest
from tests.helpers import shop_library
from tests.helpers.command import pexlab


@pytest.fixture
def shop(lab, project):
    return shop_library.fill(project, lab)


def test_a_card_has_all_that_is_known(shop, project):
    card = pex.card("review-sentiment")
    text = card.markdown
    for part in (
        "# review-sentiment",
        "Tells happy from unhappy reviews",
        "- **Owner:** ada",
        "task: classification · domain: shop · language: English · risk: low",
        "- **Aliases:** champion = v3",
        "Reviews of up to **500 words** in English.",
        "| `review` | string |",
        "I love it",
        "| R1 | Unhappy reviews are recognised. | must | Support |",
        "lab/m1: 4 of 6 cases passed (67 %)",
        "| R2 | It answers in one word. | should | Data team | **untested** |",
        "| v3 | lab/m1 | label | 67 %",
        "| v3 | lab/m1 | free |",
        "Irony is often read as praise.",
        "2 of 6 cases fail now (v3, run of ",
        "1 of them is marked private and is not shown.",
        "| c4 |",
        "champion: v2 → v3, set by",
        "- **v3** @champion",
        "attempt 3",
        "{+Answer with one+}",
        "## Text of v3",
    ):
        assert part in text, part
    assert card.missing == []
    assert "Secretperson" not in text + card.html + card._repr_html_()
    assert "| c5 |" not in text


def test_safety_figures_are_shown_where_measured(shop):
    found = pex.card("review-sentiment").data.safety
    assert [(line.metric, line.value) for line in found] == [("safety_short", 1.0)]
    assert "*Not measured." in pex.card("refund-reply").markdown


def test_what_is_missing_is_said_with_how_to_add_it(shop):
    card = pex.card("translate")
    assert {"owner", "description", "scores", "requirements", "safety"} <= set(card.missing)
    text = card.markdown
    assert "- **Owner:** missing. Add `metadata: {owner: …}` to the file." in text
    assert "*Purpose: missing. Add `description: …` to the file.*" in text
    assert "Missing. Add <code>metadata: {owner: …}</code> to the file." in card.html


def test_a_reason_for_a_move_stays_on_the_card(shop, project):
    save(Prompt.parse(shop_library.SENTIMENT.format(line="Mood?"), "made", "review-sentiment"))
    pex.promote("review-sentiment", version=4, because="The <b>boss</b> asked for it")
    save(Prompt.parse(shop_library.SENTIMENT.format(line="Mood??"), "made", "review-sentiment"))
    card = pex.card("review-sentiment")
    assert "Because: The &lt;b>boss&lt;/b> asked for it" in card.markdown
    assert "The &lt;b&gt;boss&lt;/b&gt; asked for it" in card.html
    assert (card.data.shown, card.data.aliases) == ("v4", {"champion": 4})


def test_a_prompt_that_is_only_a_file_has_a_card(lab, project):
    (project / "prompts").mkdir()
    (project / "prompts" / "new.prompty").write_text("---\ndescription: New.\n---\nHi {{ name }}\n")
    card = pex.card("new")
    assert card.data.shown == "file"
    assert "It has not been saved in the library yet" in card.markdown
    (project / "prompts" / "broken.prompty").write_text("---\nmodel: [\n---\nHi\n")
    assert "**It cannot be read:**" in pex.card("broken").markdown


def test_a_prompt_marked_private_shows_no_case_data(shop, project):
    path = project / "experiments/reviews/prompts/review-sentiment.prompty"
    path.write_text(path.read_text().replace("  owner: ada", "  owner: ada\n  private: true"))
    text = pex.card("review-sentiment").markdown
    assert "I love it" not in text
    assert "| c4 |" not in text
    assert "no examples" in text
    assert "2 of 6 cases fail now" in text


def _prompt_file(project):
    return project / "experiments/reviews/prompts/review-sentiment.prompty"


@pytest.mark.parametrize(
    "metadata",
    ["owner: ada\n  private: jes", "owner: [ada]\n  private: true", "owner: ada\n  privat: true"],
)
def test_metadata_with_a_mistake_shows_no_case_data(shop, project, metadata):
    path = _prompt_file(project)
    path.write_text(path.read_text().replace("owner: ada", metadata))
    text = pex.card("review-sentiment").markdown
    assert "**It cannot be read:** experiments/reviews/prompts/review-sentiment.prompty" in text
    assert "I love it" not in text
    assert "| c4 |" not in text


@pytest.mark.parametrize("at", ["  owner: ada\n", "---\nname"])
def test_a_file_that_cannot_be_read_shows_no_case_data(shop, project, at):
    path = _prompt_file(project)
    conflict = f"<<<<<<< HEAD\n{at}=======\n>>>>>>> other\n" if at.startswith(" ") else (
        f"<<<<<<< HEAD\n=======\n>>>>>>> other\n{at}"
    )  # fmt: skip
    path.write_text(path.read_text().replace(at, conflict, 1))
    card = pex.card("review-sentiment")
    assert card.data.problem.startswith("review-sentiment.prompty, line ")
    assert card.data.shown == "v3"
    assert "I love it" not in card.markdown
    assert "| c4 |" not in card.markdown


def test_a_newest_version_that_cannot_be_read_shows_no_case_data(shop, project):
    _prompt_file(project).unlink()
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")
    set_alias("review-sentiment", "champion", 2)
    client.set_prompt_version_tag("review-sentiment", "3", "pex.text.1", "other")
    card = pex.card("review-sentiment")
    assert card.data.private
    assert "is not the one that was saved" in card.data.problem


def test_a_case_marked_private_after_the_run_is_only_counted(shop, project):
    path = project / "experiments/reviews/cases.csv"
    path.write_text(path.read_text().replace("negative,irony", "negative,private"))
    text = pex.card("review-sentiment").markdown
    assert "2 of 6 cases failed (v3, run of " in text
    assert "2 of them are marked private and are not shown." in text
    assert "Oh great" not in text
    # Without the cases nobody knows which of them are private.
    path.unlink()
    text = pex.card("review-sentiment").markdown
    assert "None is shown: the cases cannot be read now (" in text
    assert "Oh great" not in text


def _states(name="review-sentiment"):
    found = pex.card(name).data.requirements
    return {item.requirement.id: (item.state, item.detail) for item in found}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("at_least: 0.5", "at_least: 0.9"),
        ("Unhappy reviews are recognised.", "Unhappy reviews are seen."),
    ],
)
def test_a_state_is_that_of_this_wording_and_threshold(shop, project, old, new):
    assert _states()["R1"][0] != "not measured"
    path = _prompt_file(project)
    path.write_text(path.read_text().replace(old, new))
    assert _states()["R1"] == ("not measured", "")


def test_a_state_is_that_of_the_version_that_is_shown(shop):
    set_alias("review-sentiment", "champion", 2)
    assert _states()["R1"] == ("not measured", "")
    assert _states()["R2"] == ("untested", "")


def _newest(state, model, *, other_cases=False, at_least=0.5):
    digits = requirement_digest("Be kind.", "must", at_least)
    facts = VariantFacts("d", model, 6, 0.0, 0.1, 6, (), (), (), {"R": [state, "why", digits]})
    row = Measurement("d", "p", model, "e", "r", 0.0, "m", 1.0, 0.9, 1.0, 6, True, "p", "s", True)
    return NewestRun(row, facts, other_cases)


@pytest.mark.parametrize(
    ("runs", "state", "detail"),
    [
        ([_newest("met", "a"), _newest("not met", "b")], "not met",
         "b: why (the worst of 2 models)"),
        ([_newest("met", "a", other_cases=True)], "not measured",
         "a: why; that run had other cases than the file has now"),
        ([_newest("not met", "a", other_cases=True)], "not met",
         "a: why; that run had other cases than the file has now"),
        ([_newest("met", "a", at_least=0.4)], "not measured", ""),
    ],
)  # fmt: skip
def test_a_state_is_the_worst_of_all_models(runs, state, detail):
    asked = [Requirement(id="R", text="Be kind.", at_least=0.5)]
    (found,) = requirement_states(asked, {"R"}, runs, "d")
    assert (found.state, found.detail) == (state, detail)
    (of_other,) = requirement_states(asked, {"R"}, runs, "e")
    assert of_other.state == "not measured"


def test_a_run_of_a_part_of_the_cases_does_not_say_that_none_fails_now(shop, project):
    path = project / "experiments/reviews/experiment.yaml"
    pex.Experiment.load(path).run(show=False, limit=1)
    text = pex.card("review-sentiment").markdown
    assert "No case failed (1 case; v3, run of " in text
    assert "that run had other cases than the file has now." in text
    assert "fails now" not in text


def test_hostile_text_stays_text(lab, project):
    evil = "<script>alert(1)</script> | ![x](http://a/b.png) `</pre>"
    save(Prompt(f"{evil} {{{{ text }}}}", name="evil", description=evil), note=f"{evil}\nmore")
    card = pex.card("evil")
    assert "<script>alert" not in card.html
    assert "<script>" not in card.markdown.partition("## Text")[0].partition("## Changes")[0]
    assert "http://a" not in card.markdown.partition("## Changes")[0]


def test_a_name_that_is_not_there_gets_the_nearest(shop):
    with pytest.raises(PexError, match="did you mean 'refund-reply'"):
        pex.card("refund-repli")


def test_a_run_is_read_once_for_all_cards_that_follow(shop, monkeypatch):
    from pex.evidence.card import run_facts

    load, read = run_facts.runs.load, []
    monkeypatch.setattr(
        run_facts.runs, "load", lambda uri, run_id: read.append(run_id) or load(uri, run_id)
    )
    for _ in range(2):
        pex.card("review-sentiment")
    assert read == [shop.run_id]


def test_the_command_prints_and_writes(shop, project):
    done = pexlab("library", "card", "review-sentiment", folder=project)
    assert done.stdout.startswith("# review-sentiment\n")
    done = pexlab(
        "library", "card", "review-sentiment", "--html", "out/card.html", "--markdown", "card.md",
        folder=project,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (project / "out/card.html").read_text().startswith("<!doctype html>")
    assert (project / "card.md").read_text().startswith("# review-sentiment")
    done = pexlab("library", "card", "translate", "--json", folder=project)
    assert "owner" in json.loads(done.stdout)["missing"]


def test_a_secret_stops_a_file_and_is_not_printed(lab, project):
    save(Prompt("Use sk-abcdefghijklmnopqrstuv1 for {{ text }}", name="leaky"))
    done = pexlab("library", "card", "leaky", "--html", "card.html", folder=project)
    assert done.returncode == 1
    assert "prompt 'leaky', version 1, line" in done.stderr
    assert "abcdefghijklmnop" not in done.stderr
    assert not (project / "card.html").exists()


@pytest.mark.parametrize(
    ("new", "old", "changed"),
    [
        ("a\nb c\nd", "a\nb x\nd", [("gone", "x"), ("new", "c")]),
        ("a\nb\nd", "a\nd", [("new", "b\n")]),
        ("a\nd", "a\nb\nd", [("gone", "b\n")]),
        ("a", "a", []),
        ("", "a", [("gone", "a")]),
    ],
)
def test_a_change_gives_both_texts_back(new, old, changed):
    pieces = text_change(new, old)
    assert [piece for piece in pieces if piece[0] != "same"] == changed
    assert "".join(text for kind, text in pieces if kind != "gone") == new
    assert "".join(text for kind, text in pieces if kind != "new") == old
