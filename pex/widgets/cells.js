// A cell of the grid: as much of the answer as fits, its scores and its facts.

import { dollars, element, output, seconds } from "./shared.js";

export const MARKS = { good: "pex-good", bad: "pex-bad", failed: "pex-bad", number: "" };

/** What fits into three lines of a cell; the browser would lay out all of a longer one. */
export function fitting(text, width, growing) {
  if (growing) return text.slice(-Math.floor(width / 8) * 3); // the end is new
  const most = Math.ceil(width / 5) * 3;
  return text.length > most ? text.slice(0, most) : text;
}

/** The parts of a cell, made once: mostly only their text changes. */
function cellParts(node) {
  if (node.children.length === 2) return node.children;
  const meta = element("div", "pex-meta pex-ends");
  meta.append(element("span", "pex-one-line"), element("span", "pex-facts-short"));
  node.replaceChildren(output(""), meta);
  return node.children;
}

export function drawCell(node, cell, wait, width) {
  if (!cell) {
    node.replaceChildren(element("div", "pex-soft", wait ? "…" : "not run"));
    return;
  }
  const [state, text, marks, latency, cost, changed] = cell;
  const [shown, { children: [scores, facts] }] = cellParts(node);
  let style = state === "asked" ? " pex-soft" : "";
  let words = fitting(text, width, state === "growing");
  if (state === "error") {
    style = " pex-bad-text";
    words = `! error: ${words}`;
  } else if (state === "answered" && !text.trim()) {
    style = " pex-soft";
    words = text ? "(only whitespace)" : "(empty answer)";
  }
  shown.className = `pex-output pex-clamp${style}`;
  shown.textContent = words;
  scores.replaceChildren();
  marks.forEach(([kind, label], i) => scores.append(i ? " · " : "", element("span", MARKS[kind], label)));
  const said = [changed && "≠", latency != null && seconds(latency / 1000), cost && dollars(cost)];
  facts.textContent = said.filter(Boolean).join(" · ");
  facts.title = changed ? "Differs from baseline" : "";
}
