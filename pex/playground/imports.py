"""What somebody brings from outside into a draft: a table of cases, images, documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pex.core.errors import PexError
from pex.core.reading import AmbiguousError
from pex.experiment.experiment import Experiment
from pex.playground import documents, drafting, images
from pex.playground.draft import Draft
from pex.playground.history import MOST_ENTRIES, with_cases, without_blank
from pex.playground.table import Table, added_text, choices_of, read_table


class Imports:
    """The tables and images of one Playground.

    Args:
        draft: gives the draft, as it is now.
        base: gives the experiment that it starts from, as it is now.
        step: takes a step in the draft: it is given what makes the next draft of the one that
            is there then.
        say: tells what was done.
    """

    def __init__(
        self,
        draft: Callable[[], Draft],
        base: Callable[[], Experiment | None],
        step: Callable[[Callable[[Draft], Draft]], None],
        say: Callable[[str], None],
    ) -> None:
        self._draft = draft
        self._base = base
        self._step = step
        self._say = say
        self._table: Table | None = None

    def read_table(self, content: Mapping[str, Any], data: bytes | None) -> dict[str, Any]:
        """Read a table, see `table.read_table`; returns what to show of it.

        Raises:
            PexError: it cannot be read.
        """
        variables = self._draft().variables
        self._table = None
        try:
            found = read_table(content, data, variables)
        except AmbiguousError as error:
            return {"ok": False, **choices_of(error)}
        self._table = found
        room = MOST_ENTRIES - len(without_blank(self._draft()).entries)
        return {"ok": True, "room": room, **found.shown(variables)}

    def add_table(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Add the first rows of the table that was read last, with the roles in `content`.

        Raises:
            PexError: they cannot be cases.
        """
        table, columns = self._table, content.get("columns")
        if table is None:
            raise PexError("there is no table to add: paste or open it again")
        limit = int(content.get("limit") or 1)
        cases = table.cases(columns if isinstance(columns, list) else [], limit)
        before = len(without_blank(self._draft()).entries)
        self._step(lambda draft: with_cases(without_blank(draft), cases))
        text = added_text(before, len(self._draft().entries), cases)
        self._say(text)
        return {"ok": True, "added": True, "text": text}

    def add_image(self, name: str, data: bytes) -> str:
        """Keep an image; returns the Markdown that stands for it in a message.

        Raises:
            PexError: it cannot be sent to a model.
        """
        return images.keep(drafting.settings_of(self._base())[0], data, name)

    def add_document(self, kind: str, name: str, data: bytes) -> str:
        """Keep a document for an input of a case; returns its path.

        Raises:
            PexError: it is not of this kind, empty, or too large.
        """
        return documents.keep(drafting.settings_of(self._base())[0], data, name, kind)

    def document(self, variable: str, value: str) -> dict[str, Any]:
        """A document that an input of a case names, as it is shown.

        Raises:
            PexError: no message shows this input as a document.
        """
        base = self._base()
        texts = [message.text for column in self._draft().columns for message in column.messages]
        folder = base.folder if base is not None else Path.cwd()
        return documents.preview(variable, value, texts, folder)

    def image(self, url: str) -> tuple[str, bytes]:
        """The media type and the content of an image that a message or a case names.

        Raises:
            PexError: it cannot be shown.
        """
        draft, base = self._draft(), self._base()
        folder = base.folder if base is not None else Path.cwd()
        for column in draft.columns:
            texts = [message.text for message in column.messages]
            if any(url in images.addresses(text) for text in texts):
                return images.read(url, texts, column.base, folder)
        return images.read_kept(url, drafting.settings_of(base)[0])
