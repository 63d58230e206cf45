"""Links and images whose address carries data of the context to a host that is new to it.

An image is fetched when an answer is shown, so nobody needs to click. A plain link to a known page
has no data and is fine; so is an address that the user sent.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import re
from collections.abc import Iterable, Iterator

from pex.guard.findings import Finding, Severity
from pex.guard.output_context import OutputContext, OutputPolicy
from pex.guard.output_letters import Source, decoded, folded, percent_decoded
from pex.guard.output_window import Window

LINK_CUT = "[link removed]"
_LONGEST = 4000
_BEGIN = re.compile(
    r"(?<![A-Za-z0-9+.-])(?:https?|wss?|ftp):[/\\]{1,3}(?=[^\s/\\])|(?<![\w./@-])www\.(?=\w)"
    r"|(?:(?<=[\"'(<=\[])|(?<=[:=(] )|(?<=[(<] ))[/\\]{2}(?=[\w.-]{1,200}\.\w)"
    r"|(?<![A-Za-z0-9+.-])mailto:(?=\S)",
    re.I,
)
_MARK = re.compile(r"[:/\\][/\\]|[wW]{3}\.|[mM][aA][iI][lL][tT][oO]:")
_STOPS = re.compile(r"[\s<>\"'`\u3000-\u303f\uff08\uff09\uff0c]")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_TRAILING = ".,;:!?…*_~|"
_IMAGE = re.compile(
    r"(?:!\[[^\]\n]{0,180}\]\(\s{0,3}<?|(?:src|srcset|background|poster|data|xlink:href)\s{0,3}="
    r"\s{0,3}[\"']?|url\(\s{0,3}[\"']?|@import\s{1,3}[\"']?)\Z",
    re.I,
)
_VALUE_OF = re.compile(r"(?:=|url\()\s{0,3}[\"']\Z", re.I)
_ADDRESS = re.compile(r"(?:[a-z]+:)?[/\\]{0,3}([^/\\?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.I | re.S)
_ANY_ADDRESS = re.compile(r"(?:(?:https?|wss?|ftp):)?//[^\s<>\"'`]+|\bwww\.[^\s<>\"'`]+", re.I)
_HOST_NAME = re.compile(r"(?:[^@]*@)?\[?([^:\]]*)\]?(?::\d*)?\Z")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ @+-]{3,80}[A-Za-z0-9]")
_PIECE = re.compile(r"[^\s/?&=#;,:|()\"']+")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{2,5}\Z")
_SHORTEST_VALUE = 6
_YEAR = re.compile(r"(?<!\d)(?:19\d\d|20[0-3]\d)(?!\d)")
_DATE = re.compile(r"\d{4}[-./]\d\d?[-./]\d\d?|\d\d?[-./]\d\d?[-./]\d{2,4}|(?:19|20)\d{6}")
_SEARCHES = (
    "www.google.com/search", "google.com/search", "www.google.com/maps", "www.bing.com/search",
    "duckduckgo.com/", "search.brave.com/search", "www.openstreetmap.org/",
    "www.youtube.com/results", "stackoverflow.com/", "docs.python.org/", "developer.mozilla.org/",
    "www.w3.org/", "datatracker.ietf.org/", "www.rfc-editor.org/", "arxiv.org/", "doi.org/",
    "nvd.nist.gov/", "pypi.org/project/", "www.npmjs.com/package/",
)  # fmt: skip
_ENCYCLOPEDIAS = (".wikipedia.org", ".wiktionary.org", ".wikimedia.org")
"""Places whose addresses contain words of a question, and nobody else reads who asked for them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """An address in an answer: where it stands, as what, and whether its end is certain."""

    start: int
    end: int
    text: str
    fetched: bool
    closed: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Data:
    """What a context has that must not be carried away."""

    system: Source
    inputs: Source
    values: frozenset[str]
    hosts: frozenset[str]
    sent: frozenset[str]


@functools.lru_cache(maxsize=64)
def _data_of(system: str, inputs: tuple[str, ...]) -> _Data:
    plain = [_ANY_ADDRESS.sub(" ", text) for text in (system, *inputs)]
    hosts = {_host(found) for found in _ANY_ADDRESS.findall(system)}
    sent = {
        _same(found.rstrip(_TRAILING + ")")) for t in inputs for found in _ANY_ADDRESS.findall(t)
    }
    values = frozenset(value for text in plain for value in _values(text))
    return _Data(Source(plain[:1]), Source(plain[1:]), values, frozenset(hosts), frozenset(sent))


