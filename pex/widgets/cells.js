// A cell of the grid: as much of the answer as fits, and its scores as chips.

import { dollars, element, output, seconds } from "./shared.js";

export const MARKS = { good: "pex-good", bad: "pex-bad", failed: "pex-bad", warn: "pex-warn-text", number: "" };
const SIGNS = { good: "✓", bad: "✗" };
export const CHIPS = { good: "pex-chip pex-chip-good", bad: "pex-chip pex-chip-bad", failed: "pex-chip pex-chip-bad", warn: "pex-chip pex-chip-warn", number: "pex-chip", differs: "pex-chip" };
const SIGNS_ONLY = 2; // with more scores than this, one line has only their signs

/** What fits into so many lines of a cell; the browser would lay out all of a longer one. */
export function fitting(text, width, lines, growing) {
  if (growing) return text.slice(-Math.floor(width / 8) * Math.min(lines, 3)); // the end is new
  const most = Math.ceil(width / 5) * lines;
  return text.length > most ? text.slice(0, most) : text;
}

/** The name of a part of a score without the score's own: "name" for "fields.name". */
export function shortName(name) {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** Scores as they are shown in a cell: with its parts there, a score itself is left out. */
export function shownMarks(marks) {
  if (!marks.some(([, name]) => name.includes("."))) return marks;
  const whole = new Set(marks.map(([, name]) => name.slice(0, Math.max(0, name.lastIndexOf(".")))));
  const shown = marks.filter(([, name]) => !whole.has(name));
  const names = new Set(shown.map(([, name]) => shortName(name)));
  if (names.size === shown.length) for (const mark of shown) mark.short = shortName(mark[1]);
  return shown;
}

/** The verdict over all yes/no scores of an answer, for its edge. */
export function verdictOf(state, marks) {
  if (state === "error") return "bad";
  let good = false;
  let bad = false;
  for (const [kind] of marks) {
    good ||= kind === "good";
    bad ||= kind === "bad" || kind === "failed";
  }
  return bad ? (good ? "mixed" : "bad") : good ? "good" : "";
}

/** The words of a chip, and what it says on hover. */
function chipWords(mark, signsOnly) {
  const [kind, name, value] = mark;
  if (kind === "differs") return ["≠", "Differs from baseline"];
  if (kind === "warn") return [name, name];
  const short = mark.short ?? name;
  if (kind === "number") return [signsOnly ? value : `${short} ${value}`, `${name} ${value}`];
  if (kind === "failed") return [signsOnly ? "!" : `! ${short} failed`, `! ${name} failed`];
  return [signsOnly ? SIGNS[kind] : `${short} ${SIGNS[kind]}`, `${name} ${SIGNS[kind]}`];
}

function drawChip(node, mark, signsOnly) {
  const [text, title] = chipWords(mark, signsOnly);
  if (node.textContent !== text) node.textContent = text;
  if (node.className !== CHIPS[mark[0]]) node.className = CHIPS[mark[0]];
  if (node.title !== title) node.title = title;
}

/** The parts of a cell, made once: mostly only their text changes. */
function cellParts(node) {
  if (node.children.length === 2) return node.children;
  node.replaceChildren(output(""), element("div", "pex-chips"));
  return node.children;
}

const DIFFERS = ["differs", ""];

/** @param {{lines: number, wait: boolean, width: number}} how */
export function drawCell(node, cell, how) {
  if (!cell) {
    node.replaceChildren(element("div", "pex-soft", how.wait ? "…" : "not run"));
    delete node.dataset.verdict;
    node.title = "";
    return;
  }
  const [state, text, marks, latency, cost, changed] = cell;
  const [shown, chips] = cellParts(node);
  let style = state === "asked" ? " pex-soft" : "";
  let words = fitting(text, how.width, how.lines, state === "growing");
  if (state === "error") {
    style = " pex-bad-text";
    words = `! error: ${words}`;
  } else if (state === "answered" && !text.trim()) {
    style = " pex-soft";
    words = text ? "(only whitespace)" : "(empty answer)";
  }
  shown.className = `pex-output pex-clamp${style}`;
  shown.textContent = words;
  const all = [...shownMarks(marks), ...(changed ? [DIFFERS] : [])];
  const signsOnly = how.lines === 1 && marks.length > SIGNS_ONLY;
  while (chips.children.length > all.length) chips.lastChild.remove();
  all.forEach((mark, i) => drawChip(chips.children[i] ?? chips.appendChild(element("span")), mark, signsOnly));
  node.dataset.verdict = verdictOf(state, marks);
  node.title = [latency != null && seconds(latency / 1000), cost && dollars(cost)].filter(Boolean).join(" · ");
}

/** A square of the heat map: the sign of one score, or how much of its range a number is. */
export function drawSquare(node, cell, how) {
  const [state, , marks] = cell ?? ["", "", []];
  const [kind, , value] = marks.find(([, name]) => name === how.score) ?? [state === "error" ? "failed" : ""];
  const sign = SIGNS[kind] ?? (kind === "failed" ? "!" : cell && kind === "number" ? shortNumber(value) : cell ? "·" : "");
  if (node.firstChild?.nodeType !== Node.TEXT_NODE || node.childNodes.length > 1) node.replaceChildren("");
  if (node.firstChild) node.firstChild.data = sign;
  else node.append(sign);
  node.dataset.verdict = kind === "failed" ? "bad" : kind in SIGNS ? kind : "";
  node.dataset.square = kind;
  const share = kind === "number" ? Math.min(1, Math.max(0, Number(value))) : 0;
  node.style.setProperty("--pex-share", share);
  node.title = `${how.name}: ${how.score} ${kind === "number" ? value : sign}`;
}

/** A number for a square: two digits at most. */
function shortNumber(value) {
  return Number(value).toPrecision(1).replace(/^0\./, ".").slice(0, 3);
}
