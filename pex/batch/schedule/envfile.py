"""The variables of a scheduled night, and its file of keys, which keeps them out of the crontab."""

from __future__ import annotations

from pathlib import Path

from pex.batch.plan import Plan
from pex.core.project import find_project
from pex.guard.key_names import is_key_name
from pex.project import keys
from pex.project.env_file import read_env
from pex.project.settings import load_settings
from pex.run.providers import BUILT_IN

NAME = "schedule.env"


def key_names(plan: Plan, env_file: Path | None) -> list[str]:
    """The variables that a night needs, by name: from the file, the settings, the plan's notices.

    Args:
        plan: the plan.
        env_file: the file of keys, None for none.
    """
    project = find_project(plan.folder)
    settings = load_settings(project)
    names = [name for item in settings.providers.values() for name in item.variables]
    built_in = [item.key_env for item in BUILT_IN.values() if item.key_env]
    names += [name for name in built_in if keys.find(name, project)]
    names += [name for notice in plan.notify for name in notice.variables]
    if env_file is not None:
        names += [name for name in read_env(env_file) if is_key_name(name)]
    return sorted({name for name in names if name})