def _values(text: str) -> Iterator[str]:
    """Numbers, codes and mail addresses: what points to one person or thing."""
    for match in _VALUE.finditer(text):
        for part in {match[0], *match[0].split(), *re.findall(r"\d[\d .-]*\d", match[0])}:
            if is_value(part):
                yield folded(part)


def is_value(text: str) -> bool:
    """Whether a text points to one person or thing by itself: a number, a code, a mail address.

    Example:
        >>> [is_value(text) for text in ("8841920", "PX-2048-77", "a@b.example", "python3", "2026")]
        [True, True, True, False, False]
    """
    letters = folded(text)
    if len(letters) < _SHORTEST_VALUE:
        return False
    if re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", text):
        return True
    if _DATE.fullmatch(text):
        return False
    digits = sum(map(str.isdigit, letters))
    years = _YEAR.findall(text)
    return digits - 4 * len(years) >= 4 or (digits >= 6 and not years)


def addresses(window: Window) -> Iterator[Address]:
    """The addresses in an answer, in Markdown, HTML and plain text."""
    text, at = window.text, window.start
    while match := _BEGIN.search(text, at):
        start = match.start()
        end, closed = _end(text, start)
        if end > match.end():
            yield Address(start, end, text[start:end], _is_fetched(text, start), closed)
        elif not closed:
            yield Address(start, len(text), text[start:], False, False)
        at = max(end, match.end())


def _is_fetched(text: str, start: int) -> bool:
    """Whether an address is fetched when the answer is shown, by what stands before it."""
    if text[max(0, start - 4) : start].rstrip()[-1:] not in tuple("(=\"'<t"):
        return False
    return _IMAGE.search(text[max(0, start - 200) : start]) is not None


def _end(text: str, start: int) -> tuple[int, bool]:
    """Where an address ends, and whether more text could change that."""
    before, limit = text[start - 1 : start], min(len(text), start + _LONGEST)
    whole = limit < len(text) or limit == start + _LONGEST
    closing = {'"': '"', "'": "'", "<": ">"}.get(before)
    if closing and (before == "<" or _VALUE_OF.search(text[max(0, start - 8) : start])):
        for at in range(start, limit):
            if text[at] == closing:
                return at, True
            if text[at] == "\n":
                return _plain_end(text, start, at), True
        return limit, whole
    if before == "(" and text[max(0, start - 2) : start - 1] == "]":
        return _in_brackets(text, start, limit, whole)
    stop = _STOPS.search(text, start, limit)
    if stop is None and not whole:
        return limit, False
    return _plain_end(text, start, stop.start() if stop else limit), True


def _in_brackets(text: str, start: int, limit: int, whole: bool) -> tuple[int, bool]:
    """An address in Markdown, also one with spaces in it: some viewers take it."""
    depth = 0
    for at in range(start, limit):
        char = text[at]
        if char == "(":
            depth += 1
        elif char == ")":
            if not depth:
                return at, True
            depth -= 1
        elif char == "\n" or (char in "\"'" and text[at - 1].isspace()):
            return _plain_end(text, start, at), True
    return limit, whole


def _plain_end(text: str, start: int, end: int) -> int:
    """Without what belongs to the sentence around an address."""
    surplus = {}
    for closing, opening in _PAIRS.items():
        more = text.count(closing, start, end) - text.count(opening, start, end)
        surplus[closing] = max(0, more)
    while end > start:
        last = text[end - 1]
        if surplus.get(last):
            surplus[last] -= 1
        elif not (last in _TRAILING or last.isspace()):
            break
        end -= 1
    return end


def find_data_links(
    window: Window, context: OutputContext, policy: OutputPolicy
) -> Iterator[Finding]:
    """Addresses at a new host with data of the context: in path, query, fragment or host name."""
    if not _MARK.search(window.text, window.start):
        return
    data: _Data | None = None
    for address in addresses(window):
        if data is None:
            data = _data_of(context.system, tuple(context.inputs))
        carried = _carried(address, data, policy)
        if carried is None:
            continue
        message, severity = carried
        kind = "an image or the like" if address.fetched else "a link"
        host = _host(html.unescape(address.text)) or "a mail"
        if window.in_code(address.start):
            severity = "signal"
        yield Finding(
            "data-links", address.start, address.end, severity,
            f"{kind} to {host} with {message}",
            replacement=LINK_CUT if severity != "signal" else None,
        )  # fmt: skip


