"""What a prompt's file says of it: owner, category, tags, requirements.

It is the key `metadata` of the front matter. Keys of other tools in it are kept and not read.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from pex.core import front_matter
from pex.core.errors import PexError, nearest
from pex.core.prompt import Prompt
from pex.core.prompty_fields import KEYS
from pex.core.yamltext import load_yaml
from pex.project.files import validate
from pex.project.spec import Requirement, Strict


class Category(Strict):
    """What kind of prompt it is; each in the words of the team."""

    task: str = ""
    domain: str = ""
    language: str = ""
    audience: str = ""
    risk: str = ""


class Metadata(Strict):
    """The metadata of a prompt; what is not given is empty.

    `intended_use` and `known_failures` are Markdown written by hand, for the prompt's card.
    """

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    owner: str = ""
    tags: list[str] = Field(default_factory=list)
    category: Category = Field(default_factory=Category)
    requirements: list[Requirement] = Field(default_factory=list)
    intended_use: str = ""
    known_failures: str = ""
    private: bool = False
    """Case data of this prompt is not shown on cards and sites."""

    @field_validator("tags", mode="before")
    @classmethod
    def _one_tag(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _distinct(self) -> Metadata:
        ids = [item.id for item in self.requirements]
        double = next((item for item in ids if ids.count(item) > 1), None)
        if double is not None:
            raise ValueError(f"requirements: two have the id '{double}'")
        return self

    def words(self) -> dict[str, str]:
        """The tags that a search by tag finds, each with its value; a plain tag has none.

        Example:
            >>> Metadata(owner="ada", tags=["refund"], category={"risk": "high"}).words()
            {'refund': '', 'owner': 'ada', 'risk': 'high'}
        """
        found = {}
        for tag in self.tags:
            key, _, value = tag.partition("=")
            found[key.strip()] = value.strip()
        if self.owner:
            found["owner"] = self.owner
        return found | {key: value for key, value in self.category if value}


def metadata_of(prompt: Prompt, where: str | None = None) -> Metadata:
    r"""Read the metadata of a prompt.

    Args:
        prompt: the prompt; one that was not read from a file has none.
        where: how to name the file in an error; by default the prompt's path or name.

    Raises:
        PexError: a value has the wrong type, with the line and the nearest right key; or two
            requirements have one id.

    Example:
        >>> text = "---\nmetadata: {owner: ada, category: {risk: high}}\n---\nHi {{ name }}"
        >>> metadata_of(Prompt.parse(text, "hi.prompty", "hi")).category.risk
        'high'
    """
    where = where or (prompt.path.name if prompt.path else prompt.origin or prompt.name)
    found = (prompt.front or {}).get("metadata")
    if found is None:
        return Metadata()
    if not isinstance(found, dict):
        raise PexError(
            f"{where}: metadata: expected keys with values, got {found!r}",
            hint="for example metadata: {owner: ada, tags: [refund]}",
        )
    return validate(Metadata, found, where, lambda keys: _line(prompt, where, keys))


def near_misses(prompt: Prompt) -> list[str]:
    r"""Remarks on keys of the metadata that are almost one that pex reads.

    Example:
        >>> text = "---\nmetadata: {ownr: ada}\n---\nHi"
        >>> near_misses(Prompt.parse(text, "hi.prompty", "hi"))
        ["metadata: 'ownr' is not read; did you mean 'owner'?"]
    """
    found = (prompt.front or {}).get("metadata")
    known = list(Metadata.model_fields)
    unknown = [key for key in found if key not in known] if isinstance(found, dict) else []
    hints = {str(key): nearest(str(key), known) for key in unknown}
    return [
        f"metadata: '{key}' is not read; {hint}"
        for key, hint in hints.items()
        if hint and hint.startswith("did you mean")
    ]


def _line(prompt: Prompt, where: str, keys: tuple[Any, ...]) -> int | None:
    """The line of a value of the metadata in the prompt's file."""
    if prompt.file_text is None:
        return None
    parts = front_matter.split(prompt.file_text, where, KEYS)
    if parts.front is None:
        return None
    return load_yaml(parts.front, where, parts.front_line).line(("metadata", *keys))
