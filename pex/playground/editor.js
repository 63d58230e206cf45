// A text field that grows with its text and marks what a template asks for. The marks are behind
// the field, in an invisible copy of its text; both are in one box that scrolls, so they cannot
// come apart, and what is read, selected and composed is always the field's own text.

import { element } from "../widgets/shared.js";

const TOKEN = /\{\{[^]*?\}\}|\{%[^]*?%\}|\{#[^]*?#\}/g;
const MOST_MARKED = 100_000; // characters; marks in a longer text would make typing slow

const TOKENS = { "{": "pex-token-value", "%": "pex-token-logic", "#": "pex-token-note" };

/** A text in pieces: [class, text], cut at lines that have a problem. */
function marked(text, lines) {
  if (text.length > MOST_MARKED) return [["", text]];
  const tokens = [];
  let from = 0;
  for (const found of text.matchAll(TOKEN)) {
    if (found.index > from) tokens.push(["", text.slice(from, found.index)]);
    tokens.push([TOKENS[found[0][1]], found[0]]);
    from = found.index + found[0].length;
  }
  if (from < text.length) tokens.push(["", text.slice(from)]);
  if (!lines.size) return tokens;
  const pieces = [];
  let line = 1;
  for (const [kind, token] of tokens) {
    token.split(/(?<=\n)/).forEach((part) => {
      pieces.push([lines.has(line) ? `${kind} pex-wrong`.trim() : kind, part]);
      if (part.endsWith("\n")) line++;
    });
  }
  return pieces;
}

/**
 * @param {string} label its accessible name
 * @param {{template?: boolean, placeholder?: string}} options
 */
export function makeEditor(label, { template = false, placeholder = "" } = {}) {
  const box = element("div", template ? "pex-editor pex-editor-template" : "pex-editor");
  const copy = element("pre", "pex-editor-copy");
  copy.setAttribute("aria-hidden", "true");
  const area = element("textarea", "pex-editor-text");
  area.rows = 1;
  area.placeholder = placeholder;
  area.spellcheck = !template;
  area.setAttribute("aria-label", label);
  copy.dir = area.dir = "auto";
  box.append(copy, area);
  let wrong = new Set();

  function draw() {
    // The copy makes the height, so it has room for what an empty field says, too.
    const pieces = !area.value ? [["", placeholder]] : template ? marked(area.value, wrong) : [["", area.value]];
    // An empty last line has no height by itself.
    const last = area.value.endsWith("\n") ? "\u200b" : "";
    copy.replaceChildren(...pieces.map(([kind, text]) => (kind ? element("span", kind, text) : text)), last);
  }

  area.addEventListener("input", draw);
  draw();
  return {
    box, area,
    /** Another text from outside; the caret stays as near as it can. */
    set(text) {
      if (area.value === text) return;
      const at = [area.selectionStart, area.selectionEnd];
      area.value = text;
      if (document.activeElement === area) area.setSelectionRange(...at);
      draw();
    },
    /** Mark the lines that have a problem. */
    problems(found) {
      const lines = new Set(found.map((problem) => problem.line).filter(Boolean));
      area.setAttribute("aria-invalid", String(found.length > 0));
      if (lines.size === wrong.size && [...lines].every((line) => wrong.has(line))) return;
      wrong = lines;
      draw();
    },
  };
}
