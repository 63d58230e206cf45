// A variant at the top of its column: name, model, parameters and messages, all editable.

import { choice, element } from "../widgets/shared.js";
import { field, iconButton, relabel, setChoices, signButton, textInput } from "./controls.js";
import { makeEditor, problemList } from "./editor.js";
import { tie } from "./outbox.js";

const ROLES = ["system", "user", "assistant"];
const COMMON = [["temperature", "Temperature", "default"], ["max_tokens", "Max tokens", "default"]];

/** A parameter's value as it is typed. */
function valueText(value) {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function at(problems, where) {
  return problems.filter((problem) => problem.where === where);
}

/** @param {{outbox: any, models: string, run: Function}} session */
export function makeVariant(session, id) {
  const { outbox } = session;
  let variant = null;
  const edit = (name, index) => (value) => ({ act: "edit", variant: id, field: name, index, value });
  const node = element("section", "pex-variant");
  node.dataset.variant = id;

  const name = textInput("Name of the variant");
  name.classList.add("pex-variant-name");
  const tieName = tie(outbox, name, () => `${id}|name`, edit("name", null));
  const run = iconButton("run", "Run this column", () => session.run([id], null));
  const copy = iconButton("copy", "Duplicate", () => outbox.act("duplicate", { variant: id }));
  const before = iconButton("left", "Move left", () => outbox.act("move", { variant: id, by: -1 }));
  const after = iconButton("right", "Move right", () => outbox.act("move", { variant: id, by: 1 }));
  const gone = iconButton("gone", "Remove this variant", () => outbox.act("remove_variant", { variant: id }));
  const buttons = element("div", "pex-icons");
  buttons.append(run, copy, before, after, gone);
  const top = element("div", "pex-variant-top");
  top.append(name, buttons);
  const nameProblems = problemList(name);
  const origin = element("div", "pex-meta pex-origin");

  const { input: model, node: modelField } = session.menu.makeField();
  const tieModel = tie(outbox, model, () => `${id}|model`, edit("model", null));
  const modelProblems = problemList(model);
  const params = makeParams(outbox, id);
  const paramProblems = problemList(params.node);
  const settings = element("div", "pex-settings");
  settings.append(modelField, modelProblems.list, params.node, paramProblems.list);

  const messages = element("div", "pex-messages");
  const blocks = [];
  const add = signButton("plus", "Message", () => outbox.act("add_message", { variant: id, index: blocks.length }), "Add a message");
  const addParam = signButton("plus", "Parameter", params.add, "Add a parameter");
  const adds = element("div", "pex-adds");
  adds.append(add, addParam);
  for (const quiet of adds.children) quiet.classList.add("pex-quiet");
  const wholeProblems = problemList(messages);
  node.append(top, nameProblems.list, origin, settings, messages, wholeProblems.list, adds);

  return {
    node,
    focus: () => name.focus(),
    update(found, { first, last, only }) {
      variant = found;
      node.setAttribute("role", "group");
      node.setAttribute("aria-label", `Variant ${variant.name}`);
      before.disabled = first;
      after.disabled = last;
      gone.disabled = only;
      relabel(run, `Run ${variant.name}`);
      relabel(copy, `Duplicate ${variant.name}`);
      relabel(before, `Move ${variant.name} left`);
      relabel(after, `Move ${variant.name} right`);
      relabel(gone, `Remove ${variant.name}`);
      relabel(model, `Model of ${variant.name}`);
      tieName(variant.name);
      tieModel(variant.model);
      const locked = variant.locked && `its messages cannot be edited here: ${variant.locked}`;
      origin.textContent = [variant.origin && `from ${variant.origin}`, locked].filter(Boolean).join(" · ");
      origin.title = origin.textContent;
      origin.hidden = !origin.textContent;
      nameProblems.draw(at(variant.problems, "name"));
      modelProblems.draw(at(variant.problems, "model"));
      params.update(variant.params);
      paramProblems.draw(at(variant.problems, "params"));
      const count = variant.messages.length;
      while (blocks.length > count) blocks.pop().node.remove();
      while (blocks.length < count) {
        blocks.push(makeMessage(outbox, id, blocks.length));
        messages.append(blocks.at(-1).node);
      }
      variant.messages.forEach((message, i) => {
        blocks[i].update(message, count, at(variant.problems, `message:${i}`), Boolean(variant.locked));
      });
      const placed = new Set(["name", "model", "params", ...variant.messages.map((_, i) => `message:${i}`)]);
      wholeProblems.draw(variant.problems.filter((problem) => !placed.has(problem.where)));
      add.disabled = Boolean(variant.locked);
    },
  };
}

/** Temperature and length, which nearly every call has, and a field for each other parameter. */
function makeParams(outbox, id) {
  const node = element("div", "pex-params");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Parameters");
  const act = (name) => (value) => ({ act: "edit", variant: id, field: "params", index: name, value });
  const ties = new Map();
  const known = new Set(COMMON.map(([name]) => name));

  function show(name, label, placeholder) {
    const input = textInput("", placeholder);
    const box = field(label, input);
    if (known.has(name)) input.inputMode = "decimal";
    else box.classList.add("pex-field-more");
    ties.set(name, { box, write: tie(outbox, input, () => `${id}|params|${name}`, act(name)) });
    node.insertBefore(box, known.has(name) ? moreBox : null);
    return box;
  }

  const more = textInput("", "name=value");
  const moreBox = field("Other parameter", more);
  moreBox.classList.add("pex-field-more");
  moreBox.hidden = true;
  const take = () => {
    const found = more.value.match(/^\s*([\w.]+)\s*[=:]\s*(.+?)\s*$/);
    if (!found) return;
    outbox.act("edit", act(found[1])(found[2]));
    more.value = "";
    moreBox.hidden = true;
  };
  more.addEventListener("blur", () => (moreBox.hidden = !more.value.trim()));
  more.addEventListener("change", take);
  more.addEventListener("keydown", (event) => {
    if (event.key === "Enter") take();
  });
  node.append(moreBox);
  for (const [name, label, placeholder] of COMMON) show(name, label, placeholder);

  return {
    node,
    add() {
      moreBox.hidden = false;
      more.focus();
    },
    update(params) {
      for (const [name, { box }] of ties) {
        if (known.has(name) || name in params || box.contains(document.activeElement)) continue;
        box.remove();
        ties.delete(name);
      }
      for (const name of Object.keys(params)) if (!ties.has(name)) show(name, name, "");
      for (const [name, { write }] of ties) write(valueText(params[name]));
    },
  };
}

/** One message: its role and its template. */
function makeMessage(outbox, id, index) {
  const node = element("div", "pex-block");
  const role = choice(`Role of message ${index + 1}`, [], (value) => {
    outbox.act("edit", { variant: id, field: "role", index, value });
  });
  role.classList.add("pex-role");
  const act = (name, rest = {}) => outbox.act(name, { variant: id, index, ...rest });
  const up = iconButton("up", `Move message ${index + 1} up`, () => act("move_message", { by: -1 }));
  const down = iconButton("down", `Move message ${index + 1} down`, () => act("move_message", { by: 1 }));
  const gone = iconButton("gone", `Remove message ${index + 1}`, () => act("remove_message"));
  const icons = element("div", "pex-icons");
  icons.append(up, down, gone);
  const top = element("div", "pex-block-top");
  top.append(role, icons);
  const editor = makeEditor(`Message ${index + 1}`, { template: true, placeholder: "Instructions for the model; {{ name }} is replaced with a case's input" });
  const problems = problemList(editor.area);
  const write = tie(outbox, editor.area, () => `${id}|message|${index}`, (value) => {
    return { act: "edit", variant: id, field: "message", index, value };
  }, editor.set);
  node.append(top, editor.box, problems.list);

  return {
    node,
    update(message, count, found, locked) {
      setChoices(role, [...new Set([...ROLES, message.role])].map((name) => [name, name]));
      role.value = message.role;
      write(message.text);
      problems.draw(found, !message.text);
      editor.problems(message.text ? found : []);
      editor.area.readOnly = locked;
      role.disabled = locked;
      icons.hidden = count === 1 || locked;
      up.disabled = index === 0;
      down.disabled = index === count - 1;
    },
  };
}
