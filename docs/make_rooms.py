"""The picture of the rooms in docs/pictures/rooms.svg, made from the import contracts.

`python docs/make_rooms.py` makes it anew after a change of the layers in pyproject.toml or of the
first line of a room's docstring; a test says when that is due.
"""

from __future__ import annotations

import ast
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "pictures" / "rooms.svg"
WIDTH, ROW, GAP, LEFT, NAMES = 880, 26, 6, 36, 110
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.room { font: 600 13px ui-monospace, monospace; }
.box { fill: #f6f8fa; stroke: #d0d7de; }
.arrow { stroke: #59636e; fill: none; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .box { fill: #151b23; stroke: #3d444d; }
  .arrow { stroke: #9198a1; }
}
"""


def layers() -> list[list[str]]:
    """The rooms from top to bottom; those that stand side by side are in one list."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    rooms = next(item for item in contracts if item.get("containers") == ["pex"])
    return [[name.strip() for name in layer.split("|")] for layer in rooms["layers"]]


def purpose(room: str) -> str:
    """The first line of a room's docstring, without its full stop."""
    source = (ROOT / "pex" / room / "__init__.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return docstring.partition("\n")[0].rstrip(".").replace("`", "")


def picture() -> str:
    """The text of the SVG file."""
    parts, y = [], 8
    for layer in layers():
        height = ROW * len(layer)
        parts.append(
            f'<rect class="box" x="{LEFT}" y="{y}" width="{WIDTH - LEFT - 8}" '
            f'height="{height}" rx="5"/>'
        )
        for place, room in enumerate(layer):
            line = y + ROW * place + 17
            parts.append(f'<text class="room" x="{LEFT + 12}" y="{line}">{room}</text>')
            parts.append(f'<text x="{LEFT + NAMES}" y="{line}">{escape(purpose(room))}</text>')
        y += height + GAP
    end = y - GAP
    parts.append(f'<path class="arrow" d="M16 12V{end - 4}m-5 -8l5 8l5 -8"/>')
    label = "The rooms of pex from top to bottom; each imports only rooms below it."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" '
        f'width="{WIDTH}" height="{end + 8}" viewBox="0 0 {WIDTH} {end + 8}">\n'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
