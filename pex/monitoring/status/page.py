"""The page on where each prompt stands: seven stages in a row, and what is stuck."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup, escape

from pex.core.safe_text import clean
from pex.evidence.card.cases_now import CasesNow
from pex.evidence.card.gather import gather_cards
from pex.evidence.using_experiments import using_experiments
from pex.monitoring.status.deployed import deployed_prompts
from pex.monitoring.status.stages import STAGES, PromptStatus, counted, order, status_of
from pex.project.settings import load_settings
from pex.report.theme import page_style, style
from pex.tracking.store import registry_uri, tracking_uri

SIGNS = {"good": "✓", "stuck": "!", "waiting": "…", "none": "–"}
"""So that colour is not the only signal."""
WORDS = {"good": "done", "stuck": "stuck", "waiting": "waits", "none": "nothing yet"}


@dataclasses.dataclass(frozen=True, slots=True)
class ProjectStatus:
    """Where each prompt of a project stands.

    Args:
        prompts: those that are stuck first.
        days: how many days of traces were looked at.
        at: when it was looked, in UTC.
        problems: what could not be read, in sentences.
        incidents: those that are not closed, in sentences.
    """

    prompts: tuple[PromptStatus, ...]
    days: int
    at: datetime.datetime
    problems: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The answer in a sentence."""
        if not self.prompts:
            return "There are no prompts yet."
        stuck = [item.name for item in self.prompts if item.stuck]
        if not stuck:
            return f"Nothing is stuck: {counted(len(self.prompts), 'prompt')}."
        named = ", ".join(stuck[:3]) + (f" and {len(stuck) - 3} more" if len(stuck) > 3 else "")
        are = "is" if len(stuck) == 1 else "are"
        return f"{len(stuck)} of {counted(len(self.prompts), 'prompt')} {are} stuck: {named}."

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in `pexlab status --json`."""
        return {
            "at": self.at.isoformat(timespec="seconds"),
            "days": self.days,
            "problems": list(self.problems),
            "incidents": list(self.incidents),
            "prompts": [
                {
                    "name": item.name,
                    "stages": [
                        {**dataclasses.asdict(stage),
                         "at": stage.at and stage.at.isoformat(timespec="seconds")}
                        for stage in item.stages
                    ],
                }
                for item in self.prompts
            ],
        }  # fmt: skip

    def html(self) -> str:
        """One HTML page without links to anything outside of it."""
        return _template().render(
            style=f"{style()}{page_style()}",
            status=self,
            stages=STAGES,
            signs=SIGNS,
            words=WORDS,
            rows=[
                (clean(item.name), item.stages, [stage for stage in item.stages if stage.next_step])
                for item in self.prompts
            ],
        )


@functools.cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["clean"] = clean
    environment.filters["code"] = _code
    return environment.get_template("status.html.jinja")


def _code(text: str) -> Markup:
    """What stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part
        for number, part in enumerate(parts)
    )


def project_status(
    project: Path, names: Sequence[str] | None = None, days: int = 30
) -> ProjectStatus:
    """Where the prompts of a project stand.

    Args:
        project: its folder.
        names: only these prompts; None for all.
        days: how many days of traces are looked at.

    Raises:
        PexError: the library or the store cannot be read.
    """
    settings = load_settings(project)
    uri, registry = tracking_uri(project, settings), registry_uri(project, settings)
    now = datetime.datetime.now(datetime.UTC)
    cards = gather_cards(project, uri, registry, names)
    state = project / settings.journal.path / "monitor"
    deployed, problems = deployed_prompts(project, uri, state, days, now)
    cases, experiments = CasesNow(project), using_experiments(project)
    statuses = []
    for card in cards:
        paths = experiments.get(card.name, [])
        file = paths[0].relative_to(project).as_posix() if paths else ""
        own = cases.all_of(paths)
        statuses.append(status_of(card, own, deployed.get(card.name), file))
    return ProjectStatus(tuple(order(statuses)), days, now, tuple(problems))
