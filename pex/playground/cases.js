// The cases: their inputs for the prompts, and the window that adds more.

import { button, choice, dialog, element } from "../widgets/shared.js";
import { arrange, field, iconButton, relabel, textInput } from "./controls.js";
import { makeEditor } from "./editor.js";
import { makeCaseImage } from "./images.js";
import { tie } from "./outbox.js";
import { problemList } from "./problems.js";

const EXPECTED = "expected"; // the name of the field of the expected answer

/** The left cell of a row. */
export function makeCase(session, id) {
  const { outbox } = session;
  const node = element("div", "pex-case-cell");
  node.setAttribute("role", "rowheader");
  node.dataset.case = id;
  const key = element("span", "pex-id pex-case-id");
  const run = iconButton("run", "Run this row", () => session.run(null, [id]));
  const gone = iconButton("gone", "Remove this case", () => outbox.act("remove_case", { case: id }));
  const icons = element("div", "pex-icons");
  icons.append(run, gone);
  const top = element("div", "pex-block-top");
  const tags = element("div", "pex-chips pex-tags");
  top.append(key, tags, icons);
  const fields = element("div", "pex-inputs");
  const unused = element("div", "pex-meta");
  const expected = makeInput(session, id, EXPECTED, "optional");
  expected.node.classList.add("pex-beside");
  const addExpected = button("+ expected", () => {
    openExpected = true;
    drawExpected("");
    expected.focus();
  }, "Add an expected answer");
  addExpected.classList.add("pex-quiet");
  const problems = problemList(node);
  node.append(top, fields, unused, expected.node, addExpected, problems.list);
  let openExpected = false;

  function drawExpected(text) {
    const open = openExpected || Boolean(text) || expected.node.contains(document.activeElement);
    expected.node.hidden = !open;
    addExpected.hidden = open;
  }

  const inputs = new Map();

  return {
    node,
    focus: () => (inputs.values().next().value ?? expected).focus(),
    update(found, number, variables, kinds) {
      // The key of a typed case changes with its text.
      const name = found.typed ? String(number) : found.key;
      key.textContent = found.typed ? `Case ${number}` : `${number} · ${found.key}`;
      key.title = found.key;
      relabel(run, `Run case ${name}`);
      relabel(gone, `Remove case ${name}`);
      tags.hidden = !found.tags.length;
      tags.replaceChildren(...found.tags.map((tag) => element("span", "pex-chip", tag)));
      const shown = new Set(variables);
      for (const [variable, input] of inputs) {
        if (shown.has(variable) || input.node.contains(document.activeElement)) continue;
        input.node.remove();
        inputs.delete(variable);
      }
      for (const variable of variables) {
        if (!inputs.has(variable)) inputs.set(variable, makeInput(session, id, variable));
        inputs.get(variable).update(found.inputs[variable], name, kinds[variable] ?? "");
      }
      arrange(fields, variables.map((variable) => inputs.get(variable).node));
      const others = Object.keys(found.inputs).filter((other) => !shown.has(other));
      unused.textContent = others.length ? `not used by any prompt: ${others.join(", ")}` : "";
      unused.hidden = !others.length;
      expected.update(found.expected, name);
      drawExpected(found.expected);
      problems.draw(found.problems ?? [], variables.every((variable) => !found.inputs[variable]));
    },
  };
}

function makeInput(session, id, name, placeholder = "") {
  const editor = makeEditor(name, { placeholder });
  const write = tie(session.outbox, editor.area, () => `case|${id}|${name}`, (value) => {
    return { act: "edit_case", case: id, field: name, value };
  }, editor.set);
  const image = name === EXPECTED ? null : makeCaseImage(session.images, editor, name);
  let node = field(name, editor.box);
  if (image) {
    const box = element("div", "pex-input-field");
    box.append(node, image.node);
    node = box;
  }
  return {
    node,
    focus: () => editor.area.focus(),
    update(text, key, kind = "") {
      editor.area.setAttribute("aria-label", `${name} of case ${key}`);
      write(text ?? "");
      image?.update(kind);
    },
  };
}

/** The window in which cases of the experiment are chosen. */
export function makeChooser(outbox, onAdd) {
  const box = dialog("Add cases");
  const title = element("h2", "pex-title", "Add cases");
  const about = element("p", "pex-meta");
  const close = button("Close", () => box.close());
  const ids = element("datalist");
  ids.id = `pex-pool-${Math.random().toString(36).slice(2)}`;
  let from = "first";
  const how = choice("Which", [
    ["first", "Next"], ["random", "Random"], ["failures", "Failed in the last run"], ["id", "By ID"],
  ], (value) => pick(value));
  const count = textInput("How many");
  count.type = "number";
  count.min = "1";
  count.max = "100";
  count.value = "3";
  const one = textInput("ID of the case", "ID");
  one.setAttribute("list", ids.id);
  const bar = element("div", "pex-bar");

  function pick(value) {
    from = value;
    one.hidden = value !== "id";
    count.hidden = value === "id";
  }

  function add(name, value) {
    onAdd();
    outbox.act("add_case", { from: name, value });
    box.close();
  }

  const take = button("Add", () => {
    const value = from === "id" ? one.value.trim() : Math.round(Number(count.value));
    if (value) add(from, value);
    else (from === "id" ? one : count).focus();
  });
  take.classList.add("pex-first");
  bar.append(how, count, one, take);
  for (const input of [count, one]) {
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") take.click();
    });
  }
  const typed = button("New empty case", () => add("typed"));
  const foot = element("div", "pex-dialog-foot");
  foot.append(typed, close);
  box.append(title, about, bar, ids, foot);
  pick("first");
  return {
    box,
    open(pool) {
      if (!pool) {
        add("typed");
        return;
      }
      about.textContent = `The experiment has ${pool.count.toLocaleString()} case${pool.count === 1 ? "" : "s"}.`;
      ids.replaceChildren(...pool.ids.map((id) => {
        const option = element("option");
        option.value = id;
        return option;
      }));
      box.showModal();
    },
  };
}
