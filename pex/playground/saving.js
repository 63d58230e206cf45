// The window that saves: as a prompt file, to the library, as an experiment, for every night, as code.

import { button, choice, copyText, dialog, element, output } from "../widgets/shared.js";
import { makeCodeTabs } from "./code_tabs.js";
import { field, setChoices, textInput } from "./controls.js";

const GOALS = [
  ["prompty", "Prompt file", "One variant's prompt as a .prompty file; opens in any editor."],
  ["library", "Library", "One variant's prompt as a new version in MLflow's prompt registry."],
  ["experiment", "Experiment", "All variants and cases as an experiment.yaml."],
  ["nightly", "Nightly", "The experiment, with a plan.yaml beside it that runs and judges it every night."],
  ["code", "Code", ""],
];

/** What a registry or a file accepts in a name. */
function plainName(text) {
  return text.trim().replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/^-+|-+$/g, "") || "draft";
}

export function makeSaver(outbox, model) {
  const box = dialog("Save");
  let goal = "prompty";
  const goals = element("div", "pex-bar pex-goals");
  goals.setAttribute("role", "group");
  goals.setAttribute("aria-label", "Save as");
  const about = element("p", "pex-meta");
  const form = element("form", "pex-form");
  const result = element("div", "pex-result");
  result.setAttribute("role", "status");
  const variant = choice("Which variant", [], () => fill());
  const name = textInput("", "review-sentiment");
  const alias = textInput("", "optional, e.g. champion");
  const note = textInput("", "optional: what changed");
  const path = textInput("", "prompts/name.prompty");
  const over = element("input");
  over.type = "checkbox";
  const overwrite = element("label", "pex-check");
  overwrite.append(over, " Overwrite the existing file");
  const code = makeCodeTabs(outbox, model);
  const rows = {
    variant: field("Variant", variant), name: field("Name", name), alias: field("Alias", alias),
    note: field("Commit message", note), path: field("Path", path), overwrite,
  };
  form.append(...Object.values(rows));
  const save = button("Save", () => form.requestSubmit());
  save.classList.add("pex-first");
  const copied = button("Copy", async () => {
    await copyText(code.text());
    result.textContent = "Copied.";
  });
  const close = button("Close", () => box.close());
  const foot = element("div", "pex-dialog-foot");
  foot.append(save, copied, close);
  box.append(element("h2", "pex-title", "Save"), goals, about, form, result, foot);

  const shown = {
    prompty: ["variant", "path", "overwrite"], library: ["variant", "name", "alias", "note"],
    experiment: ["path", "overwrite"], nightly: ["path", "overwrite"], code: [],
  };
  const buttons = GOALS.map(([id, text]) => {
    const node = button(text, () => pick(id));
    goals.append(node);
    return [id, node];
  });

  function fill() {
    const doc = model.get("_doc");
    const found = doc.variants.find(({ id }) => id === variant.value) ?? doc.variants[0];
    const plain = plainName(found?.name ?? "");
    name.value = plain;
    const experiment = doc.save?.experiment || "experiments/draft/experiment.yaml";
    path.value = ["experiment", "nightly"].includes(goal) ? experiment : `${doc.save?.prompty_dir || "prompts"}/${plain}.prompty`;
  }

  /** @param text lines; one that begins with "$ " is a command to be copied */
  function say(text, good) {
    const lines = text.split("\n").filter(Boolean);
    const shownLine = (line) => (line.startsWith("$ ") ? element("pre", "pex-command", line.slice(2)) : output(line, good ? "" : "pex-bad-text"));
    result.replaceChildren(...lines.map(shownLine));
  }

  function pick(id) {
    goal = id;
    for (const [other, node] of buttons) node.setAttribute("aria-pressed", String(other === id));
    about.hidden = id === "code";
    about.textContent = GOALS.find(([other]) => other === id)[2];
    for (const [row, node] of Object.entries(rows)) node.hidden = !shown[id].includes(row);
    save.hidden = id === "code";
    copied.hidden = id !== "code";
    if (id === "code") form.replaceWith(code.node);
    else code.node.replaceWith(form);
    box.classList.toggle("pex-wide", id === "code");
    over.checked = false;
    say("", true);
    fill();
    if (id === "code") code.open();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say("Saving…", true);
    const what = {
      prompty: { variant: variant.value, path: path.value, overwrite: over.checked },
      library: { variant: variant.value, name: name.value, alias: alias.value, message: note.value },
      experiment: { path: path.value, overwrite: over.checked },
      nightly: { path: path.value, overwrite: over.checked },
    }[goal];
    save.disabled = true;
    outbox.say("save", { to: goal, ...what });
  });
  form.append(Object.assign(element("input"), { type: "submit", hidden: true })); // Enter saves

  return {
    box,
    open() {
      setChoices(variant, model.get("_doc").variants.map(({ id, name: text }) => [id, text]));
      save.disabled = false;
      pick(goal);
      box.showModal();
    },
    saved({ ok, text }) {
      save.disabled = false;
      say(text, ok);
    },
    code: code.take,
  };
}
