// A judge as a check: criteria in plain words, the model that judges by them, what it answers with.

import { button, choice, element, output } from "../widgets/shared.js";
import { field, textInput } from "./controls.js";

const CRITERIA = "What a good answer is, e.g. It is polite and says what happens next.";

/** @param {() => void} onClose gives the focus back */
export function makeJudgeForm({ outbox, menu }, scorers, onClose) {
  const node = element("form", "pex-form pex-judge");
  node.setAttribute("aria-label", "A judge");
  const criteria = element("textarea", "pex-input");
  criteria.rows = 4;
  criteria.dir = "auto";
  criteria.placeholder = CRITERIA;
  const { input: model, node: modelField } = menu.makeField();
  model.setAttribute("aria-label", "Model of the judge");
  const verdict = choice("Verdict", [["", "yes or no"], ["scale", "1 to 5"]], () => {});
  const name = textInput("", "optional");
  const said = output("", "pex-bad-text");
  said.setAttribute("role", "alert");
  const add = button("Add", () => node.requestSubmit());
  add.classList.add("pex-first");
  const cancel = button("Cancel", close);
  const foot = element("div", "pex-bar");
  foot.append(add, cancel);
  const two = element("div", "pex-judge-row");
  two.append(field("Verdict", verdict), field("Name", name));
  node.append(field("Criteria", criteria), modelField, two, said, foot, Object.assign(element("input"), { type: "submit", hidden: true }));
  node.hidden = true;
  let replaces = ""; // the judge that is edited

  function say(text) {
    said.textContent = text;
    said.hidden = !text;
  }

  function close() {
    node.hidden = true;
    onClose();
  }

  node.addEventListener("submit", (event) => {
    event.preventDefault();
    say("");
    if (!criteria.value.trim()) return criteria.focus();
    if (!model.value.trim()) return model.focus();
    add.disabled = true;
    outbox.say("judge", {
      value: criteria.value, model: model.value, scale: verdict.value === "scale", name: name.value, replaces, taken: scorers(),
    });
  });
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.stopPropagation();
    close();
  });

  return {
    node,
    /** @param judge one to be edited */
    open(judge = null) {
      replaces = judge?.name ?? "";
      criteria.value = judge?.criteria ?? "";
      model.value = judge?.model ?? "";
      verdict.value = judge?.scale ? "scale" : "";
      name.value = replaces;
      add.textContent = judge ? "Change" : "Add";
      add.disabled = false;
      say("");
      node.hidden = false;
      criteria.focus();
      node.scrollIntoView({ block: "nearest" });
    },
    /** What the kernel says. */
    take({ ok, text }) {
      add.disabled = false;
      if (ok) return close();
      say(text);
      said.scrollIntoView({ block: "nearest" });
      return criteria.focus();
    },
  };
}
