// The Playground: columns are variants, rows are cases, the cells are answers. What is shown is
// Python's document (document.js); outbox.js sends edits to it.

import { button, choice, element, output } from "../widgets/shared.js";
import { makeAnswer } from "./answers.js";
import { makeCase, makeChooser } from "./cases.js";
import { arrange, iconButton, makeKeys, makeViews, setChoices, signButton } from "./controls.js";
import { followDocument } from "./document.js";
import { makeModelMenu } from "./models.js";
import { makeOutbox } from "./outbox.js";
import { makeSaver } from "./saving.js";
import { makeVariant } from "./variants.js";

const DIFFERENCE_MS = 300;
const KEYS = [
  ["Ctrl+Enter", "run the column, row or cell you are in"],
  ["Ctrl+Shift+Enter", "run all"],
  ["Escape", "stop"],
  ["Alt+Z, Alt+Shift+Z", "undo, redo (Ctrl+Z undoes typing in a field)"],
  ["Arrow keys, Home, End", "move between answers"],
  ["Enter", "run the answer that has the focus"],
];

const HINTS = [
  "Each column is a variant: a prompt, a model, its parameters. Each row is a case.",
  "Text in {{ double braces }} becomes an input of every case.",
];

const NOTHING = "Write a prompt and fill in a case, then run.";

function makeTools(act) {
  const bar = element("div", "pex-bar pex-play-tools");
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Playground");
  const tools = {
    run: signButton("run", "Run all", act.run), stop: signButton("stop", "Stop", act.stop),
    fresh: button("Ask for new answers", act.fresh, "Ask the models for new answers instead of reusing earlier ones"),
    undo: signButton("undo", "Undo", act.undo), redo: signButton("redo", "Redo", act.redo),
    variant: signButton("plus", "Add variant", act.variant), cases: signButton("plus", "Add case", act.cases),
    differences: button("Show differences", act.differences),
    against: choice("Compare with", [], act.against), save: button("Save…", act.save),
  };
  tools.run.classList.add("pex-first");
  const group = (...nodes) => {
    const node = element("span", "pex-group");
    node.append(...nodes);
    return node;
  };
  bar.append(
    group(tools.run, tools.stop, tools.fresh), group(tools.undo, tools.redo),
    group(tools.variant, tools.cases), group(tools.differences, tools.against), group(tools.save),
  );
  return { bar, ...tools };
}

/** A run: what it would cost, its progress, where it was recorded. */
function makeStatus() {
  const bar = element("div", "pex-bar pex-play-status");
  const progress = document.createElement("progress");
  progress.setAttribute("aria-label", "answers");
  const line = element("span", "pex-play-line");
  const said = element("span", "pex-soft");
  said.setAttribute("role", "status");
  const link = element("a", "pex-link", "Open in MLflow");
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  const error = element("div", "pex-bad-text pex-play-error");
  error.setAttribute("role", "alert");
  bar.append(progress, line, said, link, error);
  return {
    bar,
    draw(status, doc, cells, late) {
      const last = Math.max(0, ...cells.map((cell) => cell.run ?? 0));
      const now = cells.filter((cell) => (cell.run ?? 0) === last);
      progress.hidden = !status.running;
      progress.max = now.length || 1;
      progress.value = now.filter((cell) => !["queued", "running"].includes(cell.state)).length;
      const estimate = doc.estimate ? `Run all: ${doc.estimate}` : status.said || status.error ? "" : NOTHING;
      line.textContent = status.running ? status.line || "starting…" : estimate;
      if (said.textContent !== status.said) said.textContent = status.said ?? "";
      const web = /^https?:\/\//.test(status.url ?? "");
      link.hidden = !web;
      if (web) link.href = status.url;
      const wrong = [status.error, late && "The kernel is not responding; what you type is kept in this browser."];
      const text = wrong.filter(Boolean).join(" ");
      error.hidden = !text;
      if (error.textContent !== text) error.textContent = text;
    },
  };
}

