// The right side of the library browser: the chosen prompt with its versions, text, differences
// and scores. Texts of prompts only ever become textContent.

import { button, choice, dialog, drawDifference, element, output } from "../widgets/shared.js";

const SVG = "http://www.w3.org/2000/svg";

function svg(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** A score over versions: the marks that scores.py has placed. */
function drawTrend(trend) {
  const figure = element("figure", "pex-trend");
  const picture = svg("svg", {
    viewBox: `0 0 ${trend.width} ${trend.height}`, role: "img", "aria-label": trend.label,
    style: `max-width:${trend.width}px`,
  });
  for (const mark of trend.marks) {
    if (mark.kind === "dot") {
      const dot = svg("circle", { cx: mark.x, cy: mark.y, r: 5, class: "pex-trend-dot" });
      dot.append(svg("title", {}, mark.title));
      picture.append(dot);
    } else if (mark.kind === "text") {
      picture.append(svg("text", { x: mark.x, y: mark.y, "text-anchor": mark.anchor }, mark.text));
    } else {
      const ends = { x1: mark.x0, y1: mark.y0, x2: mark.x1, y2: mark.y1 };
      picture.append(svg("line", { ...ends, class: `pex-trend-${mark.kind}` }));
    }
  }
  figure.append(element("figcaption", "", trend.title), picture);
  return figure;
}

function table(titles, rows, label) {
  const box = element("div", "pex-scroll");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", label);
  const node = element("table", "pex-table");
  const head = element("tr");
  for (const title of titles) {
    const cell = element("th", "", title);
    cell.scope = "col";
    head.append(cell);
  }
  node.append(element("thead"), element("tbody"));
  node.firstChild.append(head);
  node.lastChild.append(...rows);
  box.append(node);
  return box;
}

function cells(row, ...contents) {
  for (const content of contents) {
    const cell = element("td");
    cell.append(content);
    row.append(cell);
  }
  return row;
}

export function drawText(prompt) {
  const nodes = prompt.messages.map((message) => {
    const box = element("div", "pex-message");
    const text = output(undefined, "pex-long");
    for (const [kind, piece] of message.pieces) {
      text.append(kind === "place" ? element("mark", "pex-place", piece) : piece);
    }
    box.append(element("div", "pex-meta", message.role), text);
    return box;
  });
  const list = element("dl", "pex-facts");
  for (const [name, value] of prompt.facts) {
    const fact = element("div");
    const text = element("dd", "pex-output", value);
    text.dir = "auto";
    fact.append(element("dt", "", name), text);
    list.append(fact);
  }
  return prompt.facts.length ? [...nodes, list] : nodes;
}

export function drawScores(scores) {
  if (!scores.ready) return [element("p", "pex-soft", "Reading the recorded runs…")];
  if (scores.problem) return [element("p", "pex-bad-text", scores.problem)];
  if (!scores.rows.length) {
    return [element("p", "pex-soft", "No recorded run has used this prompt yet. exp.run() records each run, and which version it used.")];
  }
  const nodes = scores.trends.map(drawTrend);
  if (nodes.length) {
    nodes.push(element("p", "pex-soft", "The newest run of each version, with 95 % intervals. Runs may differ in their cases; a verdict compares on the same ones."));
  }
  const kinds = { better: "▲ pex-good", worse: "▼ pex-bad", "no worse": "◆ ", undecided: "○ " };
  const rows = scores.rows.map((row) => {
    const value = element("span", "", row.value);
    if (row.interval) value.append(element("span", "pex-interval", ` ${row.interval}`));
    const [sign, kind] = (kinds[row.verdict] ?? " ").split(" ");
    const verdict = element("span", kind, `${sign} ${row.said}`.trim());
    const run = element(row.url ? "a" : "span", "pex-id", row.run);
    if (row.url) {
      run.href = row.url;
      run.target = "_blank";
      run.rel = "noopener noreferrer";
      run.setAttribute("aria-label", `run ${row.run} in MLflow, opens elsewhere`);
    }
    return cells(element("tr"), `v${row.version}`, row.experiment, row.variant, row.score, value, row.n, row.when, verdict, run);
  });
  const titles = ["version", "experiment", "variant", "score", "value", "cases", "run at", "verdict", "run"];
  nodes.push(table(titles, rows, "Scores of the versions in recorded runs"));
  if (scores.more) nodes.push(element("p", "pex-soft", `${scores.more.toLocaleString()} older scores are not shown.`));
  return nodes;
}

/** The difference to another edition, which is chosen above it. */
export function drawApart(prompt, difference, onAgainst) {
  const others = prompt.editions.filter((edition) => edition.key !== prompt.key);
  if (!others.length) return [element("p", "pex-soft", "There is no other version or file to compare with.")];
  const label = element("label", "pex-bar");
  const pick = choice("Compare with", others.map((edition) => [edition.key, edition.label]), onAgainst);
  if (!difference.against) pick.prepend(new Option("choose…", "", true, true));
  pick.value = difference.against ?? "";
  label.append("Compare with", pick);
  if (!difference.against) return [label];
  const nodes = [label, element("p", "pex-soft pex-legend", "")];
  nodes[1].append("In this one ", element("ins", "", "new"), ", no longer in it ", element("del", "", "gone"), ".");
  nodes.push(drawDifference(difference.text));
  if (difference.facts.length) {
    const rows = difference.facts.map(([name, before, now]) =>
      cells(element("tr"), name, output(before || "–"), output(now || "–")));
    nodes.push(table(["what", "before", "now"], rows, "What else is different"));
  } else nodes.push(element("p", "pex-soft", "Model, parameters and the rest are the same."));
  return nodes;
}

/** The table of versions and files; one is chosen. */
export function drawEditions(prompt, onEdition) {
  const rows = prompt.editions.map((edition) => {
    const row = element("tr", edition.key === prompt.key ? "pex-chosen" : "");
    const pick = button(edition.file ? "file" : edition.label, () => onEdition(edition.key), edition.file ? `file ${edition.label}` : "");
    pick.className = "pex-link";
    pick.dataset.key = edition.key;
    if (edition.key === prompt.key) pick.setAttribute("aria-current", "true");
    const chips = element("span", "pex-chips");
    for (const alias of edition.aliases) {
      const chip = element("span", "pex-chip", alias.name);
      if (alias.moved) chip.title = alias.moved;
      chips.append(chip);
    }
    if (edition.state) chips.append(element("span", "pex-chip pex-chip-file", edition.state));
    const moved = edition.aliases.filter((alias) => alias.moved).map((alias) => `${alias.name} ${alias.moved}`);
    const note = element("div");
    if (edition.file) note.append(element("span", "pex-id", edition.label));
    if (edition.note) note.append(output(edition.note, "pex-clamp"));
    for (const line of moved) note.append(element("div", "pex-meta", line));
    row.addEventListener("click", (event) => {
      if (!event.target.closest("button") && !String(window.getSelection())) onEdition(edition.key);
    });
    return cells(row, pick, chips, edition.when, edition.by, note);
  });
  const box = table(["version", "aliases", "saved", "by", "message"], rows, "Versions and files");
  box.classList.add("pex-editions");
  return box;
}

/** A window in which an alias is moved to the chosen version. */
export function makeAliasWindow(onMove) {
  const box = dialog("Set an alias");
  const form = element("form");
  form.method = "dialog";
  const title = element("h2", "pex-title");
  const label = element("label", "pex-bar");
  const name = element("input", "pex-input");
  name.required = true;
  name.autocomplete = "off";
  name.dir = "ltr";
  const known = element("datalist");
  known.id = `pex-aliases-${Math.random().toString(36).slice(2)}`;
  name.setAttribute("list", known.id);
  label.append("Alias", name);
  const said = element("p", "pex-alias-said");
  said.setAttribute("role", "status");
  const problem = element("p", "pex-bad-text");
  problem.setAttribute("role", "alert");
  const bar = element("div", "pex-bar");
  const go = button("Set alias", () => {});
  go.type = "submit";
  bar.append(go, button("Cancel", () => box.close()));
  form.append(title, label, known, said, problem, bar);
  box.append(form);
  let there = new Map();
  let version = 0;
  const tell = () => {
    const alias = name.value.trim();
    const now = there.get(alias);
    problem.textContent = "";
    go.disabled = !alias || now?.version === version;
    go.textContent = now ? "Move alias" : "Set alias";
    if (!alias) said.textContent = "Whoever loads the prompt by this alias gets the version that it points to.";
    else if (!now) said.textContent = `${alias} is new and will point to version ${version}.`;
    else if (now.version === version) said.textContent = `${alias} points to version ${version} already.`;
    else {
      const last = now.moved ? ` It was ${now.moved}.` : "";
      said.textContent = `${alias} will move from version ${now.version} to version ${version}.${last}`;
    }
  };
  name.addEventListener("input", tell);
  name.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // while it shows suggestions, the field would keep Enter to itself
    if (!go.disabled) form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const alias = name.value.trim();
    go.disabled = true;
    said.textContent = "Asking MLflow…";
    onMove(alias, there.get(alias)?.version ?? null);
  });
  return {
    box,
    open(prompt) {
      version = Number(prompt.key);
      there = new Map();
      for (const edition of prompt.editions) {
        for (const alias of edition.aliases) there.set(alias.name, { version: Number(edition.key), moved: alias.moved });
      }
      known.replaceChildren(...[...new Set([...there.keys(), "champion"])].map((alias) => new Option(alias, alias)));
      title.textContent = `Set an alias of ${prompt.name}, version ${version}`;
      name.value = "";
      tell();
      box.showModal();
      name.focus();
    },
    answer(message) {
      if (!message.error) box.close();
      tell();
      if (message.error) problem.textContent = [message.text, message.hint].filter(Boolean).join(": ");
    },
  };
}
