"""`pex.card`: what a team needs to know of a prompt, on one page."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.errors import PexError, nearest
from pex.core.names import check_name
from pex.core.project import find_project
from pex.evidence.card.data import CardData
from pex.evidence.card.gather import gather_cards
from pex.evidence.card.words import missing_parts
from pex.library.files import prompt_files
from pex.library.registry_tables import tables_of
from pex.project.settings import load_settings
from pex.tracking.store import exists, registry_uri
from pex.tracking.store import tracking_uri as store_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Card:
    """A card of a prompt: in a notebook it is shown as HTML, in a terminal as Markdown.

    Attributes:
        data: what it says, as plain data.
    """

    def __init__(self, data: CardData) -> None:
        self.data = data

    @property
    def name(self) -> str:
        """The prompt's name."""
        return self.data.name

    @property
    def missing(self) -> Sequence[str]:
        """The parts that it lacks, for example "owner"."""
        return missing_parts(self.data)

    @property
    def markdown(self) -> str:
        """The card as Markdown."""
        from pex.evidence.card.markdown import markdown

        return markdown(self.data)

    @property
    def html(self) -> str:
        """The card as an HTML file of its own, without links to anything outside of it."""
        from pex.evidence.card.html import page

        return page(self.data)

    def __repr__(self) -> str:
        return self.markdown

    def _repr_html_(self) -> str:
        from pex.evidence.card.html import card_style, fragment
        from pex.report import tables

        body = f'<div class="pex-card"><h2>{escape(self.name)}</h2>{fragment(self.data)}</div>'
        return tables.fragment(f"<style>{card_style()}</style>{body}")


def card(name: str, tracking_uri: str | None = None) -> Card:
    """The card of a prompt: generated from the library, recorded runs and files.

    Only `intended_use` and `known_failures` of the file's `metadata:` are written by hand. Data of
    cases with the tag `private` is not shown, and none at all with `metadata: {private: true}`.

    Args:
        name: the prompt's name.
        tracking_uri: a store other than the project's.

    Returns:
        The card: `.markdown`, `.html`, `.missing`.

    Raises:
        PexError: there is no such prompt, or the store does not answer.
    """
    check_name(name, "prompt name")
    project = find_project()
    settings = load_settings(project)
    uri = store_of(project, settings, tracking_uri)
    registry = registry_uri(project, settings, tracking_uri)
    return card_in(project, uri, registry, name)


def card_in(project: Path, uri: str, registry: str, name: str) -> Card:
    """The same for a project and its stores.

    Args:
        project: the project's folder.
        uri: the store with the runs.
        registry: the store with the prompts.
        name: the prompt's name.

    Raises:
        PexError: there is no such prompt, or a store does not answer.
    """
    found = gather_cards(project, uri, registry, [name])
    if found:
        return Card(found[0])
    known = {file.name for file in prompt_files(project)}
    if exists(registry):
        known |= {row.name for row in tables_of(registry).prompts()}
    raise PexError(
        f"there is no prompt '{name}' in the library or the files of the project",
        hint=nearest(name, sorted(known)) if known else "nothing has been saved yet",
    )
