// The library browser: the list of prompts beside the chosen one. What it shows comes from widget.py.

import { button, copyText, element, keepKeys, output } from "../widgets/shared.js";
import { drawCard, drawVersionDifference, drawVersions, drawScores, drawText, makeAliasWindow } from "./prompt.js";
import { intoView, makePromptList } from "./prompt_list.js";

const PANELS = [["text", "Text"], ["difference", "Difference"], ["scores", "Scores"], ["card", "Card"]];

/** @param {{model: any, el: HTMLElement}} view */
function renderBrowser({ model, el }) {
  const view = Math.random().toString(36).slice(2);
  el.classList.add("pex", "mathjax_ignore", "tex2jax_ignore", "pex-kit", "pex-browser");
  keepKeys(el);
  let panel = "text";
  let reading = false;
  let asked = ""; // whose card was asked for

  const promptList = makePromptList(`pex-${view}`, choose, () => model.send({ kind: "refresh" }));
  const said = element("div", "pex-said");
  said.setAttribute("role", "status");
  const problem = element("div", "pex-problem");
  problem.setAttribute("role", "alert");
  const promptView = element("section", "pex-prompt");
  promptView.setAttribute("aria-label", "Selected prompt");
  const head = element("div", "pex-prompt-head");
  const actions = element("div", "pex-bar");
  actions.setAttribute("role", "group");
  actions.setAttribute("aria-label", "Actions for this prompt");
  const tabs = element("div", "pex-tabs");
  tabs.setAttribute("role", "tablist");
  tabs.setAttribute("aria-label", "Views of the prompt");
  const body = element("div", "pex-prompt-body");
  body.id = `pex-${view}-body`;
  body.setAttribute("role", "tabpanel");
  body.tabIndex = 0;
  const alias = makeAliasWindow((name, seen) => model.send({ kind: "alias", alias: name, seen }));
  promptView.append(head, actions, said, tabs, body);
  const split = element("div", "pex-split");
  split.append(promptList.box, promptView);
  el.append(problem, split, alias.box);

  const act = {
    play: button("Open in the Playground", () => model.send({ kind: "play" })),
    text: button("Copy text", () => model.send({ kind: "copy", view })),
    code: button("Copy code", () => {
      copyText(model.get("_prompt").code);
      tell(`Copied: ${model.get("_prompt").code}`);
    }),
    alias: button("Set alias…", () => alias.open(model.get("_prompt"))),
    file: button("Save to file", () => model.send({ kind: "file" })),
    keep: button("Save to the library", () => model.send({ kind: "keep" })),
  };
  actions.append(...Object.values(act));
  const tabNodes = PANELS.map(([name, text]) => {
    const tab = element("button", "pex-tab", text);
    tab.type = "button";
    tab.id = `pex-${view}-${name}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", body.id);
    tab.addEventListener("click", () => show(name));
    tabs.append(tab);
    return tab;
  });
  tabs.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const place = PANELS.findIndex(([name]) => name === panel);
    show(PANELS[(place + by + PANELS.length) % PANELS.length][0]);
    tabNodes.find((tab) => tab.ariaSelected === "true").focus();
  });

  function tell(text, error = false) {
    said.textContent = error ? `! ${text}` : text;
    said.classList.toggle("pex-bad-text", error);
  }

  function choose(name, key) {
    promptList.mark(name);
    tell(`Reading ${name}…`);
    reading = true;
    model.send({ kind: "choose", name, key });
  }

  function show(name) {
    panel = name;
    drawPanel();
  }

  function drawList() {
    const list = model.get("_list");
    promptList.draw(list);
    problem.replaceChildren();
    if (list.problem) {
      problem.append(element("strong", "", "The library cannot be read. "), list.problem);
      if (list.hint) problem.append(element("div", "pex-soft", list.hint));
    }
    problem.hidden = !list.problem;
    if (!model.get("_prompt").name) drawPrompt();
  }

  function drawNothing() {
    const list = model.get("_list");
    const nodes = [];
    if (list.state === "loading" && !list.rows.length) {
      const wait = element("p", "pex-soft", "Reading the library…");
      wait.setAttribute("role", "status");
      nodes.push(wait);
    } else if (list.rows.some((row) => !row.scratch)) {
      nodes.push(element("p", "pex-soft", "Choose a prompt in the list: arrow keys and Enter, or a click."));
    } else if (!list.problem) {
      nodes.push(element("h2", "pex-title", "No prompts yet"));
      nodes.push(element("p", "", "The library holds the prompts that you save. To save one:"));
      nodes.push(element("pre", "pex-code", 'strict = pex.Prompt("Review: {{ review }}\\nPositive or negative?", name="strict")\npex.library.save(strict, alias="champion", note="why this version")'));
      nodes.push(element("p", "pex-soft", "Prompt files in experiments/NAME/prompts and in prompts appear here too."));
      if (list.where) nodes.push(element("p", "pex-soft", `Looked in ${list.where}.`));
    }
    head.replaceChildren(...nodes);
  }

  function drawPrompt() {
    const prompt = model.get("_prompt");
    const there = Boolean(prompt.name);
    const focused = el.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    const readable = Boolean(prompt.messages);
    actions.hidden = tabs.hidden = body.hidden = !there || !readable;
    if (!there) {
      drawNothing();
      return;
    }
    promptList.mark(prompt.name);
    const version = prompt.versions.find((item) => item.key === prompt.key);
    const title = element("h2", "pex-title");
    const name = element("bdi", "", prompt.name);
    title.append(name, version ? ` · ${version.label}` : "");
    const nodes = [title];
    if (prompt.about) nodes.push(output(prompt.about, "pex-clamp"));
    if (prompt.used.length) nodes.push(element("div", "pex-meta", `Used in ${prompt.used.join(", ")}`));
    if (prompt.versions.length) nodes.push(drawVersions(prompt, (key) => choose(prompt.name, key)));
    const at = head.querySelector(".pex-versions")?.scrollTop ?? 0;
    head.replaceChildren(...nodes);
    const box = head.querySelector(".pex-versions");
    if (box) {
      box.scrollTop = at;
      const picked = box.querySelector(".pex-chosen");
      if (picked) intoView(box, picked, box.querySelector("thead").offsetHeight);
    }
    if (focused) [...head.querySelectorAll("[data-key]")].find((node) => node.dataset.key === focused)?.focus();
    if (reading) tell(""); // the message of an action stays
    reading = false;
    if (prompt.problem) tell([prompt.problem, prompt.hint].filter(Boolean).join(": "), true);
    const file = Boolean(version?.file);
    act.alias.hidden = act.file.hidden = file;
    act.keep.hidden = !file;
    drawPanel();
  }

  /** The prompt's card; it is asked for when it is first looked at. */
  function cardOf(prompt) {
    const card = model.get("_card");
    if (card.name === prompt.name) return card;
    if (asked !== prompt.name) model.send({ kind: "card", name: prompt.name });
    asked = prompt.name;
    return { ready: false };
  }

  function drawPanel() {
    const prompt = model.get("_prompt");
    if (!prompt.messages) return;
    const scores = model.get("_scores");
    PANELS.forEach(([name, text], place) => {
      const tab = tabNodes[place];
      tab.setAttribute("aria-selected", String(name === panel));
      tab.tabIndex = name === panel ? 0 : -1;
      tab.textContent = name === "scores" && scores.rows?.length ? `${text} (${scores.rows.length + scores.more})` : text;
    });
    body.setAttribute("aria-labelledby", `pex-${view}-${panel}`);
    const picking = body.contains(document.activeElement) && document.activeElement.tagName === "SELECT";
    let nodes = [];
    if (panel === "text") nodes = drawText(prompt);
    else if (panel === "scores") nodes = drawScores(scores);
    else if (panel === "card") nodes = drawCard(cardOf(prompt));
    else {
      const difference = model.get("_difference");
      const mine = difference.of?.[0] === prompt.name && difference.of?.[1] === prompt.key;
      nodes = drawVersionDifference(prompt, mine ? difference : {}, (key) => model.send({ kind: "against", key }));
    }
    body.replaceChildren(...nodes);
    if (picking) body.querySelector("select")?.focus();
  }

  function drawSaid() {
    const message = model.get("_said");
    if (!message.n) return;
    if (message.of === "alias" && alias.box.open) alias.answer(message);
    if (!(message.of === "alias" && message.error)) {
      tell([message.text, message.hint].filter(Boolean).join(": "), message.error);
    }
  }

  function onMessage(message, buffers) {
    if (message.kind !== "copy" || message.view !== view) return;
    copyText(new TextDecoder().decode(buffers[0]));
    tell("Text copied.");
  }

  el.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, select, textarea, dialog")) return;
    event.preventDefault();
    promptList.search.focus();
    promptList.search.select();
  });
  const watched = {
    "change:_list": drawList,
    "change:_prompt": drawPrompt,
    "change:_difference": () => panel === "difference" && drawPanel(),
    "change:_scores": drawPanel,
    "change:_card": () => {
      if (model.get("_card").name !== asked) asked = "";
      if (panel === "card") drawPanel();
    },
    "change:_said": drawSaid,
    "msg:custom": onMessage,
  };
  for (const [name, react] of Object.entries(watched)) model.on(name, react);
  drawList();
  drawPrompt();
  return () => {
    for (const [name, react] of Object.entries(watched)) model.off(name, react);
  };
}

export default { render: renderBrowser };
