// An opened cell in a pane beside the grid: what cell_details.py found about it.

import { CHIPS, MARKS } from "./cells.js";
import { makeCaseEditor } from "./editing.js";
import { pathOf } from "./path.js";
import { button, copyText, drawDifference, element, linked, output, sanitised } from "./shared.js";

const FOLD_LINES = 6;
const PATIENCE_MS = 100; // shorter waits would only flicker
const FOLD_CHARS = 500; // about as many lines of the pane

/** JSON as a tree; each level is built when it is opened. */
function tree(value, name) {
  const label = name === undefined ? "" : `${name}: `;
  if (value === null || typeof value !== "object") {
    return element("div", "pex-leaf pex-output", label + JSON.stringify(value));
  }
  const entries = Object.entries(value);
  const node = element("details", "pex-branch");
  const kind = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  node.append(element("summary", "", label + kind));
  let built = false;
  const build = () => {
    if (built || !node.open) return;
    built = true;
    for (const [key, item] of entries.slice(0, 1000)) node.append(tree(item, key));
    if (entries.length > 1000) node.append(element("div", "pex-soft", `… ${entries.length - 1000} more`));
  };
  node.addEventListener("toggle", build);
  if (name === undefined) {
    node.open = true;
    build();
  }
  return node;
}

function section(title, ...nodes) {
  const node = element("section", "pex-part");
  node.append(element("h3", "", title), ...nodes);
  return node;
}

function drawAnswer(answer) {
  if (answer.empty) return element("div", "pex-soft", answer.empty);
  if (answer.html !== undefined) return sanitised(answer.html);
  if (answer.mode === "json") {
    return answer.json === null ? element("div", "pex-soft", "not JSON") : tree(JSON.parse(answer.json));
  }
  if (answer.mode === "code") {
    const code = element("pre", "pex-code");
    for (const [kind, text] of answer.pieces) code.append(kind ? element("span", `pex-code-${kind}`, text) : text);
    code.tabIndex = 0;
    return code;
  }
  return output(answer.text, "pex-long");
}

/** A text of which only the first lines are shown until somebody wants all of it. */
function folded(text, className = "") {
  const box = element("div", `pex-folded ${className}`.trim());
  const shown = output(text, "pex-long pex-fold");
  box.append(shown);
  if (text.split("\n").length <= FOLD_LINES && text.length <= FOLD_CHARS) {
    shown.classList.remove("pex-fold");
    return box;
  }
  const more = button("Show all", () => {
    const open = shown.classList.toggle("pex-fold");
    more.textContent = open ? "Show all" : "Show less";
    more.setAttribute("aria-expanded", String(!open));
  });
  more.setAttribute("aria-expanded", "false");
  box.append(more);
  return box;
}

function named(name, node) {
  const box = element("div", "pex-named");
  if (name) box.append(element("div", "pex-meta", name));
  box.append(node);
  return box;
}

/** A document of the case: its first page or a player, its name, pages or length. */
function figureOf(path, preview) {
  const figure = element("figure", "pex-document");
  if (preview.picture.startsWith("data:image/png;base64,")) {
    const image = element("img");
    image.src = preview.picture;
    [image.width, image.height] = preview.size;
    image.alt = `${preview.name}, first page or picture`;
    figure.append(image);
  } else if (preview.sound.startsWith("data:audio/")) {
    const player = element("audio");
    player.controls = true;
    player.preload = "metadata";
    player.src = preview.sound;
    player.setAttribute("aria-label", preview.name);
    figure.append(player);
  }
  figure.append(element("figcaption", "", `${path} · ${preview.facts}`));
  return figure;
}

function modesOf(cell, ask) {
  const modes = element("div", "pex-bar");
  modes.setAttribute("role", "group");
  modes.setAttribute("aria-label", "How the answer is shown");
  for (const [mode, text] of [["text", "Text"], ["markdown", "Markdown"], ["json", "JSON"], ["code", "Code"]]) {
    const node = button(text, () => ask(mode));
    node.setAttribute("aria-pressed", String(cell.answer.mode === mode));
    node.dataset.mode = node.dataset.stay = mode;
    modes.append(node);
  }
  return modes;
}

function scoresOf(cell) {
  const list = element("ul", "pex-list pex-scores");
  for (const [kind, label, reason] of cell.marks) {
    const item = element("li");
    item.append(element("span", CHIPS[kind], label));
    if (reason) {
      item.className = "pex-reasoned";
      item.append(output(reason, "pex-soft"));
    }
    list.append(item);
  }
  return list;
}

