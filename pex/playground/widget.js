// The Playground: columns are variants, rows are cases, the cells are answers. What is shown is
// Python's document (document.js); outbox.js sends edits to it.

import { button, element, keepKeys, output } from "../widgets/shared.js";
import { makeAnswer } from "./answers.js";
import { makeCase, makeChooser } from "./cases.js";
import { makeChat } from "./chat/chat.js";
import { makeChecks } from "./checks.js";
import { arrange, iconButton, makeKeys, makeViews, setChoices } from "./controls.js";
import { followDocument } from "./document.js";
import { makeHeads } from "./heads.js";
import { makeImageStore } from "./images.js";
import { makeMarkdown } from "./markdown.js";
import { makeModelMenu } from "./models.js";
import { makeOutbox } from "./outbox.js";
import { makePanes } from "./panes.js";
import { makeSaver } from "./saving.js";
import { makeImporter } from "./table.js";
import { makeStatus, makeTools } from "./toolbar.js";
import { makeVariant } from "./variants.js";
import { makeVersions } from "./versions.js";

const DIFFERENCE_MS = 300;
const KEYS = [
  ["Ctrl+Enter", "run the column, row or cell you are in"],
  ["Ctrl+Shift+Enter", "run all"],
  ["Escape", "stop; leave the maximised view"],
  ["Alt+Z, Alt+Shift+Z", "undo, redo (Ctrl+Z undoes typing in a field)"],
  ["Arrow keys, Home, End", "move between answers"],
  ["Enter", "run the answer that has the focus"],
  ["Enter, Shift+Enter", "in a conversation: send, new line"],
  ["+, -, n", "good answer, bad answer, note on the answer that has the focus"],
];

const HINT = "Text in {{ double braces }} becomes an input of every case.";

/** Beside the prompts: what they ask of the cases below, and how answers are checked. */
function makeCorner(checks) {
  const node = element("div", "pex-play-corner");
  const about = element("p");
  const inputs = element("div", "pex-chips");
  inputs.setAttribute("aria-label", "Inputs");
  node.append(about, inputs, element("p", "pex-meta", HINT), element("p", "", "Checks"), checks.node);
  return {
    node,
    update(count, variables) {
      const many = `${count.toLocaleString()} case${count === 1 ? "" : "s"}`;
      about.textContent = variables.length ? `${many}, with the input${variables.length === 1 ? "" : "s"}` : many;
      inputs.replaceChildren(...variables.map((name) => element("span", "pex-chip pex-token-value", name)));
    },
  };
}

/** A row: a case and its answers, one for each variant. */
function makeRow(session, id) {
  const node = element("div", "pex-play-row");
  node.setAttribute("role", "row");
  const about = makeCase(session, id);
  const answers = makeViews((variant) => makeAnswer(session.outbox, () => session.run([variant], [id]), `${variant}|${id}`));
  return {
    node,
    focus: about.focus,
    answer: answers.get,
    update(found, number, variables, variants, kinds) {
      about.update(found, number, variables, kinds);
      answers.keep(variants.map((variant) => variant.id));
      arrange(node, [about.node, ...variants.map((variant) => answers.get(variant.id).node)]);
    },
  };
}

