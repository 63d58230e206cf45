// The result grid: virtual rows over what Python sends (grid.py).

import { makeReader } from "./cell_details.js";
import { drawCell, fitting } from "./cells.js";
import { makeStore } from "./rows.js";
import { button, copyText, element, oncePerFrame, output } from "./shared.js";
import { makeProgress, makeTools, save } from "./tools.js";

const ROW_PX = 92;
const BEYOND = 2; // rows above and below what is seen

/** @param {{model: any, el: HTMLElement, store: any}} view */
function renderGrid({ model, el, store }) {
  const view = Math.random().toString(36).slice(2);
  el.classList.add("pex", "mathjax_ignore", "tex2jax_ignore", "pex-kit", "pex-grid");
  // JupyterLab's keys would otherwise act on the notebook while the grid has the focus.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  let begin = model.get("_begin");
  let order = null; // null: all rows in their own order
  let active = { row: 0, column: 0 };
  let anchor = null;
  let pressed = null; // the cell in which the mouse button went down
  let top = 0;
  let cellWidth = 200;
  let columns = [0, 0]; // those in sight: only their cells are drawn
  const selected = new Set();
  const drawn = new Map();

  const progress = makeProgress(model, () => scroll.focus({ preventScroll: true }));
  const tools = makeTools(ask, (form) => model.send({ kind: "export", view, form }));
  const scroll = element("div", "pex-grid-scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "grid");
  scroll.setAttribute("aria-label", "Cases and answers");
  scroll.setAttribute("aria-multiselectable", "true");
  const head = element("div", "pex-grid-head");
  const body = element("div", "pex-grid-body");
  head.setAttribute("role", "rowgroup");
  body.setAttribute("role", "rowgroup");
  scroll.append(head, body);
  const empty = element("div", "pex-soft pex-grid-empty");
  const reader = makeReader((mode) => open(mode), (rows, columns) => { move(rows, columns); open(); },
    (message) => model.send({ view, ...message }));
  el.append(progress.bar, tools.bar, scroll, empty, reader.box);

  const count = () => (order ? order.length : begin.rows);
  const rowAt = (index) => (order ? order[index] : index);
  const key = (index, column) => rowAt(index) * begin.variants.length + column;

  function ask(query) {
    const plain = !query.search && query.kind_of_rows === "all" && !query.part
      && query.sort === "case" && !query.down;
    tools.say(plain ? "" : "searching…");
    if (plain) setOrder(null);
    model.send({ kind: "query", view, ...query });
    drawHead();
  }

  function setOrder(found) {
    const there = active.row < count() ? rowAt(active.row) : 0;
    order = found;
    const at = order ? order.indexOf(there) : there;
    active.row = Math.max(0, at);
    layout();
  }

  function drawHead() {
    const row = element("div", "pex-grid-row");
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", "1");
    const titles = ["case", ...begin.variants];
    const notes = model.get("_head").columns ?? [];
    row.append(...titles.map((name, number) => {
      const cell = element("div", "pex-cell pex-grid-title");
      cell.setAttribute("role", "columnheader");
      cell.setAttribute("aria-colindex", String(number + 1));
      if (!number) {
        cell.textContent = name;
        return cell;
      }
      const sorted = tools.query.sort !== "case" && tools.query.column === number - 1;
      const title = button(name, () => tools.change({ column: sorted ? null : number - 1,
        ...(tools.query.sort === "case" ? { sort: begin.scores.length ? `score:${begin.scores[0]}` : "latency" } : {}) }));
      title.className = "pex-grid-name";
      title.title = `Sort by ${name}`;
      if (sorted) cell.setAttribute("aria-sort", tools.query.down ? "descending" : "ascending");
      const sign = sorted ? (tools.query.down ? " ▼" : " ▲") : "";
      title.textContent = name + sign;
      cell.append(title);
      if (number - 1 === begin.baseline && begin.variants.length > 1) cell.append(element("span", "pex-meta", " baseline"));
      cell.append(element("div", "pex-meta", notes[number - 1] || " "));
      return cell;
    }));
    head.replaceChildren(row);
  }

  function drawNotes() {
    progress.draw();
    const notes = model.get("_head").columns ?? [];
    head.querySelectorAll(".pex-grid-title > .pex-meta:last-child").forEach((node, i) => {
      if (node.textContent !== notes[i]) node.textContent = notes[i] || " ";
    });
  }

  function start() {
    begin = model.get("_begin");
    el.style.setProperty("--pex-columns", begin.variants.length);
    scroll.setAttribute("aria-colcount", String(begin.variants.length + 1));
    tools.draw(begin);
    drawHead();
    layout();
  }

  function layout() {
    body.style.height = `${count() * ROW_PX}px`;
    scroll.setAttribute("aria-rowcount", String(count() + 1));
    empty.textContent = begin.rows ? "No rows match." : "There are no cases.";
    empty.hidden = count() > 0;
    markBusy();
    scroll.hidden = !begin.rows;
    if (order) tools.say(`${count().toLocaleString()} of ${begin.rows.toLocaleString()} rows`);
    else tools.say(`${begin.rows.toLocaleString()} rows`);
    for (const { node } of drawn.values()) node.remove();
    drawn.clear();
    paint();
  }

  const later = oncePerFrame(paint);

  function paint() {
    const height = scroll.clientHeight;
    if (!height) return; // JupyterLab has taken the cell out of the page
    const titles = head.firstChild?.children;
    cellWidth = titles?.[1]?.offsetWidth || 200;
    const from = Math.abs(scroll.scrollLeft) - (titles?.[0]?.offsetWidth ?? 0);
    const to = Math.ceil((from + scroll.clientWidth) / cellWidth);
    columns = [Math.max(0, Math.floor(from / cellWidth)), Math.min(to, begin.variants.length)];
    let first = Math.floor(scroll.scrollTop / ROW_PX);
    let last = Math.min(count(), Math.ceil((scroll.scrollTop + height) / ROW_PX));
    if (drawn.has(first) || drawn.has(last - 1)) {
      first = Math.max(0, first - BEYOND);
      last = Math.min(count(), last + BEYOND);
    } else if (first < last) later(); // after a jump, what is seen comes first
    const free = [];
    for (const [index, { node }] of drawn) {
      if (index >= first && index < last) continue;
      drawn.delete(index);
      free.push(node);
    }
    const missing = [];
    for (let index = first; index < last; index++) {
      const had = drawn.get(index);
      if (had && !had.stale && had.from <= columns[0] && had.to >= columns[1]) continue;
      const row = rowAt(index);
      const data = store.row(row);
      if (!data) missing.push(row);
      const node = had?.node ?? free.pop() ?? makeRow();
      drawRow(node, index, data);
      drawn.set(index, { node, stale: !data, from: columns[0], to: columns[1] });
      if (!node.isConnected) body.append(node);
    }
    for (const node of free) node.remove();
    if (missing.length) store.want(model, missing);
    markActive();
  }

  function markBusy() {
    scroll.setAttribute("aria-busy", String(!store.full(begin.rows)));
  }

  function makeRow() {
    const node = element("div", "pex-grid-row");
    node.setAttribute("role", "row");
    for (let number = 0; number <= begin.variants.length; number++) {
      const cell = element("div", "pex-cell");
      cell.setAttribute("role", number ? "gridcell" : "rowheader");
      cell.setAttribute("aria-colindex", String(number + 1));
      node.append(cell);
    }
    return node;
  }

  function drawRow(node, index, data) {
    node.style.top = `${index * ROW_PX}px`;
    node.dataset.index = index;
    node.setAttribute("aria-rowindex", String(index + 2));
    const [about, ...cells] = node.children;
    if (!data) {
      about.replaceChildren(element("div", "pex-soft", "…"));
      cells.forEach((cell) => cell.replaceChildren());
      return;
    }
    const [id, text, note, answers] = data;
    if (about.children.length < 3) {
      about.replaceChildren(output("", "pex-clamp2"), element("div", "pex-meta pex-one-line"), element("div", "pex-id pex-one-line"));
    }
    [fitting(text, 2 * cellWidth), note, id].forEach((part, i) => (about.children[i].textContent = part));
    const wait = model.get("_head").status === "running";
    cells.forEach((cell, column) => {
      if (column >= columns[0] && column < columns[1]) drawCell(cell, answers[column], wait, cellWidth);
      else cell.replaceChildren();
      cell.id = `pex-${view}-${index}-${column}`;
      cell.setAttribute("aria-selected", String(selected.has(key(index, column))));
    });
  }

  function markActive() {
    body.querySelector(".pex-active")?.classList.remove("pex-active");
    const cell = drawn.get(active.row)?.node.children[active.column + 1];
    cell?.classList.add("pex-active");
    if (cell) scroll.setAttribute("aria-activedescendant", cell.id);
    else scroll.removeAttribute("aria-activedescendant");
  }

  function move(rows, columns) {
    active.row = Math.min(Math.max(0, active.row + rows), Math.max(0, count() - 1));
    active.column = Math.min(Math.max(0, active.column + columns), begin.variants.length - 1);
    const at = active.row * ROW_PX;
    const seen = scroll.clientHeight - head.offsetHeight;
    if (at < scroll.scrollTop) scroll.scrollTop = at;
    else if (at + ROW_PX > scroll.scrollTop + seen) scroll.scrollTop = at + ROW_PX - seen;
    paint();
    const cell = drawn.get(active.row)?.node.children[active.column + 1];
    const about = drawn.get(active.row)?.node.children[0];
    if (!cell) return;
    const stuck = getComputedStyle(about).position === "sticky" ? about.offsetWidth : 0;
    if (cell.offsetLeft < scroll.scrollLeft + stuck) scroll.scrollLeft = cell.offsetLeft - stuck;
    else if (cell.offsetLeft + cell.offsetWidth > scroll.scrollLeft + scroll.clientWidth) {
      scroll.scrollLeft = cell.offsetLeft + cell.offsetWidth - scroll.clientWidth;
    }
  }

  function open(mode = "text") {
    if (!count()) return;
    const row = rowAt(active.row);
    const data = store.row(row);
    if (!reader.box.open) reader.wait(`${data?.[0] ?? ""} · ${begin.variants[active.column]}`);
    model.send({ kind: "open", view, row, column: active.column, mode });
  }

  function sendSelection() {
    const cells = Uint32Array.from(selected);
    model.send({ kind: "select" }, undefined, [cells.buffer]);
    if (selected.size) tools.say(`${selected.size.toLocaleString()} selected`);
    else layout();
    for (const [index, { node }] of drawn) {
      [...node.children].slice(1).forEach((cell, column) =>
        cell.setAttribute("aria-selected", String(selected.has(key(index, column)))));
    }
  }

  function toggle() {
    const cell = key(active.row, active.column);
    if (!selected.delete(cell)) selected.add(cell);
    anchor = { ...active };
    sendSelection();
  }

  function extend() {
    anchor ??= { ...active };
    selected.clear();
    const [top, bottom] = [anchor.row, active.row].sort((a, b) => a - b);
    const [left, right] = [anchor.column, active.column].sort((a, b) => a - b);
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) selected.add(key(row, column));
    }
    sendSelection();
  }

  function selectAll() {
    for (let row = 0; row < count(); row++) {
      for (let column = 0; column < begin.variants.length; column++) selected.add(key(row, column));
    }
    sendSelection();
  }

  function onKey(event) {
    if (event.target !== scroll) return;
    const page = Math.max(1, Math.floor(scroll.clientHeight / ROW_PX) - 1);
    const far = 1e9;
    const control = event.ctrlKey || event.metaKey;
    const moves = {
      ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
      PageUp: [-page, 0], PageDown: [page, 0],
      Home: control ? [-far, -far] : [0, -far], End: control ? [far, far] : [0, far],
    };
    const by = moves[event.key];
    if (by) {
      if (event.shiftKey) anchor ??= { ...active };
      else anchor = null;
      move(...by);
      if (event.shiftKey) extend();
    } else if (event.key === "Enter") open();
    else if (event.key === " ") toggle();
    else if (event.key === "Escape") {
      selected.clear();
      sendSelection();
    } else if (event.key === "/") tools.search.focus();
    else if (control && event.key.toLowerCase() === "a") selectAll();
    else if (control && event.key.toLowerCase() === "c") {
      if (String(window.getSelection())) return;
      model.send({ kind: "export", view, form: "tabs" });
    } else return;
    event.preventDefault();
  }

  /** The row and column of the cell that an event is in, or null. */
  function placeOf(event) {
    const cell = event.target.closest("[role=gridcell]");
    return cell && { row: Number(cell.parentNode.dataset.index), column: Number(cell.ariaColIndex) - 2 };
  }

  // A browser sends no click if what was pressed is drawn anew before the button is let go, and a
  // running grid draws all the time. So the places of press and release are compared.
  function onPress(event) {
    pressed = event.button ? null : placeOf(event);
  }

  function onRelease(event) {
    const place = placeOf(event);
    const same = pressed && place?.row === pressed.row && place.column === pressed.column;
    pressed = null;
    // Later: the browser has yet to give up a selection made before.
    if (same && !event.button) setTimeout(() => choose(place, event));
  }

  function onClick(event) {
    const place = event.detail ? null : placeOf(event); // only a program's, as of a screen reader
    if (place) choose(place, event);
  }

  function choose(place, event) {
    if (String(window.getSelection())) return;
    anchor ??= { ...active };
    active = place;
    scroll.focus({ preventScroll: true });
    markActive();
    if (event.shiftKey) extend();
    else if (event.ctrlKey || event.metaKey) toggle();
    else {
      anchor = null;
      open();
    }
  }

  function onMessage(message, buffers) {
    if (message.kind === "rows") {
      markBusy();
      const fresh = new Set(message.chunks);
      for (const [index, had] of drawn) had.stale ||= fresh.has(Math.floor(rowAt(index) / begin.chunk));
      later();
    } else if (message.kind === "cells") {
      const rows = new Map([...drawn].map(([index, had]) => [rowAt(index), had]));
      for (const [row, column, cell] of message.cells) {
        const had = rows.get(row);
        if (had && !had.stale && column >= had.from && column < had.to) drawCell(had.node.children[column + 1], cell, true, cellWidth);
        else if (had?.stale) later();
      }
      markActive();
    } else if (message.view !== view) {
      return;
    } else if (message.kind === "order") {
      const bytes = buffers[0];
      const found = new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
      const plain = found.length === begin.rows && tools.query.sort === "case" && !tools.query.down;
      setOrder(plain ? null : found);
    } else if (message.kind === "opened") {
      if (reader.box.open && message.row === rowAt(active.row) && message.column === active.column) reader.draw(message.cell);
    } else if (message.kind === "edit" || message.kind === "keep") {
      reader.edited(message);
    } else if (message.kind === "export") {
      const text = new TextDecoder().decode(buffers[0]);
      if (message.form === "csv") save(text, "answers.csv");
      else copyText(text);
      tools.say(`${message.count.toLocaleString()} answers ${message.form === "csv" ? "saved" : "copied"}`);
    }
  }

  scroll.addEventListener("keydown", onKey);
  body.addEventListener("mousedown", onPress);
  body.addEventListener("mouseup", onRelease);
  body.addEventListener("click", onClick);
  scroll.addEventListener("scroll", () => {
    if (scroll.clientHeight) top = scroll.scrollTop;
    later();
  }, { passive: true });
  const size = new ResizeObserver(() => {
    // JupyterLab removes a cell that is out of sight from the page, and with it its scroll position.
    if (scroll.clientHeight && scroll.scrollTop !== top) scroll.scrollTop = top;
    paint(); // not later: it is before this frame is shown
  });
  size.observe(scroll);
  store.views.add(onMessage);
  model.on("change:_begin", start);
  model.on("change:_head", drawNotes);
  start();
  drawNotes();
  return () => {
    later.cancel();
    size.disconnect();
    store.views.delete(onMessage);
    model.off("change:_begin", start);
    model.off("change:_head", drawNotes);
    model.send({ kind: "bye", view });
  };
}

export default () => {
  const store = makeStore();
  return {
    initialize: ({ model }) => store.attach(model),
    render: ({ model, el }) => renderGrid({ model, el, store }),
  };
};
