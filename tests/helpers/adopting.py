"""A project with several experiments, and an endpoint on which one model differs from another."""

from pathlib import Path
from typing import Any

from tests.helpers.endpoint import FaultyEndpoint, completion

OLD, NEW = "lab/old", "lab/new"


def experiment(
    project: Path, name: str, cases: int = 40, *, params: str = "", scorer: str = "label"
) -> Path:
    """An experiment with one prompt of its own name; its first word says how models answer."""
    folder = project / "experiments" / name
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / f"{name}.prompty").write_text(
        f"---\nname: {name}\n---\nuser:\n{name.upper()} {{{{ q }}}}\n"
    )
    rows = "".join(f"c{n},{n},yes\n" for n in range(cases))
    (folder / "cases.csv").write_text(f"case_id,q,expected\n{rows}")
    (folder / "experiment.yaml").write_text(
        f"name: {name}\ncases: cases.csv\nprompts: [prompts/{name}.prompty]\n"
        f"models: [{OLD}, lab/other]\n{params}scorers: [{scorer}]\n"
        f"gate: {{baseline: {OLD}, metric: {scorer}, margin: 0.1}}\n"
    )
    return folder / "experiment.yaml"


def reply(body: dict[str, Any], number: int) -> Any:
    """The old model is right; what the new one says depends on the prompt's first word."""
    kind, case = body["messages"][-1]["content"].split()
    if body["model"] == "old":
        return completion("no" if kind == "GAIN" and int(case) % 2 else "yes")
    said = {
        "SAME": "yes",
        "GAIN": "yes",
        "LOSE": "no",
        "FORM": "Sure! <b>The</b> answer: yes",
        "MIX": "yes" if int(case) % 8 else "no",
    }
    return completion(said[kind])


def models(endpoint: FaultyEndpoint) -> None:
    endpoint.models = ["old", "new"]
    endpoint.reply = reply


def asked(endpoint: FaultyEndpoint) -> list[str]:
    """The models that were asked, in order."""
    return [str(body["model"]) for body in endpoint.bodies]
