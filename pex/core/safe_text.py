"""Makes text safe to show: nothing in it can control a terminal or hide content."""

from __future__ import annotations

import re

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_SEEN = bytes([9, 10, *range(0x20, 0x7F)])


def clean(text: str) -> str:
    r"""A text with nothing invisible: control characters become their Unicode pictures.

    Null bytes and terminal escapes are shown, half a surrogate becomes the replacement character
    (it cannot be sent at all), and marks that change the text direction are shown.

    Example:
        >>> clean("a\x00b \x1b[31mred\ud800")
        'a␀b ␛[31mred�'
    """
    # All rows of a grid pass through here: for most texts this is several times as fast.
    if text.isascii() and not text.encode().translate(None, _SEEN):
        return text
    return _UNSEEN.sub(_picture, text)


def clean_json(document: str) -> str:
    r"""An equivalent JSON document without characters that control a terminal.

    Example:
        >>> clean_json('{"a": "\x9b31m"}')
        '{"a": "\\u009b31m"}'
    """
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def in_markdown(text: str) -> str:
    r"""Foreign text escaped for our Markdown: it cannot add images, links or HTML.

    Example:
        >>> in_markdown("![i](http://a/b.png) <img src=x>")
        '!\\[i\\](http&#58;//a/b.png) &lt;img src=x>'
    """
    text = re.sub(r"&(?=[#\w])", "&amp;", clean(text)).replace("<", "&lt;")
    text = re.sub(r"[\\\[\]`]", r"\\\g<0>", text)
    return text.replace("://", "&#58;//").replace("www.", "www&#46;")


def from_markdown(text: str) -> str:
    r"""The original text from the result of `in_markdown`.

    Example:
        >>> from_markdown(in_markdown("a[0] <b>"))
        'a[0] <b>'
    """
    text = text.replace("www&#46;", "www.").replace("&#58;//", "://")
    text = re.sub(r"\\([\\\[\]`])", r"\1", text)
    return text.replace("&lt;", "<").replace("&amp;", "&")


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == 0x0D:
        return ""
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else f"⟨U+{code:04X}⟩"
