// The comparison as code for pex, and one request of it as code for other programs.

import { choice, element } from "../widgets/shared.js";
import { field, setChoices } from "./controls.js";

const REQUEST = "One request, as pex sends it. The key is not in it: it is read from the environment.";
const TABS = [
  ["pex", "pex", "Python code for this comparison."],
  ["openai", "openai (Python)", REQUEST],
  ["curl", "curl", REQUEST],
  ["messages", "Messages (JSON)", "The messages of one request, with the case's inputs filled in."],
];

export function makeCodeTabs(outbox, model) {
  const node = element("div", "pex-code-tabs");
  const list = element("div", "pex-bar pex-tablist");
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Code for");
  const panel = element("div", "pex-code-panel");
  panel.setAttribute("role", "tabpanel");
  const about = element("p", "pex-meta");
  const variant = choice("Which variant", [], ask);
  const found = choice("Which case", [], ask);
  const chosen = element("div", "pex-bar pex-code-of");
  chosen.append(field("Variant", variant), field("Case", found));
  const code = element("textarea", "pex-input pex-code-text");
  code.readOnly = true;
  code.setAttribute("aria-label", "Code");
  code.spellcheck = false;
  panel.append(about, chosen, code);
  node.append(list, panel);
  let tab = "pex";
  const stamp = Math.random().toString(36).slice(2);
  panel.id = `pex-code-${stamp}`;

  const tabs = TABS.map(([id, text]) => {
    const one = element("button", "pex-button pex-tab", text);
    one.type = "button";
    one.id = `pex-code-${id}-${stamp}`;
    one.setAttribute("role", "tab");
    one.setAttribute("aria-controls", panel.id);
    one.addEventListener("click", () => pick(id));
    list.append(one);
    return one;
  });

  list.addEventListener("keydown", (event) => {
    const at = TABS.findIndex(([id]) => id === tab);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: TABS.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const to = (next + TABS.length) % TABS.length;
    pick(TABS[to][0]);
    tabs[to].focus();
  });

  function pick(id) {
    tab = id;
    TABS.forEach(([other, , what], i) => {
      tabs[i].setAttribute("aria-selected", String(other === id));
      tabs[i].tabIndex = other === id ? 0 : -1;
      if (other !== id) return;
      about.textContent = what;
      panel.setAttribute("aria-labelledby", tabs[i].id);
    });
    chosen.hidden = id === "pex";
    ask();
  }

  function wanted() {
    return tab === "pex" ? { of: tab } : { of: tab, variant: variant.value, case: found.value };
  }

  function ask() {
    code.value = "…";
    outbox.say("code", wanted());
  }

  return {
    node,
    text: () => code.value,
    open() {
      const { variants, cases } = model.get("_doc");
      setChoices(variant, variants.map(({ id, name }) => [id, name]));
      setChoices(found, cases.map(({ id, key, typed }, i) => [id, typed ? `Case ${i + 1}` : `${i + 1} · ${key}`]));
      pick(tab);
    },
    /** What Python made; a reply to an earlier choice is not shown. */
    take({ of, variant: column, case: entry, text }) {
      const now = wanted();
      if (now.of === of && (now.variant ?? "") === (column ?? "") && (now.case ?? "") === (entry ?? "")) code.value = text;
    },
  };
}
