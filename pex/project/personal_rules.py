"""What `[personal]` in `pex.toml` says, as arguments of `pex.guard.placeholders.hide_in`."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from pex.core.errors import PexError
from pex.core.project import FILE
from pex.guard.placeholders import hide_in, read_names
from pex.project.settings import Settings


class PersonalRules(TypedDict):
    """Which personal data is replaced."""

    keep: list[str]
    names: list[str]
    regions: list[str]


def personal_rules(settings: Settings) -> PersonalRules:
    """The rules of a project, checked.

    Raises:
        PexError: the file of names cannot be read, or a rule or region is not valid.

    Example:
        >>> personal_rules(Settings())
        {'keep': [], 'names': [], 'regions': []}
    """
    given, names = settings.personal, []
    if given.names_file is not None:
        path = (settings.project or Path()) / given.names_file
        try:
            with path.open(encoding="utf-8-sig") as file:
                names = read_names(file)
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise PexError(
                f"the file of names '{given.names_file}' cannot be read: {said}",
                hint=f"personal.names_file in {FILE}: one name a line",
            ) from None
    rules: PersonalRules = {"keep": given.keep, "names": names, "regions": given.regions}
    try:
        hide_in("", **rules)
    except ValueError as error:
        raise PexError(f"[personal] in {FILE}: {error}") from None
    return rules
