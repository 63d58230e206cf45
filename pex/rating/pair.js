// A blind rating: two answers side by side or one alone, one key for each choice. The same file is used in a
// notebook and in a page without one; `host` has the pairs and stores the ratings: kernel.js asks
// Python, page.js the page's own data.

import { button, element, keepKeys, output } from "../widgets/shared.js";

const LETTERS = "abcdef";

/** A button with its key in it. */
function keyed(text, key, onClick) {
  const node = button("", onClick);
  const sign = element("kbd", "pex-key", key);
  node.append(sign, " ", text);
  node.setAttribute("aria-keyshortcuts", key);
  return node;
}

/** The case: its inputs, and the expected answer behind a button. */
function makeCase() {
  const inputs = element("div", "pex-rating-inputs");
  inputs.tabIndex = 0;
  inputs.setAttribute("role", "region");
  inputs.setAttribute("aria-label", "The case");
  const expected = element("div", "pex-rating-expected");
  const toggle = keyed("Expected answer", "x", () => show(expected.hidden));
  const show = (on) => {
    expected.hidden = !on;
    toggle.setAttribute("aria-expanded", String(on));
  };
  show(false);
  const node = element("div", "pex-rating-case");
  node.append(inputs, toggle, expected);
  return {
    node, toggle: () => toggle.hidden || show(expected.hidden),
    draw(turn) {
      inputs.scrollTop = 0;
      inputs.replaceChildren(...turn.inputs.map(([name, text]) => {
        const box = element("div");
        if (name) box.append(element("div", "pex-meta", name));
        box.append(output(text));
        return box;
      }));
      toggle.hidden = !turn.expected;
      if (!turn.expected) show(false);
      expected.replaceChildren(output(turn.expected));
    },
  };
}

function makeAnswer(name) {
  const text = element("div", "pex-rating-text");
  text.tabIndex = 0;
  text.setAttribute("role", "region");
  text.setAttribute("aria-label", name === "Answer" ? name : `Answer ${name}`);
  const node = element("div", "pex-rating-answer");
  node.append(element("div", "pex-rating-name", name), text);
  return {
    node,
    draw(answer, chosen) {
      node.hidden = answer == null; // an answer that is rated alone
      if (node.hidden) return;
      text.scrollTop = 0;
      const empty = answer === "" ? "(empty answer)" : "(only whitespace)";
      text.replaceChildren(answer.trim() ? output(answer) : element("div", "pex-soft", empty));
      node.classList.toggle("pex-chosen", chosen);
    },
  };
}

/** What raters are to look for. */
function makeTask(text) {
  const node = element("div", "pex-rating-task");
  node.append(element("strong", "", "Your task "), output(text));
  node.hidden = !text;
  return node;
}

/** The screen before the first pair: who rates, and how. */
function makeBegin(host, onStart) {
  const node = element("form", "pex-rating-begin");
  const name = element("input", "pex-input");
  name.maxLength = 80;
  name.required = true;
  name.autocomplete = "off";
  const label = element("label", "", "Your name ");
  label.append(name);
  const start = element("button", "pex-button pex-primary", "Start");
  start.type = "submit";
  const wrong = element("p", "pex-bad");
  wrong.setAttribute("role", "alert");
  const keys = element("ul", "pex-rating-keys");
  for (const [sign, text] of [...host.choices.map(([, said, key]) => [key, said]),
    ["← →", "back and forward; a choice can be changed"], ["a–f", "reasons, before or after the choice"],
    ["n", "a note"], ["x", "the expected answer, if there is one"]]) {
    const item = element("li");
    item.append(element("kbd", "pex-key", sign), element("span", "", text));
    keys.append(item);
  }
  const line = element("div", "pex-bar");
  line.append(label, start);
  node.append(element("p", "", host.intro), makeTask(host.task), line, wrong, keys, element("p", "pex-soft", host.kept));
  line.hidden = keys.hidden = !host.count;
  // JupyterLab takes the Enter that would send a form.
  name.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    node.requestSubmit();
  });
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    if (name.value.trim()) onStart(name.value.trim());
  });
  return { node, name, say: (text) => (wrong.textContent = text) };
}

