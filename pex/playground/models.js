// The model of a variant: a text field with a menu of what can be named, by provider. Any text may
// be typed; the menu only helps. It is filled when it is opened, never before.

import { element } from "../widgets/shared.js";
import { field, iconButton, textInput } from "./controls.js";
import { makeKeyWindow } from "./model_key.js";

const MOST = 30; // models of one provider shown at once; typing finds the others
const MOST_FOUND = 100;
const WIDTH = 500;

const STATES = {
  "needs key": ["needs key", "pex-chip-warn"], refused: ["key refused", "pex-chip-bad"],
  "needs trust": ["needs trust", "pex-chip-warn"], unreachable: ["no answer", "pex-chip-warn"],
};

let menus = 0;

/** Whether every word that was typed is in the name. */
function fits(ref, words) {
  return words.every((word) => ref.includes(word));
}

export function makeModelMenu(outbox) {
  const list = element("div", "pex-models");
  list.id = `pex-models-${++menus}`;
  list.setAttribute("popover", "manual"); // above the panes, which would cut it off
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Models");
  const keyWindow = makeKeyWindow(outbox);
  let offers = [];
  let asking = new Set();
  let error = "";
  let loaded = false;
  let at = null; // the field that the menu is open for
  let words = [];
  let options = []; // {node, ref, offer, act}
  let active = -1;

  function chip(text, kind = "") {
    return element("span", `pex-chip ${kind}`.trim(), text);
  }

  function option(offer, ref, act, parts, selected = false) {
    const node = element("div", "pex-option");
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", String(selected));
    node.id = `${list.id}-${options.length}`;
    node.append(...parts);
    options.push({ node, ref, act });
    return node;
  }

  function modelOption(offer, [name, price, context]) {
    const ref = `${offer.provider}/${name}`;
    const label = element("span", "pex-option-name", name);
    label.dir = "auto";
    const reads = element("span", "pex-meta pex-option-reads", context);
    if (context) reads.title = `reads ${context} tokens`;
    const parts = [label, element("span", "pex-meta", price), reads];
    return option(offer, ref, () => pick(offer, ref), parts, ref === at.input.value);
  }

  /** What can be done about a provider, at its head: enter a key, look whether it runs. */
  function actionOption(offer) {
    const needs = ["needs key", "refused"].includes(offer.state);
    const named = words.length === 1 && offer.provider.startsWith(words[0].replace(/\/$/, ""));
    if (offer.variable && offer.state !== "needs trust" && (needs || (named && offer.keyFrom))) {
      const text = `${needs && !offer.keyFrom ? "Enter a" : "Enter another"} key for ${offer.provider}…`;
      return option(offer, `${offer.provider} key`, () => openKey(offer), [element("span", "pex-option-act", text)]);
    }
    if (offer.state === "unasked" && offer.place) {
      const text = `Look for models at ${offer.place}`;
      return option(offer, `${offer.provider} look`, () => look(offer), [element("span", "pex-option-act", text)]);
    }
    return null;
  }

  function group(offer, left) {
    const found = offer.models.filter(([name]) => fits(`${offer.provider}/${name}`.toLowerCase(), words));
    const wanted = !words.length || found.length || fits(`${offer.provider}/`, words);
    if (!wanted) return null;
    const node = element("div", "pex-offer");
    node.setAttribute("role", "group");
    const head = element("div", "pex-offer-head");
    head.append(element("span", "pex-offer-name", offer.provider));
    const [text, kind] = STATES[offer.state] ?? [];
    node.setAttribute("aria-label", [offer.provider, text].filter(Boolean).join(", "));
    if (asking.has(offer.provider)) head.append(chip("asking…"));
    else if (text) head.append(chip(text, kind));
    const key = offer.variable && offer.keyFrom ? `${offer.variable} ${offer.keyFrom}` : "";
    if (key && offer.state !== "refused") head.append(element("span", "pex-meta", key));
    node.append(head);
    if (offer.note && !asking.has(offer.provider)) node.append(element("div", "pex-meta pex-offer-note", offer.note));
    const action = actionOption(offer);
    if (action) node.append(action);
    const most = Math.min(left, words.length ? MOST_FOUND : MOST);
    node.append(...found.slice(0, most).map((model) => modelOption(offer, model)));
    const more = found.length - most;
    if (more > 0) node.append(element("div", "pex-meta pex-offer-note", `${more.toLocaleString()} more: type a part of the name`));
    return { node, count: Math.min(found.length, most) };
  }

  function draw() {
    if (!at) return;
    const had = options[active]?.ref;
    options = [];
    let left = words.length ? MOST_FOUND : Infinity;
    const groups = [];
    for (const offer of offers) {
      const made = group(offer, left);
      if (!made) continue;
      left -= made.count;
      groups.push(made.node);
      if (left <= 0) break;
    }
    const said = loaded ? error : "Loading…";
    const line = said ? [element("div", "pex-meta pex-offer-note", said)] : [];
    const top = list.scrollTop;
    list.replaceChildren(...line, ...groups);
    // With nothing to show, what is said below the field of what was typed stays in view.
    list.style.display = said || groups.length ? "" : "none";
    list.scrollTop = top;
    setActive(had === undefined ? -1 : options.findIndex(({ ref }) => ref === had), false);
  }

  function setActive(index, scroll = true) {
    options[active]?.node.classList.remove("pex-active");
    active = index;
    const found = options[active]?.node;
    if (!found) return at?.input.removeAttribute("aria-activedescendant");
    found.classList.add("pex-active");
    at.input.setAttribute("aria-activedescendant", found.id);
    if (scroll) found.scrollIntoView({ block: "nearest" });
    return undefined;
  }

  function place() {
    if (!at) return;
    const box = at.node.getBoundingClientRect();
    const width = Math.min(Math.max(WIDTH, box.width), innerWidth - 16);
    const below = innerHeight - box.bottom - 12;
    const up = below < 220 && box.top > below;
    list.style.width = `${width}px`;
    list.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
    list.style.maxHeight = `${Math.min(420, Math.max(120, up ? box.top - 12 : below))}px`;
    list.style.top = up ? "auto" : `${box.bottom + 2}px`;
    list.style.bottom = up ? `${innerHeight - box.top + 2}px` : "auto";
    if (box.bottom < 0 || box.top > innerHeight) close();
  }

  function onScroll(event) {
    if (event.target !== list) place();
  }

  function open(field) {
    if (at === field) return;
    if (at) close();
    at = field;
    words = [];
    active = -1;
    at.input.setAttribute("aria-expanded", "true");
    list.showPopover();
    draw();
    place();
    const chosen = options.find(({ ref }) => ref === at.input.value);
    chosen?.node.scrollIntoView({ block: "nearest" });
    document.addEventListener("scroll", onScroll, true);
    window.addEventListener("resize", place);
    outbox.say("models");
  }

  function close() {
    if (!at) return;
    setActive(-1);
    at.input.setAttribute("aria-expanded", "false");
    at = null;
    if (list.matches(":popover-open")) list.hidePopover();
    document.removeEventListener("scroll", onScroll, true);
    window.removeEventListener("resize", place);
  }

  function pick(offer, ref) {
    const { input } = at;
    close();
    input.value = ref;
    input.dispatchEvent(new CustomEvent("input", { bubbles: true, detail: "picked" }));
    outbox.flush();
    if (["needs key", "refused"].includes(offer.state) && offer.variable) keyWindow.open(offer);
  }

  /** Enter without a choice: a name that is in the menu counts as chosen, any other stays. */
  function takeTyped() {
    const named = options.find(({ ref }) => ref === at.input.value.trim());
    if (named) named.act();
    else close();
  }

  function openKey(offer) {
    close();
    keyWindow.open(offer);
  }

  function look(offer) {
    asking.add(offer.provider);
    outbox.say("models", { ask: offer.provider });
    draw();
  }

  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
  list.addEventListener("click", (event) => {
    const node = event.target.closest("[role=option]");
    options.find((found) => found.node === node)?.act();
  });

  /** Keys of the field; true if the menu took it. */
  function onKey(event) {
    if (event.ctrlKey || event.metaKey) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (!at) return true;
      if (options.length) setActive(active < 0 && step < 0 ? options.length - 1 : (active + step + options.length) % options.length);
      return true;
    }
    if (!at) return false;
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && options[active]) options[active].act();
    else if (event.key === "Enter") takeTyped();
    else if (event.key === "PageDown" || event.key === "PageUp") {
      setActive(Math.max(0, Math.min(options.length - 1, active + (event.key === "PageDown" ? 8 : -8))));
    } else return false;
    return true;
  }

  function take({ only, offers: came, asking: now, error: wrong = "" }) {
    error = wrong;
    loaded = true;
    if (only) {
      asking.delete(only);
      const known = offers.some(({ provider }) => provider === only);
      offers = known ? offers.map((offer) => came.find(({ provider }) => provider === offer.provider) ?? offer) : [...offers, ...came];
      for (const offer of came) keyWindow.checked(offer);
    } else {
      offers = came;
      asking = new Set(now);
    }
    draw();
    place();
  }

  return {
    nodes: [list, keyWindow.box],
    take,
    keyTaken: keyWindow.taken,
    close,
    /** A field with the menu: its label and input. */
    makeField() {
      const input = textInput("", "provider/model");
      input.setAttribute("role", "combobox");
      input.setAttribute("aria-autocomplete", "list");
      input.setAttribute("aria-expanded", "false");
      input.setAttribute("aria-controls", list.id);
      const box = element("span", "pex-model-field");
      const own = { input, node: box };
      const show = iconButton("down", "Show the models", () => {
        if (at === own) return close();
        input.focus();
        return open(own);
      });
      show.tabIndex = -1;
      show.addEventListener("pointerdown", (event) => event.preventDefault());
      box.append(input, show);
      input.addEventListener("click", () => open(own));
      input.addEventListener("input", (event) => {
        if (event.detail === "picked") return;
        open(own);
        words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        active = -1;
        list.scrollTop = 0;
        draw();
      });
      input.addEventListener("keydown", (event) => {
        const opens = !at && /^Arrow(Down|Up)$/.test(event.key);
        if (opens) open(own);
        if (!onKey(event) && !opens) return;
        event.preventDefault();
        event.stopPropagation();
      });
      input.addEventListener("blur", () => {
        if (at === own) close();
      });
      const node = field("Model", box);
      node.firstChild.classList.add("pex-visually-hidden"); // a provider and a model speak for themselves
      return { input, node };
    },
  };
}