def hold_data_links(window: Window, context: OutputContext, policy: OutputPolicy) -> int:
    """From where on an address may go on."""
    open_at = (one.start for one in addresses(window)
               if not one.closed or one.start >= window.open_code)  # fmt: skip
    return min(open_at, default=len(window.text))


def whole_addresses(window: Window) -> Iterator[tuple[int, int]]:
    """Addresses: a part of one can look like another."""
    return ((one.start, one.end) for one in addresses(window))


def _carried(address: Address, data: _Data, policy: OutputPolicy) -> tuple[str, Severity] | None:
    """What an address carries away, in words; None: nothing, or its host may have it."""
    text = html.unescape(address.text).replace("\\", "/")
    match = _ADDRESS.match(text)
    if match is None:
        return None
    place, path, query, fragment = (part or "" for part in match.groups())
    if place.count(".") < 2 and "@" not in place and len(path + query + fragment) < _SHORTEST_VALUE:
        return None
    if _may_have(text, data, policy):
        return None
    name = _host_name(place)
    labels = name.split(".")
    below = place[: -len(name)] if name and place.endswith(name) else ""
    below = " ".join([below, *labels[:-2]])
    parts = (
        (f"{query} {fragment} {below}", 12 if address.fetched else 20, 20),
        (path, 20 if address.fetched else 40, 24),
    )
    for part, of_inputs, of_system in parts:
        told = _told(part, data, of_inputs, min(of_system, of_inputs))
        if told:
            return told, "flag"
    hidden = _hidden("".join(labels[:-2]), data) or _hidden(f"{path} {query} {fragment}", data)
    if hidden:
        return hidden, "flag"
    unknown = _unknown_text(f"{query} {fragment}")
    if unknown:
        return f"an encoded text: {unknown[:40]}", "flag" if address.fetched else "signal"
    return None


def _may_have(text: str, data: _Data, policy: OutputPolicy) -> bool:
    host = _host(text)
    if not host:
        return not text.lower().startswith("mailto:")
    if host in data.hosts or _same(text) in data.sent:
        return True
    if any(host == own or (own[:1] == "." and host.endswith(own)) for own in policy.hosts):
        return True
    rest = re.sub(r"\A(?:[a-z]+:)?/*", "", text, flags=re.I).lower()
    return host.endswith(_ENCYCLOPEDIAS) or rest.startswith(_SEARCHES)


def _told(part: str, data: _Data, of_inputs: int, of_system: int) -> str:
    plain = percent_decoded(part)
    letters = folded(plain)
    if len(letters) < _SHORTEST_VALUE:
        return ""
    for found in _candidates(plain):
        if found in data.values:
            return "a number, code or address of the context"
    count = data.system.longest(letters)
    if count >= of_system:
        return f"{count:,} letters of the instructions"
    count = data.inputs.longest(letters)
    return f"{count:,} letters of what the model was given" if count >= of_inputs else ""


def _candidates(plain: str) -> Iterable[str]:
    for match in _PIECE.finditer(plain):
        letters = folded(match[0])
        yield letters
        yield folded(_EXTENSION.sub("", match[0]))
        for part in re.split(r"[._~+-]", match[0]):
            yield folded(part)


def _hidden(part: str, data: _Data) -> str:
    """Encoded data of the context."""
    for _, _, kind, text in decoded(percent_decoded(part).replace(" ", "+")):
        letters = folded(text)
        for source in (data.system, data.inputs):
            if source.longest(letters) >= 10:
                return f"data of the context in {kind}"
    return ""


def _unknown_text(part: str) -> str:
    for _, _, kind, text in decoded(percent_decoded(part).replace(" ", "+")):
        if kind == "base64" and len(text) >= 12 and text.isprintable() and " " in text.strip():
            return text
    return ""


def _host_name(place: str) -> str:
    match = _HOST_NAME.match(place)
    # What is no name of a host is none that is known, either.
    return match[1].lower().rstrip(".") if match else place.lower()


def _host(text: str) -> str:
    match = None if text.lower().startswith("mailto:") else _ADDRESS.match(text)
    return _host_name(match[1]) if match else ""


def _same(text: str) -> str:
    return html.unescape(text).rstrip("/").casefold()
