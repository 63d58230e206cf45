// A variant at the top of its column: name, model, parameters and messages, all editable.

import { button, choice, element } from "../widgets/shared.js";
import { field, iconButton, relabel, setChoices, signButton, textInput } from "./controls.js";
import { makeEditor } from "./editor.js";
import { makeImagePicker, makeImages } from "./images.js";
import { tie } from "./outbox.js";
import { makeParams } from "./params.js";
import { problemList } from "./problems.js";

const ROLES = ["system", "user", "assistant"];

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
  const chat = iconButton("chat", "Chat", () => session.chat(id));
  const copy = iconButton("copy", "Duplicate", () => outbox.act("duplicate", { variant: id }));
  const before = iconButton("left", "Move left", () => outbox.act("move", { variant: id, by: -1 }));
  const after = iconButton("right", "Move right", () => outbox.act("move", { variant: id, by: 1 }));
  const gone = iconButton("gone", "Remove this variant", () => outbox.act("remove_variant", { variant: id }));
  const buttons = element("div", "pex-icons");
  buttons.append(run, chat, copy, before, after, gone);
  const top = element("div", "pex-variant-top");
  top.append(name, buttons);
  const nameProblems = problemList(name, true);
  const origin = element("div", "pex-meta pex-origin");
  const versions = button("Versions", () => session.versions(id, variant.name));
  versions.classList.add("pex-quiet");
  const originRow = element("div", "pex-origin-row");
  originRow.append(nameProblems.list, origin, versions);

  const { input: model, node: modelField } = session.menu.makeField();
  const tieModel = tie(outbox, model, () => `${id}|model`, edit("model", null));
  const modelProblems = problemList(model, true);
  const params = makeParams(outbox, id);
  const paramProblems = problemList(params.node, true);
  const settings = element("div", "pex-settings");
  settings.append(modelField, params.node);
  const settingsProblems = element("div", "pex-problem-slot");
  settingsProblems.append(modelProblems.list, paramProblems.list);

  const messages = element("div", "pex-messages");
  const system = makeSystem(outbox, id);
  messages.append(system.node);
  const blocks = [];
  let added = false;
  const add = signButton("plus", "Message", () => {
    added = true;
    outbox.act("add_message", { variant: id });
  }, "Add a message");
  // A picked image goes into the user message that had the focus last.
  const picker = makeImagePicker((files) => imageMessage()?.addImages(files));
  const takesImages = (block) => block.takesImages();
  const imageMessage = () => blocks.find((block) => block === focused && takesImages(block)) ?? blocks.findLast(takesImages);
  let focused = null;
  messages.addEventListener("focusin", (event) => {
    focused = blocks.find((block) => block.node.contains(event.target)) ?? null;
  });
  const adds = element("div", "pex-adds");
  adds.append(add, picker.node, picker.file, params.menu);
  add.classList.add("pex-quiet");
  const wholeProblems = problemList(messages);
  node.append(top, originRow, settings, settingsProblems, ...params.forms, messages, wholeProblems.list, adds);

  return {
    node, chatButton: chat,
    /** A new variant: its name is to be typed over. */
    focus: () => { name.focus(); name.select(); },
    edit: () => (blocks[0]?.focus ?? name.focus)(),
    update(found, { first, last, only }) {
      variant = found;
      node.setAttribute("role", "group");
      node.setAttribute("aria-label", `Variant ${variant.name}`);
      before.disabled = first;
      after.disabled = last;
      gone.disabled = only;
      relabel(run, `Run ${variant.name}`);
      relabel(chat, `Chat with ${variant.name}`);
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
      relabel(versions, `Versions of ${variant.name}`);
      nameProblems.draw(at(variant.problems, "name"));
      modelProblems.draw(at(variant.problems, "model"));
      params.update(variant, (where) => at(variant.problems, where));
      paramProblems.draw(at(variant.problems, "params"));
      const offset = Number(["system", "developer"].includes(variant.messages[0]?.role));
      const count = variant.messages.length - offset;
      while (blocks.length > count) blocks.pop().node.remove();
      while (blocks.length < count) {
        blocks.push(makeMessage(session, id, blocks.length));
        messages.append(blocks.at(-1).node);
        if (added) blocks.at(-1).focus();
        added = false;
      }
      const [given, problems] = offset ? [variant.messages[0], at(variant.problems, "message:0")] : [null, []];
      system.update(given, problems, Boolean(variant.locked));
      variant.messages.slice(offset).forEach((message, i) => {
        blocks[i].update(message, count, at(variant.problems, `message:${i + offset}`), Boolean(variant.locked));
      });
      const placed = new Set(["name", "model", "params", "tools", "schema", ...variant.messages.map((_, i) => `message:${i}`)]);
      wholeProblems.draw(variant.problems.filter((problem) => !placed.has(problem.where)));
      add.disabled = Boolean(variant.locked);
      picker.node.disabled = !imageMessage();
    },
  };
}

/** The system message, always there to be typed into. */
function makeSystem(outbox, id) {
  const node = element("div", "pex-block pex-system");
  const name = element("span", "pex-field-name", "system");
  const editor = makeEditor("System message", { template: true, placeholder: "Optional" });
  const problems = problemList(editor.area, true);
  const write = tie(outbox, editor.area, () => `${id}|system`, (value) => {
    return { act: "edit", variant: id, field: "system", value };
  }, editor.set);
  node.append(name, editor.box, problems.list);
  return {
    node,
    update(message, found, locked) {
      node.hidden = locked && !message;
      name.textContent = message?.role ?? "system";
      write(message?.text ?? "");
      problems.draw(found, !message?.text);
      editor.problems(message?.text ? found : []);
      editor.area.readOnly = locked;
    },
  };
}

/** One message: its role and its template. */
function makeMessage({ outbox, images: store }, id, index) {
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
  const problems = problemList(editor.area, true);
  const write = tie(outbox, editor.area, () => `${id}|message|${index}`, (value) => {
    return { act: "edit", variant: id, field: "message", index, value };
  }, editor.set);
  const images = makeImages(store, editor);
  node.append(top, editor.box, images.node, problems.list);

  return {
    node,
    focus: () => editor.area.focus(),
    takesImages: () => role.value === "user" && !editor.area.readOnly,
    addImages: images.add,
    update(message, count, found, locked) {
      setChoices(role, [...new Set([...ROLES, message.role])].map((name) => [name, name]));
      role.value = message.role;
      write(message.text);
      images.update(message.role === "user");
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