/** @param {{model: any, el: HTMLElement}} view */
function renderPlayground({ model, el }) {
  const view = Math.random().toString(36).slice(2);
  el.classList.add("pex", "mathjax_ignore", "tex2jax_ignore", "pex-kit", "pex-play");
  keepKeys(el);
  let cells = {};
  let pieces = null; // differences by cell, while they are shown
  let active = null; // the answer that the arrow keys are at
  let late = false;
  let adding = ""; // what was added last: the new column or row gets the focus
  const doc = () => model.get("_doc");
  const status = () => model.get("_status");
  const outbox = makeOutbox(model, view, (is) => {
    if (late === is) return;
    late = is;
    drawStatus();
  });
  const session = {
    outbox, menu: makeModelMenu(outbox), images: makeImageStore(sendBytes),
    run: (variants, cases) => outbox.say("run", { variants, cases }),
    running: () => Boolean(status().running),
    versions: (id, name) => versions.open(id, name),
    chat: (id) => chat.open(id),
  };
  const chat = makeChat(outbox, {
    doc, usd: (id) => status().chat_usd?.[id], alone: (on) => el.classList.toggle("pex-chat-alone", on),
    opener: (id) => columns.get(id)?.chatButton ?? tools.undo,
  });
  function sendBytes(message, buffers = []) {
    outbox.flush();
    model.send({ view, ...message }, undefined, buffers);
  }
  const stop = () => outbox.say("stop");
  const runAll = () => {
    session.run(null, null);
    showAnswers();
  };
  const saver = makeSaver(outbox, model);
  const versions = makeVersions(outbox);
  const chooser = makeChooser(outbox, () => (adding = "case"));
  const importer = makeImporter(sendBytes);
  const tools = makeTools({
    run: runAll, stop, save: saver.open,
    fresh: (value) => outbox.act("fresh", { value }),
    markdown: (value) => outbox.act("markdown", { value }),
    undo: () => outbox.act("undo"), redo: () => outbox.act("redo"),
    variant: () => { adding = "variant"; outbox.act("add_variant"); },
    cases: () => { outbox.flush(); chooser.open(doc().pool); },
    table: () => { outbox.flush(); importer.open(); },
    differences: () => { pieces = pieces ? null : {}; askDifferences(); draw(); },
    against: (value) => { outbox.act("baseline", { variant: value }); askDifferences(); },
  });
  const state = makeStatus(() => outbox.say("page"));
  const notice = element("div", "pex-bar pex-notice");
  const noticeText = output("");
  const reset = button("Start over", () => outbox.act("reset"), "Leave this draft and start from the experiment again");
  const dismiss = iconButton("gone", "Dismiss this notice", () => {
    dismissed = doc().notice;
    drawStatus();
    tools.run.focus();
  });
  let dismissed = "";
  notice.append(noticeText, reset, dismiss);
  const variantRow = element("div", "pex-play-variants");
  const checks = makeChecks(session, () => doc().scorers ?? []);
  const corner = makeCorner(checks);
  variantRow.append(corner.node);
  const grid = element("div", "pex-play-grid");
  grid.setAttribute("role", "grid");
  grid.setAttribute("aria-label", "Cases and answers");
  const empty = element("div", "pex-empty", "No cases yet.");
  empty.append(button("Add case", () => tools.cases.click()));
  const panes = makePanes(el, variantRow, [grid, empty]);
  const pane = panes.node;
  const heads = makeHeads(editPrompts, panes.prompts.id);
  grid.append(heads.node);
  const markdown = makeMarkdown(outbox, drawAnswers);
  const look = tools.group(tools.markdown.node, panes.density, panes.full);
  look.classList.add("pex-look");
  state.bar.append(look);
  const body = element("div", "pex-play-body");
  body.append(pane, chat.node);
  el.append(tools.bar, state.bar, notice, body, makeKeys(KEYS), saver.box, chooser.box, versions.box, importer.box, ...session.menu.nodes);

  const columns = makeViews((id) => makeVariant(session, id));
  const rows = makeViews((id) => makeRow(session, id));

  function draw() {
    const { variants, cases, variables, image_variables: images = [], document_variables: documents = {} } = doc();
    const kinds = { ...Object.fromEntries(images.map((name) => [name, "image"])), ...documents };
    const inside = pane.contains(document.activeElement);
    outbox.taken();
    el.style.setProperty("--pex-columns", Math.max(1, variants.length));
    const newColumns = columns.keep(variants.map(({ id }) => id));
    variants.forEach((variant, i) => columns.get(variant.id).update(variant, {
      first: !i, last: i === variants.length - 1, only: variants.length === 1,
    }));
    corner.update(cases.length, variables);
    arrange(variantRow, [corner.node, ...variants.map(({ id }) => columns.get(id).node)]);
    const newRows = rows.keep(cases.map(({ id }) => id));
    cases.forEach((found, i) => rows.get(found.id).update(found, i + 1, variables, variants, kinds));
    arrange(grid, [heads.node, ...cases.map(({ id }) => rows.get(id).node)]);
    empty.hidden = cases.length > 0;
    drawHeads();
    drawAnswers();
    drawTools();
    drawStatus();
    chat.draw();
    // What had the focus was removed; the way back is the nearest thing to it.
    if (inside && !body.contains(document.activeElement)) tools.undo.focus();
    if (adding === "variant" && newColumns.length) reveal(columns.get(newColumns.at(-1)));
    if (adding === "case" && newRows.length) reveal(rows.get(newRows.at(-1)));
  }

  function reveal(found) {
    adding = "";
    found.focus();
    found.node.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function drawHeads() {
    const { variants, cases, baseline } = doc();
    const cellsOf = (id) => cases.map((found) => cells[`${id}|${found.id}`]);
    heads.draw(variants, baseline, cellsOf, panes.folded);
    const answered = Object.values(cells).filter(({ state }) => state === "answered");
    const scored = new Set(answered.flatMap((cell) => (cell.marks ?? []).map((mark) => mark[3])));
    const missing = answered.length && !scored.size ? new Set([""]) : scored;
    checks.update(doc().scorers ?? [], doc().checks ?? [], doc().judges ?? [], missing);
  }

  /** Open the prompts at a variant; without one, open or fold them. */
  function editPrompts(id) {
    panes.fold(id ? false : !panes.folded);
    drawHeads();
    if (id) columns.get(id)?.edit();
  }

  /** All is run: the answers come into view, unless somebody is typing a prompt. */
  function showAnswers() {
    if (!panes.prompts.contains(document.activeElement)) panes.fold(true);
    drawHeads();
    const first = doc().cases[0];
    if (first) panes.show(rows.get(first.id).node, heads.node);
  }

  function drawTools() {
    const { variants, cases, can_undo: undo, can_redo: redo, baseline } = doc();
    const running = session.running();
    tools.run.disabled = !variants.length || !cases.length;
    tools.stop.disabled = !running;
    tools.fresh.box.checked = Boolean(status().fresh);
    tools.markdown.box.checked = Boolean(status().markdown);
    tools.undo.disabled = !undo;
    tools.redo.disabled = !redo;
    tools.differences.disabled = variants.length < 2;
    tools.differences.setAttribute("aria-pressed", String(pieces !== null));
    setChoices(tools.against, variants.map(({ id, name }) => [id, `compared with ${name}`]));
    tools.against.value = baseline;
    tools.against.hidden = variants.length < 2;
  }

  function drawStatus() {
    const { notice: text = "", can_reset: canReset = false } = doc();
    state.draw(status(), doc(), Object.values(cells), late);
    const gone = status().gone ?? "";
    notice.hidden = (!text || text === dismissed) && !gone;
    noticeText.textContent = gone || text;
    reset.hidden = !canReset || Boolean(gone);
    dismiss.hidden = Boolean(gone);
    body.inert = tools.bar.inert = Boolean(gone);
    chat.drawTotal();
  }

  function drawAnswers(only) {
    const { variants, cases, baseline } = doc();
    const render = Boolean(status().markdown) && !pieces; // differences are of the text
    for (const found of cases) {
      for (const variant of variants) {
        const key = `${variant.id}|${found.id}`;
        if (only && !only.has(key)) continue;
        const shown = pieces && variant.id !== baseline ? pieces[key] : undefined;
        const html = render ? markdown.of(key, cells[key]) : undefined;
        rows.get(found.id)?.answer(variant.id).draw(cells[key], shown, variant.name, html);
      }
    }
    if (!only) markActive();
  }

  let asking = 0;
  function askDifferences() {
    clearTimeout(asking);
    if (!pieces) return;
    asking = setTimeout(() => outbox.say("difference", { against: doc().baseline }), DIFFERENCE_MS);
  }

  function answersInOrder() {
    return doc().cases.map((found) => doc().variants.map((variant) => rows.get(found.id).answer(variant.id).node));
  }

  function markActive() {
    const all = answersInOrder().flat();
    if (!all.includes(active)) active = all[0] ?? null;
    for (const node of all) {
      node.tabIndex = node === active ? 0 : -1;
      for (const button of node.querySelectorAll("button")) button.tabIndex = node.tabIndex;
    }
  }

  function move(node, key, control) {
    const all = answersInOrder();
    const row = all.findIndex((line) => line.includes(node));
    const column = all[row].indexOf(node);
    const [down, across] = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      Home: [control ? 0 : row, 0], End: [control ? all.length - 1 : row, all[row].length - 1],
    }[key];
    const next = all[down]?.[across];
    if (!next) return;
    active = next;
    markActive();
    next.focus();
  }

  function runHere(node) {
    const [variant, found] = node.closest("[data-cell]")?.dataset.cell.split("|") ?? [];
    const column = variant ?? node.closest("[data-variant]")?.dataset.variant;
    const row = found ?? node.closest("[data-case]")?.dataset.case;
    if (column || row) session.run(column ? [column] : null, row ? [row] : null);
  }

  function onKey(event) {
    event.stopPropagation();
    const control = event.ctrlKey || event.metaKey;
    const cell = event.target.matches?.("[data-cell]") ? event.target : null;
    if (event.target.closest("dialog")) return;
    if (event.key === "Enter" && control) {
      if (event.shiftKey) runAll();
      else runHere(event.target);
    } else if (event.key === "Enter" && cell) {
      runHere(cell);
    } else if (event.code === "KeyZ" && event.altKey && !control) {
      outbox.act(event.shiftKey ? "redo" : "undo");
    } else if (event.key === "Escape" && session.running()) {
      stop();
    } else if (event.key === "Escape" && panes.restore()) {
      // Back in the notebook.
    } else if (cell && /^(Arrow|Home$|End$)/.test(event.key) && !event.altKey && !event.shiftKey) {
      move(cell, event.key, control);
    } else return;
    event.preventDefault();
  }

  function onMessage(message, buffers) {
    if (message.kind === "cells") {
      const own = chat.take(message.cells);
      Object.assign(cells, own);
      for (const key of Object.keys(own)) if (pieces) delete pieces[key];
      drawAnswers(new Set(Object.keys(own)));
      drawHeads();
      if (!Object.values(own).every(({ state }) => state === "running")) askDifferences();
      drawStatus();
    } else if (message.view !== view) {
      return;
    } else if (message.kind === "difference" && pieces) {
      pieces = message.pieces;
      drawAnswers();
    } else if (message.kind === "page") {
      state.opened(message);
    } else if (message.kind === "markdown") {
      markdown.take(message.html);
    } else if (message.kind === "saved") {
      saver.saved(message);
    } else if (message.kind === "table") {
      importer.table(message);
    } else if (message.kind === "judge") {
      checks.judgeTaken(message);
    } else if (message.kind === "image") {
      session.images.take(message, buffers);
    } else if (message.kind === "code") {
      saver.code(message);
    } else if (message.kind === "versions") {
      versions.take(message);
    } else if (message.kind === "models") {
      session.menu.take(message);
    } else if (message.kind === "key") {
      session.menu.keyTaken(message);
    }
  }

  function onCells() {
    cells = chat.take(model.get("_cells"), true);
    drawAnswers();
    drawHeads();
    askDifferences();
  }

  let drawnStatus = "";
  function onStatus() {
    const { running, fresh, gone, markdown: rendered } = status();
    const now = JSON.stringify([running, fresh, gone, rendered]);
    if (now === drawnStatus) drawStatus(); // only the progress
    else draw();
    drawnStatus = now;
  }

  el.addEventListener("keydown", onKey);
  grid.addEventListener("focusin", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (!cell || cell === active) return;
    active = cell;
    markActive();
  });
  window.addEventListener("pagehide", outbox.flush);
  model.on("change:_doc", draw);
  model.on("change:_cells", onCells);
  model.on("change:_status", onStatus);
  model.on("msg:custom", onMessage);
  cells = chat.take(model.get("_cells"), true);
  draw();
  chat.begin();
  outbox.say("ready");
  if (!status().gone) outbox.replay(); // the newer one does, and hears that they were carried out
  return () => {
    session.menu.close();
    session.images.close();
    markdown.close();
    outbox.close();
    clearTimeout(asking);
    panes.close();
    chat.close();
    window.removeEventListener("pagehide", outbox.flush);
    model.off("change:_doc", draw);
    model.off("change:_cells", onCells);
    model.off("change:_status", onStatus);
    model.off("msg:custom", onMessage);
  };
}

export default {
  initialize: ({ model }) => followDocument(model),
  render: renderPlayground,
};
