"""Markup that does something where an answer is shown: scripts, forms, handlers, formulas."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from pex.guard.findings import Finding, visible
from pex.guard.output_context import OutputContext, OutputPolicy
from pex.guard.output_window import Window

_TAG = re.compile(r"<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9:-]{0,30})")
_LIMIT = 1000
_STEP = re.compile(r"=\s{0,10}[\"']|[<>]")
_ALWAYS = frozenset({"script", "iframe", "style", "form", "frameset", "portal", "noscript", "xmp"})
_WITH_ATTRIBUTES = frozenset({
    "object", "embed", "applet", "frame", "meta", "base", "link", "input", "button", "textarea",
    "select", "isindex", "dialog", "animate", "set", "foreignobject", "use",
})  # fmt: skip
_HANDLER = re.compile(r"[\s/\"'](?:on[a-z]{3,30}|srcdoc|formaction)\s{0,10}=", re.I)
_ATTRIBUTE = re.compile(r"[\s/][A-Za-z]")
_SCRIPT = re.compile(
    r"(?:\]\(\s{0,5}<?|\]:\s{0,5}<?|=\s{0,5}[\"']?|<|url\(\s{0,5}[\"']?)"
    r"(?P<address>[a-z0-9&#;\\\s\x00-\x20]{0,100}?(?::|&colon;?|&#x0{0,6}3a;?|&#0{0,6}58;?))"
    r"(?=(?P<rest>[^\s)>\"']{0,100}))",
    re.I,
)
_PREFIX = 12
"""Characters before an address that say that it is one."""
_SCRIPT_TAIL = re.compile(
    r"(?:\]\(|\]:|=|<|url\()\s{0,5}[<\"']?[a-z0-9&#;\\\s\x00-\x20]{0,100}\Z", re.I
)
_NO_LETTER = re.compile(r"[\s\x00-\x20\\]")
_SAFE_DATA = re.compile(r"image/(?:png|jpe?g|gif|webp|avif|bmp)[;,]", re.I)
_FORMULA = re.compile(
    r"(?:^|(?<=[;,\t|]))[ ]?[\"']?(?P<formula>[=+@-](?:[A-Z][A-Z.]{1,15}\(|cmd\|))", re.M
)


def find_active_html(
    window: Window, context: OutputContext, policy: OutputPolicy
) -> Iterator[Finding]:
    """Scripts, frames, forms, style sheets and handlers of events, outside of code.

    Their `<` becomes `&lt;`, so they are shown and do nothing.
    """
    for start, end, _ in _tags(window):
        what = _acts(window.text[start:end])
        if not what:
            continue
        code = window.in_code(start)
        yield Finding(
            "active-html", start, start + 1, "signal" if code else "flag",
            f"{what}, in code" if code else what, visible(window.text[start:end]), "",
            None if code else "&lt;",
        )  # fmt: skip


def hold_active_html(window: Window, context: OutputContext, policy: OutputPolicy) -> int:
    """From where on a tag may go on, or may turn out to be code."""
    held = len(window.text)
    for start, end, closed in _tags(window):
        if not closed or (start >= window.open_code and _acts(window.text[start:end])):
            held = min(held, start)
    return held


def _tags(window: Window) -> Iterator[tuple[int, int, bool]]:
    """The beginnings of tags: start, end, and whether more text could change the end."""
    text, at = window.text, window.start
    while match := _TAG.search(text, at):
        start, at = match.start(), match.end()
        limit = min(len(text), start + _LIMIT)
        closed = limit == start + _LIMIT
        end = limit
        while step := _STEP.search(text, at, limit):
            sign = step[0][-1]
            if sign in "<>":
                end, closed = step.start() + (sign == ">"), True
                break
            close = text.find(sign, step.end(), limit)
            if close < 0:
                if limit == len(text) and not closed:
                    at = limit  # the quotation may still end
                    break
                at = step.end()
            else:
                at = close + 1
        yield start, end, closed or window.final
        # A tag that is shown as text protects no other one that stands in quotes within it.
        at = match.end() if _acts(text[start:end]) else max(end, match.end())


def whole_tags(window: Window) -> Iterator[tuple[int, int]]:
    """Tags that do nothing: what stands in quotes within them does nothing either."""
    for start, end, _ in _tags(window):
        if not _acts(window.text[start:end]):
            yield start, end


def _acts(tag: str) -> str:
    """What a tag does; empty: nothing."""
    match = _TAG.match(tag)
    name = match["name"].lower() if match else ""
    rest = tag[match.end() :] if match else ""
    if match and match["end"]:
        return f"</{name}>" if name in _ALWAYS else ""
    if name in _ALWAYS or (name in _WITH_ATTRIBUTES and _ATTRIBUTE.match(rest)):
        return f"<{name}>"
    handler = _HANDLER.search(rest)
    return f"<{name}> with {handler[0].strip(' =/').strip()}" if handler else ""


def find_script_links(
    window: Window, context: OutputContext, policy: OutputPolicy
) -> Iterator[Finding]:
    """Addresses that run a program: `javascript:`, `vbscript:`, `data:` that is no picture."""
    for match in _SCRIPT.finditer(window.text, max(0, window.start - _PREFIX)):
        if match.start("address") < window.start:
            continue
        scheme = _scheme(match["address"])
        if scheme == "data" and _SAFE_DATA.match(html.unescape(match["rest"])):
            continue
        if scheme not in ("javascript", "vbscript", "data", "livescript"):
            continue
        if scheme == "data" and "," not in match["rest"]:
            continue
        start, end = match.start("address"), match.start("rest")
        code = window.in_code(start)
        yield Finding(
            "script-links", start, end, "signal" if code else "flag", f"an address with {scheme}:",
            visible(match["address"]), "", None if code else "unsafe:",
        )  # fmt: skip


def _scheme(address: str) -> str:
    return _NO_LETTER.sub("", html.unescape(address)).partition(":")[0].lower()


def hold_script_links(window: Window, context: OutputContext, policy: OutputPolicy) -> int:
    """From where on the scheme of an address may go on."""
    end = len(window.text)
    tail = _SCRIPT_TAIL.search(window.text, max(window.start, end - 120))
    held = tail.start() if tail else end
    if window.open_code < end:
        code = (f.start for f in find_script_links(window, context, policy))
        held = min(held, next((at for at in code if at >= window.open_code), end))
    return held


def find_formulas(
    window: Window, context: OutputContext, policy: OutputPolicy
) -> Iterator[Finding]:
    """A formula at the beginning of a cell: a spreadsheet runs it when the table is opened."""
    for match in _FORMULA.finditer(window.text, max(0, window.start - 3)):
        start = match.start("formula")
        if start >= window.start and not window.in_code(start):
            message = "a formula at the beginning of a cell"
            yield Finding("formulas", start, match.end(), "signal", message)


def hold_nothing(window: Window, context: OutputContext, policy: OutputPolicy) -> int:
    """Of a rule that needs no more than whole words."""
    return len(window.text)
