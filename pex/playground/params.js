// The parameters of a variant: temperature and length always, others from a menu, each with the
// field that suits its kind.

import { choice, element, output } from "../widgets/shared.js";
import { field, iconButton, textInput } from "./controls.js";
import { JSON_FIELDS, makeJsonField } from "./json_fields.js";
import { tie } from "./outbox.js";

const COMMON = [["temperature", "Temperature"], ["max_tokens", "Max tokens"]];
const MENU = [
  ["top_p", "Top p"], ["top_k", "Top k"], ["stop", "Stop sequences"], ["seed", "Seed"],
  ["response_format", "Response format"], ["reasoning_effort", "Reasoning effort"],
  ["verbosity", "Verbosity"], ["frequency_penalty", "Frequency penalty"],
  ["presence_penalty", "Presence penalty"], ["tool_choice", "Tool choice"],
];
const FORMS = [["schema", "JSON Schema of the answer…"], ["tools", "Tools…"]];
const LABELS = new Map([...COMMON, ...MENU, ["tools", "Tools"]]);
const CHOICES = {
  reasoning_effort: ["none", "minimal", "low", "medium", "high", "xhigh", "max"],
  verbosity: ["low", "medium", "high"],
  tool_choice: ["auto", "none", "required"],
};
const OTHER = "other";
const TEXTS = { stop: "One sequence per line; \\n is a line break", tools: "" };
const JSON_OBJECT = '{"type": "json_object"}';
const JSON_SCHEMA = "schema";

/** A parameter's value as it is typed. */
function valueText(name, value) {
  if (value === undefined || value === null) return "";
  if (name === "stop") return [value].flat().map((text) => String(text).replaceAll("\n", "\\n")).join("\n");
  if (typeof value === "string") return value;
  return JSON.stringify(value, null, typeof value === "object" ? 2 : 0);
}

/** What was typed, as it is sent: text in which JSON is read as such. */
function sentText(name, text) {
  if (name !== "stop" || !text.trim()) return text;
  return JSON.stringify(text.split("\n").filter(Boolean).map((line) => line.replaceAll("\\n", "\n")));
}

function textArea(rows, placeholder) {
  const area = element("textarea", "pex-input pex-param-text");
  area.rows = rows;
  area.placeholder = placeholder;
  area.spellcheck = false;
  area.dir = "auto";
  return area;
}

/** One parameter: its field and, if it can be removed, a button for that. */
function makeParam(outbox, id, name, onRemove, onSchema) {
  const label = LABELS.get(name) ?? name;
  const act = (value) => ({ act: "edit", variant: id, field: "params", index: name, value: sentText(name, value) });
  const send = (value) => outbox.act("edit", { variant: id, field: "params", index: name, value });
  const common = COMMON.some(([other]) => other === name);
  let input;
  let write;
  let before = null; // chosen from a list rather than typed
  if (CHOICES[name]) {
    input = choice(label, [["", "default"], ...CHOICES[name].map((value) => [value, value])], send);
    write = (text) => {
      if (text && ![...input.options].some((option) => option.value === text)) input.add(new Option(text, text));
      input.value = text;
    };
  } else {
    const long = name in TEXTS || name === "response_format";
    input = long ? textArea(name === "stop" ? 2 : 5, TEXTS[name] ?? "") : textInput("", common ? "default" : "value");
    if (!long) input.inputMode = "decimal";
    write = tie(outbox, input, () => `${id}|params|${name}`, act);
    if (name === "response_format") {
      before = choice("Kind of response", [["", "text"], [JSON_OBJECT, "any JSON object"], [JSON_SCHEMA, "JSON Schema…"]], (value) => {
        send(value === JSON_SCHEMA ? "" : value);
        if (value === JSON_SCHEMA) onSchema();
      });
    }
  }
  const box = field(label, input);
  if (before) box.insertBefore(before, input);
  if (!common) {
    box.classList.add("pex-field-more");
    const gone = iconButton("gone", `Remove ${label}`, (event) => {
      event.preventDefault();
      onRemove();
      send("");
    });
    box.firstChild.append(gone);
  }
  return {
    box,
    focus: () => (before ?? input).focus(),
    write(value) {
      write(valueText(name, value));
      if (!before) return;
      before.value = value === undefined ? "" : value?.type === "json_object" ? JSON_OBJECT : JSON_SCHEMA;
      input.hidden = !value || value.type === "json_object";
    },
  };
}

/** Temperature and length, which nearly every call has, and those that were chosen from the menu. */
export function makeParams(outbox, id) {
  const node = element("div", "pex-params");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Parameters");
  const notes = element("div", "pex-meta pex-param-notes");
  const shown = new Map();
  const opened = new Set(); // shown although they have no value yet

  function show(name) {
    if (shown.has(name)) return;
    const param = makeParam(outbox, id, name, () => {
      opened.delete(name);
      shown.delete(name);
      param.box.remove();
      menu.focus();
    }, () => {
      opened.delete(name);
      forms.get("schema").begin();
    });
    shown.set(name, param);
    node.insertBefore(param.box, moreBox);
  }

  const forms = new Map([...JSON_FIELDS.keys()].map((kind) => [kind, makeJsonField(outbox, id, kind)]));
  for (const form of forms.values()) form.onGone(() => menu.focus());

  const more = textInput("", "name=value");
  const moreBox = field("Other parameter", more);
  moreBox.classList.add("pex-field-more");
  moreBox.hidden = true;
  const take = () => {
    const found = more.value.match(/^\s*([\w.]+)\s*[=:]\s*(.+?)\s*$/s);
    if (!found) return;
    outbox.act("edit", { variant: id, field: "params", index: found[1], value: found[2] });
    more.value = "";
    moreBox.hidden = true;
  };
  more.addEventListener("blur", () => (moreBox.hidden = !more.value.trim()));
  more.addEventListener("change", take);
  more.addEventListener("keydown", (event) => {
    if (event.key === "Enter") take();
  });
  node.append(moreBox, notes);
  for (const [name] of COMMON) show(name);

  const menu = choice("Add a parameter", [["", "+ Parameter"], ...MENU, ...FORMS, [OTHER, "Other…"]], (name) => {
    menu.value = "";
    if (forms.has(name)) {
      forms.get(name).begin();
      return;
    }
    if (name === OTHER) {
      moreBox.hidden = false;
      more.focus();
      return;
    }
    opened.add(name);
    show(name);
    shown.get(name).write(undefined);
    shown.get(name).focus();
  });
  menu.classList.add("pex-param-menu");

  return {
    node, menu, forms: [...forms.values()].map((form) => form.node),
    /** @param at the problems of a place */
    update({ params, notes: said = [], tools, schema }, at) {
      for (const [kind, text] of [["tools", tools], ["schema", schema]]) forms.get(kind).update(text ?? "", at(kind));
      for (const [name, { box }] of shown) {
        if (COMMON.some(([other]) => other === name) || name in params || opened.has(name)) continue;
        box.remove();
        shown.delete(name);
      }
      for (const name of Object.keys(params)) {
        opened.delete(name);
        show(name);
      }
      for (const [name, param] of shown) param.write(params[name]);
      notes.hidden = !said.length;
      notes.replaceChildren(...said.map((text) => output(text)));
    },
  };
}
