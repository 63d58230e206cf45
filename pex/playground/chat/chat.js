// The conversation with one variant, beside the prompts: what was said, and the box for the next turn.

import { button, choice, dollars, element, output, seconds } from "../../widgets/shared.js";
import { arrange, iconButton, makeViews, relabel, setChoices, signButton } from "../controls.js";
import { makeEditor } from "../editor.js";
import { makePromptMessage, makeTurn } from "./turns.js";

const KEY = "chat|";
const RUNNING = ["queued", "running"];
const CASE_CHARS = 40;

/** Tokens, time and cost of all answers, and what the conversation may still cost. */
function totalText(found, spent, cap) {
  const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);
  const answered = found.filter((answer) => answer?.state === "answered");
  if (!answered.length) return "";
  const parts = [`${sum(answered.map(({ tokens }) => tokens[0])).toLocaleString()} + ${sum(answered.map(({ tokens }) => tokens[1])).toLocaleString()} tokens`];
  parts.push(seconds(sum(answered.map((answer) => answer.seconds))));
  parts.push(spent || answered.some(({ usd }) => usd) ? `${dollars(spent ?? 0)} of ${dollars(cap ?? 0)}` : "free");
  return `In all: ${parts.join(" · ")}`;
}

/** A case in the chooser. */
function caseName(found, number) {
  const text = Object.values(found.inputs).find(Boolean) ?? "";
  return `Case ${number}${text ? `: ${text.length > CASE_CHARS ? `${text.slice(0, CASE_CHARS)}…` : text}` : ""}`;
}

/**
 * @param {{doc: Function, usd: Function, alone: Function, opener: Function}} play the Playground: its
 *   document, what a conversation has cost, showing nothing else, and what opened a conversation
 */