export function makeRating(el, host) {
  el.classList.add("pex", "mathjax_ignore", "tex2jax_ignore", "pex-kit", "pex-rating");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", `Blind rating: ${host.title}`);
  keepKeys(el);
  el.tabIndex = -1;
  const Noun = host.noun[0].toUpperCase() + host.noun.slice(1);
  let state = null; // rater, total, done, position, line, result
  let at = 0;
  let screen = "begin";
  let shown = -1; // the turn that is drawn
  const turns = new Map();
  const drafts = new Map(); // reasons and notes of turns without a choice
  const unsaved = new Set();
  const asked = new Set();
  const stored = new Map(); // for unsaved turns: the last rating that is on disk

  const head = element("div", "pex-bar pex-rating-head");
  const count = element("strong", "pex-rating-count");
  const progress = document.createElement("progress");
  progress.setAttribute("aria-label", "rated");
  const who = element("span", "pex-meta");
  const back = keyed("Back", "←", () => go(at - 1));
  const forward = keyed("Forward", "→", () => go(at + 1));
  const other = button("Another rater", () => enter("begin"));
  const reveal = button("Reveal", () => {
    if (reveal.dataset.sure) {
      delete reveal.dataset.sure;
      host.reveal();
    } else {
      reveal.dataset.sure = "yes";
      reveal.textContent = "Show the variants now?";
      setTimeout(() => calm(), 6000);
    }
  });
  const calm = () => {
    delete reveal.dataset.sure;
    reveal.textContent = host.revealText;
  };
  calm();
  // Without the focus the keys would act on the notebook.
  const keysOn = button("Enable keyboard shortcuts", () => el.focus());
  keysOn.addEventListener("focus", () => el.focus()); // focus is enough
  keysOn.classList.add("pex-primary", "pex-rating-keys-on");
  keysOn.hidden = host.keys !== el;
  head.append(count, progress, who, keysOn, back, forward, reveal, other);
  const line = element("div", "pex-meta pex-rating-line");
  const status = element("div", "pex-rating-status");
  status.setAttribute("role", "status");

  const theCase = makeCase();
  const alone = host.noun === "answer";
  el.classList.toggle("pex-rating-alone", alone);
  const [a, b] = [makeAnswer(alone ? "Answer" : "A"), makeAnswer("B")];
  const answers = element("div", "pex-rating-answers");
  answers.append(a.node, b.node);
  const choices = element("div", "pex-rating-choices");
  choices.setAttribute("role", "group");
  choices.setAttribute("aria-label", host.question);
  if (alone) choices.append(element("span", "pex-meta pex-rating-question", host.question));
  const buttons = host.choices.map(([value, text, key]) => {
    const node = keyed(text, key, () => choose(value));
    node.dataset.choice = value;
    return node;
  });
  choices.append(...buttons);
  const reasons = element("div", "pex-bar pex-rating-reasons");
  reasons.setAttribute("role", "group");
  reasons.setAttribute("aria-label", "Why? Reasons, if you like");
  if (host.reasons.length) reasons.append(element("span", "pex-meta", "Why? (optional)"));
  const tags = host.reasons.map((reason, i) => keyed(reason, LETTERS[i], () => tag(reason)));
  reasons.append(...tags);
  const note = element("textarea", "pex-input pex-rating-note");
  note.rows = 1;
  note.maxLength = 4000;
  note.placeholder = "Note (n)";
  note.setAttribute("aria-label", "Note");
  note.dir = "auto";
  let timer = 0;
  note.addEventListener("input", () => {
    const [n, text] = [at, note.value];
    draft(n).note = text;
    clearTimeout(timer);
    timer = setTimeout(() => resay(n), 400);
  });
  note.addEventListener("change", () => resay(at));
  note.addEventListener("keydown", (event) => {
    if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
      event.preventDefault();
      el.focus();
    }
    event.stopPropagation();
  });
  const foot = element("div", "pex-rating-foot");
  foot.append(choices, reasons, note);
  const pair = element("div", "pex-rating-pair");
  const task = makeTask(host.task);
  task.tabIndex = 0; // a long one scrolls
  task.setAttribute("role", "region");
  task.setAttribute("aria-label", "Your task");
  const seen = element("div", "pex-rating-seen");
  seen.append(theCase.node, answers);
  pair.append(task, seen, foot);
  const end = element("div", "pex-rating-end");
  const begin = makeBegin(host, (name) => host.start(name));
  el.replaceChildren(head, line, begin.node, pair, end, status);

  const draft = (n) => {
    if (!drafts.has(n)) {
      const said = turns.get(n)?.said;
      drafts.set(n, { choice: said?.choice ?? null, reasons: [...(said?.reasons ?? [])], note: said?.note ?? "" });
    }
    return drafts.get(n);
  };

  function say(n) {
    unsaved.add(n);
    if (!stored.has(n)) stored.set(n, turns.get(n).said);
    const { choice, reasons: why, note: text } = draft(n);
    turns.get(n).said = { choice, reasons: [...why], note: text };
    host.rate(n, turns.get(n).said);
    setTimeout(() => unsaved.size && waiting(), 2000);
  }

  function waiting() {
    if (unsaved.size) status.textContent = `${unsaved.size} not saved yet; the kernel is busy or has stopped.`;
  }

  /** The reasons or the note of a rated turn changed. */
  function resay(n) {
    clearTimeout(timer);
    const said = turns.get(n)?.said;
    const now = draft(n);
    if (said && (said.note !== now.note || said.reasons.join() !== now.reasons.join())) say(n);
  }

  function choose(value) {
    if (screen !== "pair" || shown !== at) return;
    clearTimeout(timer);
    draft(at).choice = value;
    say(at);
    status.textContent = `${Noun} ${at + 1}: ${host.choices.find(([known]) => known === value)[1]}.`;
    go(at + 1);
  }

  function tag(reason) {
    if (screen !== "pair" || shown !== at) return;
    const now = draft(at).reasons;
    if (now.includes(reason)) now.splice(now.indexOf(reason), 1);
    else now.push(reason);
    drawSaid();
    resay(at);
  }

  function go(n) {
    if (!state?.rater || n < 0 || n > state.total) return;
    if (note.value !== (draft(at).note ?? "")) draft(at).note = note.value;
    at = n;
    enter(n === state.total ? "end" : "pair");
  }

  function enter(name) {
    const inside = el.contains(document.activeElement);
    screen = name;
    draw();
    // What had the focus may be hidden now; the keys must keep working.
    if (inside && name !== "begin" && (document.activeElement === document.body || document.activeElement.closest("[hidden]"))) el.focus();
    if (name === "begin") begin.name.focus();
  }

  function need(n) {
    for (const next of [n, n + 1, n + 2]) {
      if (next >= 0 && next < state.total && !turns.has(next) && !asked.has(next)) {
        asked.add(next);
        host.need(next);
      }
    }
  }

  function drawSaid() {
    const now = draft(at);
    for (const node of buttons) node.setAttribute("aria-pressed", String(node.dataset.choice === now.choice));
    host.reasons.forEach((reason, i) => tags[i].setAttribute("aria-pressed", String(now.reasons.includes(reason))));
    if (note.value !== now.note) note.value = now.note;
  }

  function drawPair() {
    need(at);
    const turn = turns.get(at);
    pair.classList.toggle("pex-waiting", !turn);
    if (!turn) return;
    const chosen = turn.said?.choice;
    theCase.draw(turn);
    a.draw(turn.left, chosen === "left");
    b.draw(turn.right, chosen === "right");
    shown = at;
    drawSaid();
  }

  function drawEnd() {
    const left = state.total - state.done;
    const nodes = [];
    if (left > 0 && at === state.total) {
      nodes.push(element("p", "", `${left} of ${state.total} ${host.noun}s are not rated yet.`),
        button("Go to the first one", () => go(state.position)));
    } else if (left > 0) nodes.push(button("Continue rating", () => go(Math.min(at, state.position))));
    else nodes.push(element("p", "", `All ${host.noun}s are rated. Thank you. ${host.thanks}`.trim()));
    nodes.push(...host.drawEnd(state));
    // The result comes again when it has been recorded: what was opened meanwhile stays open.
    const before = [...end.querySelectorAll("details")];
    const open = before.map((item) => item.open);
    const focused = before.findIndex((item) => item.contains(document.activeElement));
    end.replaceChildren(...nodes);
    const after = [...end.querySelectorAll("details")];
    after.forEach((item, n) => { item.open = open[n] ?? item.open; });
    after[focused]?.querySelector("summary").focus();
  }

  function draw() {
    const rating = Boolean(state?.rater) && screen !== "begin";
    begin.node.hidden = rating;
    head.hidden = !rating;
    line.hidden = !rating || !state.line || (screen === "end" && Boolean(state.result));
    reveal.hidden = !host.revealText || Boolean(state?.result);
    pair.hidden = !rating || screen !== "pair";
    end.hidden = !rating || screen !== "end";
    if (!rating) return;
    count.textContent = screen === "pair" ? `${Noun} ${at + 1} of ${state.total}` : `${state.done} of ${state.total} rated`;
    progress.max = state.total || 1;
    progress.value = state.done;
    who.textContent = `${state.done} rated by ${state.rater}`;
    back.disabled = at === 0;
    forward.disabled = at >= state.total;
    line.textContent = state.line;
    if (screen === "pair") drawPair();
    else drawEnd();
  }

  host.keys.addEventListener("keydown", (event) => {
    const inText = event.target.closest?.("input, textarea, select");
    if (event.defaultPrevented || inText || screen === "begin" || event.ctrlKey || event.metaKey || event.altKey) return;
    const choice = host.choices.find(([, , key]) => key === event.key);
    const letter = LETTERS.indexOf(event.key.toLowerCase());
    if (event.key === "ArrowLeft") go(at - 1);
    else if (event.key === "ArrowRight") go(at + 1);
    else if (screen !== "pair") return;
    else if (choice) choose(choice[0]);
    else if (event.key.length === 1 && letter >= 0 && letter < host.reasons.length) tag(host.reasons[letter]);
    else if (event.key === "n") note.focus();
    else if (event.key === "x") theCase.toggle();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  return {
    /** A state from the host; for another rater it starts at that rater's position. */
    state(next) {
      const first = state?.rater !== next.rater || state?.total !== next.total;
      const revealed = next.result && next.result !== state?.result;
      state = next;
      if (first) {
        [turns, drafts, asked, unsaved, stored].forEach((kept) => kept.clear());
        shown = -1;
        at = next.position;
        begin.name.value = next.rater || begin.name.value || host.name;
        begin.say("");
        enter(!next.rater ? "idle" : next.result || at === next.total ? "end" : "pair");
        if (next.rater && el.contains(document.activeElement)) el.focus();
      } else if (revealed && screen !== "begin") enter("end");
      else draw();
    },
    turn(n, turn) {
      if (turns.has(n)) return; // the local turn is newer
      turns.set(n, turn);
      if (screen === "pair" && n === at) draw();
    },
    saved(n) {
      unsaved.delete(n);
      stored.delete(n);
      if (!unsaved.size && status.textContent.includes("not saved")) status.textContent = "Saved.";
    },
    failed(n, text) {
      unsaved.delete(n);
      const turn = turns.get(n);
      if (turn) turn.said = stored.get(n) ?? null;
      stored.delete(n);
      drafts.delete(n);
      go(n);
      status.textContent = text;
    },
    refused: (text) => begin.say(text),
  };
}
