"""A minimal live table of many answers: virtual rows and nothing else.

No scores, search, keys, selection, late views, static output or hostile text.
`benchmarks/widgets.py` compares the result grid with it, in the same run on the same machine.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import anywidget
import traitlets

CHUNK = 500
BATCH_S = 0.05


class Floor(anywidget.AnyWidget):
    """A table of texts; `grow` lengthens one."""

    _esm = """
    export default { render({ model, el }) {
      const PX = 92, rows = [], wide = model.get("wide");
      const scroll = document.createElement("div"), body = document.createElement("div");
      scroll.className = "floor"; scroll.append(body); el.append(scroll);
      scroll.style.cssText = "height:560px;overflow:auto;position:relative";
      const paint = () => {
        const from = Math.max(0, Math.floor(scroll.scrollTop / PX) - 2);
        body.replaceChildren(...rows.slice(from, from + 11).map((texts, n) => {
          const row = document.createElement("div");
          row.className = "floor-row";
          row.style.cssText = `position:absolute;top:${(from + n) * PX}px;height:${PX}px;` +
            `display:grid;grid-template-columns:repeat(${wide}, 190px)`;
          row.append(...texts.map((text) => {
            const cell = document.createElement("div");
            cell.style.overflow = "hidden";
            cell.textContent = text;
            return cell;
          }));
          return row;
        }));
      };
      let asked = 0;
      const later = () => { asked ||= requestAnimationFrame(() => { asked = 0; paint(); }); };
      scroll.onscroll = later;
      model.on("msg:custom", (message) => {
        message.rows?.forEach((row, n) => { rows[message.at + n] = row; });
        message.grown?.forEach(([row, column, text]) => { rows[row][column] += text; });
        body.style.height = `${rows.length * PX}px`;
        scroll.dataset.rows = rows.length;
        later();
      });
      model.send("ready");
    } };
    """
    wide = traitlets.Int().tag(sync=True)

    def __init__(self, rows: list[list[str]]) -> None:
        self._rows = rows
        self._grown: list[tuple[int, int, str]] = []
        self.shown = threading.Event()
        super().__init__(wide=len(rows[0]))
        self.on_msg(lambda *_: threading.Thread(target=self._push).start())

    def grow(self, row: int, column: int, text: str) -> None:
        """Append to a text; it is sent with the next batch."""
        self._grown.append((row, column, text))

    def follow(self, until: Any) -> None:
        """Send what has grown until `until` returns True; starts when there is a view."""
        self.shown.wait()
        while not until() or self._grown:
            grown, self._grown = self._grown, []
            if grown:
                self.send({"grown": grown})
            time.sleep(BATCH_S)

    def _push(self) -> None:
        for at in range(0, len(self._rows), CHUNK):
            self.send({"at": at, "rows": self._rows[at : at + CHUNK]})
        self.shown.set()


def floor(frame: Any) -> Floor:
    """The answers of a long frame that is in the order of its cases."""
    texts, wide = frame["output"].tolist(), frame["variant"].nunique()
    asked = frame["case.review"].tolist()
    return Floor([[asked[at], *texts[at : at + wide]] for at in range(0, len(texts), wide)])
