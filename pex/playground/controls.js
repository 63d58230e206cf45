// The small parts of a form: buttons with a drawn sign, fields with a name, views kept in order.

import { button, element } from "../widgets/shared.js";

const SIGNS = {
  run: ["M4.5 2.8v10.4L13 8z", true], stop: ["M4 4h8v8H4z", true],
  copy: ["M6 6h7v7H6zM3.5 10.5h-1v-8h8v1"], gone: ["M4 4l8 8M12 4l-8 8"],
  left: ["M10 3.5L5.5 8l4.5 4.5"], right: ["M6 3.5L10.5 8 6 12.5"],
  up: ["M3.5 10L8 5.5l4.5 4.5"], down: ["M3.5 6L8 10.5 12.5 6"],
  edit: ["M3 13l.7-3L10.6 3.1l2.3 2.3L6 12.3zM9.3 4.4l2.3 2.3"], grow: ["M9.5 3H13v3.5M13 3L9 7M6.5 13H3V9.5M3 13l4-4"],
  "up-thumb": ["M2.5 7H5v6.5H2.5zM5 7l2.6-4.8c.9 0 1.5.7 1.4 1.6L8.7 6h3.6c.9 0 1.5.8 1.3 1.6l-1 4.7c-.2.7-.7 1.2-1.4 1.2H5"],
  "down-thumb": ["M2.5 9H5V2.5H2.5zM5 9l2.6 4.8c.9 0 1.5-.7 1.4-1.6L8.7 10h3.6c.9 0 1.5-.8 1.3-1.6l-1-4.7c-.2-.7-.7-1.2-1.4-1.2H5"],
  note: ["M2.5 3h11v7.5H8L5.5 13v-2.5h-3zM5 5.8h6M5 8h4"],
  chat: ["M2.5 3h11v7.5H8L5.5 13v-2.5h-3z"], again: ["M12.5 5.5A5 5 0 103 8M12.5 2.5v3h-3"],
  plus: ["M8 3v10M3 8h10"], undo: ["M5.5 3L3 5.5 5.5 8M3 5.5h6a3.5 3.5 0 010 7H6"],
  redo: ["M10.5 3L13 5.5 10.5 8M13 5.5H7a3.5 3.5 0 000 7h3"],
};

/** A sign drawn here: fonts do not all have the same ones. */
export function sign(name) {
  const [path, full] = SIGNS[name];
  const node = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  node.setAttribute("viewBox", "0 0 16 16");
  node.setAttribute("aria-hidden", "true");
  node.classList.add("pex-sign");
  if (full) node.classList.add("pex-sign-full");
  line.setAttribute("d", path);
  node.append(line);
  return node;
}

/** A button with a sign before its text. */
export function signButton(name, text, onClick, label) {
  const node = button(text, onClick, label);
  node.classList.add("pex-with-sign");
  node.prepend(sign(name));
  return node;
}

/** A small button with a sign only; `label` says what it does. */
export function iconButton(name, label, onClick) {
  const node = signButton(name, "", onClick, label);
  node.classList.add("pex-icon");
  return node;
}

export function relabel(node, label) {
  if (node.title === label) return;
  node.title = label;
  node.setAttribute("aria-label", label);
}

export function field(label, input) {
  const node = element("label", "pex-field");
  node.append(element("span", "pex-field-name", label), input);
  return node;
}

/** A box to tick, with its text after it. */
export function checkbox(text, onChange, title = "") {
  const node = element("label", "pex-check");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.addEventListener("change", () => onChange(box.checked));
  node.title = title;
  node.append(box, text);
  return { node, box };
}

export function textInput(label, placeholder = "") {
  const node = element("input", "pex-input");
  node.type = "text";
  node.dir = "auto";
  node.spellcheck = false;
  node.autocomplete = "off";
  node.placeholder = placeholder;
  if (label) node.setAttribute("aria-label", label);
  return node;
}

/** Other choices in a select; the chosen one stays if it is still there. */
export function setChoices(select, choices) {
  const now = JSON.stringify(choices);
  if (select.dataset.choices === now) return;
  select.dataset.choices = now;
  const had = select.value;
  select.replaceChildren(...choices.map(([value, text]) => {
    const option = element("option", "", text);
    option.value = value;
    return option;
  }));
  if (choices.some(([value]) => value === had)) select.value = had;
}

/** Put nodes in an order without moving those that are already right: a moved field loses focus. */
export function arrange(parent, nodes) {
  let next = parent.firstChild;
  for (const node of nodes) {
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
}

/** Keep one view per thing, by its id: made when added, removed when gone. */
export function makeViews(make) {
  const views = new Map();
  return {
    get: (id) => views.get(id),
    keep(ids) {
      for (const [id, view] of views) {
        if (ids.includes(id)) continue;
        view.node.remove();
        views.delete(id);
      }
      const fresh = ids.filter((id) => !views.has(id));
      for (const id of fresh) views.set(id, make(id));
      return fresh;
    },
  };
}

/** The help on keys: pairs of keys and what they do. */
export function makeKeys(keys) {
  const box = element("details", "pex-keys");
  const list = element("dl");
  for (const [names, what] of keys) list.append(element("dt", "", names), element("dd", "", what));
  box.append(element("summary", "", "Keys"), list);
  return box;
}
