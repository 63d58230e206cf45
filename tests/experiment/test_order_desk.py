"""The order desk of `experiments/`, against the model that plays it: tools, world and scorers."""

import runpy
import shutil
from pathlib import Path

import pytest

import pex
from pex.core.errors import PexError

DESK = Path(__file__).parents[2] / "experiments" / "order-desk"


def test_the_order_desk_against_the_played_model(project: Path) -> None:
    folder = shutil.copytree(DESK, project / "experiments" / "order-desk")
    path = folder / "experiment.yaml"
    text = path.read_text("utf-8").replace("local/smollm2", "played/clerk")
    path.write_text(text, "utf-8")
    played_model = runpy.run_path(str(folder / "played_model.py"))["PlayedModel"]
    with played_model() as played:
        (project / "pex.toml").write_text(
            f'[providers.played]\nbase_url = "{played.url}"\nfree = true\n'
        )
        results = pex.Experiment.load(path).run(show=False, record=False, repeats=2)
    assert results.frame["error"].isna().all()
    summary = results.summary().set_index("variant")
    scores = [f"score.{name}" for name in ("calls", "world", "forbidden", "steps")]
    assert summary.loc["careful", scores].tolist() == [1, 1, 1, 1]
    assert (summary.loc["plain", scores] * 14).round().tolist() == [4, 13, 9, 9]
    assert summary.loc["plain", "score.calls.pass_k"] == summary.loc["plain", "score.calls"]
    assert "pass^" not in repr(results)  # all repeats agree: it would be the mean again
    parted = results.partings("plain").set_index(["case_id", "repeat"])["text"]
    assert parted["cancel", 1] == (
        'call 1 is look_up_order(order_id="A7") instead of cancel_order(order_id="A7")'
    )
    again = results.frame.set_index(["variant", "case_id"])
    refund = again.loc[("plain", "refund"), "reason.world"].iloc[0]
    assert refund == "orders.C5.refunded: 10.0 instead of 64.9"
    path.write_text(text.replace("kind: forbidden_tools", "kind: forbidden_tools, tools: [refnd]"))
    with pytest.raises(PexError, match="tools names the tool 'refnd', which no prompt has"):
        pex.Experiment.load(path)
