// The head of the grid: each variant with its scores; columns are moved, made wider and sorted here.

import { shortName } from "./cells.js";
import { button, element } from "./shared.js";

/** One score: its name, a bar for a share, and the value; the interval on hover. */
function scoreLine(score, onSort) {
  const node = button("", onSort);
  node.className = "pex-grid-score";
  node.title = score.note;
  const name = element("span", "pex-one-line", score.part ? shortName(score.name) : score.name);
  if (score.part) name.classList.add("pex-grid-part");
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
  movable(grid, cell, title, column);
  return cell;
}

/** What changes while a run goes on: scores, time and cost, errors. */
export function notes(grid, column) {
  const box = element("div", "pex-grid-notes");
  const head = grid.heads[column];
  if (!head) return box;
  for (const score of head.scores) {
    if (score.part && !grid.unfolded) continue;
    box.append(scoreLine(score, () => grid.sort(column, score.name)));
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

/** Drag a column's name over another column to put it there. */
function movable(grid, cell, title, column) {
  title.draggable = true;
  title.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData("text/plain", title.textContent);
    event.dataTransfer.effectAllowed = "move";
    grid.dragged = column;
  });
  title.addEventListener("dragend", () => (grid.dragged = null));
  cell.addEventListener("dragover", (event) => {
    if (grid.dragged != null) event.preventDefault();
  });
  cell.addEventListener("drop", (event) => {
    if (grid.dragged == null) return;
    event.preventDefault();
    event.stopPropagation();
    grid.columns.move(grid.dragged, column);
    grid.changed();
  });
}
