"""What all widgets share: their style, their helpers in the browser, and texts made safe to show.

A widget's script is `kit.js` followed by its own, its style the tables' style, `kit.css` and its
own: plain files, so nothing is bundled, imported or fetched. Text from a model becomes HTML in one
place only, `markdown_html`.
"""

from __future__ import annotations

import functools
from pathlib import Path

from pex.core.shown import clean
from pex.report.tables import style

__all__ = ["clean", "markdown_html", "script", "styles"]

_ROOMS = Path(__file__).parent.parent
_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li",
    "ol", "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


@functools.cache
def script(*names: str) -> str:
    """The script of a widget: what all share, then its own.

    Args:
        names: of the widget's files, as `room/file` without the ending; the last has the
            `export default`.
    """
    return "\n".join((_ROOMS / f"{part}.js").read_text("utf-8") for part in ("widgets/kit", *names))


@functools.cache
def styles(name: str) -> str:
    """The style of a widget: that of tables, what all widgets share, then its own (`room/file`)."""
    files = (_ROOMS / f"{part}.css" for part in ("widgets/kit", name))
    return "\n".join([style(), *(file.read_text("utf-8") for file in files)])


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
