// The search of a site's first page, and the change of a version that an address names. Plain
// script: a page opened from a file cannot load modules.
"use strict";

(() => {
  const opened = () => {
    // A link to a version opens its change.
    const version = location.hash.startsWith("#v") && document.getElementById(location.hash.slice(1));
    const details = version && version.querySelector("details");
    if (details) details.open = true;
  };
  opened();
  addEventListener("hashchange", opened);
  addEventListener("beforeprint", () => {
    // On paper nothing can be opened.
    for (const details of document.querySelectorAll("details")) details.open = true;
  });

  const tools = document.getElementById("tools");
  const back = document.getElementById("back");
  const KEY = "pex-site-search";
  const kept = () => {
    try { return sessionStorage.getItem(KEY) || ""; } catch { return ""; }
  };
  if (!tools) {
    if (back) back.href = `../index.html${kept()}`; // back to what was searched for
    return;
  }
  const query = document.getElementById("query");
  const selects = [...tools.querySelectorAll("select")];
  const count = document.getElementById("count");
  const nothing = document.getElementById("nothing");
  const rows = [...document.querySelectorAll("[data-at]")];
  const sections = [...document.querySelectorAll("section")];
  const nav = document.querySelector(".pex-tasks");
  const prompts = window.PEX_PROMPTS || [];
  const folded = (text) => text.normalize("NFKC").toLowerCase();
  const texts = prompts.map((prompt) => folded(prompt.text));

  function show() {
    const words = folded(query.value).split(/\s+/).filter(Boolean);
    const chosen = selects.filter((select) => select.value);
    let shown = 0;
    for (const row of rows) {
      const at = Number(row.dataset.at);
      const fits = words.every((word) => texts[at].includes(word))
        && chosen.every((select) => prompts[at].facets[select.dataset.facet] === select.value);
      row.hidden = !fits;
      if (fits) shown += 1;
    }
    for (const section of sections) section.hidden = !section.querySelector("[data-at]:not([hidden])");
    const all = !words.length && !chosen.length;
    if (nav) nav.hidden = !all;
    nothing.hidden = shown > 0 || !rows.length;
    count.textContent = all ? "" : `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} prompts`;
  }

  function remember() {
    const asked = new URLSearchParams();
    if (query.value.trim()) asked.set("q", query.value.trim());
    for (const select of selects) if (select.value) asked.set(select.dataset.facet, select.value);
    const hash = asked.size ? `#?${asked}` : "";
    history.replaceState(null, "", hash || location.pathname + location.search);
    try { sessionStorage.setItem(KEY, hash); } catch { /* a browser may refuse it for files */ }
  }

  function restore() {
    if (!location.hash.startsWith("#?") && location.hash) return; // a link within the page
    const asked = new URLSearchParams(location.hash.slice(2));
    query.value = asked.get("q") || "";
    for (const select of selects) select.value = asked.get(select.dataset.facet) || "";
    show();
  }

  const changed = () => { show(); remember(); };
  query.addEventListener("input", changed);
  for (const select of selects) select.addEventListener("change", changed);
  document.getElementById("clear").addEventListener("click", () => {
    query.value = "";
    for (const select of selects) select.value = "";
    changed();
    query.focus();
  });
  tools.addEventListener("submit", (event) => {
    event.preventDefault(); // Enter opens what was found first
    const first = rows.find((row) => !row.hidden);
    if (first && (query.value.trim() || selects.some((select) => select.value))) first.querySelector("a").click();
  });
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      query.focus();
      query.select();
    }
  });
  addEventListener("hashchange", restore);
  tools.hidden = false;
  restore();
})();