/** The fields of a structured answer that are not as expected, the two values beside each other. */
function fieldsOf({ rows }) {
  const table = element("table", "pex-fields");
  const top = element("tr");
  for (const name of ["Field", "Given", "Expected"]) {
    const cell = element("th", "", name);
    cell.scope = "col";
    top.append(cell);
  }
  const head = element("thead");
  head.append(top);
  const body = element("tbody");
  for (const [sign, what, field, given, wanted, note] of rows) {
    const row = element("tr");
    const name = element("th", "", field);
    name.scope = "row";
    const here = element("td");
    here.append(element("span", `pex-field-sign pex-field-${what.replace(" ", "-")}`, `${sign} ${what}`));
    if (given !== null) here.append(output(given));
    if (note) here.append(element("span", "pex-soft", note));
    const there = element("td");
    there.append(wanted === null ? element("span", "pex-soft", "nothing") : output(wanted));
    row.append(name, here, there);
    body.append(row);
  }
  table.append(head, body);
  return table;
}

function facts(rows) {
  const list = element("dl", "pex-facts");
  for (const [name, value, note, url] of rows) {
    const fact = element("div");
    const said = element("dd");
    said.append(url ? linked(value, url) : value);
    if (note) said.append(element("span", "pex-meta", ` · ${note}`));
    fact.append(element("dt", "", name), said);
    list.append(fact);
  }
  return list;
}

/** Text that is looked at rarely, built when it is opened. */
function rarely(title, text) {
  const node = element("details", "pex-rarely");
  node.append(element("summary", "", title));
  node.addEventListener("toggle", () => {
    if (!node.open || node.children.length > 1) return;
    const code = element("pre", "pex-code", text);
    code.tabIndex = 0;
    code.setAttribute("aria-label", title);
    const copy = button("Copy", () => copyText(text), `Copy: ${title}`);
    const box = element("div", "pex-copyable");
    box.append(code, copy);
    node.append(box);
  });
  return node;
}

/** All of an opened cell: the answer and its scores first, what it came from below. */
function drawOpened(cell, ask, editor) {
  const nodes = [];
  const answer = section("Answer", modesOf(cell, ask), element("div", "pex-answer"));
  answer.lastChild.append(drawAnswer(cell.answer));
  nodes.push(answer);
  if (cell.marks.length) nodes.push(section("Scores", scoresOf(cell)));
  for (const found of cell.fields ?? []) {
    const title = cell.fields.length > 1 ? `Fields: ${found.scorer}` : "Fields";
    const said = element("div", "pex-soft", found.said);
    nodes.push(section(title, said, ...(found.rows.length ? [fieldsOf(found)] : [])));
  }
  if (cell.expected || editor) {
    const wanted = cell.expected ? folded(cell.expected) : element("div", "pex-soft", "none");
    nodes.push(section("Expected", wanted, ...(editor ? [editor.box] : [])));
  }
  if (cell.difference) nodes.push(section(`Compared with the baseline, ${cell.baseline}`, drawDifference(cell.difference)));
  if (cell.path) nodes.push(section("Path", ...pathOf(cell.path, cell.variant, folded)));
  const about = [];
  about.push(...cell.inputs.map(([name, text, preview]) => named(name, preview ? figureOf(text, preview) : folded(text))));
  if (cell.tags.length) {
    const tags = element("div", "pex-chips");
    for (const tag of cell.tags) tags.append(element("span", "pex-chip", tag));
    about.push(tags);
  }
  nodes.push(section("Case", ...about));
  const before = cell.messages.filter((message) => !message.answer);
  if (before.length) {
    const talk = element("div", "pex-talk");
    talk.append(...before.map(({ role, text }) => named(role, folded(text, "pex-message"))));
    nodes.push(section("Messages", talk));
  }
  if (cell.params.length) nodes.push(section("Parameters", facts(cell.params)));
  if (cell.facts.length) nodes.push(section("Details", facts(cell.facts)));
  nodes.push(...cell.raw.map(([title, text]) => rarely(title, text)));
  return nodes;
}

