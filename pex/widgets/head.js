// The head of the grid: each variant with its scores; columns are moved, made wider and sorted here.

import { shortName } from "./cells.js";
import { button, element } from "./shared.js";

/** One score: its name, a bar for a share, and the value; the interval on hover. */
function scoreLine(score, onSort) {
  const node = button("", onSort);
  node.className = "pex-grid-score";
  node.title = score.note;
  const name = element("span", "pex-one-line", score.label ?? (score.part ? shortName(score.name) : score.name));
  if (score.part || score.label) name.classList.add("pex-grid-part");
  node.append(name);
  const meter = element("span", score.meter ? "pex-meter" : "");
  if (score.meter) ["share", "low", "high"].forEach((part, i) => meter.style.setProperty(`--pex-${part}`, score.meter[i]));
  node.append(meter, element("span", "pex-grid-value", score.text));
  return node;
}

/**
 * @param {any} grid what the head shows and does: variants, baseline, columns, heads, sorted, sort,
 *   filter, changed, fold
 */
export function drawHead(grid) {
  const row = element("div", "pex-grid-row");
  row.setAttribute("role", "row");
  row.setAttribute("aria-rowindex", "1");
  row.append(caseHead(grid), ...grid.columns.shown.map((column, at) => variantHead(grid, column, at)));
  return row;
}

function titleCell(at) {
  const cell = element("div", "pex-cell pex-grid-title");
  cell.setAttribute("role", "columnheader");
  cell.setAttribute("aria-colindex", String(at + 1));
  return cell;
}

function caseHead(grid) {
  const cell = titleCell(0);
  cell.append(element("span", "", "case"), grip(grid, "case"));
  const parts = new Set(grid.heads.flatMap((head) => head.scores.filter((score) => score.part).map((score) => score.name)));
  if (parts.size) {
    const fold = button(grid.unfolded ? "− parts" : `+ ${parts.size} part${parts.size > 1 ? "s" : ""}`, grid.fold);
    fold.classList.add("pex-grid-fold");
    fold.setAttribute("aria-expanded", String(grid.unfolded));
    fold.title = [...parts].join(", ");
    cell.append(fold);
  }
  return cell;
}

function variantHead(grid, column, at) {
  const cell = titleCell(at + 1);
  const name = grid.variants[column];
  const sorted = grid.sorted(column);
  const title = button(name + (sorted ? (sorted === "descending" ? " ▼" : " ▲") : ""), () => grid.sort(column));
  title.className = "pex-grid-name";
  title.title = `Sort by ${name}; drag to move the column`;
  if (sorted) cell.setAttribute("aria-sort", sorted);
  cell.append(title);
  if (column === grid.baseline && grid.variants.length > 1) cell.append(element("span", "pex-meta", " baseline"));
  cell.append(notes(grid, column), grip(grid, column));
  cell.dataset.column = column;
  movable(grid, title, column);
  return cell;
}

/** What changes while a run goes on: scores, time and cost, errors. */
export function notes(grid, column) {
  const box = element("div", "pex-grid-notes");
  const head = grid.heads[column];
  if (!head) return box;
  for (const score of head.scores) {
    if (score.part && !grid.unfolded) continue;
    box.append(scoreLine(score, () => grid.sort(column, score.of ?? score.name)));
  }
  const facts = element("div", "pex-meta pex-chips");
  facts.append(element("span", "", [head.facts, head.notes].filter(Boolean).join(" · ") || " "));
  const counts = [["errors", head.errors, `${head.errors} error${head.errors === 1 ? "" : "s"}`, "bad"],
    ["cut_off", head.cut_off, `${head.cut_off} cut off`, "warn"]];
  for (const [kind, count, text, look] of counts) {
    if (!count) continue;
    const chip = button(text, () => grid.filter(kind));
    chip.className = `pex-chip pex-chip-${look} pex-grid-count`;
    chip.title = `Show the rows with ${kind === "errors" ? "an error" : "an answer that was cut off"}`;
    facts.append(chip);
  }
  box.append(facts);
  return box;
}

/** The edge by which the mouse makes a column wider; keys do it in the menu of columns. */
function grip(grid, column) {
  const node = element("div", "pex-grid-grip");
  node.setAttribute("aria-hidden", "true");
  const width = () => node.parentNode.offsetWidth;
  node.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    node.setPointerCapture(event.pointerId);
    const [from, was] = [event.clientX, width()];
    const back = getComputedStyle(node).direction === "rtl" ? -1 : 1;
    const onMove = (moved) => grid.stretch(column, was + back * (moved.clientX - from));
    node.addEventListener("pointermove", onMove);
    node.addEventListener("lostpointercapture", () => {
      node.removeEventListener("pointermove", onMove);
      grid.changed();
    }, { once: true });
  });
  return node;
}

const FAR = 5; // pixels from a press to a drag

/**
 * Drag a column's name over another column to put it there. Not by the browser's own dragging: it
 * begins on no button in Firefox, and in JupyterLab only on one that has the focus.
 */
function movable(grid, title, column) {
  title.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    let over = null;
    let dragging = false;
    const onMove = (moved) => {
      if (!dragging && Math.abs(moved.clientX - event.clientX) < FAR) return;
      dragging = true;
      title.setPointerCapture(event.pointerId);
      const cells = [...grid.head.querySelectorAll(".pex-grid-title[data-column]")];
      const found = cells.find((cell) => {
        const { left, right } = cell.getBoundingClientRect();
        return moved.clientX >= left && moved.clientX < right;
      });
      over?.classList.remove("pex-grid-over");
      over = found ?? null;
      over?.classList.add("pex-grid-over");
    };
    const onEnd = (ended) => {
      for (const [name, act] of Object.entries(acts)) title.removeEventListener(name, act);
      over?.classList.remove("pex-grid-over");
      if (!dragging) return;
      title.addEventListener("click", (click) => click.stopImmediatePropagation(), { capture: true, once: true });
      const other = Number(over?.dataset.column ?? column);
      if (ended.type !== "pointerup" || other === column) return;
      grid.columns.move(column, other);
      grid.changed();
    };
    const acts = { pointermove: onMove, pointerup: onEnd, pointercancel: onEnd };
    for (const [name, act] of Object.entries(acts)) title.addEventListener(name, act);
  });
}
