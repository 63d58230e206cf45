// An opened cell in a window: what cell_details.py found about it.

import { MARKS } from "./cells.js";
import { makeCaseEditor } from "./editing.js";
import { button, dialog, drawDifference, element, output, sanitised } from "./shared.js";

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

/** A link to a page of another program; nothing but the web is linked. */
function linked(text, url) {
  if (!/^https?:/.test(url)) return text;
  const link = element("a", "pex-link", text);
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

/** All of an opened cell, below the buttons of its window. */
function drawOpened(cell, ask, editor) {
  const nodes = [];
  const inputs = cell.inputs.map(([name, text]) => {
    const box = element("div");
    if (name) box.append(element("span", "pex-meta", name));
    box.append(output(text, "pex-long"));
    return box;
  });
  if (cell.expected) {
    const box = element("div");
    box.append(element("span", "pex-meta", "expected"), output(cell.expected, "pex-long"));
    inputs.push(box);
  }
  const tags = element("div", "pex-bar");
  for (const tag of cell.tags) tags.append(element("span", "pex-chip", tag));
  nodes.push(section("Case", ...inputs, ...(cell.tags.length ? [tags] : []), ...(editor ? [editor.box] : [])));

  const modes = element("div", "pex-bar");
  modes.setAttribute("role", "group");
  modes.setAttribute("aria-label", "How the answer is shown");
  for (const [mode, text] of [["text", "Text"], ["markdown", "Markdown"], ["json", "JSON"], ["code", "Code"]]) {
    const node = button(text, () => ask(mode));
    node.setAttribute("aria-pressed", String(cell.answer.mode === mode));
    node.dataset.mode = mode;
    modes.append(node);
  }
  const talk = element("div", "pex-talk");
  const messages = cell.messages.length ? cell.messages : [{ role: "assistant", answer: true }];
  for (const message of messages) {
    const box = element("div", "pex-message");
    box.append(element("div", "pex-meta", message.role));
    box.append(message.answer ? drawAnswer(cell.answer) : output(message.text, "pex-long"));
    talk.append(box);
  }
  nodes.push(section("Conversation", modes, talk));

  if (cell.marks.length) {
    const list = element("ul", "pex-list");
    for (const [kind, label, reason] of cell.marks) {
      const item = element("li");
      item.append(element("span", MARKS[kind], label));
      if (reason) item.append(output(reason, "pex-soft"));
      list.append(item);
    }
    nodes.push(section("Scores", list));
  }
  if (cell.difference) {
    nodes.push(section(`Compared with the baseline, ${cell.baseline}`, drawDifference(cell.difference)));
  }
  if (cell.facts.length) {
    const list = element("dl", "pex-facts");
    for (const [name, value, note, url] of cell.facts) {
      const fact = element("div");
      const said = element("dd");
      said.append(url ? linked(value, url) : value);
      if (note) said.append(element("span", "pex-meta", ` · ${note}`));
      fact.append(element("dt", "", name), said);
      list.append(fact);
    }
    nodes.push(section("Details", list));
  }
  return nodes;
}

/** The window in which a cell is opened. */
export function makeReader(ask, step, send) {
  const box = dialog("An answer");
  const title = element("h2", "pex-title");
  const bar = element("div", "pex-bar");
  const moves = [["←", 0, -1, "Previous variant"], ["→", 0, 1, "Next variant"], ["↑", -1, 0, "Previous row"], ["↓", 1, 0, "Next row"]];
  const close = button("Close", () => box.close());
  bar.append(...moves.map(([sign, rows, columns, label]) => button(sign, () => step(rows, columns), label)), close);
  const head = element("div", "pex-reader-head");
  head.append(title, bar);
  const body = element("div", "pex-reader");
  box.append(head, body);
  box.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (move && event.altKey) {
      event.preventDefault();
      step(...move);
    }
  });
  const editors = new Map(); // of the cells with a form that is open
  let mode = "text";
  function editorOf(cell) {
    for (const [place, editor] of editors) if (editor.empty) editors.delete(place);
    const place = cell.place.join();
    if (!editors.has(place)) editors.set(place, makeCaseEditor(cell, send, () => ask(mode)));
    return editors.get(place);
  }
  return {
    box,
    edited: (message) => editors.get(`${message.row},${message.column}`)?.said(message),
    wait(text) {
      title.textContent = text;
      body.replaceChildren(element("div", "pex-soft", "The full answer is shown when the kernel is free."));
      if (!box.open) box.showModal();
    },
    draw(cell) {
      title.textContent = [cell.case, cell.variant, cell.repeat && `repeat ${cell.repeat}`].filter(Boolean).join(" · ");
      mode = cell.answer.mode;
      const had = document.activeElement;
      body.replaceChildren(...drawOpened(cell, ask, cell.edits ? editorOf(cell) : null));
      if (had !== document.activeElement && body.contains(had)) had.focus(); // it was in a form
      if (!box.open) return;
      const pressed = body.querySelector("[aria-pressed=true]");
      if (!box.contains(document.activeElement)) pressed?.focus();
    },
  };
}