/** A row: a case and its answers, one for each variant. */
function makeRow(session, id) {
  const node = element("div", "pex-play-row");
  node.setAttribute("role", "row");
  const about = makeCase(session, id);
  const answers = makeViews((variant) => makeAnswer(() => session.run([variant], [id]), `${variant}|${id}`));
  return {
    node,
    focus: about.focus,
    answer: answers.get,
    update(found, number, variables, variants) {
      about.update(found, number, variables);
      answers.keep(variants.map((variant) => variant.id));
      arrange(node, [about.node, ...variants.map((variant) => answers.get(variant.id).node)]);
    },
  };
}

/** @param {{model: any, el: HTMLElement}} view */
function renderPlayground({ model, el }) {
  const view = Math.random().toString(36).slice(2);
  el.classList.add("pex", "mathjax_ignore", "tex2jax_ignore", "pex-kit", "pex-play");
  // JupyterLab's keys would otherwise act on the notebook while something here has the focus.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  let cells = { ...model.get("_cells") };
  let pieces = null; // differences by cell, while they are shown
  let active = null; // the answer that the arrow keys are at
  let late = false;
  let adding = ""; // what was added last: the new column or row gets the focus
  let top = [0, 0];
  const doc = () => model.get("_doc");
  const status = () => model.get("_status");
  const outbox = makeOutbox(model, view, (is) => {
    if (late === is) return;
    late = is;
    drawStatus();
  });
  const session = {
    outbox, menu: makeModelMenu(outbox),
    run: (variants, cases) => outbox.say("run", { variants, cases }),
    running: () => Boolean(status().running),
  };
  const stop = () => outbox.say("stop");
  const runAll = () => session.run(null, null);
  const saver = makeSaver(outbox, model);
  const chooser = makeChooser(outbox, () => (adding = "case"));
  const tools = makeTools({
    run: runAll, stop, save: saver.open,
    fresh: () => outbox.act("fresh", { value: !status().fresh }),
    undo: () => outbox.act("undo"), redo: () => outbox.act("redo"),
    variant: () => { adding = "variant"; outbox.act("add_variant"); },
    cases: () => { outbox.flush(); chooser.open(doc().pool); },
    differences: () => { pieces = pieces ? null : {}; askDifferences(); draw(); },
    against: (value) => { outbox.act("baseline", { variant: value }); askDifferences(); },
  });
  const state = makeStatus();
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
  const pane = element("div", "pex-play-pane");
  const variantRow = element("div", "pex-play-variants");
  const corner = element("div", "pex-play-corner pex-meta");
  for (const text of HINTS) corner.append(element("p", "", text));
  variantRow.append(corner);
  const grid = element("div", "pex-play-grid");
  grid.setAttribute("role", "grid");
  grid.setAttribute("aria-label", "Cases and answers");
  const titles = element("div", "pex-play-row pex-play-titles");
  titles.setAttribute("role", "row");
  grid.append(titles);
  const empty = element("div", "pex-empty", "No cases yet.");
  empty.append(button("Add case", () => tools.cases.click()));
  pane.append(variantRow, grid, empty);
  el.append(tools.bar, state.bar, notice, pane, makeKeys(KEYS), saver.box, chooser.box, ...session.menu.nodes);

  const columns = makeViews((id) => makeVariant(session, id));
  const rows = makeViews((id) => makeRow(session, id));

  function draw() {
    const { variants, cases, variables } = doc();
    const inside = pane.contains(document.activeElement);
    outbox.taken();
    el.style.setProperty("--pex-columns", Math.max(1, variants.length));
    const newColumns = columns.keep(variants.map(({ id }) => id));
    variants.forEach((variant, i) => columns.get(variant.id).update(variant, {
      first: !i, last: i === variants.length - 1, only: variants.length === 1,
    }));
    arrange(variantRow, [corner, ...variants.map(({ id }) => columns.get(id).node)]);
    const newRows = rows.keep(cases.map(({ id }) => id));
    cases.forEach((found, i) => rows.get(found.id).update(found, i + 1, variables, variants));
    arrange(grid, [titles, ...cases.map(({ id }) => rows.get(id).node)]);
    empty.hidden = cases.length > 0;
    drawTitles(variants);
    drawAnswers();
    drawTools();
    drawStatus();
    // What had the focus was removed; the way back is the nearest thing to it.
    if (inside && !pane.contains(document.activeElement)) tools.undo.focus();
    if (adding === "variant" && newColumns.length) reveal(columns.get(newColumns.at(-1)));
    if (adding === "case" && newRows.length) reveal(rows.get(newRows.at(-1)));
  }

  function reveal(found) {
    adding = "";
    found.focus();
    found.node.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function drawTitles(variants) {
    const now = JSON.stringify(variants.map(({ id, name }) => [id, name, doc().baseline === id && variants.length > 1]));
    if (now === titles.dataset.drawn) return;
    titles.dataset.drawn = now;
    const first = element("div", "pex-play-title", "Case");
    titles.replaceChildren(first, ...JSON.parse(now).map(([, name, baseline]) => {
      const title = element("div", "pex-play-title");
      title.append(output(name, "pex-title-name"));
      if (baseline) title.append(element("span", "pex-chip", "baseline"));
      return title;
    }));
    for (const title of titles.children) title.setAttribute("role", "columnheader");
  }

  function drawTools() {
    const { variants, cases, can_undo: undo, can_redo: redo, baseline } = doc();
    const running = session.running();
    tools.run.disabled = !variants.length || !cases.length;
    tools.stop.disabled = !running;
    tools.fresh.setAttribute("aria-pressed", String(Boolean(status().fresh)));
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
    pane.inert = tools.bar.inert = Boolean(gone);
  }

  function drawAnswers(only) {
    const { variants, cases, baseline } = doc();
    for (const found of cases) {
      for (const variant of variants) {
        const key = `${variant.id}|${found.id}`;
        if (only && !only.has(key)) continue;
        const shown = pieces && variant.id !== baseline ? pieces[key] : undefined;
        rows.get(found.id)?.answer(variant.id).draw(cells[key], shown, variant.name);
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
      node.querySelector("button").tabIndex = node.tabIndex;
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
    if (event.isComposing || event.target.closest("dialog")) return;
    if (event.key === "Enter" && control) {
      if (event.shiftKey) runAll();
      else runHere(event.target);
    } else if (event.key === "Enter" && cell) {
      runHere(cell);
    } else if (event.code === "KeyZ" && event.altKey && !control) {
      outbox.act(event.shiftKey ? "redo" : "undo");
    } else if (event.key === "Escape" && session.running()) {
      stop();
    } else if (cell && /^(Arrow|Home$|End$)/.test(event.key) && !event.altKey && !event.shiftKey) {
      move(cell, event.key, control);
    } else return;
    event.preventDefault();
  }

  function onMessage(message) {
    if (message.kind === "cells") {
      Object.assign(cells, message.cells);
      for (const key of Object.keys(message.cells)) if (pieces) delete pieces[key];
      drawAnswers(new Set(Object.keys(message.cells)));
      if (!Object.values(message.cells).every(({ state }) => state === "running")) askDifferences();
      drawStatus();
    } else if (message.view !== view) {
      return;
    } else if (message.kind === "difference" && pieces) {
      pieces = message.pieces;
      drawAnswers();
    } else if (message.kind === "saved") {
      saver.saved(message);
    } else if (message.kind === "code") {
      saver.code(message.text);
    } else if (message.kind === "models") {
      session.menu.take(message);
    } else if (message.kind === "key") {
      session.menu.keyTaken(message);
    }
  }

  function onCells() {
    cells = { ...model.get("_cells") };
    drawAnswers();
    askDifferences();
  }

  let drawnStatus = "";
  function onStatus() {
    const { running, fresh, gone } = status();
    const now = JSON.stringify([running, fresh, gone]);
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
  pane.addEventListener("scroll", () => {
    if (pane.clientHeight) top = [pane.scrollLeft, pane.scrollTop];
  }, { passive: true });
  const size = new ResizeObserver(() => {
    // JupyterLab removes a cell that is out of sight from the page, and with it its scroll position.
    if (pane.clientHeight && !pane.scrollTop && !pane.scrollLeft) pane.scrollTo(...top);
  });
  size.observe(pane);
  window.addEventListener("pagehide", outbox.flush);
  model.on("change:_doc", draw);
  model.on("change:_cells", onCells);
  model.on("change:_status", onStatus);
  model.on("msg:custom", onMessage);
  draw();
  outbox.say("ready");
  if (!status().gone) outbox.replay(); // the newer one does, and hears that they were carried out
  return () => {
    session.menu.close();
    outbox.close();
    clearTimeout(asking);
    size.disconnect();
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
