// The left side of the library browser: the list of prompts, searched in the browser, so a busy
// kernel does not matter.

import { button, element } from "../widgets/shared.js";

/** Scroll a box, and nothing around it, until one of its nodes is seen. */
export function intoView(box, node, top = 0) {
  const [outer, inner] = [box.getBoundingClientRect(), node.getBoundingClientRect()];
  if (inner.top < outer.top + top) box.scrollTop -= outer.top + top - inner.top;
  else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom;
}

/** @param {(name: string) => void} onChoose */
export function makePromptList(id, onChoose, onRefresh) {
  const box = element("section", "pex-prompts");
  box.setAttribute("aria-label", "Prompts");
  const bar = element("div", "pex-bar");
  bar.setAttribute("role", "search");
  const search = element("input", "pex-input");
  search.type = "search";
  search.placeholder = "Search   /";
  search.setAttribute("aria-label", "Search in names, aliases, experiments and descriptions");
  const refresh = button("Refresh", onRefresh, "Refresh: read the library and the files again");
  bar.append(search, refresh);
  const count = element("div", "pex-meta pex-prompts-count");
  count.setAttribute("role", "status");
  const list = element("div", "pex-prompts-list");
  list.tabIndex = 0;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Prompts");
  const scratch = element("input");
  scratch.type = "checkbox";
  const scratchText = element("span");
  const scratchLabel = element("label", "pex-meta pex-prompts-scratch");
  scratchLabel.title = "Earlier versions of pex registered the prompts of every run here; nobody saved these.";
  scratchLabel.append(scratch, scratchText);
  scratch.addEventListener("change", () => filter());
  box.append(bar, scratchLabel, count, list);

  let rows = [];
  let nodes = [];
  let seen = []; // the numbers of the rows that are shown
  let active = -1; // one of these numbers
  let chosen = "";

  function drawRow(row, number) {
    const node = element("div", "pex-prompts-row");
    node.id = `${id}-${number}`;
    node.setAttribute("role", "option");
    const head = element("div", "pex-ends");
    head.append(element("span", "pex-prompts-name", row.name));
    head.append(element("span", "pex-meta", row.version === null ? "file" : `v${row.version}`));
    head.firstChild.dir = "auto";
    node.append(head);
    const chips = element("div", "pex-chips");
    for (const alias of row.aliases) chips.append(element("span", "pex-chip", alias));
    for (const state of row.states) chips.append(element("span", "pex-chip pex-chip-file", state));
    if (chips.childNodes.length) node.append(chips);
    const about = element("div", "pex-meta pex-ends");
    about.append(element("span", "pex-one-line", row.used.join(", ")), element("span", "", row.changed.slice(0, 10)));
    about.firstChild.title = about.firstChild.textContent;
    node.append(about);
    return node;
  }

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const listed = rows.map((_, number) => number)
      .filter((number) => scratch.checked || !rows[number].scratch || rows[number].name === chosen);
    seen = listed.filter((number) => words.every((word) => rows[number].find.includes(word)));
    const shown = new Set(seen);
    nodes.forEach((node, number) => { node.hidden = !shown.has(number); });
    if (!shown.has(active)) active = seen.length && words.length ? seen[0] : -1;
    const of = words.length ? `${seen.length.toLocaleString()} of ` : "";
    const all = `${listed.length.toLocaleString()} ${listed.length === 1 ? "prompt" : "prompts"}`;
    count.textContent = listed.length ? of + all : "";
    mark();
  }

  function mark() {
    nodes.forEach((node, number) => {
      node.classList.toggle("pex-active", number === active);
      node.setAttribute("aria-selected", String(rows[number].name === chosen));
    });
    if (active >= 0) list.setAttribute("aria-activedescendant", nodes[active].id);
    else list.removeAttribute("aria-activedescendant");
  }

  function move(by) {
    if (!seen.length) return;
    const at = seen.indexOf(active);
    const next = at < 0 ? (by > 0 ? 0 : seen.length - 1) : at + by;
    active = seen[Math.min(Math.max(0, next), seen.length - 1)];
    mark();
    intoView(list, nodes[active]);
  }

  function choose(number) {
    if (number === undefined || number < 0) return;
    active = number;
    mark();
    onChoose(rows[number].name);
  }

  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") list.focus();
    else if (event.key === "Enter") choose(active >= 0 ? active : seen[0]);
    else return;
    event.preventDefault();
  });
  list.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(list.clientHeight / 60) - 1);
    const by = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -1e9, End: 1e9 };
    if (by[event.key]) move(by[event.key]);
    else if (event.key === "Enter" || event.key === " ") choose(active);
    else return;
    event.preventDefault();
  });
  list.addEventListener("focus", () => { if (active < 0) move(1); });
  list.addEventListener("click", (event) => {
    const node = event.target.closest("[role=option]");
    if (node) choose(nodes.indexOf(node));
  });

  return {
    box,
    search,
    draw(state) {
      const before = rows[active]?.name;
      rows = state.rows;
      nodes = rows.map(drawRow);
      list.replaceChildren(...nodes);
      active = rows.findIndex((row) => row.name === (before ?? chosen));
      const registered = rows.filter((row) => row.scratch).length;
      scratchLabel.hidden = !registered;
      scratchText.textContent = `Also ${registered.toLocaleString()} that only runs registered`;
      list.hidden = !rows.length;
      search.disabled = !rows.length;
      refresh.disabled = state.state === "loading";
      filter();
    },
    mark(name) {
      chosen = name;
      filter();
      if (active < 0) active = rows.findIndex((row) => row.name === name);
      mark();
      if (active >= 0) intoView(list, nodes[active]);
    },
  };
}
