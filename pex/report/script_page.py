"""An HTML file of its own with a script and its data in it: nothing is fetched, nothing sent."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from typing import Any

from pex.report.theme import page_style


def script_page(
    title: str, heading: str, body: str, style: str, script: str, data: Mapping[str, Any]
) -> str:
    """The text of the file.

    Its own policy lets it run this script and no other, and reach no other address.

    Args:
        title: of the window, as text.
        heading: the first line, as text.
        body: HTML below it, for the script to fill.
        style: the style sheet; the page's own colours are added.
        script: the script, which finds `data` as JSON in the element `data`.
        data: plain data.
    """
    sheet = style + page_style(".pex.pex-kit")
    # JSON without "<" cannot close the element that contains it.
    text = json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(sheet)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{sheet}</style>
</head>
<body>
<main class="pex pex-kit"><h1>{escape(heading)}</h1>
{body}<noscript>This page needs JavaScript.</noscript></main>
<script type="application/json" id="data">{text}</script>
<script>{script}</script>
</body>
</html>
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
