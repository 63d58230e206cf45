// The right side of the library browser: the selected prompt with its versions, text, differences
// and scores. Text of prompts only ever becomes textContent.

import { button, choice, dialog, drawDifference, element, output, sanitised } from "../widgets/shared.js";

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
  // Scores of different experiments say different things: each experiment stands by itself.
  const experiments = [...new Set(scores.rows.map((row) => row.experiment))];
  const nodes = experiments.map((experiment) => scoresIn(experiment, scores));
  if (scores.trends.length) {
    nodes.unshift(element("p", "pex-soft", "Pictures: the newest run of each version, with 95 % intervals. Runs can have different cases; a verdict compares the same ones."));
  }
  if (scores.more) nodes.push(element("p", "pex-soft", `${scores.more.toLocaleString()} older scores are not shown.`));
  return nodes;
}

/** The card, which Python has written and escaped. */
export function drawCard(card) {
  if (!card.ready) return [element("p", "pex-soft", "Reading runs and cases…")];
  if (card.problem) return [element("p", "pex-bad-text", card.problem)];
  const node = sanitised(card.html);
  node.className = "pex-card";
  return [node];
}

const VERDICTS = { better: ["▲", "pex-chip-good"], worse: ["▼", "pex-chip-bad"], "no worse": ["≥", "pex-chip-good"], undecided: ["?", ""], unchanged: ["=", ""] };

/** The pictures and the table of one experiment. */
function scoresIn(experiment, scores) {
  const part = element("section", "pex-part");
  part.append(element("h3", "", experiment), ...scores.trends.filter((trend) => trend.experiment === experiment).map(drawTrend));
  const rows = scores.rows.filter((row) => row.experiment === experiment).map((row) => {
    const value = element("span", "", row.value);
    if (row.interval) value.append(element("span", "pex-interval", ` ${row.interval}`));
    const [sign, look] = VERDICTS[row.verdict] ?? ["", null];
    const verdict = element("span", look === null ? "" : `pex-chip ${look}`.trim(), `${sign} ${row.said}`.trim());
    const run = element(row.url ? "a" : "span", "pex-id", row.run);
    if (row.url) {
      run.href = row.url;
      run.target = "_blank";
      run.rel = "noopener noreferrer";
      run.setAttribute("aria-label", `run ${row.run} in MLflow, opens in a new tab`);
    }
    return cells(element("tr"), `v${row.version}`, row.variant, row.score, value, row.n, row.when, verdict, run);
  });
  const titles = ["version", "variant", "score", "value", "cases", "run at", "verdict", "run"];
  part.append(table(titles, rows, `Scores of the versions in runs of ${experiment}`));
  return part;
}

/** The difference from another version, which is chosen above it. */
export function drawVersionDifference(prompt, difference, onAgainst) {
  const others = prompt.versions.filter((version) => version.key !== prompt.key);
  if (!others.length) return [element("p", "pex-soft", "There is no other version or file to compare with.")];
  const label = element("label", "pex-bar");
  const pick = choice("Compare with", others.map((version) => [version.key, version.label]), onAgainst);
  if (!difference.against) pick.prepend(new Option("choose…", "", true, true));
  pick.value = difference.against ?? "";
  label.append("Compare with", pick);
  if (!difference.against) return [label];
  const nodes = [label, element("p", "pex-soft pex-legend", "")];
  nodes[1].append(element("ins", "", "Added"), " / ", element("del", "", "removed"));
  nodes.push(drawDifference(difference.text));
  if (difference.facts.length) {
    const rows = difference.facts.map(([name, before, now]) =>
      cells(element("tr"), name, output(before || "–"), output(now || "–")));
    nodes.push(table(["what", "before", "now"], rows, "Other differences"));
  } else nodes.push(element("p", "pex-soft", "Model, parameters and all other fields are the same."));
  return nodes;
}

/** The table of versions and files; one is chosen. */
export function drawVersions(prompt, onVersion) {
  const rows = prompt.versions.map((version) => {
    const row = element("tr", version.key === prompt.key ? "pex-chosen" : "");
    const pick = button(version.file ? "file" : version.label, () => onVersion(version.key), version.file ? `file ${version.label}` : "");
    pick.className = "pex-link";
    pick.dataset.key = version.key;
    if (version.key === prompt.key) pick.setAttribute("aria-current", "true");
    const chips = element("span", "pex-chips");
    for (const alias of version.aliases) {
      const chip = element("span", "pex-chip", alias.name);
      if (alias.moved) chip.title = alias.moved;
      chips.append(chip);
    }
    if (version.state) chips.append(element("span", "pex-chip pex-chip-file", version.state));
    const moved = version.aliases.filter((alias) => alias.moved).map((alias) => `${alias.name} ${alias.moved}`);
    const note = element("div");
    if (version.file) note.append(element("span", "pex-id", version.label));
    if (version.note) note.append(output(version.note, "pex-clamp"));
    for (const line of moved) note.append(element("div", "pex-meta", line));
    row.addEventListener("click", (event) => {
      if (!event.target.closest("button") && !String(window.getSelection())) onVersion(version.key);
    });
    return cells(row, pick, chips, version.when, version.by, note);
  });
  const box = table(["version", "aliases", "saved", "by", "message"], rows, "Versions and files");
  box.classList.add("pex-versions");
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
    if (!alias) said.textContent = "Loading the prompt by this alias gets the version that it points to.";
    else if (!now) said.textContent = `${alias} is new and will point to version ${version}.`;
    else if (now.version === version) said.textContent = `${alias} already points to version ${version}.`;
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
    said.textContent = "Updating MLflow…";
    onMove(alias, there.get(alias)?.version ?? null);
  });
  return {
    box,
    open(prompt) {
      version = Number(prompt.key);
      there = new Map();
      for (const item of prompt.versions) {
        for (const alias of item.aliases) there.set(alias.name, { version: Number(item.key), moved: alias.moved });
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
