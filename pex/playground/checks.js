// The checks of a Playground: the scorers of its experiment, and those added here.

import { button, choice, element } from "../widgets/shared.js";
import { iconButton, textInput } from "./controls.js";
import { makeJudgeForm } from "./judges.js";

const KINDS = [
  ["exact", "Equals expected"], ["expected", "Contains expected"], ["similarity", "Similar to expected"],
  ["contains", "Contains…"], ["regex", "Matches a pattern…"], ["json", "Is valid JSON"], ["length", "At most … words"],
  ["judge", "A judge…"],
];
const VALUES = { contains: "Text", regex: "Regular expression", length: "Most words" };

export function makeChecks(session, scorers) {
  const { outbox } = session;
  const node = element("div", "pex-checks");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Checks");
  const chips = element("div", "pex-chips");
  const form = element("form", "pex-bar");
  const value = textInput("");
  const add = button("Add", () => form.requestSubmit());
  form.append(value, add);
  form.hidden = true;
  const said = element("div", "pex-meta");
  let kind = "";

  function send(given) {
    outbox.act("add_check", { check: kind, value: given, taken: scorers() });
    form.hidden = true;
    menu.focus();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (value.value.trim()) send(value.value);
    else value.focus();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    form.hidden = true;
    menu.focus();
  });
  const menu = choice("Add a check", [["", "+ Check"], ...KINDS], (chosen) => {
    menu.value = "";
    kind = chosen;
    if (kind === "judge") {
      form.hidden = true;
      judge.open();
      return;
    }
    judge.node.hidden = true;
    form.hidden = !VALUES[kind];
    if (form.hidden) {
      send("");
      return;
    }
    value.value = "";
    value.placeholder = VALUES[kind];
    value.setAttribute("aria-label", VALUES[kind]);
    value.focus();
  });
  menu.classList.add("pex-param-menu");
  const judge = makeJudgeForm(session, scorers, () => menu.focus());
  node.append(chips, menu, form, judge.node, said);
  let drawn = "";

  return {
    node,
    judgeTaken: judge.take,
    /** @param scored the names of the scores that the shown answers have */
    update(own, checks, judges, scored) {
      const late = checks.filter((name) => scored.size && !scored.has(name));
      const now = JSON.stringify([own, checks, judges, late]);
      if (now === drawn) return;
      drawn = now;
      chips.replaceChildren(...own.map((name) => element("span", "pex-chip", name)), ...checks.map((name) => {
        const chip = element("span", "pex-chip pex-chip-removable");
        chip.append(element("span", "pex-chip-name", name));
        const found = judges.find((item) => item.name === name);
        if (found) {
          chip.title = found.about;
          chip.append(iconButton("edit", `Edit the judge ${name}`, () => judge.open(found)));
        }
        chip.append(iconButton("gone", `Remove the check ${name}`, () => outbox.act("remove_check", { name })));
        return chip;
      }));
      said.textContent = late.length ? "Run again to check the answers that are there; they are reused." : "";
      said.hidden = !late.length;
    },
  };
}
