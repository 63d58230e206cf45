"""What all widgets share: their style, their helpers in the browser, and texts made safe to show.

A widget's script is `kit.js` followed by its own, its style the tables' style, `kit.css` and its
own: plain files, so nothing is bundled, imported or fetched. Text from a model becomes HTML in one
place only, `markdown_html`.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from pex.report.tables import style

_HERE = Path(__file__).parent
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_SEEN = bytes([9, 10, *range(0x20, 0x7F)])
_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li",
    "ol", "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


@functools.cache
def script(*names: str) -> str:
    """The script of a widget: what all share, then its own.

    Args:
        names: of the widget's files, without the ending; the last has the `export default`.
    """
    return "\n".join((_HERE / f"{part}.js").read_text("utf-8") for part in ("kit", *names))


@functools.cache
def styles(name: str) -> str:
    """The style of a widget: that of tables, what all widgets share, then its own."""
    return "\n".join([style(), *((_HERE / f"{n}.css").read_text("utf-8") for n in ("kit", name))])


def clean(text: str) -> str:
    r"""A text in which nothing is unseen: control characters become their pictures.

    Null bytes and terminal escapes are shown, half a surrogate becomes the replacement character
    (it cannot be sent at all), and marks that turn the direction of all that follows are shown.

    Example:
        >>> clean("a\x00b \x1b[31mred\ud800")
        'a␀b ␛[31mred�'
    """
    # All rows of a grid go through here: for most texts this is several times as fast.
    if text.isascii() and not text.encode().translate(None, _SEEN):
        return text
    return _UNSEEN.sub(_picture, text)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == 0x0D:
        return ""
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else f"⟨U+{code:04X}⟩"


def markdown_html(text: str) -> str:
    """Markdown as HTML that runs and fetches nothing: no raw HTML, no images, web links only.

    Example:
        >>> markdown_html("**bold** <script>x</script> ![i](http://a/b.png)").strip()
        '<p><strong>bold</strong> &lt;script&gt;x&lt;/script&gt; </p>'
    """
    import nh3
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    return nh3.clean(
        reader.render(clean(text)),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )
