// The live view of a run. Text from a model only ever becomes textContent, never HTML.

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** @param {{model: any, el: HTMLElement}} view */
function render({ model, el }) {
  el.classList.add("pex", "pex-live");
  const bar = element("div", "pex-live-bar");
  const progress = document.createElement("progress");
  progress.setAttribute("aria-label", "answers");
  const line = element("span", "pex-live-line", "waiting for the first answer");
  const stop = element("button", "pex-live-stop", "Stop");
  stop.type = "button";
  stop.hidden = true;
  stop.addEventListener("click", () => {
    stop.disabled = true;
    stop.textContent = "Stopping…";
    model.send("stop");
  });
  bar.append(progress, line, stop);

  const scroll = element("div", "pex-scroll pex-live-scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Cases and answers");
  const table = element("table", "pex-table pex-sides");
  const head = document.createElement("thead");
  const body = document.createElement("tbody");
  const note = element("caption");
  table.append(note, head, body);
  scroll.append(table);
  el.append(bar, scroll);

  let cells = new Map();
  let running = new Map();
  let canStop = false;

  function begin() {
    const message = model.get("_begin");
    if (!message?.variants) return;
    cells = new Map();
    running = new Map();
    canStop = message.can_stop;
    const row = document.createElement("tr");
    const first = element("th", "", "case");
    first.scope = "col";
    first.style.width = "30%";
    row.append(first);
    for (const name of message.variants) {
      const title = element("th", "", name);
      title.scope = "col";
      const score = element("div", "pex-meta", " ");
      title.append(score);
      running.set(name, score);
      row.append(title);
    }
    head.replaceChildren(row);
    body.replaceChildren();
    for (const [id, text, note] of message.cases) {
      const line = document.createElement("tr");
      const about = element("td", "pex-case");
      const shown = element("div", "pex-output", text);
      shown.dir = "auto";
      about.append(shown, element("div", "pex-meta", note), element("div", "pex-id", id));
      line.append(about);
      const byVariant = new Map();
      for (const name of message.variants) {
        const cell = element("td", "pex-soft", "…");
        byVariant.set(name, { cell, repeats: new Map() });
        line.append(cell);
      }
      cells.set(id, byVariant);
      body.append(line);
    }
    note.textContent = message.cut
      ? `${message.cut} further cases are not shown here; all are in results.frame`
      : "";
  }

  function fill(update) {
    const [variant, id, repeat] = update.place;
    const place = cells.get(id)?.get(variant);
    if (!place) return; // a case that is not shown
    let box = place.repeats.get(repeat);
    if (!box) {
      if (place.repeats.size === 0) {
        place.cell.replaceChildren();
        place.cell.className = "";
      }
      box = element("div", "pex-live-answer");
      place.repeats.set(repeat, box);
      place.cell.append(box);
    }
    const text = element("div", "pex-output", update.text);
    text.dir = "auto";
    if (update.state === "asked") text.classList.add("pex-soft");
    if (update.state === "error") {
      text.classList.add("pex-bad-text");
      text.textContent = "! error: " + update.text;
    }
    const meta = element("div", "pex-meta");
    for (const [kind, label, reason] of update.scores ?? []) {
      if (!label) continue;
      const score = element("span", `pex-${kind}`, label);
      if (reason) score.title = reason;
      meta.append(score, " ");
    }
    if (update.latency) meta.append(seconds(update.latency));
    box.replaceChildren(text, meta);
  }

  function seconds(value) {
    return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
  }

  function onMessage(message) {
    if (message.kind !== "cells") return;
    message.cells.forEach(fill);
    progress.max = message.total || 1;
    progress.value = message.done;
    line.textContent = message.line;
    stop.hidden = !canStop || message.status !== "running";
    for (const [name, text] of Object.entries(message.scores)) {
      const score = running.get(name);
      if (score) score.textContent = text;
    }
  }

  begin();
  model.on("change:_begin", begin);
  model.on("msg:custom", onMessage);
  model.send("ready");
  return () => {
    model.off("change:_begin", begin);
    model.off("msg:custom", onMessage);
  };
}

export default { render };
