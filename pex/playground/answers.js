// The answers: one cell per variant and case. A cell is redrawn only if it changed.

import { differencePieces, dollars, element, output, sanitised, seconds } from "../widgets/shared.js";
import { iconButton, relabel } from "./controls.js";
import { makeFeedback } from "./feedback.js";

const MARKS = { good: "pex-chip pex-chip-good", bad: "pex-chip pex-chip-bad", failed: "pex-chip pex-chip-bad", number: "pex-chip" };
const STATES = { queued: "queued", running: "answering…", stopped: "stopped", error: "error" };

/** Show a text; if it only grew, a selection in it stays. */
function grow(node, text) {
  const had = node.firstChild;
  if (had?.nodeType === Node.TEXT_NODE && node.childNodes.length === 1 && text.startsWith(had.data)) {
    if (text.length > had.data.length) had.appendData(text.slice(had.data.length));
    return;
  }
  node.replaceChildren(text);
}

/** A text that can be scrolled can have the focus: else the keyboard does not reach its end. */
function markScrollable(text) {
  if (text.scrollHeight > text.clientHeight + 1) text.tabIndex = 0;
  else text.removeAttribute("tabindex");
}

const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => markScrollable(target)));

/** @param {string} key `<variant>|<case>` */
export function makeAnswer(outbox, onRun, key) {
  const node = element("div", "pex-answer");
  node.setAttribute("role", "gridcell");
  node.tabIndex = -1;
  node.dataset.cell = key;
  const who = element("div", "pex-answer-who"); // shown if there is no title above the column
  const text = output("", "pex-answer-text");
  const note = element("div", "pex-meta pex-answer-note");
  const marks = element("div", "pex-marks");
  const facts = element("span", "pex-meta pex-answer-facts");
  const brief = element("span", "pex-meta pex-answer-brief"); // in compact rows
  const run = iconButton("run", "Run this cell", onRun);
  run.tabIndex = -1;
  const foot = element("div", "pex-answer-foot");
  const feedback = makeFeedback(outbox, key, node);
  foot.append(feedback.said, marks, facts, brief, feedback.buttons, run);
  node.append(who, note, text, feedback.row, foot);
  sizes.observe(text);
  let drawn = [];

  function drawText(cell, pieces, html) {
    const end = text.scrollTop + text.clientHeight >= text.scrollHeight - 8;
    const waits = cell.state === "queued" && !cell.text;
    const blank = cell.state === "answered" && !cell.text.trim();
    text.classList.toggle("pex-soft", waits || blank);
    text.hidden = !cell.text && !blank;
    text.classList.toggle("pex-rendered", Boolean(html) && !pieces);
    if (blank) grow(text, cell.text ? "(only whitespace)" : "(empty answer)");
    else if (Array.isArray(pieces)) text.replaceChildren(...differencePieces(pieces));
    else if (html && !pieces) text.replaceChildren(sanitised(html));
    else grow(text, cell.text);
    if (cell.state === "running" && end) text.scrollTop = text.scrollHeight;
    markScrollable(text);
  }

  function drawMarks(cell) {
    marks.hidden = !cell.marks?.length;
    marks.replaceChildren(...(cell.marks ?? []).map(([kind, label, reason]) => {
      const mark = element("span", "pex-mark");
      mark.append(element("span", MARKS[kind] ?? "pex-chip", label));
      if (reason) mark.append(output(reason, "pex-meta pex-reason"));
      return mark;
    }));
  }

  function notes(cell, pieces) {
    return [
      STATES[cell.state],
      cell.stale && "out of date: the prompt or case changed",
      cell.cut && "only the beginning is shown",
      typeof pieces === "string" && pieces,
    ].filter(Boolean).join(" · ");
  }

  return {
    node,
    /**
     * @param pieces the differences from the baseline, a sentence about them, or undefined
     * @param html the answer as Markdown, or undefined
     */
    draw(cell, pieces, name, html) {
      const now = [cell, pieces, name, html];
      if (drawn.length && now.every((item, i) => item === drawn[i])) return;
      drawn = now;
      who.textContent = name;
      run.disabled = ["queued", "running"].includes(cell?.state);
      relabel(run, `Run ${name}`);
      node.dataset.state = cell?.state ?? "";
      feedback.draw(cell, name);
      node.classList.toggle("pex-stale", Boolean(cell?.stale));
      if (!cell) {
        note.textContent = "not run";
        note.hidden = false;
        text.hidden = marks.hidden = true;
        text.replaceChildren();
        facts.textContent = brief.textContent = "";
        return;
      }
      note.textContent = notes(cell, pieces);
      note.hidden = !note.textContent;
      drawText(cell, cell.state === "answered" ? pieces : undefined, html);
      drawMarks(cell);
      const kept = cell.journal && !/reused|journal/.test(cell.facts ?? "") ? "reused" : "";
      facts.textContent = [cell.facts, kept].filter(Boolean).join(" · ");
      brief.textContent = [
        cell.state === "answered" && Number.isFinite(cell.seconds) && seconds(cell.seconds),
        cell.usd && dollars(cell.usd), cell.short && "cut off", kept,
      ].filter(Boolean).join(" · ");
      brief.title = facts.textContent;
    },
  };
}
