// The result grid: virtual rows over what Python sends (grid.py).

import { makeActiveCell } from "./active_cell.js";
import { makeReader } from "./cell_details.js";
import { makeColumns } from "./columns.js";
import { drawHead, notes } from "./head.js";
import { chosenLayout, LAYOUTS, makeLayoutMenu, MAP } from "./layout_menu.js";
import { onCellPressed } from "./presses.js";
import { makeRecorded } from "./recorded.js";
import { makeStore } from "./rows.js";
import { makeSelection } from "./selection.js";
import { button, copyText, element, keepKeys, oncePerFrame } from "./shared.js";
import { makeProgress, makeTools, save } from "./tools.js";
import { makeRows } from "./virtual_rows.js";
import { makeTexts } from "./whole_texts.js";

const SHORT = 24; // characters of an answer that need no second line
const SAMPLE = 20; // rows that are looked at for this

/** @param {{model: any, el: HTMLElement, store: any}} view */
function renderGrid({ model, el, store }) {
  const view = Math.random().toString(36).slice(2);
  el.classList.add("pex", "mathjax_ignore", "tex2jax_ignore", "pex-kit", "pex-grid");
  keepKeys(el);
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

  let order = null; // null: all rows in their own order
  let top = 0;
  let layoutIsSure = chosenLayout() !== null;
  const active = { row: 0, column: 0 }; // its index and place, see active_cell.js

  /** What the modules of a view share. A column in sight has a place; `columns.shown` has its number. */
  const grid = {
    scroll, head, body,
    begin: model.get("_begin"),
    columns: makeColumns(),
    layout: chosenLayout() ?? "lines",
    unfolded: false,
    get variants() {
      return grid.begin.variants;
    },
    get baseline() {
      return grid.begin.baseline;
    },
    get heads() {
      return model.get("_head").columns ?? [];
    },
    /** The score that the heat map shows. */
    get score() {
      const { sort } = tools.query;
      return sort.startsWith("score:") ? sort.slice(6) : grid.begin.scores[0] ?? "";
    },
    row: (row) => store.row(row),
    texts: (row, cells) => texts.of(row, cells),
    want: (missing) => store.want(model, missing),
    waits: () => model.get("_head").status === "running",
    cellId: (index, at) => `pex-${view}-${index}-${at}`,
    isSelected: (index, at) => selection.has(index, at),
    onDrawn: () => markActive(),
    /** The direction in which the rows are sorted by a column, if they are. */
    sorted: (column) => (tools.query.sort !== "case" && tools.query.column === column
      ? (tools.query.down ? "descending" : "ascending") : ""),
    sort(column, score) {
      const { query } = tools;
      const sort = score ? `score:${score}` : query.sort !== "case" ? query.sort
        : grid.begin.scores.length ? `score:${grid.begin.scores[0]}` : "latency";
      if (query.column !== column || query.sort !== sort) tools.change({ column, sort });
      else if (score && !query.down) tools.change({ down: true });
      else tools.change(score ? { column: null, sort: "case", down: false } : { column: null });
    },
    filter: (kind) => tools.change({ kind_of_rows: tools.query.kind_of_rows === kind ? "all" : kind }),
    fold() {
      grid.unfolded = !grid.unfolded;
      refreshHead();
      head.querySelector(".pex-grid-fold")?.focus();
    },
    widthOf: (column) => head.firstChild.children[column === "case" ? 0 : grid.columns.shown.indexOf(column) + 1]?.offsetWidth ?? 200,
    resize(column, pixels) {
      grid.columns.resize(column, pixels);
      arrange();
    },
    /** The same while the edge is dragged: a new head would take the edge from under the pointer. */
    stretch(column, pixels) {
      grid.columns.resize(column, pixels);
      setTracks();
    },
    changed: arrange,
  };

  const progress = makeProgress(model, () => scroll.focus({ preventScroll: true }));
  const tools = makeTools(ask, (form) => model.send({ kind: "export", view, form }));
  const menu = makeLayoutMenu(grid, setLayout);
  const more = button("", showMore);
  more.hidden = true;
  tools.view.append(...menu.nodes, more);
  const texts = makeTexts((wanted) => model.send({ kind: "texts", view, rows: wanted }));
  const rows = makeRows(grid);
  const selection = makeSelection(grid, rows, active, (cells) => {
    model.send({ kind: "select" }, undefined, [cells.buffer]);
    if (cells.length) tools.say(`${cells.length.toLocaleString()} selected`);
    else sayCount();
  });
  const { markActive, move, showActive } = makeActiveCell(grid, rows, active);
  const reader = makeReader({
    ask: (mode) => open(mode),
    step(down, right) {
      move(down, right);
      open();
    },
    go(column) {
      const at = grid.columns.shown.indexOf(column);
      if (at >= 0) move(0, at - active.column);
      open();
    },
    send: (message) => model.send({ view, ...message }),
    leave: () => scroll.focus({ preventScroll: true }),
  });
  const main = element("div", "pex-grid-main");
  main.append(scroll, reader.box);
  const recorded = makeRecorded(() => model.send({ kind: "page", view }));
  el.append(progress.bar, tools.bar, main, empty, recorded.line);

  const shownColumn = (at) => grid.columns.shown[at];

  function ask(query) {
    const plain = !query.search && query.kind_of_rows === "all" && !query.part
      && !query.conditions.length && query.sort === "case" && !query.down;
    tools.say(plain ? "" : "searching…");
    if (plain) setOrder(null);
    model.send({ kind: "query", view, ...query });
    refreshHead();
  }

  function setOrder(found) {
    const there = active.row < rows.count() ? rows.heights.rowAt(active.row) : 0;
    order = found;
    const at = order ? order.indexOf(there) : there;
    active.row = Math.max(0, at);
    layout();
  }

  function refreshHead() {
    head.replaceChildren(drawHead(grid));
    rows.readEdges();
  }

  let said = "";
  function drawNotes() {
    progress.draw();
    decideLayout();
    const now = JSON.stringify(grid.heads);
    if (now === said) return;
    said = now;
    if (now.includes('"part":true')) return refreshHead(); // a head of its own folds them
    const cells = [...head.firstChild.children].slice(1);
    cells.forEach((cell, at) => cell.querySelector(".pex-grid-notes").replaceWith(notes(grid, shownColumn(at))));
  }

  function start() {
    grid.begin = model.get("_begin");
    texts.clear();
    grid.columns.begin(grid.begin.variants);
    tools.draw(grid.begin);
    recorded.draw(grid.begin.recorded);
    rows.forget();
    arrange();
  }

  /** Short answers need one line; a person's own choice comes first. */
  function decideLayout() {
    if (layoutIsSure) return;
    let [cells, short] = [0, 0];
    for (let row = 0; row < Math.min(SAMPLE, grid.begin.rows); row++) {
      for (const cell of store.row(row)?.[3] ?? []) {
        if (cell?.[0] !== "answered") continue;
        cells += 1;
        short += cell[1].length <= SHORT;
      }
    }
    if (cells < Math.min(5, grid.begin.rows)) return;
    layoutIsSure = true;
    if (short >= 0.9 * cells) setLayout("compact");
  }

  function setLayout(name) {
    layoutIsSure = true;
    grid.layout = name;
    rows.forget();
    arrange();
  }

  function setTracks() {
    const squares = grid.layout === MAP;
    const { template, least } = grid.columns.tracks(squares ? "28px" : "var(--pex-cell)", squares);
    scroll.style.setProperty("--pex-template", template);
    scroll.style.setProperty("--pex-least", least);
  }

  /** Columns or layout are other ones: all is drawn anew. */
  function arrange() {
    el.dataset.layout = grid.layout;
    setTracks();
    scroll.setAttribute("aria-colcount", String(grid.columns.shown.length + 1));
    active.column = Math.max(0, Math.min(active.column, grid.columns.shown.length - 1));
    menu.draw(grid.layout);
    refreshHead();
    layout();
  }

  function sayCount() {
    const all = grid.begin.rows.toLocaleString();
    tools.say(order ? `${rows.count().toLocaleString()} of ${all} rows` : `${all} rows`);
  }

  function layout() {
    rows.heights.reset(grid.begin.rows, order);
    scroll.setAttribute("aria-rowcount", String(rows.count() + 1));
    empty.textContent = grid.begin.rows ? "No rows match." : "There are no cases.";
    empty.hidden = rows.count() > 0;
    markBusy();
    scroll.hidden = !grid.begin.rows;
    sayCount();
    rows.redraw();
    markMore();
  }

  function markBusy() {
    scroll.setAttribute("aria-busy", String(!store.full(grid.begin.rows)));
  }

  /** How many columns are beyond the edge, so that nobody misses them. */
  function markMore() {
    const hidden = grid.columns.shown.length - lastWhole();
    const text = hidden > 0 ? `${hidden} more →` : "";
    if (more.textContent === text) return;
    more.textContent = text;
    more.hidden = !text;
    more.title = "Show the columns further right";
  }

  /** How many columns can be seen whole or have been passed. */
  function lastWhole() {
    const titles = [...(head.firstChild?.children ?? [])].slice(1);
    const end = Math.abs(scroll.scrollLeft) + scroll.clientWidth;
    const first = titles.findIndex((title) => title.offsetLeft + title.offsetWidth / 2 > end);
    return first < 0 ? titles.length : first;
  }

  function showMore() {
    scroll.scrollLeft += Math.max(100, scroll.clientWidth - rows.caseWidth());
  }

  /** Show of a cell what is known here. */
  function wait(row, column) {
    const data = store.row(row);
    reader.wait(`${data?.[0] ?? ""} · ${grid.variants[column]}`, data?.[3][column]?.[1] ?? "");
  }

  function open(mode) {
    if (!rows.count()) return;
    const row = rows.heights.rowAt(active.row);
    const column = shownColumn(active.column);
    const first = !reader.box.open;
    if (first) {
      wait(row, column);
      rows.readEdges(); // the window takes a part of the width
      showActive();
    }
    if (!first) reader.expect(row, column, () => wait(row, column));
    model.send({ kind: "open", view, row, column, mode: mode ?? reader.mode });
  }

  function onKey(event) {
    if (event.target !== scroll) return;
    const page = Math.max(1, Math.floor(scroll.clientHeight / rows.heights.of(active.row)) - 1);
    const far = 1e9;
    const control = event.ctrlKey || event.metaKey;
    const moves = {
      ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
      PageUp: [-page, 0], PageDown: [page, 0],
      Home: control ? [-far, -far] : [0, -far], End: control ? [far, far] : [0, far],
    };
    const by = moves[event.key];
    if (by) {
      selection.anchor(event.shiftKey);
      move(...by);
      if (event.shiftKey) selection.extend();
      else if (reader.box.open) open();
    } else if (event.key === "Enter") {
      open();
      reader.box.focus({ preventScroll: true });
    } else if (event.key === " ") selection.toggle();
    else if (event.key === "Escape") {
      if (reader.box.open) reader.close();
      else selection.clear();
    } else if (event.key === "/") tools.search.focus();
    else if (control && event.key.toLowerCase() === "a") selection.all();
    else if (control && event.key.toLowerCase() === "c") {
      if (String(window.getSelection())) return;
      model.send({ kind: "export", view, form: "tabs" });
    } else return;
    event.preventDefault();
  }

  function choose(place, event) {
    if (String(window.getSelection())) return;
    const extend = event.shiftKey;
    if (extend) selection.anchor(true);
    Object.assign(active, place);
    scroll.focus({ preventScroll: true });
    markActive();
    if (extend) selection.extend();
    else if (event.ctrlKey || event.metaKey) selection.toggle();
    else {
      selection.anchor(false);
      open();
    }
  }

  function onMessage(message, buffers) {
    if (message.kind === "rows") {
      markBusy();
      rows.refresh(message.chunks, grid.begin.chunk);
      decideLayout();
    } else if (message.kind === "cells") {
      texts.forget(message.cells.map(([row]) => row));
      rows.update(message.cells);
      markActive();
    } else if (message.view !== view) {
      return;
    } else if (message.kind === "texts") {
      texts.add(message.rows);
      rows.stale(message.rows.map(([row]) => row));
    } else if (message.kind === "order") {
      const bytes = buffers[0];
      const found = new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
      const plain = found.length === grid.begin.rows && tools.query.sort === "case" && !tools.query.down;
      setOrder(plain ? null : found);
    } else if (message.kind === "opened") {
      if (reader.box.open && message.row === rows.heights.rowAt(active.row) && message.column === shownColumn(active.column)) reader.draw(message.cell);
    } else if (message.kind === "page") {
      recorded.answer(message);
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
  onCellPressed(body, choose);
  scroll.addEventListener("scroll", () => {
    if (scroll.clientHeight) top = scroll.scrollTop;
    rows.later();
    markMore();
  }, { passive: true });
  let width = 0;
  const again = oncePerFrame(layout);
  const size = new ResizeObserver(() => {
    // JupyterLab removes a cell that is out of sight from the page, and with it its scroll position.
    if (scroll.clientHeight && scroll.scrollTop !== top) scroll.scrollTop = top;
    if (!scroll.clientWidth || scroll.clientWidth === width) return rows.paint(); // before this frame is shown
    const first = !width;
    width = scroll.clientWidth;
    rows.forget();
    if (first) layout();
    else again(); // the height of the grid may change by it, which has to wait
  });
  size.observe(scroll);

  // JupyterLab skips the layout of cells out of sight. What was drawn meanwhile has been seen to stay
  // without any size, so all is drawn anew when the cell comes back.
  function onSkipped(event) {
    if (!event.skipped && event.target.contains?.(el)) layout();
  }
  document.addEventListener("contentvisibilityautostatechange", onSkipped);
  store.views.add(onMessage);
  model.on("change:_begin", start);
  model.on("change:_head", drawNotes);
  start();
  drawNotes();
  return () => {
    rows.cancel();
    again.cancel();
    size.disconnect();
    document.removeEventListener("contentvisibilityautostatechange", onSkipped);
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
