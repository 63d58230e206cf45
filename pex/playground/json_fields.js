// What a variant has as JSON: its tools, and the schema of its answers. Folded it is a line that
// says what there is; open, it is an editor whose errors have line numbers.

import { button, element } from "../widgets/shared.js";
import { iconButton } from "./controls.js";
import { makeEditor } from "./editor.js";
import { tie } from "./outbox.js";
import { problemList } from "./problems.js";

const TOOLS = `[
  {
    "type": "function",
    "function": {
      "name": "lookup",
      "description": "When to use it, and what it returns.",
      "parameters": {
        "type": "object",
        "properties": {
          "query": {"type": "string"}
        },
        "required": ["query"],
        "additionalProperties": false
      }
    }
  }
]`;
const SCHEMA = `{
  "type": "object",
  "properties": {
    "label": {"type": "string", "enum": ["positive", "negative"]},
    "reason": {"type": "string"}
  },
  "required": ["label", "reason"],
  "additionalProperties": false
}`;

export const JSON_FIELDS = new Map([
  ["schema", { name: "JSON Schema", template: SCHEMA, summary: schemaSummary }],
  ["tools", { name: "Tools", template: TOOLS, summary: toolsSummary }],
]);

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function toolsSummary(tools) {
  const names = tools.map((tool) => tool.function.name);
  return `Tools: ${names.length} (${names.join(", ")})`;
}

function schemaSummary(schema) {
  const fields = Object.keys(schema.properties ?? {});
  return fields.length ? `Answers as JSON: ${plural(fields.length, "field")} (${fields.join(", ")})` : "Answers as JSON";
}

/** What a text comes to in a line; the name alone while it is not valid. */
function summaryOf({ name, summary }, text) {
  try {
    return summary(JSON.parse(text));
  } catch {
    return name;
  }
}

/** One of them: a line to open, an editor, × to remove. */
export function makeJsonField(outbox, id, kind) {
  const about = JSON_FIELDS.get(kind);
  const node = element("div", "pex-json");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", about.name);
  const fold = button("", () => open(editor.box.hidden));
  fold.classList.add("pex-quiet", "pex-json-fold");
  const gone = iconButton("gone", `Remove ${about.name}`, () => {
    outbox.act("edit", { variant: id, field: kind, index: null, value: "" });
    onGone();
  });
  const top = element("div", "pex-json-top");
  top.append(fold, gone);
  const editor = makeEditor(about.name, { template: true });
  editor.box.classList.add("pex-json-editor");
  const problems = problemList(editor.area, true);
  const write = tie(outbox, editor.area, () => `${id}|${kind}`, (value) => {
    return { act: "edit", variant: id, field: kind, index: null, value };
  }, editor.set);
  node.append(top, editor.box, problems.list);
  node.hidden = true;
  let onGone = () => {};

  function open(is) {
    editor.box.hidden = !is;
    fold.setAttribute("aria-expanded", String(is));
    if (is) editor.area.focus();
  }

  function drawFold() {
    fold.textContent = summaryOf(about, editor.area.value);
    fold.title = fold.textContent;
  }

  editor.area.addEventListener("input", drawFold);
  open(false);
  return {
    node,
    /** Chosen from the menu: a template to begin with. */
    begin() {
      if (!editor.area.value.trim()) {
        outbox.act("edit", { variant: id, field: kind, index: null, value: about.template });
        editor.set(about.template);
      }
      node.hidden = false;
      drawFold();
      open(true);
      editor.area.setSelectionRange(0, 0);
      editor.box.scrollTop = 0;
    },
    onGone: (then) => (onGone = then),
    update(text, found) {
      write(text);
      node.hidden = !editor.area.value.trim() && document.activeElement !== editor.area;
      if (node.hidden) open(false);
      drawFold();
      problems.draw(found);
      editor.problems(found);
    },
  };
}
