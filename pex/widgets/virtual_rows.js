// The rows in sight and a few around them; the others are only counted.

import { drawCell, drawSquare, fitting } from "./cells.js";
import { makeHeights } from "./heights.js";
import { LAYOUTS, MAP } from "./layout_menu.js";
import { element, oncePerFrame, output } from "./shared.js";

const BEYOND = 2; // rows above and below what is seen

/**
 * @param {any} grid what is shown: scroll, head, body, begin, columns, layout, score, row, texts,
 *   want, waits, cellId, isSelected, onDrawn
 */
export function makeRows(grid) {
  const { scroll, head, body } = grid;
  const heights = makeHeights();
  const drawn = new Map(); // by index: the node, and which columns of it are drawn
  const unmeasured = new Set();
  let edges = [0]; // where each shown column begins, from the end of the case's
  let caseWidth = 0;
  let inSight = [0, 0];
  let guessed = false;
  let owed = false; // all is to be drawn anew as soon as there is room again
  const later = oncePerFrame(paint);
  const settleLater = oncePerFrame(settle);

  const fixed = () => LAYOUTS[grid.layout].pixels !== undefined;
  const count = () => heights.count;

  /** The widths of the columns, read once after they have changed. */
  function readEdges() {
    const titles = [...(head.firstChild?.children ?? [])];
    caseWidth = titles[0]?.offsetWidth ?? 0;
    edges = [0];
    for (const title of titles.slice(1)) edges.push(edges.at(-1) + (title.offsetWidth || 200));
  }

  function columnsInSight() {
    const from = Math.abs(scroll.scrollLeft) - caseWidth; // the case's may not stick
    const to = from + scroll.clientWidth;
    let first = edges.findIndex((edge) => edge > from) - 1;
    if (first < 0) first = 0;
    let last = edges.findIndex((edge) => edge >= to);
    if (last < 0) last = edges.length - 1;
    return [first, last];
  }

  function paint() {
    const height = scroll.clientHeight;
    if (!height) return; // JupyterLab has taken the cell out of the page
    if (owed) {
      redraw();
      return;
    }
    inSight = columnsInSight();
    let first = heights.at(scroll.scrollTop);
    let last = Math.min(count(), heights.at(scroll.scrollTop + height) + 1);
    if (drawn.has(first) || drawn.has(last - 1)) {
      first = Math.max(0, first - BEYOND);
      last = Math.min(count(), last + BEYOND);
    } else if (first < last) later(); // after a jump, what is seen comes first
    const free = [];
    for (const [index, { node }] of drawn) {
      if (index >= first && index < last) continue;
      drawn.delete(index);
      unmeasured.delete(index);
      free.push(node);
    }
    const missing = [];
    for (let index = first; index < last; index++) {
      const had = drawn.get(index);
      if (had && !had.stale && had.from <= inSight[0] && had.to >= inSight[1]) continue;
      const row = heights.rowAt(index);
      const data = grid.row(row);
      if (!data) missing.push(row);
      const node = had?.node ?? free.pop() ?? makeRow();
      drawRow(node, index, data);
      drawn.set(index, { node, stale: !data, from: inSight[0], to: inSight[1] });
      if (data) unmeasured.add(index);
      if (!node.isConnected) body.append(node);
    }
    for (const node of free) node.remove();
    if (missing.length) grid.want(missing);
    settle();
    grid.onDrawn();
  }

  /** Measure what was drawn, and put each row where it belongs without moving what is seen. */
  function settle() {
    if (fixed() || !unmeasured.size || !scroll.clientHeight) {
      unmeasured.clear();
      return;
    }
    const seen = heights.at(scroll.scrollTop);
    const beyond = scroll.scrollTop - heights.top(seen);
    let moved = false;
    for (const index of unmeasured) {
      const pixels = drawn.get(index)?.node.offsetHeight;
      if (pixels) moved = heights.set(index, pixels) || moved; // 0: it is not laid out now
    }
    unmeasured.clear();
    if (!guessed && drawn.size) learn();
    else if (!moved) return;
    place();
    const wanted = heights.top(seen) + beyond;
    if (Math.abs(scroll.scrollTop - wanted) >= 1) scroll.scrollTop = wanted;
    if (drawn.size && heights.top(Math.max(...drawn.keys()) + 1) < scroll.scrollTop + scroll.clientHeight) later();
  }

  /** The rows that are not known yet are taken to be as high as the first ones. */
  function learn() {
    const found = [...drawn].filter(([, { stale }]) => !stale).map(([index]) => heights.of(index));
    if (!found.length) return;
    guessed = true;
    heights.guess(Math.round(found.reduce((sum, each) => sum + each, 0) / found.length));
  }

  function place() {
    body.style.height = `${heights.total}px`;
    for (const [index, { node }] of drawn) node.style.top = `${heights.top(index)}px`;
  }

  function makeRow() {
    const node = element("div", "pex-grid-row");
    node.setAttribute("role", "row");
    for (let number = 0; number <= grid.columns.shown.length; number++) {
      const cell = element("div", "pex-cell");
      cell.setAttribute("role", number ? "gridcell" : "rowheader");
      cell.setAttribute("aria-colindex", String(number + 1));
      node.append(cell);
    }
    return node;
  }

  const lines = () => LAYOUTS[grid.layout].lines;
  const widthOf = (at) => edges[at + 1] - edges[at];

  function drawOne(cell, data, at, wait) {
    const column = grid.columns.shown[at];
    if (grid.layout === MAP) drawSquare(cell, data, { score: grid.score, name: grid.begin.variants[column] });
    else drawCell(cell, data, { lines: lines(), wait, width: widthOf(at) });
  }

  function drawAbout(about, [id, text, note]) {
    if (about.children.length < 2) {
      const meta = element("div", "pex-meta pex-one-line");
      meta.append(element("span"), element("span", "pex-id"));
      about.replaceChildren(output("", "pex-clamp"), meta);
    }
    const [shown, { children: [expected, name] }] = about.children;
    shown.textContent = fitting(text, caseWidth, lines());
    expected.textContent = lines() > 1 ? `${note} ` : note.replace(/^expected: /, "→ ");
    name.textContent = id;
    about.title = lines() > 1 ? "" : [text, note, id].filter(Boolean).join("\n");
  }

  function drawRow(node, index, data) {
    node.style.top = `${heights.top(index)}px`;
    node.dataset.index = index;
    node.setAttribute("aria-rowindex", String(index + 2));
    const [about, ...cells] = node.children;
    if (!data) {
      about.replaceChildren(element("div", "pex-soft", "…"));
      cells.forEach((cell) => cell.replaceChildren());
      return;
    }
    drawAbout(about, data);
    const wait = grid.waits();
    const whole = grid.layout === "full" ? grid.texts(heights.rowAt(index), data[3]) : null;
    cells.forEach((cell, at) => {
      const column = grid.columns.shown[at];
      const answer = data[3][column];
      if (answer && whole?.[column] != null) answer[1] = whole[column];
      if (at >= inSight[0] && at < inSight[1]) drawOne(cell, answer, at, wait);
      else cell.replaceChildren();
      cell.id = grid.cellId(index, at);
      cell.setAttribute("aria-selected", String(grid.isSelected(index, at)));
    });
  }

  /** Draw all anew: other rows, another order, other columns or another layout. */
  function redraw() {
    // Without room, as for a moment while the theme changes, nothing could be drawn in its place.
    owed = !scroll.clientHeight;
    if (owed) {
      later();
      return;
    }
    for (const { node } of drawn.values()) node.remove();
    drawn.clear();
    unmeasured.clear();
    readEdges();
    body.style.height = `${heights.total}px`;
    paint();
  }

  return {
    heights, paint, later, count,
    cell: (index, at) => drawn.get(index)?.node.children[at + 1],
    get shown() {
      return drawn;
    },
    get inSight() {
      return inSight;
    },
    caseWidth: () => caseWidth,
    readEdges,
    cancel() {
      later.cancel();
      settleLater.cancel();
    },
    redraw,
    /** Heights are not known any more: the layout or the width is another one. */
    forget() {
      guessed = false;
      heights.forget(LAYOUTS[grid.layout].pixels ?? LAYOUTS[grid.layout].guess);
    },
    /** Rows that came anew. */
    refresh(chunks, size) {
      const fresh = new Set(chunks);
      for (const [index, had] of drawn) had.stale ||= fresh.has(Math.floor(heights.rowAt(index) / size));
      later();
    },
    /** Rows of which more is known now. */
    stale(numbers) {
      const known = new Set(numbers);
      for (const [index, had] of drawn) had.stale ||= known.has(heights.rowAt(index));
      later();
    },
    /** Cells of a run that changed. */
    update(cells) {
      const rows = new Map([...drawn].map(([index, had]) => [heights.rowAt(index), [index, had]]));
      const places = new Map(grid.columns.shown.map((column, at) => [column, at]));
      for (const [row, column, cell] of cells) {
        const [index, had] = rows.get(row) ?? [];
        const at = places.get(column);
        if (had?.stale) later();
        else if (had && at >= had.from && at < had.to) {
          drawOne(had.node.children[at + 1], cell, at, true);
          unmeasured.add(index);
        }
      }
      if (unmeasured.size && !fixed()) settleLater();
    },
  };
}