export function makeChat(outbox, play) {
  const node = element("section", "pex-chat");
  node.hidden = true;
  let shown = ""; // the variant
  let answers = {};
  let sending = null; // the number of turns before what is being sent
  let opening = ""; // what the case proposes as the first turn
  let drawn = "";
  const act = (name, rest = {}) => outbox.act("chat", { do: name, variant: shown, ...rest });

  const title = element("span", "pex-chat-title");
  const cases = choice("Case of the conversation", [], (value) => act("open", { case: value }));
  const whole = button("Show prompt and cases", () => {
    play.alone(false);
    whole.hidden = true;
  });
  whole.hidden = true;
  const clear = button("Clear", () => {
    act("clear");
    box.area.focus();
  });
  clear.title = "Begin a new conversation; Undo brings this one back";
  const shut = iconButton("gone", "Close the conversation", () => {
    const from = play.opener(shown);
    shown = "";
    draw();
    from.focus();
  });
  const top = element("div", "pex-chat-top");
  shut.classList.add("pex-chat-close");
  top.append(title, cases, whole, clear, shut);

  const log = element("div", "pex-chat-log");
  log.setAttribute("role", "log");
  log.setAttribute("aria-label", "Conversation");
  log.tabIndex = 0;
  let atEnd = true; // what comes is followed, unless somebody has scrolled back
  log.addEventListener("scroll", () => (atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 24), { passive: true });
  const size = new ResizeObserver(() => {
    if (atEnd) log.scrollTop = log.scrollHeight;
  });
  size.observe(log);
  const prompt = element("div", "pex-chat-prompt");
  const problem = output("", "pex-bad-text");
  const turns = makeViews((id) => makeTurn(act, id));

  const box = makeEditor("Your next turn", { placeholder: "Your turn. Enter sends, Shift+Enter is a new line." });
  const send = signButton("run", "Send", submit);
  send.classList.add("pex-first");
  const stop = signButton("stop", "Stop", () => act("stop"));
  const total = element("span", "pex-meta pex-chat-total");
  const bar = element("div", "pex-bar");
  bar.append(send, stop, total);
  const expected = makeEditor("Expected last answer");
  const addExpected = button("+ expected answer", () => {
    expected.box.hidden = false;
    addExpected.hidden = true;
    expected.set(lastAnswer()?.text ?? "");
    expected.area.focus();
  });
  addExpected.title = "Save the case with an expected answer: the last one, to be corrected";
  addExpected.classList.add("pex-quiet");
  const save = button("Save as a case", () => {
    act("save", { expected: expected.box.hidden ? "" : expected.area.value });
    foldExpected();
  });
  save.title = "The turns, the calls and the replies of tools become a case, which a run replays";
  const unsaved = element("div", "pex-meta");
  const saving = element("div", "pex-bar");
  saving.append(save, addExpected);
  const foot = element("div", "pex-chat-foot");
  foot.append(box.box, bar, saving, expected.box, unsaved);
  node.append(top, log, foot);
  foldExpected();

  function foldExpected() {
    expected.box.hidden = true;
    addExpected.hidden = false;
  }

  const variant = () => play.doc().variants.find(({ id }) => id === shown);
  const chat = () => play.doc().chats?.find((found) => found.variant === shown);
  const steps = () => (chat()?.turns ?? []).flatMap((turn) => turn.steps.map(({ id }) => answers[KEY + id]));
  const lastAnswer = () => steps().at(-1);
  const isRunning = () => RUNNING.includes(lastAnswer()?.state);
  const waitsForReplies = () => lastAnswer()?.state === "answered" && lastAnswer().calls.length > 0;
  /** Whether the prompt's own messages are what the model answers first. */
  const starts = () => Boolean(chat()?.asks_itself) && !chat().turns.length;

  function submit() {
    const text = box.area.value;
    if (sending !== null || send.disabled || (!text.trim() && !starts())) return;
    sending = chat().turns.length;
    act("send", { text });
    setTimeout(() => (sending = null), 2000); // it was refused: the text is still there
  }

  box.area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    submit();
  });
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !isRunning()) return;
    event.preventDefault();
    event.stopPropagation();
    act("stop");
  });

  function drawPrompt(found) {
    const now = JSON.stringify([found.messages, found.problem]);
    if (now === drawn) return;
    drawn = now;
    problem.textContent = found.problem;
    problem.hidden = !found.problem;
    prompt.replaceChildren(...found.messages.map(makePromptMessage), problem);
  }

  function drawBox(found) {
    const running = isRunning();
    const waits = waitsForReplies();
    const failed = found.turns.length > 0 && lastAnswer()?.state !== "answered" && !running;
    if (sending !== null && found.turns.length > sending) {
      sending = null;
      box.set("");
    }
    if (!found.turns.length && (!box.area.value || box.area.value === opening) && found.opening !== box.area.value) box.set(found.opening);
    opening = found.opening;
    box.box.hidden = starts();
    box.area.readOnly = waits || failed;
    box.area.placeholder = waits ? "The model waits for the replies of its tools, above." : failed ? "There is no answer: retry, or edit a turn." : "Your turn. Enter sends, Shift+Enter is a new line.";
    send.lastChild.textContent = starts() ? "Start" : "Send";
    send.title = starts() ? "The model answers the prompt's own last message first" : "";
    send.disabled = running || waits || failed || Boolean(found.problem);
    send.hidden = running;
    stop.hidden = !running;
    clear.disabled = running || !found.turns.length;
    cases.disabled = running;
    const ended = found.turns.length > 0 && !running && !waits && !failed;
    save.disabled = addExpected.disabled = !ended || Boolean(found.unsaved);
    unsaved.textContent = found.unsaved ? `This conversation cannot be a case: ${found.unsaved}.` : "";
    unsaved.hidden = !found.unsaved || !found.turns.length;
  }

  function drawTurns(found) {
    const busy = isRunning();
    log.setAttribute("aria-busy", String(busy));
    const fresh = turns.keep(found.turns.map(({ id }) => id));
    found.turns.forEach((turn, i) => turns.get(turn.id).draw(turn, answers, i === found.turns.length - 1, busy));
    arrange(log, [prompt, ...found.turns.map(({ id }) => turns.get(id).node)]);
    if (atEnd || fresh.length) log.scrollTop = log.scrollHeight;
  }

  function drawTotal() {
    if (node.hidden) return;
    const [spent, cap] = play.usd(shown) ?? [];
    total.textContent = totalText(steps(), spent, cap);
  }

  function draw() {
    if (shown && !variant()) shown = "";
    const found = shown ? chat() : null;
    node.hidden = !found;
    if (!found) return;
    const active = document.activeElement;
    const inside = node.contains(active);
    const inForm = inside && Boolean(active.closest(".pex-chat-form"));
    const { name, model } = variant();
    node.setAttribute("aria-label", `Conversation with ${name}`);
    title.textContent = `${name} · ${model}`;
    title.title = title.textContent;
    relabel(shut, `Close the conversation with ${name}`);
    const all = play.doc().cases;
    setChoices(cases, all.map((one, i) => [one.id, caseName(one, i + 1)]));
    cases.value = found.case;
    cases.hidden = all.length < 2;
    drawPrompt(found);
    drawTurns(found);
    drawBox(found);
    drawTotal();
    const form = found.turns.length ? turns.get(found.turns.at(-1).id).waiting() : null;
    // The next thing to type into, if what had the focus is gone or has nothing more to do.
    const gone = inside && (!node.contains(document.activeElement) || (inForm && !active.offsetParent));
    if (gone || (form && active === box.area)) (form ?? box.area).focus?.();
  }

  let asked = ""; // to be opened when Python has made it
  return {
    node, drawTotal,
    draw() {
      draw();
      if (!asked || !chat()) return;
      asked = "";
      (starts() ? send : box.area).focus();
    },
    open(id) {
      if (shown === id && !node.hidden) return box.area.focus();
      shown = asked = id;
      drawn = "";
      act("open");
      return draw();
    },
    /** What is shown when the Playground is opened: the conversation that was last. */
    begin() {
      const { chats = [], chat_alone: only = "" } = play.doc();
      const last = chats.findLast((found) => found.turns.length);
      shown = only || last?.variant || "";
      if (only) {
        play.alone(true);
        whole.hidden = false;
      }
      draw();
    },
    /** Take the answers that are of conversations; returns the others. */
    take(cells, all = false) {
      const split = (own) => Object.fromEntries(Object.entries(cells).filter(([key]) => key.startsWith(KEY) === own));
      const mine = split(true);
      answers = { ...answers, ...mine };
      if (all || Object.keys(mine).length) draw();
      return split(false);
    },
    close: () => size.disconnect(),
  };
}
