// Editing the case of an opened cell, see case_form.py. A form stays with its cell, so looking at
// another cell loses nothing that was typed.

import { button, copyText, element, output } from "./shared.js";

const EDITS = { correct: "Correct the expected answer", new: "Save as a new case" };

function labelled(label, node, note) {
  const box = element("label", "pex-field");
  box.append(element("span", "pex-meta", label), node);
  if (note) box.append(element("span", "pex-meta", note));
  return box;
}

/** Text with a button that copies it. */
function copyable(text, label) {
  const code = element("pre", "pex-code", text);
  code.tabIndex = 0;
  code.setAttribute("aria-label", label);
  const done = button("Copy", async () => {
    await copyText(text);
    done.textContent = "Copied";
  }, `Copy ${label}`);
  const box = element("div", "pex-copyable");
  box.append(code, done);
  return box;
}

/** @param {{place: number[]}} cell @param {(message: object) => void} send @param {() => void} changed */
export function makeCaseEditor(cell, send, changed) {
  const [row, column] = cell.place;
  const box = element("div", "pex-edit");
  const actions = element("div", "pex-bar");
  const slot = element("div", "pex-edit-slot");
  const tell = (message) => send({ row, column, ...message });
  let text = null;
  let draft = null;

  for (const [what, label] of Object.entries(EDITS)) {
    actions.append(button(label, () => {
      slot.replaceChildren(element("div", "pex-soft", "The form opens when the kernel is free."));
      tell({ kind: "edit", what });
    }));
  }
  box.append(actions, slot);

  function cancel() {
    slot.replaceChildren();
    actions.firstChild.focus();
  }

  function keep(more = {}) {
    const edited = text.value !== draft.text && !draft.long;
    tell({ kind: "keep", what: draft.what, text: edited ? text.value : null,
      id: draft.id?.value, tags: draft.tags?.value, ...more });
  }

  function input(label, value, note) {
    const node = element("input", "pex-input");
    node.value = value;
    node.dir = "auto";
    return { node, field: labelled(label, node, note) };
  }

  function drawForm(message) {
    draft = { what: message.what, text: message.text, long: message.long };
    text = element("textarea", "pex-input pex-edit-text");
    text.value = message.text;
    draft.text = text.value; // as the browser has it: it knows one end of a line
    text.dir = "auto";
    text.readOnly = message.long;
    const form = element("form", "pex-edit-form");
    form.setAttribute("aria-label", EDITS[message.what]);
    const correct = message.what === "correct";
    form.append(labelled(correct ? "Expected answer" : "Expected answer of the new case", text,
      "Leave it empty if no answer is expected."));
    if (correct && message.before) {
      const was = element("div");
      was.append(element("span", "pex-meta", "before"), output(message.before, "pex-long"));
      form.append(was);
    }
    if (message.long) {
      form.append(element("div", "pex-soft", correct
        ? "Too long to edit here: edit it in the file."
        : "Too long to edit here; all of it is saved."));
    }
    if (message.id) {
      const id = input("ID of the new case", message.id);
      draft.id = id.node;
      form.append(id.field);
    }
    if (typeof message.tags === "string") {
      const tags = input("Tags", message.tags, "Separated by semicolons.");
      draft.tags = tags.node;
      form.append(tags.field);
    }
    const save = button("Save", () => keep());
    save.classList.add("pex-primary");
    save.disabled = correct && message.long;
    const bar = element("div", "pex-bar");
    bar.append(save, button("Cancel", cancel), element("span", "pex-meta", correct
      ? `Changes this one answer in ${message.file}.` : `Adds one row to ${message.file}, with the inputs above.`));
    const said = element("div");
    said.setAttribute("role", "alert");
    form.append(bar, said);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!save.disabled) keep();
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !save.disabled) keep();
    });
    draft.said = said;
    slot.replaceChildren(form);
    text.focus();
  }

  function drawProblem(message) {
    const parts = [element("div", "pex-bad-text", `! ${message.problem}`)];
    if (message.hint) parts.push(element("div", "pex-soft", message.hint));
    if (message.copy) parts.push(element("div", "pex-meta", "The case as text:"), copyable(message.copy, "the case"));
    if (draft?.said?.isConnected) {
      draft.said.replaceChildren(...parts);
      return;
    }
    const said = element("div", "pex-edit-form");
    said.setAttribute("role", "alert");
    said.append(...parts);
    slot.replaceChildren(said);
  }

  function drawDiffers(message) {
    const both = element("div", "pex-edit-both");
    for (const [name, value] of [["in the file", message.there], ["shown here", message.shown], ["yours", text.value]]) {
      const side = element("div");
      side.append(element("span", "pex-meta", name), output(value || "(none)", value ? "pex-long" : "pex-soft"));
      both.append(side);
    }
    const bar = element("div", "pex-bar");
    bar.append(
      button("Save yours", () => keep({ text: text.value, seen: message.seen })),
      button("Keep the file's", () => keep({ take: true, seen: message.seen })),
    );
    const problem = element("div", "pex-bad-text", `! Nothing was written: ${message.differs}.`);
    draft.said.replaceChildren(problem, both, bar);
    bar.firstChild.focus();
  }

  function drawDone(message) {
    const said = element("div", "pex-edit-form");
    said.setAttribute("role", "status");
    said.tabIndex = -1;
    said.append(element("div", "", `✓ ${message.done}`));
    if (message.code.length) said.append(copyable(message.code.join("\n"), "the code"));
    slot.replaceChildren(said);
    said.focus();
    if (message.expected !== undefined) changed();
  }

  return {
    box,
    get empty() {
      return !slot.childElementCount;
    },
    said(message) {
      if (message.problem) drawProblem(message);
      else if (message.kind === "edit") drawForm(message);
      else if (message.differs) drawDiffers(message);
      else drawDone(message);
    },
  };
}
