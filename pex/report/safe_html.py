"""Texts of models and files made safe to show as HTML: escaped, or read as Markdown."""

from __future__ import annotations

from html import escape

from pex.core.safe_text import clean

_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li",
    "ol", "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


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


def escaped(text: str) -> str:
    """Text of a model or a file as HTML, with hidden characters made visible."""
    return escape(clean(text))
