// Earlier versions of a variant's prompt, and the way back to one of them.

import { button, dialog, drawDifference, element, output } from "../widgets/shared.js";

const ABOUT = "Restoring replaces the messages, tools and response schema; the model and the parameters stay. Undo brings the present text back.";
const EMPTY = "No version has been saved under this name yet. Save… → Library keeps the present text as a version; then it can be compared and restored here.";

function whenText(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** What restoring a version would do. */
function details(item) {
  if (item.problem) return [output(`It cannot be read: ${item.problem}`, "pex-bad-text")];
  const nodes = [];
  if (item.note) nodes.push(output(item.note, "pex-version-note"));
  const marked = Array.isArray(item.difference);
  nodes.push(element("h3", "pex-version-title", marked ? "Compared with the present text" : "Text"));
  nodes.push(marked ? drawDifference(item.difference) : output(item.difference, "pex-long"));
  if (item.also.length) nodes.push(element("p", "pex-meta", `Also different: ${item.also.join(", ")}.`));
  return nodes;
}

export function makeVersions(outbox) {
  const box = dialog("Versions");
  box.classList.add("pex-versions");
  const title = element("h2", "pex-title", "Versions");
  const about = element("p", "pex-meta");
  const list = element("div", "pex-version-list");
  list.setAttribute("role", "radiogroup");
  list.setAttribute("aria-label", "Versions");
  const detail = element("div", "pex-version-detail");
  detail.tabIndex = 0;
  detail.setAttribute("role", "region");
  detail.setAttribute("aria-label", "Selected version");
  const both = element("div", "pex-version-both");
  both.append(list, detail);
  const state = element("p");
  state.setAttribute("role", "status");
  const restore = button("Restore", () => {
    outbox.act("restore", { variant, key: chosen.key });
    box.close();
  });
  restore.classList.add("pex-first");
  const foot = element("div", "pex-dialog-foot");
  foot.append(restore, button("Close", () => box.close()));
  box.append(title, about, state, both, foot);
  const group = `pex-versions-${Math.random().toString(36).slice(2)}`;
  let variant = "";
  let chosen = null;

  function choose(item) {
    chosen = item;
    detail.replaceChildren(...details(item));
    restore.disabled = Boolean(item.problem || item.same);
    restore.textContent = item.same ? "Same as now" : "Restore";
  }

  function row(item, first) {
    const label = element("label", "pex-version");
    const input = element("input");
    input.type = "radio";
    input.name = group;
    input.checked = first;
    input.addEventListener("change", () => choose(item));
    const text = element("span", "pex-version-text");
    const top = element("span", "pex-chips");
    top.append(element("span", "pex-version-name", item.label));
    top.append(...item.aliases.map((alias) => element("span", "pex-chip", `@${alias}`)));
    if (item.same) top.append(element("span", "pex-chip", "same as now"));
    if (item.problem) top.append(element("span", "pex-chip pex-chip-bad", "! cannot be read"));
    text.append(top, element("span", "pex-meta", [whenText(item.when), item.by].filter(Boolean).join(" · ")));
    if (item.note) text.append(output(item.note, "pex-meta pex-version-brief"));
    label.append(input, text);
    return label;
  }

  function say(text, bad) {
    state.className = bad ? "pex-bad-text" : "";
    state.textContent = text;
    state.hidden = !text;
  }

  return {
    box,
    open(id, name) {
      variant = id;
      title.textContent = `Versions of ${name}`;
      about.textContent = "";
      say("Looking in the library…");
      both.hidden = true;
      restore.hidden = true;
      outbox.say("versions", { variant: id });
      box.showModal();
    },
    take({ variant: of, ok, name, items = [], problem = "", text = "" }) {
      if (of !== variant) return;
      if (!ok) {
        say(text, true);
        return;
      }
      title.textContent = `Versions of ${name}`;
      say(problem || (items.length ? "" : EMPTY), problem);
      both.hidden = restore.hidden = !items.length;
      if (!items.length) return;
      about.textContent = ABOUT;
      const first = items.find((item) => !item.same && !item.problem) ?? items[0];
      list.replaceChildren(...items.map((item) => row(item, item === first)));
      choose(first);
      list.querySelector("input:checked").focus();
    },
  };
}