/** The variants of the case as tabs, each with the verdict on its answer. */
function tabsOf(cell, go) {
  const tabs = element("div", "pex-tabs");
  tabs.setAttribute("role", "tablist");
  tabs.setAttribute("aria-label", "Variants");
  for (const [column, name, verdict] of cell.tabs) {
    const here = column === cell.place[1];
    const tab = button(name, () => go(column));
    tab.className = "pex-tab";
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-selected", String(here));
    tab.tabIndex = here ? 0 : -1;
    if (here) tab.dataset.stay = "tab";
    if (verdict) tab.append(element("span", MARKS[verdict], { good: " ✓", bad: " ✗", failed: " !" }[verdict]));
    tabs.append(tab);
  }
  return tabs;
}

const KEYS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * The pane beside the grid in which a cell is opened.
 * @param {{ask: (mode: string) => void, step: (down: number, right: number) => void,
 *   go: (column: number) => void, send: (message: object) => void, leave: () => void}} todo
 */
export function makeReader({ ask, step, go, send, leave }) {
  const box = element("dialog", "pex-reader");
  box.setAttribute("aria-label", "An answer");
  box.tabIndex = -1;
  const title = element("h2", "pex-title");
  const bar = element("div", "pex-bar");
  const moves = [["←", 0, -1, "Previous variant"], ["→", 0, 1, "Next variant"], ["↑", -1, 0, "Previous row"], ["↓", 1, 0, "Next row"]];
  bar.append(...moves.map(([sign, down, right, label]) => button(sign, () => step(down, right), label)),
    button("Close", close));
  const head = element("div", "pex-reader-head");
  const tabs = element("div");
  head.append(bar, title, tabs);
  const body = element("div", "pex-reader-body");
  box.append(head, body);

  function close() {
    clearTimeout(late);
    const inside = box.contains(box.getRootNode().activeElement);
    box.close();
    if (inside) leave();
  }

  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
    const move = KEYS[event.key];
    const typing = event.target.closest("input, textarea, select, pre, [contenteditable]");
    if (!move || event.ctrlKey || event.metaKey || event.shiftKey || (typing && !event.altKey)) return;
    event.preventDefault();
    step(...move);
  });
  const editors = new Map(); // of the cells with a form that is open
  let mode = "text";
  let late = 0;
  function editorOf(cell) {
    for (const [place, editor] of editors) if (editor.empty) editors.delete(place);
    const place = cell.place.join();
    if (!editors.has(place)) editors.set(place, makeCaseEditor(cell, send, () => ask(mode)));
    return editors.get(place);
  }

  function fill(...nodes) {
    const had = box.getRootNode().activeElement;
    const inside = box.contains(had);
    body.replaceChildren(...nodes);
    if (!inside || had === box.getRootNode().activeElement) return;
    if (box.contains(had)) had.focus(); // it was in a form
    else (box.querySelector(`[data-stay="${had.dataset.stay}"]`) ?? box).focus({ preventScroll: true });
  }

  return {
    box,
    close,
    get mode() {
      return mode;
    },
    edited: (message) => editors.get(`${message.row},${message.column}`)?.said(message),
    /** Another cell was asked for: if the kernel does not answer at once, show what is known of it. */
    expect(row, column, show) {
      clearTimeout(late);
      late = box.dataset.place === `${row},${column}` ? 0 : setTimeout(show, PATIENCE_MS);
    },
    /** Open it with what is known: a kernel that is busy has to answer first. */
    wait(text, words) {
      title.textContent = text;
      tabs.replaceChildren();
      delete box.dataset.place;
      fill(output(words, "pex-long"), element("div", "pex-soft", "The full answer is shown when the kernel is free."));
      box.setAttribute("open", ""); // `show` would take the focus
    },
    draw(cell) {
      clearTimeout(late);
      title.textContent = [cell.case, cell.variant, cell.repeat && `repeat ${cell.repeat}`].filter(Boolean).join(" · ");
      const same = mode === cell.answer.mode && box.dataset.place === cell.place.join();
      mode = cell.answer.mode;
      box.dataset.place = cell.place.join();
      const nodes = drawOpened(cell, ask, cell.edits ? editorOf(cell) : null);
      const had = tabs.contains(box.getRootNode().activeElement);
      tabs.replaceChildren(...(cell.tabs.length > 1 ? [tabsOf(cell, go)] : []));
      if (had) (tabs.querySelector("[data-stay=tab]") ?? box).focus({ preventScroll: true });
      fill(...nodes);
      if (!same) box.scrollTop = 0;
    },
  };
}
