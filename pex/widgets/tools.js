// The bars above a grid: the run's progress, search and filters.

import { makeFilter } from "./filter.js";
import { button, choice, element } from "./shared.js";

export function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const REACTION_MS = 2000;

/** The line above a run: how far it is, what it costs, Stop. */
export function makeProgress(model, onGone) {
  const bar = element("div", "pex-bar pex-grid-run");
  const progress = document.createElement("progress");
  progress.setAttribute("aria-label", "answers");
  const line = element("span", "pex-grid-line", "waiting for the first answer");
  const stop = button("Stop", async () => {
    const { status } = model.get("_head");
    model.send({ kind: "stop" });
    if (status === "running" && await ignored()) await interrupt();
  });
  bar.append(progress, stop, line); // Stop stays where it is while the line grows

  /** Whether Python has not reacted to Stop within a while. */
  async function ignored() {
    stop.disabled = true;
    for (let waited = 0; waited < REACTION_MS && model.get("_head").status === "running"; waited += 100) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    stop.disabled = false;
    return model.get("_head").status === "running";
  }

  /** Interrupt the kernel; a run that keeps it busy ends cleanly. */
  async function interrupt() {
    const kernel = model.get("_begin").blocks && model.widget_manager?.kernel;
    if (kernel?.interrupt) await kernel.interrupt();
    else line.textContent = "not stopped yet: the kernel is busy; interrupt it to stop the run";
  }
  return {
    bar,
    draw() {
      const head = model.get("_head");
      bar.hidden = !head.total;
      progress.max = head.total || 1;
      progress.value = head.done;
      line.textContent = head.line;
      const goes = head.status === "running" || head.status === "stopping";
      // A button that disappears while it has the focus would take the focus with it.
      if (!goes && stop === stop.getRootNode().activeElement) onGone();
      stop.hidden = !model.get("_begin").can_stop || !goes;
      stop.textContent = head.status === "stopping" ? "Stop now" : "Stop";
      stop.title = head.status === "stopping"
        ? "Stop waiting for calls in flight; they are paid for anyway"
        : "Start no new calls and keep all answers; calls in flight get five seconds";
    },
  };
}

/** Search, filters and order of the rows. */
export function makeTools(onQuery, onExport) {
  const query = { search: "", kind_of_rows: "all", part: "", conditions: [], sort: "case", column: null, down: false };
  const bar = element("div", "pex-bar pex-grid-tools");
  bar.setAttribute("role", "search");
  const search = element("input", "pex-input");
  search.type = "search";
  search.placeholder = "Search";
  search.setAttribute("aria-label", "Search in cases and answers");
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => change({ search: search.value }), 200);
  });
  function change(part) {
    onQuery(Object.assign(query, part));
    for (const [name, node] of Object.entries(chosen)) if (node.value !== query[name]) node.value = query[name];
    turn.textContent = query.down ? "↑" : "↓";
    turn.setAttribute("aria-pressed", String(query.down));
  }
  const chosen = {}; // the lists by what they choose
  const slots = { kinds: element("span", "pex-slot"), parts: element("span", "pex-slot"), sorts: element("span", "pex-slot") };
  const turn = button("↓", () => change({ down: !query.down }), "Reverse order");
  turn.setAttribute("aria-pressed", "false");
  const filter = makeFilter(query, change);
  const count = element("span", "pex-meta");
  count.setAttribute("role", "status");
  const copyButton = button("Copy", () => onExport("tabs"), "Copy the selection, or all rows shown");
  const csv = button("CSV", () => onExport("csv"), "Save the selection, or all rows shown, as CSV");
  const view = element("span", "pex-slot"); // how the grid is shown: see layout_menu.js
  bar.append(search, slots.kinds, slots.parts, filter.menu, slots.sorts, turn, view, copyButton, csv, count, filter.chips);

  return {
    bar, query, search, change, view,
    say: (text) => (count.textContent = text),
    draw(begin) {
      chosen.kind_of_rows = choice("Which rows", begin.kinds, (value) => change({ kind_of_rows: value }));
      slots.kinds.replaceChildren(chosen.kind_of_rows);
      const parts = [["", "All cases"], ...begin.slices.map((part) => [part, part.replace(":", ": ")])];
      chosen.part = choice("Which cases", parts, (value) => change({ part: value }));
      slots.parts.replaceChildren(...(begin.slices.length ? [chosen.part] : []));
      const sorts = [["case", "Order of cases"], ...begin.scores.map((name) => [`score:${name}`, `By ${name}`]),
        ...begin.sorts];
      chosen.sort = choice("Order of rows", sorts, (value) => change({ sort: value }));
      slots.sorts.replaceChildren(chosen.sort);
      for (const [name, node] of Object.entries(chosen)) node.value = query[name];
      filter.draw(begin);
    },
  };
}
